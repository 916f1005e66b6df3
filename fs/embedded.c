#include "fs/embedded.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/client/departed.h"
#include "fs/client/reclaim.h"
#include "fs/eval/eval.h"
#include "proto/env_uv.h"
#include "proto/container.h"
#include "store/rows/slots.h"

#define LOOPS_MAX  4
#define WORKERS	   4
#define IO_THREADS 4
#define FIRST_MODE 0755

struct embedded {
	struct embedded_options options;
	struct env *env;
	struct env_loop *loops[LOOPS_MAX];
	uint32_t loop_count;
	uint32_t running; /* loops that have been started */
	struct raftkv *raftkv;
	struct client *client;
	struct reclaim reclaim;
	struct departed departed;
	bool is_tidying;
};

/* ---- Waiting for a loop's answer ---- */

/* What the opening or closing thread waits for. */
struct ask {
	struct env_mail mail;
	struct embedded *embedded;
	struct client_call call;
	struct op op;
	int error;
	struct op_reply reply;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool is_done;
};

static void ask_init(struct ask *ask, struct embedded *embedded)
{
	*ask = (struct ask){.embedded = embedded};
	pthread_mutex_init(&ask->mutex, NULL);
	pthread_cond_init(&ask->changed, NULL);
}

static void ask_close(struct ask *ask)
{
	pthread_mutex_destroy(&ask->mutex);
	pthread_cond_destroy(&ask->changed);
}

static void ask_finish(struct ask *ask, int error)
{
	pthread_mutex_lock(&ask->mutex);
	ask->error = error;
	ask->is_done = true;
	pthread_cond_signal(&ask->changed);
	pthread_mutex_unlock(&ask->mutex);
}

static int ask_wait(struct ask *ask)
{
	pthread_mutex_lock(&ask->mutex);
	while (!ask->is_done)
		pthread_cond_wait(&ask->changed, &ask->mutex);
	ask->is_done = false;
	pthread_mutex_unlock(&ask->mutex);
	return ask->error;
}

static void on_called(struct client_call *call, int error, const struct op_reply *reply)
{
	struct ask *ask = container_of(call, struct ask, call);

	ask->reply = *reply;
	ask_finish(ask, error);
}

static void call_on_loop(struct env_mail *mail)
{
	struct ask *ask = container_of(mail, struct ask, mail);
	int result;

	ask->call.loop = ask->embedded->loops[0];
	ask->call.done = on_called;
	result = client_call(ask->embedded->client, &ask->call, &ask->op, NULL);
	if (result < 0)
		ask_finish(ask, result);
}

static int ask_call(struct ask *ask)
{
	env_post(ask->embedded->loops[0], &ask->mail, call_on_loop);
	return ask_wait(ask);
}

/* ---- Opening ---- */

static int make_root(struct embedded *embedded, struct status *status)
{
	struct ask ask;
	int result;

	ask_init(&ask, embedded);
	ask.op = (struct op){
		.kind = OP_FORMAT,
		.format = {.caller = {embedded->options.owner_uid, embedded->options.owner_gid},
			.mode = FIRST_MODE},
	};
	result = ask_call(&ask);
	ask_close(&ask);
	if (result == 0 || result == -EEXIST)
		return 0;
	return status_set(status, result, "cannot make the root directory: %s", strerror(-result));
}

static void tidy_on_loop(struct env_mail *mail)
{
	struct ask *ask = container_of(mail, struct ask, mail);
	struct embedded *embedded = ask->embedded;

	reclaim_start(&embedded->reclaim, embedded->client, embedded->loops[0]);
	embedded->departed = (struct departed){
		.client = embedded->client, .loop = embedded->loops[0], .logger = embedded->options.logger};
	departed_start(&embedded->departed);
	ask_finish(ask, 0);
}

/* What the mounts before have left, while this one serves. */
static void start_tidying(struct embedded *embedded)
{
	struct ask ask;

	ask_init(&ask, embedded);
	env_post(embedded->loops[0], &ask.mail, tidy_on_loop);
	ask_wait(&ask);
	ask_close(&ask);
	embedded->is_tidying = true;
}

static int make_loops(struct embedded *embedded, struct status *status)
{
	static const char *const names[LOOPS_MAX] = {"shard-0", "shard-1", "shard-2", "shard-3"};

	for (uint32_t i = 0; i < embedded->loop_count; i++) {
		int result = env_loop_new(embedded->env, names[i], &embedded->loops[i]);

		if (result < 0)
			return status_set(status, result, "cannot make an event loop: %s", strerror(-result));
	}
	return 0;
}

static int run_loops(struct embedded *embedded, struct status *status)
{
	for (; embedded->running < embedded->loop_count; embedded->running++) {
		int result = env_loop_start(embedded->loops[embedded->running]);

		if (result < 0)
			return status_set(status, result, "cannot start a thread: %s", strerror(-result));
	}
	return 0;
}

