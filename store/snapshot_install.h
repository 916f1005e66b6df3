/*
 * snapshot_install.h: a stage becomes the region's rows (storage.md, "Snapshots and log reclaim").
 *
 *   1  the mark Applying, durably: which stage, for which replica and range                         (the log engine)
 *   2  what the replica had is cleared; the stage's rows are written, the region's two states last
 *   3  the KV engine is flushed, and the apply state read back at the persisted tier
 *   4  Normal: in one durable write the mark is removed and the log begins behind the snapshot      (the log engine)
 *   5  the stage's file is removed
 *
 * File data was written and synced to extents of this store's own before the stage was finished. A crash before 4 leaves
 * the mark: at start everything from 2 on is done again. A stage that is no good then leaves a hollow replica: without
 * rows and log, which does not vote, and which a leader sends another snapshot. peer_install.c does this for a replica
 * that runs, recover_snapshots.c at start.
 */
#ifndef RAFTKV_STORE_SNAPSHOT_INSTALL_H
#define RAFTKV_STORE_SNAPSHOT_INSTALL_H

#include "store/log_engine.h"
#include "store/snapshot_stage.h"

/* A region's mark in the log engine: a snapshot_position; stage 0: the replica is hollow. */
#define SNAPSHOT_MARK_APPLYING "applying"

/* Steps 2 (behind the clearing) and 3. Nothing of the region is being applied. Blocks; any thread. 0, -ENOMEM,
 * STATUS_CORRUPT, or the engine's error. */
int snapshot_install(struct raftkv *raftkv, struct snapshot_stage *stage);
/* The mark; the caller's to close (its region). STATUS_NOT_FOUND: there is none. STATUS_CORRUPT. */
int snapshot_applying(struct log_engine *log, uint64_t region, struct snapshot_position *position);

#endif
