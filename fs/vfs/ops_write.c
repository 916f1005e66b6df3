/*
 * WRITE. A buffered write is answered when the write-back has it. Some writes first wait until buffered data is written
 * out, and then go to the store directly: those that must be durable (O_SYNC, O_DIRECT, `sync` mounts), appends on a
 * mount that is not the only client, writes that strip privileges, and writes of mapped pages.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>

#include "fs/vfs/handle.h"
#include "fs/vfs/ops.h"
#include "fs/vfs/privileges.h"
#include "fs/vfs/reply.h"
#include "proto/container.h"
#include "proto/plant.h"

/* Data shorter than this is copied, so that a lane's buffer of 1 MiB is not held for it. */
#define TAKE_SIZE_MIN 65536u

/*
 * ---- WRITE ----
 *
 *   op_write
 *
 * Buffered:
 *   write_buffer    replies, if there is room
 *   write_room      there may be: write_buffer
 *
 * Durable:
 *   write_durable   writes out buffered data
 *   write_flushed   proposes the data
 *   write_called    drops the kernel's pages if the data did not go through them; may strip sgid
 *   write_stripped  waits until the pages have been dropped
 *   write_settled   waits until the data is durable, if the descriptor or the mount asks for that
 *   write_synced    replies
 */
struct write {
	struct request request;
	struct op op;
	struct handle *handle;
	size_t size; /* bytes to write */
	size_t count; /* bytes written */
	uint64_t ino;
	int flags; /* of open(2) */
	bool is_clip; /* a write of mapped pages */
	bool is_kill; /* strips suid and sgid */
	struct node_writing writing; /* through pages, when it is not taken at once */
};

static void write_buffer(struct write *write, const void *data);
static void write_room(struct env_mail *mail);
static void write_durable(struct write *write, const void *data);
static void write_flushed(struct request *request);
static void write_called(struct request *request, int error, const struct op_reply *reply);
static void write_stripped(struct request *request, int error, const struct op_reply *reply);
static void write_settled(struct request *request);
static void write_synced(struct request *request);

static struct write *write_of(struct request *request)
{
	return container_of(request, struct write, request);
}

static uint32_t write_op_flags(const struct request *request, const struct fuse_file_info *info)
{
	bool is_append = request->front->pages && info->flags & O_APPEND && !info->writepage;

	return (info->writepage ? OP_WRITE_CLIP : 0) | (is_append ? OP_WRITE_APPEND : 0) |
	       (lane_flags(request->lane) & FUSE_WRITE_KILL_SUIDGID ? OP_WRITE_KILL : 0);
}

/* 0, or the error of earlier data that could not be written. Writes of mapped pages have no caller to tell. */
static int write_begin(const struct write *write)
{
	struct node_table *nodes = write->request.front->nodes;
	uint64_t ino = write->op.write.ino;

	if (!write->is_clip)
		return node_begin_write(nodes, ino, !(write->flags & O_DIRECT), &write->handle->errors);
	node_set_pages(nodes, ino);
	return 0;
}

static bool write_must_be_durable(const struct write *write)
{
	const struct front *front = write->request.front;
	const struct op_write *op = &write->op.write;

	if (!write->is_clip && write->handle->is_direct)
		return true;
	if (op->flags & OP_WRITE_KILL && node_has(front->nodes, op->ino, NODE_PRIVILEGED))
		return true;
	return front->synchronous || op->flags & (OP_WRITE_CLIP | OP_WRITE_APPEND) ||
	       (write->flags & (O_SYNC | O_DSYNC | O_DIRECT)) != 0;
}

static void op_write(fuse_req_t fuse, fuse_ino_t ino, const char *data, size_t size, off_t offset,
	struct fuse_file_info *info)
{
	struct write *write = request_new(fuse, sizeof *write);
	int error;

	if (!write)
		return;
	write->handle = handle_of(info);
	write->size = size;
	write->flags = info->flags;
	write->is_clip = info->writepage;
	write->op = (struct op){
		.kind = OP_WRITE,
		.write = {.ino = ino,
			.offset = (uint64_t)offset,
			.flags = write_op_flags(&write->request, info)},
	};
	write->ino = ino;
	write->is_kill = write->op.write.flags & OP_WRITE_KILL;
	error = offset < 0 || size > (uint64_t)(INT64_MAX - offset) ? -EFBIG : write_begin(write);
	if (error)
		request_reply_error(&write->request, error);
	else if (write_must_be_durable(write))
		write_durable(write, data);
	else
		write_buffer(write, data);
}

