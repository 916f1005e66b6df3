/*
 * store.h: the parts of a store, as its peers share them: the face of peer/ for raftkv.c and members.c, which make the
 * parts and bring requests to the peers. No other room includes it: what the rooms before this one need of a store they
 * are given by name.
 */
#ifndef RAFTKV_STORE_PEER_STORE_H
#define RAFTKV_STORE_PEER_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/units.h"
#include "store/engines.h"
#include "store/flush/flush.h"
#include "store/options.h"
#include "store/peer/peer.h"
#include "store/peer/shard.h"
#include "store/route/route.h"
#include "store/snapshot/snapshot.h"
#include "store/transport/lives.h"

#define RAFTKV_OPENING UINT64_MAX /* raftkv.started of one that is not open yet */

struct raftkv {
	struct raftkv_options options; /* with the defaults filled in */
	struct engines engines;
	struct router router;
	struct shard *shards;
	uint32_t shard_count;
	struct flush flush;
	struct snapshots snapshots;
	struct lives lives;
	/* env_now: tick 0 of every group, which is when opening is over: what a group waits for must not fall due before it
	 * is served. */
	uint64_t started;
	uint64_t lease_duration; /* ns; 0: leases are off */
	atomic_bool is_refused;
	bool is_new; /* this is the first process of the store */
	_Atomic uint32_t steps_pending; /* delivery.c: messages on their way to their peers */

	/* raftkv_stop's, on `stop_loop`. */
	_Atomic uint32_t shards_running;
	struct env_loop *stop_loop;
	struct env_mail stop_mail;
	void (*stopped)(void *argument);
	void *stopped_argument;
};

/* The shard that runs the region's replica; regions are numbered from 1. */
static inline struct shard *raftkv_shard_of(struct raftkv *raftkv, uint64_t region)
{
	return &raftkv->shards[(region - 1) % raftkv->shard_count];
}

/* MsgSnap with its stage, for the region's replica; both are taken. STATUS_LIMIT or -ENOMEM: they are not. */
int delivery_step_snapshot(struct raftkv *raftkv, const struct peer_envelope *envelope,
	struct raft_message *message, struct snapshot_stage *stage);
/* For the owner, in raftkv.c: a shard, or the lives, have nothing left on any thread. */
void raftkv_on_shard_stopped(struct raftkv *raftkv);

#endif
