#include "tests/sim/faults.h"

#include <stdio.h>

#include "proto/check.h"
#include "store/raftkv.h"

#define PROCESSES_MAX 100u /* of stores; then all faults end */

static uint64_t draw(struct faults *faults, uint64_t below)
{
	return sim_random(faults->cluster->world, below);
}

/* Short mostly, sometimes long: between a `most`/64 and `most`. */
static uint64_t draw_duration(struct faults *faults, uint64_t most)
{
	return draw(faults, (most >> draw(faults, 6)) + 1);
}

static uint64_t now_of(const struct faults *faults)
{
	return sim_time(faults->cluster->world);
}

/* ---- Stores ---- */

static struct store *fill_store(struct faults *faults)
{
	uint32_t chosen = faults->cluster->fault_moment.store;
	uint32_t number = (uint32_t)draw(faults, STORES);

	if (chosen == STORES)
		chosen = cluster_leader(faults->cluster);
	if (chosen < STORES && draw(faults, 2) == 0)
		number = chosen;
	return &faults->cluster->stores[number];
}

static void fire_kill(struct faults *faults)
{
	struct store *store = fill_store(faults);

	if (!store_is_well(store))
		return;
	store_kill(store);
	cluster_start_later(faults->cluster, store->number - 1);
}

static void lose_power(struct faults *faults, struct store *store)
{
	if (!store_is_well(store))
		return;
	store_crash(store);
	cluster_start_later(faults->cluster, store->number - 1);
}

static void fire_power(struct faults *faults)
{
	lose_power(faults, fill_store(faults));
}

static void fire_power_in_write(struct faults *faults)
{
	struct store *store = fill_store(faults);

	if (store_is_well(store))
		sim_node_crash_after(store->node, draw(faults, 200));
}

static void fire_power_all(struct faults *faults)
{
	for (uint32_t i = 0; i < STORES; i++)
		lose_power(faults, &faults->cluster->stores[i]);
}

static void fire_stop(struct faults *faults)
{
	struct store *store = fill_store(faults);

	if (store_is_well(store))
		store_stop(store);
}

/* Region 1 as often as all the others. */
static struct cluster_led draw_led(struct faults *faults)
{
	struct cluster_led led = {.store = cluster_leader(faults->cluster), .region = 1};

	if (draw(faults, 2) == 0)
		cluster_draw_led(faults->cluster, &led);
	return led;
}

/* What leads and is slow, or is told to split a region, knows less than the others. */
static uint32_t draw_leader(struct faults *faults)
{
	const struct moment *moment = &faults->cluster->fault_moment;
	uint32_t slow = cluster_slow_store(faults->cluster), drawn = draw_led(faults).store;

	if (draw(faults, 4) == 0)
		return drawn;
	if (slow < STORES)
		return slow;
	return moment_is_split(moment) ? moment->store : drawn;
}

static void fire_transfer(struct faults *faults)
{
	struct cluster_led led = draw_led(faults);

	if (led.store < STORES)
		raftkv_transfer_leader(store_raftkv(&faults->cluster->stores[led.store]), led.region,
			1 + draw(faults, STORES));
}

/* ---- Clocks ---- */

/* Often about as long as another leader needs to be elected. */
static void fire_pause(struct faults *faults)
{
	uint64_t duration = draw(faults, 2) == 0 ? draw_duration(faults, 10 * (uint64_t)SIM_S)
						 : SIM_S + draw(faults, 4 * (uint64_t)SIM_S);

	sim_node_pause(fill_store(faults)->node, duration);
}

/* Up to a hundredth: leases allow for more. */
static void fire_drift(struct faults *faults)
{
	sim_node_set_drift(faults->cluster->nodes[draw(faults, NODES)], (int32_t)draw(faults, 20001) - 10000);
}

static void fire_wall(struct faults *faults)
{
	struct sim_node *node = faults->cluster->nodes[draw(faults, NODES)];

	sim_node_jump_wall(node, (int64_t)draw(faults, 7200 * (uint64_t)SIM_S) - 3600 * (int64_t)SIM_S);
}

/* ---- The network ---- */

