#include "proto/logger.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_SIZE_MAX	1024
#define QUOTED_SIZE_MAX (2 * LINE_SIZE_MAX + 8) /* of a line whose every byte is quoted */

const char *log_level_name(enum log_level level)
{
	static const char *const names[] = {"debug", "info", "warn", "error", "none"};

	return names[level];
}

/* Begins the line with a key? */
static bool has_key(const char *line)
{
	size_t size = strspn(line, "abcdefghijklmnopqrstuvwxyz_");

	return size > 0 && line[size] == '=';
}

/* msg="…" of a sentence. */
static void quote(const char *sentence, char line[QUOTED_SIZE_MAX])
{
	char *at = line + sprintf(line, "msg=\"");

	for (; *sentence; sentence++) {
		if (*sentence == '"' || *sentence == '\\')
			*at++ = '\\';
		*at++ = (unsigned char)*sentence < ' ' ? ' ' : *sentence;
	}
	strcpy(at, "\"");
}

/* One write a line, so that lines of several processes do not mix. Not dprintf: glibc's (2.36) leaks a buffer at each call
 * on a descriptor that is not open. What cannot be written is lost: there is nobody to tell. */
static void write_fd(void *argument, enum log_level level, const char *line)
{
	char whole[QUOTED_SIZE_MAX + 64], quoted[QUOTED_SIZE_MAX], date[32];
	struct timespec now;
	struct tm utc;
	int size;

	if (!has_key(line)) {
		quote(line, quoted);
		line = quoted;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
	size = snprintf(whole, sizeof whole, "%s.%03ldZ level=%s %s\n", date, now.tv_nsec / 1000000,
		log_level_name(level), line);
	if (write((int)(intptr_t)argument, whole, (size_t)size) < 0)
		return;
}

struct logger logger_fd(int fd, enum log_level level)
{
	return (struct logger){.level = level, .write = write_fd, .argument = (void *)(intptr_t)fd};
}

void logger_print(const struct logger *logger, enum log_level level, const char *format, ...)
{
	char line[LINE_SIZE_MAX];
	va_list arguments;

	if (!logger || logger->level > level)
		return;
	va_start(arguments, format);
	vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	logger->write(logger->argument, level, line);
}
