/*
 * orphan.c: inodes that stay without a name because a session has them open, and the end of a session's holds.
 */
#include <errno.h>

#include "proto/plant.h"
#include "proto/status.h"
#include "fs/eval/families.h"

#define END_COUNT_MAX                                                                                        \
	EVALUATION_INODE_COUNT_MAX /* holds that one OP_SESSION_END drops: each may need a slot */

struct holder_search {
	const uint64_t *except;
	uint64_t ino;
};

static int find_holder(void *argument, struct slice key, struct slice value)
{
	struct holder_search *search = argument;
	struct fs_key own;

	(void)value;
	if (!search->except)
		return 1;
	own = fs_key_orphan(search->ino, *search->except);
	return slice_compare(key, fs_key_slice(&own)) != 0;
}

int eval_is_held(
	struct evaluation *evaluation, const struct inode *inode, const uint64_t *except, bool *is_held)
{
	struct holder_search search = {.except = except, .ino = inode->attributes.ino};
	struct fs_key prefix = fs_key_prefix(inode->attributes.ino, 'O');
	int status = 0;

	if ((inode->state & INODE_HAS_HOLDS) != 0)
		status = evaluation_scan(evaluation, &prefix, find_holder, &search);
	*is_held = status > 0;
	return status > 0 ? 0 : status;
}

static void keep(struct evaluation *evaluation, struct evaluation_inode *inode, uint64_t session)
{
	uint64_t ino = inode->inode.attributes.ino;
	struct fs_key orphan = fs_key_orphan(ino, session);
	struct fs_key hold = fs_key_hold(session, ino, FS_HOLD_OPEN);

	evaluation_put_mark(evaluation, KEY_DATA, &orphan);
	evaluation_put_mark(evaluation, KEY_LOCAL, &hold);
	inode->inode.state |= INODE_HAS_HOLDS;
	evaluation_change(inode);
}

void eval_keep_open(struct evaluation *evaluation, struct evaluation_inode *inode)
{
	keep(evaluation, inode, evaluation->session);
}

void eval_begin_grace(struct evaluation *evaluation, struct evaluation_inode *inode)
{
	keep(evaluation, inode, FS_SESSION_GRACE);
}

void eval_end_keeping(struct evaluation *evaluation, struct evaluation_inode *inode)
{
	uint64_t ino = inode->inode.attributes.ino, session = evaluation->session;
	struct fs_key orphan = fs_key_orphan(ino, session);
	struct fs_key hold = fs_key_hold(session, ino, FS_HOLD_OPEN);

	inode->inode.state &= ~INODE_IS_LINKABLE;
	if (inode->is_remote) {
		inode->intent_flags |= INTENT_ENDS_KEEPING;
		return;
	}
	evaluation_delete(evaluation, &orphan);
	mutations_delete(evaluation->mutations, KEY_LOCAL, fs_key_slice(&hold));
}

int eval_hold(struct evaluation *evaluation, const struct op_hold *op)
{
	struct evaluation_inode *inode;
	int status = evaluation_inode(evaluation, op->ino, &inode);

	if (status == 0)
		eval_keep_open(evaluation, inode);
	return status;
}

/* Ends the hold of `session`, and deletes the inode when it has no name and no other hold. */
static int end_hold(struct evaluation *evaluation, struct evaluation_inode *inode, uint64_t session)
{
	struct attributes *attributes = &inode->inode.attributes;
	struct fs_key orphan = fs_key_orphan(attributes->ino, session);
	bool is_held;
	int status = eval_is_held(evaluation, &inode->inode, &session, &is_held);

	if (status != 0)
		return status;
	evaluation_delete(evaluation, &orphan);
	if (is_held || attributes->nlink > 0)
		return 0;
	evaluation->reply.victim = (struct op_victim){.ino = attributes->ino, .is_gone = true};
	return eval_destroy(evaluation, inode);
}

/* It may be about to be held: an operation across regions has taken the last name, and is not resolved here yet. */
static int await_hold(struct evaluation *evaluation, uint64_t ino)
{
	struct evaluation_inode *inode;
	int status;

	PLANT("intents:released_before_held", return 0);
	status = evaluation_inode(evaluation, ino, &inode);
	return status == -ESTALE ? 0 : status;
}

