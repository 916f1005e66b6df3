/*
 * flush_internal.h: what the files of flushing share, and nobody else: flush.c when there is a round, and what is noted for
 * it; flush_round.c what it does.
 */
#ifndef RAFTKV_STORE_FLUSH_FLUSH_INTERNAL_H
#define RAFTKV_STORE_FLUSH_FLUSH_INTERNAL_H

#include <uthash.h>

#include "store/flush/flush.h"

/* What a round makes durable of a region. */
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
	uint64_t generation; /* of extents freed by its entries */
	uint64_t size; /* bytes of log */
};

/* ---- flush.c ---- */

/* Whether what rounds keep from reuse is more than what is left. */
bool flush_is_room_needed(struct engines *engines);
/* The store stops, and a round or the housekeeping has ended: waits for the rest, makes the last round, and is done. */
void flush_go_on_finishing(struct flush *flush);

/* ---- flush_round.c ---- */

/* None runs. On the loop. */
void flush_round_begin(struct flush *flush);
void flush_round_free(struct flush_round *round); /* may be NULL */
void flush_regions_free(struct flush_region **regions);

#endif
