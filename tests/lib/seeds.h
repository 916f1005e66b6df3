/*
 * seeds.h: runs a seed in a process of its own, because a store that dies in the simulation leaves its memory behind. Every
 * SEEDS_TWICE_EVERY-th seed runs twice, to see that it does the same again.
 */
#ifndef RAFTKV_TESTS_LIB_SEEDS_H
#define RAFTKV_TESTS_LIB_SEEDS_H

#include <stdbool.h>
#include <stdint.h>

#define SEEDS_TWICE_EVERY 16

/* Calls `run` in a child, which then ends; a violation ends it with another status. `trace`, in memory that is shared with
 * the child, tells two runs apart. False, after a line that says why: the seed fails. */
bool seeds_run(
	void (*run)(void *argument, uint64_t seed), void *argument, uint64_t seed, const uint64_t *trace);

#endif
