#include "fs/clustered.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proto/container.h"
#include "proto/env_uv.h"

#define WORKERS		 1
#define IO_THREADS	 1
#define NS_PER_MS	 UINT64_C(1000000)
#define GIVE_UP_EVERY_MS 100u
#define LOOK_EVERY_MS	 50u /* while the root directory is not there yet */

struct clustered {
	struct clustered_options options;
	struct store_list seeds;
	char host[RECORD_HOST_SIZE_MAX + 1];
	struct env *env;
	struct env_loop *loops[REMOTE_LOOPS_MAX];
	uint32_t loop_count;
	uint32_t running; /* loops that have been started */
	struct remote *remote;
	struct client_read read; /* of the root */
	struct finding finding;
	/* To the first loop, which may not have come to what it was asked for when patience ends. */
	struct env_mail mail, give_up_mail, stop_mail;

	pthread_mutex_t mutex;
	void (*lost)(void *argument); /* NULL: nobody asked yet */
	void *lost_argument;
	void (*asked)(void *argument, uint64_t notice, struct slice inodes); /* NULL: nobody listens yet */
	void *asked_argument;
	pthread_cond_t changed;
	bool is_done; /* what the first loop was asked for */
	bool is_stopped;
	int result;
	bool is_reading; /* on the first loop */
	sem_t looked; /* after the read that is to be given up */
};

/* ---- Waiting for the first loop ---- */

static void finish(struct clustered *clustered, int result)
{
	pthread_mutex_lock(&clustered->mutex);
	clustered->result = result;
	clustered->is_done = true;
	pthread_cond_signal(&clustered->changed);
	pthread_mutex_unlock(&clustered->mutex);
}

static void ask(struct clustered *clustered, env_mail_cb run)
{
	clustered->is_done = false;
	env_post(clustered->loops[0], &clustered->mail, run);
}

/* `deadline` env_now. What the flag says then. */
static bool await(struct clustered *clustered, const bool *flag, uint64_t deadline)
{
	bool is_set;

	pthread_mutex_lock(&clustered->mutex);
	while (!*flag && env_now(clustered->env) < deadline) {
		uint64_t left = deadline - env_now(clustered->env);
		struct timespec until;

		clock_gettime(CLOCK_MONOTONIC, &until);
		left = left > 1000 * NS_PER_MS ? 1000 * NS_PER_MS : left;
		until.tv_nsec += (long)left;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&clustered->changed, &clustered->mutex, &until);
	}
	is_set = *flag;
	pthread_mutex_unlock(&clustered->mutex);
	return is_set;
}

static void on_stopped(void *argument)
{
	struct clustered *clustered = argument;

	pthread_mutex_lock(&clustered->mutex);
	clustered->is_stopped = true;
	pthread_cond_signal(&clustered->changed);
	pthread_mutex_unlock(&clustered->mutex);
}

/* ---- Opening ---- */

static void on_started(void *argument, int status)
{
	if (status != -ECANCELED)
		finish(argument, status);
}

static void start_on_loop(struct env_mail *mail)
{
	struct clustered *clustered = container_of(mail, struct clustered, mail);

	remote_start(clustered->remote, on_started, clustered);
}

static void on_read(struct client_read *read, int error)
{
	struct clustered *clustered = container_of(read, struct clustered, read);

	clustered->is_reading = false;
	finish(clustered, error);
}

static void read_on_loop(struct env_mail *mail)
{
	struct clustered *clustered = container_of(mail, struct clustered, mail);

	clustered->read.loop = clustered->loops[0];
	clustered->read.question = (struct question){.kind = QUESTION_ATTRIBUTES, .ino = FS_ROOT_INO};
	clustered->read.finding = &clustered->finding;
	clustered->read.done = on_read;
	clustered->is_reading = true;
	client_read(remote_client(clustered->remote), &clustered->read);
}

static void give_up_on_loop(struct env_mail *mail)
{
	struct clustered *clustered = container_of(mail, struct clustered, give_up_mail);

	if (clustered->is_reading)
		client_give_up_read(&clustered->read);
	sem_post(&clustered->looked);
}

