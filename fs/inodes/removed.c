#include "fs/inodes/removed.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <utlist.h>

#include "proto/container.h"
#include "proto/hash.h"
#include "proto/plant.h"

#define RELEASE_DELAY_NS UINT64_C(20000000)
#define RELEASE_AGAIN_NS UINT64_C(1000000000)
#define ROUND_MAX	 256u

struct removed_item {
	uint64_t ino;
	bool is_kept; /* held until its last close; else until the kernel has forgotten it */
	bool is_sure; /* the session holds it for sure */
	bool is_forgotten; /* forgotten by the kernel, or closed: in the list of forgotten items */
	struct removed_item *prev;
	struct removed_item *next;
	UT_hash_handle hh;
};

struct leaving {
	uint64_t ino;
	bool is_kept; /* as of its item: it was closed, and the kernel is not asked */
};

/*
 * A round: a timer; the question to the kernel which of the forgotten inodes it no longer knows; their releases.
 * `is_busy` is set from the mail that starts the timer to the end of the last release.
 */
struct removed {
	struct removed_options options;
	pthread_mutex_t mutex; /* of the items, the list and is_busy */
	struct removed_item *items;
	struct removed_item *forgotten;
	bool is_busy;
	atomic_uint_fast64_t count;
	/* The round's: */
	struct env_mail arm;
	struct env_timer timer;
	struct env_work work;
	struct leaving leaving[ROUND_MAX];
	size_t leaving_count;
	bool is_releasing; /* the inodes in `leaving` are being released */
	size_t released; /* how many of `leaving` were released or are in the current operation */
	size_t sent; /* index in `leaving` of the current operation's first inode */
	struct client_call call;
	void (*stopped)(void *argument);
	void *stopped_argument;
};

int removed_new(const struct removed_options *options, struct removed **out)
{
	struct removed *removed = calloc(1, sizeof *removed);

	if (!removed)
		return -ENOMEM;
	removed->options = *options;
	pthread_mutex_init(&removed->mutex, NULL);
	*out = removed;
	return 0;
}

void removed_free(struct removed *removed)
{
	struct removed_item *item, *next;

	if (!removed)
		return;
	HASH_ITER (hh, removed->items, item, next) {
		HASH_DEL(removed->items, item);
		free(item);
	}
	pthread_mutex_destroy(&removed->mutex);
	free(removed);
}

static struct removed_item *removed_find(struct removed *removed, uint64_t ino)
{
	struct removed_item *item;

	HASH_FIND(hh, removed->items, &ino, sizeof ino, item);
	return item;
}

static struct removed_item *new_item(struct removed *removed, uint64_t ino)
{
	struct removed_item *item = calloc(1, sizeof *item);

	if (!item)
		return NULL;
	item->ino = ino;
	item->is_kept = true;
	HASH_ADD(hh, removed->items, ino, sizeof item->ino, item);
	atomic_fetch_add(&removed->count, 1);
	return item;
}

/* Without `is_kept` for an item that is kept: this mount removed the inode, and the answer came late. The item is then
 * held until the kernel has forgotten it. */
static void removed_note(struct removed *removed, uint64_t ino, bool is_kept, bool is_sure)
{
	struct removed_item *item;

	pthread_mutex_lock(&removed->mutex);
	item = removed_find(removed, ino);
	if (!item)
		item = new_item(removed, ino);
	if (item) {
		item->is_kept = item->is_kept && is_kept;
		item->is_sure = item->is_sure || is_sure;
	}
	pthread_mutex_unlock(&removed->mutex);
	if (!item)
		log_warn(removed->options.logger,
			"msg=\"out of memory: an inode is held until unmounting\" inode=%lu", ino);
}

void removed_add(struct removed *removed, uint64_t ino)
{
	removed_note(removed, ino, false, true);
}

void removed_keep(struct removed *removed, uint64_t ino, bool is_sure)
{
	removed_note(removed, ino, true, is_sure);
}

bool removed_has(struct removed *removed, uint64_t ino)
{
	const struct removed_item *item;
	bool has;

	if (atomic_load(&removed->count) == 0)
		return false;
	pthread_mutex_lock(&removed->mutex);
	item = removed_find(removed, ino);
	has = item && item->is_sure;
	pthread_mutex_unlock(&removed->mutex);
	return has;
}

