/*
 * After the faults: the network is whole, everybody who is a member runs, and the cluster must get well by itself:
 * elect, commit a proposal, bring every member to it, and answer a read on each, within a bound of virtual time.
 */
#ifndef RAFTKV_TESTS_RAFT_CHAOS_HEALING_H
#define RAFTKV_TESTS_RAFT_CHAOS_HEALING_H

#include <stdint.h>

struct cluster;

/* Starts looking, at intervals, until all is well and `has_healed` is set. */
void healing_start(struct cluster *cluster);
uint64_t healing_bound_us(const struct cluster *cluster);
/* Fails the run, and says what is missing, unless it has healed. */
void healing_check(struct cluster *cluster);

#endif
