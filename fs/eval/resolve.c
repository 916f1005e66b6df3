/*
 * resolve.c: turns intents into the changes that they stand for, or takes them away (OP_RESOLVE), and ends an attempt of
 * which all are resolved (OP_TRANSACT_END). What is not there is passed over, so each may be done again.
 */
#include <errno.h>
#include <string.h>

#include "proto/plant.h"
#include "proto/status.h"
#include "store/rows/slots.h"
#include "fs/eval/ends.h"
#include "fs/eval/families.h"
#include "fs/intents/intent_apply.h"

/* The intents about one inode. */
struct resolution {
	struct evaluation *evaluation;
	const struct op_resolve *op;
	uint64_t ino;
	struct evaluation_inode *inode; /* NULL: it is not there */
	uint32_t found; /* intents that are resolved */
	uint32_t left; /* intents that stay */
};

static bool is_resolved(const struct resolution *resolution, const struct intent_record *record)
{
	struct slice rest = resolution->op->places;
	struct intent_place place;

	if (!attempt_is_same(&resolution->op->attempt, &record->attempt))
		return false;
	while (intent_place_next(&rest, &place))
		if (place.ino == record->intent.ino && place.index == record->index)
			return true;
	return false;
}

static int count_intents(void *argument, struct slice key, const struct intent_record *record)
{
	struct resolution *resolution = argument;

	(void)key;
	*(is_resolved(resolution, record) ? &resolution->found : &resolution->left) += 1;
	return 0;
}

/* A new inode. */
static int put_inode(struct resolution *resolution, struct slice row)
{
	uint8_t bytes[FS_INODE_ROW_SIZE_MAX];
	struct writer writer = writer_fixed(bytes, sizeof bytes);
	struct fs_key key = fs_key_inode(resolution->ino);
	struct inode inode;
	int status = inode_decode(row, resolution->ino, &inode);

	if (status != 0)
		return status;
	if (resolution->left > 0)
		inode.state |= INODE_HAS_INTENTS;
	resolution->evaluation->gained++;
	status = inode_encode(&inode, &writer);
	if (status == 0)
		evaluation_put(resolution->evaluation, &key, writer_written(&writer));
	return status;
}

static int resolve_row(struct resolution *resolution, const struct intent *intent)
{
	struct fs_key inode = fs_key_inode(resolution->ino);
	struct fs_key key = {.size = (uint16_t)intent->row.key.size};

	memcpy(key.bytes, intent->row.key.data, intent->row.key.size);
	if (intent->row.is_first && slice_compare(intent->row.key, fs_key_slice(&inode)) == 0)
		return put_inode(resolution, intent->row.after);
	if (intent->row.has)
		evaluation_put(resolution->evaluation, &key, intent->row.after);
	else
		evaluation_delete(resolution->evaluation, &key);
	return 0;
}

/* The last name is gone. A session that has ended meanwhile does not hold the inode. Without INTENT_HOLDS the operation may
 * not have known that this was the last name, so its session is asked, too. */
static int end_inode(struct resolution *resolution, const struct intent_record *record)
{
	struct evaluation *evaluation = resolution->evaluation;
	bool is_held;
	int status;

	if ((record->intent.inode.flags & INTENT_HOLDS) == 0) {
		eval_begin_grace(evaluation, resolution->inode);
		return 0;
	}
	status = slots_have(evaluation->view, record->age.session, &is_held);
	return status == 0 ? eval_drop_last(evaluation, resolution->inode, is_held) : status;
}

static int resolve_inode(struct resolution *resolution, const struct intent_record *record)
{
	const struct intent *intent = &record->intent;
	struct evaluation_inode *inode = resolution->inode;
	int status;

	if (!inode)
		return 0;
	status = intent_apply_inode(intent, &record->time, &inode->inode);
	if (status != 0)
		return status;
	PLANT("intents:time_goes_back", inode->inode.attributes.ctime = record->time);
	evaluation_change(inode);
	if ((intent->inode.flags & INTENT_ENDS_KEEPING) != 0)
		eval_end_keeping(resolution->evaluation, inode);
	if ((intent->inode.flags & (INTENT_REMOVES | INTENT_DROPS)) == 0 || inode->inode.attributes.nlink > 0)
		return 0;
	return end_inode(resolution, record);
}

static int resolve_one(void *argument, struct slice key, const struct intent_record *record)
{
	struct resolution *resolution = argument;
	struct evaluation *evaluation = resolution->evaluation;

	if (!is_resolved(resolution, record))
		return 0;
	if (!planted("intents:resolve_twice"))
		mutations_delete(evaluation->mutations, KEY_LOCAL, key);
	if (!resolution->op->is_committed)
		return 0;
	evaluation->session = record->age.session;
	evaluation->now = record->time;
	if (record->intent.kind == INTENT_ROW)
		return resolve_row(resolution, &record->intent);
	return record->intent.kind == INTENT_INODE ? resolve_inode(resolution, record) : 0;
}

static void clear_flag(struct resolution *resolution)
{
	if (!resolution->inode || resolution->left > 0 || planted("intents:flag_stays"))
		return;
	resolution->inode->inode.state &= ~INODE_HAS_INTENTS;
	evaluation_change(resolution->inode);
}

static int resolve_all(struct evaluation *evaluation, const struct op_resolve *op, uint64_t ino)
{
	struct resolution resolution = {.evaluation = evaluation, .op = op, .ino = ino};
	int status = evaluation_load(evaluation, ino, &resolution.inode);

	if (status == -ESTALE)
		resolution.inode = NULL;
	if (status == 0 || status == -ESTALE)
		status = ends_each_intent(evaluation, ino, count_intents, &resolution);
	if (status != 0 || resolution.found == 0)
		return status;
	PLANT("intents:resolve_waits", if (resolution.left > 0) return ends_add(evaluation, &op->attempt));
	clear_flag(&resolution);
	return ends_each_intent(evaluation, ino, resolve_one, &resolution);
}

/* Is it the first place of that inode? */
static bool is_first_of(struct slice places, const struct intent_place *place, uint32_t position)
{
	struct intent_place other;

	for (uint32_t i = 0; i < position && intent_place_next(&places, &other); i++)
		if (other.ino == place->ino)
			return false;
	return true;
}

int eval_resolve(struct evaluation *evaluation, const struct op_resolve *op)
{
	struct slice rest = op->places;
	struct intent_place place;
	int status = 0;

	for (uint32_t i = 0; status == 0 && intent_place_next(&rest, &place); i++) {
		if (!is_first_of(op->places, &place, i))
			continue;
		status = resolve_all(evaluation, op, place.ino);
		evaluation_write_inodes(evaluation);
		evaluation_close(evaluation);
	}
	evaluation->reply.victim = (struct op_victim){0};
	return status;
}

/* ---- OP_TRANSACT_END ---- */

int eval_transact_end(struct evaluation *evaluation, const struct op_resolve *op)
{
	struct fs_key key = fs_key_committed(&op->attempt);
	struct fs_key anchor = fs_key_inode(op->attempt.anchor);
	struct kv_value row = {0};
	int status;

	if (!evaluation_has_key(evaluation, fs_key_slice(&anchor)))
		return STATUS_KEY_NOT_IN_REGION;
	status = view_get(evaluation->view, KEY_LOCAL, fs_key_slice(&key), &row);
	kv_value_close(&row);
	if (status == 0)
		mutations_delete(evaluation->mutations, KEY_LOCAL, fs_key_slice(&key));
	return status == STATUS_NOT_FOUND ? 0 : status;
}
