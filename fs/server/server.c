#include "fs/server/server.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/eval/eval.h"
#include "fs/keeper.h"
#include "fs/metrics.h"
#include "fs/store_list.h"
#include "proto/acceptor.h"
#include "proto/container.h"
#include "proto/env_uv.h"
#include "proto/rpc_server.h"
#include "store/net_transport.h"

#define LOOPS_MAX  4
#define WORKERS	   4
#define IO_THREADS 4

struct server {
	struct server_options options;
	struct store_list list; /* of the stores that begin the cluster */
	struct link_self self;
	struct env *env;
	struct env_loop *loops[LOOPS_MAX];
	uint32_t loop_count;
	uint32_t running; /* loops that have been started */
	struct net_transport *transport;
	struct raftkv *raftkv;
	struct acceptor *acceptor;
	struct rpc_server *rpc_server;
	struct keeper *keeper;
	struct metrics *metrics; /* NULL: nobody asked */

	struct env_mail mail; /* of the thread that opens and closes, to the first loop */
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	uint32_t waiting; /* for so many answers of loops */
};

/* ---- Waiting for the loops ---- */

static void expect(struct server *server, uint32_t answers)
{
	server->waiting = answers;
}

static void on_answer(void *argument)
{
	struct server *server = argument;

	pthread_mutex_lock(&server->mutex);
	server->waiting--;
	pthread_cond_signal(&server->changed);
	pthread_mutex_unlock(&server->mutex);
}

static void await(struct server *server)
{
	pthread_mutex_lock(&server->mutex);
	while (server->waiting > 0)
		pthread_cond_wait(&server->changed, &server->mutex);
	pthread_mutex_unlock(&server->mutex);
}

/* Runs on the first loop, and waits for as many answers. */
static void run_on_loop(struct server *server, env_mail_cb run, uint32_t answers)
{
	expect(server, answers);
	env_post(server->loops[0], &server->mail, run);
	await(server);
}

/* ---- Opening ---- */

static const char *advertised(const struct server *server)
{
	const struct config_server *config = &server->options.config->server;

	return config->advertise ? config->advertise : config->listen;
}

/* Which store of which cluster this is to be. */
static int find_identity(struct server *server, struct status *status)
{
	const struct config_server *config = &server->options.config->server;
	int code;

	if (!config->data)
		return status_set(status, -EINVAL, "--data DIRECTORY is needed: where the store is kept");
	if (!config->listen)
		return status_set(status, -EINVAL, "--listen ADDRESS is needed");
	if (!config->initial_cluster)
		return status_set(status, -EINVAL,
			"--initial-cluster LIST is needed: the addresses of all stores that begin the "
			"cluster");
	code = store_list_parse(&server->list, config->initial_cluster, status);
	if (code < 0)
		return code;
	server->self.store = store_list_find(&server->list, advertised(server));
	server->self.cluster = store_list_cluster(&server->list);
	if (server->self.store == 0)
		return status_set(status, -EINVAL,
			"%s is not in the list of --initial-cluster: --advertise says which of them this "
			"store is",
			advertised(server));
	return 0;
}

static int make_loops(struct server *server, struct status *status)
{
	static const char *const names[LOOPS_MAX] = {"shard-0", "shard-1", "shard-2", "shard-3"};
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	server->loop_count = server->options.config->server.shards;
	if (server->loop_count == 0)
		server->loop_count = cores < 1 ? 1 : cores > LOOPS_MAX ? LOOPS_MAX : (uint32_t)cores;
	for (uint32_t i = 0; i < server->loop_count; i++) {
		int code = env_loop_new(server->env, names[i], &server->loops[i]);

		if (code < 0)
			return status_set(status, code, "cannot make an event loop: %s", strerror(-code));
	}
	return 0;
}

static int make_transport(struct server *server, struct status *status)
{
	const struct net_transport_options options = {.self = &server->self,
		.logger = server->options.logger,
		.loops = server->loops,
		.loop_count = server->loop_count};
	int code = 0;

	server->transport = net_transport_new(&options);
	if (!server->transport)
		return status_set(status, -ENOMEM, "out of memory");
	for (uint32_t i = 0; i < server->list.count && code == 0; i++)
		code = net_transport_set_address(server->transport, i + 1, server->list.addresses[i]);
	return code < 0 ? status_set(status, code, "out of memory") : 0;
}

/* Before the store opens, which has something under way from then on; nobody is heard before the loops run. */
static int listen_for_all(struct server *server, struct status *status)
{
	const struct acceptor_options options = {.self = &server->self,
		.loop = server->loops[0],
		.logger = server->options.logger,
		.address = server->options.config->server.listen,
		.is_insecure = server->options.config->server.is_insecure};
	int code;

	server->rpc_server = rpc_server_new(server->loops[0], server->options.logger);
	if (!server->rpc_server)
		return status_set(status, -ENOMEM, "out of memory");
	code = acceptor_new(&options, &server->acceptor, status);
	if (code < 0)
		return code;
	acceptor_serve(server->acceptor, RAFTKV__ROLE__STORE, net_transport_greet, server->transport);
	acceptor_serve(server->acceptor, RAFTKV__ROLE__CLIENT, rpc_server_greeted, server->rpc_server);
	return 0;
}

