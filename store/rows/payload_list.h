/*
 * payload_list.h: the payloads of one region's entries that are not applied yet, by their position in the log.
 *
 * A payload has its place from when its entry is proposed or appended until the entry is handed to apply, or is cut off
 * by what another leader put in its place. An entry may have two: that of its large bytes, and a reserve for its small
 * ones (payload.h). On the loop of the region's replica.
 */
#ifndef RAFTKV_STORE_ROWS_PAYLOAD_LIST_H
#define RAFTKV_STORE_ROWS_PAYLOAD_LIST_H

#include "raft/raft.h"
#include "store/rows/payload.h"

/* Zero is empty. */
struct payload_list {
	struct payload *first; /* by index */
	struct payload *last;
};

/* Takes a payload of the entry at (term, index); whoever appends the entry finds it by its position. */
void payload_list_add(struct payload_list *list, struct payload *payload, uint64_t term, uint64_t index);
/* That of the entry's large bytes, or its reserve; borrowed. NULL: there is none. */
struct payload *payload_list_find(const struct payload_list *list, uint64_t index, bool is_reserve);
/* Takes those of entries up to `index` out; linked by `next`. */
struct payload *payload_list_take(struct payload_list *list, uint64_t index);
/* Takes those out whose entries `entries` (one at least) replaces. */
struct payload *payload_list_cut(struct payload_list *list, const struct raft_entries *entries);
/* At start: takes the extents of the reserves that have none yet. */
void payload_list_reserve(struct payload_list *list, struct blocks *blocks);

/* Of what was taken out: gives the extents back, and frees; or frees alone, when they are somebody else's by now. */
void payload_list_release(struct payload **payloads, struct blocks *blocks, uint64_t mark);
void payload_list_free(struct payload **payloads);

#endif
