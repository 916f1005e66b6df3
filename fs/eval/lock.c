/*
 * lock.c: flock, POSIX and OFD locks as rows. A lock that conflicts with a held one answers EAGAIN and the held lock.
 * An evaluation does not wait: the client asks again, and lock_queue.h keeps the order of the waiters.
 *
 * Locks of one kind and owner never overlap. Those of one type that touch are one lock.
 */
#include <errno.h>

#include "proto/plant.h"
#include "proto/status.h"
#include "fs/eval/families.h"
#include "fs/eval/lock_queue.h"

#define LOCK_COUNT_MAX 4096 /* rows of one inode: ENOLCK past it */

static int scan_locks(struct evaluation *evaluation, uint64_t ino, view_row_cb row, void *argument)
{
	struct fs_key prefix = fs_key_prefix(ino, 'L');

	return evaluation_scan(evaluation, &prefix, row, argument);
}

static struct fs_key key_of(uint64_t ino, const struct lock *lock)
{
	return fs_key_lock(ino, (uint8_t)lock->kind, lock->session, lock->owner, lock->start);
}

static void put_lock(struct evaluation *evaluation, uint64_t ino, const struct lock *lock)
{
	struct fs_key key = key_of(ino, lock);
	uint8_t bytes[32];
	struct writer writer = writer_fixed(bytes, sizeof bytes);

	lock_encode(lock, &writer);
	evaluation_put(evaluation, &key, writer_written(&writer));
}

/* ---- Setting ---- */

struct lock_search {
	const struct lock *wanted;
	bool waits;
	struct lock_queue queue;
	struct lock blocker;
	uint32_t count; /* of locks of this inode */
	uint32_t session_count; /* of locks and waiters of this inode and session */
};

/* Does not clear the queue's entries, because there are many. */
static void search_init(struct lock_search *search, const struct lock *wanted, bool waits)
{
	search->wanted = wanted;
	search->waits = waits;
	search->queue.count = 0;
	search->blocker = (struct lock){0};
	search->count = 0;
	search->session_count = 0;
}

static int examine(void *argument, struct slice key, struct slice value)
{
	struct lock_search *search = argument;
	const struct lock *wanted = search->wanted;
	struct lock lock;
	int status = lock_decode(key, value, &lock);

	if (status != 0)
		return status;
	search->count++;
	search->session_count += lock.session == wanted->session;
	if (search->waits)
		lock_queue_note_held(&search->queue, &lock);
	if (wanted->type == FS_LOCK_NONE || lock.kind != wanted->kind || !lock_conflicts(wanted, &lock))
		return 0;
	search->blocker = lock;
	return 1;
}

struct lock_change {
	struct evaluation *evaluation;
	uint64_t ino;
	struct lock range; /* the lock asked for; grows by the locks that it merges with */
	uint32_t removed; /* rows */
	uint32_t added;
};

static bool is_touching(const struct lock *a, const struct lock *b)
{
	return a->start <= b->end + 1 && b->start <= a->end + 1;
}

static bool is_overlapping(const struct lock *a, const struct lock *b)
{
	return a->start <= b->end && b->start <= a->end;
}

/* Puts the parts that `held` keeps on both sides of the range. */
static void cut_out(struct lock_change *change, const struct lock *held)
{
	struct lock part = *held;

	if (held->start < change->range.start) {
		part.end = change->range.start - 1;
		put_lock(change->evaluation, change->ino, &part);
		change->added++;
	}
	if (planted("fs:lock_behind_lost"))
		return;
	if (held->end > change->range.end) {
		part.start = change->range.end + 1;
		part.end = held->end;
		put_lock(change->evaluation, change->ino, &part);
		change->added++;
	}
}

static int change_held(void *argument, struct slice key, struct slice value)
{
	struct lock_change *change = argument;
	struct lock *range = &change->range;
	struct lock held;
	struct fs_key held_key;
	int status = lock_decode(key, value, &held);

	if (status != 0 || held.kind != range->kind || !lock_is_same_owner(&held, range))
		return status;
	if (held.type == range->type ? !is_touching(&held, range) : !is_overlapping(&held, range))
		return 0;
	held_key = key_of(change->ino, &held);
	evaluation_delete(change->evaluation, &held_key);
	change->removed++;
	if (held.type != range->type) {
		cut_out(change, &held);
		return 0;
	}
	range->start = held.start < range->start ? held.start : range->start;
	range->end = held.end > range->end ? held.end : range->end;
	return 0;
}

/* The session has an H row while it has a lock here, or waits for one. */
static void change_hold(struct lock_change *change, uint32_t session_count)
{
	struct fs_key key = fs_key_hold(change->range.session, change->ino, FS_HOLD_LOCK);
	uint32_t left = session_count - change->removed + change->added;

	if (session_count == 0 && left > 0)
		evaluation_put_mark(change->evaluation, KEY_LOCAL, &key);
	if (session_count > 0 && left == 0)
		mutations_delete(change->evaluation->mutations, KEY_LOCAL, fs_key_slice(&key));
}