bool removed_is_ending(struct removed *removed, uint64_t ino)
{
	bool is_ending = false;

	pthread_mutex_lock(&removed->mutex);
	for (size_t i = 0; removed->is_releasing && i < removed->leaving_count; i++)
		is_ending = is_ending || removed->leaving[i].ino == ino;
	pthread_mutex_unlock(&removed->mutex);
	return is_ending;
}

static void remove_item(struct removed *removed, struct removed_item *item)
{
	if (item->is_forgotten)
		DL_DELETE(removed->forgotten, item);
	HASH_DEL(removed->items, item);
	atomic_fetch_sub(&removed->count, 1);
	free(item);
}

void removed_drop(struct removed *removed, uint64_t ino)
{
	struct removed_item *item;

	if (atomic_load(&removed->count) == 0)
		return;
	pthread_mutex_lock(&removed->mutex);
	item = removed_find(removed, ino);
	if (item)
		remove_item(removed, item);
	pthread_mutex_unlock(&removed->mutex);
}

/* ---- A round ---- */

static void on_removed_timer(struct env_timer *timer);

static void wait_for_more(struct removed *removed)
{
	env_timer_start(&removed->timer, removed->options.loop,
		env_now(env_loop_env(removed->options.loop)) + RELEASE_DELAY_NS, on_removed_timer);
}

static void become_idle(struct removed *removed)
{
	pthread_mutex_lock(&removed->mutex);
	removed->is_busy = false;
	pthread_mutex_unlock(&removed->mutex);
	if (removed->stopped)
		removed->stopped(removed->stopped_argument);
}

static void end_round(struct removed *removed)
{
	bool has_more;

	pthread_mutex_lock(&removed->mutex);
	removed->is_releasing = false;
	has_more = removed->forgotten && !removed->stopped;
	removed->is_busy = has_more;
	pthread_mutex_unlock(&removed->mutex);
	if (has_more)
		wait_for_more(removed);
	else
		become_idle(removed);
}

static void release_next(struct removed *removed);

static void on_retry_timer(struct env_timer *timer)
{
	release_next(container_of(timer, struct removed, timer));
}

/* Sends the same operation again: otherwise its inodes would be held until the session ends. (EIO: it has ended.) */
static void release_later(struct removed *removed)
{
	removed->released = removed->sent;
	env_timer_start(&removed->timer, removed->options.loop,
		env_now(env_loop_env(removed->options.loop)) + RELEASE_AGAIN_NS, on_retry_timer);
}

static void on_released(struct client_call *call, int error, const struct op_reply *reply)
{
	struct removed *removed = container_of(call, struct removed, call);

	(void)reply;
	if (error)
		log_warn(removed->options.logger, "msg=\"releasing removed inodes failed\" error=%d", error);
	if (error && error != -EIO && !removed->stopped)
		release_later(removed);
	else
		release_next(removed);
}

/* Takes inodes with the same directory id: files that were created in one directory are in one region. */
static struct op next_release(struct removed *removed)
{
	struct op op = {.kind = OP_RELEASE};
	struct op_release *release = &op.release;

	while (removed->released < removed->leaving_count && release->count < OP_RELEASE_COUNT_MAX) {
		uint64_t ino = removed->leaving[removed->released].ino;

		if (release->count > 0 && fs_ino_dirid(ino) != fs_ino_dirid(release->inos[0]))
			break;
		release->inos[release->count++] = ino;
		removed->released++;
	}
	return op;
}

static void release_next(struct removed *removed)
{
	struct op op;
	int result;

	removed->sent = removed->released;
	op = next_release(removed);
	if (op.release.count == 0) {
		end_round(removed);
		return;
	}
	removed->call.loop = removed->options.loop;
	removed->call.done = on_released;
	result = client_call(removed->options.client, &removed->call, &op, NULL);
	if (result < 0)
		on_released(&removed->call, result, NULL);
}

static bool is_needed(const struct removed *removed, const struct leaving *leaving)
{
	if (planted("fs:forgotten_while_known"))
		return false;
	return !leaving->is_kept && removed->options.is_known(removed->options.argument, leaving->ino);
}

