/*
 * text: compares the output of a step with the expected one, and shows the difference.
 */
#ifndef RAFTKV_TESTS_TEXT_H
#define RAFTKV_TESTS_TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include "proto/buf.h"

/* A copy of `text`, which the caller frees, that ends with a newline. With `skip_log_lines` it lacks the lines that begin,
 * after blanks, with a log level; if nothing is left it is "ok". */
char *text_normalize(struct slice text, bool skip_log_lines);

/* Prints both texts line by line: `-` for expected lines that are missing, `+` for lines that are there instead. */
void text_print_difference(FILE *out, const char *expected, const char *actual);

#endif
