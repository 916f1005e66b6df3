/*
 * space.c: truncates files, makes holes and deletes inodes. A truncation does not unmap many units at once: they become
 * garbage past the inode's `cut`, where no reader looks, and OP_RECLAIM unmaps them in chunks.
 */
#include <errno.h>
#include <linux/falloc.h>
#include <string.h>

#include "proto/plant.h"
#include "proto/status.h"
#include "fs/eval/families.h"
#include "fs/schema/file_data.h"

#define UNMAP_COUNT_MAX 16384 /* units that one operation unmaps: 64 MiB */

static void unmap(struct evaluation *evaluation, const struct inode *inode, uint64_t first, uint64_t count)
{
	struct fs_key object = fs_key_object(inode->attributes.ino);

	mutations_unmap(evaluation->mutations, fs_key_slice(&object), first, count);
}

/* Takes the units from `first` on, of which `count` are mapped, off the file. */
static void discard(
	struct evaluation *evaluation, struct evaluation_inode *file, uint64_t first, uint64_t count)
{
	struct inode *inode = &file->inode;
	struct fs_key garbage = fs_key_garbage(inode->attributes.ino);

	inode->units -= count;
	if (count <= UNMAP_COUNT_MAX) {
		uint64_t end = file_units(inode->attributes.size);

		if (count > 0)
			unmap(evaluation, inode, first, end - first);
		return;
	}
	inode->cut = first;
	inode->data_generation++;
	evaluation_put_mark(evaluation, KEY_LOCAL, &garbage);
}

void eval_clear_garbage(struct evaluation *evaluation, struct evaluation_inode *file, uint64_t size)
{
	struct inode *inode = &file->inode;

	if (planted("fs:garbage_shows"))
		return;
	if (inode->cut == INODE_CUT_NONE || file_units(size) <= inode->cut)
		return;
	unmap(evaluation, inode, inode->cut, UINT64_MAX);
	inode->cut = INODE_CUT_NONE;
	evaluation_change(file);
}

/* ---- Zeroes ---- */

static int zero_tiny(
	struct evaluation *evaluation, struct evaluation_inode *file, uint64_t offset, uint64_t end)
{
	uint8_t content[FS_TINY_SIZE_MAX];
	struct inode *inode = &file->inode;
	struct fs_key key = fs_key_tiny(inode->attributes.ino);
	int status;

	if (offset >= inode->tiny_size)
		return 0;
	status = file_read(evaluation->view, inode, 0, content, inode->tiny_size);
	if (status != 0)
		return status;
	if (end >= inode->tiny_size)
		inode->tiny_size = (uint32_t)offset;
	else
		memset(content + offset, 0, (size_t)(end - offset));
	if (inode->tiny_size > 0) {
		evaluation_put_bytes(evaluation, &key, slice_of(content, inode->tiny_size));
		return 0;
	}
	evaluation_delete(evaluation, &key);
	inode->data = INODE_DATA_NONE;
	return 0;
}

/* Zeroes the bytes [offset, end) of one unit, if it is mapped. */
static int zero_part(
	struct evaluation *evaluation, struct evaluation_inode *file, uint64_t offset, uint64_t end)
{
	struct inode *inode = &file->inode;
	struct fs_key object = fs_key_object(inode->attributes.ino);
	uint64_t unit = offset / FS_UNIT_SIZE, mapped;
	struct buf *bytes;
	int status = file_mapped(evaluation->view, inode, unit, 1, &mapped);

	if (status != 0 || mapped == 0 || offset >= end)
		return status;
	bytes = buf_new(FS_UNIT_SIZE);
	if (!bytes)
		return -ENOMEM;
	status = file_read(evaluation->view, inode, unit * FS_UNIT_SIZE, bytes->data, FS_UNIT_SIZE);
	memset((uint8_t *)bytes->data + offset % FS_UNIT_SIZE, 0, (size_t)(end - offset));
	if (status == 0)
		mutations_write(evaluation->mutations, fs_key_slice(&object), unit, 1, bytes, 0);
	buf_unref(bytes);
	return status;
}

/* Makes [offset, end) read as zeroes; whole units become holes. `end` is at most the size. */
static int zero_units(
	struct evaluation *evaluation, struct evaluation_inode *file, uint64_t offset, uint64_t end)
{
	struct inode *inode = &file->inode;
	uint64_t first = file_units(offset), last = end / FS_UNIT_SIZE, mapped = 0;
	int status = 0;

