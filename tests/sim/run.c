#include "tests/sim/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/check.h"
#include "tests/sim/audit.h"
#include "tests/sim/circles.h"
#include "tests/sim/oldest.h"
#include "tests/sim/splits.h"
#include "tests/sim/violation.h"
#include "tests/sim/watch.h"
#include "tests/sim/work.h"

#define PATIENCE	 (60 * (uint64_t)SIM_S) /* for whatever must come right without faults */
#define ACTORS_MAX	 6u /* of a mount */
#define WATCH_EVERY	 (5 * SIM_MS)
#define COMPARE_EVERY	 100u /* looks at leaders */
#define SESSIONS_END	 (3 * (uint64_t)SIM_S) /* of sessions that were closed, in every region */
#define SAFETY_TIME_MOST (120 * (uint64_t)SIM_S)

struct run {
	const struct run_options *options;
	struct cluster cluster;
	struct stage stage;
	struct work *works[WORK_KINDS];
	uint32_t work_count;
	struct faults faults;
	struct splits splits;
	struct watch watch;
	struct oldest oldest;
	uint64_t waits; /* for another operation, that were seen */
	uint32_t actor_count; /* of each mount */
	uint64_t rest; /* of actors */
	uint32_t numbers; /* actors so far */
	bool is_playing; /* a mount that comes up gets actors */
	/* Of the processes that run. */
	struct actor *actors[MOUNTS];
	struct actor *sweeper; /* NULL: nobody takes steps */
};

/* ---- Waiting, and watching meanwhile ---- */

static uint64_t earlier(uint64_t one, uint64_t other)
{
	return one < other ? one : other;
}

static bool run_until(struct run *run, uint64_t duration, bool (*until)(void *argument))
{
	struct cluster *cluster = &run->cluster;
	uint64_t end = sim_time(cluster->world) + duration;

	while (sim_time(cluster->world) < end && !until(run)) {
		uint64_t due = earlier(faults_step(&run->faults), splits_step(&run->splits));
		uint64_t now = sim_time(cluster->world);
		uint64_t next = earlier(now + WATCH_EVERY, end);

		if (due > now)
			next = earlier(next, due);
		cluster_run(cluster, next - now, until, run);
		run->stage.may_be_full = run->faults.has_full_disk;
		watch_leaders(&run->watch);
		run->waits += circles_look(cluster);
		if (run->watch.looks % COMPARE_EVERY > 0)
			continue;
		watch_rows(&run->watch);
		oldest_look(&run->oldest);
	}
	return until(run);
}

static void print_actors(const struct run *run)
{
	for (uint32_t i = 0; i < MOUNTS; i++)
		for (uint32_t j = 0; run->actors[i] && j < run->actor_count; j++)
			if (!run->actors[i][j].is_idle)
				printf("mount %u: actor %u of %s %s\n", i + 1, run->actors[i][j].number,
					run->actors[i][j].work->kind->name,
					run->actors[i][j].is_waiting ? "waits for an answer" : "rests");
}

static void must(struct run *run, bool (*until)(void *argument), const char *what)
{
	if (run_until(run, PATIENCE, until))
		return;
	watch_print(&run->watch);
	print_actors(run);
	violation("not after %.0f s without any fault: %s", (double)PATIENCE / SIM_S, what);
}

static bool never(void *argument)
{
	(void)argument;
	return false;
}

static bool is_up(void *argument)
{
	return cluster_is_up(&((struct run *)argument)->cluster);
}

/* ---- Actors ---- */

static bool are_idle(void *argument)
{
	const struct run *run = argument;

	for (uint32_t i = 0; i < MOUNTS; i++)
		for (uint32_t j = 0; run->actors[i] && j < run->actor_count; j++)
			if (!run->actors[i][j].is_idle)
				return false;
	return true;
}

static struct actor *actors_new(struct run *run, struct mount *mount)
{
	struct actor *actors = calloc(run->actor_count, sizeof *actors);

