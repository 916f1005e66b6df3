/* Operations on a file's data: read, write, flush, fsync, fallocate, copy_file_range, lseek. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/falloc.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/vfs/request.h"
#include "proto/container.h"
#include "proto/plant.h"

/* Data shorter than this is copied, so that a lane's buffer of 1 MiB is not held for it. */
#define TAKE_SIZE_MIN 65536u

/* ---- READ ---- */

/* A hole in front of data that is buffered may lie past the store's end. */
static void fill_hole(struct request *request)
{
	uint64_t end = request->buffered_end;
	size_t size = request->size;

	if (end <= request->offset + request->count || planted("fs:buffered_hole_cut"))
		return;
	if (end - request->offset < size)
		size = (size_t)(end - request->offset);
	memset(request->bytes + request->count, 0, size - request->count);
	request->count = size;
}

static void read_done(struct request *request)
{
	fill_hole(request);
	request_see(request, &request->attributes);
	request_lay_over(request); /* its times; asking again would not be worth it */
	request->attributes = request->shown;
	request_note_read(request);
	request_reply_bytes(request, request->bytes, request->count);
}

static void read_flushed(struct request *request)
{
	request_ask(request,
		(struct question){.kind = QUESTION_DATA,
			.ino = request->ino,
			.offset = request->offset,
			.size = request->size},
		read_done);
}

static void op_read(fuse_req_t fuse, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info)
{
	struct request *request = request_new(fuse);

	if (!request)
		return;
	request->ino = ino;
	request->info = *info;
	request->offset = (uint64_t)offset;
	request->size = size < LANE_WRITE_MAX ? size : LANE_WRITE_MAX;
	if (!(info->flags & O_DIRECT))
		node_set_pages(request->front->nodes, ino);
	request->bytes = malloc(request->size);
	request_count_payload(request, request->size);
	if (!request->bytes)
		request_reply_error(request, -ENOMEM);
	else
		request_flush_range(request, ino, read_flushed);
}

/* ---- WRITE ---- */

/*
 * A buffered write is answered when the write-back has it. One that must be durable (O_SYNC, O_DIRECT, `sync` mounts),
 * or strips privileges, and a mapped page's, waits for what was buffered before and goes straight to the store.
 */

static void write_settled(struct request *request)
{
	request_reply_written(request, request->count);
}

/* An asynchronous direct write: the kernel drops pages before it, but what a reader has put there meanwhile would stay. */
static uint64_t drop_read_meanwhile(const struct request *request)
{
	const struct front *front = request->front;
	uint64_t ino = request->op.write.ino;

	if (request->is_clip || !(request->info.flags & O_DIRECT) ||
		planted("fs:pages_beside_direct_writes") || !node_take_pages(front->nodes, ino))
		return 0;
	return drops_add(front->drops, ino);
}

static void write_called(struct client_call *call, int error, const struct op_reply *reply)
{
	struct request *request = request_of_call(call);
	const struct handle *handle = (const struct handle *)(uintptr_t)request->info.fh;

	if (request->op.write.flags & OP_WRITE_KILL)
		request_strip(request->front, request->op.write.ino);
	request_drop_payload(request); /* before it waits for the kernel */
	if (error) {
		request_reply_error(request, error);
		return;
	}
	request->count = request->is_clip ? request->size : (size_t)reply->count;
	if (!request->is_clip && handle->is_direct) {
		/* Past the kernel's pages: who reads through them is to see it when the writer knows that it is there. */
		request->ticket = pages_drop(request->front->pages, request->op.write.ino);
	} else {
		if (reply->offset != request->op.write.offset) /* the kernel put it elsewhere */
			pages_drop(request->front->pages, request->op.write.ino);
		request->ticket = drop_read_meanwhile(request);
	}
	request_settle(request, write_settled);
}

/* What could not be written before. Nobody who could be told writes mapped pages. */
static int earlier_error(const struct request *request)
{
	struct handle *handle = (struct handle *)(uintptr_t)request->info.fh;

	return request->is_clip
		       ? 0
		       : node_write_error(request->front->nodes, request->op.write.ino, &handle->errors);
}

static void write_through(struct request *request)
{
	int error = earlier_error(request);

	if (error)
		request_reply_error(request, error);
	else
		request_call(request, request->payload, write_called);
}

/* Takes the payload, which may be NULL. */
static void set_payload(struct request *request, struct buf *payload)
{
	request->payload = payload;
	if (payload)
		request_count_payload(request, payload->size);
}

