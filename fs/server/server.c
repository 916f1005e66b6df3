#include "fs/server/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/eval/eval.h"
#include "fs/cluster/coordinator.h"
#include "fs/admin/admin.h"
#include "fs/regions/load_stores.h"
#include "fs/regions/oversize.h"
#include "fs/regions/region_loads.h"
#include "fs/transact/peers.h"
#include "fs/regions/registrations.h"
#include "fs/regions/reporter.h"
#include "fs/server/service.h"
#include "fs/regions/survey.h"
#include "fs/schema/split_key.h"
#include "fs/transact/transactions.h"
#include "fs/schema/store_list.h"
#include "proto/acceptor.h"
#include "proto/rpc_server.h"
#include "store/transport/lives.h"
#include "store/transport/net_transport.h"

#define US_A_PERCENT 10000u /* microseconds per second, of a core */

struct server {
	struct server_options options;
	struct store_list list; /* the initial list; empty: this store joined */
	struct store_list seeds; /* for the reporter: the list of --join, else the initial list */
	struct ident ident;
	struct link_self self;
	struct net_transport *transport;
	struct raftkv *raftkv;
	struct acceptor *acceptor;
	struct rpc_server *rpc_server;
	struct peers *peers;
	struct registrations *registrations;
	struct survey *survey;
	struct transactions *transactions;
	struct coordinator *coordinator;
	struct service *service;
	struct admin *admin;
	struct oversize *oversize;
	struct region_loads *loads;
	struct region_reports *regions;
	struct reporter *reporter;

	uint32_t stopping; /* parts that have not stopped yet */
	void (*stopped)(void *argument);
	void *stopped_argument;
};

/* ---- Opening ---- */

static const char *advertised(const struct server *server)
{
	const struct config_server *config = &server->options.config->server;

	return config->advertise ? config->advertise : config->listen;
}

/* Finds this store in the initial list. */
static int find_place(struct server *server, struct status *status)
{
	const struct config_server *config = &server->options.config->server;
	int code = store_list_parse(&server->list, config->initial_cluster, status);

	if (code < 0)
		return code;
	server->self.store = store_list_find(&server->list, advertised(server));
	server->self.cluster = store_list_cluster(&server->list, config->initial_regions);
	if (server->self.store == 0)
		return status_set(status, -EINVAL,
			"%s is not in the list of --initial-cluster: --advertise says which of them this "
			"store is",
			advertised(server));
	return 0;
}