	check(actors);
	for (uint32_t i = 0; i < run->actor_count; i++) {
		struct work *work = run->works[sim_random(run->cluster.world, run->work_count)];

		actor_init(&actors[i], mount, ++run->numbers, work, run->rest);
	}
	return actors;
}

static void start_actors(struct run *run, struct mount *mount)
{
	struct actor *actors = actors_new(run, mount);

	run->actors[mount->number - 1] = actors;
	for (uint32_t i = 0; i < run->actor_count; i++)
		work_finish(&actors[i]);
}

/* Those of its process before were left behind. */
static void on_mount_running(void *argument, struct mount *mount)
{
	struct run *run = argument;

	if (run->is_playing)
		start_actors(run, mount);
}

/* ---- Step by step ---- */

static bool is_swept(void *argument)
{
	return ((const struct run *)argument)->sweeper->is_idle;
}

/* Each of the work's steps, one after the other, through a mount. */
static void sweep(struct run *run, struct mount *mount, struct work *work,
	bool (*step)(struct actor *actor, uint32_t step), const char *what)
{
	struct actor actor;

	actor_init(&actor, mount, ++run->numbers, work, SIM_MS);
	actor.sweep = step;
	run->sweeper = &actor;
	work_finish(&actor);
	must(run, is_swept, what);
	run->sweeper = NULL;
	free(actor.bytes);
}

static void split_first(struct run *run)
{
	for (uint32_t i = 0; i < run->splits.first; i++) {
		splits_ask(&run->splits);
		run_until(run, 50 * SIM_MS, never);
	}
}

static void prepare(struct run *run)
{
	for (uint32_t i = 0; i < NODES; i++)
		run->cluster.starts[i] = 0;
	must(run, is_up, "everything runs for the first time");
	run_until(run, 2 * (uint64_t)SIM_S, never); /* until the coordinator has made the root */
	for (uint32_t i = 0; i < run->work_count; i++)
		sweep(run, &run->cluster.mounts[0], run->works[i], run->works[i]->kind->prepare,
			"the works have their files");
	split_first(run);
}

/* The actors work, things go wrong. */
static void play(struct run *run)
{
	run->is_playing = true;
	faults_begin(&run->faults);
	for (uint32_t i = 0; i < MOUNTS; i++)
		start_actors(run, &run->cluster.mounts[i]);
	run->watch.need_leaders = run->stage.is_calm;
	run_until(run, SAFETY_TIME_MOST, run->work_count > 0 ? are_idle : never);
	run->watch.need_leaders = false;
	run->stage.budget = 0;
}

static bool is_level(void *argument)
{
	return watch_is_level(&((struct run *)argument)->watch);
}

/* All faults end, and everything comes right. */
static void heal(struct run *run)
{
	note(&run->cluster, "all faults end");
	faults_end(&run->faults);
	cluster_start_all(&run->cluster);
	must(run, is_up, "every store runs, every mount has a session");
	must(run, are_idle, "every operation is answered");
	run->is_playing = false;
	moment_init(&run->cluster.split_moment, true);
	run->splits.next = CLUSTER_NEVER;
}

static void look(struct run *run)
{
	/* What mounts that died have left behind goes with their sessions. */
	run_until(run, 3 * STORE_EXPIRY * (uint64_t)SIM_MS, never);
	for (uint32_t i = 0; i < run->work_count; i++)
		for (uint32_t j = 0; j < MOUNTS; j++)
			sweep(run, &run->cluster.mounts[j], run->works[i], run->works[i]->kind->look,
				"what is left can be looked at");
	for (uint32_t i = 0; i < run->work_count; i++)
		run->works[i]->kind->judge(run->works[i]);
	must(run, is_level, "all replicas stand at the same index");
}

/* ---- The end ---- */

static bool are_mounts_down(void *argument)
{
	const struct run *run = argument;

	for (uint32_t i = 0; i < MOUNTS; i++)
		if (run->cluster.mounts[i].state != MOUNT_DOWN)
			return false;
	return true;
}

static bool are_stores_down(void *argument)
{
	const struct run *run = argument;

	for (uint32_t i = 0; i < STORES; i++)
		if (run->cluster.stores[i].state != STORE_DOWN)
			return false;
	return true;
}

