/*
 * prepare.c: puts intents of an attempt whose anchor is in another region (OP_PREPARE). What its guard says, and that no
 * other attempt's intent is in its way, stays so until the intent is resolved.
 */
#include <errno.h>
#include <string.h>

#include "proto/plant.h"
#include "proto/status.h"
#include "store/rows/slots.h"
#include "fs/eval/ends.h"
#include "fs/eval/families.h"

#define INTENT_ROW_SIZE_MAX (INTENTS_SIZE_MAX + 256u) /* bytes */

struct prepare {
	struct evaluation *evaluation;
	const struct op_prepare *op;
	struct intent intent;
	struct evaluation_inode *inode; /* that it concerns; NULL: it is not there */
	/* Other attempts' intents about the inode: */
	uint32_t others;
	int64_t links_lost, links_gained;
	bool is_refused; /* one of them is in the way and older */
};

/* ---- Intents of other attempts ---- */

static bool is_other(const struct prepare *prepare, const struct intent_record *record)
{
	return !attempt_is_same(&prepare->op->attempt, &record->attempt);
}

static int add_up(void *argument, struct slice key, const struct intent_record *record)
{
	struct prepare *prepare = argument;
	const struct intent *intent = &record->intent;

	(void)key;
	if (!is_other(prepare, record))
		return 0;
	prepare->others++;
	if (intent->kind == INTENT_INODE && intent->inode.nlink < 0)
		prepare->links_lost -= intent->inode.nlink;
	else if (intent->kind == INTENT_INODE)
		prepare->links_gained += intent->inode.nlink;
	return 0;
}

/* Does it concern all of the inode, so that nothing else about it may be pending? */
static bool is_whole(const struct intent *intent)
{
	struct fs_key key = fs_key_inode(intent->ino);

	if (intent->kind == INTENT_ROW)
		return slice_compare(intent->row.key, fs_key_slice(&key)) == 0;
	if (planted("intents:zero_not_waited"))
		return false;
	return intent->kind == INTENT_INODE && (intent->inode.flags & (INTENT_MOVES | INTENT_REMOVES)) != 0;
}

/* Could the inode lose its last link, or have too many, whatever becomes of the intents about it? */
static bool may_reach_limit(const struct prepare *prepare)
{
	const struct attributes *attributes = &prepare->inode->inode.attributes;
	bool is_directory = S_ISDIR(attributes->mode);
	int64_t added = prepare->intent.inode.nlink;
	int64_t least = attributes->nlink - prepare->links_lost + (added < 0 ? added : 0);
	int64_t most = attributes->nlink + prepare->links_gained + (added > 0 ? added : 0);

	PLANT("intents:last_link_not_waited", return false);
	return (!is_directory && least <= 0) ||
	       most > (int64_t)(is_directory ? FS_DIRECTORY_COUNT_MAX : FS_LINK_COUNT_MAX);
}

static bool is_in_way(const struct prepare *prepare, const struct intent *other)
{
	const struct intent *own = &prepare->intent;

	if (own->kind == INTENT_TREE || other->kind == INTENT_TREE)
		return own->kind == other->kind;
	if (prepare->others >= INTENTS_OF_INODE_MAX || is_whole(own) || is_whole(other))
		return true;
	if (own->kind != other->kind)
		return false;
	if (own->kind == INTENT_ROW)
		return slice_compare(own->row.key, other->row.key) == 0;
	return prepare->inode && may_reach_limit(prepare);
}

/* Wait-die. */
static int meet(void *argument, struct slice key, const struct intent_record *record)
{
	struct prepare *prepare = argument;
	bool is_older = intent_age_is_older(&record->age, &prepare->op->age);

	(void)key;
	if (!is_other(prepare, record) || !is_in_way(prepare, &record->intent))
		return 0;
	PLANT("intents:age_ignored", is_older = false);
	if (is_older)
		prepare->is_refused = true;
	else
		ends_add(prepare->evaluation, &record->attempt);
	return 0;
}

/* -EBUSY; STATUS_INCOMPLETE. */
static int meet_others(struct prepare *prepare)
{
	struct evaluation *evaluation = prepare->evaluation;
	uint64_t ino = prepare->intent.ino;
	int status = ends_each_intent(evaluation, ino, add_up, prepare);

	if (status == 0 && prepare->others > 0)
		status = ends_each_intent(evaluation, ino, meet, prepare);
	if (status != 0)
		return status;
	if (prepare->is_refused)
		return -EBUSY;
	return evaluation->ends_count > 0 ? STATUS_INCOMPLETE : 0;
}

/* ---- Guards ---- */

static int check_row(const struct prepare *prepare)
{
	const struct intent *intent = &prepare->intent;
	struct fs_key key = {.size = (uint16_t)intent->row.key.size};
	struct kv_value row = {0};
	bool is_same;
	int status;

	memcpy(key.bytes, intent->row.key.data, intent->row.key.size);
	status = evaluation_get(prepare->evaluation, &key, &row);
	if (status != 0 && status != STATUS_NOT_FOUND)
		return status;
	is_same = (status == 0) == intent->row.had && slice_compare(row.data, intent->row.before) == 0;
	kv_value_close(&row);
	if (!is_same)
		return -EAGAIN;
	if (!intent->row.is_first || !fs_ino_is_directory(intent->ino))
		return 0;
	status = eval_is_free_dirid(prepare->evaluation, fs_ino_dirid(intent->ino));
	return status > 0 ? -EAGAIN : status;
}

