#include "tests/sim/cluster.h"

#include <errno.h>
#include <stdio.h>

#include "proto/check.h"
#include "tests/sim/violation.h"

void cluster_init(struct cluster *cluster, uint64_t seed, bool is_verbose)
{
	*cluster = (struct cluster){
		.world = sim_world_new(seed), .is_verbose = is_verbose, .rest_max = 5 * (uint64_t)SIM_S};
	for (uint32_t i = 0; i < STORES; i++) {
		store_init(&cluster->stores[i], cluster->world, i + 1, is_verbose);
		cluster->nodes[i] = cluster->stores[i].node;
	}
	for (uint32_t i = 0; i < MOUNTS; i++) {
		mount_init(&cluster->mounts[i], cluster->world, i + 1, is_verbose);
		cluster->nodes[STORES + i] = cluster->mounts[i].node;
	}
	for (uint32_t i = 0; i < NODES; i++)
		cluster->starts[i] = CLUSTER_NEVER;
	moment_init(&cluster->fault_moment, false);
	moment_init(&cluster->split_moment, true);
}

void cluster_close(struct cluster *cluster)
{
	sim_world_free(cluster->world);
}

/* ---- Processes ---- */

void cluster_start_later(struct cluster *cluster, uint32_t node)
{
	cluster->starts[node] = sim_time(cluster->world) + sim_random(cluster->world, cluster->rest_max + 1);
}

void cluster_start_all(struct cluster *cluster)
{
	for (uint32_t i = 0; i < NODES; i++)
		if (cluster->starts[i] != CLUSTER_NEVER)
			cluster->starts[i] = sim_time(cluster->world);
}

static void start_store(struct cluster *cluster, uint32_t number)
{
	struct store *store = &cluster->stores[number];
	struct status status = {0};
	int code = store_start(store, &status);

	cluster->counts.processes++;
	if (code == 0) {
		cluster->may_fail[number] = cluster->is_disk_bad[number];
		note(cluster, "store %u runs", store->number);
		return;
	}
	note(cluster, "store %u does not open: %s", store->number, status.text);
	if (!sim_node_is_up(store->node) && code != -EIO && !cluster->may_fail[number])
		violation("store %u refuses to open: %s", store->number, status.text);
	cluster_start_later(cluster, number);
}

static void start_node(struct cluster *cluster, uint32_t node)
{
	cluster->starts[node] = CLUSTER_NEVER;
	if (node < STORES) {
		start_store(cluster, node);
		return;
	}
	cluster->counts.mounts++;
	mount_start(&cluster->mounts[node - STORES]);
	note(cluster, "mount %u starts", node - STORES + 1);
}

/* A process has ended by itself. */
static void attend_store(struct cluster *cluster, uint32_t number)
{
	struct store *store = &cluster->stores[number];

	if (store->state == STORE_STOPPED) {
		note(cluster, "store %u has stopped", store->number);
		store_bury(store);
	} else if (!sim_node_is_up(store->node)) {
		note(cluster, "store %u: power has failed", store->number);
		cluster->counts.crashes_by_disk++;
		store_crash(store);
	} else {
		if (!cluster->may_fail[number] && !store->is_false)
			violation("store %u gives up without a fault: %s", store->number, store->sentence);
		note(cluster, "store %u gives up: %s", store->number, store->sentence);
		cluster->counts.failures++;
		if (sim_random(cluster->world, 2) == 0)
			store_kill(store);
		else
			store_crash(store);
	}
	cluster_start_later(cluster, number);
}

/* ---- Running ---- */

static bool is_store_due(const struct store *store)
{
	return store->state == STORE_STOPPED || store->state == STORE_FAILED ||
	       (store->state != STORE_DOWN && !sim_node_is_up(store->node));
}

struct waiting {
	struct cluster *cluster;
	bool (*until)(void *argument);
	void *argument;
	bool has_moment;
};

/* Both are looked at. */
static bool has_moment(struct cluster *cluster)
{
	bool is_of_fault = moment_look(&cluster->fault_moment, cluster->stores);

	return moment_look(&cluster->split_moment, cluster->stores) || is_of_fault;
}

