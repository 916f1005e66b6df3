/*
 * block_allocator.h: the free units, as runs by address and by size. Pure: no I/O, no lock, and deterministic. Memory
 * grows with the number of free runs. Used by the block store (blocks*.c) under its lock.
 *
 * Invariants: runs do not overlap and do not touch (neighbours are merged); `units` is their sum.
 */
#ifndef RAFTKV_STORE_BLOCKS_BLOCK_ALLOCATOR_H
#define RAFTKV_STORE_BLOCKS_BLOCK_ALLOCATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "store/blocks/blocks.h"

struct block_run;

struct block_allocator {
	struct block_run *by_address; /* roots of the trees */
	struct block_run *by_size;
	uint64_t units; /* free */
	uint64_t runs;
};

/* Zero is an allocator without free units. */
void block_allocator_close(struct block_allocator *allocator);

/* Makes units free, none of which may be free already (checked). 0; -ENOMEM: nothing changed. */
int block_allocator_give(struct block_allocator *allocator, uint64_t address, uint64_t count);

/* Takes the first `count` units of the smallest run that has so many, the lowest of equals. If there is no such run,
 * takes all of the largest run (up to UINT32_MAX units). False: nothing is free. */
bool block_allocator_take(struct block_allocator *allocator, uint32_t count, struct block_extent *extent);

/* Takes exactly these units. 0; -ENOENT: not all of them are free; -ENOMEM. On an error nothing changed. */
int block_allocator_take_at(struct block_allocator *allocator, uint64_t address, uint64_t count);

uint64_t block_allocator_largest(const struct block_allocator *allocator); /* units of the largest run */
bool block_allocator_has(const struct block_allocator *allocator, uint64_t address, uint64_t count);

/* Finds a free range of `size` units whose address is a multiple of `size`, in one of the largest runs. False: none was
 * found. */
bool block_allocator_find_aligned(const struct block_allocator *allocator, uint64_t size, uint64_t *address);

#endif
