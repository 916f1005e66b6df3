/* A pool of threads with one queue. Waking a thread for a job costs one futex call. */
#include "proto/env_uv_internal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/check.h"

int env_uv_thread_start(pthread_t *thread, const char *name, void *(*run)(void *argument), void *argument)
{
	sigset_t all, before;
	int error;

	/* The new thread inherits the mask, so that signals are delivered to threads of main. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(thread, NULL, run, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error == 0)
		pthread_setname_np(*thread, name);
	return -error;
}

static void *run_jobs(void *argument)
{
	struct env_uv_pool *pool = argument;
	struct env_mail *job;

	pthread_mutex_lock(&pool->mutex);
	for (;;) {
		job = env_mail_list_take(&pool->queue);
		if (job) {
			pthread_mutex_unlock(&pool->mutex);
			job->run(job);
			pthread_mutex_lock(&pool->mutex);
		} else if (pool->stopping) {
			break;
		} else {
			pool->idle++;
			pthread_cond_wait(&pool->wake, &pool->mutex);
			pool->idle--;
		}
	}
	pthread_mutex_unlock(&pool->mutex);
	return NULL;
}

int env_uv_pool_init(struct env_uv_pool *pool, const char *name, unsigned int threads)
{
	char thread_name[16];
	int status = 0;

	check(threads > 0);
	*pool = (struct env_uv_pool){0};
	pool->threads = calloc(threads, sizeof *pool->threads);
	if (!pool->threads)
		return -ENOMEM;
	pthread_mutex_init(&pool->mutex, NULL);
	pthread_cond_init(&pool->wake, NULL);
	while (pool->thread_count < threads && status == 0) {
		snprintf(thread_name, sizeof thread_name, "%s-%u", name, pool->thread_count);
		status = env_uv_thread_start(&pool->threads[pool->thread_count], thread_name, run_jobs, pool);
		if (status == 0)
			pool->thread_count++;
	}
	if (status < 0)
		env_uv_pool_close(pool);
	return status;
}

void env_uv_pool_close(struct env_uv_pool *pool)
{
	pthread_mutex_lock(&pool->mutex);
	check(!pool->queue.first);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->wake);
	pthread_mutex_unlock(&pool->mutex);
	for (unsigned int i = 0; i < pool->thread_count; i++)
		pthread_join(pool->threads[i], NULL);
	pthread_cond_destroy(&pool->wake);
	pthread_mutex_destroy(&pool->mutex);
	free(pool->threads);
}

void env_uv_pool_submit(struct env_uv_pool *pool, struct env_mail *job, env_mail_cb run)
{
	bool wake;

	job->run = run;
	pthread_mutex_lock(&pool->mutex);
	env_mail_list_add(&pool->queue, job);
	wake = pool->idle > 0;
	pthread_mutex_unlock(&pool->mutex);
	/* After the unlock, so that the woken thread finds the mutex free. The pool still exists: its owner closes it only
	 * when no request is under way, and env_uv_free is not called on a thread of the pool. */
	if (wake)
		pthread_cond_signal(&pool->wake);
}
