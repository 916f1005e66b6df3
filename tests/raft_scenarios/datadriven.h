/*
 * datadriven: reads scenario files. A file is a list of steps:
 *
 *     # a comment
 *     command argument key=value key=(value, value)
 *     input lines, if the command takes any
 *     ----
 *     expected output, up to a blank line
 *
 * Output that contains blank lines is put between two lines `----` and two more.
 */
#ifndef RAFTKV_TESTS_DATADRIVEN_H
#define RAFTKV_TESTS_DATADRIVEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"

#define ARGUMENTS_MAX 16
#define VALUES_MAX    32

struct argument {
	const char *key;
	const char *values[VALUES_MAX];
	size_t value_count; /* 0: a bare word */
};

/* A command line; its strings point into `line`. */
struct command {
	char line[1024];
	const char *name;
	struct argument arguments[ARGUMENTS_MAX];
	size_t argument_count;
};

/* Parses a command line. False: it is not of the format, or over a limit. */
bool command_parse(struct command *command, struct slice line);
/* The argument `key`, or NULL. */
const struct argument *command_find(const struct command *command, const char *key);
/* The number of argument `key`, or `otherwise`. */
uint64_t command_number(const struct command *command, const char *key, uint64_t otherwise);
/* Whether argument `key` is "true". */
bool command_flag(const struct command *command, const char *key);
/* True when `text` is a decimal number. */
bool number_parse(const char *text, uint64_t *number);

struct step {
	struct command command;
	unsigned line; /* of the command, from 1 */
	struct slice source; /* the text before the first `----`, with comments */
	struct slice input; /* without the blanks around it */
	struct slice expected;
};

/* A cursor over a file's text, borrowed. */
struct scenario {
	struct slice rest;
	unsigned line; /* lines read */
	struct slice tail; /* at the end: the text after the last step */
	const char *error; /* what is wrong with line `line`; NULL: nothing */
};

/* The next step; false at the end or after an error. */
bool scenario_next(struct scenario *scenario, struct step *step);

#endif
