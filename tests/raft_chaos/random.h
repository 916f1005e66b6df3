/*
 * The only source of randomness in a run: splitmix64 (Steele, Lea, Flood 2014). The harness draws every decision from a
 * `struct random` that derives from the seed, so that the seed determines the run.
 */
#ifndef RAFTKV_TESTS_RAFT_CHAOS_RANDOM_H
#define RAFTKV_TESTS_RAFT_CHAOS_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
	uint64_t state;
};

static inline uint64_t mix64(uint64_t value)
{
	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
	value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
	return value ^ (value >> 31);
}

static inline uint64_t random_next(struct random *random)
{
	random->state += 0x9e3779b97f4a7c15u;
	return mix64(random->state);
}

/* In [0, bound); 0 for a bound of 0. */
static inline uint64_t random_below(struct random *random, uint64_t bound)
{
	return bound > 0 ? random_next(random) % bound : 0;
}

/* In [low, high]. */
static inline uint64_t random_between(struct random *random, uint64_t low, uint64_t high)
{
	return low + random_below(random, high - low + 1);
}

static inline bool random_chance(struct random *random, uint32_t permille)
{
	return random_below(random, 1000) < permille;
}

#endif
