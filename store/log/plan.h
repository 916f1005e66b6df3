/*
 * plan.h: chooses the queued writes of the next batch and its place, and refuses writes. All under the lock.
 *
 * A move comes first in the batch, then writes in order while they fit. Writes with entries leave one spare segment
 * unused: with no spare, or with one while they need the next segment, another must be made first.
 */
#ifndef RAFTKV_STORE_LOG_PLAN_H
#define RAFTKV_STORE_LOG_PLAN_H

#include "store/log/raft_log_engine_internal.h"

enum log_plan {
	LOG_PLAN_NOTHING, /* the writer is idle */
	LOG_PLAN_BATCH, /* send it: writer.batch, writing, move_writing are set; the move is encoded */
	LOG_PLAN_MAKE, /* make a segment first; segments.making is set */
	LOG_PLAN_WAIT, /* wait until the reclaimer has made a segment */
};

/* Finished writes are pushed to `finished`. A move that ends without being written is put into `*move`. */
enum log_plan log_plan_next(
	struct raft_log_engine *engine, struct log_write_queue *finished, struct log_move **move);

/* A log_record_cb that appends the record to the batch in the writer's buffer. */
int log_plan_encode(void *argument, const struct log_record *record, const struct raft_entry *entry);

static inline uint64_t log_padded(uint64_t size)
{
	return (size + LOG_BLOCK_SIZE - 1) / LOG_BLOCK_SIZE * LOG_BLOCK_SIZE;
}

#endif
