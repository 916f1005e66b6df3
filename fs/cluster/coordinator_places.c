/* Reads the status of each region that this store leads, and takes the steps that placement.h asks for. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fs/cluster/coordinator_internal.h"
#include "proto/plant.h"

#define PASS_NS		 (500 * NS_PER_MS) /* between two passes */
#define PASS_REGIONS_MAX 65536u
#define FULL_PART	 20u /* a store with less than this part of its disk free takes no more */

/* Ids drawn from the counter begin after those that regions were created with. */
static uint64_t replica_of(uint64_t drawn)
{
	return REGION_PEERS_MAX + drawn;
}

/* ---- Input of placement.h ---- */

static struct placement_store store_seen(const struct store_entry *entry, uint64_t now)
{
	const struct store_stats *stats = &entry->stats;

	return (struct placement_store){.id = entry->id,
		.state = entry->state,
		.replacement = entry->replacement,
		.is_alive = store_entry_is_alive(entry, now),
		.is_full = stats->is_full || stats->space_available < stats->space_total / FULL_PART,
		.regions = entry->replicas,
		.leaders = (uint32_t)stats->leaders};
}

struct placement coordinator_placement(struct coordinator *coordinator,
	const struct coordinator_region *region, struct placement_store *stores)
{
	uint64_t now = env_now(coordinator->env);

	for (uint32_t i = 0; i < coordinator->stores.count; i++)
		stores[i] = store_seen(&coordinator->stores.entries[i], now);
	return (struct placement){.stores = stores,
		.store_count = coordinator->stores.count,
		.replicas = coordinator->options.replicas,
		.members = region->members,
		.member_count = region->member_count,
		.leader = region->leader,
		.last_index = region->last_index};
}

/* ---- A step ---- */

static void log_step(const struct coordinator *coordinator)
{
	static const char *const texts[] = {
		[PLACEMENT_ADD] = "a replica is added",
		[PLACEMENT_PROMOTE] = "a replica gets its vote",
		[PLACEMENT_REMOVE] = "a replica is removed",
		[PLACEMENT_TRANSFER] = "the leadership is handed over",
	};
	const struct placement_step *step = &coordinator->step;

	log_info(coordinator->options.logger,
		"msg=\"%s\" region=%" PRIu64 " store=%" PRIu64 " replica=%" PRIu64 " leaving=%" PRIu64,
		texts[step->kind], coordinator->step_region, step->store, step->replica, step->leaving);
}

static void on_changed(struct raftkv_change *change, int code)
{
	struct coordinator *coordinator = container_of(change, struct coordinator, change);
	struct store_entry *entry = store_table_find(&coordinator->stores, coordinator->step.store);
	struct status status = {0};

	coordinator->is_busy = false;
	if (code == 0)
		log_step(coordinator);
	else if (code != STATUS_NOT_LEADER && code != STATUS_STOPPING)
		log_warn(coordinator->options.logger,
			"msg=\"the members of a region could not be changed\" region=%" PRIu64
			" reason=\"%s\"",
			coordinator->step_region, status_name(code));
	if (code == 0 && coordinator->step.kind == PLACEMENT_ADD && entry)
		entry->replicas++;
	coordinator->is_pass_stale |= code == 0;
	coordinator->is_seen_stale |= code == 0;
	if (code < 0)
		status_set(&status, code, "the members of region %" PRIu64 " could not be changed: %s",
			coordinator->step_region, status_name(code));
	coordinator_finish_admin(coordinator, &status);
	coordinator_go_on(coordinator);
}

static void add_step(
	struct region_change *change, enum raft_conf_change_type type, uint64_t replica, uint64_t store)
{
	change->steps[change->step_count++] =
		(struct region_change_step){.type = type, .replica = replica, .store = store};
}

