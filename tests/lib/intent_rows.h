/* intent_rows.h: puts intents into a region in memory as OP_PREPARE leaves them, for tests of what reads them. */
#ifndef RAFTKV_TESTS_LIB_INTENT_ROWS_H
#define RAFTKV_TESTS_LIB_INTENT_ROWS_H

#include "fs/schema/intent.h"
#include "tests/lib/memory_view.h"

#define INTENT_ROWS_SECOND 2000000000 /* the time of the changes: later than all others */

/* A name for each `number` > 0. */
struct attempt intent_rows_attempt(uint64_t number);
/* Puts the T row, and sets INODE_HAS_INTENTS in the inode, if it exists. */
void intent_rows_put(struct memory_view *memory, const struct attempt *attempt, uint32_t index,
	const struct intent *intent);
/* Deletes all T rows of the inode, and the flag. */
void intent_rows_clear(struct memory_view *memory, uint64_t ino);

/* `bytes` borrow from `writer`, which the caller closes. */
struct slice intent_rows_entry(struct writer *writer, uint64_t ino);
/* A whole inode row of a regular file with one link. */
struct slice intent_rows_file(struct writer *writer, uint64_t ino);

#endif
