#include "tests/regions/storm.h"

#include <stdlib.h>

#include "proto/check.h"

#define END_PATIENCE (120 * (uint64_t)SIM_S) /* for what must come once everything is well */

/* ---- Regions ---------------------------------------------------------------------------------------------------- */

struct cover {
	struct storm *storm;
	uint64_t newest[4096]; /* the leader's term, by region */
	struct region *led; /* regions that are led */
	uint32_t led_count;
};

static void add_leader(void *argument, const struct region *region, uint64_t term)
{
	struct cover *cover = argument;

	if (term == 0)
		return;
	check(region->id < 4096 && cover->led_count < 256);
	if (cover->newest[region->id] > 0)
		return; /* an old leader that does not know yet: the caller looks again */
	cover->newest[region->id] = term;
	cover->led[cover->led_count] = (struct region){.id = region->id, .epoch = region->epoch};
	cover->led[cover->led_count].start = buf_ref(region->start);
	cover->led[cover->led_count].end = buf_ref(region->end);
	cover->led_count++;
}

static int by_start(const void *a, const void *b)
{
	const struct region *one = a, *other = b;

	return slice_compare(buf_slice(one->start), buf_slice(other->start));
}

bool storm_is_whole(struct storm *storm)
{
	struct cover *cover = calloc(1, sizeof *cover);
	struct slice at = {0};
	bool is;

	check(cover);
	cover->led = calloc(256, sizeof *cover->led);
	check(cover->led);
	for (uint32_t i = 1; i <= STORM_STORES; i++)
		if (sim_cluster_store(&storm->cluster, i)->raftkv)
			raftkv_each_region(sim_cluster_store(&storm->cluster, i)->raftkv, add_leader, cover);
	qsort(cover->led, cover->led_count, sizeof *cover->led, by_start);
	is = cover->led_count > 0 && !cover->led[cover->led_count - 1].end;
	for (uint32_t i = 0; i < cover->led_count; i++) {
		is = is && slice_compare(buf_slice(cover->led[i].start), at) == 0;
		at = buf_slice(cover->led[i].end);
	}
	for (uint32_t i = 0; i < cover->led_count; i++)
		region_close(&cover->led[i]);
	free(cover->led);
	free(cover);
	return is;
}

static void print_region(void *argument, const struct region *region, uint64_t term)
{
	struct slice start = buf_slice(region->start), end = buf_slice(region->end);

	(void)argument;
	printf("  region %llu epoch %llu.%llu term %llu [", (unsigned long long)region->id,
		(unsigned long long)region->epoch.conf_version, (unsigned long long)region->epoch.version,
		(unsigned long long)term);
	for (size_t i = 0; i < start.size; i++)
		printf("%02x", ((const uint8_t *)start.data)[i]);
	printf(", ");
	for (size_t i = 0; i < end.size; i++)
		printf("%02x", ((const uint8_t *)end.data)[i]);
	printf(")\n");
}

static void print_regions(struct storm *storm)
{
	for (uint32_t i = 1; i <= STORM_STORES; i++) {
		printf("store %u\n", i);
		if (sim_cluster_store(&storm->cluster, i)->raftkv)
			raftkv_each_region(sim_cluster_store(&storm->cluster, i)->raftkv, print_region, NULL);
	}
}

/* ---- The course ------------------------------------------------------------------------------------------------- */

void storm_run_until(struct storm *storm, uint64_t duration, bool (*is_over)(struct storm *storm))
{
	uint64_t end = sim_time(storm->cluster.world) + duration;

	while (!is_over || !is_over(storm)) {
		if (sim_time(storm->cluster.world) > end)
			return;
		sim_run(storm->cluster.world, STORM_SLICE, NULL, NULL);
		faults_step(storm);
		clients_step(storm);
	}
}

static bool is_idle(struct storm *storm)
{
	return clients_are_idle(storm);
}

static bool is_settled(struct storm *storm)
{
	for (uint32_t i = 0; i < STORM_STORES; i++)
		if (storm->stores[i].back_at > 0 || storm->stores[i].mended_at > 0)
			return false;
	return clients_are_idle(storm) && storm_is_whole(storm) &&
	       clients_count_copies(storm) >= STORM_VOTERS;
}

static void settle(struct storm *storm)
{
	faults_heal(storm);
	storm_run_until(storm, END_PATIENCE, is_settled);
	if (!clients_are_idle(storm))
		violation("operations are without an answer, although everything is well");
	if (storm->is_verbose && (!storm_is_whole(storm) || clients_count_copies(storm) < STORM_VOTERS))
		print_regions(storm);
	if (!storm_is_whole(storm))
		violation("the regions that are led do not divide the key space");
}

/* Nothing that happens to a store here is an error, but to lose power. An entry that apply refuses is one: it must not
 * have been proposed. */
static void on_line(void *argument, enum log_level level, const char *line)
{
	const struct sim_store *store = argument;

	if (level == LOG_ERROR && store->raftkv && sim_node_is_up(store->node))
		violation("store %llu says: %s", (unsigned long long)store->options.store, line);
}

static void init(struct storm *storm, uint64_t seed)
{
	bool is_log_small = seed % 2 == 0;

	storm->evaluator = thing_evaluator();
	sim_cluster_init(&storm->cluster, seed, STORM_VOTERS, STORM_STORES - STORM_VOTERS);
	for (uint32_t i = 1; i <= STORM_STORES; i++) {
		struct sim_store *store = sim_cluster_store(&storm->cluster, i);
		struct raftkv_options *options = &store->options;

		store->logger.write = on_line;
		options->evaluator = &storm->evaluator;
		options->flush_age_ms = 100 + (uint32_t)storm_draw(storm, 3000);
		if (is_log_small) /* what was away for a while gets snapshots */
			options->log_size_max = UINT64_C(4096) << storm_draw(storm, 6);
		options->idle_ms = 50 + (uint32_t)(seed % 8) * 100; /* regions sleep between two operations */
	}
	storm->next_region = 2;
	storm->next_replica = 100;
	storm->cluster.transport.loss_ppm = storm_draw(storm, 2) ? (uint32_t)storm_draw(storm, 50000) : 0;
	storm->cluster.transport.repeat_ppm = storm_draw(storm, 2) ? (uint32_t)storm_draw(storm, 50000) : 0;
	things_model_init(&storm->model, 2 + (uint32_t)storm_draw(storm, THINGS_MAX - 1));
	clients_init(storm);
}

void storm_run(uint64_t seed, uint64_t operations, bool is_verbose, struct storm_totals *totals)
{
	struct storm *storm = calloc(1, sizeof *storm);

	check(storm);
	storm->totals = totals;
	storm->is_verbose = is_verbose;
	init(storm, seed);
	sim_cluster_open_all(&storm->cluster);
	sim_cluster_await_leader(&storm->cluster);
	clients_open_sessions(storm);
	storm->budget = operations;
	storm_run_until(storm, 600 * (uint64_t)SIM_S, is_idle);
	settle(storm);
	clients_read_all(storm);
	deaths_try(storm);
	settle(storm);
	for (uint32_t i = 1; i <= STORM_STORES; i++) {
		sim_store_crash(sim_cluster_store(&storm->cluster, i));
		storm->stores[i - 1].back_at = sim_time(storm->cluster.world);
	}
	settle(storm);
	clients_read_all(storm);
	totals->runs++;
	totals->time += sim_time(storm->cluster.world);
	totals->acknowledged += storm->model.acknowledged;
	totals->reads += storm->model.reads;
	totals->trace = sim_trace(storm->cluster.world) ^ storm->model.trace;
}
