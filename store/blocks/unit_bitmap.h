/*
 * unit_bitmap.h: a bitmap of units in use. For extents in random order it is faster than a tree of runs, which costs a
 * walk through cold memory for each. Pure.
 */
#ifndef RAFTKV_STORE_BLOCKS_UNIT_BITMAP_H
#define RAFTKV_STORE_BLOCKS_UNIT_BITMAP_H

#include <stdbool.h>
#include <stdint.h>

/* Zero is a bitmap of no units. */
struct unit_bitmap {
	uint64_t *words;
	uint64_t units;
};

int unit_bitmap_init(struct unit_bitmap *bitmap, uint64_t units); /* none in use. 0 or -ENOMEM */
void unit_bitmap_close(struct unit_bitmap *bitmap);
/* Marks [first, first + count), which must be within the bitmap, as in use. False: a unit is already in use, and
 * nothing changed. */
bool unit_bitmap_set(struct unit_bitmap *bitmap, uint64_t first, uint64_t count);
/* The first unit in [from, end) that is in use (`is_used`) or free; `end`: none. */
uint64_t unit_bitmap_find(const struct unit_bitmap *bitmap, uint64_t from, uint64_t end, bool is_used);

#endif
