/*
 * apply.h: the apply thread of a shard, which turns committed entries into rows.
 *
 * While the thread has nothing to do, the owner's loop applies a small task itself: to wake another thread and be woken by
 * it costs more than the task. What may block is the thread's: rows of extent maps that are not in memory, and a batch
 * that the KV engine does not take without a stall.
 *
 * All tasks that came during the last batch make the next one: rows, extent-map edits and apply states of several
 * regions in one atomic KV batch. Small payloads are first given to the block store as deferred writes (blocks_defer),
 * so no row ever names bytes that cannot be read; a flush round syncs them (kv_flush.h). When the batch is visible,
 * replaced extents are freed, the batch is noted for flushing, and the tasks go back to their owner.
 *
 * A split (region_split.h) is alone in its batch: what the log has before it is visible by then, so that the new region
 * gets every slot row, and nothing that follows joins.
 *
 * An entry that does not match the region's epoch or range is refused, the same way on every replica. The store fails
 * if the KV engine refuses a batch, or if there is no room for an admitted extent.
 */
#ifndef RAFTKV_STORE_APPLY_APPLY_H
#define RAFTKV_STORE_APPLY_APPLY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "raft/raft.h"
#include "store/engines.h"
#include "store/evaluate/evaluator.h"
#include "store/flush/kv_flush.h"
#include "store/queues/queues.h"
#include "store/rows/rows.h"

/* The apply thread's state of a region; embedded in its peer. The peer touches it only when no task of it is in
 * flight. */
struct apply_region {
	struct route *route; /* forgets its shared snapshot when rows change */
	struct region region; /* as of `index`; the peer has a copy of its own, which follows */
	uint64_t index; /* of the last entry applied */
};

struct apply_task {
	struct inbox_item item; /* links tasks in a queue or in the batch */
	struct apply_region *region;
	struct raft_message message; /* MsgStorageApply */
	struct payload *payloads; /* the payloads of its entries */
	uint64_t size; /* bytes of its entries in the log */
	uint64_t committed; /* env_now: when its entries were found to be committed */
	bool has_deferred; /* it wrote small payloads, which are not synced */
	bool is_split; /* its one entry is a split */
	/* Out, of a split that was not refused: the region from now on, and the new one. */
	struct region halves[2];
	int statuses[]; /* out: one per entry */
};

struct apply_write; /* apply_internal.h: one write of small payloads */

struct apply {
	struct inbox inbox;
	struct engines *engines;
	struct kv_flush *flush;
	struct evaluator *evaluator;
	struct inbox *applied; /* takes the finished tasks */
	struct env_loop *loop;
	struct kv_batch *batch;
	uint32_t in_flight; /* tasks submitted that have not come back; the owner's */
	struct env_mail stalled_mail; /* the thread is to write the batch that the owner made */
	struct env_mail release_mail; /* the thread is to look whether its batch is still held */
	struct apply_task *waiting; /* tasks of the next batch */
	struct apply_task *running; /* tasks of the present batch */
	struct extent_edits edits;
	struct apply_write *writes;
	atomic_uint_fast64_t deferred_size; /* bytes of small payloads whose deferred writes are in flight */
	bool is_held; /* deferred_size is over its limit: the thread's batch waits */
	atomic_bool has_failed;
};

/* Makes and starts the thread. `engines`, `flush`, `evaluator` and `applied` outlive it. 0 or -errno. */
int apply_start(struct apply *apply, struct engines *engines, struct kv_flush *flush,
	struct evaluator *evaluator, struct inbox *applied, const char *name);
/* On the owner's loop. Takes the task, which comes back through `applied`; never within the call. */
void apply_submit(struct apply *apply, struct apply_task *task);
/* On the owner's loop, for each task that has come back. */
void apply_take_back(struct apply *apply);
/* Ends the thread. No task and no deferred write may be in flight, unless the simulator's machine has stopped; the owner's
 * loop is in no callback of one. */
void apply_stop(struct apply *apply);

struct apply_task *apply_task_new(struct apply_region *region,
	struct raft_message *message); /* takes the message; NULL: out of memory */
void apply_task_free(struct apply_task *task); /* frees the payloads too */

#endif
