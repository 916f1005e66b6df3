#include "fs/inodes/atimes.h"
#include "proto/container.h"
#include "proto/hash.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#define PERIOD_NS     UINT64_C(30000000000)
#define DAY_S	      86400
#define NOTES_MAX     16384u
#define IN_FLIGHT_MAX 64u

struct note {
	struct client_call call;
	struct atimes *atimes;
	struct note *next; /* to be sent */
	uint64_t ino;
	struct fs_time time;
	bool is_sent;
	bool has_later; /* `later` is set */
	struct fs_time later; /* of a read after `time` was sent */
	UT_hash_handle hh;
};

struct atimes {
	struct client *client;
	struct env_loop *loop;
	pthread_mutex_t mutex;
	struct note *notes; /* each until the store has answered it */
	_Atomic unsigned count; /* of notes; written under the mutex */
	bool is_timer_set; /* or a mail that sets it is in flight; under the mutex */
	struct env_mail arm;
	/* The loop's: */
	struct env_timer timer;
	struct note *sending;
	unsigned in_flight;
	bool is_stopping;
	void (*stopped)(void *argument);
	void *stopped_argument;
};

int atimes_new(struct client *client, struct env_loop *loop, struct atimes **out)
{
	struct atimes *atimes = calloc(1, sizeof *atimes);

	if (!atimes)
		return -ENOMEM;
	atimes->client = client;
	atimes->loop = loop;
	pthread_mutex_init(&atimes->mutex, NULL);
	*out = atimes;
	return 0;
}

void atimes_free(struct atimes *atimes)
{
	struct note *note, *next;

	if (!atimes)
		return;
	HASH_ITER (hh, atimes->notes, note, next) {
		HASH_DEL(atimes->notes, note);
		free(note);
	}
	pthread_mutex_destroy(&atimes->mutex);
	free(atimes);
}

/* ---- Sending; on the loop ---- */

static void send_some(struct atimes *atimes);
static void set_timer(struct atimes *atimes);

/* The store has answered the note, or will never get it. A read noted meanwhile waits for the next batch. */
static void settle(struct atimes *atimes, struct note *note)
{
	bool must_arm = false;

	pthread_mutex_lock(&atimes->mutex);
	if (note->has_later) {
		note->time = note->later;
		note->has_later = false;
		note->is_sent = atimes->is_stopping;
		if (note->is_sent) {
			note->next = atimes->sending;
			atimes->sending = note;
		}
		must_arm = !atimes->is_timer_set;
		atimes->is_timer_set = true;
		note = NULL;
	} else {
		HASH_DEL(atimes->notes, note);
		atimes->count--;
	}
	pthread_mutex_unlock(&atimes->mutex);
	free(note);
	if (must_arm)
		set_timer(atimes);
}

/* Errors are ignored: the inode may be gone, and an access time is not worth another try. */
static void on_atimes_set(struct client_call *call, int error, const struct op_reply *reply)
{
	struct note *note = container_of(call, struct note, call);
	struct atimes *atimes = note->atimes;

	(void)error, (void)reply;
	settle(atimes, note);
	atimes->in_flight--;
	send_some(atimes);
}

static void send_note(struct atimes *atimes, struct note *note)
{
	const struct op op = {
		.kind = OP_SETATTR,
		.setattr = {.ino = note->ino, .valid = OP_SET_READ, .atime = note->time},
	};

	note->call.loop = atimes->loop;
	note->call.done = on_atimes_set;
	if (client_call(atimes->client, &note->call, &op, NULL) < 0)
		settle(atimes, note);
	else
		atimes->in_flight++;
}

static void send_some(struct atimes *atimes)
{
	while (atimes->sending && atimes->in_flight < IN_FLIGHT_MAX) {
		struct note *note = atimes->sending;

		atimes->sending = note->next;
		send_note(atimes, note);
	}
	if (atimes->is_stopping && !atimes->sending && atimes->in_flight == 0)
		atimes->stopped(atimes->stopped_argument);
}

static void send_all(struct atimes *atimes)
{
	struct note *note, *next;

	pthread_mutex_lock(&atimes->mutex);
	HASH_ITER (hh, atimes->notes, note, next) {
		if (note->is_sent)
			continue;
		note->is_sent = true;
		note->next = atimes->sending;
		atimes->sending = note;
	}
	atimes->is_timer_set = false;
	pthread_mutex_unlock(&atimes->mutex);
	send_some(atimes);
}

static void on_atimes_timer(struct env_timer *timer)
{
	send_all(container_of(timer, struct atimes, timer));
}

static void set_timer(struct atimes *atimes)
{
	if (!atimes->is_stopping)
		env_timer_start(&atimes->timer, atimes->loop, env_now(env_loop_env(atimes->loop)) + PERIOD_NS,
			on_atimes_timer);
}

