/*
 * Log lines for people: one line an event. A logger is handed down to every object that may log; nothing logs through
 * a global. The sink gets a finished line without a newline and may be called on any thread that owns the logger.
 *
 * A line is logfmt: `msg="what happened" key=value key="some text"`. What begins with no key is a sentence, and nothing
 * but that: the consensus core's, or one that is handed on.
 */
#ifndef RAFTKV_PROTO_LOGGER_H
#define RAFTKV_PROTO_LOGGER_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_NONE };

typedef void (*logger_write_cb)(void *argument, enum log_level level, const char *line);

struct logger {
	enum log_level level; /* lines below it are not formatted */
	logger_write_cb write;
	void *argument;
};

/* A logger that writes lines with a wall-clock time and `level=…` to a descriptor, which it shares; of a sentence it makes
 * `msg="…"`. */
struct logger logger_fd(int fd, enum log_level level);

/* "debug", "info", "warn", "error", "none". */
const char *log_level_name(enum log_level level);

/* Formats and hands on; `logger` may be NULL (nothing is logged). Lines are cut at 1 KiB. */
void logger_print(const struct logger *logger, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define logger_at(logger, at, ...)                                                                           \
	do {                                                                                                 \
		if ((logger) && (logger)->level <= (at))                                                     \
			logger_print((logger), (at), __VA_ARGS__);                                           \
	} while (0)
#define log_debug(logger, ...) logger_at(logger, LOG_DEBUG, __VA_ARGS__)
#define log_info(logger, ...)  logger_at(logger, LOG_INFO, __VA_ARGS__)
#define log_warn(logger, ...)  logger_at(logger, LOG_WARN, __VA_ARGS__)
#define log_error(logger, ...) logger_at(logger, LOG_ERROR, __VA_ARGS__)

#endif
