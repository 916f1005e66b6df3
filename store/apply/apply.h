/*
 * apply.h: the apply thread of a shard: committed entries become rows.
 *
 * Everything that came while the last batch was written makes the next one: rows, extent-map edits and apply states of
 * several regions in one atomic KV batch. Small payloads are given to the block store first, which writes them behind
 * (blocks_defer; unsynced: flush.h): no row ever names bytes that cannot be read. When the batch is visible, replaced
 * extents are freed, flush.h is told, and the tasks go back to their owner.
 *
 * An entry that the region's epoch no longer allows is refused, the same way on every replica. A KV engine that refuses
 * a batch, or a disk too full for an extent that admission let through, stops the store.
 */
#ifndef RAFTKV_STORE_APPLY_APPLY_H
#define RAFTKV_STORE_APPLY_APPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "raft/raft.h"
#include "store/engines.h"
#include "store/flush/flush.h"
#include "store/queues/queues.h"
#include "store/rows/rows.h"

/* What the apply thread knows of a region; embedded in its peer and touched by this thread alone. */
struct apply_region {
	struct route *route; /* whose readers get a new snapshot */
	struct region region; /* as of `index`; the peer has its own, which follows */
	uint64_t index; /* of the last entry applied */
};

struct apply_task {
	struct inbox_item item; /* in a queue, or in the batch */
	struct apply_region *region;
	struct raft_message message; /* MsgStorageApply */
	struct payload *payloads; /* of its entries */
	uint64_t size; /* bytes of log that it was */
	uint64_t committed; /* env_now: when its entries were known to be */
	bool has_deferred; /* small payloads were written, unsynced */
	int statuses[]; /* out: one per entry */
};

struct apply_write; /* apply.c: one write of small payloads */

struct apply {
	struct inbox inbox;
	struct engines *engines;
	struct flush *flush;
	struct inbox *applied; /* where tasks go back to */
	struct env_loop *loop;
	struct kv_batch *batch;
	struct apply_task *waiting; /* for the next batch */
	struct apply_task *running; /* in this one */
	struct extent_edits edits;
	struct apply_write *writes;
	uint64_t deferred_size; /* bytes of small payloads on their way to the disk; */
	bool is_held; /* too many: the batch waits */
	bool has_failed;
};

/* Makes the thread and starts it. All three outlive it. 0 or -errno. */
int apply_start(struct apply *apply, struct engines *engines, struct flush *flush, struct inbox *applied,
	const char *name);
/* Any thread: takes the task, which comes back through `applied`. */
void apply_submit(struct apply *apply, struct apply_task *task);
/* Ends the thread; nothing is being applied, nor on its way to the disk, or the machine of the simulator has stopped. */
void apply_stop(struct apply *apply);

struct apply_task *apply_task_new(struct apply_region *region,
	struct raft_message *message); /* takes the message; NULL: out of memory */
void apply_task_free(struct apply_task *task); /* payloads included */

#endif