static void change_members(struct coordinator *coordinator)
{
	const struct placement_step *step = &coordinator->step;
	struct region_change change = {.conf_version = coordinator->step_conf_version};

	if (step->kind == PLACEMENT_ADD)
		add_step(&change, RAFT_ADD_LEARNER, step->replica, step->store);
	if (step->kind == PLACEMENT_PROMOTE)
		add_step(&change, RAFT_ADD_VOTER, step->replica, step->store);
	if (step->leaving > 0)
		add_step(&change, RAFT_REMOVE_NODE, step->leaving, 0);
	coordinator->is_busy = true;
	coordinator->change = (struct raftkv_change){.region = coordinator->step_region,
		.change = change,
		.loop = coordinator->options.loop,
		.done = on_changed};
	raftkv_change_peers(coordinator->options.raftkv, &coordinator->change);
}

/* Until the stores report, the other regions of this pass are to be weighed with this one gone: otherwise all go to the
 * same store, and then back. */
static void note_transfer(struct coordinator *coordinator)
{
	uint64_t own = raftkv_ident(coordinator->options.raftkv).store;
	struct store_entry *from = store_table_find(&coordinator->stores, own);
	struct store_entry *to = store_table_find(&coordinator->stores, coordinator->step.store);

	PLANT("coordinator:leaders_in_a_herd", return );
	if (!from || !to || from->stats.leaders == 0)
		return;
	from->stats.leaders--;
	to->stats.leaders++;
}

static void transfer(struct coordinator *coordinator)
{
	int code = raftkv_transfer_leader(
		coordinator->options.raftkv, coordinator->step_region, coordinator->step.store);
	struct status status = {0};

	log_step(coordinator);
	if (code == 0)
		note_transfer(coordinator);
	if (code < 0)
		status_set(&status, code, "the leadership cannot be handed over: %s", status_name(code));
	coordinator_finish_admin(coordinator, &status);
}

void coordinator_take_step(struct coordinator *coordinator)
{
	const struct op allocate = {.kind = OP_ALLOCATE, .allocate.counter = COUNTER_REPLICA};

	if (coordinator->step.kind == PLACEMENT_ADD)
		coordinator_run(coordinator, &allocate);
	else if (coordinator->step.kind == PLACEMENT_TRANSFER)
		transfer(coordinator);
	else
		change_members(coordinator);
}

void coordinator_on_allocated(struct coordinator *coordinator, uint64_t id)
{
	coordinator->step.replica = replica_of(id);
	change_members(coordinator);
}

/* ---- A pass ---- */

static void collect(void *argument, const struct region *region, uint64_t term)
{
	struct pass *pass = argument;

	pass->elsewhere += term == 0;
	if (term == 0 || pass->count == PASS_REGIONS_MAX) {
		pass->is_whole = false;
		return;
	}
	if (pass->count == pass->capacity) {
		uint32_t capacity = pass->capacity ? pass->capacity * 2 : 4;
		struct coordinator_region *regions = realloc(pass->regions, capacity * sizeof *regions);

		if (!regions) {
			pass->is_whole = false;
			return;
		}
		pass->regions = regions;
		pass->capacity = capacity;
	}
	pass->regions[pass->count++] = (struct coordinator_region){.id = region->id};
}

/* The leader of region 1 coordinates: where leaders are evened out, it goes only if others do not suffice. */
static void put_last(struct pass *pass, uint64_t region)
{
	for (uint32_t i = 0; i + 1 < pass->count; i++)
		if (pass->regions[i].id == region) {
			pass->regions[i].id = pass->regions[pass->count - 1].id;
			pass->regions[pass->count - 1].id = region;
		}
}

static void begin_pass(struct coordinator *coordinator)
{
	struct pass *pass = &coordinator->pass;

	coordinator->is_pass_stale = false;
	pass->is_running = true;
	pass->is_whole = true;
	pass->elsewhere = 0;
	pass->count = 0;
	pass->next = 0;
	raftkv_each_region(coordinator->options.raftkv, collect, pass);
	put_last(pass, CLUSTER_REGION);
}

