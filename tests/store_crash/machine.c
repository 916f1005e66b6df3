#include "tests/store_crash/machine.h"

#include <errno.h>
#include <stdio.h>

#include "proto/check.h"
#include "store/log/raft_log_engine.h"
#include "tests/lib/things_model.h"

static bool is_dead(void *argument)
{
	struct machine *machine = argument;

	return !sim_node_is_up(machine->node);
}

static void before_kv_change(void *argument)
{
	struct machine *machine = argument;

	if (++machine->kv_changes == machine->kv_crash_at && sim_node_is_up(machine->node))
		sim_node_crash(machine->node);
}

static int open_kv(void *argument, const char *path, struct kv_engine **engine, struct status *status)
{
	struct machine *machine = argument;

	(void)path, (void)status;
	machine->kv_engine = *engine = sim_kv_open(machine->kv);
	return 0;
}

/* What a process was writing when power failed is on its way for ever. */
static void close_log(struct log_engine *engine)
{
	struct machine *machine = (struct machine *)((char *)engine->ops - offsetof(struct machine, log_ops));

	if (!is_dead(machine))
		machine->log_ops_below->close(engine);
}

static int open_log(void *argument, const struct log_engine_options *options, struct log_engine **engine,
	struct status *status)
{
	struct machine *machine = argument;
	int code = raft_log_engine_open(options, engine, status);

	if (code < 0)
		return code;
	machine->log_engine = *engine;
	machine->log_ops_below = (*engine)->ops;
	machine->log_ops = *(*engine)->ops;
	machine->log_ops.close = close_log;
	(*engine)->ops = &machine->log_ops;
	return 0;
}

static void on_failed(void *argument, int status, const char *sentence)
{
	struct machine *machine = argument;

	if (machine->has_failed)
		violation("the store failed twice: %s", sentence);
	machine->has_failed = true;
	machine->failure = status;
}

static void print_line(void *argument, enum log_level level, const char *line)
{
	const struct machine *machine = argument;

	if (machine->is_verbose)
		printf("%12.6f %s %s\n", (double)sim_time(machine->world) / SIM_S, log_level_name(level),
			line);
}

static uint64_t one_of(struct sim_world *world, const uint64_t *values, size_t count)
{
	return values[sim_random(world, count)];
}
#define ONE_OF(world, ...)                                                                                   \
	one_of(world, (const uint64_t[]){__VA_ARGS__},                                                       \
		sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

void machine_init(struct machine *machine, uint64_t seed, bool is_early, bool is_verbose)
{
	struct sim_world *world = sim_world_new(seed);

	*machine = (struct machine){.world = world,
		.is_verbose = is_verbose,
		.evaluator = thing_evaluator(),
		.crash_opening = UINT64_MAX};
	machine->node = sim_node_new(world, "store");
	machine->kv = sim_kv_new(&(struct sim_kv_options){
		.seed = seed,
		.flush_percent = (unsigned int)ONE_OF(world, 0, 1, 10, 50),
		.manual_flush = is_early,
		.miss_percent = (unsigned int)ONE_OF(world, 0, 5, 30),
		.is_dead = is_dead,
		.before_change = before_kv_change,
		.argument = machine,
	});
	machine->logger = (struct logger){.level = LOG_DEBUG, .write = print_line, .argument = machine};
	machine->options = (struct raftkv_options){
		.logger = &machine->logger,
		.path = "/store",
		.evaluator = &machine->evaluator,
		.engines = {.kv_open = open_kv, .log_open = open_log, .argument = machine},
		.early = is_early,
		.shard_count = 1 + (uint32_t)sim_random(world, SHARDS_MAX),
		.initial_regions = 1 + (uint32_t)sim_random(world, INITIAL_REGIONS_MAX),
		.lease_is_off = sim_random(world, 4) == 0,
		.log_size_max = ONE_OF(world, 128u << 10, 1u << 20, 64u << 20),
		.reserve_size = 256u << 10,
		.flush_age_ms = (uint32_t)ONE_OF(world, 5, 20, 100, 1000),
		.block_file_size = ONE_OF(world, 1u << 20, 4u << 20),
		.segment_size = ONE_OF(world, 256u << 10, 512u << 10, 1u << 20),
		.failed = on_failed,
		.failed_argument = machine,
	};
	machine->loop_count = machine->options.shard_count + 1;
}

int machine_open(struct machine *machine, struct status *status)
{
	int code = 0;

	machine->env = sim_node_start(machine->node);
	machine->kv_changes = machine->kv_crash_at = 0;
	machine->options.env = machine->env;
	machine->options.shards = machine->loops;
	machine->raftkv = NULL;
	machine->log_engine = NULL;
	machine->has_failed = false;
	machine->is_stopped = false;
	machine->was_crashed = false;
	if (machine->crash_opening != UINT64_MAX)
		sim_node_crash_after(machine->node, machine->crash_opening);
	for (uint32_t i = 0; i < machine->loop_count; i++)
		check(env_loop_new(machine->env, "loop", &machine->loops[i]) == 0);
	code = raftkv_open(&machine->options, &machine->raftkv, status);
	if (!sim_node_is_up(machine->node)) {
		machine_crash(machine);
		machine->was_crashed = true;
		return -EIO;
	}
	if (code < 0)
		machine_kill(machine);
	return code;
}

void machine_run_loops(struct machine *machine)
{
	for (uint32_t i = 0; i < machine->loop_count; i++)
		check(env_loop_start(machine->loops[i]) == 0);
}

bool machine_is_well(const struct machine *machine)
{
	return machine->raftkv && !machine->has_failed && sim_node_is_up(machine->node);
}

static void on_stopped(void *argument)
{
	struct machine *machine = argument;

	if (machine->is_stopped)
		violation("the store has stopped twice");
	machine->is_stopped = true;
}

void machine_begin_stop(struct machine *machine)
{
	raftkv_stop(machine->raftkv, machine->loops[0], on_stopped, machine);
}

bool machine_is_stopped(void *argument)
{
	const struct machine *machine = argument;

	return machine->is_stopped || !machine_is_well(machine);
}

void machine_end_stop(struct machine *machine)
{
	for (uint32_t i = 0; i < machine->loop_count; i++)
		env_loop_stop(machine->loops[i]);
	for (uint32_t i = 0; i < machine->loop_count && sim_node_is_up(machine->node); i++)
		env_loop_free(machine->loops[i]);
	raftkv_free(machine->raftkv);
	machine->raftkv = NULL;
	if (sim_node_is_up(machine->node))
		sim_node_kill(machine->node);
	else
		machine_crash(machine);
}

void machine_kill(struct machine *machine)
{
	if (sim_node_is_up(machine->node))
		sim_node_kill(machine->node);
	sim_kv_crash(machine->kv);
	machine->raftkv = NULL;
}

void machine_crash(struct machine *machine)
{
	if (sim_node_is_up(machine->node))
		sim_node_crash(machine->node);
	sim_kv_crash(machine->kv);
	machine->raftkv = NULL;
}
