/*
 * data.c: writes bytes. The data of a file is one tiny row until a write ends past FS_TINY_SIZE_MAX, and from then on
 * the units of an object. Small writes are merged into copies of the units; of a large write only the units that it
 * covers in part are read and copied.
 */
#include <errno.h>
#include <string.h>

#include "proto/check.h"
#include "proto/plant.h"
#include "proto/status.h"
#include "fs/eval/families.h"
#include "fs/schema/file_data.h"

static int regular_file(struct evaluation *evaluation, uint64_t ino, struct evaluation_inode **file)
{
	int status = evaluation_inode(evaluation, ino, file);

	if (status != 0)
		return status;
	if (inode_is_directory(&(*file)->inode))
		return -EISDIR;
	return S_ISREG((*file)->inode.attributes.mode) ? 0 : -EINVAL;
}

int eval_writable_file(struct evaluation *evaluation, uint64_t ino, struct evaluation_inode **file)
{
	int status = regular_file(evaluation, ino, file);

	if (status != 0)
		return status;
	return ((*file)->inode.attributes.flags & FS_FLAG_IMMUTABLE) != 0 ? -EPERM : 0;
}

/* ---- Tiny files ---- */

static int store_tiny(struct evaluation *evaluation, struct evaluation_inode *file, uint64_t offset,
	const void *bytes, size_t size)
{
	uint8_t content[FS_TINY_SIZE_MAX];
	struct inode *inode = &file->inode;
	struct fs_key key = fs_key_tiny(inode->attributes.ino);
	size_t old = inode->data == INODE_DATA_TINY ? inode->tiny_size : 0;
	size_t end = (size_t)offset + size;
	size_t all = end > old ? end : old;
	int status = file_read(evaluation->view, inode, 0, content, all);

	if (status != 0)
		return status;
	memcpy(content + offset, bytes, size);
	evaluation_put_bytes(evaluation, &key, slice_of(content, all));
	inode->data = INODE_DATA_TINY;
	inode->tiny_size = (uint32_t)all;
	return 0;
}

/* ---- Units ---- */

/* The range of a write. The inode is as it was before the write. */
struct span {
	struct evaluation *evaluation;
	const struct inode *inode;
	struct fs_key object;
	uint64_t offset; /* bytes */
	uint64_t end; /* bytes */
	struct buf *bytes;
};

/* Writes the units [first, first + count), which the span covers at least in part, with the old bytes around it. */
static int write_merged(const struct span *span, uint64_t first, uint32_t count)
{
	uint64_t begin = first * FS_UNIT_SIZE;
	uint64_t end = begin + (uint64_t)count * FS_UNIT_SIZE;
	uint64_t from = span->offset > begin ? span->offset : begin;
	uint64_t to = span->end < end ? span->end : end;
	struct buf *units = buf_new((size_t)count * FS_UNIT_SIZE);
	uint8_t *data = units ? units->data : NULL;
	int status = units ? 0 : -ENOMEM;

	if (status == 0)
		status = file_read(span->evaluation->view, span->inode, begin, data, (size_t)(from - begin));
	if (status == 0)
		status = file_read(
			span->evaluation->view, span->inode, to, data + (to - begin), (size_t)(end - to));
	if (status == 0) {
		memcpy(data + (from - begin), (const uint8_t *)span->bytes->data + (from - span->offset),
			(size_t)(to - from));
		mutations_write(
			span->evaluation->mutations, fs_key_slice(&span->object), first, count, units, 0);
	}
	buf_unref(units);
	return status;
}

/* Whole units are written by reference; at most the first and the last unit are copied. */
static int write_large(const struct span *span)
{
	uint64_t first = file_units(span->offset);
	uint64_t last = span->end / FS_UNIT_SIZE; /* the first unit that is not covered whole */
	int status = 0;

	if (span->offset % FS_UNIT_SIZE > 0)
		status = write_merged(span, first - 1, 1);
	if (status == 0)
		mutations_write(span->evaluation->mutations, fs_key_slice(&span->object), first,
			(uint32_t)(last - first), span->bytes, (size_t)(first * FS_UNIT_SIZE - span->offset));
	if (status == 0 && span->end % FS_UNIT_SIZE > 0)
		status = write_merged(span, last, 1);
	return status;
}

