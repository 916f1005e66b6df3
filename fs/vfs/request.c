#include "fs/vfs/request.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "fs/fuse/caller.h"
#include "fs/fuse/protocol.h"
#include "proto/check.h"
#include "proto/container.h"
#include "proto/plant.h"

struct request *request_of_call(struct client_call *call)
{
	return container_of(call, struct request, call);
}

struct request *request_of_read(struct client_read *read)
{
	return container_of(read, struct request, read);
}

struct request *request_of_wake(struct env_mail *mail)
{
	return container_of(container_of(mail, struct node_waiter, mail), struct request, waiter);
}

struct request *request_of_timer(struct env_timer *timer)
{
	return container_of(timer, struct request, timer);
}

struct request *request_of_room(struct env_mail *mail)
{
	return container_of(container_of(mail, struct write_back_waiter, mail), struct request, room);
}

struct request *request_of_drop(struct env_mail *mail)
{
	return container_of(container_of(mail, struct drops_waiter, mail), struct request, drop);
}

/* ---- Birth and death ---- */

static struct request *allocate(struct front *front, struct lane *lane, uint32_t thread)
{
	struct request *request = calloc(1, sizeof *request);

	if (!request)
		return NULL;
	request->front = front;
	request->lane = lane;
	request->opcode = lane_opcode(lane);
	request->watched.started = env_now(front->options.env);
	request->watched.thread = thread;
	atomic_fetch_add(&front->in_flight, 1);
	if (front->watches)
		watch_add(&front->watches[lane_index(lane)], &request->watched);
	return request;
}

/* Of a call that may have been told to look again. Those that only walk leave the note to the one that comes to it. */
static void take_retry(struct request *request)
{
	struct retries *retries = request->front->retries;
	uint32_t thread = request->watched.thread;

	if (!retries)
		return;
	switch (request->opcode) {
	case FUSE_GETATTR:
	case PROTOCOL_STATX:
		request->retry = retries_of(retries, thread);
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
	case FUSE_CREATE:
	case FUSE_TMPFILE:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_SYMLINK:
	case FUSE_LINK:
	case FUSE_UNLINK:
	case FUSE_RMDIR:
	case FUSE_RENAME:
	case FUSE_RENAME2:
	case FUSE_SETATTR:
	case FUSE_SETXATTR:
		request->retry = retries_of(retries, thread);
		retries_end(retries, thread);
		break;
	default:
		break;
	}
}

struct request *request_new(fuse_req_t fuse)
{
	struct lane *lane = lane_of(fuse);
	struct request *request = allocate(lane_userdata(lane), lane, (uint32_t)fuse_req_ctx(fuse)->pid);

	if (!request) {
		fuse_reply_err(fuse, ENOMEM);
		return NULL;
	}
	request->fuse = fuse;
	take_retry(request);
	return request;
}

struct request *request_new_raw(const struct lane_raw *raw, struct front *front)
{
	struct request *request = allocate(front, raw->lane, raw->pid);

	if (!request) {
		lane_reply(raw->lane, raw->unique, -ENOMEM, NULL, 0);
		return NULL;
	}
	request->raw = *raw;
	take_retry(request);
	return request;
}

struct request *request_new_named(fuse_req_t fuse, const char *name)
{
	struct request *request;

	if (strlen(name) > FS_NAME_SIZE_MAX) {
		fuse_reply_err(fuse, ENAMETOOLONG);
		return NULL;
	}
	request = request_new(fuse);
	if (request)
		strcpy(request->name, name);
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
	free(request->bytes);
	free(request);
	front_leave(front);
}

