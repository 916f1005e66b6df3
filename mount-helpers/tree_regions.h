/*
 * tree_regions.h: the regions that have the directories of a tree in a mount, and so the files that were made there.
 */
#ifndef RAFTKV_MOUNT_HELPERS_TREE_REGIONS_H
#define RAFTKV_MOUNT_HELPERS_TREE_REGIONS_H

#include "proto/raftkv.pb-c.h"
#include "proto/status.h"

/* Walks the tree, which stays in its mount, and calls `add` once for each region that has a directory of it; -ENOMEM ends
 * the walk. The overview has the regions in the order of their ranges. 0; STATUS_REGION_NOT_FOUND; or -errno, with a
 * sentence. */
int tree_regions_find(const char *path, const Raftkv__OverviewReply *overview,
	int (*add)(void *argument, uint64_t region), void *argument, struct status *status);

#endif
