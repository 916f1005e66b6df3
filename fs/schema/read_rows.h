/*
 * read_rows.h: answers QUESTION_ROWS: rows as facts (intent.h), for an operation across regions.
 */
#ifndef RAFTKV_FS_SCHEMA_READ_ROWS_H
#define RAFTKV_FS_SCHEMA_READ_ROWS_H

#include "fs/schema/intent.h"
#include "store/kv/view.h"

#define READ_ANCESTORS_MAX 64u

/* Writes the facts that are wanted: the row of the inode, which must be in the view's region; with a name, that of the
 * entry, and of the inode that it names, if that is in the region; with `is_upward` those of at most READ_ANCESTORS_MAX
 * ancestors, up to the first one that is elsewhere. What does not exist is a fact, too.
 *
 * 0; -E2BIG: `facts` has no room; STATUS_INTENTS (read.h); or what the view returned. */
int read_rows(struct view *view, const struct wanted *wanted, struct writer *facts);

#endif