static void buffer_again(struct env_mail *mail);

static void buffer_write(struct request *request, const void *data)
{
	const struct op_write *write = &request->op.write;
	int result;

	request->room.loop = lane_loop(request->lane);
	request->room.wake = buffer_again;
	request->wait = REQUEST_WAITS_FOR_DATA;
	result = write_back_add(request->front->write_back, request->room.loop, write->ino, write->offset,
		data, request->size, write->flags, &request->room);
	if (result == 0)
		request_reply_written(request, request->size);
	else if (result == -EAGAIN && !request->payload)
		set_payload(request, buf_copy(data, request->size));
	else if (result != -EAGAIN)
		request_reply_error(request, result);
}

static void buffer_again(struct env_mail *mail)
{
	struct request *request = request_of_room(mail);

	request->wait = REQUEST_WAITS_ELSEWHERE;
	if (request->payload)
		buffer_write(request, request->payload->data);
	else
		request_reply_error(request, -ENOMEM);
}

static bool must_be_durable(const struct request *request, const struct handle *handle)
{
	const struct op_write *write = &request->op.write;

	if (!request->info.writepage && handle->is_direct)
		return true;
	if (write->flags & OP_WRITE_KILL && node_has(request->front->nodes, write->ino, NODE_PRIVILEGED))
		return true;
	return request->front->synchronous || write->flags & (OP_WRITE_CLIP | OP_WRITE_APPEND) ||
	       (request->info.flags & (O_SYNC | O_DSYNC | O_DIRECT)) != 0;
}

static uint32_t write_flags(const struct request *request)
{
	const struct fuse_file_info *info = &request->info;
	bool is_append = request->front->pages && info->flags & O_APPEND && !info->writepage;

	return (info->writepage ? OP_WRITE_CLIP : 0) | (is_append ? OP_WRITE_APPEND : 0) |
	       (lane_flags(request->lane) & FUSE_WRITE_KILL_SUIDGID ? OP_WRITE_KILL : 0);
}

static void op_write(fuse_req_t fuse, fuse_ino_t ino, const char *data, size_t size, off_t offset,
	struct fuse_file_info *info)
{
	struct request *request = request_new(fuse);
	struct handle *handle = (struct handle *)(uintptr_t)info->fh;
	int error;

	if (!request)
		return;
	request->size = size;
	request->info = *info;
	request->is_clip = info->writepage;
	request->op = (struct op){
		.kind = OP_WRITE,
		.write = {.ino = ino, .offset = (uint64_t)offset, .flags = write_flags(request)},
	};
	if (!(info->flags & O_DIRECT) || info->writepage)
		node_set_pages(request->front->nodes, ino);
	error = offset < 0 || size > (uint64_t)(INT64_MAX - offset) ? -EFBIG : earlier_error(request);
	if (error) {
		request_reply_error(request, error);
	} else if (!must_be_durable(request, handle)) {
		buffer_write(request, data);
	} else {
		set_payload(request, size < TAKE_SIZE_MIN ? buf_copy(data, size)
							  : lane_take_data(request->lane, data, size));
		if (request->payload)
			request_flush(request, ino, write_through);
		else
			request_reply_error(request, -ENOMEM);
	}
}

/* ---- FALLOCATE, COPY_FILE_RANGE, LSEEK ---- */

static void fallocate_called(struct client_call *call, int error, const struct op_reply *reply)
{
	struct request *request = request_of_call(call);

	(void)reply;
	if (request->op.fallocate.kill)
		request_strip(request->front, request->op.fallocate.ino);
	request_reply_error(request, error);
}

static void fallocate_now(struct request *request)
{
	request_call(request, NULL, fallocate_called);
}

/* What the file has already may be in the range. */
static void fallocate_measured(struct request *request)
{
	if (request->op.fallocate.length > request->free_size + request->attributes.blocks * FS_BLOCK_SIZE)
		request_reply_error(request, -ENOSPC);
	else
		fallocate_now(request);
}

static void fallocate_weighed(struct request *request)
{
	request->free_size = request->finding.free_units * FS_UNIT_SIZE;
	if (request->op.fallocate.length <= request->free_size)
		fallocate_now(request);
	else
		request_ask(request, attributes_of(request->ino), fallocate_measured);
}

