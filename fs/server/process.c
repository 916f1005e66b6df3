#include "fs/server/process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/loop_set.h"
#include "fs/stats/control.h"
#include "fs/stats/metrics.h"
#include "fs/server/join.h"
#include "fs/server/server.h"
#include "proto/completion.h"
#include "proto/container.h"
#include "proto/env_uv.h"
#include "proto/trim.h"
#include "proto/units.h"
#include "store/disk/data_dir.h"

#define WORKERS	     4
#define IO_THREADS   4
#define ENTRY_WAIT_S 30

struct process {
	struct process_options options;
	struct env *env;
	struct loop_set set;
	uint64_t cluster, store; /* from IDENT or from joining; 0: the initial list has them */
	struct server *server;
	struct metrics *metrics; /* NULL: not configured */
	struct control *control; /* NULL: it could not listen, and the process does without it */
	struct trim *trim;
	struct env_mail mail; /* from the thread that opens and closes, to the first loop */
	struct completion answered; /* the first loop has answered `mail` */
	bool is_joining; /* this store is new to its cluster */
	struct completion entered; /* where is_joining: the cluster has taken the store's report */
};

/* ---- The first loop ---- */

static void process_on_answer(void *argument)
{
	struct process *process = argument;

	completion_finish(&process->answered, 0);
}

static void process_on_entered(void *argument)
{
	struct process *process = argument;

	completion_finish(&process->entered, 0);
}

static void start_on_loop(struct env_mail *mail)
{
	struct process *process = container_of(mail, struct process, mail);

	server_start(process->server);
	process_on_answer(process);
}

static void process_stop_on_loop(struct env_mail *mail)
{
	struct process *process = container_of(mail, struct process, mail);

	server_stop(process->server, process_on_answer, process);
}

static void run_on_loop(struct process *process, env_mail_cb run)
{
	env_post(process->set.loops[0], &process->mail, run);
	completion_wait(&process->answered);
}

/* ---- Opening ---- */

static int make_loops(struct process *process, struct status *status)
{
	return loop_set_make(
		&process->set, process->env, "shard", process->options.config->server.shards, status);
}

/* Takes the ids from the IDENT of an existing store, or asks the cluster for those of a store that joins. With an
 * initial list, server_new finds them. */
static int find_identity(struct process *process, struct status *status)
{
	const struct config *config = process->options.config;
	struct data_dir dir;
	int code;

	if (config->server.initial_cluster || !config->server.data || !config->server.listen)
		return 0;
	code = data_dir_open(&dir, process->env, config->server.data, status);
	if (code < 0)
		return code;
	process->cluster = dir.ident.cluster;
	process->store = dir.ident.store;
	data_dir_close(&dir);
	process->is_joining = dir.is_new && config->server.join;
	if (process->is_joining)
		code = join_cluster(process->env, config, process->options.logger, &process->cluster,
			&process->store, status);
	return code;
}

static int make_server(struct process *process, struct status *status)
{
	const struct server_options options = {.env = process->env,
		.loops = process->set.loops,
		.loop_count = process->set.count,
		.config = process->options.config,
		.logger = process->options.logger,
		.cluster = process->cluster,
		.store = process->store,
		.uid = geteuid(),
		.entered = process->is_joining ? process_on_entered : NULL,
		.entered_argument = process,
		.failed = process->options.failed,
		.failed_argument = process->options.failed_argument};

	return server_new(&options, &process->server, status);
}

/* A store whose threads cannot all be started cannot be stopped in order either: the process ends as if killed. */
static int run_loops(struct process *process, struct status *status)
{
	int code = loop_set_start(&process->set, status);

	if (code < 0)
		process->options.failed(process->options.failed_argument, code, "a thread cannot be started");
	else
		run_on_loop(process, start_on_loop);
	return code;
}

/* A store that joins is ready once the cluster has taken its report, as the administrator may drain another store next.
 * A store that cannot reach the cluster any more serves all the same. */
static int await_entry(struct process *process, struct status *status)
{
	uint64_t deadline = env_now(process->env) + ENTRY_WAIT_S * NS_PER_S;

	(void)status;
	if (process->is_joining)
		completion_wait_until(&process->entered, process->env, deadline, NULL);
	return 0;
}

static int start_telling(struct process *process, struct status *status)
{
	const struct config *config = process->options.config;
	const struct stats_source source = {.env = process->env,
		.raftkv = server_raftkv(process->server),
		.config = config,
		.path = config->server.data,
		.mount_point = "",
		.started = env_now(process->env)};

	const struct control_options control = {.loop = process->set.loops[0], .source = source};
	struct status trouble = {0};

	if (control_start(&control, &process->control, &trouble) < 0)
		log_warn(process->options.logger, "msg=\"no control socket\" reason=\"%s\"", trouble.text);
	if (!config->server.metrics)
		return 0;
	return metrics_start(&source, config->server.metrics, &process->metrics, status);
}

static int start_trimming(struct process *process, struct status *status)
{
	return trim_start(&process->trim, status);
}

int process_open(const struct process_options *options, struct process **out, struct status *status)
{
	const struct env_uv_options env = {
		.worker_threads = WORKERS, .io_threads = IO_THREADS, .logger = options->logger};
	static int (*const steps[])(struct process * process, struct status * status) = {find_identity,
		make_loops, make_server, run_loops, start_telling, start_trimming, await_entry};
	struct process *process = calloc(1, sizeof *process);
	int code;

	*out = NULL;
	if (!process)
		return status_set(status, -ENOMEM, "out of memory");
	process->options = *options;
	completion_init(&process->answered);
	completion_init(&process->entered);
	code = env_uv_new(&env, &process->env, status);
	for (size_t i = 0; i < sizeof steps / sizeof *steps && code == 0; i++)
		code = steps[i](process, status);
	if (code < 0)
		process_close(process);
	else
		*out = process;
	return status_complete(status, code, "the store cannot be started: %s", status_name(code));
}

/* ---- Closing ---- */

void process_close(struct process *process)
{
	trim_stop(process->trim);
	metrics_stop(process->metrics);
	control_stop(process->control);
	if (process->set.running > 0)
		run_on_loop(process, process_stop_on_loop);
	loop_set_close(&process->set);
	server_free(process->server);
	if (process->env)
		env_uv_free(process->env);
	completion_close(&process->answered);
	completion_close(&process->entered);
	free(process);
}

struct ident process_ident(const struct process *process)
{
	return raftkv_ident(server_raftkv(process->server));
}

const char *process_address(const struct process *process)
{
	return server_address(process->server);
}
