/*
 * lock.c: flock, POSIX and OFD locks as rows. A set that meets a conflict answers EAGAIN and says who blocks; waiting is
 * not an evaluation's business.
 *
 * Locks of one owner never overlap; those of one type that touch are one.
 */
#include <errno.h>

#include "proto/plant.h"
#include "proto/status.h"
#include "fs/eval/families.h"

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

struct search {
	const struct lock *wanted;
	struct lock blocker;
	uint32_t count; /* rows of this inode */
	uint32_t session_count; /* of them, of this session */
};

static int examine(void *argument, struct slice key, struct slice value)
{
	struct search *search = argument;
	const struct lock *wanted = search->wanted;
	struct lock lock;
	int status = lock_decode(key, value, &lock);

	if (status != 0)
		return status;
	search->count++;
	search->session_count += lock.session == wanted->session;
	if (wanted->type == FS_LOCK_NONE || lock.kind != wanted->kind || !lock_conflicts(wanted, &lock))
		return 0;
	search->blocker = lock;
	return 1;
}

struct change {
	struct evaluation *evaluation;
	uint64_t ino;
	struct lock range; /* what is asked for; grows by what it merges with */
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

/* What `held` keeps on both sides of the range. */
static void cut_out(struct change *change, const struct lock *held)
{
	struct lock part = *held;

	if (held->start < change->range.start) {
		part.end = change->range.start - 1;
		put_lock(change->evaluation, change->ino, &part);
		change->added++;
	}
	if (held->end > change->range.end && !planted("fs:lock_behind_lost")) {
		part.start = change->range.end + 1;
		part.end = held->end;
		put_lock(change->evaluation, change->ino, &part);
		change->added++;
	}
}

static int change_held(void *argument, struct slice key, struct slice value)
{
	struct change *change = argument;
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

/* The session is listed as a holder while it has a lock here. */
static void change_hold(struct change *change, uint32_t session_count)
{
	struct fs_key key = fs_key_hold(change->range.session, change->ino, FS_HOLD_LOCK);
	uint32_t left = session_count - change->removed + change->added;

	if (session_count == 0 && left > 0)
		evaluation_put_mark(change->evaluation, KEY_LOCAL, &key);
	if (session_count > 0 && left == 0)
		mutations_delete(change->evaluation->mutations, KEY_LOCAL, fs_key_slice(&key));
}

static int set_lock(struct evaluation *evaluation, struct evaluation_inode *inode, const struct lock *wanted,
	uint32_t session_count)
{
	struct change change = {
		.evaluation = evaluation, .ino = inode->inode.attributes.ino, .range = *wanted};
	int status = scan_locks(evaluation, change.ino, change_held, &change);

	if (status != 0)
		return status;
	if (wanted->type != FS_LOCK_NONE) {
		put_lock(evaluation, change.ino, &change.range);
		change.added++;
	}
	change_hold(&change, session_count);
	if (change.added > 0 && (inode->inode.state & INODE_HAS_LOCKS) == 0) {
		inode->inode.state |= INODE_HAS_LOCKS;
		evaluation_change(inode);
	}
	return 0;
}

int eval_lock(struct evaluation *evaluation, const struct op_lock *op)
{
	struct lock wanted = op->lock;
	struct search search = {.wanted = &wanted};
	struct evaluation_inode *inode;
	int status = evaluation_inode(evaluation, op->ino, &inode);

	wanted.session = evaluation->input->session;
	if (status == 0 && (inode->inode.state & INODE_HAS_LOCKS) != 0)
		status = scan_locks(evaluation, op->ino, examine, &search);
	if (status > 0) {
		evaluation->reply.blocker = search.blocker;
		return -EAGAIN;
	}
	if (status == 0 && wanted.type != FS_LOCK_NONE && search.count >= LOCK_COUNT_MAX)
		return -ENOLCK;
	if (status != 0 || (wanted.type == FS_LOCK_NONE && search.session_count == 0))
		return status;
	status = set_lock(evaluation, inode, &wanted, search.session_count);
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
};

static int drop_lock(void *argument, struct slice key, struct slice value)
{
	struct drop *drop = argument;
	struct fs_key hold;
	struct lock lock;
	int status = lock_decode(key, value, &lock);

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
	struct drop drop = {.evaluation = evaluation, .ino = ino, .session = session, .all = all};

	return scan_locks(evaluation, ino, drop_lock, &drop);
}
