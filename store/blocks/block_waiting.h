/*
 * block_waiting.h: freed extents that may not be reused yet. An extent first waits until its mark is released, then for
 * every reader that is inside at that moment. These readers include every reader that entered before the free and has
 * not left. Pure: no I/O, no lock. Used by the block store (blocks*.c) under its lock.
 */
#ifndef RAFTKV_STORE_BLOCKS_BLOCK_WAITING_H
#define RAFTKV_STORE_BLOCKS_BLOCK_WAITING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/blocks/blocks.h"

struct waiting_extent {
	uint64_t order; /* the mark; after the release, the epoch */
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
	uint64_t epoch; /* given to a reader that enters now */
	struct blocks_reader readers; /* a ring, the oldest first */
	uint64_t units; /* in both queues */
};

void block_waiting_init(struct block_waiting *waiting);
void block_waiting_close(struct block_waiting *waiting);

/* 0; -ENOMEM: nothing changed. Adjacent extents with the same mark share an item. */
int block_waiting_add(struct block_waiting *waiting, struct block_extent extent, uint64_t mark);
void block_waiting_release(struct block_waiting *waiting, uint64_t mark);
void block_waiting_enter(struct block_waiting *waiting, struct blocks_reader *reader);
void block_waiting_leave(struct block_waiting *waiting, struct blocks_reader *reader);

/* Takes an extent that may be reused. False: none now. */
bool block_waiting_take(struct block_waiting *waiting, struct block_extent *extent);

#endif
