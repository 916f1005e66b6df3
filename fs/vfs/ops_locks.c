/*
 * Locks: POSIX and OFD (fcntl), flock, FLUSH and what a closing handle gives back.
 *
 * The evaluator decides; it never waits. A blocking request that is refused waits here for a lock of the inode to be
 * dropped and asks again. Lost wake-ups are impossible: `drops` is read before asking, and waiting is refused when a
 * lock was dropped since.
 *
 * Among those who wait, on all mounts, the evaluator keeps the order in which they first asked (lock_queue.h), as long as
 * they go on asking, or are woken in time. What another mount drops is not heard of: while its lock is in the way, or somebody's turn comes
 * first, the request asks again after a rest. The rest is short, and longer for who has others before it or has asked
 * often from the same place, so that it is a small part of the time waited; ASK_AGAIN_MOST_MS at most. Behind a lock of
 * this mount a request waits, so that a circle of those who wait is seen whole. Who gives up says so: nobody is to wait
 * for it.
 *
 * Who was given a lock sees what others wrote while they held it: old pages and attributes have gone before the answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "fs/vfs/request.h"
#include "fs/vfs/waits.h"
#include "proto/units.h"

#define ASK_AGAIN_FIRST_MS UINT64_C(4)
#define ASK_AGAIN_MOST_MS  UINT64_C(256)
#define ASKS_A_REST	   8u /* after so many from one place the rest doubles */
#define SESSION_FIRST_MS   UINT64_C(8)
#define UNLOCK_TRIES_MAX   8u

static enum lock_type type_of(int type)
{
	return type == F_RDLCK ? FS_LOCK_READ : type == F_WRLCK ? FS_LOCK_WRITE : FS_LOCK_NONE;
}

static struct lock lock_of(const struct front *front, const struct flock *flock, uint64_t owner)
{
	return (struct lock){
		.kind = LOCK_POSIX,
		.type = type_of(flock->l_type),
		.session = client_session(front->options.client),
		.owner = owner,
		.start = (uint64_t)flock->l_start,
		.end = flock->l_len == 0 ? INT64_MAX : (uint64_t)flock->l_start + (uint64_t)flock->l_len - 1,
		.pid = (uint32_t)flock->l_pid,
	};
}

static struct lock whole(enum lock_kind kind, enum lock_type type, uint64_t owner)
{
	return (struct lock){.kind = kind, .type = type, .owner = owner, .end = INT64_MAX};
}

/* ---- GETLK ---- */

