/*
 * flush_internal.h: shared by the files of flush/ alone: flush.c decides when a round runs and collects notes,
 * flush_round.c has the steps of a round.
 */
#ifndef RAFTKV_STORE_FLUSH_FLUSH_INTERNAL_H
#define RAFTKV_STORE_FLUSH_FLUSH_INTERNAL_H

#include <uthash.h>

#include "store/flush/flush.h"

/* A round's part for one region. */
struct flush_region {
	UT_hash_handle hh;
	struct flush *flush;
	uint64_t region;
	uint64_t index; /* A: applied and visible */
	bool has_deferred;
	struct log_mark mark;
	uint8_t value[8];
	struct log_write write;
};

struct flush_round {
	struct flush_round *next;
	struct flush_region *regions; /* hash */
	uint64_t generation; /* the mark of extents freed by its entries */
	uint64_t size; /* bytes of log */
};

/* ---- flush.c ---- */

/* Whether the space that rounds keep from reuse is more than the space that is left. */
bool flush_is_room_needed(struct engines *engines);
/* The store stops, and a round or maintenance has ended: waits for the rest, runs the last round, then finishes. */
void flush_go_on_finishing(struct flush *flush);

/* ---- flush_round.c ---- */

/* Begins a round; none may be running. On the loop. */
void flush_round_begin(struct flush *flush);
void flush_round_free(struct flush_round *round); /* may be NULL */
void flush_regions_free(struct flush_region **regions);

#endif