void request_count_payload(struct request *request, size_t size)
{
	check(request->counted == 0);
	request->counted = size;
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

/* ---- Calls and reads ---- */

/* The inode whose data an operation changes; 0: of none. */
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

/* Changes of attributes alone come here for the kernel, which knows of them. */
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

static void on_called(struct client_call *call, int error, const struct op_reply *reply)
{
	struct request *request = request_of_call(call);
	struct pages *pages = request->front->pages;
	uint64_t ino = pages ? changed_ino(&request->op) : 0;
	bool is_ours = false;

	request->wait = REQUEST_WAITS_ELSEWHERE;
	if (ino)
		is_ours = pages_end(pages, ino, !error && reply->has_attributes ? &reply->attributes : NULL);
	if (pages && !error)
		note_change(request->front, &request->op, reply, is_ours);
	request->called(call, error, reply);
}

void request_call(struct request *request, struct buf *payload, client_call_cb done)
{
	uint64_t ino = request->front->pages ? changed_ino(&request->op) : 0;
	int result;

	if (ino)
		pages_begin(request->front->pages, ino);
	request->wait = REQUEST_WAITS_FOR_CALL;
	request->called = done;
	request->call.loop = lane_loop(request->lane);
	request->call.done = on_called;
	result = client_call(request->front->options.client, &request->call, &request->op, payload);
	if (result < 0)
		on_called(&request->call, result, &(struct op_reply){.error = result});
}

static void take_finding(struct request *request)
{
	const struct finding *finding = &request->finding;

	request->wait = REQUEST_WAITS_ELSEWHERE;
	request->attributes = finding->attributes;
	request->count = finding->count;
	request->found = finding->found;
	request->blocker = finding->blocker;
}

static void on_asked_any(struct client_read *read, int error)
{
	struct request *request = request_of_read(read);

	take_finding(request);
	request->error = error;
	request->then(request);
}

static void on_asked(struct client_read *read, int error)
{
	struct request *request = request_of_read(read);

	take_finding(request);
	if (error)
		request_reply_error(request, error);
	else
		request->then(request);
}

static void ask(struct request *request, struct question question, void (*then)(struct request *request),
	void (*done)(struct client_read *read, int error))
{
	request->wait = REQUEST_WAITS_FOR_READ;
	request->then = then;
	request->read.loop = lane_loop(request->lane);
	request->read.question = question;
	request->finding.bytes = request->bytes;
	request->read.finding = &request->finding;
	request->read.done = done;
	request->moment = write_back_moment(request->front->write_back);
	client_read(request->front->options.client, &request->read);
}

void request_ask(struct request *request, struct question question, void (*then)(struct request *request))
{
	ask(request, question, then, on_asked);
}

void request_ask_any(struct request *request, struct question question, void (*then)(struct request *request))
{
	ask(request, question, then, on_asked_any);
}

static void on_flushed(struct env_mail *mail)
{
	struct request *request = request_of_room(mail);

	request->wait = REQUEST_WAITS_ELSEWHERE;
	if (request->needs_data && request->room.error)
		request_reply_error(request, request->room.error);
	else
		request->flushed(request);
}

static void flush_range(struct request *request, uint64_t ino, uint64_t offset, uint64_t size,
	void (*then)(struct request *request))
{
	request->flushed = then;
	request->room.loop = lane_loop(request->lane);
	request->room.wake = on_flushed;
	request->wait = REQUEST_WAITS_FOR_DATA;
	if (!write_back_flush_range(request->front->write_back, request->room.loop, ino, offset, size,
		    &request->room, &request->buffered_end))
		return;
	request->wait = REQUEST_WAITS_ELSEWHERE;
	then(request);
}

void request_flush(struct request *request, uint64_t ino, void (*then)(struct request *request))
{
	request->needs_data = false;
	flush_range(request, ino, 0, UINT64_MAX, then);
}

void request_flush_or_fail(struct request *request, uint64_t ino, void (*then)(struct request *request))
{
	request->needs_data = true;
	flush_range(request, ino, 0, UINT64_MAX, then);
}

void request_flush_range(struct request *request, uint64_t ino, void (*then)(struct request *request))
{
	request->needs_data = true;
	flush_range(request, ino, request->offset, request->size, then);
}

bool request_lay_over(struct request *request)
{
	return write_back_lay_over(
		request->front->write_back, request->moment, &request->attributes, &request->shown);
}

/* ---- Giving up ---- */

/* A close(2) has nobody to tell, and locks to drop; its data is still being written. */
static void stop_waiting_for_data(struct request *request)
{
	if (!write_back_stop_waiting(request->front->write_back, &request->room))
		return;
	request->wait = REQUEST_WAITS_ELSEWHERE;
	if (request->opcode == FUSE_FLUSH) {
		request->flushed(request);
		return;
	}
	if (request->is_blocking)
		waits_remove(request->front->waits, request->unique);
	request_close_node(request);
	request_reply_error(request, -EINTR);
}

void request_give_up(struct watched *watched)
{
	struct request *request = container_of(watched, struct request, watched);

	switch (request->wait) {
	case REQUEST_WAITS_FOR_CALL:
		client_give_up_call(&request->call);
		break;
	case REQUEST_WAITS_FOR_READ:
		client_give_up_read(&request->read);
		break;
	case REQUEST_WAITS_FOR_DATA:
		stop_waiting_for_data(request);
		break;
	case REQUEST_WAITS_ELSEWHERE:
		break;
	}
}

/* ---- Pages ---- */

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

void request_drop_attributes(const struct front *front, uint64_t ino)
{
	front->options.drop_attributes(front->options.descriptor_argument, ino);
	if (front->told)
		told_forget(front->told, ino);
}

void request_note_mode(const struct front *front, uint64_t ino, uint32_t mode)
{
	if (mode & (S_ISUID | S_ISGID))
		node_set(front->nodes, ino, NODE_PRIVILEGED);
}

void request_strip(const struct front *front, uint64_t ino)
{
	if (node_has(front->nodes, ino, NODE_PRIVILEGED) && !planted("fs:stripped_in_silence"))
		request_drop_attributes(front, ino);
}

void request_renew(struct request *request, const struct attributes *attributes)
{
	const struct front *front = request->front;
	uint64_t now = env_now(front->options.env);

	if (!front->told)
		return;
	request_see(request, attributes);
	if (told_is_old(front->told, attributes, now))
		request_drop_attributes(front, attributes->ino);
}

static void on_dropped(struct env_mail *mail)
{
	struct request *request = request_of_drop(mail);

	request->settled(request);
}

void request_settle(struct request *request, void (*then)(struct request *request))
{
	request->settled = then;
	request->drop.loop = lane_loop(request->lane);
	request->drop.wake = on_dropped;
	if (request->ticket == 0 || drops_wait(request->front->drops, request->ticket, &request->drop))
		then(request);
}

/* ---- Work without a request ---- */

struct background {
	struct client_call call;
	struct front *front;
	uint64_t unlocked; /* the inode of a dropped lock, or 0 */
	bool is_release;
};

static void on_background(struct client_call *call, int error, const struct op_reply *reply)
{
	struct background *background = container_of(call, struct background, call);
	struct front *front = background->front;

	(void)reply;
	if (background->unlocked)
		node_wake_lockers(front->nodes, background->unlocked);
	if (background->is_release) /* behind it: who was refused sees the drop, or the release */
		node_end_release(front->nodes, background->unlocked);
	if (error)
		log_warn(front->options.logger, "msg=\"dropping a lock failed\" error=%d", error);
	free(background);
	front_leave(front);
}

static void run_in_background(
	struct front *front, struct env_loop *loop, const struct op *op, bool is_release)
{
	struct background *background = calloc(1, sizeof *background);

	if (!background) {
		log_error(front->options.logger, "msg=\"out of memory\"");
		return;
	}
	background->front = front;
	background->unlocked = op->kind == OP_LOCK ? op->lock.ino : 0;
	background->is_release = is_release;
	if (is_release)
		node_begin_release(front->nodes, op->lock.ino);
	background->call.loop = loop;
	background->call.done = on_background;
	atomic_fetch_add(&front->in_flight, 1);
	if (client_call(front->options.client, &background->call, op, NULL) < 0)
		on_background(&background->call, -ENOMEM, NULL);
}

void request_background(struct front *front, struct env_loop *loop, const struct op *op)
{
	run_in_background(front, loop, op, false);
}

void request_release_lock(struct front *front, struct env_loop *loop, const struct op *op)
{
	run_in_background(front, loop, op, true);
}

/* ---- What the kernel is told ---- */

static struct timespec to_timespec(struct fs_time time)
{
	return (struct timespec){.tv_sec = time.seconds, .tv_nsec = time.nanoseconds};
}

void request_note_told(const struct front *front, const struct attributes *attributes, uint64_t name)
{
	if (!S_ISREG(attributes->mode))
		return;
	request_note_mode(front, attributes->ino, attributes->mode);
	if (front->told)
		told_note(front->told, attributes, name, env_now(front->options.env));
}

struct stat request_stat(const struct front *front, const struct attributes *attributes)
{
	struct attributes complete = *attributes;

	atimes_apply(front->atimes, &complete);
	return (struct stat){
		.st_ino = complete.ino,
		.st_mode = complete.mode,
		.st_nlink = complete.nlink,
		.st_uid = complete.uid,
		.st_gid = complete.gid,
		.st_rdev = complete.rdev,
		.st_size = (off_t)complete.size,
		.st_blocks = (blkcnt_t)complete.blocks,
		.st_blksize = FRONT_BLOCK_SIZE,
		.st_atim = to_timespec(complete.atime),
		.st_mtim = to_timespec(complete.mtime),
		.st_ctim = to_timespec(complete.ctime),
	};
}

static bool has_atime(const struct request *request)
{
	const struct front *front = request->front;

	return !front->no_atime && !(request->info.flags & O_NOATIME) &&
	       !(front->no_diratime && S_ISDIR(request->attributes.mode));
}

void request_note_read(struct request *request)
{
	if (has_atime(request))
		atimes_note(request->front->atimes, &request->attributes, request->front->strict_atime);
}

bool request_would_note_read(const struct request *request)
{
	return has_atime(request) &&
	       atimes_is_due(request->front->atimes, &request->attributes, request->front->strict_atime);
}

struct fuse_entry_param request_entry(const struct front *front, const struct attributes *attributes,
	const struct attributes *shown, uint64_t parent, struct slice name)
{
	request_note_told(front, attributes, told_name(parent, name));
	return (struct fuse_entry_param){
		.ino = attributes->ino,
		.generation = attributes->generation,
		.attr = request_stat(front, shown),
		.attr_timeout = front->timeout,
		.entry_timeout = front->timeout,
	};
}

struct op_caller request_caller(const struct request *request)
{
	const struct fuse_ctx *context;

	if (!request->fuse)
		return (struct op_caller){request->raw.uid, request->raw.gid};
	context = fuse_req_ctx(request->fuse);
	return (struct op_caller){context->uid, context->gid};
}

bool request_caller_has(fuse_req_t fuse, unsigned capability)
{
	const struct fuse_ctx *context = fuse_req_ctx(fuse);

	return context->uid == 0 || caller_has((uint32_t)context->pid, capability);
}

/* ---- Replies ---- */

void request_reply_error(struct request *request, int error)
{
	if (request->fuse)
		fuse_reply_err(request->fuse, -error);
	else
		lane_reply(request->lane, request->raw.unique, error, NULL, 0);
	request_free(request);
}

void request_reply_entry(struct request *request, const struct attributes *attributes,
	const struct attributes *shown, uint64_t parent, struct slice name)
{
	struct fuse_entry_param entry = request_entry(request->front, attributes, shown, parent, name);

	fuse_reply_entry(request->fuse, &entry);
	request_free(request);
}

void request_reply_no_entry(struct request *request)
{
	struct fuse_entry_param entry = {.entry_timeout = request->front->timeout};

	if (!request->front->options.sole_client) {
		request_reply_error(request, -ENOENT);
		return;
	}
	fuse_reply_entry(request->fuse, &entry);
	request_free(request);
}

void request_reply_attributes(
	struct request *request, const struct attributes *attributes, const struct attributes *shown)
{
	struct stat stat = request_stat(request->front, shown);

	request_note_told(request->front, attributes, 0);
	fuse_reply_attr(request->fuse, &stat, request->front->timeout);
	request_free(request);
}

void request_reply_written(struct request *request, size_t count)
{
	fuse_reply_write(request->fuse, count);
	request_free(request);
}

void request_reply_bytes(struct request *request, const void *bytes, size_t size)
{
	fuse_reply_buf(request->fuse, bytes, size);
	request_free(request);
}

void request_reply_size(struct request *request, size_t size)
{
	fuse_reply_xattr(request->fuse, size);
	request_free(request);
}

void request_reply_raw(struct request *request, const void *answer, size_t size)
{
	lane_reply(request->lane, request->raw.unique, 0, answer, size);
	request_free(request);
}

void request_reply_none(struct request *request)
{
	fuse_reply_none(request->fuse);
	request_free(request);
}