/* From now on reads of these bytes through pages wait for the write. */
static void write_list(struct write *write)
{
	struct request *request = &write->request;

	if (request->writing || write->flags & O_DIRECT || (!write->is_clip && write->handle->is_direct))
		return;
	write->writing.offset = write->op.write.offset;
	write->writing.end = write->op.write.offset + write->size;
	request->writing = &write->writing;
	node_begin_writing(request->front->nodes, write->ino, &write->writing);
}

/* Takes the payload, which may be NULL. */
static void write_set_payload(struct request *request, struct buf *payload)
{
	request->payload = payload;
	if (payload)
		request_count_payload(request, payload->size);
}

/* ---- Buffered ---- */

static void write_buffer(struct write *write, const void *data)
{
	struct request *request = &write->request;
	struct write_back_waiter *waiter = &request->step.data;
	const struct op_write *op = &write->op.write;
	int result;

	*waiter = (struct write_back_waiter){.loop = lane_loop(request->lane), .wake = write_room};
	request->wait = REQUEST_WAITS_FOR_DATA;
	result = write_back_add(request->front->write_back, waiter->loop, op->ino, op->offset, data,
		write->size, op->flags, waiter);
	if (result == 0)
		request_reply_written(request, write->size);
	else if (result == -EAGAIN && !request->payload) {
		write_list(write);
		write_set_payload(request, buf_copy(data, write->size));
	} else if (result != -EAGAIN)
		request_reply_error(request, result);
}

static void write_room(struct env_mail *mail)
{
	struct request *request = container_of(mail, struct request, step.data.mail);

	request->wait = REQUEST_WAITS_ELSEWHERE;
	if (request->payload)
		write_buffer(write_of(request), request->payload->data);
	else
		request_reply_error(request, -ENOMEM);
}

/* ---- Durable ---- */

static void write_durable(struct write *write, const void *data)
{
	struct request *request = &write->request;
	size_t size = write->size;

	write_list(write);
	write_set_payload(request,
		size < TAKE_SIZE_MIN ? buf_copy(data, size) : lane_take_data(request->lane, data, size));
	if (request->payload)
		request_write_back(request, write->op.write.ino, write_flushed);
	else
		request_reply_error(request, -ENOMEM);
}

static void write_flushed(struct request *request)
{
	struct write *write = write_of(request);
	const struct op_write *op = &write->op.write;
	int error = 0;

	if (!write->is_clip)
		error = node_write_error(request->front->nodes, op->ino, &write->handle->errors);
	if (error)
		request_reply_error(request, error);
	else
		request_call(request, &write->op, request->payload, write_called);
}

/* For O_DIRECT the kernel drops pages before the write only: pages that a reader brought in meanwhile would stay. */
static uint64_t write_drop_read_meanwhile(const struct write *write)
{
	const struct front *front = write->request.front;
	uint64_t ino = write->op.write.ino;

	if (write->is_clip || !(write->flags & O_DIRECT))
		return 0;
	if (planted("fs:pages_beside_direct_writes"))
		return 0;
	return node_take_pages(front->nodes, ino) ? drops_add(front->drops, ino) : 0;
}

static void write_called(struct request *request, int error, const struct op_reply *reply)
{
	struct write *write = write_of(request);
	const struct op_write *op = &write->op.write;
	struct pages *pages = request->front->pages;

	request_drop_payload(request); /* before it waits for the kernel */
	if (error) {
		write_stripped(request, error, reply);
		return;
	}
	write->count = write->is_clip ? write->size : (size_t)reply->count;
	if (!write->is_clip && write->handle->is_direct) {
		/* The data is not in the kernel's pages. They are dropped before the reply, so that once the
		 * writer's call has returned, reads through pages see the data. */
		request->ticket = pages_drop(pages, op->ino);
	} else {
		if (reply->offset != op->offset) /* the kernel's pages have the data at another offset */
			pages_drop(pages, op->ino);
		request->ticket = write_drop_read_meanwhile(write);
	}
	if (write->is_kill)
		privileges_strip(request, &write->op, reply, write_stripped);
	else
		write_stripped(request, 0, reply);
}

static void write_stripped(struct request *request, int error, const struct op_reply *reply)
{
	const struct write *write = write_of(request);

	(void)reply;
	if (write->is_kill)
		front_strip(request->front, write->ino);
	if (error)
		request_reply_error(request, error);
	else
		request_settle(request, write_settled);
}

static void write_settled(struct request *request)
{
	const struct write *write = write_of(request);

	if (!write->is_clip && write->flags & (O_SYNC | O_DSYNC | O_DIRECT))
		request_sync(request, write_synced);
	else
		write_synced(request);
}

static void write_synced(struct request *request)
{
	request_reply_written(request, write_of(request)->count);
}

void ops_write(struct fuse_lowlevel_ops *operations)
{
	operations->write = op_write;
}
