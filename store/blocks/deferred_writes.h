/*
 * deferred_writes.h: writes of the block store whose bytes are in memory and on their way to the disk, by address: what a
 * reader of those units is given meanwhile. Pure: no I/O, no lock. Used by the block store (blocks_deferred.c).
 */
#ifndef RAFTKV_STORE_BLOCKS_DEFERRED_WRITES_H
#define RAFTKV_STORE_BLOCKS_DEFERRED_WRITES_H

#include <stddef.h>
#include <stdint.h>

#include "store/blocks/blocks.h"

struct deferred_write {
	struct block_extent extent;
	uint64_t number; /* in the order in which they began */
	const uint8_t *bytes; /* borrowed until it is removed */
};

/* Sorted by address; no two of them overlap. Zero is empty. */
struct deferred_writes {
	struct deferred_write *items;
	size_t count, capacity;
	uint64_t begun; /* the number of the last one */
};

void deferred_writes_close(struct deferred_writes *writes);
/* Shares nothing: `bytes` must stay. 0 or -ENOMEM. */
int deferred_writes_add(struct deferred_writes *writes, struct block_extent extent, const uint8_t *bytes);
/* The one that begins at that address, which is there. */
void deferred_writes_remove(struct deferred_writes *writes, uint64_t address);
/* The bytes of the unit at `address`, if it is on its way; else NULL. In either case `*count` is cut to the units from
 * there on of which the same can be said (and whose bytes follow). */
const uint8_t *deferred_writes_find(const struct deferred_writes *writes, uint64_t address, uint32_t *count);
/* The number of the one that began first; UINT64_MAX: there is none. */
uint64_t deferred_writes_oldest(const struct deferred_writes *writes);

#endif
