#include "tests/sim/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/check.h"
#include "proto/container.h"
#include "proto/status.h"
#include "store/log/raft_log_engine.h"
#include "tests/sim/violation.h"

/* ---- Engines ---- */

static bool is_dead(void *argument)
{
	const struct store *store = argument;

	return !sim_node_is_up(store->node);
}

static int open_kv(void *argument, const char *path, struct kv_engine **engine, struct status *status)
{
	struct store *store = argument;

	(void)path, (void)status;
	*engine = store->kv_engine = sim_kv_open(store->kv);
	return 0;
}

/* What a process was writing when power failed is on its way for ever. */
static void close_log(struct log_engine *engine)
{
	struct store *store = container_of((struct log_engine_ops *)engine->ops, struct store, log_ops);

	if (!is_dead(store))
		store->log_ops_below->close(engine);
}

static int open_log(void *argument, const struct log_engine_options *options, struct log_engine **engine,
	struct status *status)
{
	struct store *store = argument;
	int code = raft_log_engine_open(options, engine, status);

	if (code < 0)
		return code;
	store->log_ops_below = (*engine)->ops;
	store->log_ops = *(*engine)->ops;
	store->log_ops.close = close_log;
	(*engine)->ops = &store->log_ops;
	return 0;
}

/* ---- A machine ---- */

static void print_line(void *argument, enum log_level level, const char *line)
{
	struct store *store = argument;

	/* Whoever sends here is this program, too. */
	if (!is_dead(store) && level >= LOG_WARN && strstr(line, status_name(STATUS_MALFORMED)))
		violation("store %u gets what it cannot read: %s", store->number, line);
	if (!is_dead(store) && store->is_verbose)
		printf("%12.6f store %u: %s %s\n", (double)sim_time(store->world) / SIM_S, store->number,
			log_level_name(level), line);
}

static void set(struct store *store, const char *assignment)
{
	struct status status = {0};

	if (config_set_assignment(&store->config, assignment, "the simulator", &status) < 0)
		violation("%s: %s", assignment, status.text);
}

static void init_config(struct store *store)
{
	static const char *const listen[STORES] = {
		"server.listen=a:7420", "server.listen=b:7420", "server.listen=c:7420"};
	struct raftkv_options *options = &store->config.store;

	check(config_init(&store->config) == 0);
	set(store, "server.data=/store");
	set(store, listen[store->number - 1]);
	set(store, "server.initial_cluster=" STORE_LIST);
	store->config.server.is_insecure = true;
	store->config.server.session_expiry_ms = STORE_EXPIRY;
	options->reserve_size = STORE_RESERVE;
	options->flush_age_ms =
		store->is_rarely_flushed ? 60000 : 500 + (uint32_t)sim_random(store->world, 4000);
	options->block_file_size = 4u << 20;
	options->segment_size = 1u << 20;
	options->log_size_max = (4u << 10) << sim_random(store->world, 13);
	options->lease_is_off = sim_random(store->world, 8) == 0;
	options->idle_ms = options->flush_age_ms % 2 == 0 ? 200 : 0;
	store->config.server.region_split_load = 0; /* splits.h */
}

static struct sim_kv_options kv_options(struct store *store, uint64_t seed)
{
	return (struct sim_kv_options){.seed = seed,
		.flush_percent = store->is_rarely_flushed ? 0 : 5,
		.miss_percent = store->kv_miss_percent,
		.is_dead = is_dead,
		.argument = store};
}

void store_init(struct store *store, struct sim_world *world, uint32_t number, bool is_verbose)
{
	static const char *const names[STORES] = {"a", "b", "c"};
	struct sim_kv_options kv;
	uint64_t kv_seed;

	*store = (struct store){.world = world,
		.node = sim_node_new(world, names[number - 1]),
		.number = number,
		.is_verbose = is_verbose};
	store->loop_count = 1 + (uint32_t)sim_random(world, STORE_LOOPS);
	kv_seed = sim_random(world, UINT32_MAX);
	store->is_rarely_flushed = sim_random(world, 4) == 0;
	store->kv_miss_percent = (unsigned)sim_random(world, 3) * 5;
	kv = kv_options(store, kv_seed);
	store->kv = sim_kv_new(&kv);
	store->logger = (struct logger){
		.level = is_verbose ? LOG_INFO : LOG_WARN, .write = print_line, .argument = store};
	init_config(store);
}

