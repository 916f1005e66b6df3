/* Operations on a file's data: READ, FALLOCATE, COPY_FILE_RANGE, LSEEK. (WRITE: ops_write.c.) */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/falloc.h>
#include <string.h>
#include <unistd.h>

#include "fs/vfs/handle.h"
#include "fs/vfs/ops.h"
#include "fs/vfs/privileges.h"
#include "fs/vfs/reply.h"
#include "fs/vfs/write_order.h"
#include "proto/container.h"
#include "proto/plant.h"

/*
 * ---- READ ----
 *
 *   op_read        waits for writes that the kernel sent before
 *   read_ordered   writes out buffered data of these bytes
 *   read_flushed   asks for the bytes
 *   read_found     adds zeroes if the store's file ends before buffered data, and replies
 */
struct read {
	struct request request;
	struct finding finding;
	uint64_t ino;
	uint64_t offset;
	size_t size; /* asked for */
	uint64_t buffered_end; /* of write_back_flush_range, before the question */
	int flags; /* of open(2) */
	uint8_t bytes[];
};

static void read_ordered(struct request *request);
static void read_flushed(struct request *request);
static void read_found(struct request *request);

static struct read *read_of(struct request *request)
{
	return container_of(request, struct read, request);
}

static void op_read(fuse_req_t fuse, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info)
{
	struct read *read;

	if (size > LANE_WRITE_MAX)
		size = LANE_WRITE_MAX;
	read = request_new_with_room(fuse, sizeof *read, size);
	if (!read)
		return;
	read->ino = ino;
	read->flags = info->flags;
	read->offset = (uint64_t)offset;
	read->size = size;
	read->finding.bytes = read->bytes;
	request_count_payload(&read->request, size);
	if (info->flags & O_DIRECT) {
		read_ordered(&read->request);
		return;
	}
	if (node_set_pages(read->request.front->nodes, ino) & NODE_PAGE_WRITER)
		write_order_wait(&read->request, ino, read->offset, read->size, read_ordered);
	else
		read_ordered(&read->request);
}

static void read_ordered(struct request *request)
{
	struct read *read = read_of(request);

	request_write_back_range(
		request, read->ino, read->offset, read->size, &read->buffered_end, read_flushed);
}

static void read_flushed(struct request *request)
{
	struct read *read = read_of(request);
	const struct question question = {
		.kind = QUESTION_DATA, .ino = read->ino, .offset = read->offset, .size = read->size};

	request_ask(request, &question, &read->finding, read_found);
}

/* A hole before buffered data may lie past the end of the store's file. */
static void read_fill_hole(struct read *read)
{
	uint64_t end = read->buffered_end;
	size_t count = read->finding.count, size = read->size;

	if (planted("fs:buffered_hole_cut"))
		return;
	if (end <= read->offset + count)
		return;
	if (end - read->offset < size)
		size = (size_t)(end - read->offset);
	memset(read->bytes + count, 0, size - count);
	read->finding.count = size;
}

static void read_found(struct request *request)
{
	struct read *read = read_of(request);
	struct attributes *attributes = &read->finding.attributes, shown;

	read_fill_hole(read);
	request_see(request, attributes);
	request_lay_over(request, attributes, &shown); /* for its times; old ones are good enough */
	front_note_read(request->front, &shown, read->flags);
	request_reply_bytes(request, read->bytes, read->finding.count);
}

/*
 * ---- FALLOCATE ----
 *
 *   op_fallocate        writes out buffered data
 *   fallocate_flushed   asks for the free space, if more may be needed
 *   fallocate_weighed   if that is too little, asks how much space the file has already
 *   fallocate_measured  refuses if that is still too little
 *   fallocate_now       proposes the operation
 *   fallocate_called    may strip sgid
 *   fallocate_stripped  through an O_SYNC descriptor: waits until it is durable
 *   fallocate_synced    replies
 */
struct fallocate {
	struct request request;
	struct op op;
	struct finding finding;
	uint64_t free_size; /* free bytes of the filesystem */
	uint64_t ino;
	bool is_kill; /* strips suid and sgid */
	bool is_synced; /* handle.h */
};