/* Extents are copy-on-write, so that nothing can be reserved; but what cannot fit is told at once. */
static void fallocate_flushed(struct request *request)
{
	if (request->op.fallocate.mode & ~(uint32_t)FALLOC_FL_KEEP_SIZE)
		fallocate_now(request);
	else
		request_ask(request, (struct question){.kind = QUESTION_SPACE, .ino = FS_ROOT_INO},
			fallocate_weighed);
}

/* These requests do not say whether the caller may keep suid and sgid, as writes do. */
static bool is_privileged(fuse_req_t fuse)
{
	return request_caller_has(fuse, CAP_FSETID);
}

static void op_fallocate(
	fuse_req_t fuse, fuse_ino_t ino, int mode, off_t offset, off_t length, struct fuse_file_info *info)
{
	struct request *request = request_new(fuse);

	(void)info;
	if (!request)
		return;
	request->ino = ino;
	request->op = (struct op){
		.kind = OP_FALLOCATE,
		.fallocate = {.ino = ino,
			.mode = (uint32_t)mode,
			.offset = (uint64_t)offset,
			.length = (uint64_t)length,
			.kill = !is_privileged(fuse)},
	};
	request_flush(request, ino, fallocate_flushed);
}

static void copy_called(struct client_call *call, int error, const struct op_reply *reply)
{
	struct request *request = request_of_call(call);

	if (request->op.copy.kill)
		request_strip(request->front, request->op.copy.ino);
	if (error)
		request_reply_error(request, error);
	else
		request_reply_written(request, (size_t)reply->count);
}

static void copy_flushed(struct request *request)
{
	request_call(request, NULL, copy_called);
}

static void copy_source_flushed(struct request *request)
{
	request_flush(request, request->op.copy.ino, copy_flushed);
}

static void op_copy(fuse_req_t fuse, fuse_ino_t source, off_t source_offset,
	struct fuse_file_info *source_info, fuse_ino_t ino, off_t offset, struct fuse_file_info *info,
	size_t length, int flags)
{
	struct request *request = request_new(fuse);

	(void)source_info, (void)info, (void)flags;
	if (!request)
		return;
	request->op = (struct op){
		.kind = OP_COPY,
		.copy = {.source = source,
			.source_offset = (uint64_t)source_offset,
			.ino = ino,
			.offset = (uint64_t)offset,
			.length = length < OP_WRITE_SIZE_MAX ? length : OP_WRITE_SIZE_MAX,
			.kill = !is_privileged(fuse)},
	};
	request_flush_or_fail(request, source, copy_source_flushed);
}

static void seek_done(struct request *request)
{
	fuse_reply_lseek(request->fuse, (off_t)request->found);
	request_free(request);
}

static void seek_flushed(struct request *request)
{
	request_ask(request,
		(struct question){.kind = QUESTION_SEEK,
			.ino = request->ino,
			.offset = request->offset,
			.is_data = request->is_seeking_data},
		seek_done);
}

/* The kernel asks only for SEEK_DATA and SEEK_HOLE. */
static void op_lseek(fuse_req_t fuse, fuse_ino_t ino, off_t offset, int whence, struct fuse_file_info *info)
{
	struct request *request = request_new(fuse);

	(void)info;
	if (!request)
		return;
	request->ino = ino;
	request->offset = (uint64_t)offset;
	request->size = SIZE_MAX; /* what lies before is not looked at */
	request->is_seeking_data = whence == SEEK_DATA;
	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		request_reply_error(request, -EINVAL);
	else
		request_flush_range(request, ino, seek_flushed);
}

/* ---- FSYNC ---- */

static void fsync_flushed(struct request *request)
{
	struct handle *handle = (struct handle *)(uintptr_t)request->info.fh;

	request_reply_error(request, node_fsync_error(request->front->nodes, request->ino, &handle->errors));
}

static void op_fsync(fuse_req_t fuse, fuse_ino_t ino, int data_only, struct fuse_file_info *info)
{
	struct request *request = request_new(fuse);

	(void)data_only;
	if (!request)
		return;
	request->ino = ino;
	request->info = *info;
	request_flush(request, ino, fsync_flushed);
}

void ops_data(struct fuse_lowlevel_ops *operations)
{
	operations->open = ops_open;
	operations->release = ops_release;
	operations->read = op_read;
	operations->write = op_write;
	operations->fallocate = op_fallocate;
	operations->copy_file_range = op_copy;
	operations->lseek = op_lseek;
	operations->fsync = op_fsync;
}