static void set_cut(struct faults *faults, uint32_t from, uint32_t to, bool is_cut)
{
	if (from != to)
		sim_net_link(faults->cluster->nodes[from], faults->cluster->nodes[to])->is_cut = is_cut;
}

static void mend_cuts(struct faults *faults)
{
	for (uint32_t from = 0; from < NODES; from++)
		for (uint32_t to = 0; to < NODES; to++)
			set_cut(faults, from, to, false);
	faults->cut_until = CLUSTER_NEVER;
}

static void cut_for_a_while(struct faults *faults)
{
	mend_cuts(faults);
	faults->cut_until = now_of(faults) + draw_duration(faults, 20 * (uint64_t)SIM_S);
}

static void fire_partition(struct faults *faults)
{
	uint64_t side = draw(faults, UINT64_C(1) << NODES);

	cut_for_a_while(faults);
	for (uint32_t from = 0; from < NODES; from++)
		for (uint32_t to = 0; to < NODES; to++)
			set_cut(faults, from, to, (side >> from & 1) != (side >> to & 1));
}

static void fire_one_way(struct faults *faults)
{
	uint32_t node = draw(faults, 2) == 0 ? fill_store(faults)->number - 1 : (uint32_t)draw(faults, NODES);
	bool is_deaf = draw(faults, 2) == 0;

	cut_for_a_while(faults);
	for (uint32_t other = 0; other < NODES; other++)
		set_cut(faults, is_deaf ? other : node, is_deaf ? node : other, true);
}

static void fire_bridge(struct faults *faults)
{
	uint32_t bridge = (uint32_t)draw(faults, STORES);
	uint32_t one = (bridge + 1) % STORES, other = (bridge + 2) % STORES;

	cut_for_a_while(faults);
	set_cut(faults, one, other, true);
	set_cut(faults, other, one, true);
}

static void fire_reset(struct faults *faults)
{
	struct sim_node *node = faults->cluster->nodes[draw(faults, NODES)];

	sim_net_reset(node, faults->cluster->nodes[draw(faults, STORES)]);
}

static void mend_links(struct faults *faults)
{
	for (uint32_t from = 0; from < NODES; from++)
		for (uint32_t to = 0; to < NODES; to++) {
			struct sim_link *link =
				sim_net_link(faults->cluster->nodes[from], faults->cluster->nodes[to]);

			*link = (struct sim_link){.is_cut = link->is_cut};
		}
	faults->links_until = CLUSTER_NEVER;
}

static void fire_delay(struct faults *faults)
{
	uint32_t slow = (uint32_t)draw(faults, NODES + 1); /* NODES: all of them */
	struct sim_link link = {.latency = draw_duration(faults, 300 * SIM_MS) + 1};

	if (draw(faults, 2) == 0)
		link.bytes_per_s = 100000 + draw(faults, 10000000);
	if (draw(faults, 2) == 0)
		link.reset_ppm = (uint32_t)draw(faults, 20000);
	mend_links(faults);
	faults->links_until = now_of(faults) + draw_duration(faults, 20 * (uint64_t)SIM_S);
	for (uint32_t from = 0; from < NODES; from++)
		for (uint32_t to = 0; to < NODES; to++) {
			struct sim_link *each =
				sim_net_link(faults->cluster->nodes[from], faults->cluster->nodes[to]);

			link.is_cut = each->is_cut;
			if (slow == NODES || slow == from || slow == to)
				*each = link;
		}
}

static void end_late(struct faults *faults)
{
	sim_net_link(faults->late_from, faults->late_to)->latency = 0;
	sim_net_strand(faults->late_from, faults->late_to);
	faults->late_until = CLUSTER_NEVER;
}

/* What is sent meanwhile is on its way for longer than that. */
static void fire_late(struct faults *faults)
{
	uint64_t latency = 100 * SIM_MS + draw_duration(faults, 4 * (uint64_t)SIM_S);
	uint32_t from = (uint32_t)draw(faults, NODES), to = (uint32_t)draw(faults, STORES);

	if (faults->late_until != CLUSTER_NEVER || from == to)
		return;
	faults->late_from = faults->cluster->nodes[from];
	faults->late_to = faults->cluster->nodes[to];
	faults->late_until = now_of(faults) + draw(faults, latency);
	sim_net_link(faults->late_from, faults->late_to)->latency = latency;
}

