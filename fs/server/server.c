#include "fs/server/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/eval/eval.h"
#include "fs/keeper.h"
#include "fs/server/service.h"
#include "fs/store_list.h"
#include "proto/acceptor.h"
#include "proto/rpc_server.h"
#include "store/net_transport.h"

struct server {
	struct server_options options;
	struct store_list list; /* of the stores that begin the cluster */
	struct link_self self;
	struct net_transport *transport;
	struct raftkv *raftkv;
	struct acceptor *acceptor;
	struct rpc_server *rpc_server;
	struct keeper *keeper;
	struct service *service;

	uint32_t stopping; /* parts that have not said that they have stopped */
	void (*stopped)(void *argument);
	void *stopped_argument;
};

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

static int make_transport(struct server *server, struct status *status)
{
	const struct net_transport_options options = {.self = &server->self,
		.logger = server->options.logger,
		.loops = server->options.loops,
		.loop_count = server->options.loop_count,
		.snapshot_rate = server->options.config->store.snapshot_rate};
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
		.loop = server->options.loops[0],
		.logger = server->options.logger,
		.address = server->options.config->server.listen,
		.is_insecure = server->options.config->server.is_insecure};
	int code;

	server->rpc_server = rpc_server_new(server->options.loops[0], server->options.logger);
	if (!server->rpc_server)
		return status_set(status, -ENOMEM, "out of memory");
	code = acceptor_new(&options, &server->acceptor, status);
	if (code < 0)
		return code;
	acceptor_serve(server->acceptor, RAFTKV__ROLE__STORE, net_transport_greet, server->transport);
	acceptor_serve(
		server->acceptor, RAFTKV__ROLE__SNAPSHOT, net_transport_greet_snapshot, server->transport);
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
	options.env = server->options.env;
	options.logger = server->options.logger;
	options.path = server->options.config->server.data;
	options.evaluator = eval_evaluator();
	options.engines = server->options.engines;
	options.shards = server->options.loops;
	options.shard_count = server->options.loop_count;
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
		.loop = server->options.loops[0],
		.logger = server->options.logger,
		.expiry_ms = server->options.config->server.session_expiry_ms,
		.stores = server->list.addresses,
		.store_count = server->list.count};

	server->keeper = keeper_new(&options);
	return server->keeper ? 0 : status_set(status, -ENOMEM, "out of memory");
}

static int make_service(struct server *server, struct status *status)
{
	const struct service_options options = {.raftkv = server->raftkv,
		.keeper = server->keeper,
		.loop = server->options.loops[0],
		.logger = server->options.logger,
		.list = &server->list,
		.expiry_ms = server->options.config->server.session_expiry_ms};

	server->service = service_new(&options, server->rpc_server);
	return server->service ? 0 : status_set(status, -ENOMEM, "out of memory");
}

int server_new(const struct server_options *options, struct server **out, struct status *status)
{
	static int (*const steps[])(struct server * server, struct status * status) = {
		find_identity, make_transport, listen_for_all, open_store, make_keeper, make_service};
	struct server *server = calloc(1, sizeof *server);
	int code = 0;

	*out = NULL;
	if (!server)
		return status_set(status, -ENOMEM, "out of memory");
	server->options = *options;
	server->self.env = options->env;
	for (size_t i = 0; i < sizeof steps / sizeof *steps && code == 0; i++)
		code = steps[i](server, status);
	if (code < 0)
		server_free(server);
	else
		*out = server;
	return code;
}

void server_start(struct server *server)
{
	keeper_start(server->keeper);
}

/* ---- Closing ---- */

static void on_store_stopped(void *argument)
{
	struct server *server = argument;

	if (--server->stopping == 0)
		server->stopped(server->stopped_argument);
}

static void on_hearing_stopped(void *argument)
{
	struct server *server = argument;

	if (--server->stopping > 0)
		return;
	server->stopping = 3;
	service_stop(server->service, on_store_stopped, server);
	rpc_server_stop(server->rpc_server, on_store_stopped, server);
	raftkv_stop(server->raftkv, server->options.loops[0], on_store_stopped, server);
}

/* First nobody new is heard any more; then what is under way ends. */
void server_stop(struct server *server, void (*stopped)(void *argument), void *argument)
{
	server->stopped = stopped;
	server->stopped_argument = argument;
	server->stopping = 3;
	acceptor_stop(server->acceptor, on_hearing_stopped, server);
	net_transport_stop(server->transport, on_hearing_stopped, server);
	keeper_stop(server->keeper, on_hearing_stopped, server);
}

void server_free(struct server *server)
{
	if (!server)
		return;
	acceptor_free(server->acceptor);
	service_free(server->service);
	rpc_server_free(server->rpc_server);
	keeper_free(server->keeper);
	raftkv_free(server->raftkv);
	net_transport_free(server->transport);
	store_list_close(&server->list);
	free(server);
}

struct raftkv *server_raftkv(const struct server *server)
{
	return server->raftkv;
}

const char *server_address(const struct server *server)
{
	return acceptor_address(server->acceptor);
}