static int release(struct evaluation *evaluation, uint64_t ino, uint64_t session)
{
	struct fs_key orphan = fs_key_orphan(ino, session);
	struct fs_key hold = fs_key_hold(session, ino, FS_HOLD_OPEN);
	struct evaluation_inode *inode;
	struct kv_value row = {0};
	int status = evaluation_get(evaluation, &orphan, &row);

	kv_value_close(&row);
	if (status == STATUS_NOT_FOUND) /* done before, or never held */
		return session == FS_SESSION_GRACE ? 0 : await_hold(evaluation, ino);
	if (status == 0)
		status = evaluation_inode(evaluation, ino, &inode);
	if (status != 0)
		return status == -ESTALE ? STATUS_CORRUPT : status;
	mutations_delete(evaluation->mutations, KEY_LOCAL, fs_key_slice(&hold));
	return end_hold(evaluation, inode, session);
}

int eval_release(struct evaluation *evaluation, const struct op_release *op)
{
	int status = 0;

	_Static_assert(OP_RELEASE_COUNT_MAX <= EVALUATION_INODE_COUNT_MAX, "each needs an inode");
	for (uint32_t i = 0; i < op->count && status == 0; i++)
		status = release(evaluation, op->inos[i], evaluation->input->session);
	return status;
}

/* The inodes are independent, so each is written before the next is loaded, and slots suffice. Of an inode that is in
 * another region by now, only the H row here is deleted. */
int eval_grace_end(struct evaluation *evaluation, const struct op_grace_end *op)
{
	struct reader reader = reader_of(op->inos);
	int status = 0;

	while (status == 0 && reader_has_more(&reader)) {
		uint64_t ino = reader_u64be(&reader);
		struct fs_key hold = fs_key_hold(FS_SESSION_GRACE, ino, FS_HOLD_OPEN);

		status = release(evaluation, ino, FS_SESSION_GRACE);
		if (status == STATUS_KEY_NOT_IN_REGION) {
			mutations_delete(evaluation->mutations, KEY_LOCAL, fs_key_slice(&hold));
			status = 0;
		}
		evaluation_write_inodes(evaluation);
		evaluation_close(evaluation);
	}
	evaluation->reply.victim = (struct op_victim){0};
	evaluation->reply.id = eval_range_end(evaluation);
	return status;
}

/* ---- The end of a session ---- */

struct session_end {
	struct evaluation *evaluation;
	uint32_t count;
};

/* Of a hold whose inode is in another region by now, or gone, only the H row is deleted. */
static int end_one(struct evaluation *evaluation, uint64_t session, uint64_t ino, enum fs_hold_kind kind)
{
	struct evaluation_inode *inode;
	int status = evaluation_inode(evaluation, ino, &inode);

	if (status == STATUS_KEY_NOT_IN_REGION || status == -ESTALE)
		return 0;
	if (status != 0)
		return status;
	if (kind == FS_HOLD_LOCK)
		return eval_drop_locks(evaluation, ino, session, false);
	return end_hold(evaluation, inode, session);
}

static int end_next(void *argument, struct slice key, struct slice value)
{
	struct session_end *end = argument;
	enum fs_hold_kind kind;
	uint64_t session, ino;
	int status = fs_key_parse_hold(key, &session, &ino, &kind);

	(void)value;
	if (status != 0)
		return status;
	if (end->count == END_COUNT_MAX) {
		end->evaluation->reply.more = true;
		end->evaluation->reply.id = ino;
		return 1;
	}
	end->count++;
	mutations_delete(end->evaluation->mutations, KEY_LOCAL, key);
	return end_one(end->evaluation, session, ino, kind);
}

int eval_session_end(struct evaluation *evaluation, const struct op_session_end *op)
{
	struct session_end end = {.evaluation = evaluation};
	struct fs_key all = fs_key_holds(op->session), high = fs_key_after(&all);
	struct fs_key low = fs_key_holds_from(op->session, op->from);
	int status = view_scan(
		evaluation->view, KEY_LOCAL, fs_key_slice(&low), fs_key_slice(&high), end_next, &end);

	evaluation->reply.victim = (struct op_victim){0};
	if (!evaluation->reply.more)
		evaluation->reply.id = eval_range_end(evaluation);
	return status > 0 ? 0 : status;
}