/* Finds the ids of this store and of its cluster. */
static int find_identity(struct server *server, struct status *status)
{
	const struct config_server *config = &server->options.config->server;
	const char *seeds = config->join ? config->join : config->initial_cluster;
	int code = 0;

	if (!config->data)
		return status_set(status, -EINVAL, "--data DIRECTORY is needed: where the store is kept");
	if (!config->listen)
		return status_set(status, -EINVAL, "--listen ADDRESS is needed");
	server->self.store = server->options.store;
	server->self.cluster = server->options.cluster;
	if (server->self.store == 0 && !config->initial_cluster)
		return status_set(status, -EINVAL,
			"--initial-cluster LIST is needed: the addresses of all stores that begin the "
			"cluster; or --join LIST, of some stores of one that is there");
	if (server->self.store == 0)
		code = find_place(server, status);
	if (code == 0 && seeds)
		code = store_list_parse(&server->seeds, seeds, status);
	return code;
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

/* Comes before server_open_store, so that a failure to listen does not leave an open store with work under way.
 * Connections are accepted only when the loops run. */
static int listen_for_all(struct server *server, struct status *status)
{
	const struct acceptor_options options = {.self = &server->self,
		.loop = server->options.loops[0],
		.logger = server->options.logger,
		.address = server->options.config->server.listen,
		.uid = server->options.uid,
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

/* The regions that a new cluster begins with divide the dirids evenly. */
static void fill_first_bounds(struct fs_key *keys, struct slice *bounds, uint32_t regions)
{
	for (uint32_t i = 0; i + 1 < regions; i++) {
		keys[i] = fs_split_key_of_dirid(FS_DIRID_END / regions * (i + 1));
		bounds[i] = fs_key_slice(&keys[i]);
	}
}

static int server_open_raftkv(struct server *server, struct raftkv_options *options, struct status *status)
{
	uint32_t regions = server->options.config->server.initial_regions;
	struct fs_key *keys = malloc(regions * sizeof *keys);
	struct slice *bounds = malloc(regions * sizeof *bounds);
	int code = -ENOMEM;

	if (keys && bounds) {
		fill_first_bounds(keys, bounds, regions);
		options->initial_regions = regions;
		options->initial_bounds = bounds;
		code = raftkv_open(options, &server->raftkv, status);
	} else {
		status_set(status, code, "out of memory");
	}
	free(keys);
	free(bounds);
	return code;
}

static int server_open_store(struct server *server, struct status *status)
{
	struct raftkv_options options = server->options.config->store;
	uint64_t initial[STORE_LIST_COUNT_MAX];
	int code;

	for (uint32_t i = 0; i < server->list.count; i++)
		initial[i] = i + 1;
	options.is_joining = server->list.count == 0;
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
	code = server_open_raftkv(server, &options, status);
	if (code < 0)
		return code;
	server->ident = raftkv_ident(server->raftkv);
	server->self.incarnation = server->ident.incarnation;
	server->self.directory_id = server->ident.directory_id;
	server->self.lives = server->ident.lives;
	server->self.life_count = server->ident.life_count;
	net_transport_attach(server->transport, server->raftkv);
	return 0;
}

/* Takes the record of a store, from the coordinator, from the reporter or from load_stores. */
static void learn(struct server *server, const struct reporter_store *store)
{
	int status = raftkv_learn_life(
		server->raftkv, store->id, store->incarnation, store->directory_id, store->is_out);

	if (status == 0 && store->is_out)
		status = net_transport_set_out(server->transport, store->id);
	else if (status == 0)
		status = net_transport_set_address(server->transport, store->id, store->address);
	if (status < 0)
		log_error(server->options.logger, "msg=\"out of memory for what is known of a store\"");
	if (!server->service)
		return;
	if (store->is_out)
		store_addresses_forget(service_addresses(server->service), store->id);
	else
		store_addresses_tell(service_addresses(server->service), store->id, store->address);
}

static void on_reported(void *argument, const struct reporter_store *store)
{
	learn(argument, store);
}

static void on_recorded(void *argument, const struct store_entry *entry)
{
	learn(argument, &(struct reporter_store){.id = entry->id,
				.address = entry->address,
				.incarnation = entry->incarnation,
				.directory_id = entry->directory_id,
				.is_out = !store_state_is_in(entry->state)});
}

/* Takes the records that this store has, before connections are accepted. */
static int recall(struct server *server, struct status *status)
{
	int code = load_stores(server->raftkv, on_reported, server);

	return code < 0 ? status_set(status, code, "the records of the cluster's stores cannot be read: %s",
				  status_name(code))
			: 0;
}

static int make_peers(struct server *server, struct status *status)
{
	const struct peers_options options = {.loop = server->options.loops[0],
		.logger = server->options.logger,
		.address = advertised(server),
		.seeds = &server->seeds};

	server->peers = peers_new(&options);
	return server->peers ? 0 : status_set(status, -ENOMEM, "out of memory");
}

static int make_registrations(struct server *server, struct status *status)
{
	const struct registrations_options options = {.loop = server->options.loops[0],
		.raftkv = server->raftkv,
		.peers = peers_dispatcher(server->peers)};

	server->registrations = registrations_new(&options);
	return server->registrations ? 0 : status_set(status, -ENOMEM, "out of memory");
}

static int make_survey(struct server *server, struct status *status)
{
	const struct survey_options options = {.loop = server->options.loops[0], .raftkv = server->raftkv};

	server->survey = survey_new(&options);
	return server->survey ? 0 : status_set(status, -ENOMEM, "out of memory");
}

static int make_transactions(struct server *server, struct status *status)
{
	const struct transactions_options options = {.loop = server->options.loops[0],
		.raftkv = server->raftkv,
		.peers = peers_dispatcher(server->peers),
		.logger = server->options.logger};

	server->transactions = transactions_new(&options);
	return server->transactions ? 0 : status_set(status, -ENOMEM, "out of memory");
}

static int make_coordinator(struct server *server, struct status *status)
{
	const struct coordinator_options options = {.raftkv = server->raftkv,
		.loop = server->options.loops[0],
		.peers = peers_dispatcher(server->peers),
		.logger = server->options.logger,
		.expiry_ms = server->options.config->server.session_expiry_ms,
		.replicas = server->options.config->server.replicas,
		.dead_after_s = server->options.config->server.store_dead_after_s,
		.store_moves = server->options.config->server.store_moves,
		.stores = server->list.addresses,
		.store_count = server->list.count,
		.found = on_recorded,
		.found_argument = server};

	server->coordinator = coordinator_new(&options);
	return server->coordinator ? 0 : status_set(status, -ENOMEM, "out of memory");
}

static int make_loads(struct server *server, struct status *status)
{
	const struct region_loads_options options = {.loop = server->options.loops[0],
		.raftkv = server->raftkv,
		.logger = server->options.logger,
		.limit_us = server->options.config->server.region_split_load * US_A_PERCENT};

	server->loads = region_loads_new(&options);
	return server->loads ? 0 : status_set(status, -ENOMEM, "out of memory");
}

static int make_service(struct server *server, struct status *status)
{
	const struct service_options options = {.self = &server->self,
		.raftkv = server->raftkv,
		.coordinator = server->coordinator,
		.registrations = server->registrations,
		.transactions = server->transactions,
		.peers = peers_dispatcher(server->peers),
		.loop = server->options.loops[0],
		.logger = server->options.logger,
		.list = &server->list,
		.loads = server->loads,
		.expiry_ms = server->options.config->server.session_expiry_ms};

	server->service = service_new(&options, server->rpc_server);
	return server->service ? 0 : status_set(status, -ENOMEM, "out of memory");
}

static int make_admin(struct server *server, struct status *status)
{
	const struct admin_options options = {.loop = server->options.loops[0],
		.self = &server->self,
		.raftkv = server->raftkv,
		.coordinator = server->coordinator,
		.addresses = service_addresses(server->service),
		.reporter = server->reporter,
		.loads = server->loads,
		.config = server->options.config};

	server->admin = admin_new(&options, server->rpc_server);
	return server->admin ? 0 : status_set(status, -ENOMEM, "out of memory");
}

static void on_refused(void *argument, const struct status *why)
{
	struct server *server = argument;

	if (why->code == -ESTALE)
		net_transport_refused(server->transport, why);
	else
		server->options.failed(server->options.failed_argument, why->code, status_sentence(why));
}

static void server_on_entered(void *argument, uint64_t store, uint64_t cluster)
{
	struct server *server = argument;

	(void)store, (void)cluster;
	if (server->options.entered)
		server->options.entered(server->options.entered_argument);
}

static int make_oversize(struct server *server, struct status *status)
{
	const struct oversize_options options = {.loop = server->options.loops[0],
		.raftkv = server->raftkv,
		.logger = server->options.logger,
		.limit = server->options.config->server.region_split_size};

	server->oversize = oversize_new(&options);
	return server->oversize ? 0 : status_set(status, -ENOMEM, "out of memory");
}

static int make_region_reports(struct server *server, struct status *status)
{
	const struct region_reports_options options = {.loop = server->options.loops[0],
		.raftkv = server->raftkv,
		.oversize = server->oversize,
		.loads = server->loads,
		.store = server->self.store};

	server->regions = region_reports_new(&options);
	return server->regions ? 0 : status_set(status, -ENOMEM, "out of memory");
}

static int make_reporter(struct server *server, struct status *status)
{
	const struct reporter_options options = {.loop = server->options.loops[0],
		.self = &server->self,
		.logger = server->options.logger,
		.address = advertised(server),
		.labels = server->options.config->server.labels,
		.seeds = &server->seeds,
		.raftkv = server->raftkv,
		.coordinator = server->coordinator,
		.survey = server->survey,
		.transactions = server->transactions,
		.oversize = server->oversize,
		.loads = server->loads,
		.regions = server->regions,
		.entered = server_on_entered,
		.found = on_reported,
		.refused = on_refused,
		.argument = server};

	server->reporter = reporter_new(&options);
	return server->reporter ? 0 : status_set(status, -ENOMEM, "out of memory");
}

int server_new(const struct server_options *options, struct server **out, struct status *status)
{
	static int (*const steps[])(struct server * server, struct status * status) = {find_identity,
		make_transport, listen_for_all, server_open_store, recall, make_peers, make_registrations,
		make_transactions, make_survey, make_coordinator, make_loads, make_service, make_oversize,
		make_region_reports, make_reporter, make_admin};
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
	transactions_start(server->transactions);
	coordinator_start(server->coordinator);
	survey_start(server->survey);
	oversize_start(server->oversize);
	reporter_start(server->reporter);
}

/* ---- Closing ---- */

static void on_store_stopped(void *argument)
{
	struct server *server = argument;

	if (--server->stopping == 0)
		server->stopped(server->stopped_argument);
}

static void on_peers_stopped(void *argument)
{
	struct server *server = argument;

	server->stopping = 3;
	service_stop(server->service, on_store_stopped, server);
	rpc_server_stop(server->rpc_server, on_store_stopped, server);
	raftkv_stop(server->raftkv, server->options.loops[0], on_store_stopped, server);
}

static void on_transactions_stopped(void *argument)
{
	struct server *server = argument;

	service_leave_peers(server->service);
	peers_stop(server->peers, on_peers_stopped, server);
}

static void on_hearing_stopped(void *argument)
{
	struct server *server = argument;

	if (--server->stopping == 0)
		transactions_stop(server->transactions, on_transactions_stopped, server);
}

/* First the parts stop through which requests arrive; then the requests under way end. */
void server_stop(struct server *server, void (*stopped)(void *argument), void *argument)
{
	server->stopped = stopped;
	server->stopped_argument = argument;
	server->stopping = 6;
	registrations_stop(server->registrations);
	region_loads_stop(server->loads);
	survey_stop(server->survey, on_hearing_stopped, server);
	oversize_stop(server->oversize, on_hearing_stopped, server);
	reporter_stop(server->reporter, on_hearing_stopped, server);
	acceptor_stop(server->acceptor, on_hearing_stopped, server);
	net_transport_stop(server->transport, on_hearing_stopped, server);
	coordinator_stop(server->coordinator, on_hearing_stopped, server);
}

void server_free(struct server *server)
{
	if (!server)
		return;
	acceptor_free(server->acceptor);
	admin_free(server->admin);
	reporter_free(server->reporter);
	region_reports_free(server->regions);
	oversize_free(server->oversize);
	service_free(server->service);
	rpc_server_free(server->rpc_server);
	region_loads_free(server->loads);
	survey_free(server->survey);
	registrations_free(server->registrations);
	transactions_free(server->transactions);
	peers_free(server->peers);
	coordinator_free(server->coordinator);
	raftkv_free(server->raftkv);
	net_transport_free(server->transport);
	store_list_close(&server->list);
	store_list_close(&server->seeds);
	free(server);
}

struct raftkv *server_raftkv(const struct server *server)
{
	return server->raftkv;
}

struct transactions *server_transactions(const struct server *server)
{
	return server->transactions;
}

struct coordinator *server_coordinator(const struct server *server)
{
	return server->coordinator;
}

uint32_t server_untold(const struct server *server)
{
	struct net_transport_stats stats;

	net_transport_read_stats(server->transport, &stats);
	return stats.stores_untold;
}

const char *server_address(const struct server *server)
{
	return acceptor_address(server->acceptor);
}
