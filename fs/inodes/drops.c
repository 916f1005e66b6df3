#include "fs/inodes/drops.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <utlist.h>

#include "proto/hash.h"

struct drops_item {
	uint64_t ino;
	uint64_t ticket;
	UT_hash_handle hh;
};

struct drops {
	void (*drop)(void *argument, uint64_t ino);
	void *argument;
	pthread_mutex_t mutex;
	pthread_cond_t changed; /* the queue has grown, or is_ending was set */
	pthread_t thread;
	struct drops_item *queue; /* in the order of the tickets */
	uint64_t last_ticket;
	_Atomic uint64_t done; /* all tickets up to this one; written under the mutex */
	struct drops_waiter *waiters;
	bool is_ending;
};

/* Under the mutex. */
static void wake(struct drops *drops)
{
	struct drops_waiter *waiter, *next;

	LL_FOREACH_SAFE(drops->waiters, waiter, next)
	{
		if (waiter->ticket > drops->done)
			continue;
		LL_DELETE(drops->waiters, waiter);
		env_post(waiter->loop, &waiter->mail, waiter->wake);
	}
}

/* Under the mutex, which is unlocked during the drop. The item leaves the queue before, so that a later drops_add of
 * the inode gets a new ticket. */
static void drop_first(struct drops *drops)
{
	struct drops_item *item = drops->queue;

	HASH_DEL(drops->queue, item);
	pthread_mutex_unlock(&drops->mutex);
	drops->drop(drops->argument, item->ino);
	pthread_mutex_lock(&drops->mutex);
	drops->done = item->ticket;
	free(item);
	wake(drops);
}

static void *drops_run(void *argument)
{
	struct drops *drops = argument;

	pthread_mutex_lock(&drops->mutex);
	while (!drops->is_ending) {
		if (drops->queue)
			drop_first(drops);
		else
			pthread_cond_wait(&drops->changed, &drops->mutex);
	}
	pthread_mutex_unlock(&drops->mutex);
	return NULL;
}

int drops_new(void (*drop)(void *argument, uint64_t ino), void *argument, struct drops **out)
{
	struct drops *drops = calloc(1, sizeof *drops);
	int error;

	if (!drops)
		return -ENOMEM;
	drops->drop = drop;
	drops->argument = argument;
	pthread_mutex_init(&drops->mutex, NULL);
	pthread_cond_init(&drops->changed, NULL);
	error = pthread_create(&drops->thread, NULL, drops_run, drops);
	if (error) {
		pthread_cond_destroy(&drops->changed);
		pthread_mutex_destroy(&drops->mutex);
		free(drops);
		return -error;
	}
	*out = drops;
	return 0;
}

void drops_free(struct drops *drops)
{
	struct drops_item *item, *next;

	if (!drops)
		return;
	pthread_mutex_lock(&drops->mutex);
	drops->is_ending = true;
	pthread_cond_signal(&drops->changed);
	pthread_mutex_unlock(&drops->mutex);
	pthread_join(drops->thread, NULL);
	HASH_ITER (hh, drops->queue, item, next) {
		HASH_DEL(drops->queue, item);
		free(item);
	}
	pthread_cond_destroy(&drops->changed);
	pthread_mutex_destroy(&drops->mutex);
	free(drops);
}

/* Under the mutex. NULL: no memory. */
static struct drops_item *find_or_add(struct drops *drops, uint64_t ino)
{
	struct drops_item *item;

	HASH_FIND(hh, drops->queue, &ino, sizeof ino, item);
	if (item)
		return item;
	item = calloc(1, sizeof *item);
	if (!item)
		return NULL;
	item->ino = ino;
	item->ticket = ++drops->last_ticket;
	HASH_ADD(hh, drops->queue, ino, sizeof item->ino, item);
	pthread_cond_signal(&drops->changed);
	return item;
}

uint64_t drops_add(struct drops *drops, uint64_t ino)
{
	const struct drops_item *item;
	uint64_t ticket;

	pthread_mutex_lock(&drops->mutex);
	item = find_or_add(drops, ino);
	ticket = item ? item->ticket : 0;
	pthread_mutex_unlock(&drops->mutex);
	return ticket;
}

bool drops_is_done(const struct drops *drops, uint64_t ticket)
{
	return ticket <= atomic_load(&drops->done);
}

bool drops_wait(struct drops *drops, uint64_t ticket, struct drops_waiter *waiter)
{
	bool is_done;

	pthread_mutex_lock(&drops->mutex);
	is_done = drops_is_done(drops, ticket);
	if (!is_done) {
		waiter->ticket = ticket;
		LL_PREPEND(drops->waiters, waiter);
	}
	pthread_mutex_unlock(&drops->mutex);
	return is_done;
}
