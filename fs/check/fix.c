#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fs/check/repair.h"
#include "fs/eval/eval.h"
#include "fs/eval/split.h"
#include "fs/schema/op.h"
#include "fs/schema/records.h"
#include "fs/schema/rows.h"
#include "proto/codec.h"

#define LOST_AND_FOUND "lost+found"

/* The first byte of an operation's body. */
enum { BODY_FIX = 'F', BODY_MAKE = 'M' };

/* ---- Bodies and replies ---- */

struct buf *fix_encode(const struct fix *fix, uint64_t directory)
{
	struct writer writer = writer_growing(1024);
	struct buf *body;

	writer_u8(&writer, BODY_FIX);
	writer_u8(&writer, (uint8_t)fix->kind);
	writer_u64le(&writer, fix->ino);
	writer_u64le(&writer, fix->value);
	writer_u64le(&writer, directory);
	writer_slice(&writer, buf_slice(fix->key));
	return writer_take(&writer, &body) == 0 ? body : NULL;
}

struct buf *fix_encode_lost_and_found(void)
{
	const struct op op = {
		.kind = OP_MAKE,
		.make = {.parent = FS_ROOT_INO,
			.name = slice_of(LOST_AND_FOUND, strlen(LOST_AND_FOUND)),
			.mode = S_IFDIR | 0700,
			.exclusive = true},
	};
	struct writer writer = writer_growing(1024);
	struct buf *operation, *body;

	if (op_encode(&op, &operation) < 0)
		return NULL;
	writer_u8(&writer, BODY_MAKE);
	writer_bytes(&writer, operation->data, operation->size);
	buf_unref(operation);
	return writer_take(&writer, &body) == 0 ? body : NULL;
}

static int reply_with(int error, uint64_t ino, struct buf **reply)
{
	struct writer writer = writer_growing(32);

	writer_u32le(&writer, (uint32_t)-error);
	writer_u64le(&writer, ino);
	return writer_take(&writer, reply);
}

int fix_decode_reply(struct slice reply, uint64_t *ino)
{
	struct reader reader = reader_of(reply);
	uint32_t error = reader_u32le(&reader);

	*ino = reader_u64le(&reader);
	return reader_finish(&reader) == 0 && error < INT32_MAX ? -(int)error : STATUS_MALFORMED;
}

/* ---- Rows ---- */

/* An inode that is to be changed; it borrows from `row`. */
struct loaded {
	struct inode inode;
	struct kv_value row;
};

static bool has_key(const struct eval_input *input, const struct fs_key *key)
{
	struct slice slice = fs_key_slice(key);

	return slice_compare(slice, input->region_start) >= 0 &&
	       (input->region_end.size == 0 || slice_compare(slice, input->region_end) < 0);
}

static int load(struct view *view, const struct eval_input *input, uint64_t ino, struct loaded *loaded)
{
	struct fs_key key = fs_key_inode(ino);
	int status;

	if (!has_key(input, &key))
		return STATUS_KEY_NOT_IN_REGION;
	status = view_get(view, KEY_DATA, fs_key_slice(&key), &loaded->row);
	return status == 0 ? inode_decode(loaded->row.data, ino, &loaded->inode) : status;
}

static void store(struct mutations *mutations, const struct inode *inode)
{
	uint8_t bytes[FS_INODE_ROW_SIZE_MAX];
	struct writer writer = writer_fixed(bytes, sizeof bytes);
	struct fs_key key = fs_key_inode(inode->attributes.ino);

	inode_encode(inode, &writer);
	mutations_put(mutations, KEY_DATA, fs_key_slice(&key), writer_written(&writer));
}

static void store_entry(struct mutations *mutations, const struct fs_key *key, const struct inode *inode)
{
	struct entry entry = {.ino = inode->attributes.ino, .type = inode->attributes.mode & S_IFMT};
	uint8_t bytes[32];
	struct writer writer = writer_fixed(bytes, sizeof bytes);

	entry_encode(&entry, &writer);
	mutations_put(mutations, KEY_DATA, fs_key_slice(key), writer_written(&writer));
}

/* ---- Fixes ---- */

static void give_name(struct inode *inode, struct inode *directory, const struct fix *fix)
{
	inode->attributes.nlink = (uint32_t)fix->value;
	inode->state &= ~INODE_IS_LINKABLE;
	directory->entries++;
	directory->attributes.data_version++;
	if (!inode_is_directory(inode)) {
		inode->attributes.nlink++;
		return;
	}
	inode->parent = directory->attributes.ino;
	directory->attributes.nlink++;
}

static int adopt(struct view *view, const struct eval_input *input, const struct fix *fix, uint64_t home,
	struct mutations *mutations)
{
	struct loaded child = {0}, directory = {0};
	struct kv_value existing = {0};
	struct slice name;
	struct fs_key key;
	char text[32];
	int status = load(view, input, fix->ino, &child);

	if (status == 0)
		status = load(view, input, home, &directory);
	if (status == 0 && !inode_is_directory(&directory.inode))
		status = -ENOTDIR;
	if (status == 0) {
		name = slice_of(text, (size_t)snprintf(text, sizeof text, "#%" PRIu64, fix->ino));
		key = fs_key_entry(home, fs_name_hash(directory.inode.seed, name), name);
		status = view_get(view, KEY_DATA, fs_key_slice(&key), &existing);
		kv_value_close(&existing);
		status = status == 0 ? -EEXIST : status == STATUS_NOT_FOUND ? 0 : status;
	}
	if (status == 0) {
		give_name(&child.inode, &directory.inode, fix);
		store_entry(mutations, &key, &child.inode);
		store(mutations, &child.inode);
		store(mutations, &directory.inode);
	}
	kv_value_close(&child.row);
	kv_value_close(&directory.row);
	return status;
}