	if (end == inode->attributes.size)
		last = file_units(end); /* the last unit has no bytes past the range */
	if (first > last)
		return zero_part(evaluation, file, offset, end);
	if (offset % FS_UNIT_SIZE > 0)
		status = zero_part(evaluation, file, offset, first * FS_UNIT_SIZE);
	if (status == 0 && end > last * FS_UNIT_SIZE)
		status = zero_part(evaluation, file, last * FS_UNIT_SIZE, end);
	if (status == 0)
		status = file_mapped(evaluation->view, inode, first, last - first, &mapped);
	if (status == 0 && mapped > 0)
		unmap(evaluation, inode, first, last - first);
	inode->units -= mapped;
	return status;
}

static int zero(struct evaluation *evaluation, struct evaluation_inode *file, uint64_t offset, uint64_t end)
{
	uint64_t size = file->inode.attributes.size;

	end = end < size ? end : size;
	if (offset >= end || file->inode.data == INODE_DATA_NONE)
		return 0;
	if (file->inode.data == INODE_DATA_TINY)
		return zero_tiny(evaluation, file, offset, end);
	return zero_units(evaluation, file, offset, end);
}

/* ---- Truncation ---- */

static int shrink_units(struct evaluation *evaluation, struct evaluation_inode *file, uint64_t size)
{
	struct inode *inode = &file->inode;
	uint64_t end = file_units(inode->attributes.size), first = file_units(size);
	uint64_t mapped = inode->units;
	bool has_tail = size % FS_UNIT_SIZE > 0;
	int status = 0;

	if (planted("fs:tail_shows"))
		has_tail = false;
	if (first > 0)
		status = file_mapped(evaluation->view, inode, first, end - first, &mapped);
	if (status == 0 && has_tail) {
		uint64_t last = first * FS_UNIT_SIZE;

		last = last < inode->attributes.size ? last : inode->attributes.size;
		status = zero_part(evaluation, file, size, last);
	}
	if (status != 0)
		return status;
	discard(evaluation, file, first, mapped);
	if (first == 0 && inode->cut == INODE_CUT_NONE)
		inode->data = INODE_DATA_NONE;
	return 0;
}

int eval_resize(struct evaluation *evaluation, struct evaluation_inode *file, uint64_t size)
{
	struct attributes *attributes = &file->inode.attributes;
	int status = 0;

	if (size > attributes->size)
		eval_clear_garbage(evaluation, file, size);
	else if (size < attributes->size && file->inode.data == INODE_DATA_TINY)
		status = zero_tiny(evaluation, file, size, attributes->size);
	else if (size < attributes->size && file->inode.data == INODE_DATA_UNITS)
		status = shrink_units(evaluation, file, size);
	attributes->size = size;
	evaluation_change(file);
	return status;
}

/* ---- fallocate ---- */

static int check_fallocate(const struct op_fallocate *op)
{
	uint32_t mode = op->mode & ~(uint32_t)FALLOC_FL_KEEP_SIZE;

	if (op->length == 0 || op->offset > FS_SIZE_MAX)
		return -EINVAL;
	if (op->length > FS_SIZE_MAX - op->offset)
		return -EFBIG;
	if (mode == FALLOC_FL_PUNCH_HOLE)
		return op->mode == mode ? -EOPNOTSUPP : 0;
	return mode == 0 || mode == FALLOC_FL_ZERO_RANGE ? 0 : -EOPNOTSUPP;
}

