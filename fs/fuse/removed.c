#include "fs/fuse/removed.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct removed {
	pthread_mutex_t mutex;
	struct attributes ring[REMOVED_COUNT]; /* ino 0: free */
	unsigned next;
};

int removed_new(struct removed **out)
{
	struct removed *removed = calloc(1, sizeof *removed);

	if (!removed)
		return -ENOMEM;
	pthread_mutex_init(&removed->mutex, NULL);
	*out = removed;
	return 0;
}

void removed_free(struct removed *removed)
{
	if (!removed)
		return;
	pthread_mutex_destroy(&removed->mutex);
	free(removed);
}

void removed_add(struct removed *removed, const struct attributes *attributes)
{
	struct attributes *place;

	pthread_mutex_lock(&removed->mutex);
	place = &removed->ring[removed->next];
	removed->next = (removed->next + 1) % REMOVED_COUNT;
	*place = *attributes;
	place->nlink = 0;
	pthread_mutex_unlock(&removed->mutex);
}

bool removed_find(struct removed *removed, uint64_t ino, struct attributes *attributes)
{
	bool found = false;

	pthread_mutex_lock(&removed->mutex);
	for (unsigned i = 0; i < REMOVED_COUNT && !found; i++) {
		found = removed->ring[i].ino == ino;
		if (found)
			*attributes = removed->ring[i];
	}
	pthread_mutex_unlock(&removed->mutex);
	return found;
}
