/*
 * snapshot_stage.h: a snapshot that came from another store, before it is installed: a file in snap/ with the rows as
 * this store's KV engine will have them. File data lies in extents of this store already; the rows name them.
 *
 * A file is a sequence of frames: u32 size, u32 kind, u64 checksum, bytes. The checksum is seeded with that of the frame
 * before, the first with the stage's number, which is also the file's name: a stage that is cut, or was put together
 * from others, is found. Nothing names a stage but the region's Applying mark (snapshot_install.h); one without is
 * removed at start, and its extents are free.
 *
 * All calls block. One thread at a time.
 */
#ifndef RAFTKV_STORE_SNAPSHOT_SNAPSHOT_STAGE_H
#define RAFTKV_STORE_SNAPSHOT_SNAPSHOT_STAGE_H

#include <stdint.h>

#include "proto/buf.h"
#include "store/engines.h"
#include "store/rows/rows.h"

/* What a stage is of. */
struct snapshot_position {
	uint64_t stage; /* its number, never used twice; 0: none */
	uint64_t replica; /* that it is for */
	struct apply_state applied;
	struct region region;
};

/* As bytes, for the first frame and for the mark. */
int snapshot_position_encode(const struct snapshot_position *position, struct buf **bytes);
/* The caller's to close (its region). 0, -ENOMEM or STATUS_CORRUPT. */
int snapshot_position_decode(struct slice bytes, struct snapshot_position *position);

struct snapshot_stage;

/* Makes a new file. Takes `position` and gives it a number. */
int snapshot_stage_new(
	struct engines *engines, struct snapshot_position *position, struct snapshot_stage **stage);
/* Opens a finished one and verifies all of it. STATUS_CORRUPT, -ENOENT or another -errno: it is no good. */
int snapshot_stage_open(
	struct engines *engines, const struct snapshot_position *position, struct snapshot_stage **stage);
/* The file stays. May be NULL. */
void snapshot_stage_close(struct snapshot_stage *stage);
/* Removes the file, and closes. */
void snapshot_stage_remove(struct snapshot_stage *stage);
/* Gives back the extents that its rows name, which will not be installed, and removes it. */
void snapshot_stage_discard(struct snapshot_stage *stage);
/* Removes every file in snap/: at start, once nothing names one. */
int snapshot_stage_remove_all(struct engines *engines);

const struct snapshot_position *snapshot_stage_position(const struct snapshot_stage *stage);

/* Rows are added as writer_slice(key), writer_slice(value), with the engine's keys, many at a time. */
int snapshot_stage_append(struct snapshot_stage *stage, struct slice rows);
/* Nothing more comes: makes the file durable. */
int snapshot_stage_finish(struct snapshot_stage *stage);

/* Calls back with each row; `each` other than 0 ends it. 0, what `each` returned, STATUS_CORRUPT, -errno. */
int snapshot_stage_each(struct snapshot_stage *stage,
	int (*each)(void *argument, struct slice key, struct slice value), void *argument);

#endif
