/*
 * splits.h: splits regions while a run goes on. Each seed chooses whether it does so, and how often; and how many it has
 * before the actors begin, so that those that are fast meet several regions, too. A region is split at a directory that it
 * has, or anywhere; or, at a step of an operation across regions, between its intents.
 *
 * Half of the splits go the way of raftkv region split: the coordinator draws the new region's number and asks the leader.
 * The others, which are to come at a moment, are asked of the leader at once, with numbers that the coordinator does not
 * come to. In half of the runs stores split busy regions, too: their machines pass for slow, and the limit is low.
 */
#ifndef RAFTKV_TESTS_SIM_SPLITS_H
#define RAFTKV_TESTS_SIM_SPLITS_H

#include "tests/sim/cluster.h"

#define SPLITS_MAX 24u /* in one run */

struct splits {
	struct cluster *cluster;
	uint64_t every; /* ns between two, about; 0: never */
	uint64_t next; /* world time; CLUSTER_NEVER */
	bool is_by_load; /* busy regions are split, too */
	uint64_t slow_until; /* world time up to which the stores have taken time of their processors */
	uint32_t first; /* splits before the actors begin */
	uint32_t asked; /* splits that were asked for */
	uint32_t done; /* that a leader has said were carried out */
};

/* Chooses from the world. `are_allowed`: false: the run keeps its one region. */
void splits_init(struct splits *splits, struct cluster *cluster, bool are_allowed);
/* Called between events: asks for a split that is due. Returns when the next one is. */
uint64_t splits_step(struct splits *splits);
/* Asks for one now, which may be refused. */
void splits_ask(struct splits *splits);

#endif
