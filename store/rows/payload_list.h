/*
 * payload_list.h: the payloads of one region's unapplied entries, by position in the log.
 *
 * A payload is in the list from the proposal or append of its entry until the entry is handed to apply or is replaced
 * by another leader's entry. An entry may have two: one for its large bytes, and a reserve for its small ones
 * (payload.h). On the loop of the region's replica.
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

/* Takes a payload of the entry at (term, index). append.c finds it by its position. */
void payload_list_add(struct payload_list *list, struct payload *payload, uint64_t term, uint64_t index);
/* The payload of the entry's large bytes, or its reserve; borrowed. NULL: none. */
struct payload *payload_list_find(const struct payload_list *list, uint64_t index, bool is_reserve);
/* Removes and returns the payloads of entries up to `index`, linked by `next`. */
struct payload *payload_list_take(struct payload_list *list, uint64_t index);
/* Removes and returns the payloads of the entries that `entries` (at least one) replaces. */
struct payload *payload_list_cut(struct payload_list *list, const struct raft_entries *entries);
/* At start: allocates extents for the reserves without any. */
void payload_list_reserve(struct payload_list *list, struct blocks *blocks);

/* Frees a removed list. payload_list_release also gives the extents back; payload_list_free keeps them, because rows
 * name them. */
void payload_list_release(struct payload **payloads, struct blocks *blocks, uint64_t mark);
void payload_list_free(struct payload **payloads);

#endif
