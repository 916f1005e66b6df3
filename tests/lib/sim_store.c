#include "tests/lib/sim_store.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/container.h"
#include "store/log/raft_log_engine.h"
#include "tests/lib/test_evaluator.h"

static bool is_dead(void *argument)
{
	const struct sim_store *store = argument;

	return !sim_node_is_up(store->node);
}

static int open_kv(void *argument, const char *path, struct kv_engine **engine, struct status *status)
{
	struct sim_store *store = argument;

	(void)path, (void)status;
	*engine = sim_kv_open(store->kv);
	return 0;
}

/* What a process was writing when power failed is on its way for ever. */
static void close_log(struct log_engine *engine)
{
	struct sim_store *store =
		container_of((struct log_engine_ops *)engine->ops, struct sim_store, log_ops);

	if (!is_dead(store))
		store->log_ops_below->close(engine);
}

static int open_log(void *argument, const struct log_engine_options *options, struct log_engine **engine,
	struct status *status)
{
	struct sim_store *store = argument;
	int code = raft_log_engine_open(options, engine, status);

	if (code < 0)
		return code;
	store->log_ops_below = (*engine)->ops;
	store->log_ops = *(*engine)->ops;
	store->log_ops.close = close_log;
	(*engine)->ops = &store->log_ops;
	return 0;
}

static void on_failed(void *argument, int status, const char *sentence)
{
	struct sim_store *store = argument;

	store->has_failed = true;
	snprintf(store->failure, sizeof store->failure, "%s (%s)", sentence, status_name(status));
}

static void print_line(void *argument, enum log_level level, const char *line)
{
	struct sim_store *store = argument;

	if (is_dead(store))
		return; /* what its last breath says of the power */
	fprintf(stderr, "%12.6f %s: %s %s\n", (double)sim_time(store->world) / SIM_S, store->options.path,
		log_level_name(level), line);
}

static void before_kv_change(void *argument)
{
	struct sim_store *store = argument;

	if (++store->kv_changes == store->kv_crash_at && sim_node_is_up(store->node))
		sim_node_crash(store->node);
}

void sim_store_init(struct sim_store *store, struct sim_world *world, const char *name)
{
	*store = (struct sim_store){.world = world, .node = sim_node_new(world, name)};
	store->kv = sim_kv_new(&(struct sim_kv_options){
		.seed = sim_random(world, UINT32_MAX),
		.flush_percent = 5,
		.miss_percent = 5,
		.is_dead = is_dead,
		.before_change = before_kv_change,
		.argument = store,
	});
	store->logger = (struct logger){.level = LOG_ERROR, .write = print_line, .argument = store};
	store->options = (struct raftkv_options){
		.logger = &store->logger,
		.path = "/store",
		.evaluator = test_evaluator(),
		.engines = {.kv_open = open_kv, .log_open = open_log, .argument = store},
		.shards = &store->shard,
		.shard_count = 1,
		.reserve_size = 256u << 10,
		.flush_age_ms = 1000,
		.block_file_size = 4u << 20,
		.segment_size = 1u << 20,
		.failed = on_failed,
		.failed_argument = store,
	};
}

int sim_store_open(struct sim_store *store, struct status *status)
{
	int code;

	store->env = sim_node_start(store->node);
	store->options.env = store->env;
	store->has_failed = false;
	store->is_stopped = false;
	check(env_loop_new(store->env, "shard", &store->shard) == 0);
	check(env_loop_new(store->env, "caller", &store->caller) == 0);
	if (store->before_open)
		store->before_open(store);
	sim_kv_set_manual(store->kv, store->options.early);
	code = raftkv_open(&store->options, &store->raftkv, status);
	if (code < 0) {
		sim_store_kill(store);
		return code;
	}
	if (store->after_open)
		store->after_open(store);
	check(env_loop_start(store->shard) == 0);
	check(env_loop_start(store->caller) == 0);
	return 0;
}

static void on_stopped(void *argument)
{
	((struct sim_store *)argument)->is_stopped = true;
}

static bool is_stopped(void *argument)
{
	return ((const struct sim_store *)argument)->is_stopped;
}

void sim_store_stop(struct sim_store *store)
{
	struct raftkv *raftkv = store->raftkv;

	if (store->before_stop)
		store->before_stop(store);
	raftkv_stop(raftkv, store->shard, on_stopped, store);
	check(sim_run(store->world, 60 * (uint64_t)SIM_S, is_stopped, store));
	store->raftkv = NULL;
	env_loop_stop(store->shard);
	env_loop_stop(store->caller);
	env_loop_free(store->shard);
	env_loop_free(store->caller);
	raftkv_free(raftkv);
	if (store->after_stop)
		store->after_stop(store);
	sim_node_kill(store->node);
}

void sim_store_kill(struct sim_store *store)
{
	if (sim_node_is_up(store->node))
		sim_node_kill(store->node);
	sim_kv_crash(store->kv);
	store->raftkv = NULL;
}

void sim_store_crash(struct sim_store *store)
{
	if (sim_node_is_up(store->node))
		sim_node_crash(store->node);
	sim_kv_crash(store->kv);
	store->raftkv = NULL;
}

void sim_store_close(struct sim_store *store)
{
	struct kv_engine *kv;

	if (store->raftkv && !store->has_failed && !is_dead(store))
		sim_store_stop(store);
	else
		sim_store_crash(store);
	kv = sim_kv_open(store->kv);
	kv->ops->close(kv);
	sim_kv_free(store->kv);
}
