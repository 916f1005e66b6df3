#include "fs/vfs/retries.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define PLACES	 1024u /* threads with the same remainder share one: the last note stays */
#define QUICK_NS UINT64_C(1000000) /* less than the time to change a name twice */

struct retries {
	pthread_mutex_t mutex;
	atomic_bool has_any; /* there was ever a note */
	struct retry places[PLACES];
};

struct retries *retries_new(void)
{
	struct retries *retries = calloc(1, sizeof *retries);

	if (retries)
		pthread_mutex_init(&retries->mutex, NULL);
	return retries;
}

void retries_free(struct retries *retries)
{
	if (!retries)
		return;
	pthread_mutex_destroy(&retries->mutex);
	free(retries);
}

/* The thread's note, with the mutex locked until retries_put. NULL: there is none, and the mutex is not locked. */
static struct retry *retries_get(struct retries *retries, uint32_t thread)
{
	struct retry *retry = &retries->places[thread % PLACES];

	if (!atomic_load(&retries->has_any))
		return NULL;
	pthread_mutex_lock(&retries->mutex);
	if (retry->kind != RETRY_NONE && retry->thread == thread)
		return retry;
	pthread_mutex_unlock(&retries->mutex);
	return NULL;
}

static void retries_put(struct retries *retries)
{
	pthread_mutex_unlock(&retries->mutex);
}

void retries_note(
	struct retries *retries, uint32_t thread, enum retry_kind kind, uint64_t ino, uint64_t other)
{
	if (thread == 0)
		return; /* of another PID namespace: unknown */
	pthread_mutex_lock(&retries->mutex);
	retries->places[thread % PLACES] =
		(struct retry){.thread = thread, .kind = kind, .told = {ino, other}};
	pthread_mutex_unlock(&retries->mutex);
	atomic_store(&retries->has_any, true);
}

void retries_look_up(struct retries *retries, uint32_t thread, uint64_t parent)
{
	struct retry *retry = retries_get(retries, thread);

	if (!retry)
		return;
	if (retry->missed_in != 0 && retry->missed_in != parent)
		retry->kind = RETRY_NONE;
	retries_put(retries);
}

void retries_found(struct retries *retries, uint32_t thread, uint64_t ino, uint64_t now)
{
	struct retry *retry = retries_get(retries, thread);

	if (!retry)
		return;
	retry->missed_in = 0;
	retry->found[1] = retry->found[0];
	retry->found[0] = ino;
	retry->found_at = now;
	retries_put(retries);
}

void retries_missed(struct retries *retries, uint32_t thread, uint64_t parent)
{
	struct retry *retry = retries_get(retries, thread);

	if (!retry)
		return;
	retry->missed_in = parent;
	retries_put(retries);
}

static struct retry copy_note(struct retries *retries, uint32_t thread, bool is_end)
{
	struct retry *retry = retries_get(retries, thread);
	struct retry copy = {0};

	if (!retry)
		return copy;
	copy = *retry;
	if (is_end)
		retry->kind = RETRY_NONE;
	retries_put(retries);
	return copy;
}

struct retry retries_of(struct retries *retries, uint32_t thread)
{
	return copy_note(retries, thread, false);
}

struct retry retries_take(struct retries *retries, uint32_t thread)
{
	return copy_note(retries, thread, true);
}

bool retry_is_last(const struct retry *retry, enum retry_kind kind, uint64_t ino, uint64_t now)
{
	if (retry->kind == RETRY_NONE || ino == 0 || (retry->missed_in != 0 && retry->missed_in != ino))
		return false;
	if (retry->told[0] == ino || retry->told[1] == ino)
		return true;
	if (retry->kind == kind && retry->found[0] == ino)
		return true;
	return now - retry->found_at < QUICK_NS && (retry->found[0] == ino || retry->found[1] == ino);
}