int eval_fallocate(struct evaluation *evaluation, const struct op_fallocate *op)
{
	struct evaluation_inode *file;
	uint64_t end = op->offset + op->length;
	int status = check_fallocate(op);

	if (status == 0)
		status = eval_writable_file(evaluation, op->ino, &file);
	if (status == 0 && (op->mode & ~(uint32_t)FALLOC_FL_KEEP_SIZE) != 0 &&
		(file->inode.attributes.flags & FS_FLAG_APPEND) != 0)
		status = -EPERM;
	if (status == 0 && op->kill)
		status = eval_strip_privileges(evaluation, file);
	if (status == 0 && (op->mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0)
		status = zero(evaluation, file, op->offset, end);
	if (status == 0 && (op->mode & FALLOC_FL_KEEP_SIZE) == 0 && end > file->inode.attributes.size)
		status = eval_resize(evaluation, file, end);
	if (status != 0)
		return status;
	evaluation_touch_content(evaluation, file);
	evaluation_reply_attributes(evaluation, file);
	return 0;
}

/* ---- Removal ---- */

/* Only the inode's row stays, unseen by readers, until OP_RECLAIM has unmapped the units. */
static void leave_dead(struct evaluation_inode *victim)
{
	struct inode *inode = &victim->inode;

	inode->state = INODE_IS_DEAD;
	inode->attributes.size = 0;
	inode->attributes.nlink = 0;
	inode->xattrs = (struct slice){0};
	evaluation_change(victim);
}

static int destroy_data(struct evaluation *evaluation, struct evaluation_inode *victim)
{
	struct inode *inode = &victim->inode;
	struct fs_key tiny = fs_key_tiny(inode->attributes.ino);
	int status = 0;

	if (inode->data == INODE_DATA_TINY)
		evaluation_delete(evaluation, &tiny);
	if (inode->data == INODE_DATA_UNITS)
		status = shrink_units(evaluation, victim, 0);
	if (inode->cut == INODE_CUT_NONE)
		victim->is_deleted = true;
	else
		leave_dead(victim);
	return status;
}

int eval_destroy(struct evaluation *evaluation, struct evaluation_inode *victim)
{
	struct inode *inode = &victim->inode;
	int status = 0;

	if ((inode->state & INODE_HAS_XATTRS) != 0)
		status = eval_delete_xattr_rows(evaluation, inode);
	if (status == 0 && (inode->state & INODE_HAS_LOCKS) != 0)
		status = eval_drop_locks(evaluation, inode->attributes.ino, 0, true);
	if (status == 0 && inode_is_directory(inode))
		status = eval_end_creations(evaluation, inode);
	return status == 0 ? destroy_data(evaluation, victim) : status;
}

/* ---- Garbage ---- */

static int take_first(void *argument, struct slice key, struct slice value)
{
	int status = fs_key_parse_garbage(key, argument);

	(void)value;
	return status == 0 ? 1 : status;
}

/* Unmaps a chunk past the cut. `*is_done`: no garbage is left. */
static int reclaim_chunk(struct evaluation *evaluation, struct evaluation_inode *file, bool *is_done)
{
	struct inode *inode = &file->inode;
	struct fs_key object = fs_key_object(inode->attributes.ino);
	uint64_t first = UINT64_MAX;
	int status = view_next(evaluation->view, fs_key_slice(&object), inode->cut, true, &first);

	*is_done = first == UINT64_MAX;
	if (status == 0 && !*is_done) {
		uint64_t after = first;

		status = view_next(
			evaluation->view, fs_key_slice(&object), first + UNMAP_COUNT_MAX, true, &after);
		*is_done = after == UINT64_MAX;
		unmap(evaluation, inode, first, UNMAP_COUNT_MAX);
	}
	if (status != 0 || !*is_done)
		return status;
	inode->cut = INODE_CUT_NONE;
	if ((inode->state & INODE_IS_DEAD) != 0)
		file->is_deleted = true;
	evaluation_change(file);
	return 0;
}

/* The inode of a G row, dead or alive. STATUS_NOT_FOUND: this region has no garbage of it. */
static int load_garbage(struct evaluation *evaluation, uint64_t ino, struct evaluation_inode **file)
{
	int status = evaluation_load(evaluation, ino, file);

	if (status == STATUS_KEY_NOT_IN_REGION)
		return STATUS_NOT_FOUND;
	if (status == -ESTALE)
		status = *file && ((*file)->inode.state & INODE_IS_DEAD) != 0 ? 0 : STATUS_NOT_FOUND;
	if (status == 0 && (*file)->inode.cut == INODE_CUT_NONE)
		return STATUS_NOT_FOUND;
	return status;
}

int eval_reclaim(struct evaluation *evaluation)
{
	struct fs_key low = fs_key_garbage_all(), high = fs_key_after(&low), mark;
	struct evaluation_inode *file;
	bool is_done = true;
	uint64_t ino;
	int status = view_scan(
		evaluation->view, KEY_LOCAL, fs_key_slice(&low), fs_key_slice(&high), take_first, &ino);

	if (status <= 0)
		return status;
	evaluation->reply.more = true;
	mark = fs_key_garbage(ino);
	status = load_garbage(evaluation, ino, &file);
	if (status == 0)
		status = reclaim_chunk(evaluation, file, &is_done);
	if (status == STATUS_NOT_FOUND)
		status = 0;
	if (status == 0 && is_done)
		mutations_delete(evaluation->mutations, KEY_LOCAL, fs_key_slice(&mark));
	return status;
}
