#include "fs/check/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct problem *next_place(struct report *report)
{
	if (report->count == report->capacity) {
		size_t capacity = report->capacity > 0 ? report->capacity * 2 : 16;
		struct problem *problems = realloc(report->problems, capacity * sizeof *problems);

		if (!problems)
			return NULL;
		report->problems = problems;
		report->capacity = capacity;
	}
	return &report->problems[report->count];
}

struct problem *report_add(struct report *report, const char *code, uint64_t ino, const char *format, ...)
{
	struct problem *problem = NULL;
	va_list arguments;
	char *text;

	report->total++;
	if (report->count == REPORT_PROBLEM_COUNT_MAX)
		return NULL;
	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	if (text)
		problem = next_place(report);
	if (!problem) {
		free(text);
		report->status = -ENOMEM;
		return NULL;
	}
	*problem = (struct problem){.code = code, .ino = ino, .text = text};
	report->count++;
	return problem;
}

void report_fix(struct problem *problem, enum fix_kind kind, uint64_t ino, uint64_t value)
{
	if (problem)
		problem->fix = (struct fix){.kind = kind, .ino = ino, .value = value};
}

void report_fix_row(struct problem *problem, enum fix_kind kind, uint64_t ino, struct slice key)
{
	struct buf *copy = problem ? buf_copy(key.data, key.size) : NULL;

	if (copy)
		problem->fix = (struct fix){.kind = kind, .ino = ino, .key = copy};
}

void report_close(struct report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		free(report->problems[i].text);
		free(report->problems[i].path);
		buf_unref(report->problems[i].fix.key);
	}
	free(report->problems);
	*report = (struct report){0};
}

/* ---- Names ---- */

/* How many bytes the UTF-8 sequence at the start of `bytes` has; 0: it is not well-formed. */
static size_t utf8_length(const uint8_t *bytes, size_t size)
{
	size_t length = bytes[0] < 0x80 ? 1 : bytes[0] >= 0xf0 ? 4 : bytes[0] >= 0xe0 ? 3 : 2;

	if ((bytes[0] >= 0x80 && bytes[0] < 0xc2) || bytes[0] > 0xf4 || length > size)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
	if ((bytes[0] == 0xe0 && bytes[1] < 0xa0) || (bytes[0] == 0xed && bytes[1] > 0x9f) ||
		(bytes[0] == 0xf0 && bytes[1] < 0x90) || (bytes[0] == 0xf4 && bytes[1] > 0x8f))
		return 0;
	return length;
}

void report_quote(struct slice name, char *text, size_t size)
{
	const uint8_t *bytes = name.data;
	size_t used = 0;

	for (size_t i = 0; i < name.size;) {
		size_t length = utf8_length(bytes + i, name.size - i);

		if (used + 5 > size)
			break;
		if (length == 0 || bytes[i] < 0x20 || bytes[i] == 0x7f || bytes[i] == '\\') {
			used += (size_t)snprintf(text + used, size - used, "\\%03o", bytes[i]);
			i++;
		} else {
			memcpy(text + used, bytes + i, length);
			used += length;
			i += length;
		}
	}
	text[used] = '\0';
}
