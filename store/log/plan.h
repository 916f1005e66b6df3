/*
 * plan.h: which of what has queued makes the next batch, where it goes, and what is refused. All under the lock.
 *
 * A move goes first, so that everything else in the batch comes after it; then writes in order, while they fit. Writes
 * with entries leave one spare segment untouched: with no spare at all, or with one when they need the next segment,
 * another has to be made first.
 */
#ifndef RAFTKV_STORE_LOG_PLAN_H
#define RAFTKV_STORE_LOG_PLAN_H

#include "store/log/raft_log_engine_internal.h"

enum log_plan {
	LOG_PLAN_NOTHING, /* the writer is idle */
	LOG_PLAN_BATCH, /* writer.batch, writing, move_writing are set; the move is encoded */
	LOG_PLAN_MAKE, /* a segment first; segments.making is set */
	LOG_PLAN_WAIT, /* the reclaimer is making one */
};

/* Writes that are over are pushed to `finished`; a move that is over without being written is put into `*move`. */
enum log_plan log_plan_next(
	struct raft_log_engine *engine, struct log_write_queue *finished, struct log_move **move);

/* A log_record_cb that adds to the batch in the writer's buffer. */
int log_plan_encode(void *argument, const struct log_record *record, const struct raft_entry *entry);

static inline uint64_t log_padded(uint64_t size)
{
	return (size + LOG_BLOCK_SIZE - 1) / LOG_BLOCK_SIZE * LOG_BLOCK_SIZE;
}

#endif
