/*
 * One seed: a machine, its clients and splitters, and some rounds. A round is the life of one process under some faults;
 * it ends by stop, kill or loss of power, at a moment that the seed chooses, often around a split. The last process has
 * no faults: everything must get its answer, everything must be there, the regions must divide the key space, space must
 * come back.
 */
#ifndef RAFTKV_TESTS_STORE_CRASH_RUN_H
#define RAFTKV_TESTS_STORE_CRASH_RUN_H

#include <stdbool.h>
#include <stdint.h>

struct run_totals {
	uint64_t runs;
	uint64_t time; /* virtual ns */
	uint64_t processes;
	uint64_t stops;
	uint64_t kills;
	uint64_t crashes;
	uint64_t crashes_while_opening;
	uint64_t failures; /* of stores, after a fault of the disk */
	uint64_t operations;
	uint64_t acknowledged;
	uint64_t reads; /* of whole things, compared */
	uint64_t refusals;
	uint64_t faults;
	uint64_t flushes;
	uint64_t parked;
	uint64_t splits;
	uint64_t regions; /* at the end of a run */
	uint64_t trace; /* of the last run */
};

/* Adds to `totals`. A violation ends the process. `is_early`: the store answers before its log is durable, and the machine
 * never loses power. */
void run_seed(uint64_t seed, uint64_t operations, bool is_early, bool is_verbose, struct run_totals *totals);

#endif
