/*
 * ino_ranges.h: a set of inode numbers, as ranges. Files that were created in one directory one after the other share a
 * range.
 */
#ifndef RAFTKV_FS_SCHEMA_INO_RANGES_H
#define RAFTKV_FS_SCHEMA_INO_RANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"

#define INO_RANGES_MAX	     8192u
#define INO_RANGES_COUNT_MAX 65536u /* inodes */

struct ino_range {
	uint64_t first;
	uint32_t count; /* > 0 */
};

struct ino_ranges {
	uint32_t range_count;
	uint32_t count; /* inodes */
	struct ino_range ranges[INO_RANGES_MAX]; /* ascending, disjoint */
};

void ino_ranges_clear(struct ino_ranges *ranges);
/* One more than the greatest member; 0: the set is empty. */
uint64_t ino_ranges_end(const struct ino_ranges *ranges);
/* `ino` must be ino_ranges_end at least. False: the set is full. */
bool ino_ranges_add(struct ino_ranges *ranges, uint64_t ino);
bool ino_ranges_has(const struct ino_ranges *ranges, uint64_t ino);

/* A position in a set. Zeroes: the least member. */
struct ino_position {
	uint32_t range; /* range_count: behind the greatest member */
	uint32_t offset;
};
/* The member at the position, which moves to the next one. False: there are no more. */
bool ino_ranges_next(const struct ino_ranges *ranges, struct ino_position *position, uint64_t *ino);
/* The members of either, the least ones if not all fit. `joined` is neither of them. */
void ino_ranges_join(const struct ino_ranges *one, const struct ino_ranges *other, struct ino_ranges *joined);

int ino_ranges_encode(const struct ino_ranges *ranges, struct buf **bytes); /* 0 or -ENOMEM */
int ino_ranges_decode(struct slice bytes, struct ino_ranges *ranges); /* 0 or STATUS_MALFORMED */

#endif
