/*
 * snapshot_install.h: installs a stage as the region's rows (storage.md § Snapshots of regions).
 *
 *   1  writes the mark Applying durably: the stage, the replica and its range                      (the log engine)
 *   2  clears the replica's present state; writes the stage's rows, the region's two states last
 *   3  flushes the KV engine, and reads the apply state back at the persisted tier
 *   4  Normal: one durable write removes the mark and begins the log behind the snapshot            (the log engine)
 *   5  removes the stage's file
 *
 * File data was written and synced to extents of this store before the stage was finished. A crash before step 4 leaves
 * the mark: at start the steps from 2 on are repeated. If the stage is then invalid, the replica becomes empty: it has
 * no rows and no log, votes as if it still had them, and gets another snapshot from its leader. peer_install.c takes
 * these steps for a running replica, recover_snapshots.c at start. peer_room.c empties a replica that has no room for
 * both states.
 */
#ifndef RAFTKV_STORE_SNAPSHOT_SNAPSHOT_INSTALL_H
#define RAFTKV_STORE_SNAPSHOT_SNAPSHOT_INSTALL_H

#include "store/snapshot/snapshot_stage.h"
#include "store/snapshot/tombstone.h"

/* Name of a region's mark in the log engine. Its value is a snapshot_position; stage 0: the replica is empty. */
#define SNAPSHOT_MARK_APPLYING "applying"

/* Steps 2 (after the clearing) and 3. No entry of the region may be being applied. Blocks; any thread. 0, -ENOMEM,
 * STATUS_CORRUPT, or the engine's error. */
int snapshot_install(struct engines *engines, struct snapshot_stage *stage);
/* Reads the mark. The caller closes the position's region. STATUS_NOT_FOUND: there is none. STATUS_CORRUPT. */
int snapshot_applying(struct log_engine *log, uint64_t region, struct snapshot_position *position);

/* The log write that makes a replica empty. Term, vote and tombstone are kept; the rest of the region's log is
 * dropped. */
struct snapshot_empty {
	struct log_write write; /* without its loop and callback */
	struct raft_hard_state hard_state;
	struct buf *position;
	uint8_t tombstone[TOMBSTONE_SIZE];
	struct log_mark marks[2];
};

/* `position.applied` is the end of the log that the replica had: it may still vote for candidates whose log is at least
 * as up to date. The position's stage is ignored. 0, -ENOMEM, or the log's error. */
int snapshot_empty_init(struct log_engine *log, const struct snapshot_position *position,
	const struct raft_hard_state *hard_state, struct snapshot_empty *empty);
void snapshot_empty_close(struct snapshot_empty *empty);

#endif
