/*
 * kv_flush_internal.h: shared by the files of flush/ alone: kv_flush.c decides when a round runs and collects notes,
 * kv_flush_round.c has the steps of a round.
 */
#ifndef RAFTKV_STORE_FLUSH_KV_FLUSH_INTERNAL_H
#define RAFTKV_STORE_FLUSH_KV_FLUSH_INTERNAL_H

#include "proto/hash.h"
#include "store/flush/kv_flush.h"

/* A round's part for one region. */
struct kv_flush_region {
	UT_hash_handle hh;
	struct kv_flush *flush;
	uint64_t region;
	uint64_t index; /* A: applied and visible */
	bool has_deferred;
	struct log_mark mark;
	uint8_t value[8];
	struct log_write write;
};

struct kv_flush_round {
	struct kv_flush_round *next;
	struct kv_flush_region *regions; /* hash */
	uint64_t generation; /* the mark of extents freed by its entries */
	uint64_t size; /* bytes of log */
};

/* ---- kv_flush.c ---- */

/* Whether the space that rounds keep from reuse is more than the space that is left. */
bool kv_flush_is_room_needed(struct engines *engines);
/* On the loop: begins the next round, or sees to it that it begins, if it is due. */
void kv_flush_on_round_ended(struct kv_flush *flush);

/* ---- kv_flush_round.c ---- */

/* Begins a round; none may be running. On the loop. */
void kv_flush_round_begin(struct kv_flush *flush);
void kv_flush_round_free(struct kv_flush_round *round); /* may be NULL */
void kv_flush_regions_free(struct kv_flush_region **regions);

#endif
