#include "fs/fuse/payloads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <utlist.h>

#include "proto/check.h"

struct payloads {
	pthread_mutex_t mutex;
	uint64_t size; /* bytes of all payloads */
	uint64_t size_max; /* the current limit */
	uint64_t answers; /* payloads removed so far */
	unsigned old_count; /* of views with `has_old` */
	atomic_bool are_full; /* written under the mutex */
	struct payloads_waiter *waiters;
};

struct payloads *payloads_new(void)
{
	struct payloads *payloads = calloc(1, sizeof *payloads);

	if (!payloads)
		return NULL;
	pthread_mutex_init(&payloads->mutex, NULL);
	payloads->size_max = PAYLOADS_SIZE_MAX;
	return payloads;
}

void payloads_free(struct payloads *payloads)
{
	if (!payloads)
		return;
	check(!payloads->waiters);
	pthread_mutex_destroy(&payloads->mutex);
	free(payloads);
}

/* Under the mutex. */
static void update(struct payloads *payloads)
{
	struct payloads_waiter *waiter, *next;

	if (payloads->size >= payloads->size_max)
		atomic_store(&payloads->are_full, true);
	else if (payloads->size <= payloads->size_max / 4 * 3)
		atomic_store(&payloads->are_full, false);
	if (atomic_load(&payloads->are_full))
		return;
	LL_FOREACH_SAFE(payloads->waiters, waiter, next)
	{
		LL_DELETE(payloads->waiters, waiter);
		env_post(waiter->loop, &waiter->mail, waiter->wake);
	}
}

void payloads_add(struct payloads *payloads, size_t size)
{
	pthread_mutex_lock(&payloads->mutex);
	payloads->size += size;
	update(payloads);
	pthread_mutex_unlock(&payloads->mutex);
}

void payloads_remove(struct payloads *payloads, size_t size)
{
	pthread_mutex_lock(&payloads->mutex);
	check(size <= payloads->size);
	payloads->size -= size;
	payloads->answers++;
	update(payloads);
	pthread_mutex_unlock(&payloads->mutex);
}

bool payloads_are_full(const struct payloads *payloads)
{
	return atomic_load(&payloads->are_full);
}

bool payloads_wait(struct payloads *payloads, struct payloads_waiter *waiter)
{
	bool are_full;

	pthread_mutex_lock(&payloads->mutex);
	are_full = atomic_load(&payloads->are_full);
	if (are_full)
		LL_PREPEND(payloads->waiters, waiter);
	pthread_mutex_unlock(&payloads->mutex);
	return !are_full;
}

void payloads_look(struct payloads *payloads, struct payloads_view *view, bool has_old)
{
	pthread_mutex_lock(&payloads->mutex);
	if (has_old && !view->has_old)
		payloads->old_count++;
	else if (!has_old && view->has_old)
		payloads->old_count--;
	if (has_old && view->has_old && view->answers == payloads->answers)
		payloads->size_max = PAYLOADS_OUTAGE_SIZE_MAX;
	else if (payloads->old_count == 0)
		payloads->size_max = PAYLOADS_SIZE_MAX;
	view->has_old = has_old;
	view->answers = payloads->answers;
	update(payloads);
	pthread_mutex_unlock(&payloads->mutex);
}
