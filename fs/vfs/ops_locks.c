/* Asking for locks, and dropping them at a close: GETLK, FLUSH, and the locks of a handle that is released. */
#include <errno.h>

#include "fs/vfs/background.h"
#include "fs/vfs/handle.h"
#include "fs/vfs/locks.h"
#include "fs/vfs/ops.h"
#include "fs/vfs/reply.h"
#include "proto/container.h"

/*
 * ---- GETLK ----
 *
 *   op_getlk      asks
 *   getlk_found   replies
 */
struct getlk {
	struct request request;
	struct finding finding;
};

static void getlk_found(struct request *request);

static void op_getlk(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *info, struct flock *flock)
{
	struct getlk *getlk = request_new(fuse, sizeof *getlk);
	struct question question = {.kind = QUESTION_LOCK, .ino = ino};

	if (!getlk)
		return;
	question.lock = lock_of(getlk->request.front, flock, info->lock_owner);
	request_ask(&getlk->request, &question, &getlk->finding, getlk_found);
}

static void getlk_found(struct request *request)
{
	const struct lock *blocker = &container_of(request, struct getlk, request)->finding.blocker;
	struct flock answer = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

	if (blocker->type != FS_LOCK_NONE) {
		answer.l_type = blocker->type == FS_LOCK_READ ? F_RDLCK : F_WRLCK;
		answer.l_start = (off_t)blocker->start;
		answer.l_len = blocker->end == INT64_MAX ? 0 : (off_t)(blocker->end - blocker->start + 1);
		answer.l_pid = (pid_t)blocker->pid;
	}
	fuse_reply_lock(request->fuse, &answer);
	request_free(request);
}

/*
 * ---- FLUSH ----
 *
 * close(2): writes out buffered data, and drops the POSIX locks of the closing process.
 *
 *   op_flush        writes out buffered data
 *   flush_flushed   proposes to drop the locks, if any were taken. A request that is given up continues here without
 *                   waiting for the data: its locks have to be dropped
 *   flush_called    replies with the error of data that could not be written
 */
struct flush_request {
	struct request request;
	struct op op;
	uint64_t ino;
	uint64_t owner; /* of the POSIX locks */
	struct handle *handle;
};

static void flush_flushed(struct request *request);
static void flush_called(struct request *request, int error, const struct op_reply *reply);

static struct flush_request *flush_of(struct request *request)
{
	return container_of(request, struct flush_request, request);
}

static void op_flush(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct flush_request *flush = request_new(fuse, sizeof *flush);

	if (!flush)
		return;
	flush->ino = ino;
	flush->owner = info->lock_owner;
	flush->handle = handle_of(info);
	flush->request.given_up = flush_flushed;
	/* Before the reply: locks that the process takes through another handle after it are kept. */
	handle_remove_owner(flush->handle, LOCK_POSIX, flush->owner);
	request_write_back(&flush->request, ino, flush_flushed);
}

static int flush_error(const struct flush_request *flush)
{
	return node_close_error(flush->request.front->nodes, flush->ino, &flush->handle->errors);
}

static void flush_flushed(struct request *request)
{
	struct flush_request *flush = flush_of(request);

	if (!node_has(request->front->nodes, flush->ino, NODE_LOCKED)) {
		request_reply_error(request, flush_error(flush));
		return;
	}
	flush->op = (struct op){
		.kind = OP_LOCK,
		.lock = {.ino = flush->ino, .lock = lock_whole(LOCK_POSIX, FS_LOCK_NONE, flush->owner)},
	};
	request_call(request, &flush->op, NULL, flush_called);
}

static void flush_called(struct request *request, int error, const struct op_reply *reply)
{
	struct flush_request *flush = flush_of(request);
	int write_error = flush_error(flush);

	(void)reply;
	if (error == -EINTR) /* given up: the locks have to be dropped all the same */
		background_run(request->front, lane_loop(request->lane), &flush->op);
	node_wake_lockers(request->front->nodes, flush->ino);
	request_reply_error(request, write_error ? write_error : error);
}

/* ---- The locks of a handle that is released ---- */

void locks_release(struct request *request, const struct handle *handle)
{
	for (size_t i = 0; i < handle->owner_count; i++) {
		const struct handle_owner *owner = &handle->owners[i];
		const struct op op = {
			.kind = OP_LOCK,
			.lock = {.ino = handle->ino,
				.lock = lock_whole(owner->kind, FS_LOCK_NONE, owner->owner)},
		};

		background_release_lock(request->front, lane_loop(request->lane), &op);
	}
}

void ops_locks(struct fuse_lowlevel_ops *operations)
{
	operations->getlk = op_getlk;
	operations->flush = op_flush;
}
