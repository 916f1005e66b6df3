#include "fs/eval/evaluation.h"

#include <errno.h>

#include "proto/check.h"
#include "proto/plant.h"
#include "proto/status.h"
#include "fs/eval/transact.h"
#include "fs/eval/ends.h"
#include "fs/schema/records.h"
#include "fs/schema/siphash.h"
#include "proto/units.h"

void evaluation_init(struct evaluation *evaluation, struct view *view, const struct eval_input *input,
	struct mutations *mutations)
{
	evaluation->view = view;
	evaluation->input = input;
	evaluation->mutations = mutations;
	evaluation->session = input->session;
	evaluation->now = evaluation_time(input->wall);
	evaluation->random = input->random;
	evaluation->draws = 0;
	evaluation->inode_count = 0;
	evaluation->gained = 0;
	evaluation->reply = (struct op_reply){0};
	evaluation->may_lack = evaluation->has_tree = false;
	evaluation->transact = NULL;
	evaluation->lack = 0;
	evaluation->wanted_count = evaluation->ends_count = evaluation->row_count = 0;
}

void evaluation_close(struct evaluation *evaluation)
{
	for (size_t i = 0; i < evaluation->inode_count; i++)
		kv_value_close(&evaluation->inodes[i].row);
	evaluation->inode_count = 0;
}

uint64_t evaluation_random(struct evaluation *evaluation)
{
	uint64_t number = evaluation->draws++;

	return siphash(evaluation->random, slice_of(&number, sizeof number));
}

/* ---- Rows ---- */

bool evaluation_has_key(const struct evaluation *evaluation, struct slice key)
{
	const struct eval_input *input = evaluation->input;

	if (slice_compare(key, input->region_start) < 0)
		return false;
	return input->region_end.size == 0 || slice_compare(key, input->region_end) < 0;
}

int evaluation_get(struct evaluation *evaluation, const struct fs_key *key, struct kv_value *row)
{
	if (!evaluation_has_key(evaluation, fs_key_slice(key)))
		return STATUS_KEY_NOT_IN_REGION;
	return view_get(evaluation->view, KEY_DATA, fs_key_slice(key), row);
}

int evaluation_get_known(struct evaluation *evaluation, const struct fs_key *key, const struct wanted *wanted,
	struct kv_value *row)
{
	if (evaluation_has_key(evaluation, fs_key_slice(key)))
		return view_get(evaluation->view, KEY_DATA, fs_key_slice(key), row);
	return evaluation->may_lack ? transact_get_fact(evaluation, key, wanted, row)
				    : STATUS_KEY_NOT_IN_REGION;
}

int evaluation_scan(
	struct evaluation *evaluation, const struct fs_key *prefix, view_row_cb row, void *argument)
{
	struct fs_key high = fs_key_after(prefix);

	return view_scan(
		evaluation->view, KEY_DATA, fs_key_slice(prefix), fs_key_slice(&high), row, argument);
}

/* False: the key is outside the region, and the evaluation fails. */
static bool is_writable(struct evaluation *evaluation, const struct fs_key *key)
{
	if (evaluation_has_key(evaluation, fs_key_slice(key)))
		return true;
	if (evaluation->mutations->status == 0)
		evaluation->mutations->status = STATUS_KEY_NOT_IN_REGION;
	return false;
}

void evaluation_put(struct evaluation *evaluation, const struct fs_key *key, struct slice row)
{
	if (is_writable(evaluation, key))
		mutations_put(evaluation->mutations, KEY_DATA, fs_key_slice(key), row);
}

void evaluation_put_bytes(struct evaluation *evaluation, const struct fs_key *key, struct slice bytes)
{
	struct writer writer = writer_growing(bytes.size + 16);

	bytes_encode(bytes, &writer);
	if (writer.status == 0)
		evaluation_put(evaluation, key, writer_written(&writer));
	else if (evaluation->mutations->status == 0)
		evaluation->mutations->status = writer.status;
	writer_close(&writer);
}

void evaluation_put_mark(struct evaluation *evaluation, enum key_space space, const struct fs_key *key)
{
	uint8_t bytes[8];
	struct writer writer = writer_fixed(bytes, sizeof bytes);

	mark_encode(&writer);
	if (space == KEY_LOCAL || is_writable(evaluation, key))
		mutations_put(evaluation->mutations, space, fs_key_slice(key), writer_written(&writer));
}

void evaluation_delete(struct evaluation *evaluation, const struct fs_key *key)
{
	if (is_writable(evaluation, key))
		mutations_delete(evaluation->mutations, KEY_DATA, fs_key_slice(key));
}

/* ---- Inodes ---- */

static struct evaluation_inode *find_slot(struct evaluation *evaluation, uint64_t ino)
{
	for (size_t i = 0; i < evaluation->inode_count; i++) {
		if (evaluation->inodes[i].inode.attributes.ino == ino)
			return &evaluation->inodes[i];
	}
	return NULL;
}

