/*
 * split_key.h: where a region may be split. Pure.
 *
 * A region begins with the first key of a dirid, so that one region has all rows of a dirid. New directories draw their
 * dirids from those of the region, so a half that is made on purpose must keep enough of them.
 */
#ifndef RAFTKV_FS_SCHEMA_SPLIT_KEY_H
#define RAFTKV_FS_SCHEMA_SPLIT_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/schema/keys.h"

#define FS_SPLIT_DIRIDS_MIN (UINT64_C(1) << 16) /* dirids that each half keeps */

/* The dirids [*first, *end) of which all keys lie in [start, `bound`), without the root's; `bound` empty: no bound.
 * There is none where *first >= *end. */
void fs_dirids_within(struct slice start, struct slice bound, uint64_t *first, uint64_t *end);

/* 0 < dirid < FS_DIRID_END: a region cannot begin with the root's. */
struct fs_key fs_split_key_of_dirid(uint64_t dirid);
/* Whether fs_split_key_of_dirid makes it. */
bool fs_split_key_is_valid(struct slice key);
/* Whether `key` is valid, and splits the region [start, end) into halves that keep FS_SPLIT_DIRIDS_MIN dirids each.
 * Whoever chooses a split key asks. */
bool fs_split_is_wide_enough(struct slice start, struct slice end, struct slice key);

#endif
