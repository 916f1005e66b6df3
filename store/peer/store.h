/*
 * store.h: the parts of a store, which its peers share. It is the face of peer/ for raftkv.c and members.c. No other
 * room includes it: lower rooms get the parts that they need as parameters.
 */
#ifndef RAFTKV_STORE_PEER_STORE_H
#define RAFTKV_STORE_PEER_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/units.h"
#include "store/engines.h"
#include "store/flush/kv_flush.h"
#include "store/options.h"
#include "store/peer/peer.h"
#include "store/peer/shard.h"
#include "store/route/route.h"
#include "store/snapshot/snapshot.h"
#include "store/transport/liveness.h"
#include "store/transport/lives.h"

#define RAFTKV_OPENING UINT64_MAX /* raftkv.started while the store opens */

struct raftkv {
	struct raftkv_options options; /* with the defaults filled in */
	struct engines engines;
	struct router router;
	struct shard *shards;
	uint32_t shard_count;
	struct kv_flush flush;
	struct snapshots snapshots;
	struct lives lives;
	struct liveness liveness;
	/* env_now: tick 0 of every group. It is set when opening is over, so that no timeout falls due while the store
	 * opens. */
	uint64_t started;
	uint64_t lease_duration; /* ns; 0: leases are off */
	atomic_bool is_refused;
	atomic_bool
		is_early; /* where this is the only replica, changes are answered before the log is durable */
	_Atomic uint64_t
		log_awaited; /* env_now: when somebody last waited for what was answered early; 0: never */
	bool is_new; /* this process created the store */
	/* Splits applied here, and how many of them are known to be durable (peer_durable.c). */
	_Atomic uint64_t splits_applied, splits_durable;
	_Atomic uint32_t steps_pending; /* messages in flight to their peers (delivery.c) */

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

/* Brings a MsgSnap with its stage to the region's replica. Both are taken, but not with STATUS_LIMIT or -ENOMEM. */
int delivery_step_snapshot(struct raftkv *raftkv, const struct peer_envelope *envelope,
	struct raft_message *message, struct snapshot_stage *stage);
/* In raftkv.c: a shard, or the lives, have no work left on any thread. */
void raftkv_on_shard_stopped(struct raftkv *raftkv);

#endif
