/*
 * snapshot_stage.h: a received snapshot before it is installed: a file in snap/ with the rows in this store's KV
 * format. The file data is already in extents of this store, which the rows name.
 *
 * A file is a sequence of frames: u32 size, u32 kind, u64 checksum, bytes. A checksum's seed is the checksum of the
 * frame before; the seed of the first is the stage's number, which is also the file's name. So a stage that is
 * truncated or mixed from others is detected. Only the region's Applying mark (snapshot_install.h) names a stage. A
 * stage without a mark is removed at start, and its extents are free.
 *
 * All calls block. One thread at a time.
 */
#ifndef RAFTKV_STORE_SNAPSHOT_SNAPSHOT_STAGE_H
#define RAFTKV_STORE_SNAPSHOT_SNAPSHOT_STAGE_H

#include <stdint.h>

#include "proto/buf.h"
#include "store/engines.h"
#include "store/rows/rows.h"

/* The replica, region and index of a stage. */
struct snapshot_position {
	uint64_t stage; /* the stage's number, never reused; 0: none */
	uint64_t replica; /* the receiving replica */
	struct apply_state applied;
	struct region region;
};

/* Encodes the position, for the first frame and for the mark. */
int snapshot_position_encode(const struct snapshot_position *position, struct buf **bytes);
/* The caller closes the position's region. 0, -ENOMEM or STATUS_CORRUPT. */
int snapshot_position_decode(struct slice bytes, struct snapshot_position *position);

struct snapshot_stage;

/* Makes a new file. Takes `position` and gives it a number. */
int snapshot_stage_new(
	struct engines *engines, struct snapshot_position *position, struct snapshot_stage **stage);
/* Opens a finished stage and verifies all of it. STATUS_CORRUPT, -ENOENT or another -errno: it cannot be installed. */
int snapshot_stage_open(
	struct engines *engines, const struct snapshot_position *position, struct snapshot_stage **stage);
/* The file stays. May be NULL. */
void snapshot_stage_close(struct snapshot_stage *stage);
/* Removes the file and closes the stage. */
void snapshot_stage_remove(struct snapshot_stage *stage);
/* Gives back the extents that its rows name, then removes the stage. For a stage that will not be installed. */
void snapshot_stage_discard(struct snapshot_stage *stage);
/* Removes every file in snap/. At start, once no mark names one. */
int snapshot_stage_remove_all(struct engines *engines);

const struct snapshot_position *snapshot_stage_position(const struct snapshot_stage *stage);

/* Appends many rows at once, each as writer_slice(key), writer_slice(value), with the engine's keys. */
int snapshot_stage_append(struct snapshot_stage *stage, struct slice rows);
/* Ends the stage and makes its file durable. */
int snapshot_stage_finish(struct snapshot_stage *stage);

/* Calls `each` for each row; a nonzero return ends the walk and is returned. 0, STATUS_CORRUPT, -errno. */
int snapshot_stage_each(struct snapshot_stage *stage,
	int (*each)(void *argument, struct slice key, struct slice value), void *argument);

#endif
