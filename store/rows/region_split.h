/*
 * region_split.h: the entry that splits a region in two, and what it makes of the region. Pure: a region and an entry
 * give the same two regions, or the same refusal, on every replica.
 *
 * The region keeps its id and the range below the key. The new region gets the rest, the same members with the same
 * replica ids, and both have the next epoch version. So a region's start never changes, and its end only falls.
 *
 * The record is the entry's data. Its first byte tells it from mutations (mutations.h).
 */
#ifndef RAFTKV_STORE_ROWS_REGION_SPLIT_H
#define RAFTKV_STORE_ROWS_REGION_SPLIT_H

#include <stdbool.h>

#include "raft/raft.h"
#include "store/rows/region.h"

struct region_split {
	struct region_epoch epoch; /* the region's when the split was proposed; both parts must still hold */
	uint64_t region; /* the id of the new region */
	struct slice key; /* where it begins; of KEY_DATA */
};

/* 0 or -ENOMEM. */
int region_split_encode(const struct region_split *split, struct buf **data);
/* Whether the entry is a split. */
bool region_split_is(const struct raft_entry *entry);
/* `split->key` borrows from the entry. 0 or STATUS_CORRUPT. */
int region_split_decode(const struct raft_entry *entry, struct region_split *split);

/* Whether the region can be split so. 0; STATUS_EPOCH_NOT_MATCH: it has changed since; STATUS_KEY_NOT_IN_REGION: the
 * key is not inside its range, so that one half would be empty; STATUS_CONF_CHANGE_INVALID: its membership is joint. */
int region_split_check(const struct region *region, const struct region_split *split);
/* Makes both halves, which the caller closes. What region_split_check returns, or -ENOMEM; then neither is made. */
int region_split_apply(const struct region *region, const struct region_split *split, struct region *lower,
	struct region *upper);

#endif