static int open_store(struct server *server, struct status *status)
{
	struct raftkv_options options = server->options.config->store;
	uint64_t initial[STORE_LIST_COUNT_MAX];
	int code;

	for (uint32_t i = 0; i < server->list.count; i++)
		initial[i] = i + 1;
	options.env = server->env;
	options.logger = server->options.logger;
	options.path = server->options.config->server.data;
	options.evaluator = eval_evaluator();
	options.shards = server->loops;
	options.shard_count = server->loop_count;
	options.transport = net_transport_base(server->transport);
	options.cluster = server->self.cluster;
	options.store = server->self.store;
	options.initial_stores = initial;
	options.initial_store_count = server->list.count;
	options.failed = server->options.failed;
	options.failed_argument = server->options.failed_argument;
	code = raftkv_open(&options, &server->raftkv, status);
	if (code < 0)
		return code;
	server->self.incarnation = raftkv_ident(server->raftkv).incarnation;
	net_transport_attach(server->transport, server->raftkv);
	return 0;
}

static int make_keeper(struct server *server, struct status *status)
{
	const struct keeper_options options = {.raftkv = server->raftkv,
		.loop = server->loops[0],
		.logger = server->options.logger,
		.expiry_ms = server->options.config->server.session_expiry_ms,
		.stores = server->list.addresses,
		.store_count = server->list.count};

	server->keeper = keeper_new(&options);
	return server->keeper ? 0 : status_set(status, -ENOMEM, "out of memory");
}

static int start_metrics(struct server *server, struct status *status)
{
	const struct figures_source source = {.env = server->env,
		.raftkv = server->raftkv,
		.config = server->options.config,
		.path = server->options.config->server.data,
		.mount_point = "",
		.started = env_now(server->env)};

	if (!server->options.config->server.metrics)
		return 0;
	return metrics_start(&source, server->options.config->server.metrics, &server->metrics, status);
}

static void start_keeper(struct env_mail *mail)
{
	struct server *server = container_of(mail, struct server, mail);

	keeper_start(server->keeper);
	on_answer(server);
}

static int run_loops(struct server *server, struct status *status)
{
	for (; server->running < server->loop_count; server->running++) {
		int code = env_loop_start(server->loops[server->running]);

		if (code < 0)
			return status_set(status, code, "cannot start a thread: %s", strerror(-code));
	}
	run_on_loop(server, start_keeper, 1);
	return 0;
}

int server_open(const struct server_options *options, struct server **out, struct status *status)
{
	const struct env_uv_options env = {
		.worker_threads = WORKERS, .io_threads = IO_THREADS, .logger = options->logger};
	static int (*const steps[])(struct server * server, struct status * status) = {find_identity,
		make_loops, make_transport, listen_for_all, open_store, make_keeper, run_loops,
		start_metrics};
	struct server *server = calloc(1, sizeof *server);
	int code;

	if (!server)
		return status_set(status, -ENOMEM, "out of memory");
	server->options = *options;
	pthread_mutex_init(&server->mutex, NULL);
	pthread_cond_init(&server->changed, NULL);
	code = env_uv_new(&env, &server->env, status);
	server->self.env = server->env;
	for (size_t i = 0; i < sizeof steps / sizeof *steps && code == 0; i++)
		code = steps[i](server, status);
	if (code < 0)
		server_close(server);
	else
		*out = server;
	return code;
}

/* ---- Closing ---- */

/* Nobody new is heard any more; then what is under way ends. */
static void stop_hearing(struct env_mail *mail)
{
	struct server *server = container_of(mail, struct server, mail);

	acceptor_stop(server->acceptor, on_answer, server);
	net_transport_stop(server->transport, on_answer, server);
	keeper_stop(server->keeper, on_answer, server);
}

static void stop_store(struct env_mail *mail)
{
	struct server *server = container_of(mail, struct server, mail);

	rpc_server_stop(server->rpc_server, on_answer, server);
	raftkv_stop(server->raftkv, server->loops[0], on_answer, server);
}

void server_close(struct server *server)
{
	metrics_stop(server->metrics);
	if (server->running > 0) {
		run_on_loop(server, stop_hearing, 3);
		run_on_loop(server, stop_store, 2);
	}
	for (uint32_t i = 0; i < server->running; i++)
		env_loop_stop(server->loops[i]);
	acceptor_free(server->acceptor);
	for (uint32_t i = 0; i < server->loop_count; i++)
		if (server->loops[i])
			env_loop_free(server->loops[i]);
	rpc_server_free(server->rpc_server);
	keeper_free(server->keeper);
	raftkv_free(server->raftkv);
	net_transport_free(server->transport);
	if (server->env)
		env_uv_free(server->env);
	store_list_close(&server->list);
	pthread_cond_destroy(&server->changed);
	pthread_mutex_destroy(&server->mutex);
	free(server);
}

struct ident server_ident(const struct server *server)
{
	return raftkv_ident(server->raftkv);
}

const char *server_address(const struct server *server)
{
	return acceptor_address(server->acceptor);
}
