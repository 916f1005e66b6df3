#include "fs/server/process.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fs/stats/control.h"
#include "fs/stats/metrics.h"
#include "fs/server/join.h"
#include "fs/server/server.h"
#include "proto/container.h"
#include "proto/env_uv.h"
#include "proto/trim.h"
#include "store/disk/data_dir.h"

#define LOOPS_MAX    4
#define WORKERS	     4
#define IO_THREADS   4
#define ENTRY_WAIT_S 30

struct process {
	struct process_options options;
	struct env *env;
	struct env_loop *loops[LOOPS_MAX];
	uint32_t loop_count;
	uint32_t running; /* loops that have been started */
	uint64_t cluster, store; /* that this is, unless the initial list says it */
	struct server *server;
	struct metrics *metrics; /* NULL: nobody asked */
	struct control *control; /* NULL: it cannot listen there, and does without */
	struct trim *trim;
	struct env_mail mail; /* of the thread that opens and closes, to the first loop */
	sem_t answered; /* by that loop */
	bool is_joining; /* it is new to a cluster that is there */
	sem_t entered; /* then: the cluster has heard of it */
};

/* ---- The first loop ---- */

static void on_answer(void *argument)
{
	struct process *process = argument;

	sem_post(&process->answered);
}

static void on_entered(void *argument)
{
	struct process *process = argument;
	int times;

	if (sem_getvalue(&process->entered, &times) == 0 && times == 0)
		sem_post(&process->entered);
}

static void start_on_loop(struct env_mail *mail)
{
	struct process *process = container_of(mail, struct process, mail);

	server_start(process->server);
	on_answer(process);
}

static void stop_on_loop(struct env_mail *mail)
{
	struct process *process = container_of(mail, struct process, mail);

	server_stop(process->server, on_answer, process);
}

static void run_on_loop(struct process *process, env_mail_cb run)
{
	env_post(process->loops[0], &process->mail, run);
	while (sem_wait(&process->answered) < 0)
		;
}

/* ---- Opening ---- */

static int make_loops(struct process *process, struct status *status)
{
	static const char *const names[LOOPS_MAX] = {"shard-0", "shard-1", "shard-2", "shard-3"};
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t wanted = process->options.config->server.shards;

	if (wanted == 0)
		wanted = cores < 1 ? 1 : cores > LOOPS_MAX ? LOOPS_MAX : (uint32_t)cores;
	for (; process->loop_count < wanted; process->loop_count++) {
		int code = env_loop_new(
			process->env, names[process->loop_count], &process->loops[process->loop_count]);

		if (code < 0)
			return status_set(status, code, "cannot make an event loop: %s", strerror(-code));
	}
	return 0;
}

/* What IDENT says of a store that is there, or what a cluster says of one that is to join it. Nothing is asked where the
 * list that begins a cluster is given. */
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
		.loops = process->loops,
		.loop_count = process->loop_count,
		.config = process->options.config,
		.logger = process->options.logger,
		.cluster = process->cluster,
		.store = process->store,
		.uid = geteuid(),
		.entered = process->is_joining ? on_entered : NULL,
		.entered_argument = process,
		.failed = process->options.failed,
		.failed_argument = process->options.failed_argument};

	return server_new(&options, &process->server, status);
}

/* A store whose threads cannot all be started cannot be stopped in good order either: it ends as if killed. */
static int run_loops(struct process *process, struct status *status)
{
	for (; process->running < process->loop_count; process->running++) {
		int code = env_loop_start(process->loops[process->running]);

		if (code < 0) {
			status_set(status, code, "cannot start a thread: %s", strerror(-code));
			process->options.failed(
				process->options.failed_argument, code, "a thread cannot be started");
			return code;
		}
	}
	run_on_loop(process, start_on_loop);
	return 0;
}

/* A store that joins is ready once the cluster counts on it: what is asked for next may be to drain another. One that
 * cannot reach the cluster any more serves all the same. */
static int await_entry(struct process *process, struct status *status)
{
	struct timespec until;

	(void)status;
	if (!process->is_joining)
		return 0;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ENTRY_WAIT_S;
	while (sem_timedwait(&process->entered, &until) < 0 && errno == EINTR)
		;
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

	const struct control_options control = {.loop = process->loops[0], .source = source};
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
	sem_init(&process->answered, 0, 0);
	sem_init(&process->entered, 0, 0);
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
	if (process->running > 0)
		run_on_loop(process, stop_on_loop);
	for (uint32_t i = 0; i < process->running; i++)
		env_loop_stop(process->loops[i]);
	for (uint32_t i = 0; i < process->loop_count; i++)
		env_loop_free(process->loops[i]);
	server_free(process->server);
	if (process->env)
		env_uv_free(process->env);
	sem_destroy(&process->answered);
	sem_destroy(&process->entered);
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
