/*
 * arguments.h: the command line of a test program, by a table of its options: "--name VALUE", "--name=VALUE" or "--name".
 */
#ifndef RAFTKV_TESTS_LIB_ARGUMENTS_H
#define RAFTKV_TESTS_LIB_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where an option's value goes: one of the pointers is set. */
struct argument {
	const char *name; /* without the dashes */
	uint64_t *number; /* decimal, or 0x… */
	const char **text; /* of argv */
	bool *flag; /* the option has no value */
};

#define ARGUMENTS_MAX 16

/* `count` ≤ ARGUMENTS_MAX. What is not named keeps its value. The index of the first argument that is no option; -1: there
 * is an option that is not known or misses its value, which stderr was told, or a number that is none. */
int arguments_parse(const struct argument *arguments, size_t count, int argc, char **argv);

#endif
