/* Events at random times: one kind each. At most one store is down, paused or cut off at a time, so that each region
 * keeps a majority. */
#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/codec.h"
#include "proto/container.h"
#include "tests/regions/storm.h"

/* ---- Regions that are led --------------------------------------------------------------------------------------- */

struct led {
	uint32_t count;
	uint32_t all; /* regions with a range here */
	struct {
		uint64_t region;
		struct region_epoch epoch;
		uint8_t start[8], end[8]; /* the first bytes of its bounds */
		bool is_bounded;
	} regions[STORM_REGIONS_MAX + 8];
};

static void copy_bound(const struct buf *bound, uint8_t bytes[8])
{
	struct slice slice = buf_slice(bound);

	for (size_t i = 0; i < 8; i++)
		bytes[i] = i < slice.size ? ((const uint8_t *)slice.data)[i] : 0;
}

static void add_led(void *argument, const struct region *region, uint64_t term)
{
	struct led *led = argument;

	led->all++;
	if (term == 0 || led->count == STORM_REGIONS_MAX + 8)
		return;
	led->regions[led->count].region = region->id;
	led->regions[led->count].epoch = region->epoch;
	copy_bound(region->start, led->regions[led->count].start);
	copy_bound(region->end, led->regions[led->count].end);
	led->regions[led->count].is_bounded = region->end != NULL;
	led->count++;
}

static bool is_well(struct storm *storm, uint32_t number)
{
	const struct sim_store *store = sim_cluster_store(&storm->cluster, number);

	return store->raftkv && sim_node_is_up(store->node) && !store->has_failed;
}

/* A store that leads some region, and what it leads. 0: none was found. */
static uint32_t draw_leader(struct storm *storm, struct led *led)
{
	uint32_t first = (uint32_t)storm_draw(storm, STORM_STORES);

	for (uint32_t i = 0; i < STORM_STORES; i++) {
		uint32_t number = 1 + (first + i) % STORM_STORES;

		*led = (struct led){0};
		if (!is_well(storm, number))
			continue;
		raftkv_each_region(sim_cluster_store(&storm->cluster, number)->raftkv, add_led, led);
		if (led->count > 0)
			return number;
	}
	return 0;
}

/* ---- Splits ----------------------------------------------------------------------------------------------------- */

struct storm_split {
	struct raftkv_split split;
	struct storm *storm;
	uint32_t store;
	uint64_t life;
};

static void on_split(struct raftkv_split *split, int status)
{
	struct storm_split *mine = container_of(split, struct storm_split, split);

	storm_note(mine->storm, "split of region %llu into %llu: %s", (unsigned long long)split->region,
		(unsigned long long)split->new_region, status_name(status));
	mine->storm->totals->splits += status == 0;
	free(mine);
}

static uint64_t number_of(const uint8_t bytes[8])
{
	struct reader reader = reader_of(slice_of(bytes, 8));

	return reader_u32be(&reader);
}

static void split(struct storm *storm)
{
	struct led led;
	uint32_t number = draw_leader(storm, &led);
	struct sim_store *store;
	struct storm_split *mine;
	uint64_t low, high;
	uint32_t i;

	if (number == 0 || led.all >= STORM_REGIONS_MAX)
		return;
	i = (uint32_t)storm_draw(storm, led.count);
	low = number_of(led.regions[i].start);
	high = led.regions[i].is_bounded ? number_of(led.regions[i].end) : (uint64_t)UINT32_MAX + 1;
	if (high - low < 2)
		return;
	store = sim_cluster_store(&storm->cluster, number);
	mine = calloc(1, sizeof *mine);
	check(mine);
	mine->storm = storm;
	mine->split = (struct raftkv_split){.region = led.regions[i].region,
		.epoch = storm_draw(storm, 2) ? led.regions[i].epoch : (struct region_epoch){0},
		.new_region = storm->next_region++,
		.key = buf_new(4),
		.loop = store->caller,
		.done = on_split};
	check(mine->split.key);
	for (int k = 0; k < 4; k++)
		((uint8_t *)mine->split.key->data)[k] =
			(uint8_t)((low + 1 + (high - low - 1) / 2) >> (24 - 8 * k));
	raftkv_split(store->raftkv, &mine->split);
	buf_unref(mine->split.key);
}

/* ---- Moves ------------------------------------------------------------------------------------------------------ */

struct storm_move {
	struct raftkv_region_status status;
	struct raftkv_change change;
	struct storm *storm;
	struct sim_store *store;
};

static void on_changed(struct raftkv_change *change, int status)
{
	struct storm_move *move = container_of(change, struct storm_move, change);

	storm_note(move->storm, "move of region %llu: %s", (unsigned long long)change->region,
		status_name(status));
	move->storm->totals->moves += status == 0;
	free(move);
}

