/*
 * region_sizes.h: how large the regions of a store were when oversize.h last read them. A size is there as soon as it is
 * known, and until a round has ended in which the region was not read: another store leads it then.
 *
 * 24 bytes a region. Not thread-safe.
 */
#ifndef RAFTKV_FS_REGIONS_REGION_SIZES_H
#define RAFTKV_FS_REGIONS_REGION_SIZES_H

#include <stdbool.h>
#include <stdint.h>

struct region_size {
	uint64_t region;
	uint64_t bytes;
	uint32_t version; /* of the range that was read, its low bits */
	uint32_t round;
};

struct region_sizes { /* begins as zeroes */
	uint32_t count, capacity, round;
	struct region_size *items; /* in the order of regions */
};

void region_sizes_close(struct region_sizes *sizes);
void region_sizes_begin_round(struct region_sizes *sizes);
void region_sizes_end_round(struct region_sizes *sizes);
/* Without memory the size of a region that is new here stays unknown. */
void region_sizes_put(struct region_sizes *sizes, uint64_t region, uint64_t version, uint64_t bytes);
const struct region_size *region_sizes_find(const struct region_sizes *sizes, uint64_t region); /* or NULL */
/* Is the size that of this range? */
bool region_sizes_has(const struct region_sizes *sizes, uint64_t region, uint64_t version);

#endif
