/*
 * Taking and dropping locks, POSIX and OFD (fcntl) and flock: SETLK, SETLKW, INTERRUPT.
 *
 * The evaluator decides and never waits. A blocking request that is refused waits here until a lock of the inode is
 * dropped, and asks again. Wake-ups cannot be lost: `drops` is read before the question, and waiting is refused if a
 * lock was dropped since.
 *
 * Among the waiting requests of all mounts the evaluator keeps the order in which they first asked (lock_queue.h), as
 * long as they go on asking, or are woken in time. A mount does not hear of locks that another mount drops. So a
 * request that is blocked by another mount's lock, or by another mount's request before it in the queue, asks again
 * after a rest. The rest grows with the number of requests before it, and with the number of its questions from the
 * same place in the queue, up to ASK_AGAIN_MOST_MS, so that it stays a small part of the whole wait. A request that is
 * blocked by a lock of this mount waits for its drop instead, so that a cycle of waiting owners is found as a whole. A
 * request that gives up tells the evaluator, so that no other request waits for it.
 *
 * The owner of a lock sees all data that earlier owners wrote while they held it: old pages and attributes are dropped
 * before the reply.
 */
#include <errno.h>
#include <sys/file.h>

#include "fs/vfs/background.h"
#include "fs/vfs/handle.h"
#include "fs/vfs/locks.h"
#include "fs/vfs/ops.h"
#include "fs/vfs/reply.h"
#include "proto/backoff.h"
#include "proto/container.h"
#include "proto/units.h"

#define ASK_AGAIN_FIRST_MS UINT64_C(4)
#define ASK_AGAIN_MOST_MS  UINT64_C(256)
#define ASKS_A_REST	   8u /* questions from one place in the queue after which the rest doubles */
#define SESSION_FIRST_MS   UINT64_C(8)
#define UNLOCK_TRIES_MAX   8u

/*
 * ---- SETLK, SETLKW, FLOCK ----
 *
 *   op_setlk, op_flock
 *   setlk_start       writes out buffered data
 *   setlk_ask         proposes the lock
 *   setlk_called      has the answer:
 *
 * The lock was set or dropped:
 *   setlk_settled     replies, once old pages have been dropped
 *
 * The lock was refused:
 *   setlk_refuse      not blocking: waits only for locks that a close is dropping
 *   setlk_wait        blocking: joins the inode's waiters
 *   setlk_go_on       woken, or after a rest: setlk_ask
 *
 * The session has ended:
 *   setlk_wait_for_session   an unlock asks again in the next session: setlk_ask
 */
struct setlk {
	struct request request;
	struct op op;
	uint64_t ino;
	uint64_t drops; /* node_lock_drops before the last question */
	struct node_waiter waiter;
	struct env_timer timer; /* of a rest, or of an unlock's wait for the next session */
	uint32_t before; /* requests before it in the queue, in the last answer */
	uint32_t rests; /* since `before` changed; of an unlock: tries */
	bool is_blocking;
	bool is_queued; /* was refused, and is in the evaluator's queue */
	bool is_cycle; /* the last wait would have closed a cycle */
};

static void setlk_start(struct setlk *setlk, fuse_ino_t ino, const struct fuse_file_info *info,
	const struct lock *lock, bool sleep);
static void setlk_ask(struct request *request);
static void setlk_called(struct request *request, int error, const struct op_reply *reply);
static void setlk_settled(struct request *request);
static void setlk_refuse(struct setlk *setlk, const struct lock *blocker);
static void setlk_wait(struct setlk *setlk, const struct op_reply *reply);
static void setlk_go_on(struct setlk *setlk);
static bool setlk_wait_for_session(struct setlk *setlk);
static void setlk_given_up(struct request *request);
static void setlk_reply(struct setlk *setlk, int error);

static struct setlk *setlk_of(struct request *request)
{
	return container_of(request, struct setlk, request);
}

static void op_setlk(
	fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *info, struct flock *flock, int sleep)
{
	struct setlk *setlk = request_new(fuse, sizeof *setlk);
	struct lock lock;

	if (!setlk)
		return;
	lock = lock_of(setlk->request.front, flock, info->lock_owner);
	setlk_start(setlk, ino, info, &lock, sleep);
}

static void op_flock(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *info, int operation)
{
	struct setlk *setlk = request_new(fuse, sizeof *setlk);
	int what = operation & ~LOCK_NB;
	struct lock lock = lock_whole(LOCK_FLOCK,
		what == LOCK_SH	  ? FS_LOCK_READ
		: what == LOCK_EX ? FS_LOCK_WRITE
				  : FS_LOCK_NONE,
		info->lock_owner);

	if (setlk)
		setlk_start(setlk, ino, info, &lock, !(operation & LOCK_NB));
}