static const struct region_member *find_member(const struct raftkv_region_status *status, uint64_t store)
{
	for (uint32_t i = 0; i < status->member_count; i++)
		if (status->members[i].peer.store == store)
			return &status->members[i];
	return NULL;
}

static void add_step(
	struct region_change *change, enum raft_conf_change_type type, uint64_t replica, uint64_t store)
{
	change->steps[change->step_count++] =
		(struct region_change_step){.type = type, .replica = replica, .store = store};
}

/* As placement does: a learner comes first, and replaces a voter once it has caught up. */
static void choose_change(
	struct storm *storm, const struct raftkv_region_status *status, struct region_change *change)
{
	const struct region_member *learner = NULL, *leaving = NULL;
	uint32_t spare = 0;

	for (uint32_t store = 1; store <= STORM_STORES; store++) {
		const struct region_member *member = find_member(status, store);

		if (!member)
			spare = store;
		else if (member->peer.roles == REGION_LEARNER)
			learner = member;
		else if (member->peer.id != status->replica && (!leaving || storm_draw(storm, 2)))
			leaving = member;
	}
	if (!learner && spare > 0)
		add_step(change, RAFT_ADD_LEARNER, storm->next_replica++, spare);
	if (learner && leaving && learner->is_active && learner->match == status->last_index) {
		add_step(change, RAFT_ADD_VOTER, learner->peer.id, learner->peer.store);
		add_step(change, RAFT_REMOVE_NODE, leaving->peer.id, 0);
	}
}

static void on_described(struct raftkv_region_status *status, int code)
{
	struct storm_move *move = container_of(status, struct storm_move, status);
	struct region_change *change = &move->change.change;

	if (code == 0 && status->is_serving)
		choose_change(move->storm, status, change);
	if (change->step_count == 0) {
		free(move);
		return;
	}
	change->conf_version = status->epoch.conf_version;
	move->change.region = status->region;
	move->change.loop = move->store->caller;
	move->change.done = on_changed;
	raftkv_change_peers(move->store->raftkv, &move->change);
}

static void move(struct storm *storm)
{
	struct led led;
	uint32_t number = draw_leader(storm, &led);
	struct storm_move *move;

	if (number == 0)
		return;
	move = calloc(1, sizeof *move);
	check(move);
	move->storm = storm;
	move->store = sim_cluster_store(&storm->cluster, number);
	move->status = (struct raftkv_region_status){
		.region = led.regions[storm_draw(storm, led.count)].region,
		.loop = move->store->caller,
		.done = on_described,
	};
	raftkv_region_status(move->store->raftkv, &move->status);
}

static void transfer(struct storm *storm)
{
	struct led led;
	uint32_t number = draw_leader(storm, &led);

	if (number == 0)
		return;
	storm->totals->transfers++;
	raftkv_transfer_leader(sim_cluster_store(&storm->cluster, number)->raftkv,
		led.regions[storm_draw(storm, led.count)].region, 1 + storm_draw(storm, STORM_STORES));
}

/* ---- Stores ----------------------------------------------------------------------------------------------------- */

static bool is_disturbed(const struct storm *storm)
{
	for (uint32_t i = 0; i < STORM_STORES; i++)
		if (storm->stores[i].back_at > 0 || storm->stores[i].mended_at > 0)
			return true;
	return false;
}

void faults_start_store(struct storm *storm, uint32_t number)
{
	struct sim_store *store = sim_cluster_store(&storm->cluster, number);
	struct status status = {0};

	store->kv_crash_at = 0;
	storm->stores[number - 1].back_at = 0;
	storm->stores[number - 1].life++;
	if (sim_store_open(store, &status) < 0)
		violation("store %u does not open: %s", number, status.text);
	if (storm->is_calm)
		sim_node_crash_after(store->node, UINT64_MAX / 2);
	storm_note(storm, "store %u is back", number);
}

static void count_snapshots(struct storm *storm, const struct sim_store *store)
{
	struct raftkv_stats stats;

	if (!store->raftkv)
		return;
	raftkv_stats(store->raftkv, &stats);
	storm->totals->snapshots += stats.snapshots_received;
}

static void end_store(struct storm *storm, uint32_t number, bool is_power)
{
	struct sim_store *store = sim_cluster_store(&storm->cluster, number);

	count_snapshots(storm, store);
	storm_note(storm, "store %u %s", number, is_power ? "loses power" : "is killed");
	if (is_power)
		sim_store_crash(store);
	else
		sim_store_kill(store);
	storm->stores[number - 1].back_at =
		1 + sim_time(storm->cluster.world) +
		storm_draw(storm, storm_draw(storm, 3) ? 200 * SIM_MS : 8 * (uint64_t)SIM_S);
}

static void end_some_store(struct storm *storm, bool is_power)
{
	uint32_t number = 1 + (uint32_t)storm_draw(storm, STORM_STORES);

	*(is_power ? &storm->totals->crashes : &storm->totals->kills) += 1;
	end_store(storm, number, is_power);
}