static void fallocate_flushed(struct request *request);
static void fallocate_weighed(struct request *request);
static void fallocate_measured(struct request *request);
static void fallocate_now(struct fallocate *fallocate);
static void fallocate_called(struct request *request, int error, const struct op_reply *reply);
static void fallocate_stripped(struct request *request, int error, const struct op_reply *reply);
static void fallocate_synced(struct request *request);

static struct fallocate *fallocate_of(struct request *request)
{
	return container_of(request, struct fallocate, request);
}

/* Unlike WRITE, these requests do not tell whether the caller may keep suid and sgid. */
static bool is_privileged(fuse_req_t fuse)
{
	return request_caller_has(fuse, CAP_FSETID);
}

static void op_fallocate(
	fuse_req_t fuse, fuse_ino_t ino, int mode, off_t offset, off_t length, struct fuse_file_info *info)
{
	struct fallocate *fallocate = request_new(fuse, sizeof *fallocate);

	if (!fallocate)
		return;
	fallocate->ino = ino;
	fallocate->is_synced = handle_of(info)->is_synced;
	fallocate->is_kill = !is_privileged(fuse);
	fallocate->op = (struct op){
		.kind = OP_FALLOCATE,
		.fallocate = {.ino = ino,
			.mode = (uint32_t)mode,
			.offset = (uint64_t)offset,
			.length = (uint64_t)length,
			.kill = fallocate->is_kill},
	};
	request_write_back(&fallocate->request, ino, fallocate_flushed);
}

/* Extents are copy-on-write, so that space cannot be reserved. Only a range that cannot fit at all is refused. */
static void fallocate_flushed(struct request *request)
{
	const struct question question = {.kind = QUESTION_SPACE, .ino = FS_ROOT_INO};
	struct fallocate *fallocate = fallocate_of(request);

	if (fallocate->op.fallocate.mode & ~(uint32_t)FALLOC_FL_KEEP_SIZE)
		fallocate_now(fallocate);
	else
		request_ask(request, &question, &fallocate->finding, fallocate_weighed);
}

static void fallocate_weighed(struct request *request)
{
	struct fallocate *fallocate = fallocate_of(request);
	const struct question question = question_of_attributes(fallocate->op.fallocate.ino);

	fallocate->free_size = fallocate->finding.free_units * FS_UNIT_SIZE;
	if (fallocate->op.fallocate.length <= fallocate->free_size)
		fallocate_now(fallocate);
	else
		request_ask(request, &question, &fallocate->finding, fallocate_measured);
}

/* Space that the file has already may lie in the range. */
static void fallocate_measured(struct request *request)
{
	struct fallocate *fallocate = fallocate_of(request);
	uint64_t size = fallocate->finding.attributes.blocks * FS_BLOCK_SIZE;

	if (fallocate->op.fallocate.length > fallocate->free_size + size)
		request_reply_error(request, -ENOSPC);
	else
		fallocate_now(fallocate);
}

static void fallocate_now(struct fallocate *fallocate)
{
	request_call(&fallocate->request, &fallocate->op, NULL, fallocate_called);
}

static void fallocate_called(struct request *request, int error, const struct op_reply *reply)
{
	struct fallocate *fallocate = fallocate_of(request);

	if (!error && fallocate->is_kill)
		privileges_strip(request, &fallocate->op, reply, fallocate_stripped);
	else
		fallocate_stripped(request, error, reply);
}

static void fallocate_stripped(struct request *request, int error, const struct op_reply *reply)
{
	const struct fallocate *fallocate = fallocate_of(request);

	(void)reply;
	if (fallocate->is_kill)
		front_strip(request->front, fallocate->ino);
	if (error || !fallocate->is_synced)
		request_reply_error(request, error);
	else
		request_sync(request, fallocate_synced);
}

static void fallocate_synced(struct request *request)
{
	request_reply_error(request, 0);
}

/*
 * ---- COPY_FILE_RANGE ----
 *
 *   op_copy               writes out buffered data of the source
 *   copy_source_flushed   writes out buffered data of the destination
 *   copy_flushed          proposes the copy
 *   copy_called           may strip sgid
 *   copy_stripped         through an O_SYNC descriptor: waits until it is durable
 *   copy_synced           replies
 */
struct copy {
	struct request request;
	struct op op;
	uint64_t ino;
	size_t count; /* bytes copied */
	bool is_kill; /* strips suid and sgid */
	bool is_synced; /* of the destination (handle.h) */
};