static int open_store(struct embedded *embedded, struct status *status)
{
	const struct embedded_options *options = &embedded->options;
	struct raftkv_options store = options->store ? *options->store : (struct raftkv_options){0};
	int result;

	store.env = embedded->env;
	store.logger = options->logger;
	store.path = options->path;
	store.evaluator = eval_evaluator();
	store.shards = embedded->loops;
	store.shard_count = embedded->loop_count;
	store.failed = options->failed;
	store.failed_argument = options->failed_argument;
	result = raftkv_open(&store, &embedded->raftkv, status);
	if (result < 0)
		return result;
	result = client_new(&(struct client_options){.raftkv = embedded->raftkv,
				    .logger = options->logger,
				    .session = SLOTS_OWN | raftkv_ident(embedded->raftkv).incarnation},
		&embedded->client);
	return result < 0 ? status_set(status, result, "out of memory") : 0;
}

/* A store that was made has a region for the root, else it would be waited for. */
static int find_root(struct embedded *embedded, struct status *status)
{
	struct fs_key root = fs_key_inode(FS_ROOT_INO);
	struct region_epoch epoch;
	uint64_t region;
	int result = raftkv_find_region(embedded->raftkv, fs_key_slice(&root), &region, &epoch);

	if (result != STATUS_REGION_NOT_FOUND)
		return 0;
	return status_set(status, -EIO,
		"%s has an IDENT, but its folder kv holds no filesystem: put kv and raft back",
		embedded->options.path);
}

static uint32_t default_loops(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return cores < 1 ? 1 : cores > LOOPS_MAX ? LOOPS_MAX : (uint32_t)cores;
}

int embedded_open(const struct embedded_options *options, struct embedded **out, struct status *status)
{
	struct env_uv_options env = {
		.worker_threads = WORKERS, .io_threads = IO_THREADS, .logger = options->logger};
	struct embedded *embedded = calloc(1, sizeof *embedded);
	int result;

	if (!embedded)
		return status_set(status, -ENOMEM, "out of memory");
	embedded->options = *options;
	embedded->loop_count = options->loop_count > 0 ? options->loop_count : default_loops();
	if (embedded->loop_count > LOOPS_MAX)
		embedded->loop_count = LOOPS_MAX;
	result = env_uv_new(&env, &embedded->env, status);
	if (result == 0)
		result = make_loops(embedded, status);
	if (result == 0)
		result = open_store(embedded, status);
	if (result == 0)
		result = run_loops(embedded, status);
	if (result == 0)
		result = find_root(embedded, status);
	if (result == 0)
		result = make_root(embedded, status);
	if (result < 0) {
		embedded_close(embedded);
		return status_complete(status, result, "the store in %s cannot be opened: %s", options->path,
			status_name(result));
	}
	start_tidying(embedded);
	*out = embedded;
	return 0;
}

/* ---- Closing ---- */

static void on_stopped(void *argument)
{
	ask_finish(argument, 0);
}

static void on_departed_stopped(void *argument)
{
	struct ask *ask = argument;

	raftkv_stop(ask->embedded->raftkv, ask->embedded->loops[0], on_stopped, ask);
}

static void on_reclaim_stopped(void *argument)
{
	struct ask *ask = argument;

	departed_stop(&ask->embedded->departed, on_departed_stopped, ask);
}

static void stop_on_loop(struct env_mail *mail)
{
	struct ask *ask = container_of(mail, struct ask, mail);

	if (ask->embedded->is_tidying)
		reclaim_stop(&ask->embedded->reclaim, on_reclaim_stopped, ask);
	else
		on_departed_stopped(ask);
}

static void stop_store(struct embedded *embedded)
{
	struct ask ask;

	ask_init(&ask, embedded);
	env_post(embedded->loops[0], &ask.mail, stop_on_loop);
	ask_wait(&ask);
	ask_close(&ask);
}

void embedded_close(struct embedded *embedded)
{
	if (embedded->raftkv && embedded->running > 0)
		stop_store(embedded);
	for (uint32_t i = 0; i < embedded->running; i++)
		env_loop_stop(embedded->loops[i]);
	for (uint32_t i = 0; i < embedded->loop_count; i++)
		if (embedded->loops[i])
			env_loop_free(embedded->loops[i]);
	client_free(embedded->client);
	raftkv_free(embedded->raftkv);
	if (embedded->env)
		env_uv_free(embedded->env);
	free(embedded);
}

struct env *embedded_env(struct embedded *embedded)
{
	return embedded->env;
}

struct client *embedded_client(struct embedded *embedded)
{
	return embedded->client;
}

struct env_loop **embedded_loops(struct embedded *embedded, uint32_t *count)
{
	*count = embedded->loop_count;
	return embedded->loops;
}
