/*
 * region_clear.h: removes a replica's rows and extents, when it is destroyed or when a snapshot replaces its state.
 *
 * The rows are deleted at once. The extents are free once the deletion has been flushed. A crash before the flush may
 * bring the rows back: the caller must have durably recorded the reason (a tombstone or the Applying mark) and clear
 * again at start.
 */
#ifndef RAFTKV_STORE_SNAPSHOT_REGION_CLEAR_H
#define RAFTKV_STORE_SNAPSHOT_REGION_CLEAR_H

#include "store/engines.h"
#include "store/flush/kv_flush.h"
#include "store/rows/rows.h"

/* Deletes the region's rows, including its two state rows, and frees the extents that its objects map. No entry of the
 * region may be being applied. Blocks; any thread. The caller forgets the route's snapshot. 0, -ENOMEM, or the engine's
 * error. */
int region_clear(struct engines *engines, struct kv_flush *flush, const struct region *region);
/* Deletes the rows alone: at start, before the extents in use are reported to the block store. */
int region_clear_rows(struct kv_engine *kv, const struct region *region);

#endif