static bool is_due(void *argument)
{
	struct waiting *waiting = argument;
	struct cluster *cluster = waiting->cluster;

	for (uint32_t i = 0; i < STORES; i++)
		if (is_store_due(&cluster->stores[i]))
			return true;
	for (uint32_t i = 0; i < MOUNTS; i++)
		if (cluster->mounts[i].has_news)
			return true;
	waiting->has_moment = has_moment(cluster);
	return waiting->has_moment || (waiting->until && waiting->until(waiting->argument));
}

static void attend_mount(struct cluster *cluster, struct mount *mount)
{
	mount->has_news = false;
	if (mount->state == MOUNT_RUNNING) {
		note(cluster, "mount %u has a session", mount->number);
		if (cluster->on_mount_running)
			cluster->on_mount_running(cluster->argument, mount);
	} else if (mount->state == MOUNT_STOPPED) {
		note(cluster, "mount %u has stopped", mount->number);
		mount_bury(mount);
	}
}

static void attend(struct cluster *cluster)
{
	for (uint32_t i = 0; i < STORES; i++)
		if (is_store_due(&cluster->stores[i]))
			attend_store(cluster, i);
	for (uint32_t i = 0; i < MOUNTS; i++)
		if (cluster->mounts[i].has_news)
			attend_mount(cluster, &cluster->mounts[i]);
	for (uint32_t i = 0; i < NODES; i++)
		if (cluster->starts[i] <= sim_time(cluster->world))
			start_node(cluster, i);
}

bool cluster_run(struct cluster *cluster, uint64_t duration, bool (*until)(void *argument), void *argument)
{
	struct waiting waiting = {.cluster = cluster, .until = until, .argument = argument};
	uint64_t end = sim_time(cluster->world) + duration;

	while (sim_time(cluster->world) < end && !waiting.has_moment) {
		uint64_t next = end;

		attend(cluster);
		if (until && until(argument))
			return true;
		for (uint32_t i = 0; i < NODES; i++)
			if (cluster->starts[i] < next)
				next = cluster->starts[i];
		if (next > sim_time(cluster->world))
			sim_run(cluster->world, next - sim_time(cluster->world), is_due, &waiting);
	}
	return until && until(argument);
}

bool cluster_is_up(const struct cluster *cluster)
{
	for (uint32_t i = 0; i < STORES; i++)
		if (!store_is_well(&cluster->stores[i]))
			return false;
	for (uint32_t i = 0; i < MOUNTS; i++)
		if (cluster->mounts[i].state != MOUNT_RUNNING || cluster->mounts[i].has_news)
			return false;
	return true;
}

/* ---- Leaders ---- */

#define LED_MAX 64u

struct led_list {
	uint32_t store, count;
	struct cluster_led led[LED_MAX];
};

static void take_led(void *argument, const struct region *region, uint64_t term)
{
	struct led_list *list = argument;

	if (term > 0 && list->count < LED_MAX)
		list->led[list->count++] = (struct cluster_led){.store = list->store, .region = region->id};
}

bool cluster_draw_led(struct cluster *cluster, struct cluster_led *led)
{
	struct led_list list = {0};

	for (list.store = 0; list.store < STORES; list.store++)
		if (store_is_well(&cluster->stores[list.store]))
			raftkv_each_region(store_raftkv(&cluster->stores[list.store]), take_led, &list);
	if (list.count == 0)
		return false;
	*led = list.led[sim_random(cluster->world, list.count)];
	return true;
}

static void look_at_term(void *argument, const struct region *region, uint64_t term)
{
	uint64_t *newest = argument;

	if (region->id == 1 && term > *newest)
		*newest = term;
}

uint32_t cluster_leader(const struct cluster *cluster)
{
	uint64_t newest = 0;
	uint32_t leader = STORES;

	for (uint32_t i = 0; i < STORES; i++) {
		uint64_t term = 0;

		if (store_is_well(&cluster->stores[i]))
			raftkv_each_region(store_raftkv(&cluster->stores[i]), look_at_term, &term);
		if (term > newest)
			leader = i;
		if (term > newest)
			newest = term;
	}
	return leader;
}

uint32_t cluster_slow_store(const struct cluster *cluster)
{
	uint32_t number = 0;

	while (number < STORES && sim_node_faults(cluster->nodes[number])->latency == 0)
		number++;
	return number;
}
