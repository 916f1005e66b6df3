/*
 * region_sizes.h: how large the regions are that a store leads, as it has measured them last, and which of them are too
 * large and cannot be split. 90 bytes of memory for a region.
 */
#ifndef RAFTKV_FS_REGIONS_REGION_SIZES_H
#define RAFTKV_FS_REGIONS_REGION_SIZES_H

#include <stdint.h>

struct region_sizes_item;

/* Zeroed: empty. */
struct region_sizes {
	struct region_sizes_item *items; /* uthash */
};

void region_sizes_close(struct region_sizes *sizes);

/* Bytes, and the dirid to which most of them belong if that is why the region cannot be split; 0: not so. 0 or -ENOMEM. */
int region_sizes_set(struct region_sizes *sizes, uint64_t region, uint64_t size, uint64_t stuck_dirid);
void region_sizes_remove(struct region_sizes *sizes, uint64_t region);
/* Bytes, at least 1; 0: unknown. */
uint64_t region_sizes_find(const struct region_sizes *sizes, uint64_t region);
/* The largest of those that cannot be split; 0: there is none. Looks at all. */
uint64_t region_sizes_find_stuck(const struct region_sizes *sizes, uint64_t *size, uint64_t *dirid);

#endif
