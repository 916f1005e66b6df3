/*
 * region_clear.h: what a replica leaves in the KV engine and in the block store, taken away: when it is destroyed, and
 * when a snapshot takes its place.
 *
 * The rows are gone at once, the extents are free once that has been flushed. A crash before may bring the rows back:
 * whoever clears has written down why before, and clears again at start.
 */
#ifndef RAFTKV_STORE_SNAPSHOT_REGION_CLEAR_H
#define RAFTKV_STORE_SNAPSHOT_REGION_CLEAR_H

#include "store/engines.h"
#include "store/flush/flush.h"
#include "store/rows/rows.h"

/* Deletes the region's rows, its two state rows included, and frees what its objects map. Nothing of the region is being
 * applied. Blocks; any thread. The caller forgets the route's snapshot. 0, -ENOMEM, or the engine's error. */
int region_clear(struct engines *engines, struct flush *flush, const struct region *region);
/* The rows alone: at start, before the block store is told what is in use. */
int region_clear_rows(struct kv_engine *kv, const struct region *region);

#endif