static int write_span(const struct span *span)
{
	uint64_t first = span->offset / FS_UNIT_SIZE;
	uint64_t count = file_units(span->end) - first;

	if (count * FS_UNIT_SIZE < MUTATIONS_BESIDE_SIZE)
		return write_merged(span, first, (uint32_t)count);
	return write_large(span);
}

/* A tiny file outgrows its row: its bytes before the first written unit become units. */
static int promote(struct evaluation *evaluation, struct evaluation_inode *file, uint64_t first_written)
{
	struct inode *inode = &file->inode;
	struct fs_key tiny = fs_key_tiny(inode->attributes.ino);
	struct fs_key object = fs_key_object(inode->attributes.ino);
	uint64_t count = file_units(inode->tiny_size);
	struct buf *units;
	int status;

	if (!planted("fs:tiny_row_left"))
		evaluation_delete(evaluation, &tiny);
	if (count > first_written)
		count = first_written;
	if (count == 0)
		return 0;
	units = buf_new((size_t)count * FS_UNIT_SIZE);
	if (!units)
		return -ENOMEM;
	status = file_read(evaluation->view, inode, 0, units->data, units->size);
	if (status == 0)
		mutations_write(evaluation->mutations, fs_key_slice(&object), 0, (uint32_t)count, units, 0);
	buf_unref(units);
	inode->units = count;
	return status;
}

static int store_units(struct evaluation *evaluation, struct evaluation_inode *file, const struct span *span)
{
	struct inode *inode = &file->inode;
	uint64_t first = span->offset / FS_UNIT_SIZE;
	uint64_t count = file_units(span->end) - first;
	uint64_t mapped = 0;
	int status = 0;

	if (!evaluation_has_key(evaluation, fs_key_slice(&span->object)))
		return STATUS_KEY_NOT_IN_REGION;
	if (inode->data == INODE_DATA_UNITS)
		status = file_mapped(evaluation->view, inode, first, count, &mapped);
	else
		inode->units = 0;
	if (status == 0 && inode->data == INODE_DATA_TINY)
		status = promote(evaluation, file, first);
	if (status == 0)
		status = write_span(span);
	inode->data = INODE_DATA_UNITS;
	if (planted("fs:overwrite_counted"))
		mapped = 0;
	inode->units += count - mapped;
	return status;
}

int eval_store(struct evaluation *evaluation, struct evaluation_inode *file, uint64_t offset,
	struct buf *bytes, size_t size)
{
	struct attributes *attributes = &file->inode.attributes;
	uint64_t end = offset + size;
	struct span span;
	int status;

	check(size > 0 && size <= bytes->size);
	eval_clear_garbage(evaluation, file, end);
	if (file->inode.data != INODE_DATA_UNITS && end <= FS_TINY_SIZE_MAX) {
		status = store_tiny(evaluation, file, offset, bytes->data, size);
	} else {
		struct inode before = file->inode;

		span = (struct span){
			.evaluation = evaluation,
			.inode = &before,
			.object = fs_key_object(attributes->ino),
			.offset = offset,
			.end = end,
			.bytes = bytes,
		};
		status = store_units(evaluation, file, &span);
	}
	if (end > attributes->size)
		attributes->size = end;
	evaluation_touch_content(evaluation, file);
	return status;
}

/* ---- Operations ---- */

static int find_write_range(
	const struct inode *inode, const struct op_write *op, uint64_t *offset, size_t *size)
{
	uint64_t end = inode->attributes.size;

	*offset = (op->flags & OP_WRITE_APPEND) != 0 ? end : op->offset;
	if ((op->flags & OP_WRITE_CLIP) != 0) {
		if (*offset >= end)
			*size = 0;
		else if (*size > end - *offset)
			*size = (size_t)(end - *offset);
	}
	return *offset > FS_SIZE_MAX || *size > FS_SIZE_MAX - *offset ? -EFBIG : 0;
}

