/*
 * watch.h: invariants inside the stores, checked while they run:
 *
 *  - a term of a region has at most one leader;
 *  - replicas of a region whose rows stand at the same index have the same range and the same rows: keys, values, and of
 *    file data where, by which entry and with which checksum it was written;
 *  - while nothing fails, no region is without a leader for long: the store that led a region that is split leads both
 *    halves at once.
 */
#ifndef RAFTKV_TESTS_SIM_WATCH_H
#define RAFTKV_TESTS_SIM_WATCH_H

#include "tests/sim/cluster.h"

struct watch {
	struct cluster *cluster;
	struct watch_leader *leaders; /* by region and term */
	uint32_t term_count; /* terms that had a leader, of all regions */
	struct watch_region *regions; /* by id; while they need leaders */
	bool need_leaders; /* nothing fails */
	struct watch_state *states; /* by region and applied index */
	uint32_t region_count; /* most regions that a store has had */
	uint64_t looks; /* at leaders */
	uint64_t compared; /* states of two stores at the same index */
};

void watch_init(struct watch *watch, struct cluster *cluster);
/* Between events. */
void watch_leaders(struct watch *watch);
void watch_rows(struct watch *watch);
/* Whether all stores have the same regions, each at the same index, with the same rows. */
bool watch_is_level(struct watch *watch);
/* Prints the state of every process, for people; runs the world a little. */
void watch_print(const struct watch *watch);

#endif
