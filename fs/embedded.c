#include "fs/embedded.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "fs/client/departed.h"
#include "fs/client/reclaim.h"
#include "fs/eval/eval.h"
#include "fs/loop_set.h"
#include "proto/completion.h"
#include "proto/env_uv.h"
#include "proto/container.h"
#include "store/rows/slots.h"

#define WORKERS	   4
#define IO_THREADS 4
#define FIRST_MODE 0755

struct embedded {
	struct embedded_options options;
	struct env *env;
	struct loop_set set;
	struct raftkv *raftkv;
	struct client *client;
	struct reclaim reclaim;
	struct departed departed;
	bool is_tidying;
};

/* ---- Waiting for a loop's answer ---- */

/* A task for the first loop, which the opening or closing thread waits for. */
struct ask {
	struct env_mail mail;
	struct embedded *embedded;
	struct client_call call;
	struct op op;
	struct op_reply reply;
	struct completion completion;
};

static void ask_init(struct ask *ask, struct embedded *embedded)
{
	*ask = (struct ask){.embedded = embedded};
	completion_init(&ask->completion);
}

/* Calls `run` on the first loop, waits until the ask is completed there, and closes it. */
static int ask_run(struct ask *ask, env_mail_cb run)
{
	int status;

	env_post(ask->embedded->set.loops[0], &ask->mail, run);
	status = completion_wait(&ask->completion);
	completion_close(&ask->completion);
	return status;
}

static void embedded_on_called(struct client_call *call, int error, const struct op_reply *reply)
{
	struct ask *ask = container_of(call, struct ask, call);

	ask->reply = *reply;
	completion_finish(&ask->completion, error);
}

static void call_on_loop(struct env_mail *mail)
{
	struct ask *ask = container_of(mail, struct ask, mail);
	int status;

	ask->call.loop = ask->embedded->set.loops[0];
	ask->call.done = embedded_on_called;
	status = client_call(ask->embedded->client, &ask->call, &ask->op, NULL);
	if (status < 0)
		completion_finish(&ask->completion, status);
}

/* ---- Opening ---- */

static int make_root(struct embedded *embedded, struct status *status)
{
	struct ask ask;
	int code;

	ask_init(&ask, embedded);
	ask.op = (struct op){
		.kind = OP_FORMAT,
		.format = {.caller = {embedded->options.owner_uid, embedded->options.owner_gid},
			.mode = FIRST_MODE},
	};
	code = ask_run(&ask, call_on_loop);
	if (code == 0 || code == -EEXIST)
		return 0;
	return status_set(status, code, "cannot make the root directory: %s", strerror(-code));
}

static void tidy_on_loop(struct env_mail *mail)
{
	struct ask *ask = container_of(mail, struct ask, mail);
	struct embedded *embedded = ask->embedded;

	reclaim_start(&embedded->reclaim, embedded->client, embedded->set.loops[0]);
	embedded->departed = (struct departed){.client = embedded->client,
		.loop = embedded->set.loops[0],
		.logger = embedded->options.logger};
	departed_start(&embedded->departed);
	completion_finish(&ask->completion, 0);
}

/* Starts the background work that releases what earlier mounts left. */
static void start_tidying(struct embedded *embedded)
{
	struct ask ask;

	ask_init(&ask, embedded);
	ask_run(&ask, tidy_on_loop);
	embedded->is_tidying = true;
}

static int embedded_open_store(struct embedded *embedded, struct status *status)
{
	const struct embedded_options *options = &embedded->options;
	struct raftkv_options store = options->store ? *options->store : (struct raftkv_options){0};
	int code;

	store.env = embedded->env;
	store.logger = options->logger;
	store.path = options->path;
	store.evaluator = eval_evaluator();
	store.early = true;
	store.shards = embedded->set.loops;
	store.shard_count = embedded->set.count;
	store.failed = options->failed;
	store.failed_argument = options->failed_argument;
	code = raftkv_open(&store, &embedded->raftkv, status);
	if (code < 0)
		return code;
	code = client_new(&(struct client_options){.raftkv = embedded->raftkv,
				  .logger = options->logger,
				  .session = SLOTS_OWN | raftkv_ident(embedded->raftkv).incarnation},
		&embedded->client);
	return code < 0 ? status_set(status, code, "out of memory") : 0;
}

/* A store that was made has a region for the root directory. Without it, make_root would wait forever. */
static int find_root(struct embedded *embedded, struct status *status)
{
	struct fs_key root = fs_key_inode(FS_ROOT_INO);
	struct region_epoch epoch;
	uint64_t region;
	int code = raftkv_find_region(embedded->raftkv, fs_key_slice(&root), &region, &epoch);

	if (code != STATUS_REGION_NOT_FOUND)
		return 0;
	return status_set(status, -EIO,
		"%s has an IDENT, but its folder kv holds no filesystem: put kv and raft back",
		embedded->options.path);
}

int embedded_open(const struct embedded_options *options, struct embedded **out, struct status *status)
{
	struct env_uv_options env = {
		.worker_threads = WORKERS, .io_threads = IO_THREADS, .logger = options->logger};
	struct embedded *embedded = calloc(1, sizeof *embedded);
	int code;

	if (!embedded)
		return status_set(status, -ENOMEM, "out of memory");
	embedded->options = *options;
	code = env_uv_new(&env, &embedded->env, status);
	if (code == 0)
		code = loop_set_make(&embedded->set, embedded->env, "shard", options->loop_count, status);
	if (code == 0)
		code = embedded_open_store(embedded, status);
	if (code == 0)
		code = loop_set_start(&embedded->set, status);
	if (code == 0)
		code = find_root(embedded, status);
	if (code == 0)
		code = make_root(embedded, status);
	if (code < 0) {
		embedded_close(embedded);
		return status_complete(status, code, "the store in %s cannot be opened: %s", options->path,
			status_name(code));
	}
	start_tidying(embedded);
	*out = embedded;
	return 0;
}

/* ---- Closing ---- */

static void embedded_on_stopped(void *argument)
{
	completion_finish(&((struct ask *)argument)->completion, 0);
}

static void on_departed_stopped(void *argument)
{
	struct ask *ask = argument;

	raftkv_stop(ask->embedded->raftkv, ask->embedded->set.loops[0], embedded_on_stopped, ask);
}

static void on_reclaim_stopped(void *argument)
{
	struct ask *ask = argument;

	departed_stop(&ask->embedded->departed, on_departed_stopped, ask);
}

static void embedded_stop_on_loop(struct env_mail *mail)
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
	ask_run(&ask, embedded_stop_on_loop);
}

void embedded_close(struct embedded *embedded)
{
	if (embedded->raftkv && embedded->set.running > 0)
		stop_store(embedded);
	loop_set_close(&embedded->set);
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
	*count = embedded->set.count;
	return embedded->set.loops;
}