/* Deletes the owner's waiters that end with this set or drop. Returns how many. */
static uint32_t leave_queue(struct lock_search *search)
{
	const struct lock *wanted = search->wanted;

	if (wanted->type == FS_LOCK_NONE)
		return lock_queue_drop(&search->queue, wanted);
	return search->waits ? lock_queue_leave(&search->queue, wanted) : 0;
}

static int set_lock(struct evaluation *evaluation, struct evaluation_inode *inode, struct lock_search *search)
{
	const struct lock *wanted = search->wanted;
	struct lock_change change = {
		.evaluation = evaluation, .ino = inode->inode.attributes.ino, .range = *wanted};
	int status = scan_locks(evaluation, change.ino, change_held, &change);

	if (status != 0)
		return status;
	if (wanted->type != FS_LOCK_NONE) {
		put_lock(evaluation, change.ino, &change.range);
		change.added++;
	}
	change.removed += leave_queue(search);
	change_hold(&change, search->session_count);
	if (change.added > 0 && (inode->inode.state & INODE_HAS_LOCKS) == 0) {
		inode->inode.state |= INODE_HAS_LOCKS;
		evaluation_change(inode);
	}
	return 0;
}

/* For a waiter the reply has an error and the evaluation returns 0, because its place in the queue is a change of
 * rows. */
static int refuse(struct evaluation *evaluation, struct lock_search *search)
{
	evaluation->reply.blocker = search->blocker;
	if (!search->waits)
		return -EAGAIN;
	evaluation->reply.error = -EAGAIN;
	evaluation->reply.before = lock_queue_count_before(&search->queue, search->wanted);
	lock_queue_enter(&search->queue, search->wanted);
	return 0;
}

static int give_up(struct evaluation *evaluation, struct lock_search *search)
{
	struct lock_change change = {
		.evaluation = evaluation, .ino = search->queue.ino, .range = *search->wanted};

	change.removed = lock_queue_give_up(&search->queue, search->wanted);
	change_hold(&change, search->session_count);
	return 0;
}

/* 1: a held lock conflicts. */
static int look_around(struct evaluation *evaluation, uint64_t ino, struct lock_search *search)
{
	int status = lock_queue_load(&search->queue, evaluation, ino);

	if (status != 0)
		return status;
	search->session_count = lock_queue_count(&search->queue, search->wanted->session);
	return scan_locks(evaluation, ino, examine, search);
}

int eval_lock(struct evaluation *evaluation, const struct op_lock *op)
{
	struct lock wanted = op->lock;
	struct lock_search search;
	struct evaluation_inode *inode;
	int status = evaluation_inode(evaluation, op->ino, &inode);

	wanted.session = evaluation->input->session;
	search_init(&search, &wanted, op->waits);
	if (status == 0 && (inode->inode.state & INODE_HAS_LOCKS) != 0)
		status = look_around(evaluation, op->ino, &search);
	if (status < 0)
		return status;
	if (wanted.type == FS_LOCK_NONE && search.session_count == 0)
		return 0;
	if (wanted.type == FS_LOCK_NONE && op->waits)
		return give_up(evaluation, &search);
	if (status > 0 || (op->waits && !lock_queue_is_next(&search.queue, &wanted)))
		return refuse(evaluation, &search);
	if (wanted.type != FS_LOCK_NONE && search.count >= LOCK_COUNT_MAX)
		return -ENOLCK;
	status = set_lock(evaluation, inode, &search);
	if (status == 0)
		evaluation_reply_attributes(evaluation, inode);
	return status;
}

/* ---- Dropping ---- */

struct drop {
	struct evaluation *evaluation;
	uint64_t ino;
	uint64_t session;
	bool all;
	int (*decode)(struct slice key, struct slice value, struct lock *lock);
};

static int decode_waiter(struct slice key, struct slice value, struct lock *lock)
{
	struct lock_waiter waiter;
	int status = lock_waiter_decode(key, value, &waiter);

	*lock = waiter.lock;
	return status;
}

static int drop_row(void *argument, struct slice key, struct slice value)
{
	struct drop *drop = argument;
	struct fs_key hold;
	struct lock lock;
	int status = drop->decode(key, value, &lock);

	if (status != 0 || (!drop->all && lock.session != drop->session))
		return status;
	mutations_delete(drop->evaluation->mutations, KEY_DATA, key);
	if (drop->all) {
		hold = fs_key_hold(lock.session, drop->ino, FS_HOLD_LOCK);
		mutations_delete(drop->evaluation->mutations, KEY_LOCAL, fs_key_slice(&hold));
	}
	return 0;
}

int eval_drop_locks(struct evaluation *evaluation, uint64_t ino, uint64_t session, bool all)
{
	struct fs_key waiters = fs_key_prefix(ino, 'W');
	struct drop drop = {
		.evaluation = evaluation, .ino = ino, .session = session, .all = all, .decode = lock_decode};
	int status = scan_locks(evaluation, ino, drop_row, &drop);

	drop.decode = decode_waiter;
	return status == 0 ? evaluation_scan(evaluation, &waiters, drop_row, &drop) : status;
}
