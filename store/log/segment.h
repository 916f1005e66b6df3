/*
 * segment.h: the segment files of a raft log: naming, making, recycling and opening them.
 *
 * The directory holds files NAME = sixteen hex digits of the segment's sequence + ".log", all of one size, with
 * consecutive sequences: those that hold the log, the *active* one that is being written, and spares. A file is made
 * under the name "new", reserved, zeroed and synced before it is renamed. The oldest is recycled by renaming it to one
 * past the newest. Either rename is durable before a byte is written under the new name. A block that was zeroed or
 * written before takes an O_DIRECT|O_DSYNC write without a change of the filesystem's metadata.
 *
 * The list is guarded by the engine's lock; one thread at a time makes or recycles (`making`), which blocks, without
 * holding the lock.
 */
#ifndef RAFTKV_STORE_LOG_SEGMENT_H
#define RAFTKV_STORE_LOG_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/env.h"
#include "proto/status.h"

#define LOG_SEQUENCE_MAX (UINT32_MAX - 1) /* at 64 MiB each, 2^58 bytes of log */

struct log_segment {
	uint64_t sequence;
	struct env_file *file;
	uint64_t live_size; /* bytes of records of entries that are still needed */
	uint32_t readers; /* it is not recycled while there are any */
};

struct log_segments {
	struct env *env;
	const struct logger *logger;
	const char *path; /* the engine's */
	uint64_t segment_size;
	bool refused_direct; /* the refusal of O_DIRECT was logged */
	bool making; /* a thread is making or recycling */
	/* Ascending, consecutive. */
	struct log_segment **items;
	size_t count;
	size_t capacity;
};

/* Opens the files of the directory, which must exist, and removes an unfinished "new". If there are files,
 * `segment_size` becomes their size. -errno, STATUS_CORRUPT. */
int log_segments_open(struct log_segments *segments, struct status *status);
void log_segments_close(struct log_segments *segments);

/* Makes room in the list for one more segment. */
int log_segments_reserve(struct log_segments *segments);
/* *Blocks.* A new file under `sequence`, zeroed. -ENOSPC and other -errno leave nothing behind. */
int log_segments_make(struct log_segments *segments, uint64_t sequence, struct log_segment **segment);
/* *Blocks.* Renames. An error is final, because the file's name is then unknown. */
int log_segments_rename(struct log_segments *segments, uint64_t from, uint64_t to);
/* *Blocks.* Removes the file. */
int log_segments_unlink(struct log_segments *segments, uint64_t sequence);
/* Appends to the list, in which room was reserved. */
void log_segments_append(struct log_segments *segments, struct log_segment *segment);
/* Removes and returns the first segment of the list. */
struct log_segment *log_segments_take_first(struct log_segments *segments);
void log_segment_free(struct log_segment *segment);

/* NULL: none of that sequence. */
struct log_segment *log_segments_find(const struct log_segments *segments, uint64_t sequence);
/* Sequence of the last one; 0: none. */
uint64_t log_segments_last(const struct log_segments *segments);

/* "0000000000000001.log"; `name` has LOG_SEGMENT_NAME_SIZE bytes. */
#define LOG_SEGMENT_NAME_SIZE 21
void log_segment_name(uint64_t sequence, char *name);

#endif