/* Says why in words, as far as somebody knows. */
static int say_late(struct clustered *clustered, struct status *status)
{
	uint32_t seconds = clustered->options.wait_ms / 1000;
	struct remote_stats stats;
	struct status trouble;

	remote_read_stats(clustered->remote, &stats);
	remote_read_trouble(clustered->remote, &trouble);
	if (stats.links > 0)
		return status_set(status, -ETIMEDOUT,
			"the cluster has had no leader for %u s: are most of its stores up?%s%s", seconds,
			trouble.code < 0 ? " " : "", trouble.text);
	return status_set(status, -ETIMEDOUT, "the cluster does not answer within %u s: %s", seconds,
		trouble.code < 0 ? trouble.text : "nobody knows why");
}

/* Until it has been given up: it is young when the root was not there a moment ago. */
static void end_read(struct clustered *clustered)
{
	do {
		env_post(clustered->loops[0], &clustered->give_up_mail, give_up_on_loop);
		while (sem_wait(&clustered->looked) < 0)
			;
	} while (!await(
		clustered, &clustered->is_done, env_now(clustered->env) + GIVE_UP_EVERY_MS * NS_PER_MS));
}

static int look_at_root(struct clustered *clustered, uint64_t deadline, struct status *status)
{
	for (;;) {
		ask(clustered, read_on_loop);
		if (!await(clustered, &clustered->is_done, deadline)) {
			end_read(clustered);
			return say_late(clustered, status);
		}
		if (clustered->result != -ESTALE)
			break;
		if (env_now(clustered->env) >= deadline)
			return status_set(status, -ENOENT, "the cluster has no root directory yet");
		usleep(LOOK_EVERY_MS * 1000);
	}
	return clustered->result == 0 ? 0
				      : status_set(status, clustered->result,
						"the root directory of the cluster cannot be read: %s",
						strerror(-clustered->result));
}

static int start(struct clustered *clustered, struct status *status)
{
	uint64_t deadline = env_now(clustered->env) + clustered->options.wait_ms * NS_PER_MS;

	for (; clustered->running < clustered->loop_count; clustered->running++) {
		int code = env_loop_start(clustered->loops[clustered->running]);

		if (code < 0)
			return status_set(status, code, "cannot start a thread: %s", strerror(-code));
	}
	ask(clustered, start_on_loop);
	if (!await(clustered, &clustered->is_done, deadline))
		return say_late(clustered, status);
	if (clustered->result < 0)
		return status_set(status, clustered->result, "the cluster gives no session: %s",
			clustered->result == -EUSERS ? "it has too many" : status_name(clustered->result));
	return look_at_root(clustered, deadline, status);
}

static int make_loops(struct clustered *clustered, struct status *status)
{
	static const char *const names[REMOTE_LOOPS_MAX] = {"lane-0", "lane-1", "lane-2", "lane-3"};
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t wanted = clustered->options.loop_count;

	if (wanted == 0)
		wanted = cores < 1 ? 1 : (uint32_t)cores;
	if (wanted > REMOTE_LOOPS_MAX)
		wanted = REMOTE_LOOPS_MAX;
	for (; clustered->loop_count < wanted; clustered->loop_count++) {
		int code = env_loop_new(clustered->env, names[clustered->loop_count],
			&clustered->loops[clustered->loop_count]);

		if (code < 0)
			return status_set(status, code, "cannot make an event loop: %s", strerror(-code));
	}
	return 0;
}

static void on_lost(void *argument, uint64_t session)
{
	struct clustered *clustered = argument;
	void (*lost)(void *argument);

	(void)session;
	pthread_mutex_lock(&clustered->mutex);
	lost = clustered->lost;
	pthread_mutex_unlock(&clustered->mutex);
	if (lost)
		lost(clustered->lost_argument);
}

static void on_asked(void *argument, uint64_t notice, struct slice inodes)
{
	struct clustered *clustered = argument;
	void (*asked)(void *argument, uint64_t notice, struct slice inodes);

	pthread_mutex_lock(&clustered->mutex);
	asked = clustered->asked;
	pthread_mutex_unlock(&clustered->mutex);
	if (asked)
		asked(clustered->asked_argument, notice, inodes);
	else
		remote_answer(clustered->remote, notice, true);
}

