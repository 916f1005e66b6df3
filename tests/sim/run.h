/*
 * run.h: one seed: three stores, two mounts, actors, faults.
 *
 *  1. Everything starts, without a fault, and the works make their files.
 *  2. Safety: the actors do their operations under faults. If the seed has none, each is soon done (actor.c). In most seeds regions are split, from the beginning on.
 *  3. Liveness: all faults end; within a bound of virtual time every operation under way must be answered.
 *  4. The works read what is left through both mounts and check all answers; the replicas must have become equal.
 *  5. Everything stops in good order; fsck finds nothing on any disk, and neither sessions nor operations across regions left anything
 *     there.
 */
#ifndef RAFTKV_TESTS_SIM_RUN_H
#define RAFTKV_TESTS_SIM_RUN_H

#include "tests/sim/faults.h"

struct run_options {
	uint64_t seed;
	uint64_t operations; /* 0: the seed chooses */
	uint32_t faults; /* a bit each: the ones that may happen */
	uint32_t works; /* a bit each */
	bool has_one_region; /* nothing is split */
	bool is_verbose;
};

struct run_totals {
	uint64_t runs;
	uint64_t time; /* virtual ns */
	uint64_t fired[FAULT_COUNT];
	uint64_t processes, failures, mounts, sessions_lost;
	uint64_t done, never, open; /* answers to actors */
	uint64_t undecided; /* histories that took too long to judge */
	uint64_t terms; /* terms of regions that had a leader */
	uint64_t regions; /* of each run, the most that a store has had */
	uint64_t splits; /* carried out */
	uint64_t longest; /* ns of an operation, of runs without faults */
	uint64_t compared; /* states of two replicas */
	uint64_t intent_age; /* ns for which a leader has had an intent, at most */
	uint64_t told; /* looks at a store that told of an old intent, as it had to */
	uint64_t waits; /* of an operation across regions for another one, that a look saw */
	uint64_t trace; /* of the last run */
};

/* Runs a seed and adds to `totals`. A violation ends the process. */
void run_seed(const struct run_options *options, struct run_totals *totals);

#endif