/* On a worker. */
static void ask_kernel(struct env_work *work)
{
	struct removed *removed = container_of(work, struct removed, work);
	size_t left = 0;

	for (size_t i = 0; i < removed->leaving_count; i++)
		if (!is_needed(removed, &removed->leaving[i]))
			removed->leaving[left++] = removed->leaving[i];
	removed->leaving_count = left;
}

/* Under the mutex: an open after this finds that the inode is not held. False: it is not released now. */
static bool take_out(struct removed *removed, const struct leaving *leaving)
{
	struct removed_item *item = removed_find(removed, leaving->ino);

	if (!item || item->is_kept != leaving->is_kept)
		return false;
	if (item->is_kept && removed->options.is_open(removed->options.open_argument, item->ino))
		return false;
	remove_item(removed, item);
	return true;
}

static void on_asked(struct env_work *work)
{
	struct removed *removed = container_of(work, struct removed, work);
	size_t left = 0;

	pthread_mutex_lock(&removed->mutex);
	for (size_t i = 0; i < removed->leaving_count; i++)
		if (take_out(removed, &removed->leaving[i]))
			removed->leaving[left++] = removed->leaving[i];
	removed->leaving_count = left;
	removed->is_releasing = true;
	pthread_mutex_unlock(&removed->mutex);
	removed->released = 0;
	release_next(removed);
}

static void on_removed_timer(struct env_timer *timer)
{
	struct removed *removed = container_of(timer, struct removed, timer);

	removed->leaving_count = 0;
	pthread_mutex_lock(&removed->mutex);
	while (removed->forgotten && removed->leaving_count < ROUND_MAX) {
		struct removed_item *item = removed->forgotten;

		DL_DELETE(removed->forgotten, item);
		item->is_forgotten = false;
		removed->leaving[removed->leaving_count++] =
			(struct leaving){.ino = item->ino, .is_kept = item->is_kept};
	}
	pthread_mutex_unlock(&removed->mutex);
	env_work_submit(removed->options.loop, &removed->work, ask_kernel, on_asked);
}

static void on_arm(struct env_mail *mail)
{
	struct removed *removed = container_of(mail, struct removed, arm);

	if (removed->stopped)
		become_idle(removed);
	else
		wait_for_more(removed);
}

/* Under the mutex. True: a round is to begin. */
static bool note_forgotten(struct removed *removed, uint64_t ino, bool is_closed)
{
	struct removed_item *item = removed_find(removed, ino);
	bool was_busy = removed->is_busy;

	if (!item || item->is_forgotten || item->is_kept != is_closed)
		return false;
	item->is_forgotten = true;
	DL_APPEND(removed->forgotten, item);
	removed->is_busy = true;
	return !was_busy;
}

static void note(struct removed *removed, uint64_t ino, bool is_closed)
{
	bool must_arm;

	if (atomic_load(&removed->count) == 0)
		return;
	pthread_mutex_lock(&removed->mutex);
	must_arm = note_forgotten(removed, ino, is_closed);
	pthread_mutex_unlock(&removed->mutex);
	if (must_arm)
		env_post(removed->options.loop, &removed->arm, on_arm);
}

void removed_forget(struct removed *removed, uint64_t ino)
{
	note(removed, ino, false);
}

void removed_close(struct removed *removed, uint64_t ino)
{
	note(removed, ino, true);
}

void removed_lose(struct removed *removed)
{
	struct removed_item *item, *next;

	pthread_mutex_lock(&removed->mutex);
	HASH_ITER (hh, removed->items, item, next)
		if (item->is_kept)
			remove_item(removed, item);
	pthread_mutex_unlock(&removed->mutex);
}

void removed_stop(struct removed *removed, void (*stopped)(void *argument), void *argument)
{
	bool is_busy;

	removed->stopped = stopped;
	removed->stopped_argument = argument;
	pthread_mutex_lock(&removed->mutex);
	is_busy = removed->is_busy;
	pthread_mutex_unlock(&removed->mutex);
	if (is_busy && !env_timer_is_running(&removed->timer))
		return;
	env_timer_stop(&removed->timer);
	become_idle(removed);
}