static struct evaluation_inode *take_slot(struct evaluation *evaluation)
{
	struct evaluation_inode *slot = &evaluation->inodes[evaluation->inode_count];

	check(evaluation->inode_count < EVALUATION_INODE_COUNT_MAX);
	evaluation->inode_count++;
	slot->row = (struct kv_value){0};
	slot->is_new = slot->is_changed = slot->is_deleted = slot->is_remote = false;
	slot->intent_flags = 0;
	return slot;
}

static int load(struct evaluation *evaluation, uint64_t ino, struct evaluation_inode **slot)
{
	const struct wanted wanted = {.ino = ino};
	struct fs_key key = fs_key_inode(ino);
	struct kv_value row = {0};
	int status = evaluation_get_known(evaluation, &key, &wanted, &row);

	if (status == STATUS_NOT_FOUND)
		return -ESTALE;
	if (status != 0)
		return status;
	*slot = take_slot(evaluation);
	(*slot)->row = row;
	(*slot)->is_remote = evaluation->may_lack && !evaluation_has_key(evaluation, fs_key_slice(&key));
	status = inode_decode(row.data, ino, &(*slot)->inode);
	if ((*slot)->is_remote)
		(*slot)->seen = (*slot)->inode;
	return status;
}

int evaluation_load(struct evaluation *evaluation, uint64_t ino, struct evaluation_inode **slot)
{
	int status = 0;

	*slot = find_slot(evaluation, ino);
	if (!*slot)
		status = load(evaluation, ino, slot);
	if (status == 0 && ((*slot)->is_deleted || ((*slot)->inode.state & INODE_IS_DEAD) != 0))
		status = -ESTALE;
	return status;
}

static bool may_have_intents(const struct evaluation_inode *slot)
{
	return !slot->is_remote && (slot->inode.state & INODE_HAS_INTENTS) != 0;
}

/* An intent may be about to make the inode. -ESTALE: none is. */
static int await_birth(struct evaluation *evaluation, uint64_t ino)
{
	int status = ends_await(evaluation, ino, ENDS_OF_ALL, (struct slice){0});

	return status == 0 ? -ESTALE : status;
}

int evaluation_inode(struct evaluation *evaluation, uint64_t ino, struct evaluation_inode **slot)
{
	int status = evaluation_load(evaluation, ino, slot);

	if (status == -ESTALE && !*slot)
		return await_birth(evaluation, ino);
	if (status == 0 && may_have_intents(*slot))
		status = ends_await(evaluation, ino, ENDS_OF_ALL, (struct slice){0});
	return status;
}

int evaluation_directory(struct evaluation *evaluation, uint64_t ino, struct evaluation_inode **slot)
{
	int status = evaluation_load(evaluation, ino, slot);

	if (status == -ESTALE && !*slot)
		status = await_birth(evaluation, ino);
	else if (status == 0 && may_have_intents(*slot))
		status = ends_await(evaluation, ino, ENDS_OF_PLACE, (struct slice){0});
	if (status == 0 && !inode_is_directory(&(*slot)->inode))
		return -ENOTDIR;
	if (status == 0 && (*slot)->inode.attributes.nlink == 0)
		return -ESTALE;
	return status;
}

struct evaluation_inode *evaluation_new_inode(struct evaluation *evaluation, uint64_t ino, uint32_t mode)
{
	struct evaluation_inode *slot = take_slot(evaluation);
	uint32_t generation = (uint32_t)evaluation_random(evaluation);
	struct fs_key key = fs_key_inode(ino);

	slot->is_new = slot->is_changed = true;
	slot->is_remote = !evaluation_has_key(evaluation, fs_key_slice(&key));
	slot->inode = (struct inode){
		.attributes =
			{
				.ino = ino,
				.generation = generation > 0 ? generation : 1,
				.mode = mode,
				.nlink = 1,
				.atime = evaluation->now,
				.mtime = evaluation->now,
				.ctime = evaluation->now,
				.btime = evaluation->now,
			},
		.cut = INODE_CUT_NONE,
	};
	return slot;
}

/* The time of a change: this leader's clock, or just after `last` when the clock of an earlier leader was ahead. */
static struct fs_time stamp(const struct evaluation *evaluation, const struct fs_time *last)
{
	struct fs_time time = *last;

	if (planted("fs:times_go_back"))
		return evaluation->now;
	if (!fs_time_is_before(&evaluation->now, last))
		return evaluation->now;
	if (++time.nanoseconds == NS_PER_S) {
		time.nanoseconds = 0;
		time.seconds++;
	}
	return time;
}

void evaluation_touch(struct evaluation *evaluation, struct evaluation_inode *slot)
{
	struct attributes *attributes = &slot->inode.attributes;

	attributes->ctime = stamp(evaluation, &attributes->ctime);
	evaluation_change(slot);
}