/* ---- Disks ---- */

static void mend_disk(struct faults *faults, uint32_t store)
{
	*sim_node_faults(faults->cluster->nodes[store]) = (struct sim_disk_faults){0};
	faults->cluster->is_disk_bad[store] = false;
	faults->disk_until[store] = CLUSTER_NEVER;
}

static struct sim_disk_faults *begin_disk_fault(struct faults *faults, uint64_t most, uint32_t *number)
{
	*number = fill_store(faults)->number - 1;
	mend_disk(faults, *number);
	faults->disk_until[*number] = now_of(faults) + draw_duration(faults, most);
	return sim_node_faults(faults->cluster->nodes[*number]);
}

static void fire_slow_disk(struct faults *faults)
{
	uint32_t number;
	struct sim_disk_faults *disk = begin_disk_fault(faults, 20 * (uint64_t)SIM_S, &number);

	/* Mostly quicker than an election. */
	disk->latency = SIM_MS + draw_duration(faults, draw(faults, 4) > 0 ? 200 * SIM_MS : 2000 * SIM_MS);
	/* A store that starts meanwhile may open for longer than an election takes. */
	disk->blocking = draw_duration(faults, 2 * (uint64_t)SIM_S);
}

/* One disk at a time has no room, or is bad: what it does not take is on the two others. */
static bool has_bad_disk(const struct faults *faults)
{
	for (uint32_t i = 0; i < STORES; i++) {
		const struct sim_disk_faults *disk = sim_node_faults(faults->cluster->nodes[i]);

		if (disk->capacity > 0 || disk->write_error_ppm > 0 || disk->sync_error_ppm > 0)
			return true;
	}
	return false;
}

static void fire_full_disk(struct faults *faults)
{
	struct sim_disk_faults *disk;
	struct env_space space;
	uint32_t number;

	if (has_bad_disk(faults))
		return;
	disk = begin_disk_fault(faults, 10 * (uint64_t)SIM_S, &number);
	if (!store_is_well(&faults->cluster->stores[number]) ||
		env_space(faults->cluster->stores[number].env, "/store", &space) < 0)
		return;
	disk->capacity = space.total - space.available + STORE_RESERVE + draw(faults, 4u << 20);
	faults->has_full_disk = true;
}

static void fire_bad_disk(struct faults *faults)
{
	struct sim_disk_faults *disk;
	uint32_t number;

	if (has_bad_disk(faults))
		return;
	disk = begin_disk_fault(faults, 3 * (uint64_t)SIM_S, &number);
	disk->write_error_ppm = (uint32_t)draw(faults, 20000);
	disk->sync_error_ppm = (uint32_t)draw(faults, 100000);
	faults->cluster->is_disk_bad[number] = faults->cluster->may_fail[number] = true;
}

/* Of all the others, which know of its last life, none will listen to it. Nor does a store with a false disk know what it
 * says that it knows, because its true disk does not: this life must have begun after all disks were true. */
static bool may_be_replaced(const struct faults *faults, const struct store *store)
{
	return faults->false_until == CLUSTER_NEVER && store_is_well(store) &&
	       store->began >= faults->true_since && store_is_known(store);
}

static void replace(struct faults *faults, struct store *store)
{
	store_swap(store);
	faults->false_until = now_of(faults) + draw_duration(faults, 30 * (uint64_t)SIM_S);
	cluster_start_later(faults->cluster, store->number - 1);
}

static void fire_old_copy(struct faults *faults)
{
	struct store *store = fill_store(faults);
	bool is_older = store->aside.disk && store->aside.incarnation < store->incarnation;

	if (!may_be_replaced(faults, store))
		return;
	store_kill(store);
	if (is_older) {
		replace(faults, store);
		return;
	}
	store_put_aside(store, true);
	cluster_start_later(faults->cluster, store->number - 1);
}

