/*
 * text: comparing what a step gave with what was expected, and showing the difference.
 */
#ifndef RAFTKV_TESTS_TEXT_H
#define RAFTKV_TESTS_TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include "proto/buf.h"

/* A copy of `text`, the caller's to free, that ends with a newline. With `skip_log_lines` without the lines that
 * begin, after blanks, with a log level; text that is empty then becomes "ok". */
char *text_normalize(struct slice text, bool skip_log_lines);

/* Writes both texts line by line: `-` what was expected and is not there, `+` what is there instead. */
void text_print_difference(FILE *out, const char *expected, const char *actual);

#endif
