/*
 * unit_bitmap.h: which of a fixed number of units are in use, a bit each. Where extents come in no order, a bit is found
 * at once, while a tree of runs would be walked from its root through cold memory. Pure.
 */
#ifndef RAFTKV_STORE_BLOCKS_UNIT_BITMAP_H
#define RAFTKV_STORE_BLOCKS_UNIT_BITMAP_H

#include <stdbool.h>
#include <stdint.h>

/* Zero is one of no units. */
struct unit_bitmap {
	uint64_t *words;
	uint64_t units;
};

int unit_bitmap_init(struct unit_bitmap *bitmap, uint64_t units); /* none in use. 0 or -ENOMEM */
void unit_bitmap_close(struct unit_bitmap *bitmap);
/* Puts [first, first + count), which the bitmap has, in use. False: some of it is already, and nothing changed. */
bool unit_bitmap_set(struct unit_bitmap *bitmap, uint64_t first, uint64_t count);
/* The first unit in [from, end) that is in use, or that is not; `end`: none. */
uint64_t unit_bitmap_find(const struct unit_bitmap *bitmap, uint64_t from, uint64_t end, bool is_used);

#endif
