/* Operations on a file's data: read, write, flush, fsync, fallocate, copy_file_range, lseek. */
#include <errno.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/fuse/request.h"

/* Data shorter than this is copied, so that a lane's buffer of 1 MiB is not held for it. */
#define TAKE_SIZE_MIN 65536u

/* ---- READ ---- */

static int run_data(struct client_read *read, struct view *view)
{
	struct request *request = request_of_read(read);

	return read_data(
		view, request->ino, request->offset, request->bytes, request->size, &request->count, NULL);
}

static void read_done(struct request *request)
{
	request_reply_bytes(request, request->bytes, request->count);
}

static void op_read(fuse_req_t fuse, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info)
{
	struct request *request = request_new(fuse);

	(void)info;
	if (!request)
		return;
	request->ino = ino;
	request->offset = (uint64_t)offset;
	request->size = size;
	request->bytes = malloc(size);
	if (!request->bytes)
		request_reply_error(request, -ENOMEM);
	else
		request_read(request, ino, run_data, read_done);
}

/* ---- WRITE ---- */

static void write_called(struct client_call *call, int error, const struct op_reply *reply)
{
	struct request *request = request_of_call(call);

	if (error)
		request_reply_error(request, error);
	else
		request_reply_written(request, request->is_clip ? request->size : (size_t)reply->count);
}

static void op_write(fuse_req_t fuse, fuse_ino_t ino, const char *data, size_t size, off_t offset,
	struct fuse_file_info *info)
{
	struct request *request = request_new(fuse);
	struct buf *payload;

	if (!request)
		return;
	request->size = size;
	request->is_clip = info->writepage;
	request->op = (struct op){
		.kind = OP_WRITE,
		.write = {.ino = ino,
			.offset = (uint64_t)offset,
			.flags = (info->writepage ? OP_WRITE_CLIP : 0) |
				 (lane_flags(request->lane) & FUSE_WRITE_KILL_SUIDGID ? OP_WRITE_KILL : 0)},
	};
	payload = size < TAKE_SIZE_MIN ? buf_copy(data, size) : lane_take_data(request->lane, data, size);
	if (!payload) {
		request_reply_error(request, -ENOMEM);
		return;
	}
	request_call(request, payload, write_called);
	buf_unref(payload);
}

/* ---- FALLOCATE, COPY_FILE_RANGE, LSEEK ---- */

static void done_called(struct client_call *call, int error, const struct op_reply *reply)
{
	(void)reply;
	request_reply_error(request_of_call(call), error);
}

static void op_fallocate(
	fuse_req_t fuse, fuse_ino_t ino, int mode, off_t offset, off_t length, struct fuse_file_info *info)
{
	struct request *request = request_new(fuse);

	(void)info;
	if (!request)
		return;
	request->op = (struct op){
		.kind = OP_FALLOCATE,
		.fallocate = {.ino = ino,
			.mode = (uint32_t)mode,
			.offset = (uint64_t)offset,
			.length = (uint64_t)length,
			.kill = true},
	};
	request_call(request, NULL, done_called);
}

static void copy_called(struct client_call *call, int error, const struct op_reply *reply)
{
	struct request *request = request_of_call(call);

	if (error)
		request_reply_error(request, error);
	else
		request_reply_written(request, (size_t)reply->count);
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
			.kill = true},
	};
	request_call(request, NULL, copy_called);
}

static int run_seek(struct client_read *read, struct view *view)
{
	struct request *request = request_of_read(read);

	return read_seek(view, request->ino, request->offset, request->is_data, &request->found);
}

static void seek_done(struct request *request)
{
	fuse_reply_lseek(request->fuse, (off_t)request->found);
	request_free(request);
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
	request->is_data = whence == SEEK_DATA;
	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		request_reply_error(request, -EINVAL);
	else
		request_read(request, ino, run_seek, seek_done);
}

/* ---- FSYNC: a write was durable when it was answered. ---- */

static void op_fsync(fuse_req_t fuse, fuse_ino_t ino, int data_only, struct fuse_file_info *info)
{
	(void)ino, (void)data_only, (void)info;
	fuse_reply_err(fuse, 0);
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
