#include "fs/vfs/request.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "fs/fuse/caller.h"
#include "fs/vfs/reply.h"
#include "proto/check.h"
#include "proto/container.h"

/* ---- Making and freeing ---- */

static struct request *request_allocate(
	struct front *front, struct lane *lane, uint32_t thread, size_t size, size_t room)
{
	struct request *request = malloc(size + room);

	if (!request)
		return NULL;
	memset(request, 0, size);
	request->front = front;
	request->lane = lane;
	request->opcode = lane_opcode(lane);
	request->unique = lane_unique(lane);
	request->watched.started = env_now(front->options.env);
	request->watched.thread = thread;
	atomic_fetch_add(&front->in_flight, 1);
	if (front->watches)
		watch_add(&front->watches[lane_index(lane)], &request->watched);
	return request;
}

void *request_new_with_room(fuse_req_t fuse, size_t size, size_t room)
{
	struct lane *lane = lane_of(fuse);
	uint32_t thread = (uint32_t)fuse_req_ctx(fuse)->pid;
	struct request *request = request_allocate(lane_userdata(lane), lane, thread, size, room);

	if (!request) {
		fuse_reply_err(fuse, ENOMEM);
		return NULL;
	}
	request->fuse = fuse;
	return request;
}

void *request_new(fuse_req_t fuse, size_t size)
{
	return request_new_with_room(fuse, size, 0);
}

void *request_new_named(fuse_req_t fuse, size_t name_offset, const char *name)
{
	size_t name_size = strlen(name);
	uint8_t *request;

	if (name_size > FS_NAME_SIZE_MAX) {
		fuse_reply_err(fuse, ENAMETOOLONG);
		return NULL;
	}
	request = request_new_with_room(fuse, name_offset, name_size + 1);
	if (request)
		memcpy(request + name_offset, name, name_size + 1);
	return request;
}

void *request_new_raw(const struct lane_raw *raw, struct front *front, size_t size)
{
	struct request *request = request_allocate(front, raw->lane, raw->pid, size, 0);

	if (!request)
		lane_reply(raw->lane, raw->unique, -ENOMEM, NULL, 0);
	return request;
}

void request_free(struct request *request)
{
	struct front *front = request->front;

	check(!request->has_node);
	if (front->watches)
		watch_remove(&front->watches[lane_index(request->lane)], &request->watched);
	latencies_add(
		&front->latencies, request->opcode, env_now(front->options.env) - request->watched.started);
	request_drop_payload(request);
	if (request->writing)
		node_end_writing(front->nodes, request->writing);
	free(request);
	front_leave(front);
}

void request_count_payload(struct request *request, size_t size)
{
	check(request->counted == 0);
	check(size <= UINT32_MAX);
	request->counted = (uint32_t)size;
	request->watched.has_payload = size > 0;
	payloads_add(request->front->payloads, size);
}

void request_drop_payload(struct request *request)
{
	buf_unref(request->payload);
	request->payload = NULL;
	if (request->counted > 0)
		payloads_remove(request->front->payloads, request->counted);
	request->counted = 0;
	request->watched.has_payload = false;
}

/* ---- Proposals ---- */

/* The inode whose data the operation changes; 0: none. */
static uint64_t changed_ino(const struct op *op)
{
	switch (op->kind) {
	case OP_WRITE:
		return op->write.ino;
	case OP_SETATTR:
		return op->setattr.valid & OP_SET_SIZE ? op->setattr.ino : 0;
	case OP_FALLOCATE:
		return op->fallocate.ino;
	case OP_COPY:
		return op->copy.ino;
	default:
		return 0;
	}
}

/* Notes the attributes after a change for which the kernel asked, and of which it therefore knows (told.h). */
static void note_change(
	const struct front *front, const struct op *op, const struct op_reply *reply, bool is_ours)
{
	switch (op->kind) {
	case OP_WRITE:
	case OP_SETATTR:
	case OP_FALLOCATE:
	case OP_COPY:
	case OP_LINK:
	case OP_UNLINK:
	case OP_RENAME:
	case OP_SETXATTR:
	case OP_REMOVEXATTR:
		if (reply->has_attributes)
			told_change(front->told, &reply->attributes, is_ours);
		if (reply->has_other)
			told_change(front->told, &reply->other, false);
		break;
	default:
		break;
	}
}

static void on_request_called(struct client_call *call, int error, const struct op_reply *reply)
{
	struct request *request = container_of(call, struct request, step.call);
	const struct op *op = request->step.op;
	struct pages *pages = request->front->pages;
	uint64_t ino = pages ? changed_ino(op) : 0;
	bool is_ours = false;

	request->wait = REQUEST_WAITS_ELSEWHERE;
	if (ino)
		is_ours = pages_end(pages, ino, !error && reply->has_attributes ? &reply->attributes : NULL);
	if (pages && !error)
		note_change(request->front, op, reply, is_ours);
	request->called(request, error, reply);
}

void request_call(struct request *request, const struct op *op, struct buf *payload, request_called_cb called)
{
	uint64_t ino = request->front->pages ? changed_ino(op) : 0;
	int result;

	if (ino)
		pages_begin(request->front->pages, ino);
	request->wait = REQUEST_WAITS_FOR_CALL;
	request->called = called;
	request->step.op = op;
	request->step.call.loop = lane_loop(request->lane);
	request->step.call.done = on_request_called;
	result = client_call(request->front->options.client, &request->step.call, op, payload);
	if (result < 0)
		on_request_called(&request->step.call, result, &(struct op_reply){.error = result});
}

/* ---- Questions ---- */

static void on_found(struct client_read *read, int error)
{
	struct request *request = container_of(read, struct request, step.read);

	request->wait = REQUEST_WAITS_ELSEWHERE;
	request->error = error;
	if (error && !request->may_fail)
		request_reply_error(request, error);
	else
		request->then(request);
}