/* Power fails soon, in the middle of some operation of the disk or before some change of the KV engine. */
static void end_soon(struct storm *storm)
{
	uint32_t number = 1 + (uint32_t)storm_draw(storm, STORM_STORES);
	struct sim_store *store = sim_cluster_store(&storm->cluster, number);

	if (!is_well(storm, number))
		return;
	if (storm_draw(storm, 2))
		sim_node_crash_after(store->node, 1 + storm_draw(storm, 60));
	else
		store->kv_crash_at = store->kv_changes + 1 + storm_draw(storm, 6);
}

/* What is on its disk's way takes as long as other stores need for several rounds. */
static void slow_down(struct storm *storm, uint32_t number, uint64_t duration)
{
	struct sim_store *store = sim_cluster_store(&storm->cluster, number);

	storm->totals->slow_disks++;
	storm_note(storm, "store %u has a slow disk", number);
	sim_node_faults(store->node)->latency = (1 + storm_draw(storm, 100)) * SIM_MS;
	storm->stores[number - 1].mended_at = 1 + sim_time(storm->cluster.world) + duration;
}

static void mend(struct storm *storm, uint32_t number)
{
	sim_cluster_cut(&storm->cluster, number, false);
	sim_node_faults(sim_cluster_store(&storm->cluster, number)->node)->latency = 0;
}

static void disturb(struct storm *storm)
{
	uint32_t number = 1 + (uint32_t)storm_draw(storm, STORM_STORES);
	uint64_t duration = storm_draw(storm, 6 * (uint64_t)SIM_S);

	switch (storm_draw(storm, 6)) {
	case 0:
		storm->totals->pauses++;
		storm_note(storm, "store %u is paused", number);
		sim_node_pause(sim_cluster_store(&storm->cluster, number)->node, duration);
		storm->stores[number - 1].mended_at = 1 + sim_time(storm->cluster.world) + duration;
		return;
	case 1:
		storm->totals->cuts++;
		storm_note(storm, "store %u is cut off", number);
		sim_cluster_cut(&storm->cluster, number, true);
		storm->stores[number - 1].mended_at = 1 + sim_time(storm->cluster.world) + duration;
		return;
	case 2:
		end_some_store(storm, true);
		return;
	case 3:
		end_some_store(storm, false);
		return;
	case 4:
		slow_down(storm, number, duration);
		return;
	default:
		end_soon(storm);
	}
}

/* Power may have failed by itself. */
static void look_at_stores(struct storm *storm)
{
	uint64_t now = sim_time(storm->cluster.world);

	for (uint32_t number = 1; number <= STORM_STORES; number++) {
		struct sim_store *store = sim_cluster_store(&storm->cluster, number);
		struct storm_store *state = &storm->stores[number - 1];

		if (store->raftkv && store->has_failed && sim_node_is_up(store->node))
			violation("store %u has stopped by itself: %s", number, store->failure);
		if (store->raftkv && !sim_node_is_up(store->node)) {
			storm->totals->crashes++;
			end_store(storm, number, true);
		}
		if (state->mended_at > 0 && now >= state->mended_at) {
			mend(storm, number);
			state->mended_at = 0;
		}
		if (state->back_at > 0 && now >= state->back_at)
			faults_start_store(storm, number);
	}
}

static void happen(struct storm *storm)
{
	switch (storm_draw(storm, 8)) {
	case 0:
	case 1:
	case 2:
		split(storm);
		return;
	case 3:
	case 4:
		move(storm);
		return;
	case 5:
		transfer(storm);
		return;
	default:
		if (!is_disturbed(storm))
			disturb(storm);
	}
}

void faults_step(struct storm *storm)
{
	uint64_t now = sim_time(storm->cluster.world);

	look_at_stores(storm);
	if (storm->is_calm || now < storm->event_at)
		return;
	storm->event_at = now + storm_draw(storm, 300 * SIM_MS);
	happen(storm);
}

void faults_heal(struct storm *storm)
{
	uint64_t now = sim_time(storm->cluster.world);

	storm->is_calm = true;
	storm->cluster.transport.loss_ppm = 0;
	storm->cluster.transport.repeat_ppm = 0;
	storm->cluster.transport.chunk_loss_ppm = 0;
	for (uint32_t i = 0; i < STORM_STORES; i++) {
		struct storm_store *state = &storm->stores[i];

		sim_cluster_store(&storm->cluster, i + 1)->kv_crash_at = 0;
		if (is_well(storm, i + 1))
			sim_node_crash_after(sim_cluster_store(&storm->cluster, i + 1)->node, UINT64_MAX / 2);
		state->back_at = state->back_at > 0 ? now : 0;
		mend(storm, i + 1);
	}
}
