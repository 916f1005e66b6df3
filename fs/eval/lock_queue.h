/*
 * lock_queue.h: who waits for a lock of an inode, in the order in which they came (lock.c's).
 *
 * The order forbids one thing alone: that who came later takes a lock which an earlier one, who waits for it, could have
 * at this moment. So it keeps nobody from a lock when those before it must wait for held ones all the same, and nobody
 * waits for one who waits itself: what the order forbids ends with the earlier one's next ask. Who does not ask for
 * LOCK_WAITER_SILENCE is passed over, and keeps its place.
 *
 * Who does not want to wait is not held up: EAGAIN says that a lock is in the way.
 */
#ifndef RAFTKV_FS_EVAL_LOCK_QUEUE_H
#define RAFTKV_FS_EVAL_LOCK_QUEUE_H

#include "fs/eval/evaluation.h"

#define LOCK_WAITER_COUNT_MAX 256u /* of one inode; who comes then has no place */
#define LOCK_WAITER_SILENCE   UINT64_C(2000000000) /* ns */

struct lock_queue_entry {
	struct lock_waiter waiter;
	bool is_silent;
	bool is_blocked; /* by a lock that is held */
};

struct lock_queue {
	struct evaluation *evaluation;
	uint64_t ino;
	uint32_t count;
	struct lock_queue_entry entries[LOCK_WAITER_COUNT_MAX]; /* in their order */
};

int lock_queue_load(struct lock_queue *queue, struct evaluation *evaluation, uint64_t ino);
/* Those of a session. */
uint32_t lock_queue_count(const struct lock_queue *queue, uint64_t session);

/* A lock that is held; each is told before lock_queue_is_next is asked. */
void lock_queue_note_held(struct lock_queue *queue, const struct lock *held);
/* Nobody who came before could have a lock that conflicts with this one, now. */
bool lock_queue_is_next(const struct lock_queue *queue, const struct lock *wanted);
/* How many of those who came before, and ask, want one that conflicts. */
uint32_t lock_queue_count_before(const struct lock_queue *queue, const struct lock *wanted);

/* It asks and is refused: it gets its place, or keeps it. */
void lock_queue_enter(struct lock_queue *queue, const struct lock *wanted);
/* Each gives the number of rows that went: of who has got what it waited for; */
uint32_t lock_queue_leave(struct lock_queue *queue, const struct lock *granted);
/* of who waits for just that range no longer, whatever the type; */
uint32_t lock_queue_give_up(struct lock_queue *queue, const struct lock *range);
/* of who drops its locks of that range. */
uint32_t lock_queue_drop(struct lock_queue *queue, const struct lock *range);

/* Drops a session's waiters, or everybody's with what lists them (`all`). */
int lock_queue_drop_session(struct evaluation *evaluation, uint64_t ino, uint64_t session, bool all);

#endif
