#include "fs/fuse/retries.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define PLACES	     1024u
#define FORGOTTEN_NS UINT64_C(60000000000) /* a thread that was killed, or whose path led nowhere */

struct refusal {
	uint32_t thread; /* 0: of none */
	uint64_t ino;
	uint64_t at;
};

struct retries {
	pthread_mutex_t mutex;
	atomic_uint count;
	struct refusal refusals[PLACES]; /* each thread has one place */
};

int retries_new(struct retries **out)
{
	struct retries *retries = calloc(1, sizeof *retries);

	if (!retries)
		return -ENOMEM;
	pthread_mutex_init(&retries->mutex, NULL);
	*out = retries;
	return 0;
}

void retries_free(struct retries *retries)
{
	if (!retries)
		return;
	pthread_mutex_destroy(&retries->mutex);
	free(retries);
}

bool retries_begin(struct retries *retries, uint32_t thread, uint64_t ino, uint64_t now)
{
	struct refusal *refusal = &retries->refusals[thread % PLACES];
	bool has_room;

	if (thread == 0)
		return false;
	pthread_mutex_lock(&retries->mutex);
	has_room = refusal->thread == 0 || refusal->thread == thread || now - refusal->at > FORGOTTEN_NS;
	if (has_room) {
		atomic_fetch_add(&retries->count, refusal->thread == 0);
		*refusal = (struct refusal){.thread = thread, .ino = ino, .at = now};
	}
	pthread_mutex_unlock(&retries->mutex);
	return has_room;
}

uint64_t retries_end(struct retries *retries, uint32_t thread)
{
	struct refusal *refusal = &retries->refusals[thread % PLACES];
	uint64_t ino = 0;

	if (atomic_load(&retries->count) == 0)
		return 0;
	pthread_mutex_lock(&retries->mutex);
	if (thread != 0 && refusal->thread == thread) {
		ino = refusal->ino;
		refusal->thread = 0;
		atomic_fetch_sub(&retries->count, 1);
	}
	pthread_mutex_unlock(&retries->mutex);
	return ino;
}