/* Are the counts, and what becomes of the inode, as the attempt could expect? */
static bool fits(const struct intent *intent, const struct inode *inode)
{
	uint32_t flags = intent->inode.flags;
	int64_t nlink = (int64_t)inode->attributes.nlink + intent->inode.nlink;

	if ((flags & INTENT_ENDS_KEEPING) != 0)
		return inode->attributes.nlink == 0 && (inode->state & INODE_IS_LINKABLE) != 0;
	if ((flags & INTENT_REMOVES) != 0)
		return inode->entries == 0 && inode->attributes.ino != FS_ROOT_INO;
	if ((flags & INTENT_MOVES) != 0 && inode->parent != intent->inode.parent_before)
		return false;
	/* The mount is told that it holds a file without names. */
	if ((flags & INTENT_DROPS) != 0 && (flags & INTENT_HOLDS) != 0 && nlink != 0)
		return false;
	return nlink >= ((flags & INTENT_DROPS) != 0 ? 0 : 1) &&
	       (int64_t)inode->entries + intent->inode.entries >= 0 &&
	       nlink <= (int64_t)(inode_is_directory(inode) ? FS_DIRECTORY_COUNT_MAX : FS_LINK_COUNT_MAX);
}

static int check_inode(const struct prepare *prepare)
{
	const struct intent *intent = &prepare->intent;
	const struct inode *inode = prepare->inode ? &prepare->inode->inode : NULL;

	if (!inode || inode->attributes.generation != intent->inode.generation ||
		inode->attributes.flags != intent->inode.flags_seen)
		return -EAGAIN;
	if (inode->attributes.nlink == 0 && (intent->inode.flags & INTENT_ENDS_KEEPING) == 0)
		return -EAGAIN;
	return fits(intent, inode) ? 0 : -EAGAIN;
}

/* A session that is to hold the inode must have a row here: so the hold ends with the session at the latest. */
static int check_session(const struct prepare *prepare)
{
	uint64_t session = prepare->op->age.session;
	bool has = true;
	int status = 0;

	if (prepare->intent.kind == INTENT_INODE && (prepare->intent.inode.flags & INTENT_HOLDS) != 0 &&
		slots_are_of(session))
		status = slots_have(prepare->evaluation->view, session, &has);
	return status == 0 && !has ? STATUS_SESSION_UNKNOWN : status;
}

static int check_guard(const struct prepare *prepare)
{
	int status = 0;

	PLANT("intents:guard_unchecked", return 0);
	if (prepare->intent.kind == INTENT_ROW)
		status = check_row(prepare);
	else if (prepare->intent.kind == INTENT_INODE)
		status = check_inode(prepare);
	return status == 0 ? check_session(prepare) : status;
}

/* ---- The step ---- */

/* What is removed may be what a full disk needs. */
static bool is_removal(const struct intent *intent)
{
	PLANT("intents:removals_need_room", return false);
	if (intent->kind == INTENT_ROW)
		return !intent->row.has;
	return intent->kind == INTENT_INODE && (intent->inode.flags & (INTENT_DROPS | INTENT_REMOVES)) != 0;
}

static void put_intent(struct prepare *prepare, uint32_t index)
{
	struct evaluation *evaluation = prepare->evaluation;
	struct intent_record record = {.age = prepare->op->age,
		.time = evaluation_time(prepare->op->wall),
		.intent = prepare->intent};
	struct fs_key key = fs_key_intent(prepare->intent.ino, &prepare->op->attempt, index);
	struct writer writer = writer_growing(INTENT_ROW_SIZE_MAX);
	int status = intent_record_encode(&record, &writer);

	if (status == 0)
		mutations_put(evaluation->mutations, KEY_LOCAL, fs_key_slice(&key), writer_written(&writer));
	else if (evaluation->mutations->status == 0)
		evaluation->mutations->status = status;
	writer_close(&writer);
	if (is_removal(&record.intent))
		mutations_note_removal(evaluation->mutations);
	if (prepare->inode && (prepare->inode->inode.state & INODE_HAS_INTENTS) == 0) {
		prepare->inode->inode.state |= INODE_HAS_INTENTS;
		evaluation_change(prepare->inode);
	}
}

static int has_intent(struct evaluation *evaluation, const struct fs_key *key, bool *has)
{
	struct kv_value row = {0};
	int status = view_get(evaluation->view, KEY_LOCAL, fs_key_slice(key), &row);

	kv_value_close(&row);
	*has = status == 0;
	return status == STATUS_NOT_FOUND ? 0 : status;
}

static int prepare_one(struct prepare *prepare, uint32_t index)
{
	struct evaluation *evaluation = prepare->evaluation;
	struct fs_key key = fs_key_intent(prepare->intent.ino, &prepare->op->attempt, index);
	bool is_there = false;
	int status = evaluation_load(evaluation, prepare->intent.ino, &prepare->inode);

	if (status == -ESTALE)
		prepare->inode = NULL;
	if (status == 0 || status == -ESTALE)
		status = has_intent(evaluation, &key, &is_there);
	if (status != 0 || is_there)
		return status;
	status = meet_others(prepare);
	if (status == 0)
		status = check_guard(prepare);
	if (status == 0)
		put_intent(prepare, index);
	return status;
}

/* Each inode is written before the next is loaded, so slots suffice. If the next intent is about the same inode, the
 * same row is written again. */
int eval_prepare(struct evaluation *evaluation, const struct op_prepare *op)
{
	struct slice rest = op->intents;
	struct prepare prepare = {.evaluation = evaluation, .op = op};
	int status = 0;

	for (uint32_t index = op->first; status == 0 && intent_next(&rest, &prepare.intent); index++) {
		prepare.others = 0;
		prepare.links_lost = prepare.links_gained = 0;
		status = prepare_one(&prepare, index);
		evaluation_write_inodes(evaluation);
		evaluation_close(evaluation);
	}
	return status;
}