/* The handle remembers the owners of the locks taken through it, and its release drops them: the only end of OFD
 * locks and flocks that are not unlocked. */
static void setlk_start(struct setlk *setlk, fuse_ino_t ino, const struct fuse_file_info *info,
	const struct lock *lock, bool sleep)
{
	struct request *request = &setlk->request;
	bool is_unlock = lock->type == FS_LOCK_NONE;
	bool is_blocking = sleep && !is_unlock;
	int result = is_unlock ? 0 : handle_add_owner(handle_of(info), lock->kind, lock->owner);

	setlk->ino = ino;
	if (result == 0 && is_blocking)
		result = waits_add(request->front->waits, request->unique, request);
	if (result < 0) {
		request_reply_error(request, result);
		return;
	}
	request->given_up = setlk_given_up;
	setlk->is_blocking = is_blocking;
	setlk->op = (struct op){
		.kind = OP_LOCK,
		.lock = {.ino = ino, .lock = *lock, .waits = is_blocking},
	};
	node_set(request->front->nodes, ino, NODE_LOCKED);
	request_write_back(request, ino, setlk_ask);
}

static void setlk_ask(struct request *request)
{
	struct setlk *setlk = setlk_of(request);

	setlk->drops = node_lock_drops(request->front->nodes, setlk->ino);
	request_call(request, &setlk->op, NULL, setlk_called);
}

static void setlk_called(struct request *request, int error, const struct op_reply *reply)
{
	struct setlk *setlk = setlk_of(request);
	enum lock_type type = setlk->op.lock.lock.type;

	if (error == -EAGAIN && setlk->is_blocking) {
		setlk->is_queued = true;
		setlk_wait(setlk, reply);
		return;
	}
	if (error == -EAGAIN) {
		setlk_refuse(setlk, &reply->blocker);
		return;
	}
	if (error == -EIO && setlk_wait_for_session(setlk))
		return;
	if (error) {
		setlk_reply(setlk, error);
		return;
	}
	if (type != FS_LOCK_WRITE) /* a read lock may replace a write lock */
		node_wake_lockers(request->front->nodes, setlk->ino);
	if (reply->has_attributes && type != FS_LOCK_NONE)
		request_renew(request, &reply->attributes);
	request_settle(request, setlk_settled);
}

static void setlk_settled(struct request *request)
{
	setlk_reply(setlk_of(request), 0);
}

/* ---- Refused ---- */

static void on_setlk_woken(struct env_mail *mail)
{
	setlk_go_on(container_of(mail, struct setlk, waiter.mail));
}

/* The conflicting lock may be one whose last close(2) has returned: the kernel does not wait for RELEASE. */
static void setlk_refuse(struct setlk *setlk, const struct lock *blocker)
{
	struct request *request = &setlk->request;
	struct front *front = request->front;
	int result = -ENOENT;

	setlk->waiter = (struct node_waiter){.loop = lane_loop(request->lane), .wake = on_setlk_woken};
	if (blocker->session == client_session(front->options.client))
		result = node_wait_release(front->nodes, setlk->ino, setlk->drops, &setlk->waiter);
	if (result == -EAGAIN)
		setlk_ask(request);
	else if (result < 0)
		setlk_reply(setlk, -EAGAIN);
}

static void on_setlk_rested(struct env_timer *timer)
{
	struct setlk *setlk = container_of(timer, struct setlk, timer);

	if (node_cancel_wait(setlk->request.front->nodes, setlk->ino, &setlk->waiter))
		setlk_go_on(setlk);
}

/* Half of the rest is random, so that waiting requests do not ask at the same time. */
static void setlk_ask_again_later(struct setlk *setlk, uint32_t before)
{
	struct env *env = setlk->request.front->options.env;
	uint64_t first = ASK_AGAIN_FIRST_MS * (UINT64_C(1) + before);
	const struct backoff rests = {
		.first = (first < ASK_AGAIN_MOST_MS ? first : ASK_AGAIN_MOST_MS) * NS_PER_MS,
		.most = ASK_AGAIN_MOST_MS * NS_PER_MS,
	};

	if (before != setlk->before)
		setlk->rests = 0;
	setlk->before = before;
	env_timer_start(&setlk->timer, lane_loop(setlk->request.lane),
		env_now(env) + backoff_draw(&rests, setlk->rests++ / ASKS_A_REST, env), on_setlk_rested);
}

