/*
 * completion.h: a thread outside of the loops waits for something that happens on one.
 *
 * One thread waits, any thread completes. What was completed stays so until it has been waited for; to complete it again
 * before changes the status alone. Never waited for on a loop: it would stand still.
 */
#ifndef RAFTKV_PROTO_COMPLETION_H
#define RAFTKV_PROTO_COMPLETION_H

#include <pthread.h>
#include <stdbool.h>

#include "proto/env.h"

struct completion {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool is_done; /* and nobody has waited for it yet */
	int status;
};

void completion_init(struct completion *completion);
void completion_close(struct completion *completion); /* nobody waits, and nobody will complete it */

void completion_finish(struct completion *completion, int status);
/* Waits, and returns the status. From then on it is not done. */
int completion_wait(struct completion *completion);
/* The same, but no longer than until `deadline` (env_now): false then, with nothing in `status` (may be NULL). */
bool completion_wait_until(struct completion *completion, struct env *env, uint64_t deadline, int *status);

#endif
