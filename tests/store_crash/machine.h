/*
 * One machine and the processes that run a store on it, one after the other: its disk, its KV engine, its loops. What
 * ends a process is machine_stop, machine_kill, machine_crash, a power failure on its own, or the store's failure.
 */
#ifndef RAFTKV_TESTS_STORE_CRASH_MACHINE_H
#define RAFTKV_TESTS_STORE_CRASH_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "store/evaluate/evaluator.h"
#include "store/raftkv.h"
#include "tests/lib/sim_env.h"
#include "tests/lib/sim_kv.h"

#define SHARDS_MAX	    2u
#define INITIAL_REGIONS_MAX 3u
#define REGION_IDS_MAX	    64u /* ids are below it */

struct machine {
	struct sim_world *world;
	struct sim_node *node;
	struct sim_kv *kv;
	struct evaluator evaluator;
	struct logger logger;
	struct raftkv_options options; /* what stays the same from process to process */
	uint32_t loop_count; /* the shards' and one more for clients */
	bool is_verbose;
	uint64_t
		crash_opening; /* disk operations of machine_open until power fails; UINT64_MAX: it does not */

	/* Of the process that runs. */
	uint64_t kv_changes; /* writes and flushes of the KV engine */
	uint64_t kv_crash_at; /* power fails before this one; 0: before none */
	struct env *env;
	struct env_loop *loops[SHARDS_MAX + 1];
	struct kv_engine *kv_engine;
	struct log_engine *log_engine;
	const struct log_engine_ops *log_ops_below;
	struct log_engine_ops log_ops; /* the same, but that a dead process closes nothing */
	struct raftkv *raftkv; /* NULL: none is open */
	bool was_crashed; /* power failed while it opened */
	bool has_failed; /* the store said that it cannot go on */
	int failure;
	bool is_stopped;
};

/* Draws the store's options from the world. */
void machine_init(struct machine *machine, uint64_t seed, bool is_early, bool is_verbose);

/* Starts a process and opens the store; its shards do not run yet. 0; -EIO with the node down: power failed
 * meanwhile; or why the store does not open: the process has ended then. */
int machine_open(struct machine *machine, struct status *status);
void machine_run_loops(struct machine *machine);
/* The process is there and its store has not failed. */
bool machine_is_well(const struct machine *machine);
/* Begins raftkv_stop; machine_is_stopped says when it is done. */
void machine_begin_stop(struct machine *machine);
bool machine_is_stopped(void *machine);
/* Frees everything of the stopped store and ends the process. */
void machine_end_stop(struct machine *machine);
void machine_kill(struct machine *machine); /* the process alone */
void machine_crash(struct machine *machine); /* power fails */

#endif