static void getlk_done(struct request *request)
{
	const struct lock *blocker = &request->blocker;
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

static void op_getlk(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *info, struct flock *flock)
{
	struct request *request = request_new(fuse);

	if (!request)
		return;
	request->ino = ino;
	request->op.lock.lock = lock_of(request->front, flock, info->lock_owner);
	request_ask(request,
		(struct question){.kind = QUESTION_LOCK, .ino = ino, .lock = request->op.lock.lock},
		getlk_done);
}

/* ---- SETLK, FLOCK ---- */

static void set_lock(struct request *request);

/* Its place among those who wait goes, and no lock. */
static void leave_queue(struct request *request)
{
	struct op op = request->op;

	op.lock.lock.type = FS_LOCK_NONE;
	request_background(request->front, lane_loop(request->lane), &op);
}

static void set_lock_reply(struct request *request, int error)
{
	if (request->is_blocking)
		waits_remove(request->front->waits, request->unique);
	/* A call that was given up may be refused yet. */
	if (request->is_blocking && (request->is_queued || error == -EINTR) && error)
		leave_queue(request);
	request_reply_error(request, error);
}

/* Nobody else has the request now: it was woken, or taken out of its wait. */
static void go_on(struct request *request)
{
	env_timer_stop(&request->timer);
	if (request->is_blocking && waits_is_interrupted(request->front->waits, request->unique))
		set_lock_reply(request, -EINTR);
	else
		set_lock(request);
}

static void wait_is_over(struct env_mail *mail)
{
	go_on(request_of_wake(mail));
}

static void on_timer(struct env_timer *timer)
{
	struct request *request = request_of_timer(timer);

	if (node_cancel_wait(request->front->nodes, request->ino, &request->waiter))
		go_on(request);
}

/* At random, so that those who wait do not come together. */
static void ask_again_later(struct request *request, uint32_t before)
{
	uint64_t most = ASK_AGAIN_MOST_MS * NS_PER_MS;
	uint64_t rest = ASK_AGAIN_FIRST_MS * NS_PER_MS * (UINT64_C(1) + before);
	uint32_t chance;

	if (before != request->before)
		request->waits = 0;
	request->before = before;
	rest <<= request->waits / ASKS_A_REST;
	if (rest < most)
		request->waits++;
	else
		rest = most;
	env_random(request->front->options.env, &chance, sizeof chance);
	env_timer_start(&request->timer, lane_loop(request->lane),
		env_now(request->front->options.env) + rest / 2 + chance % (rest / 2), on_timer);
}

/* A blocker that was woken when it asked may still look as if it waited: a cycle must be found twice in a row. */
static void wait_for_lock(struct request *request, const struct op_reply *reply)
{
	struct front *front = request->front;
	const struct lock *wanted = &request->op.lock.lock, *blocker = &reply->blocker;
	bool is_ours = blocker->session == client_session(front->options.client);
	bool was_cycle = request->is_cycle;
	int result;

	request->waiter = (struct node_waiter){
		.loop = lane_loop(request->lane),
		.wake = wait_is_over,
		.has_blocker = wanted->kind == LOCK_POSIX && is_ours,
		.owner = wanted->owner,
		.blocker = blocker->owner,
	};
	result = node_wait_lock(front->nodes, request->ino, request->drops, &request->waiter);
	request->is_cycle = result == -EDEADLK;
	if (request->is_cycle && was_cycle)
		set_lock_reply(request, -EDEADLK);
	else if (result < 0)
		set_lock(request);
	else if (waits_is_interrupted(front->waits, request->unique) &&
		 node_cancel_wait(front->nodes, request->ino, &request->waiter))
		set_lock_reply(request, -EINTR);
	else if (!is_ours) /* else its drop wakes the request at once */
		ask_again_later(request, reply->before);
}

/* What is in the way may be a lock whose last close has returned: the kernel does not wait for RELEASE. */
static void refuse_lock(struct request *request, const struct lock *blocker)
{
	struct front *front = request->front;
	int result = -ENOENT;

	request->waiter = (struct node_waiter){.loop = lane_loop(request->lane), .wake = wait_is_over};
	if (blocker->session == client_session(front->options.client))
		result = node_wait_release(front->nodes, request->ino, request->drops, &request->waiter);
	if (result == -EAGAIN)
		set_lock(request);
	else if (result < 0)
		set_lock_reply(request, -EAGAIN);
}

static void lock_settled(struct request *request)
{
	set_lock_reply(request, 0);
}

static void unlock_again(struct env_timer *timer)
{
	set_lock(request_of_timer(timer));
}

/* An unlock that met the end of the session: what it was to drop has gone with it, and the next session, which is being
 * opened, knows of no lock. False: too often. */
static bool wait_for_session(struct request *request)
{
	struct env *env = request->front->options.env;

	if (request->op.lock.lock.type != FS_LOCK_NONE || request->waits == UNLOCK_TRIES_MAX)
		return false;
	env_timer_start(&request->timer, lane_loop(request->lane),
		env_now(env) + (SESSION_FIRST_MS << request->waits++) * NS_PER_MS, unlock_again);
	return true;
}

static void lock_called(struct client_call *call, int error, const struct op_reply *reply)
{
	struct request *request = request_of_call(call);
	bool may_let_in =
		request->op.lock.lock.type != FS_LOCK_WRITE; /* a read lock may replace a write lock */

	if (error == -EAGAIN && request->is_blocking) {
		request->is_queued = true;
		wait_for_lock(request, reply);
		return;
	}
	if (error == -EAGAIN) {
		refuse_lock(request, &reply->blocker);
		return;
	}
	if (error == -EIO && wait_for_session(request))
		return;
	if (!error && may_let_in)
		node_wake_lockers(request->front->nodes, request->ino);
	if (error) {
		set_lock_reply(request, error);
		return;
	}
	if (reply->has_attributes && request->op.lock.lock.type != FS_LOCK_NONE)
		request_renew(request, &reply->attributes);
	request_settle(request, lock_settled);
}

static void set_lock(struct request *request)
{
	request->drops = node_lock_drops(request->front->nodes, request->ino);
	request_call(request, NULL, lock_called);
}

static void start_lock(struct request *request, fuse_ino_t ino, const struct lock *lock, bool sleep)
{
	request->ino = ino;
	request->op = (struct op){.kind = OP_LOCK, .lock = {.ino = ino, .lock = *lock}};
	request->is_blocking = sleep && lock->type != FS_LOCK_NONE;
	request->unique = lane_unique(request->lane);
	if (request->is_blocking && waits_add(request->front->waits, request->unique, request) < 0) {
		request->is_blocking = false;
		request_reply_error(request, -ENOMEM);
		return;
	}
	request->op.lock.waits = request->is_blocking;
	node_set(request->front->nodes, ino, NODE_LOCKED);
	request_flush(request, ino, set_lock);
}

/* The handle remembers whose locks were taken through it, for its release: OFD locks and flocks have no other end. */
static void note_and_start(struct request *request, fuse_ino_t ino, const struct fuse_file_info *info,
	const struct lock *lock, bool sleep)
{
	struct handle *handle = (struct handle *)(uintptr_t)info->fh;
	int result = lock->type == FS_LOCK_NONE ? 0 : handle_add_owner(handle, lock->kind, lock->owner);

	if (result < 0)
		request_reply_error(request, result);
	else
		start_lock(request, ino, lock, sleep);
}

static void op_setlk(
	fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *info, struct flock *flock, int sleep)
{
	struct request *request = request_new(fuse);
	struct lock lock;

	if (!request)
		return;
	lock = lock_of(request->front, flock, info->lock_owner);
	note_and_start(request, ino, info, &lock, sleep);
}

static void op_flock(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *info, int operation)
{
	struct request *request = request_new(fuse);
	int what = operation & ~LOCK_NB;
	struct lock lock = whole(LOCK_FLOCK,
		what == LOCK_SH	  ? FS_LOCK_READ
		: what == LOCK_EX ? FS_LOCK_WRITE
				  : FS_LOCK_NONE,
		info->lock_owner);

	if (request)
		note_and_start(request, ino, info, &lock, !(operation & LOCK_NB));
}

/* ---- Interrupts ---- */

/* Under the registry's mutex: takes the request out of its wait, if it waits, and lets its own loop answer. */
static void wake_interrupted(struct request *request)
{
	if (node_cancel_wait(request->front->nodes, request->ino, &request->waiter))
		env_post(request->waiter.loop, &request->waiter.mail, request->waiter.wake);
}

/* Only lock waits answer to interrupts; whatever else was interrupted goes on. */
void ops_interrupt(struct lane *lane, uint64_t unique, void *userdata)
{
	struct front *front = userdata;

	(void)lane;
	waits_interrupt(front->waits, unique, wake_interrupted);
}

void locks_end_waits(struct front *front)
{
	waits_interrupt_all(front->waits, wake_interrupted);
}

/* ---- FLUSH and RELEASE ---- */

static int close_error(const struct request *request)
{
	const struct handle *handle = (const struct handle *)(uintptr_t)request->info.fh;

	return node_close_error(request->front->nodes, request->ino, &handle->errors);
}

static void flush_called(struct client_call *call, int error, const struct op_reply *reply)
{
	struct request *request = request_of_call(call);
	int write_error = close_error(request);

	(void)reply;
	if (error == -EINTR) /* given up; the lock is to go all the same */
		request_background(request->front, lane_loop(request->lane), &request->op);
	node_wake_lockers(request->front->nodes, request->ino);
	request_reply_error(request, write_error ? write_error : error);
}

static void flush_written(struct request *request)
{
	if (!node_has(request->front->nodes, request->ino, NODE_LOCKED)) {
		request_reply_error(request, close_error(request));
		return;
	}
	request->op = (struct op){
		.kind = OP_LOCK,
		.lock = {.ino = request->ino,
			.lock = whole(LOCK_POSIX, FS_LOCK_NONE, request->info.lock_owner)},
	};
	request_call(request, NULL, flush_called);
}

/* close(2): what was written becomes durable, and POSIX locks of the closing process go. */
static void op_flush(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct request *request = request_new(fuse);

	if (!request)
		return;
	request->ino = ino;
	request->info = *info;
	/* Before the reply: the same process may lock again through another handle, and keeps that. */
	handle_remove_owner((struct handle *)(uintptr_t)info->fh, LOCK_POSIX, info->lock_owner);
	request_flush(request, ino, flush_written);
}

void locks_release(struct request *request, const struct handle *handle)
{
	for (size_t i = 0; i < handle->owner_count; i++) {
		const struct handle_owner *owner = &handle->owners[i];
		struct op op = {
			.kind = OP_LOCK,
			.lock = {.ino = handle->ino, .lock = whole(owner->kind, FS_LOCK_NONE, owner->owner)},
		};

		request_release_lock(request->front, lane_loop(request->lane), &op);
	}
}

void ops_locks(struct fuse_lowlevel_ops *operations)
{
	operations->getlk = op_getlk;
	operations->setlk = op_setlk;
	operations->flock = op_flock;
	operations->flush = op_flush;
}
