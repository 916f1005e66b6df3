/*
 * keeper.h: what one store of a cluster does for all of it. Every store has a keeper; the one on the store that leads
 * region 1 works, the others watch whether they lead.
 *
 * A new leader makes the root directory of a new filesystem, enters the first stores, and reads the sessions' records,
 * each of which then has a full period; time without a leader does not count, nor does time in which this process did
 * not run. From then on it takes the mounts' heartbeats (in memory alone), ends sessions that were silent for longer than
 * a period or were closed (in the steps of op.h, which may all be repeated by the next leader), and gives back the space
 * of truncated and removed files. One operation at a time; what fails is tried again at the next tick.
 *
 * A cluster has one region so far: what goes to every region goes to region 1.
 *
 * All on one loop, but for keeper_beat.
 */
#ifndef RAFTKV_FS_KEEPER_H
#define RAFTKV_FS_KEEPER_H

#include "store/raftkv.h"

#define KEEPER_EXPIRY_MS 5000u /* the default */

struct keeper;

struct keeper_options {
	struct raftkv *raftkv; /* outlives the keeper */
	struct env_loop *loop;
	const struct logger *logger;
	uint32_t expiry_ms; /* of a silent session; 0: the default */
	/* The addresses of stores 1, 2, … as the cluster began: shared. */
	const char *const *stores;
	uint32_t store_count;
};

/* NULL: no memory. */
struct keeper *keeper_new(const struct keeper_options *options);
void keeper_free(struct keeper *keeper); /* not started, or stopped; may be NULL */
void keeper_start(struct keeper *keeper);
/* Before the store stops, or while it does; `stopped` may come from inside the call. */
void keeper_stop(struct keeper *keeper, void (*stopped)(void *argument), void *argument);

/* A session's sign of life. 0; STATUS_NOT_LEADER: ask region 1's leader; STATUS_SESSION_UNKNOWN: it has ended. Any
 * thread. */
int keeper_beat(struct keeper *keeper, uint64_t session);

#endif