static void copy_source_flushed(struct request *request);
static void copy_flushed(struct request *request);
static void copy_called(struct request *request, int error, const struct op_reply *reply);
static void copy_stripped(struct request *request, int error, const struct op_reply *reply);
static void copy_synced(struct request *request);

static struct copy *copy_of(struct request *request)
{
	return container_of(request, struct copy, request);
}

static void op_copy(fuse_req_t fuse, fuse_ino_t source, off_t source_offset,
	struct fuse_file_info *source_info, fuse_ino_t ino, off_t offset, struct fuse_file_info *info,
	size_t length, int flags)
{
	struct copy *copy = request_new(fuse, sizeof *copy);

	(void)source_info, (void)flags;
	if (!copy)
		return;
	copy->ino = ino;
	copy->is_synced = handle_of(info)->is_synced;
	copy->is_kill = !is_privileged(fuse);
	copy->op = (struct op){
		.kind = OP_COPY,
		.copy = {.source = source,
			.source_offset = (uint64_t)source_offset,
			.ino = ino,
			.offset = (uint64_t)offset,
			.length = length < OP_WRITE_SIZE_MAX ? length : OP_WRITE_SIZE_MAX,
			.kill = copy->is_kill},
	};
	request_write_back_or_fail(&copy->request, source, copy_source_flushed);
}

static void copy_source_flushed(struct request *request)
{
	request_write_back(request, copy_of(request)->op.copy.ino, copy_flushed);
}

static void copy_flushed(struct request *request)
{
	request_call(request, &copy_of(request)->op, NULL, copy_called);
}

static void copy_called(struct request *request, int error, const struct op_reply *reply)
{
	struct copy *copy = copy_of(request);

	copy->count = error ? 0 : (size_t)reply->count;
	if (copy->count > 0 && copy->is_kill)
		privileges_strip(request, &copy->op, reply, copy_stripped);
	else
		copy_stripped(request, error, reply);
}

static void copy_stripped(struct request *request, int error, const struct op_reply *reply)
{
	const struct copy *copy = copy_of(request);

	(void)reply;
	if (copy->is_kill)
		front_strip(request->front, copy->ino);
	if (error)
		request_reply_error(request, error);
	else if (copy->is_synced)
		request_sync(request, copy_synced);
	else
		copy_synced(request);
}

static void copy_synced(struct request *request)
{
	request_reply_written(request, copy_of(request)->count);
}

/*
 * ---- LSEEK ----
 *
 *   op_lseek       writes out buffered data from the offset on, the only part that is looked at
 *   seek_flushed   asks
 *   seek_found     replies
 */
struct seek {
	struct request request;
	struct finding finding;
	uint64_t ino;
	uint64_t offset;
	bool is_data; /* SEEK_DATA */
};

static void seek_flushed(struct request *request);
static void seek_found(struct request *request);

static struct seek *seek_of(struct request *request)
{
	return container_of(request, struct seek, request);
}

/* The kernel asks only for SEEK_DATA and SEEK_HOLE. */
static void op_lseek(fuse_req_t fuse, fuse_ino_t ino, off_t offset, int whence, struct fuse_file_info *info)
{
	struct seek *seek = request_new(fuse, sizeof *seek);
	uint64_t buffered_end;

	(void)info;
	if (!seek)
		return;
	seek->ino = ino;
	seek->offset = (uint64_t)offset;
	seek->is_data = whence == SEEK_DATA;
	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		request_reply_error(&seek->request, -EINVAL);
	else
		request_write_back_range(
			&seek->request, ino, seek->offset, SIZE_MAX, &buffered_end, seek_flushed);
}

static void seek_flushed(struct request *request)
{
	struct seek *seek = seek_of(request);
	const struct question question = {
		.kind = QUESTION_SEEK, .ino = seek->ino, .offset = seek->offset, .is_data = seek->is_data};

	request_ask(request, &question, &seek->finding, seek_found);
}

static void seek_found(struct request *request)
{
	fuse_reply_lseek(request->fuse, (off_t)seek_of(request)->finding.found);
	request_free(request);
}

void ops_data(struct fuse_lowlevel_ops *operations)
{
	operations->read = op_read;
	operations->fallocate = op_fallocate;
	operations->copy_file_range = op_copy;
	operations->lseek = op_lseek;
}
