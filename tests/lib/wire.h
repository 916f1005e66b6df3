/*
 * wire.h: bytes that a build has written, kept in tests/data/wire, for tests that encodings stay what they are.
 *
 * With RAFTKV_RECORD in its environment a test writes the files that are not there yet; a file that is there is never
 * written again. Programs run from the top of the source tree, as tests/run.sh does.
 */
#ifndef RAFTKV_TESTS_LIB_WIRE_H
#define RAFTKV_TESTS_LIB_WIRE_H

#include "proto/buf.h"

/* The file NAME, one reference. The test fails without it. */
struct buf *wire_read(const char *name);
/* Makes the file NAME, when the test records and there is none. */
void wire_record(const char *name, struct slice bytes);
/* The test fails where `bytes` are not those of the file NAME; records first. */
void wire_expect(const char *name, struct slice bytes);
/* `bytes`, `zeros` zeroes and bytes that no program knows, one reference. */
struct buf *wire_with_tail(struct slice bytes, size_t zeros);

#endif
