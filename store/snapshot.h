/*
 * snapshot.h: raftkv_snapshot: a consistent state of one region for readers of the layer above, with its two views (one
 * that may block and one that may not).
 *
 * It stands among the block store's readers from before the KV snapshot was taken until it is freed, so that every
 * extent its rows name keeps its bytes.
 */
#ifndef RAFTKV_STORE_SNAPSHOT_H
#define RAFTKV_STORE_SNAPSHOT_H

#include "store/blocks.h"
#include "store/raftkv.h"
#include "store/region.h"

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
	struct region region; /* id, epoch and range */
	struct snapshot_view view;
	struct snapshot_view blocking_view;
};

/* The state now. Shares the range of `region`. NULL: out of memory. */
struct raftkv_snapshot *snapshot_new(
	struct kv_engine *engine, struct blocks *blocks, const struct region *region);

#endif
