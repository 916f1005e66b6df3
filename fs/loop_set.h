/*
 * loop_set.h: the loops of a process: made together, started together, and ended together, each with its thread.
 *
 * Called on a thread that runs none of the loops.
 */
#ifndef RAFTKV_FS_LOOP_SET_H
#define RAFTKV_FS_LOOP_SET_H

#include "proto/env.h"

#define LOOP_SET_MAX 4u

struct loop_set {
	struct env_loop *loops[LOOP_SET_MAX];
	uint32_t count; /* loops that were made */
	uint32_t running; /* loops that were started: the first ones */
};

/* Makes `wanted` loops (0: one per core), at most LOOP_SET_MAX, in a zeroed set. The threads are called NAME-0, NAME-1
 * and so on. After an error the caller calls loop_set_close, too. */
int loop_set_make(
	struct loop_set *set, struct env *env, const char *name, uint32_t wanted, struct status *status);
/* Starts all loops. After an error some may run. */
int loop_set_start(struct loop_set *set, struct status *status);
bool loop_set_is_running(const struct loop_set *set); /* all loops run */
/* Stops the loops that run, waits for their threads, and frees all loops, on the conditions of env_loop_free. May be
 * called on a zeroed set. */
void loop_set_close(struct loop_set *set);

#endif
