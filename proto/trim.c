#include "proto/trim.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct trim {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool is_stopping;
	struct trim_state state;
};

/* ---- What is free ---- */

/* Bytes of resident memory, without pages of files. */
static size_t count_resident(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long resident = 0, shared = 0;
	size_t pages = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%*u %lu %lu", &resident, &shared) == 2 && resident > shared)
		pages = resident - shared;
	fclose(file);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Bytes that are resident and not allocated. */
static size_t count_free(void)
{
	const struct mallinfo2 info = mallinfo2();
	size_t resident = count_resident(), used = info.uordblks + info.hblkhd;

	return resident > used ? resident - used : 0;
}

static bool is_calm(struct trim_state *state, size_t free_size)
{
	size_t change = free_size > state->last ? free_size - state->last : state->last - free_size;

	state->calm = change <= TRIM_CALM_CHANGE ? state->calm + 1 : 0;
	state->last = free_size;
	return state->calm >= TRIM_CALM_LOOKS;
}

bool trim_look(struct trim_state *state)
{
	size_t free_size = count_free();
	bool is_due, is_now;

	if (free_size < state->kept)
		state->kept = free_size;
	is_due = free_size - state->kept >= TRIM_SIZE_MIN;
	is_now = is_due && state->was_due;
	if (is_calm(state, free_size) && free_size - state->kept >= TRIM_CALM_MIN)
		is_now = true;
	if (is_now) {
		malloc_trim(0);
		state->kept = count_free();
		state->calm = 0;
	}
	state->was_due = is_due && !is_now;
	return is_now;
}

/* ---- The thread ---- */

static void *run(void *argument)
{
	struct trim *trim = argument;
	struct timespec until;

	pthread_mutex_lock(&trim->lock);
	while (!trim->is_stopping) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += TRIM_PERIOD_S;
		if (pthread_cond_timedwait(&trim->wake, &trim->lock, &until) != ETIMEDOUT)
			continue;
		pthread_mutex_unlock(&trim->lock);
		trim_look(&trim->state);
		pthread_mutex_lock(&trim->lock);
	}
	pthread_mutex_unlock(&trim->lock);
	return NULL;
}

static int start_thread(struct trim *trim)
{
	sigset_t all, before;
	int code;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	code = -pthread_create(&trim->thread, NULL, run, trim);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (code == 0)
		pthread_setname_np(trim->thread, "trim");
	return code;
}

static void free_trim(struct trim *trim)
{
	pthread_cond_destroy(&trim->wake);
	pthread_mutex_destroy(&trim->lock);
	free(trim);
}

int trim_start(struct trim **out, struct status *status)
{
	struct trim *trim = calloc(1, sizeof *trim);
	pthread_condattr_t attributes;
	int code;

	*out = NULL;
	if (!trim)
		return status_set(status, -ENOMEM, "out of memory");
	pthread_mutex_init(&trim->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&trim->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	code = start_thread(trim);
	if (code < 0) {
		free_trim(trim);
		return status_set(status, code, "the thread that gives memory back cannot be started: %s",
			status_name(code));
	}
	*out = trim;
	return 0;
}

void trim_stop(struct trim *trim)
{
	if (!trim)
		return;
	pthread_mutex_lock(&trim->lock);
	trim->is_stopping = true;
	pthread_cond_signal(&trim->wake);
	pthread_mutex_unlock(&trim->lock);
	pthread_join(trim->thread, NULL);
	free_trim(trim);
}