/* ---- A process ---- */

static void on_failed(void *argument, int status, const char *sentence)
{
	struct store *store = argument;

	if (store->state != STORE_RUNNING && store->state != STORE_STOPPING)
		return;
	store->state = STORE_FAILED;
	store->failure = status;
	snprintf(store->sentence, sizeof store->sentence, "%s", sentence);
}

static void start_on_loop(struct env_mail *mail)
{
	server_start(container_of(mail, struct store, starting)->server);
}

int store_start(struct store *store, struct status *status)
{
	struct server_options options = {.loops = store->loops,
		.loop_count = store->loop_count,
		.config = &store->config,
		.logger = &store->logger,
		.engines = {.kv_open = open_kv, .log_open = open_log, .argument = store},
		.failed = on_failed,
		.failed_argument = store};
	int code;

	check(store->state == STORE_DOWN);
	store->began = sim_time(store->world);
	store->env = options.env = sim_node_start(store->node);
	/* What was on its way when the last process died stays there. */
	store->starting = store->stopping = (struct env_mail){0};
	for (uint32_t i = 0; i < store->loop_count; i++)
		check(env_loop_new(store->env, "shard", &store->loops[i]) == 0);
	store->state = STORE_RUNNING;
	code = server_new(&options, &store->server, status);
	if (code < 0 || is_dead(store)) {
		store_kill(store);
		return code < 0 ? code : -EIO;
	}
	store->incarnation = raftkv_ident(server_raftkv(store->server)).incarnation;
	for (uint32_t i = 0; i < store->loop_count; i++)
		check(env_loop_start(store->loops[i]) == 0);
	env_post(store->loops[0], &store->starting, start_on_loop);
	return 0;
}

bool store_is_well(const struct store *store)
{
	return store->state == STORE_RUNNING && sim_node_is_up(store->node);
}

/* The memory of a process that did not end by itself is left behind. */
static void forget(struct store *store)
{
	sim_kv_crash(store->kv);
	store->server = NULL;
	store->state = STORE_DOWN;
}

void store_kill(struct store *store)
{
	if (sim_node_is_up(store->node))
		sim_node_kill(store->node);
	forget(store);
}

void store_crash(struct store *store)
{
	if (sim_node_is_up(store->node))
		sim_node_crash(store->node);
	forget(store);
}

static void on_stopped(void *argument)
{
	struct store *store = argument;

	if (store->state == STORE_STOPPING)
		store->state = STORE_STOPPED;
}

static void stop_on_loop(struct env_mail *mail)
{
	struct store *store = container_of(mail, struct store, stopping);

	server_stop(store->server, on_stopped, store);
}

void store_stop(struct store *store)
{
	check(store->state == STORE_RUNNING);
	store->state = STORE_STOPPING;
	env_post(store->loops[0], &store->stopping, stop_on_loop);
}

void store_bury(struct store *store)
{
	check(store->state == STORE_STOPPED);
	for (uint32_t i = 0; i < store->loop_count; i++)
		env_loop_stop(store->loops[i]);
	for (uint32_t i = 0; i < store->loop_count; i++)
		env_loop_free(store->loops[i]);
	server_free(store->server);
	if (sim_node_is_up(store->node))
		sim_node_kill(store->node);
	forget(store);
}

/* ---- Other disks ---- */

void store_drop_aside(struct store *store)
{
	check(!store->is_false);
	store->aside = (struct store_disk){0};
}

void store_put_aside(struct store *store, bool is_copy)
{
	const struct sim_kv_options empty = kv_options(store, 1);

	store_drop_aside(store);
	store->aside = (struct store_disk){.disk = sim_node_new_disk(store->node, is_copy),
		.kv = is_copy ? sim_kv_copy(store->kv) : sim_kv_new(&empty),
		.incarnation = is_copy ? store->incarnation : 0};
}

void store_swap(struct store *store)
{
	struct sim_kv *own = store->kv;

	check(store->state == STORE_DOWN && store->aside.disk);
	sim_node_swap_disk(store->node, store->aside.disk);
	store->kv = store->aside.kv;
	store->aside.kv = own;
	store->is_false = !store->is_false;
	store->incarnation = 0;
}

bool store_is_known(const struct store *store)
{
	return server_untold(store->server) == 0;
}

struct raftkv *store_raftkv(const struct store *store)
{
	return store->server ? server_raftkv(store->server) : NULL;
}
