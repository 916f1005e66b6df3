/*
 * loop_set.h: the loops of a process: made together, started together, and ended together, each with its thread.
 *
 * Called by whoever opens and closes a process, on a thread of its own.
 */
#ifndef RAFTKV_FS_LOOP_SET_H
#define RAFTKV_FS_LOOP_SET_H

#include "proto/env.h"

#define LOOP_SET_MAX 4u

struct loop_set {
	struct env_loop *loops[LOOP_SET_MAX];
	uint32_t count; /* that were made */
	uint32_t running; /* of them, from the first on */
};

/* `wanted` loops, 0: one per core; at most LOOP_SET_MAX. The threads are called NAME-0, NAME-1, …  After an error
 * loop_set_close is due as well. */
int loop_set_make(
	struct loop_set *set, struct env *env, const char *name, uint32_t wanted, struct status *status);
/* Runs all of them. After an error some may run. */
int loop_set_start(struct loop_set *set, struct status *status);
bool loop_set_is_running(const struct loop_set *set); /* all of them */
/* Stops those that run, waits for them, and frees all. Nothing of what env_loop_free forbids is left. A zeroed set is
 * closed. */
void loop_set_close(struct loop_set *set);

#endif