static void ask(
	struct request *request, const struct question *question, struct finding *finding, request_cb then)
{
	struct client_read *read = &request->step.read;

	request->wait = REQUEST_WAITS_FOR_READ;
	request->then = then;
	read->loop = lane_loop(request->lane);
	read->question = *question;
	read->finding = finding;
	read->done = on_found;
	request->moment = write_back_moment(request->front->write_back);
	client_read(request->front->options.client, read);
}

void request_ask(
	struct request *request, const struct question *question, struct finding *finding, request_cb then)
{
	request->may_fail = false;
	ask(request, question, finding, then);
}

void request_ask_any(
	struct request *request, const struct question *question, struct finding *finding, request_cb then)
{
	request->may_fail = true;
	ask(request, question, finding, then);
}

/* ---- Data that is buffered ---- */

static void on_flushed(struct env_mail *mail)
{
	struct request *request = container_of(mail, struct request, step.data.mail);

	request->wait = REQUEST_WAITS_ELSEWHERE;
	if (request->needs_data && request->step.data.error)
		request_reply_error(request, request->step.data.error);
	else
		request->then(request);
}

static void write_back_range(struct request *request, uint64_t ino, uint64_t offset, uint64_t size,
	uint64_t *file_end, request_cb then)
{
	struct write_back_waiter *waiter = &request->step.data;

	request->then = then;
	*waiter = (struct write_back_waiter){.loop = lane_loop(request->lane), .wake = on_flushed};
	request->wait = REQUEST_WAITS_FOR_DATA;
	if (!write_back_flush_range(
		    request->front->write_back, waiter->loop, ino, offset, size, waiter, file_end))
		return;
	request->wait = REQUEST_WAITS_ELSEWHERE;
	then(request);
}

void request_write_back(struct request *request, uint64_t ino, request_cb then)
{
	uint64_t file_end;

	request->needs_data = false;
	write_back_range(request, ino, 0, UINT64_MAX, &file_end, then);
}

void request_write_back_or_fail(struct request *request, uint64_t ino, request_cb then)
{
	uint64_t file_end;

	request->needs_data = true;
	write_back_range(request, ino, 0, UINT64_MAX, &file_end, then);
}

void request_write_back_range(struct request *request, uint64_t ino, uint64_t offset, size_t size,
	uint64_t *file_end, request_cb then)
{
	request->needs_data = true;
	write_back_range(request, ino, offset, size, file_end, then);
}

bool request_lay_over(const struct request *request, struct attributes *attributes, struct attributes *shown)
{
	return write_back_lay_over(request->front->write_back, request->moment, attributes, shown);
}

/* ---- What is durable -------------------------------------------------------------------------------------------- */

static void on_request_synced(struct raftkv_sync *sync)
{
	struct request *request = container_of(sync, struct request, step.sync);

	request->then(request);
}

void request_sync(struct request *request, request_cb then)
{
	struct raftkv_sync *sync = &request->step.sync;

	request->then = then;
	*sync = (struct raftkv_sync){.loop = lane_loop(request->lane), .done = on_request_synced};
	if (!client_sync(request->front->options.client, sync))
		then(request);
}

/* ---- Old pages ---- */

void request_see(struct request *request, const struct attributes *attributes)
{
	struct pages *pages = request->front->pages;
	uint64_t ticket;

	if (!pages)
		return;
	pages_note_bare(pages, attributes, request->watched.started);
	ticket = pages_see(pages, attributes);
	if (ticket > request->ticket)
		request->ticket = ticket;
}

void request_renew(struct request *request, const struct attributes *attributes)
{
	const struct front *front = request->front;
	uint64_t now = env_now(front->options.env);

	if (!front->told)
		return;
	request_see(request, attributes);
	if (told_is_old(front->told, attributes, now))
		front_drop_attributes(front, attributes->ino);
}

static void on_dropped(struct env_mail *mail)
{
	struct request *request = container_of(mail, struct request, step.drop.mail);

	request->then(request);
}

void request_settle(struct request *request, request_cb then)
{
	struct drops_waiter *waiter = &request->step.drop;

	request->then = then;
	*waiter = (struct drops_waiter){.loop = lane_loop(request->lane), .wake = on_dropped};
	if (request->ticket == 0 || drops_wait(request->front->drops, request->ticket, waiter))
		then(request);
}

/* ---- Giving up ---- */

static void stop_waiting_for_data(struct request *request)
{
	if (!write_back_stop_waiting(request->front->write_back, &request->step.data))
		return;
	request->wait = REQUEST_WAITS_ELSEWHERE;
	if (request->given_up)
		request->given_up(request);
	else
		request_reply_error(request, -EINTR);
}

void request_give_up(struct watched *watched)
{
	struct request *request = container_of(watched, struct request, watched);

	switch (request->wait) {
	case REQUEST_WAITS_FOR_CALL:
		client_give_up_call(&request->step.call);
		break;
	case REQUEST_WAITS_FOR_READ:
		client_give_up_read(&request->step.read);
		break;
	case REQUEST_WAITS_FOR_DATA:
		stop_waiting_for_data(request);
		break;
	case REQUEST_WAITS_ELSEWHERE:
		break;
	}
}

/* ---- The caller ---- */

struct op_caller request_caller(const struct request *request)
{
	const struct fuse_ctx *context = fuse_req_ctx(request->fuse);

	return (struct op_caller){context->uid, context->gid};
}

bool request_caller_has(fuse_req_t fuse, unsigned capability)
{
	const struct fuse_ctx *context = fuse_req_ctx(fuse);

	return context->uid == 0 || caller_has((uint32_t)context->pid, capability);
}
