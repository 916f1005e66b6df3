/*
 * inode_counts.h: how many inodes each region has that a store leads, as it has counted them last, and their sum. A
 * region's count may be negative (fs/schema/records.h). 80 bytes of memory for a region.
 */
#ifndef RAFTKV_FS_REGIONS_INODE_COUNTS_H
#define RAFTKV_FS_REGIONS_INODE_COUNTS_H

#include <stdint.h>

struct inode_counts_item;

/* Zeroed: empty. */
struct inode_counts {
	struct inode_counts_item *items; /* uthash */
	int64_t sum; /* of those that are known */
	uint32_t unknown; /* regions */
};

void inode_counts_close(struct inode_counts *counts);

/* `inodes` NULL: it is unknown how many. 0; or -ENOMEM, and the region is not among them. */
int inode_counts_set(struct inode_counts *counts, uint64_t region, const int64_t *inodes);
void inode_counts_remove(struct inode_counts *counts, uint64_t region);

#endif
