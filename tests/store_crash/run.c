#include "tests/store_crash/run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/check.h"
#include "tests/store_crash/audit.h"
#include "tests/store_crash/client.h"
#include "tests/store_crash/splitter.h"

#define SPLITS_MAX 4u /* of one process */

enum fault {
	FAULT_NONE,
	FAULT_CRASH_OPENING, /* power fails while the store opens */
	FAULT_CRASH_SOON, /* power fails within some disk operation */
	FAULT_SLOW,
	FAULT_PAUSE,
	FAULT_SYNC, /* a sync fails */
	FAULT_WRITE, /* a write fails */
	FAULT_KV, /* the KV engine fails */
	FAULT_READ, /* reads of blocks fail now and then */
	FAULT_ROT, /* bits of blocks flip when read */
	FAULT_FULL,
	FAULT_COUNT,
};

static const char *const fault_names[] = {"none", "power fails while opening", "power fails soon",
	"slow disk", "pause", "syncs fail", "writes fail", "the KV engine fails", "reads fail", "rot",
	"full disk"};

struct run {
	struct machine machine;
	struct things_model model;
	struct clients clients;
	struct splitters splitters;
	struct run_totals *totals;
	enum fault fault;
	bool has_rot; /* for good */
	bool is_early; /* power does not fail */
	bool is_verbose;
};

#define note(run, ...)                                                                                       \
	do {                                                                                                 \
		if ((run)->is_verbose) {                                                                     \
			printf("%12.6f ", (double)sim_time((run)->machine.world) / SIM_S);                   \
			printf(__VA_ARGS__);                                                                 \
			putchar('\n');                                                                       \
		}                                                                                            \
	} while (0)

static uint64_t draw(struct run *run, uint64_t below)
{
	return sim_random(run->machine.world, below);
}

/* ---- Faults ----------------------------------------------------------------------------------------------------- */

static bool stops_store(enum fault fault)
{
	return fault == FAULT_SYNC || fault == FAULT_WRITE || fault == FAULT_KV;
}

/* Those that are there while the store opens. */
static void set_early_faults(struct run *run)
{
	struct sim_disk_faults *faults = sim_node_faults(run->machine.node);

	faults->latency = run->fault == FAULT_SLOW ? (1 + draw(run, 10)) * SIM_MS : 0;
	run->machine.crash_opening = run->fault == FAULT_CRASH_OPENING ? draw(run, 30) : UINT64_MAX;
}

static uint64_t used_size(struct run *run)
{
	struct env_space space;

	check(env_space(run->machine.env, run->machine.options.path, &space) == 0);
	return space.total - space.available;
}

/* Those that come when it runs. */
static void set_late_faults(struct run *run)
{
	struct sim_disk_faults *faults = sim_node_faults(run->machine.node);
	static const char *const places[] = {NULL, "/blocks/", "/raft/"};

	switch (run->fault) {
	case FAULT_CRASH_SOON:
		sim_node_crash_after(run->machine.node, draw(run, 300));
		break;
	case FAULT_PAUSE:
		sim_node_pause(run->machine.node, draw(run, 5 * (uint64_t)SIM_S));
		break;
	case FAULT_SYNC:
		faults->sync_error_ppm = 50000;
		break;
	case FAULT_WRITE:
		faults->write_error_ppm = 5000;
		break;
	case FAULT_KV:
		sim_kv_break(run->machine.kv);
		break;
	case FAULT_READ:
		faults->read_error_ppm = 100000;
		break;
	case FAULT_ROT:
		faults->rot_ppm = 20000;
		break;
	case FAULT_FULL:
		faults->capacity = used_size(run) + draw(run, 2u << 20);
		break;
	default:
		break;
	}
	faults->only =
		run->fault == FAULT_READ || run->fault == FAULT_ROT ? "/blocks/" : places[draw(run, 3)];
	run->clients.may_be_full = faults->capacity > 0;
	run->has_rot = run->has_rot || run->fault == FAULT_ROT;
	run->clients.may_fail_to_read = run->has_rot || run->fault == FAULT_READ;
}

static void heal(struct run *run)
{
	*sim_node_faults(run->machine.node) = (struct sim_disk_faults){0};
}

