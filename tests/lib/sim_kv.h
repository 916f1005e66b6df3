/*
 * sim_kv.h: the simulator's KV engine: an ordered map in memory whose crashes and cache misses follow from its seed.
 *
 * A `struct sim_kv` is the disk; sim_kv_open opens an engine on it, one at a time. The batches up to some boundary are
 * always "flushed"; every write may move it, to a point chosen by the seed. A crash loses the batches after it; if it
 * comes from within a flush's `fixed`, the seed decides whether the flush was completed. Reads with
 * KV_TIER_CACHE miss at random, until the key, or the iterator's row, has been read with KV_TIER_ALL or written: then it
 * stays in memory for a while. try_write would stall at random.
 *
 * One thread. The same seed and calls give the same answers.
 */
#ifndef RAFTKV_TESTS_LIB_SIM_KV_H
#define RAFTKV_TESTS_LIB_SIM_KV_H

#include "store/kv/kv_engine.h"

struct sim_kv_options {
	uint64_t seed;
	unsigned
		flush_percent; /* of writes, that are followed by a flush of some prefix; 0: never by itself */
	bool manual_flush; /* only flushes move the boundary (kv_engine.h) */
	unsigned
		miss_percent; /* of reads from the cache, of what was not read lately; and of writes that are tried */
	/* NULL, or: the machine has stopped by itself (sim_node_crash_after), as if by sim_kv_crash. */
	bool (*is_dead)(void *argument);
	void (*before_change)(void *argument); /* before each write and flush, or NULL */
	void *argument;
};

struct sim_kv;

struct sim_kv *sim_kv_new(const struct sim_kv_options *options);
void sim_kv_free(struct sim_kv *sim); /* its engine is closed; may be NULL */

/* Another disk with what is flushed on this one, which no living process has open. */
struct sim_kv *sim_kv_copy(struct sim_kv *sim);

/* The engine as the last close or crash left it, its cache empty. */
struct kv_engine *sim_kv_open(struct sim_kv *sim);
/* The machine stops: every later call but the freeing ones gets -EIO, and the next sim_kv_open finds the flushed prefix.
 * Whatever the dead process has not closed by then is leaked. */
void sim_kv_crash(struct sim_kv *sim);
/* The device breaks: writes and flushes get -EIO until the next sim_kv_open. */
void sim_kv_break(struct sim_kv *sim);
/* Sets options.manual_flush; while no engine is open. */
void sim_kv_set_manual(struct sim_kv *sim, bool manual_flush);
/* Flushes a prefix that the seed chooses, as if RocksDB had done it by itself. With `manual_flush` it does nothing. */
void sim_kv_flush_some(struct sim_kv *sim);

uint64_t sim_kv_written(const struct sim_kv *sim); /* batches, those a crash lost not counted */
uint64_t sim_kv_flushed(const struct sim_kv *sim); /* batches */

#endif
