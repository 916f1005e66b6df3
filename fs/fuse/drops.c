#include "fs/fuse/drops.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <utlist.h>

/* An inode in the queue. */
struct item {
	uint64_t ino;
	struct drops_waiter *waiters;
	struct item *prev, *next;
};

struct drops {
	void (*drop)(void *argument, uint64_t ino);
	void *argument;
	pthread_mutex_t mutex;
	pthread_cond_t changed; /* the queue, or is_ending */
	pthread_t thread;
	struct item *queue;
	bool is_ending;
};

static void wake_all(struct drops_waiter *list)
{
	while (list) {
		struct drops_waiter *next = list->next;

		env_post(list->loop, &list->mail, list->wake);
		list = next;
	}
}

/* Under the mutex, which it lets go meanwhile. Who comes after it has begun gets an item of its own. */
static void drop_first(struct drops *drops)
{
	struct item *item = drops->queue;

	DL_DELETE(drops->queue, item);
	pthread_mutex_unlock(&drops->mutex);
	drops->drop(drops->argument, item->ino);
	wake_all(item->waiters);
	free(item);
	pthread_mutex_lock(&drops->mutex);
}

static void *run(void *argument)
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
	error = pthread_create(&drops->thread, NULL, run, drops);
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
	struct item *item, *next;

	if (!drops)
		return;
	pthread_mutex_lock(&drops->mutex);
	drops->is_ending = true;
	pthread_cond_signal(&drops->changed);
	pthread_mutex_unlock(&drops->mutex);
	pthread_join(drops->thread, NULL);
	DL_FOREACH_SAFE(drops->queue, item, next)
	free(item);
	pthread_cond_destroy(&drops->changed);
	pthread_mutex_destroy(&drops->mutex);
	free(drops);
}

/* Under the mutex. NULL: out of memory. */
static struct item *find_or_add(struct drops *drops, uint64_t ino)
{
	struct item *item;

	DL_FOREACH(drops->queue, item)
	if (item->ino == ino)
		return item;
	item = calloc(1, sizeof *item);
	if (!item)
		return NULL;
	item->ino = ino;
	DL_APPEND(drops->queue, item);
	pthread_cond_signal(&drops->changed);
	return item;
}

int drops_add(struct drops *drops, uint64_t ino, struct drops_waiter *waiter)
{
	struct item *item;

	pthread_mutex_lock(&drops->mutex);
	item = find_or_add(drops, ino);
	if (item && waiter) {
		waiter->next = item->waiters;
		item->waiters = waiter;
	}
	pthread_mutex_unlock(&drops->mutex);
	return item ? 0 : -ENOMEM;
}