/* A blocker that is about to be woken may still be listed as waiting: a cycle counts only when found twice in a row. */
static void setlk_wait(struct setlk *setlk, const struct op_reply *reply)
{
	struct request *request = &setlk->request;
	struct front *front = request->front;
	const struct lock *wanted = &setlk->op.lock.lock, *blocker = &reply->blocker;
	bool is_ours = blocker->session == client_session(front->options.client);
	bool was_cycle = setlk->is_cycle;
	int result;

	setlk->waiter = (struct node_waiter){
		.loop = lane_loop(request->lane),
		.wake = on_setlk_woken,
		.has_blocker = wanted->kind == LOCK_POSIX && is_ours,
		.owner = wanted->owner,
		.blocker = blocker->owner,
	};
	result = node_wait_lock(front->nodes, setlk->ino, setlk->drops, &setlk->waiter);
	setlk->is_cycle = result == -EDEADLK;
	if (setlk->is_cycle && was_cycle)
		setlk_reply(setlk, -EDEADLK);
	else if (result < 0)
		setlk_ask(request);
	else if (waits_is_interrupted(front->waits, request->unique) &&
		 node_cancel_wait(front->nodes, setlk->ino, &setlk->waiter))
		setlk_reply(setlk, -EINTR);
	else if (!is_ours) /* else its drop wakes the request at once */
		setlk_ask_again_later(setlk, reply->before);
}

/* The request is in no list now: it was woken, or taken out of its wait. */
static void setlk_go_on(struct setlk *setlk)
{
	struct request *request = &setlk->request;

	env_timer_stop(&setlk->timer);
	if (setlk->is_blocking && waits_is_interrupted(request->front->waits, request->unique))
		setlk_reply(setlk, -EINTR);
	else
		setlk_ask(request);
}

/* ---- The session has ended ---- */

static void on_session_rested(struct env_timer *timer)
{
	setlk_ask(&container_of(timer, struct setlk, timer)->request);
}

/* For an unlock at the end of the session. Its lock ended with the session, so it asks again in the next session,
 * which is being opened and has no locks. False: it is no unlock, or has tried UNLOCK_TRIES_MAX times. */
static bool setlk_wait_for_session(struct setlk *setlk)
{
	struct env *env = setlk->request.front->options.env;

	if (setlk->op.lock.lock.type != FS_LOCK_NONE || setlk->rests == UNLOCK_TRIES_MAX)
		return false;
	env_timer_start(&setlk->timer, lane_loop(setlk->request.lane),
		env_now(env) + (SESSION_FIRST_MS << setlk->rests++) * NS_PER_MS, on_session_rested);
	return true;
}

/* ---- The end of a lock's request ---- */

/* While it waits for the flush, before it has asked for the lock. */
static void setlk_given_up(struct request *request)
{
	if (setlk_of(request)->is_blocking)
		waits_remove(request->front->waits, request->unique);
	request_reply_error(request, -EINTR);
}

/* Proposes an unlock, which takes the request out of the evaluator's queue. */
static void setlk_leave_queue(struct setlk *setlk)
{
	struct op op = setlk->op;

	op.lock.lock.type = FS_LOCK_NONE;
	background_run(setlk->request.front, lane_loop(setlk->request.lane), &op);
}

static void setlk_reply(struct setlk *setlk, int error)
{
	struct request *request = &setlk->request;

	if (setlk->is_blocking)
		waits_remove(request->front->waits, request->unique);
	/* -EINTR: a proposal that was given up may still be refused, and then joins the queue. */
	if (setlk->is_blocking && (setlk->is_queued || error == -EINTR) && error)
		setlk_leave_queue(setlk);
	request_reply_error(request, error);
}

/* ---- INTERRUPT: ends waits for locks only; other requests go on ---- */

/* Under the registry's mutex: takes the request out of its wait, if it waits; it replies on its own loop. */
static void setlk_wake_interrupted(struct request *request)
{
	struct setlk *setlk = setlk_of(request);

	if (node_cancel_wait(request->front->nodes, setlk->ino, &setlk->waiter))
		env_post(setlk->waiter.loop, &setlk->waiter.mail, setlk->waiter.wake);
}

void ops_interrupt(struct lane *lane, uint64_t unique, void *userdata)
{
	struct front *front = userdata;

	(void)lane;
	waits_interrupt(front->waits, unique, setlk_wake_interrupted);
}

void locks_end_waits(struct front *front)
{
	waits_interrupt_all(front->waits, setlk_wake_interrupted);
}

void ops_setlk(struct fuse_lowlevel_ops *operations)
{
	operations->setlk = op_setlk;
	operations->flock = op_flock;
}