static void fire_wipe(struct faults *faults)
{
	struct store *store = fill_store(faults);

	if (!may_be_replaced(faults, store))
		return;
	store_kill(store);
	store_put_aside(store, false);
	replace(faults, store);
}

static void put_true_disk_back(struct faults *faults)
{
	for (uint32_t i = 0; i < STORES; i++) {
		struct store *store = &faults->cluster->stores[i];

		if (!store->is_false)
			continue;
		store_kill(store);
		store_swap(store);
		store_drop_aside(store);
		cluster_start_later(faults->cluster, i);
		faults->true_since = now_of(faults);
	}
	faults->false_until = CLUSTER_NEVER;
}

/* ---- Mounts ---- */

static uint32_t draw_mount(struct faults *faults)
{
	return STORES + (uint32_t)draw(faults, MOUNTS);
}

static void fire_mount_kill(struct faults *faults)
{
	uint32_t node = draw_mount(faults);
	struct mount *mount = &faults->cluster->mounts[node - STORES];

	if (mount->state != MOUNT_RUNNING && mount->state != MOUNT_STARTING)
		return;
	mount_kill(mount);
	cluster_start_later(faults->cluster, node);
}

static void fire_mount_pause(struct faults *faults)
{
	sim_node_pause(faults->cluster->nodes[draw_mount(faults)], draw(faults, 12 * (uint64_t)SIM_S));
}

static void fire_mount_cut(struct faults *faults)
{
	uint32_t node = draw_mount(faults);

	cut_for_a_while(faults);
	for (uint32_t other = 0; other < NODES; other++) {
		set_cut(faults, node, other, true);
		set_cut(faults, other, node, true);
	}
}

/* The others do. Long enough for links to fail, so that a follower passes on what the mount asks. */
static void fire_leader_cut(struct faults *faults)
{
	uint32_t leader = draw_leader(faults);
	uint32_t node = draw(faults, 2) == 0 ? draw_mount(faults) : (uint32_t)draw(faults, STORES);

	if (leader >= STORES || faults->cut_until != CLUSTER_NEVER)
		return;
	faults->cut_until = now_of(faults) + 6 * (uint64_t)SIM_S + draw(faults, 20 * (uint64_t)SIM_S);
	set_cut(faults, node, leader, true);
	set_cut(faults, leader, node, true);
}

/* ---- When ---- */

static void (*const actions[FAULT_COUNT])(struct faults *faults) = {
	[FAULT_KILL] = fire_kill,
	[FAULT_POWER] = fire_power,
	[FAULT_POWER_IN_WRITE] = fire_power_in_write,
	[FAULT_POWER_ALL] = fire_power_all,
	[FAULT_STOP] = fire_stop,
	[FAULT_TRANSFER] = fire_transfer,
	[FAULT_PAUSE] = fire_pause,
	[FAULT_DRIFT] = fire_drift,
	[FAULT_WALL] = fire_wall,
	[FAULT_PARTITION] = fire_partition,
	[FAULT_ONE_WAY] = fire_one_way,
	[FAULT_BRIDGE] = fire_bridge,
	[FAULT_RESET] = fire_reset,
	[FAULT_DELAY] = fire_delay,
	[FAULT_SLOW_DISK] = fire_slow_disk,
	[FAULT_FULL_DISK] = fire_full_disk,
	[FAULT_BAD_DISK] = fire_bad_disk,
	[FAULT_OLD_COPY] = fire_old_copy,
	[FAULT_WIPE] = fire_wipe,
	[FAULT_MOUNT_KILL] = fire_mount_kill,
	[FAULT_MOUNT_PAUSE] = fire_mount_pause,
	[FAULT_MOUNT_CUT] = fire_mount_cut,
	[FAULT_LEADER_CUT] = fire_leader_cut,
	[FAULT_LATE] = fire_late,
};

static void wait_for_next(struct faults *faults)
{
	faults->next =
		faults->chosen == 0 ? CLUSTER_NEVER : now_of(faults) + draw(faults, 2 * faults->every + 1);
}