/* ---- The life of a process -------------------------------------------------------------------------------------- */

static bool has_ended(void *argument)
{
	return !machine_is_well(&((struct run *)argument)->machine);
}

static bool is_done(void *argument)
{
	struct run *run = argument;

	return has_ended(run) || (clients_are_idle(&run->clients) && splitters_are_idle(&run->splitters));
}

static bool are_gone(const struct run *run)
{
	return clients_are_gone(&run->clients) && splitters_are_gone(&run->splitters);
}

static bool is_gone(void *argument)
{
	struct run *run = argument;

	return has_ended(run) || are_gone(run);
}

static bool is_split(void *argument)
{
	struct run *run = argument;

	return has_ended(run) || splitters_are_asking(&run->splitters);
}

/* Power failed, or the store gave up, which it may only do after a fault. */
static void bury(struct run *run)
{
	struct machine *machine = &run->machine;

	if (!sim_node_is_up(machine->node)) {
		note(run, "power has failed");
		run->totals->crashes++;
		machine_crash(machine);
		return;
	}
	if (!stops_store(run->fault))
		violation("the store stops without a fault: %s", status_name(machine->failure));
	note(run, "the store has stopped: %s", status_name(machine->failure));
	run->totals->failures++;
	if (run->is_early || draw(run, 2) == 0)
		machine_kill(machine);
	else
		machine_crash(machine);
}

static void leave(struct run *run)
{
	struct machine *machine = &run->machine;

	run->clients.is_leaving = true;
	if (draw(run, 2) == 0)
		sim_run(machine->world, 20 * (uint64_t)SIM_S, is_gone, run);
	if (!machine_is_well(machine))
		return;
	machine_begin_stop(machine);
	if (!run->is_early && draw(run, 4) == 0)
		sim_node_crash_after(machine->node, draw(run, 40));
	if (!sim_run(machine->world, 60 * (uint64_t)SIM_S, machine_is_stopped, machine))
		violation("the store does not stop");
	sim_run(machine->world, 60 * (uint64_t)SIM_S, is_gone, run);
	if (!machine_is_well(machine))
		return;
	if (!are_gone(run))
		violation("the store has stopped and owes an answer");
	note(run, "stopped");
	run->totals->stops++;
	machine_end_stop(machine);
}

static void add_stats(struct run *run)
{
	struct raftkv_stats stats;

	raftkv_stats(run->machine.raftkv, &stats);
	run->totals->flushes += stats.flushes;
	run->totals->parked += stats.evaluations_parked;
}

static void end_process(struct run *run)
{
	struct machine *machine = &run->machine;

	if (machine_is_well(machine)) {
		audit_engines(machine);
		add_stats(run);
	}
	if (!machine_is_well(machine)) {
		bury(run);
		return;
	}
	switch (draw(run, 4)) {
	case 0:
		note(run, "kill -9");
		run->totals->kills++;
		machine_kill(machine);
		return;
	case 1:
		if (run->is_early) {
			leave(run);
			break;
		}
		note(run, "power fails");
		run->totals->crashes++;
		machine_crash(machine);
		return;
	default:
		leave(run);
		break;
	}
	if (machine->raftkv)
		bury(run);
}

/* False: it did not come to life. */
static bool begin_process(struct run *run, uint32_t splits, bool may_crash)
{
	struct status status = {0};
	int code = machine_open(&run->machine, &status);

	run->totals->processes++;
	if (code < 0 && !run->machine.was_crashed)
		violation("the store does not open: %s (%s)", status.text, status_name(code));
	if (code < 0) {
		note(run, "power has failed while opening");
		run->totals->crashes_while_opening++;
		return false;
	}
	audit_engines(&run->machine);
	clients_enter(&run->clients);
	splitters_enter(&run->splitters, splits, may_crash);
	machine_run_loops(&run->machine);
	return true;
}