static void stop(struct run *run)
{
	for (uint32_t i = 0; i < MOUNTS; i++)
		mount_stop(&run->cluster.mounts[i]);
	must(run, are_mounts_down, "the mounts have stopped");
	run_until(run, SESSIONS_END, never);
	run->cluster.rest_max = CLUSTER_NEVER - 1 - sim_time(run->cluster.world);
	for (uint32_t i = 0; i < STORES; i++)
		store_stop(&run->cluster.stores[i]);
	must(run, are_stores_down, "the stores have stopped");
	for (uint32_t i = 0; i < STORES; i++)
		audit_store(&run->cluster.stores[i]);
}

static void add_totals(const struct run *run, struct run_totals *totals)
{
	const struct cluster *cluster = &run->cluster;

	totals->runs++;
	totals->time += sim_time(cluster->world);
	totals->trace = sim_trace(cluster->world) ^ run->stage.clock;
	for (uint32_t i = 0; i < FAULT_COUNT; i++)
		totals->fired[i] += run->faults.fired[i];
	totals->processes += cluster->counts.processes;
	totals->failures += cluster->counts.failures;
	totals->mounts += cluster->counts.mounts;
	for (uint32_t i = 0; i < MOUNTS; i++)
		totals->sessions_lost += cluster->mounts[i].sessions_lost;
	totals->done += run->stage.done;
	totals->never += run->stage.never;
	totals->open += run->stage.open;
	totals->undecided += run->stage.undecided;
	totals->compared += run->watch.compared;
	totals->told += run->oldest.told;
	totals->waits += run->waits;
	if (run->oldest.age_max > totals->intent_age)
		totals->intent_age = run->oldest.age_max;
	totals->terms += run->watch.term_count;
	totals->regions += run->watch.region_count;
	totals->splits += run->splits.done;
	if (run->stage.longest > totals->longest)
		totals->longest = run->stage.longest;
}

/* All that are allowed, or any part of them: what few do together is done more often. */
static void choose_works(struct run *run)
{
	uint32_t works = run->options->works;

	if (works > 0 && sim_random(run->cluster.world, 3) > 0)
		works &= 1 + (uint32_t)sim_random(run->cluster.world, (1u << WORK_KINDS) - 1);
	if (works == 0)
		works = run->options->works;
	for (uint32_t i = 0; i < WORK_KINDS; i++)
		if (works >> i & 1)
			run->works[run->work_count++] = work_new(work_kinds[i], &run->stage);
}

static void init(struct run *run, const struct run_options *options)
{
	static const uint64_t rests[] = {2 * SIM_MS, 20 * SIM_MS, 200 * SIM_MS, 1000 * SIM_MS};
	struct cluster *cluster = &run->cluster;

	run->options = options;
	cluster_init(cluster, options->seed, options->is_verbose);
	cluster->on_mount_running = on_mount_running;
	cluster->argument = run;
	run->stage = (struct stage){.world = cluster->world, .is_verbose = options->is_verbose};
	run->stage.budget =
		options->operations > 0 ? options->operations : 100 + sim_random(cluster->world, 300);
	run->rest = rests[sim_random(cluster->world, sizeof rests / sizeof *rests)];
	run->actor_count = 1 + (uint32_t)sim_random(cluster->world, ACTORS_MAX);
	choose_works(run);
	if (run->work_count == 0)
		run->actor_count = 0;
	faults_init(&run->faults, cluster, options->faults);
	run->stage.is_calm = run->faults.chosen == 0;
	splits_init(&run->splits, cluster, !options->has_one_region);
	watch_init(&run->watch, cluster);
	oldest_init(&run->oldest, cluster);
}

void run_seed(const struct run_options *options, struct run_totals *totals)
{
	struct run *run = calloc(1, sizeof *run);

	check(run);
	init(run, options);
	prepare(run);
	play(run);
	heal(run);
	look(run);
	stop(run);
	add_totals(run, totals);
	cluster_close(&run->cluster);
}
