/*
 * route_snapshot.h: raftkv_snapshot, a consistent state of one region for readers of the layer above, with two views:
 * one may block and one may not.
 *
 * It is a reader of the block store from before its KV snapshot is taken until it is freed, so that every extent its
 * rows name keeps its bytes.
 *
 * Readers share it: the route keeps the latest one and returns it until rows of the region change. A thread that has
 * made a change visible calls route_snapshot_forget before the change is answered, so that a reader sees every change
 * that was answered before it asked. Each flush round forgets the shared snapshots, because a snapshot keeps old rows
 * and freed extents alive.
 */
#ifndef RAFTKV_STORE_ROUTE_ROUTE_SNAPSHOT_H
#define RAFTKV_STORE_ROUTE_ROUTE_SNAPSHOT_H

#include <stdatomic.h>

#include "store/engines.h"
#include "store/kv/view.h"
#include "store/requests.h"
#include "store/route/router.h"

struct snapshot_view {
	struct view base;
	const struct raftkv_snapshot *snapshot;
	bool may_block;
};

struct raftkv_snapshot {
	struct kv_engine *engine;
	struct blocks *blocks;
	struct kv_snapshot *kv;
	struct blocks_reader reader;
	_Atomic uint64_t refs;
	struct region region; /* id, epoch and range */
	struct snapshot_view view;
	struct snapshot_view blocking_view;
};

/* A reference to a snapshot of the present state, shared or new. NULL: out of memory. Any thread. */
struct raftkv_snapshot *route_snapshot_get(
	struct engines *engines, struct router *router, struct route *route);
/* Drops the shared snapshot: the next caller gets a new one. Any thread. */
void route_snapshot_forget(struct route *route);

#endif