static void arm_timer(struct env_mail *mail)
{
	set_timer(container_of(mail, struct atimes, arm));
}

void atimes_stop(struct atimes *atimes, void (*stopped)(void *argument), void *argument)
{
	env_timer_stop(&atimes->timer);
	atimes->is_stopping = true;
	atimes->stopped = stopped;
	atimes->stopped_argument = argument;
	send_all(atimes);
}

/* ---- Noting; any thread ---- */

static bool is_before(struct fs_time a, struct fs_time b)
{
	return a.seconds != b.seconds ? a.seconds < b.seconds : a.nanoseconds < b.nanoseconds;
}

/* relatime: not after the last change, or a day old. */
static bool is_old(const struct attributes *attributes, struct fs_time atime, struct fs_time now)
{
	return !is_before(attributes->mtime, atime) || !is_before(attributes->ctime, atime) ||
	       now.seconds - atime.seconds >= DAY_S;
}

static struct note *atimes_find(struct atimes *atimes, uint64_t ino)
{
	struct note *note;

	HASH_FIND(hh, atimes->notes, &ino, sizeof ino, note);
	return note;
}

/* The later one of the noted time and `atime`. `note` may be NULL. */
static struct fs_time newest(const struct note *note, struct fs_time atime)
{
	struct fs_time noted;

	if (!note)
		return atime;
	noted = note->has_later ? note->later : note->time;
	return is_before(atime, noted) ? noted : atime;
}

static bool is_due(
	const struct attributes *attributes, const struct note *note, bool is_strict, struct fs_time now)
{
	return is_strict || is_old(attributes, newest(note, attributes->atime), now);
}

/* Under the mutex, for an inode that has no note. Returns whether the timer has to be set. */
static bool atimes_add(struct atimes *atimes, uint64_t ino, struct fs_time now)
{
	struct note *note;
	bool must_arm;

	if (atimes->count == NOTES_MAX)
		return false;
	note = calloc(1, sizeof *note);
	if (!note)
		return false;
	note->atimes = atimes;
	note->ino = ino;
	note->time = now;
	HASH_ADD(hh, atimes->notes, ino, sizeof note->ino, note);
	atimes->count++;
	must_arm = !atimes->is_timer_set;
	atimes->is_timer_set = true;
	return must_arm;
}

static void advance(struct note *note, struct fs_time now)
{
	*(note->is_sent ? &note->later : &note->time) = now;
	note->has_later = note->is_sent;
}

static struct fs_time wall_time(const struct atimes *atimes)
{
	uint64_t wall = env_wall(env_loop_env(atimes->loop));

	return (struct fs_time){
		.seconds = (int64_t)(wall / 1000000000), .nanoseconds = (uint32_t)(wall % 1000000000)};
}

bool atimes_is_due(struct atimes *atimes, const struct attributes *attributes, bool is_strict)
{
	struct fs_time now = wall_time(atimes);
	bool result;

	if (attributes->flags & FS_FLAG_NOATIME)
		return false;
	pthread_mutex_lock(&atimes->mutex);
	result = is_due(attributes, atimes_find(atimes, attributes->ino), is_strict, now);
	pthread_mutex_unlock(&atimes->mutex);
	return result;
}

void atimes_note(struct atimes *atimes, const struct attributes *attributes, bool is_strict)
{
	struct fs_time now = wall_time(atimes);
	struct note *note;
	bool must_arm = false;

	if (attributes->flags & FS_FLAG_NOATIME || !(is_strict || is_old(attributes, attributes->atime, now)))
		return;
	pthread_mutex_lock(&atimes->mutex);
	note = atimes_find(atimes, attributes->ino);
	if (!note)
		must_arm = atimes_add(atimes, attributes->ino, now);
	else if (is_due(attributes, note, is_strict, now))
		advance(note, now);
	pthread_mutex_unlock(&atimes->mutex);
	if (must_arm)
		env_post_once(atimes->loop, &atimes->arm, arm_timer);
}

void atimes_forget(struct atimes *atimes, uint64_t ino)
{
	struct note *note;

	if (atimes->count == 0)
		return;
	pthread_mutex_lock(&atimes->mutex);
	note = atimes_find(atimes, ino);
	if (note && note->is_sent) {
		note->has_later = false;
	} else if (note) {
		HASH_DEL(atimes->notes, note);
		atimes->count--;
		free(note);
	}
	pthread_mutex_unlock(&atimes->mutex);
}

void atimes_apply(struct atimes *atimes, struct attributes *attributes)
{
	if (atimes->count == 0)
		return;
	pthread_mutex_lock(&atimes->mutex);
	attributes->atime = newest(atimes_find(atimes, attributes->ino), attributes->atime);
	pthread_mutex_unlock(&atimes->mutex);
}
