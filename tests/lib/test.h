/* Every unit test includes this first: cmocka with the headers that it needs, and small helpers. */
#ifndef RAFTKV_TESTS_LIB_TEST_H
#define RAFTKV_TESTS_LIB_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/container.h"

/* Makes an empty directory under $TMPDIR (/var/tmp: a real disk, not tmpfs, for direct I/O) and removes it with all
 * that is in it. */
void test_directory_make(char *path, size_t size);
void test_directory_remove(const char *path);

#endif
