/*
 * snapshot_install.h: a stage becomes the region's rows (storage.md § Snapshots of regions).
 *
 *   1  the mark Applying, durably: which stage, for which replica and range                         (the log engine)
 *   2  what the replica had is cleared; the stage's rows are written, the region's two states last
 *   3  the KV engine is flushed, and the apply state read back at the persisted tier
 *   4  Normal: in one durable write the mark is removed and the log begins behind the snapshot      (the log engine)
 *   5  the stage's file is removed
 *
 * File data was written and synced to extents of this store's own before the stage was finished. A crash before 4 leaves
 * the mark: at start everything from 2 on is done again. A stage that is no good then leaves an empty replica: without
 * rows and log, which votes as if it still had them, and which a leader sends another snapshot. peer_install.c does this
 * for a replica that runs, recover_snapshots.c at start; peer_room.c makes one empty where there is no room for both.
 */
#ifndef RAFTKV_STORE_SNAPSHOT_SNAPSHOT_INSTALL_H
#define RAFTKV_STORE_SNAPSHOT_SNAPSHOT_INSTALL_H

#include "store/snapshot/snapshot_stage.h"
#include "store/snapshot/tombstone.h"

/* A region's mark in the log engine: a snapshot_position; stage 0: the replica is empty. */
#define SNAPSHOT_MARK_APPLYING "applying"

/* Steps 2 (behind the clearing) and 3. Nothing of the region is being applied. Blocks; any thread. 0, -ENOMEM,
 * STATUS_CORRUPT, or the engine's error. */
int snapshot_install(struct engines *engines, struct snapshot_stage *stage);
/* The mark; the caller's to close (its region). STATUS_NOT_FOUND: there is none. STATUS_CORRUPT. */
int snapshot_applying(struct log_engine *log, uint64_t region, struct snapshot_position *position);

/* The log write that leaves nothing of a region but an empty replica: term and vote are kept, and what says which
 * replicas may never be here again. */
struct snapshot_empty {
	struct log_write write; /* without its loop and callback */
	struct raft_hard_state hard_state;
	struct buf *position;
	uint8_t tombstone[TOMBSTONE_SIZE];
	struct log_mark marks[2];
};

/* `position` is of what the replica had, and says which candidates it may still vote for: those whose log is no shorter
 * than `applied`. Its stage does not matter. 0, -ENOMEM, or the log's error. */
int snapshot_empty_init(struct log_engine *log, const struct snapshot_position *position,
	const struct raft_hard_state *hard_state, struct snapshot_empty *empty);
void snapshot_empty_close(struct snapshot_empty *empty);

#endif
