/*
 * sim_store.h: a whole store (raftkv.h) on a simulated machine: its disk, its KV engine, and the processes that run it,
 * one after the other. It has one shard, and one loop for the caller.
 *
 * A process ends by sim_store_stop, sim_store_kill (kill -9) or sim_store_crash (power loss); the disk stays.
 */
#ifndef RAFTKV_TESTS_LIB_SIM_STORE_H
#define RAFTKV_TESTS_LIB_SIM_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "store/raftkv.h"
#include "tests/lib/sim_env.h"
#include "tests/lib/sim_kv.h"

struct sim_store {
	struct sim_world *world;
	struct sim_node *node;
	struct sim_kv *kv;
	struct logger logger;
	/* What every process of it is opened with. Set by sim_store_init, with test_evaluator; change at will. */
	struct raftkv_options options;
	/* Called around a process's life, or NULL: its loops are there and do not run yet; raftkv is there too; it is about
	 * to stop in good order (may run the world). */
	void (*before_open)(struct sim_store *store);
	void (*after_open)(struct sim_store *store);
	void (*before_stop)(struct sim_store *store);
	void (*after_stop)(struct sim_store *store); /* the store is freed */
	void *argument; /* for them */
	uint64_t kv_changes; /* writes and flushes of the KV engine so far */
	uint64_t kv_crash_at; /* power fails before this one; 0: before none */

	/* Of the process that runs. */
	struct env *env;
	struct env_loop *shard;
	struct env_loop *caller;
	const struct log_engine_ops *log_ops_below;
	struct log_engine_ops log_ops; /* the same, but that a dead process closes nothing */
	struct raftkv *raftkv; /* NULL: none runs */
	bool has_failed; /* it said that it cannot go on */
	char failure[200]; /* why */
	bool is_stopped;
};

/* `name` is also the node's on the simulated network; it outlives the store. */
void sim_store_init(struct sim_store *store, struct sim_world *world, const char *name);
void sim_store_close(struct sim_store *store); /* stops what runs */

/* Starts a process; its loops run when this returns 0. */
int sim_store_open(struct sim_store *store, struct status *status);
void sim_store_stop(struct sim_store *store); /* in good order; runs the world meanwhile */
void sim_store_kill(struct sim_store *store);
void sim_store_crash(struct sim_store *store);

#endif