static int make_remote(struct clustered *clustered, struct status *status)
{
	const struct remote_options options = {.env = clustered->env,
		.loops = clustered->loops,
		.loop_count = clustered->loop_count,
		.logger = clustered->options.logger,
		.seeds = &clustered->seeds,
		.reads = clustered->options.reads,
		.timeo_ms = clustered->options.timeo_ms,
		.lost = on_lost,
		.asked = on_asked,
		.argument = clustered,
		.host = clustered->host,
		.mount_point = clustered->options.mount_point,
		.pid = (uint32_t)getpid()};

	if (gethostname(clustered->host, sizeof clustered->host - 1) < 0)
		strcpy(clustered->host, "?");
	return remote_new(&options, &clustered->remote, status);
}

static int init(struct clustered *clustered, struct status *status)
{
	const struct env_uv_options env = {
		.worker_threads = WORKERS, .io_threads = IO_THREADS, .logger = clustered->options.logger};
	pthread_condattr_t attributes;

	sem_init(&clustered->looked, 0, 0);
	pthread_mutex_init(&clustered->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&clustered->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	return env_uv_new(&env, &clustered->env, status);
}

int clustered_open(const struct clustered_options *options, struct clustered **out, struct status *status)
{
	static int (*const steps[])(struct clustered * clustered, struct status * status) = {
		make_loops, make_remote, start};
	struct clustered *clustered = calloc(1, sizeof *clustered);
	int code;

	*out = NULL;
	if (!clustered)
		return status_set(status, -ENOMEM, "out of memory");
	clustered->options = *options;
	code = init(clustered, status);
	if (code == 0)
		code = store_list_parse(&clustered->seeds, options->stores, status);
	for (size_t i = 0; i < sizeof steps / sizeof *steps && code == 0; i++)
		code = steps[i](clustered, status);
	if (code < 0)
		clustered_close(clustered);
	else
		*out = clustered;
	return status_complete(
		status, code, "the cluster %s cannot be used: %s", options->stores, status_name(code));
}

/* ---- Closing ---- */

static void stop_on_loop(struct env_mail *mail)
{
	struct clustered *clustered = container_of(mail, struct clustered, stop_mail);

	remote_stop(clustered->remote, on_stopped, clustered);
}

void clustered_close(struct clustered *clustered)
{
	if (clustered->running == clustered->loop_count && clustered->remote) {
		env_post(clustered->loops[0], &clustered->stop_mail, stop_on_loop);
		await(clustered, &clustered->is_stopped, UINT64_MAX);
	}
	for (uint32_t i = 0; i < clustered->running; i++)
		env_loop_stop(clustered->loops[i]);
	for (uint32_t i = 0; i < clustered->loop_count; i++)
		env_loop_free(clustered->loops[i]);
	remote_free(clustered->remote);
	if (clustered->env)
		env_uv_free(clustered->env);
	store_list_close(&clustered->seeds);
	pthread_cond_destroy(&clustered->changed);
	pthread_mutex_destroy(&clustered->mutex);
	sem_destroy(&clustered->looked);
	free(clustered);
}

void clustered_set_lost(struct clustered *clustered, void (*lost)(void *argument), void *argument)
{
	pthread_mutex_lock(&clustered->mutex);
	clustered->lost = lost;
	clustered->lost_argument = argument;
	pthread_mutex_unlock(&clustered->mutex);
}

void clustered_set_asked(struct clustered *clustered,
	void (*asked)(void *argument, uint64_t notice, struct slice inodes), void *argument)
{
	pthread_mutex_lock(&clustered->mutex);
	clustered->asked = asked;
	clustered->asked_argument = argument;
	pthread_mutex_unlock(&clustered->mutex);
}

void clustered_answer(struct clustered *clustered, uint64_t notice, bool are_kept)
{
	remote_answer(clustered->remote, notice, are_kept);
}

struct env *clustered_env(struct clustered *clustered)
{
	return clustered->env;
}

struct remote *clustered_remote(struct clustered *clustered)
{
	return clustered->remote;
}

struct client *clustered_client(struct clustered *clustered)
{
	return remote_client(clustered->remote);
}

struct env_loop **clustered_loops(struct clustered *clustered, uint32_t *count)
{
	*count = clustered->loop_count;
	return clustered->loops;
}
