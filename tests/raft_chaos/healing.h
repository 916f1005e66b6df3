/*
 * After the faults the network is whole and every member runs. Within a bound of virtual time the cluster must recover by
 * itself: elect a leader, commit a proposal, bring every member to it, and answer a read on each.
 */
#ifndef RAFTKV_TESTS_RAFT_CHAOS_HEALING_H
#define RAFTKV_TESTS_RAFT_CHAOS_HEALING_H

#include <stdint.h>

struct cluster;

/* Starts to check, at intervals, until the cluster has recovered and `has_healed` is set. */
void healing_start(struct cluster *cluster);
uint64_t healing_bound_us(const struct cluster *cluster);
/* Fails the run unless it has healed, and says what is missing. */
void healing_check(struct cluster *cluster);

#endif
