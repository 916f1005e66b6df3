#include "proto/completion.h"

#include <time.h>

#include "proto/units.h"

#define WAIT_MAX_NS NS_PER_S /* at once: env_now goes on in a suspend, the condition's clock does not */

void completion_init(struct completion *completion)
{
	pthread_condattr_t attributes;

	*completion = (struct completion){0};
	pthread_mutex_init(&completion->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&completion->changed, &attributes);
	pthread_condattr_destroy(&attributes);
}

void completion_close(struct completion *completion)
{
	pthread_cond_destroy(&completion->changed);
	pthread_mutex_destroy(&completion->mutex);
}

void completion_finish(struct completion *completion, int status)
{
	pthread_mutex_lock(&completion->mutex);
	completion->status = status;
	completion->is_done = true;
	pthread_cond_signal(&completion->changed);
	pthread_mutex_unlock(&completion->mutex);
}

int completion_wait(struct completion *completion)
{
	int status;

	pthread_mutex_lock(&completion->mutex);
	while (!completion->is_done)
		pthread_cond_wait(&completion->changed, &completion->mutex);
	completion->is_done = false;
	status = completion->status;
	pthread_mutex_unlock(&completion->mutex);
	return status;
}

/* Under the mutex. */
static void wait_for(struct completion *completion, uint64_t duration)
{
	struct timespec until;

	if (duration > WAIT_MAX_NS)
		duration = WAIT_MAX_NS;
	clock_gettime(CLOCK_MONOTONIC, &until);
	duration += (uint64_t)until.tv_nsec;
	until.tv_sec += (time_t)(duration / NS_PER_S);
	until.tv_nsec = (long)(duration % NS_PER_S);
	pthread_cond_timedwait(&completion->changed, &completion->mutex, &until);
}

bool completion_wait_until(struct completion *completion, struct env *env, uint64_t deadline, int *status)
{
	uint64_t now = env_now(env);
	bool is_done;

	pthread_mutex_lock(&completion->mutex);
	for (; !completion->is_done && now < deadline; now = env_now(env))
		wait_for(completion, deadline - now);
	is_done = completion->is_done;
	completion->is_done = false;
	if (is_done && status)
		*status = completion->status;
	pthread_mutex_unlock(&completion->mutex);
	return is_done;
}
