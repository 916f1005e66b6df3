#include "proto/logger.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

const char *log_level_name(enum log_level level)
{
	static const char *const names[] = {"debug", "info", "warn", "error", "none"};

	return names[level];
}

static void write_fd(void *argument, enum log_level level, const char *line)
{
	struct timespec now;
	struct tm utc;
	char date[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
	dprintf((int)(intptr_t)argument, "%s.%03ldZ level=%s %s\n", date, now.tv_nsec / 1000000,
		log_level_name(level), line);
}

struct logger logger_fd(int fd, enum log_level level)
{
	return (struct logger){.level = level, .write = write_fd, .argument = (void *)(intptr_t)fd};
}

void logger_print(const struct logger *logger, enum log_level level, const char *format, ...)
{
	char line[1024];
	va_list arguments;

	if (!logger || logger->level > level)
		return;
	va_start(arguments, format);
	vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	logger->write(logger->argument, level, line);
}