static void count_replicas(struct coordinator *coordinator)
{
	const struct pass *seen = &coordinator->seen;

	for (uint32_t i = 0; i < coordinator->stores.count; i++)
		coordinator->stores.entries[i].replicas = 0;
	for (uint32_t i = 0; i < seen->count; i++)
		for (uint32_t k = 0; k < seen->regions[i].member_count; k++) {
			struct store_entry *entry = store_table_find(
				&coordinator->stores, seen->regions[i].members[k].peer.store);

			if (entry)
				entry->replicas++;
		}
}

static void end_pass(struct coordinator *coordinator)
{
	struct pass ended = coordinator->pass;

	coordinator->pass = coordinator->seen;
	coordinator->seen = ended;
	coordinator->is_seen_stale = coordinator->is_pass_stale;
	coordinator->pass.is_running = false;
	coordinator->pass.ended = env_now(coordinator->env);
	count_replicas(coordinator);
}

/* A member is active, too, where its store has reported lately: CheckQuorum clears Raft's own flag each time that it
 * has counted the active members. */
static void take_members(struct coordinator *coordinator, struct coordinator_region *region,
	const struct raftkv_region_status *status)
{
	uint64_t now = env_now(coordinator->env);

	region->epoch = status->epoch;
	region->leader = status->replica;
	region->last_index = status->last_index;
	region->member_count = status->member_count;
	for (uint32_t i = 0; i < status->member_count; i++) {
		const struct store_entry *entry =
			store_table_find(&coordinator->stores, status->members[i].peer.store);

		region->members[i] = status->members[i];
		region->members[i].is_active |= entry && store_entry_is_alive(entry, now);
	}
}

static void on_described(struct raftkv_region_status *status, int code)
{
	struct coordinator *coordinator = container_of(status, struct coordinator, region);
	struct placement_store stores[STORE_COUNT_MAX];
	struct pass *pass = &coordinator->pass;
	struct coordinator_region *region = &pass->regions[pass->next];
	struct placement placement;

	coordinator->is_busy = false;
	if (!pass->is_running || coordinator->op_term != coordinator->term) {
		coordinator_go_on(coordinator);
		return;
	}
	pass->next++;
	pass->is_whole &= code == 0 && status->is_serving;
	if (code == 0 && status->is_serving) {
		take_members(coordinator, region, status);
		placement = coordinator_placement(coordinator, region, stores);
		region->step = placement_next(&placement);
	}
	if (region->step.kind > PLACEMENT_STUCK && !coordinator->is_stopping) {
		coordinator->step = region->step;
		coordinator->step_region = region->id;
		coordinator->step_conf_version = region->epoch.conf_version;
		coordinator_take_step(coordinator);
	}
	coordinator_go_on(coordinator);
}

/* A store that was lost and has no replica left is removed. */
static bool forget_lost(struct coordinator *coordinator)
{
	for (uint32_t i = 0; coordinator->seen.is_whole && i < coordinator->stores.count; i++) {
		const struct store_entry *entry = &coordinator->stores.entries[i];
		const struct op op = {
			.kind = OP_STORE_SET, .store_set = {.id = entry->id, .state = STORE_REMOVED}};

		if (entry->state != STORE_LOST || entry->replicas > 0)
			continue;
		log_info(coordinator->options.logger, "msg=\"a lost store is removed\" store=%" PRIu64,
			entry->id);
		coordinator_run(coordinator, &op);
		return true;
	}
	return false;
}

bool coordinator_place(struct coordinator *coordinator)
{
	struct pass *pass = &coordinator->pass;

	if (!pass->is_running && pass->ended > 0 && env_now(coordinator->env) - pass->ended < PASS_NS)
		return false;
	if (!pass->is_running)
		begin_pass(coordinator);
	if (pass->next == pass->count) {
		end_pass(coordinator);
		return forget_lost(coordinator);
	}
	coordinator->is_busy = true;
	coordinator->op_term = coordinator->term;
	coordinator->region = (struct raftkv_region_status){.region = pass->regions[pass->next].id,
		.loop = coordinator->options.loop,
		.done = on_described};
	raftkv_region_status(coordinator->options.raftkv, &coordinator->region);
	return true;
}
