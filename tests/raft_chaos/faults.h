/*
 * The faults of a run. One event draws a fault by the profile's weights, at random intervals until healing starts.
 */
#ifndef RAFTKV_TESTS_RAFT_CHAOS_FAULTS_H
#define RAFTKV_TESTS_RAFT_CHAOS_FAULTS_H

#include "tests/raft_chaos/event.h"

struct faults {
	struct event event;
	struct event mend; /* ends the present cut */
};

void faults_start(struct cluster *cluster);
/* Ends the faults and the cuts. */
void faults_stop(struct cluster *cluster);

#endif
