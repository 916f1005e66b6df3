/*
 * deferred_writes.h: the block store's writes in flight, by address. Readers of their units get the bytes from memory
 * meanwhile. Pure: no I/O, no lock. Used by the block store (blocks_deferred.c).
 */
#ifndef RAFTKV_STORE_BLOCKS_DEFERRED_WRITES_H
#define RAFTKV_STORE_BLOCKS_DEFERRED_WRITES_H

#include <stddef.h>
#include <stdint.h>

#include "store/blocks/blocks.h"

struct deferred_write {
	struct block_extent extent;
	uint64_t number; /* grows in the order in which the writes began */
	const uint8_t *bytes; /* borrowed until it is removed */
};

/* Sorted by address; no two of them overlap. Zero is empty. */
struct deferred_writes {
	struct deferred_write *items;
	size_t count, capacity;
	uint64_t begun; /* the number of the last one */
};

void deferred_writes_close(struct deferred_writes *writes);
/* Borrows `bytes` until the write is removed. 0 or -ENOMEM. */
int deferred_writes_add(struct deferred_writes *writes, struct block_extent extent, const uint8_t *bytes);
/* Removes the write that begins at `address`, which must be there. */
void deferred_writes_remove(struct deferred_writes *writes, uint64_t address);
/* The bytes of the unit at `address`, if a write has it; else NULL. Either way `*count` is limited to the units from
 * there on for which the answer is the same (and whose bytes are adjacent). */
const uint8_t *deferred_writes_find(const struct deferred_writes *writes, uint64_t address, uint32_t *count);
/* The number of the oldest write; UINT64_MAX: none. */
uint64_t deferred_writes_oldest(const struct deferred_writes *writes);

#endif
