/*
 * Log lines for people: one line for each event. Every object that logs is given a logger; there is no global one.
 * `write` gets a finished line without a newline, on whichever thread logs.
 *
 * A line is logfmt: `msg="what happened" key=value key="some text"`. A line that does not begin with a key is a sentence:
 * of the consensus core, or one that is handed on.
 */
#ifndef RAFTKV_PROTO_LOGGER_H
#define RAFTKV_PROTO_LOGGER_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_NONE };

typedef void (*logger_write_cb)(void *argument, enum log_level level, const char *line);

struct logger {
	enum log_level level; /* lines of lower levels are not formatted */
	logger_write_cb write;
	void *argument;
};

/* A logger that writes `TIME level=… message` lines, with the wall-clock time in UTC, to a descriptor, which stays the
 * caller's. Of a sentence it makes `msg="…"`. */
struct logger logger_fd(int fd, enum log_level level);

/* "debug", "info", "warn", "error", "none". */
const char *log_level_name(enum log_level level);

/* Formats a line and writes it; does nothing if `logger` is NULL. Lines are cut at 1 KiB. */
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