static void round_of(struct run *run, uint64_t operations)
{
	run->fault = (enum fault)draw(run, FAULT_COUNT);
	if (run->is_early && (run->fault == FAULT_CRASH_OPENING || run->fault == FAULT_CRASH_SOON))
		run->fault = FAULT_SLOW;
	note(run, "round: %s", fault_names[run->fault]);
	set_early_faults(run);
	run->clients.budget = operations;
	if (begin_process(run, (uint32_t)draw(run, SPLITS_MAX + 1), !run->is_early)) {
		if (draw(run, 2) == 0)
			sim_run(run->machine.world, draw(run, 50 * SIM_MS), has_ended, run);
		if (!has_ended(run))
			set_late_faults(run);
		sim_run(run->machine.world, draw(run, 2) ? 30 * (uint64_t)SIM_S : draw(run, 100 * SIM_MS),
			is_done, run);
		/* A quarter of the processes end around a split. */
		if (run->splitters.budget > 0 && draw(run, 4) == 0) {
			sim_run(run->machine.world, 5 * (uint64_t)SIM_S, is_split, run);
			sim_run(run->machine.world, draw(run, 5 * SIM_MS), has_ended, run);
		}
		end_process(run);
	}
	heal(run);
}

/* ---- The last processes, without faults ------------------------------------------------------------------------- */

static void live(struct run *run, uint64_t operations, uint32_t splits)
{
	run->fault = FAULT_NONE;
	set_early_faults(run);
	run->clients.may_be_full = false;
	run->clients.may_fail_to_read = run->has_rot;
	run->clients.budget = operations;
	if (!begin_process(run, splits, false))
		violation("a process without faults does not come to life");
	if (!sim_run(run->machine.world, 60 * (uint64_t)SIM_S, is_done, run) || has_ended(run))
		violation("operations are without an answer, without any fault");
	audit_space(&run->machine);
	splitters_check(&run->splitters);
}

static bool is_empty(void *argument)
{
	struct run *run = argument;
	struct raftkv_stats stats;

	if (has_ended(run))
		return true;
	raftkv_stats(run->machine.raftkv, &stats);
	return stats.blocks.used_units == 0;
}

static void empty(struct run *run)
{
	clients_unmap_all(&run->clients);
	if (!sim_run(run->machine.world, 60 * (uint64_t)SIM_S, is_done, run) || has_ended(run))
		violation("objects cannot be unmapped");
	if (!sim_run(run->machine.world, 60 * (uint64_t)SIM_S, is_empty, run) || has_ended(run))
		violation("the space of unmapped objects does not come back");
}

/* ---- A seed ----------------------------------------------------------------------------------------------------- */

static void add_totals(struct run *run)
{
	struct run_totals *totals = run->totals;
	struct raftkv_stats stats;

	raftkv_stats(run->machine.raftkv, &stats);
	totals->regions += stats.regions;
	totals->runs++;
	totals->time += sim_time(run->machine.world);
	totals->operations += run->clients.operations;
	totals->acknowledged += run->model.acknowledged;
	totals->reads += run->model.reads;
	totals->refusals += run->clients.refusals;
	totals->splits += run->splitters.made;
	totals->faults += sim_node_faults_fired(run->machine.node);
	totals->trace = sim_trace(run->machine.world) ^ run->model.trace;
}

void run_seed(uint64_t seed, uint64_t operations, bool is_early, bool is_verbose, struct run_totals *totals)
{
	struct run *run = calloc(1, sizeof *run);
	uint64_t rounds;

	check(run);
	run->totals = totals;
	run->is_verbose = is_verbose;
	run->is_early = is_early;
	machine_init(&run->machine, seed, is_early, is_verbose);
	things_model_init(&run->model, 1 + (uint32_t)draw(run, THINGS_MAX));
	clients_init(&run->clients, &run->machine, &run->model);
	splitters_init(&run->splitters, &run->clients, run->machine.options.initial_regions);
	rounds = 2 + draw(run, 5);
	for (uint64_t i = 0; i < rounds; i++)
		round_of(run, operations / rounds);
	live(run, operations / rounds, SPLITS_MAX);
	end_process(run);
	live(run, 0, 0);
	sim_run(run->machine.world, 10 * (uint64_t)SIM_S, has_ended, run);
	audit_lease(&run->machine);
	empty(run);
	end_process(run);
	live(run, 0, 1);
	add_stats(run);
	add_totals(run);
	sim_world_free(run->machine.world);
}