static int change_inode(
	struct view *view, const struct eval_input *input, const struct fix *fix, struct mutations *mutations)
{
	struct loaded loaded = {0};
	struct inode *inode = &loaded.inode;
	int status = load(view, input, fix->ino, &loaded);

	if (status == 0 && fix->kind == FIX_LINK_COUNT)
		inode->attributes.nlink = (uint32_t)fix->value;
	if (status == 0 && fix->kind == FIX_ENTRY_COUNT)
		inode->entries = fix->value;
	if (status == 0 && fix->kind == FIX_UNIT_COUNT)
		inode->units = fix->value;
	if (status == 0 && fix->kind == FIX_PARENT)
		inode->parent = fix->value;
	if (status == 0)
		store(mutations, inode);
	kv_value_close(&loaded.row);
	return status;
}

static void list_garbage(const struct fix *fix, struct mutations *mutations)
{
	struct fs_key key = fs_key_garbage(fix->ino);
	uint8_t bytes[8];
	struct writer writer = writer_fixed(bytes, sizeof bytes);

	mark_encode(&writer);
	mutations_put(mutations, KEY_LOCAL, fs_key_slice(&key), writer_written(&writer));
}

static int apply(struct view *view, const struct eval_input *input, const struct fix *fix, struct slice key,
	uint64_t home, struct mutations *mutations)
{
	switch (fix->kind) {
	case FIX_LINK_COUNT:
	case FIX_ENTRY_COUNT:
	case FIX_UNIT_COUNT:
	case FIX_PARENT:
		return change_inode(view, input, fix, mutations);
	case FIX_ADOPT:
		return adopt(view, input, fix, home, mutations);
	case FIX_DELETE_DATA:
		mutations_delete(mutations, KEY_DATA, key);
		return 0;
	case FIX_DELETE_LOCAL:
		mutations_delete(mutations, KEY_LOCAL, key);
		return 0;
	case FIX_GARBAGE:
		list_garbage(fix, mutations);
		return 0;
	case FIX_INODE_COUNT:
		inode_count_put(mutations, (int64_t)fix->value);
		return 0;
	case FIX_NONE:
		break;
	}
	return STATUS_MALFORMED;
}

/* ---- The evaluator ---- */

static int evaluate_fix(struct view *view, const struct eval_input *input, struct reader *reader,
	struct mutations *mutations, struct buf **reply)
{
	struct fix fix = {.kind = (enum fix_kind)reader_u8(reader)};
	uint64_t home;
	struct slice key;
	int status;

	fix.ino = reader_u64le(reader);
	fix.value = reader_u64le(reader);
	home = reader_u64le(reader);
	key = reader_slice(reader);
	if (reader_finish(reader) < 0)
		return STATUS_MALFORMED;
	status = apply(view, input, &fix, key, home, mutations);
	return status == 0 ? reply_with(0, 0, reply) : status;
}

/* Whatever has the name is taken for /lost+found; adopt() checks that it is a directory. */
static int find_existing(struct view *view, uint64_t *ino)
{
	struct slice name = slice_of(LOST_AND_FOUND, strlen(LOST_AND_FOUND));
	struct fs_key key = fs_key_inode(FS_ROOT_INO);
	struct kv_value row = {0};
	struct inode root;
	struct entry entry;
	int status = view_get(view, KEY_DATA, fs_key_slice(&key), &row);

	if (status == 0)
		status = inode_decode(row.data, FS_ROOT_INO, &root);
	kv_value_close(&row);
	if (status < 0)
		return status;
	key = fs_key_entry(FS_ROOT_INO, fs_name_hash(root.seed, name), name);
	status = view_get(view, KEY_DATA, fs_key_slice(&key), &row);
	if (status == 0)
		status = entry_decode(row.data, &entry);
	kv_value_close(&row);
	*ino = status == 0 ? entry.ino : 0;
	return status;
}

static int evaluate_make(struct view *view, const struct eval_input *input, struct slice body,
	struct mutations *mutations, struct buf **reply)
{
	struct eval_input inner = *input;
	struct evaluator *evaluator = eval_evaluator();
	struct op_reply result;
	struct buf *bytes = NULL;
	uint64_t ino = 0;
	int status;

	inner.body = body;
	status = evaluator->ops->evaluate(evaluator, view, &inner, mutations, &bytes);
	if (status == 0)
		status = op_reply_decode(buf_slice(bytes), &result);
	buf_unref(bytes);
	if (status < 0)
		return status;
	ino = result.attributes.ino;
	if (result.error == -EEXIST)
		result.error = find_existing(view, &ino);
	return result.error <= STATUS_FIRST ? result.error : reply_with(result.error, ino, reply);
}

static int evaluate(struct evaluator *evaluator, struct view *view, const struct eval_input *input,
	struct mutations *mutations, struct buf **reply)
{
	struct reader reader = reader_of(input->body);
	uint8_t kind = reader_u8(&reader);

	(void)evaluator;
	if (kind == BODY_MAKE)
		return evaluate_make(view, input, slice_of(reader.data, reader.size), mutations, reply);
	return kind == BODY_FIX ? evaluate_fix(view, input, &reader, mutations, reply) : STATUS_MALFORMED;
}

struct evaluator *fix_evaluator(void)
{
	static const struct evaluator_ops ops = {
		.evaluate = evaluate, .may_begin = eval_may_begin, .split_fate = eval_split_fate};
	static const struct evaluator evaluator = {.ops = &ops};

	return (struct evaluator *)(uintptr_t)&evaluator; /* it has no state to write */
}
