/*
 * block_waiting.h: extents that are free but may not be given out yet. First they wait for their mark to be released;
 * then for every reader that was inside at that moment: whoever entered before the free and is still there is among
 * them. Pure: no I/O, no lock. Used by the block store (blocks*.c) under its lock.
 */
#ifndef RAFTKV_STORE_BLOCKS_BLOCK_WAITING_H
#define RAFTKV_STORE_BLOCKS_BLOCK_WAITING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/blocks/blocks.h"

struct waiting_extent {
	uint64_t order; /* the mark; once released, the epoch */
	struct block_extent extent;
};

/* A ring sorted by `order`. */
struct waiting_queue {
	struct waiting_extent *items;
	size_t first, count, capacity; /* a power of two */
};

struct block_waiting {
	struct waiting_queue marked;
	struct waiting_queue released;
	uint64_t released_mark;
	uint64_t epoch; /* of a reader that enters now */
	struct blocks_reader readers; /* a ring, the oldest first */
	uint64_t units; /* waiting */
};

void block_waiting_init(struct block_waiting *waiting);
void block_waiting_close(struct block_waiting *waiting);

/* 0, or -ENOMEM and nothing changed. Neighbours with the same mark share a place. */
int block_waiting_add(struct block_waiting *waiting, struct block_extent extent, uint64_t mark);
void block_waiting_release(struct block_waiting *waiting, uint64_t mark);
void block_waiting_enter(struct block_waiting *waiting, struct blocks_reader *reader);
void block_waiting_leave(struct block_waiting *waiting, struct blocks_reader *reader);

/* Takes an extent that may be given out again. False: there is none now. */
bool block_waiting_take(struct block_waiting *waiting, struct block_extent *extent);

#endif
