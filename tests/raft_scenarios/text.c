#include "tests/raft_scenarios/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"

static bool is_log_line(const char *line)
{
	static const char *const levels[] = {"DEBUG ", "INFO ", "WARN ", "ERROR ", "FATAL "};

	line += strspn(line, " \t");
	for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
		if (strncmp(line, levels[i], strlen(levels[i])) == 0)
			return true;
	return false;
}

char *text_normalize(struct slice text, bool skip_log_lines)
{
	char *copy = strndup(text.size > 0 ? text.data : "", text.size), *rest = copy, *line, *result;
	size_t size;
	FILE *out = open_memstream(&result, &size);

	check(copy != NULL && out != NULL);
	while ((line = strsep(&rest, "\n"))) {
		if ((*line != '\0' || rest) && !(skip_log_lines && is_log_line(line)))
			fprintf(out, "%s\n", line);
	}
	fflush(out);
	if (size == 0)
		fputs("ok\n", out);
	fclose(out);
	free(copy);
	return result;
}

/* ---- Difference ---- */

struct lines {
	char *text;
	char **items;
	size_t count;
};

static struct lines split(const char *text)
{
	struct lines lines = {.text = strdup(text)};
	char *rest = lines.text, *line;

	check(lines.text != NULL);
	lines.items = malloc((strlen(text) + 1) * sizeof *lines.items);
	check(lines.items != NULL);
	while ((line = strsep(&rest, "\n")))
		if (*line != '\0' || rest)
			lines.items[lines.count++] = line;
	return lines;
}

static void lines_close(struct lines *lines)
{
	free(lines->text);
	free(lines->items);
}

/* common[i * (b->count + 1) + j]: the number of lines that `a` from i on and `b` from j on have in common, in order. */
static uint32_t *count_common(const struct lines *a, const struct lines *b)
{
	size_t width = b->count + 1;
	uint32_t *common = calloc((a->count + 1) * width, sizeof *common);

	check(common != NULL);
	for (size_t i = a->count; i-- > 0;) {
		for (size_t j = b->count; j-- > 0;) {
			uint32_t down = common[(i + 1) * width + j], right = common[i * width + j + 1];

			common[i * width + j] = down > right ? down : right;
			if (strcmp(a->items[i], b->items[j]) == 0)
				common[i * width + j] = common[(i + 1) * width + j + 1] + 1;
		}
	}
	return common;
}

void text_print_difference(FILE *out, const char *expected, const char *actual)
{
	struct lines a = split(expected), b = split(actual);
	uint32_t *common = count_common(&a, &b);
	size_t width = b.count + 1, i = 0, j = 0;

	while (i < a.count || j < b.count) {
		if (i < a.count && j < b.count && strcmp(a.items[i], b.items[j]) == 0) {
			fprintf(out, "     %s\n", a.items[i]);
			i++;
			j++;
		} else if (i < a.count &&
			   (j == b.count || common[(i + 1) * width + j] >= common[i * width + j + 1])) {
			fprintf(out, "   - %s\n", a.items[i++]);
		} else {
			fprintf(out, "   + %s\n", b.items[j++]);
		}
	}
	free(common);
	lines_close(&a);
	lines_close(&b);
}
