/*
 * cluster_regions.h: descriptions of regions by several stores, and the best one of each region. Pure.
 */
#ifndef RAFTKV_MOUNT_HELPERS_CLUSTER_REGIONS_H
#define RAFTKV_MOUNT_HELPERS_CLUSTER_REGIONS_H

#include <stddef.h>

#include "proto/raftkv.pb-c.h"

/* Zero at first. */
struct cluster_regions {
	size_t count, capacity;
	Raftkv__OverviewRegion **items;
};

/* Takes the messages, which are its own afterwards: `*count` is then 0. One that lacks a part is dropped. -ENOMEM: they
 * stay the caller's. */
int cluster_regions_take(struct cluster_regions *regions, Raftkv__OverviewRegion **items, size_t *count);
/* Keeps one description of each region: that of a leader, of the latest term; else the one of the latest epoch. Then they
 * are in the order of their ranges. */
void cluster_regions_merge(struct cluster_regions *regions);
/* Sets the steps of the regions that have one, in any order; sorts `steps`. */
void cluster_regions_set_steps(struct cluster_regions *regions, Raftkv__PlannedStep **steps, size_t count);
void cluster_regions_close(struct cluster_regions *regions);

#endif