void evaluation_touch_content(struct evaluation *evaluation, struct evaluation_inode *slot)
{
	evaluation_touch(evaluation, slot);
	slot->inode.attributes.mtime = slot->inode.attributes.ctime;
	slot->inode.attributes.data_version++;
}

void evaluation_reply_attributes(struct evaluation *evaluation, struct evaluation_inode *slot)
{
	inode_derive(&slot->inode);
	evaluation->reply.has_attributes = !slot->is_remote || slot->is_new;
	PLANT("transact:foreign_attributes_told", evaluation->reply.has_attributes = true);
	if (!evaluation->reply.has_attributes)
		return;
	evaluation->reply.attributes = slot->inode.attributes;
}

static void write_inode(struct evaluation *evaluation, const struct evaluation_inode *slot)
{
	uint8_t bytes[FS_INODE_ROW_SIZE_MAX];
	struct writer writer = writer_fixed(bytes, sizeof bytes);
	struct fs_key key = fs_key_inode(slot->inode.attributes.ino);
	int status = inode_encode(&slot->inode, &writer);

	if (status == 0)
		evaluation_put(evaluation, &key, writer_written(&writer));
	else if (evaluation->mutations->status == 0)
		evaluation->mutations->status = status;
}

void evaluation_write_inodes(struct evaluation *evaluation)
{
	for (size_t i = 0; i < evaluation->inode_count; i++) {
		struct evaluation_inode *slot = &evaluation->inodes[i];

		if (slot->is_remote)
			continue;
		evaluation->gained += slot->is_new - slot->is_deleted;
		if (slot->is_deleted && !slot->is_new) {
			struct fs_key key = fs_key_inode(slot->inode.attributes.ino);

			evaluation_delete(evaluation, &key);
		} else if (slot->is_changed && !slot->is_deleted) {
			write_inode(evaluation, slot);
		}
	}
}

int evaluation_count_inodes(struct evaluation *evaluation)
{
	int64_t count;
	int status;

	if (planted("fs:inodes_not_counted"))
		return 0;
	if (evaluation->gained == 0)
		return 0;
	status = inode_count_read_from(evaluation->view, evaluation->input->region_start, &count);
	if (status == 0)
		inode_count_put(
			evaluation->mutations, (int64_t)((uint64_t)count + (uint64_t)evaluation->gained));
	return status == STATUS_NOT_FOUND ? 0 : status;
}

/* ---- Entries ---- */

static struct fs_key entry_key(const struct evaluation_inode *directory, struct slice name)
{
	const struct inode *inode = &directory->inode;

	return fs_key_entry(inode->attributes.ino, fs_name_hash(inode->seed, name), name);
}

int evaluation_entry(struct evaluation *evaluation, const struct evaluation_inode *directory,
	struct slice name, struct entry *entry)
{
	const struct wanted wanted = {.ino = directory->inode.attributes.ino, .name = name};
	struct fs_key key = entry_key(directory, name);
	struct kv_value row = {0};
	int status = 0;

	if (may_have_intents(directory))
		status = ends_await(evaluation, wanted.ino, ENDS_OF_NAME, fs_key_slice(&key));
	if (status == 0)
		status = evaluation_get_known(evaluation, &key, &wanted, &row);
	if (status != 0)
		return status;
	status = entry_decode(row.data, entry);
	kv_value_close(&row);
	return status;
}

/* `row` NULL: deletes the entry. */
static void change_entry(struct evaluation *evaluation, const struct evaluation_inode *directory,
	struct slice name, const struct slice *row)
{
	struct fs_key key = entry_key(directory, name);

	if (directory->is_remote)
		transact_change_entry(evaluation, directory->inode.attributes.ino, &key, row);
	else if (row)
		evaluation_put(evaluation, &key, *row);
	else
		evaluation_delete(evaluation, &key);
}

void evaluation_entry_replace(struct evaluation *evaluation, struct evaluation_inode *directory,
	struct slice name, const struct inode *inode)
{
	struct entry entry = {.ino = inode->attributes.ino, .type = inode->attributes.mode & S_IFMT};
	uint8_t bytes[EVALUATION_ENTRY_SIZE_MAX];
	struct writer writer = writer_fixed(bytes, sizeof bytes);
	struct slice row;

	entry_encode(&entry, &writer);
	row = writer_written(&writer);
	change_entry(evaluation, directory, name, &row);
	evaluation_touch_content(evaluation, directory);
}

void evaluation_entry_put(struct evaluation *evaluation, struct evaluation_inode *directory,
	struct slice name, const struct inode *inode)
{
	evaluation_entry_replace(evaluation, directory, name, inode);
	directory->inode.entries++;
}

void evaluation_entry_delete(
	struct evaluation *evaluation, struct evaluation_inode *directory, struct slice name)
{
	change_entry(evaluation, directory, name, NULL);
	evaluation_touch_content(evaluation, directory);
	if (directory->inode.entries > 0)
		directory->inode.entries--;
	else if (evaluation->mutations->status == 0)
		evaluation->mutations->status = STATUS_CORRUPT;
}
