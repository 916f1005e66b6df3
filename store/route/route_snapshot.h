/*
 * route_snapshot.h: raftkv_snapshot: a consistent state of one region for readers of the layer above, with its two views (one
 * that may block and one that may not).
 *
 * It stands among the block store's readers from before the KV snapshot was taken until it is freed, so that every
 * extent its rows name keeps its bytes.
 *
 * Readers share it: the route keeps the latest one, and gives it to everybody who asks until rows of the region have
 * changed. Whoever has made a change visible calls route_snapshot_forget before anybody is told of the change, so that a
 * shared snapshot holds whatever was answered before it was asked for. What is not asked for any more is forgotten by
 * each flush round: a snapshot keeps old rows and freed extents alive.
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

/* The state now, a reference: the shared one, or a new one. NULL: out of memory. Any thread. */
struct raftkv_snapshot *route_snapshot_get(
	struct engines *engines, struct router *router, struct route *route);
/* Rows of the region have changed, or nobody may be reading: the next who asks gets a new one. Any thread. */
void route_snapshot_forget(struct route *route);

#endif