void faults_init(struct faults *faults, struct cluster *cluster, uint32_t allowed)
{
	uint32_t kinds = 1 + (uint32_t)sim_random(cluster->world, 6);

	*faults = (struct faults){.cluster = cluster, .allowed = allowed};
	for (uint32_t i = 0; i < kinds; i++)
		faults->chosen |= UINT32_C(1) << draw(faults, FAULT_COUNT);
	faults->chosen &= allowed;
	if (faults->chosen == 0)
		faults->chosen = allowed;
	if (draw(faults, 16) == 0)
		faults->chosen = 0;
	faults->every = (200 * SIM_MS) << draw(faults, 6);
	cluster->rest_max = (100 * SIM_MS) << draw(faults, 7);
	faults->false_until = faults->late_until = CLUSTER_NEVER;
	mend_cuts(faults);
	mend_links(faults);
	for (uint32_t i = 0; i < STORES; i++)
		mend_disk(faults, i);
	faults->next = CLUSTER_NEVER;
}

/* In a run without faults the network is as slow as some are, so that operations meet: those more that reach their stores
 * sooner than the stores reach each other. */
static void slow_down(struct faults *faults)
{
	uint64_t stores = draw_duration(faults, 10 * SIM_MS) + 1,
		 mounts = draw_duration(faults, 10 * SIM_MS) + 1;

	for (uint32_t from = 0; from < NODES; from++)
		for (uint32_t to = 0; to < NODES; to++)
			sim_net_link(faults->cluster->nodes[from], faults->cluster->nodes[to])->latency =
				from < STORES && to < STORES ? stores : mounts;
}

void faults_begin(struct faults *faults)
{
	if (faults->chosen == 0)
		slow_down(faults);
	wait_for_next(faults);
}

static void fire_any(struct faults *faults)
{
	enum fault fault;

	do
		fault = (enum fault)draw(faults, FAULT_COUNT);
	while (!(faults->chosen >> fault & 1));
	note(faults->cluster, "fault: %s", fault_name(fault));
	faults->fired[fault]++;
	actions[fault](faults);
}

/* At a split often two together: the store that leads falls behind, and somebody does not reach it. */
static void fire(struct faults *faults)
{
	fire_any(faults);
	if (moment_is_split(&faults->cluster->fault_moment) && draw(faults, 2) == 0)
		fire_any(faults);
	wait_for_next(faults);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t faults_step(struct faults *faults)
{
	uint64_t now = now_of(faults), due;

	/* What a process leaves behind is not freed; and where hardly any lives long enough, nothing is tried. */
	if (faults->cluster->counts.processes >= PROCESSES_MAX && faults->next != CLUSTER_NEVER)
		faults_end(faults);
	if (faults->cut_until <= now)
		mend_cuts(faults);
	if (faults->links_until <= now)
		mend_links(faults);
	if (faults->late_until <= now)
		end_late(faults);
	for (uint32_t i = 0; i < STORES; i++)
		if (faults->disk_until[i] <= now)
			mend_disk(faults, i);
	if (faults->false_until <= now)
		put_true_disk_back(faults);
	if (moment_is_due(&faults->cluster->fault_moment, faults->cluster->stores, &faults->next))
		fire(faults);
	due = earlier(faults->next, earlier(faults->cut_until, faults->links_until));
	due = earlier(due, earlier(faults->false_until, faults->late_until));
	for (uint32_t i = 0; i < STORES; i++)
		due = earlier(due, faults->disk_until[i]);
	return due;
}

void faults_end(struct faults *faults)
{
	put_true_disk_back(faults);
	if (faults->late_until != CLUSTER_NEVER)
		end_late(faults);
	mend_cuts(faults);
	mend_links(faults);
	for (uint32_t i = 0; i < STORES; i++) {
		mend_disk(faults, i);
		if (sim_node_is_up(faults->cluster->nodes[i]))
			sim_node_crash_after(faults->cluster->nodes[i], UINT32_MAX);
	}
	for (uint32_t i = 0; i < NODES; i++)
		sim_node_pause(faults->cluster->nodes[i], 0);
	moment_init(&faults->cluster->fault_moment,
		false); /* or one that is still to come would bring another fault */
	faults->next = CLUSTER_NEVER;
}
