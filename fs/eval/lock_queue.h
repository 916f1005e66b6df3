/*
 * lock_queue.h: the waiters for locks of an inode, in the order in which they came (for lock.c).
 *
 * The order forbids one thing: a later caller must not take a lock that conflicts with one that an earlier waiter could
 * have now. It does not hold back a caller when all conflicting earlier waiters are blocked by held locks, or by a
 * waiter before them. The earlier waiter takes its lock when it asks next, so the later caller is held back only
 * until then. A waiter that has not asked for LOCK_WAITER_SILENCE is passed over, but keeps its place.
 *
 * A caller that does not wait is not held back by the order: it gets EAGAIN only when a held lock conflicts.
 */
#ifndef RAFTKV_FS_EVAL_LOCK_QUEUE_H
#define RAFTKV_FS_EVAL_LOCK_QUEUE_H

#include "fs/eval/evaluation.h"

#define LOCK_WAITER_COUNT_MAX 256u /* of one inode; a caller past it gets no place */
#define LOCK_WAITER_SILENCE   UINT64_C(2000000000) /* ns */

struct lock_queue_entry {
	struct lock_waiter waiter;
	bool is_silent;
	bool is_blocked; /* by a held lock */
};

struct lock_queue {
	struct evaluation *evaluation;
	uint64_t ino;
	uint32_t count;
	struct lock_queue_entry entries[LOCK_WAITER_COUNT_MAX]; /* the earliest first */
};

int lock_queue_load(struct lock_queue *queue, struct evaluation *evaluation, uint64_t ino);
/* Count of a session's waiters. */
uint32_t lock_queue_count(const struct lock_queue *queue, uint64_t session);

/* Notes a held lock; the caller notes all of them before it calls lock_queue_is_next. */
void lock_queue_note_held(struct lock_queue *queue, const struct lock *held);
/* True: no earlier waiter could now have a lock that conflicts with `wanted`. */
bool lock_queue_is_next(const struct lock_queue *queue, const struct lock *wanted);
/* How many earlier waiters, without silent ones, want a lock that conflicts with `wanted`. */
uint32_t lock_queue_count_before(const struct lock_queue *queue, const struct lock *wanted);

/* After a refusal: gives the waiter a place, or keeps it. */
void lock_queue_enter(struct lock_queue *queue, const struct lock *wanted);

/* The functions below delete waiters' rows and return how many. */

/* The waiter for just this lock, which it has got. */
uint32_t lock_queue_leave(struct lock_queue *queue, const struct lock *granted);
/* The owner's waiters for just this range, of any type. */
uint32_t lock_queue_give_up(struct lock_queue *queue, const struct lock *range);
/* The owner's waiters for any part of this range. */
uint32_t lock_queue_drop(struct lock_queue *queue, const struct lock *range);

#endif
