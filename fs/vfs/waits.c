#include "fs/vfs/waits.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "proto/hash.h"

#define EARLY_COUNT 64u

struct wait {
	uint64_t unique;
	struct request *request;
	bool is_interrupted;
	UT_hash_handle hh;
};

struct waits {
	pthread_mutex_t mutex;
	struct wait *list;
	uint64_t early[EARLY_COUNT]; /* a ring: ids of the last interrupts that matched no request; 0: none */
	unsigned early_next;
};

int waits_new(struct waits **out)
{
	struct waits *waits = calloc(1, sizeof *waits);

	if (!waits)
		return -ENOMEM;
	pthread_mutex_init(&waits->mutex, NULL);
	*out = waits;
	return 0;
}

void waits_free(struct waits *waits)
{
	if (!waits)
		return;
	pthread_mutex_destroy(&waits->mutex);
	free(waits);
}

static struct wait *waits_find(struct waits *waits, uint64_t unique)
{
	struct wait *wait;

	HASH_FIND(hh, waits->list, &unique, sizeof unique, wait);
	return wait;
}

/* Under the mutex. */
static bool came_early(const struct waits *waits, uint64_t unique)
{
	for (unsigned i = 0; i < EARLY_COUNT; i++)
		if (waits->early[i] == unique)
			return true;
	return false;
}

int waits_add(struct waits *waits, uint64_t unique, struct request *request)
{
	struct wait *wait = calloc(1, sizeof *wait);

	if (!wait)
		return -ENOMEM;
	wait->unique = unique;
	wait->request = request;
	pthread_mutex_lock(&waits->mutex);
	wait->is_interrupted = came_early(waits, unique);
	HASH_ADD(hh, waits->list, unique, sizeof wait->unique, wait);
	pthread_mutex_unlock(&waits->mutex);
	return 0;
}

void waits_remove(struct waits *waits, uint64_t unique)
{
	struct wait *wait;

	pthread_mutex_lock(&waits->mutex);
	wait = waits_find(waits, unique);
	HASH_DEL(waits->list, wait);
	pthread_mutex_unlock(&waits->mutex);
	free(wait);
}

bool waits_is_interrupted(struct waits *waits, uint64_t unique)
{
	bool is_interrupted;

	pthread_mutex_lock(&waits->mutex);
	is_interrupted = waits_find(waits, unique)->is_interrupted;
	pthread_mutex_unlock(&waits->mutex);
	return is_interrupted;
}

bool waits_interrupt(struct waits *waits, uint64_t unique, void (*wake)(struct request *request))
{
	struct wait *wait;

	pthread_mutex_lock(&waits->mutex);
	wait = waits_find(waits, unique);
	if (wait) {
		wait->is_interrupted = true;
		wake(wait->request);
	} else {
		waits->early[waits->early_next] = unique;
		waits->early_next = (waits->early_next + 1) % EARLY_COUNT;
	}
	pthread_mutex_unlock(&waits->mutex);
	return wait != NULL;
}

void waits_interrupt_all(struct waits *waits, void (*wake)(struct request *request))
{
	struct wait *wait, *next;

	pthread_mutex_lock(&waits->mutex);
	HASH_ITER (hh, waits->list, wait, next) {
		wait->is_interrupted = true;
		wake(wait->request);
	}
	pthread_mutex_unlock(&waits->mutex);
}