/* Buffered data was written some time before this evaluation. */
static void set_write_time(
	struct attributes *attributes, const struct attributes *before, const struct fs_time *time)
{
	attributes->mtime = before->mtime;
	attributes->ctime = before->ctime;
	attributes_set_written(attributes, time);
}

/*
 * An immutable file is not refused: the mount refuses to open it for writing. What comes here was opened before, and may
 * have been acknowledged before; write(2) through such a descriptor succeeds, as on XFS.
 */
int eval_write(struct evaluation *evaluation, const struct op_write *op)
{
	struct buf *payload = evaluation->input->payload;
	struct evaluation_inode *file;
	struct attributes before;
	uint64_t offset;
	size_t size;
	int status;

	if (!payload || payload->size == 0 || payload->size > OP_WRITE_SIZE_MAX)
		return STATUS_MALFORMED;
	size = payload->size;
	status = regular_file(evaluation, op->ino, &file);
	if (status == 0)
		status = find_write_range(&file->inode, op, &offset, &size);
	if (status != 0)
		return status;
	before = file->inode.attributes;
	if ((op->flags & OP_WRITE_KILL) != 0 && (op->flags & OP_WRITE_CLIP) == 0)
		status = eval_strip_privileges(evaluation, file);
	if (status == 0 && size > 0)
		status = eval_store(evaluation, file, offset, payload, size);
	if (status != 0)
		return status;
	if ((op->flags & OP_WRITE_TIME) != 0 && size > 0)
		set_write_time(&file->inode.attributes, &before, &op->time);
	evaluation->reply.offset = offset;
	evaluation->reply.count = size;
	evaluation_reply_attributes(evaluation, file);
	return 0;
}

/* `*size`: how many bytes to copy; 0 at the end of the source. */
static int find_copy_size(const struct evaluation_inode *source, const struct evaluation_inode *file,
	const struct op_copy *op, size_t *size)
{
	uint64_t end = source->inode.attributes.size;
	uint64_t length = op->length < OP_WRITE_SIZE_MAX ? op->length : OP_WRITE_SIZE_MAX;

	if (op->offset > FS_SIZE_MAX || length > FS_SIZE_MAX - op->offset)
		return -EFBIG;
	if (op->source_offset >= end)
		length = 0;
	else if (length > end - op->source_offset)
		length = end - op->source_offset;
	*size = (size_t)length;
	if (source == file && op->offset < op->source_offset + length &&
		op->source_offset < op->offset + length)
		return -EINVAL;
	return 0;
}

static int copy_bytes(struct evaluation *evaluation, const struct evaluation_inode *source,
	struct evaluation_inode *file, const struct op_copy *op, size_t size)
{
	struct buf *bytes = buf_new(size);
	int status;

	if (!bytes)
		return -ENOMEM;
	status = file_read(evaluation->view, &source->inode, op->source_offset, bytes->data, size);
	if (status == 0)
		status = eval_store(evaluation, file, op->offset, bytes, size);
	buf_unref(bytes);
	return status;
}

int eval_copy(struct evaluation *evaluation, const struct op_copy *op)
{
	struct fs_key key = fs_key_inode(op->source);
	struct evaluation_inode *source, *file;
	size_t size;
	int status = -EXDEV; /* the kernel reads and writes instead */

	if (evaluation_has_key(evaluation, fs_key_slice(&key)))
		status = evaluation_inode(evaluation, op->source, &source);
	if (status == 0)
		status = eval_writable_file(evaluation, op->ino, &file);
	if (status == 0 && !S_ISREG(source->inode.attributes.mode))
		status = inode_is_directory(&source->inode) ? -EISDIR : -EINVAL;
	if (status == 0)
		status = find_copy_size(source, file, op, &size);
	if (status == 0 && op->kill && size > 0)
		status = eval_strip_privileges(evaluation, file);
	if (status == 0 && size > 0)
		status = copy_bytes(evaluation, source, file, op, size);
	if (status != 0)
		return status;
	evaluation->reply.offset = op->offset;
	evaluation->reply.count = size;
	evaluation_reply_attributes(evaluation, file);
	return 0;
}
