/*
 * watch.h: invariants inside the stores, checked while they run:
 *
 *  - a term has at most one leader;
 *  - replicas whose rows stand at the same index have the same rows: keys, values, and of file data where, by which
 *    entry and with which checksum it was written.
 */
#ifndef RAFTKV_TESTS_SIM_WATCH_H
#define RAFTKV_TESTS_SIM_WATCH_H

#include "tests/sim/cluster.h"

#define WATCH_TERMS_MAX 4096u

struct watch {
	struct cluster *cluster;
	uint8_t leaders[WATCH_TERMS_MAX]; /* by term: the store, from 1 */
	struct watch_state *states; /* by applied index */
	uint64_t looks; /* at leaders */
	uint64_t compared; /* states of two stores at the same index */
};

void watch_init(struct watch *watch, struct cluster *cluster);
/* Between events. */
void watch_leaders(struct watch *watch);
void watch_rows(struct watch *watch);
/* Whether all stores are at the same index, with the same rows. */
bool watch_is_level(struct watch *watch);
/* Prints the state of every process, for people; runs the world a little. */
void watch_print(const struct watch *watch);

#endif
