#include "fs/clustered.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/loop_set.h"
#include "proto/completion.h"
#include "proto/container.h"
#include "proto/env_uv.h"
#include "proto/units.h"

#define WORKERS		 1
#define IO_THREADS	 1
#define GIVE_UP_EVERY_MS 100u
#define LOOK_EVERY_MS	 50u /* while the root directory does not exist yet */

_Static_assert(LOOP_SET_MAX <= REMOTE_LOOPS_MAX, "each loop has a dispatcher");

struct clustered {
	struct clustered_options options;
	struct store_list seeds;
	char host[RECORD_HOST_SIZE_MAX + 1];
	struct env *env;
	struct loop_set set;
	struct remote *remote;
	struct client_read read; /* of the root */
	struct finding finding;
	/* To the first loop. Each task has its own, as `mail` may still be under way when the time to open is over. */
	struct env_mail mail, give_up_mail, stop_mail;
	struct completion done; /* of `mail` */
	struct completion looked; /* of `give_up_mail` */
	struct completion stopped; /* of `stop_mail` */
	bool is_reading; /* used on the first loop alone */

	pthread_mutex_t mutex; /* of the members below */
	void (*lost)(void *argument); /* NULL: not set yet */
	void *lost_argument;
	void (*asked)(void *argument, uint64_t notice, struct slice inodes); /* NULL: not set yet */
	void *asked_argument;
};

/* ---- Opening ---- */

static void on_started(void *argument, int status)
{
	struct clustered *clustered = argument;

	if (status != -ECANCELED)
		completion_finish(&clustered->done, status);
}

static void start_on_loop(struct env_mail *mail)
{
	struct clustered *clustered = container_of(mail, struct clustered, mail);

	remote_start(clustered->remote, on_started, clustered);
}

static void clustered_on_read(struct client_read *read, int error)
{
	struct clustered *clustered = container_of(read, struct clustered, read);

	clustered->is_reading = false;
	completion_finish(&clustered->done, error);
}

static void read_on_loop(struct env_mail *mail)
{
	struct clustered *clustered = container_of(mail, struct clustered, mail);

	clustered->read.loop = clustered->set.loops[0];
	clustered->read.question = (struct question){.kind = QUESTION_ATTRIBUTES, .ino = FS_ROOT_INO};
	clustered->read.finding = &clustered->finding;
	clustered->read.done = clustered_on_read;
	clustered->is_reading = true;
	client_read(remote_client(clustered->remote), &clustered->read);
}

static void give_up_on_loop(struct env_mail *mail)
{
	struct clustered *clustered = container_of(mail, struct clustered, give_up_mail);

	if (clustered->is_reading)
		client_give_up_read(&clustered->read);
	completion_finish(&clustered->looked, 0);
}

/* Fills in the sentence of -ETIMEDOUT. */
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

/* Repeats the attempt to give the read up, which fails before the read has waited for CLIENT_PATIENCE_MS. */
static void end_read(struct clustered *clustered)
{
	do {
		env_post(clustered->set.loops[0], &clustered->give_up_mail, give_up_on_loop);
		completion_wait(&clustered->looked);
	} while (!completion_wait_until(&clustered->done, clustered->env,
		env_now(clustered->env) + GIVE_UP_EVERY_MS * NS_PER_MS, NULL));
}

static int look_at_root(struct clustered *clustered, uint64_t deadline, struct status *status)
{
	int error;

	for (;;) {
		env_post(clustered->set.loops[0], &clustered->mail, read_on_loop);
		if (!completion_wait_until(&clustered->done, clustered->env, deadline, &error)) {
			end_read(clustered);
			return say_late(clustered, status);
		}
		if (error != -ESTALE)
			break;
		if (env_now(clustered->env) >= deadline)
			return status_set(status, -ENOENT, "the cluster has no root directory yet");
		usleep(LOOK_EVERY_MS * 1000);
	}
	if (error < 0)
		status_set(status, error, "the root directory of the cluster cannot be read: %s",
			strerror(-error));
	return error;
}

static int start(struct clustered *clustered, struct status *status)
{
	uint64_t deadline = env_now(clustered->env) + clustered->options.wait_ms * NS_PER_MS;

	int code = loop_set_start(&clustered->set, status);

	if (code < 0)
		return code;
	env_post(clustered->set.loops[0], &clustered->mail, start_on_loop);
	if (!completion_wait_until(&clustered->done, clustered->env, deadline, &code))
		return say_late(clustered, status);
	if (code < 0)
		return status_set(status, code, "the cluster gives no session: %s",
			code == -EUSERS ? "it has too many" : status_name(code));
	return look_at_root(clustered, deadline, status);
}

static int make_loops(struct clustered *clustered, struct status *status)
{
	return loop_set_make(&clustered->set, clustered->env, "lane", clustered->options.loop_count, status);
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

static void clustered_on_asked(void *argument, uint64_t notice, struct slice inodes)
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
		.loops = clustered->set.loops,
		.loop_count = clustered->set.count,
		.logger = clustered->options.logger,
		.seeds = &clustered->seeds,
		.reads = clustered->options.reads,
		.timeo_ms = clustered->options.timeo_ms,
		.lost = on_lost,
		.asked = clustered_on_asked,
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

	completion_init(&clustered->done);
	completion_init(&clustered->looked);
	completion_init(&clustered->stopped);
	pthread_mutex_init(&clustered->mutex, NULL);
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

static void clustered_on_stopped(void *argument)
{
	struct clustered *clustered = argument;

	completion_finish(&clustered->stopped, 0);
}

static void clustered_stop_on_loop(struct env_mail *mail)
{
	struct clustered *clustered = container_of(mail, struct clustered, stop_mail);

	remote_stop(clustered->remote, clustered_on_stopped, clustered);
}

void clustered_close(struct clustered *clustered)
{
	if (loop_set_is_running(&clustered->set) && clustered->remote) {
		env_post(clustered->set.loops[0], &clustered->stop_mail, clustered_stop_on_loop);
		completion_wait(&clustered->stopped);
	}
	loop_set_close(&clustered->set);
	remote_free(clustered->remote);
	if (clustered->env)
		env_uv_free(clustered->env);
	store_list_close(&clustered->seeds);
	pthread_mutex_destroy(&clustered->mutex);
	completion_close(&clustered->stopped);
	completion_close(&clustered->looked);
	completion_close(&clustered->done);
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
	*count = clustered->set.count;
	return clustered->set.loops;
}
