/* Looks at each region that this store leads, and makes the steps that placement.h asks for. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fs/cluster/keeper_internal.h"

#define PASS_NS		 (500 * NS_PER_MS) /* between two looks at the regions */
#define PASS_REGIONS_MAX 65536u
#define FULL_PART	 20u /* a store with less than this part of its disk free takes no more */

/* Ids that were drawn begin behind those that regions were born with. */
static uint64_t replica_of(uint64_t drawn)
{
	return REGION_PEERS_MAX + drawn;
}

/* ---- What placement sees ---- */

static struct placement_store store_seen(const struct store_entry *entry, uint64_t now)
{
	const struct store_figures *figures = &entry->figures;

	return (struct placement_store){.id = entry->id,
		.state = entry->state,
		.heir = entry->heir,
		.is_alive = store_entry_is_alive(entry, now),
		.is_full = figures->is_full || figures->space_available < figures->space_total / FULL_PART,
		.regions = entry->replicas,
		.leaders = (uint32_t)figures->leaders};
}

struct placement keeper_placement(
	struct keeper *keeper, const struct keeper_region *region, struct placement_store *stores)
{
	uint64_t now = env_now(keeper->env);

	for (uint32_t i = 0; i < keeper->stores.count; i++)
		stores[i] = store_seen(&keeper->stores.entries[i], now);
	return (struct placement){.stores = stores,
		.store_count = keeper->stores.count,
		.replicas = keeper->options.replicas,
		.members = region->members,
		.member_count = region->member_count,
		.leader = region->leader,
		.last_index = region->last_index};
}

/* ---- A step ---- */

static void log_step(const struct keeper *keeper)
{
	static const char *const texts[] = {
		[PLACEMENT_ADD] = "a replica is added",
		[PLACEMENT_PROMOTE] = "a replica gets its vote",
		[PLACEMENT_REMOVE] = "a replica is removed",
		[PLACEMENT_TRANSFER] = "the leadership is handed over",
	};
	const struct placement_step *step = &keeper->step;

	log_info(keeper->options.logger,
		"msg=\"%s\" region=%" PRIu64 " store=%" PRIu64 " replica=%" PRIu64 " leaving=%" PRIu64,
		texts[step->kind], keeper->step_region, step->store, step->replica, step->leaving);
}

static void on_changed(struct raftkv_change *change, int code)
{
	struct keeper *keeper = container_of(change, struct keeper, change);
	struct store_entry *entry = store_table_find(&keeper->stores, keeper->step.store);
	struct status status = {0};

	keeper->is_busy = false;
	if (code == 0)
		log_step(keeper);
	else if (code != STATUS_NOT_LEADER && code != STATUS_STOPPING)
		log_warn(keeper->options.logger,
			"msg=\"the members of a region could not be changed\" region=%" PRIu64
			" reason=\"%s\"",
			keeper->step_region, status_name(code));
	if (code == 0 && keeper->step.kind == PLACEMENT_ADD && entry)
		entry->replicas++;
	keeper->is_pass_stale |= code == 0;
	keeper->is_seen_stale |= code == 0;
	if (code < 0)
		status_set(&status, code, "the members of region %" PRIu64 " could not be changed: %s",
			keeper->step_region, status_name(code));
	keeper_finish_wish(keeper, &status);
	keeper_go_on(keeper);
}

static void add_step(
	struct region_change *change, enum raft_conf_change_type type, uint64_t replica, uint64_t store)
{
	change->steps[change->step_count++] =
		(struct region_change_step){.type = type, .replica = replica, .store = store};
}

static void change_members(struct keeper *keeper)
{
	const struct placement_step *step = &keeper->step;
	struct region_change change = {.conf_version = keeper->step_conf_version};

	if (step->kind == PLACEMENT_ADD)
		add_step(&change, RAFT_ADD_LEARNER, step->replica, step->store);
	if (step->kind == PLACEMENT_PROMOTE)
		add_step(&change, RAFT_ADD_VOTER, step->replica, step->store);
	if (step->leaving > 0)
		add_step(&change, RAFT_REMOVE_NODE, step->leaving, 0);
	keeper->is_busy = true;
	keeper->change = (struct raftkv_change){.region = keeper->step_region,
		.change = change,
		.loop = keeper->options.loop,
		.done = on_changed};
	raftkv_change_peers(keeper->options.raftkv, &keeper->change);
}

static void transfer(struct keeper *keeper)
{
	int code = raftkv_transfer_leader(keeper->options.raftkv, keeper->step_region, keeper->step.store);
	struct status status = {0};

	log_step(keeper);
	if (code < 0)
		status_set(&status, code, "the leadership cannot be handed over: %s", status_name(code));
	keeper_finish_wish(keeper, &status);
}

void keeper_take_step(struct keeper *keeper)
{
	const struct op draw = {.kind = OP_DRAW, .draw.counter = COUNTER_REPLICA};

	if (keeper->step.kind == PLACEMENT_ADD)
		keeper_run(keeper, &draw);
	else if (keeper->step.kind == PLACEMENT_TRANSFER)
		transfer(keeper);
	else
		change_members(keeper);
}

void keeper_on_drawn(struct keeper *keeper, uint64_t id)
{
	keeper->step.replica = replica_of(id);
	change_members(keeper);
}

/* ---- A look at all regions ---- */

static void collect(void *argument, const struct region *region, uint64_t term)
{
	struct pass *pass = argument;

	if (term == 0 || pass->count == PASS_REGIONS_MAX) {
		pass->is_whole = false;
		return;
	}
	if (pass->count == pass->capacity) {
		uint32_t capacity = pass->capacity ? pass->capacity * 2 : 4;
		struct keeper_region *regions = realloc(pass->regions, capacity * sizeof *regions);

		if (!regions) {
			pass->is_whole = false;
			return;
		}
		pass->regions = regions;
		pass->capacity = capacity;
	}
	pass->regions[pass->count++] = (struct keeper_region){.id = region->id};
}

static void begin_pass(struct keeper *keeper)
{
	struct pass *pass = &keeper->pass;

	keeper->is_pass_stale = false;
	pass->is_running = true;
	pass->is_whole = true;
	pass->count = 0;
	pass->next = 0;
	raftkv_each_region(keeper->options.raftkv, collect, pass);
}

static void count_replicas(struct keeper *keeper)
{
	const struct pass *seen = &keeper->seen;

	for (uint32_t i = 0; i < keeper->stores.count; i++)
		keeper->stores.entries[i].replicas = 0;
	for (uint32_t i = 0; i < seen->count; i++)
		for (uint32_t k = 0; k < seen->regions[i].member_count; k++) {
			struct store_entry *entry =
				store_table_find(&keeper->stores, seen->regions[i].members[k].peer.store);

			if (entry)
				entry->replicas++;
		}
}

static void end_pass(struct keeper *keeper)
{
	struct pass ended = keeper->pass;

	keeper->pass = keeper->seen;
	keeper->seen = ended;
	keeper->is_seen_stale = keeper->is_pass_stale;
	keeper->pass.is_running = false;
	keeper->pass.ended = env_now(keeper->env);
	count_replicas(keeper);
}

/* Raft forgets whom it has heard of each time that it has counted them; the stores' reports do not. */
static void take_members(
	struct keeper *keeper, struct keeper_region *region, const struct raftkv_region_status *status)
{
	uint64_t now = env_now(keeper->env);

	region->epoch = status->epoch;
	region->leader = status->replica;
	region->last_index = status->last_index;
	region->member_count = status->member_count;
	for (uint32_t i = 0; i < status->member_count; i++) {
		const struct store_entry *entry =
			store_table_find(&keeper->stores, status->members[i].peer.store);

		region->members[i] = status->members[i];
		region->members[i].is_active |= entry && store_entry_is_alive(entry, now);
	}
}

static void on_described(struct raftkv_region_status *status, int code)
{
	struct keeper *keeper = container_of(status, struct keeper, region);
	struct placement_store stores[STORE_COUNT_MAX];
	struct pass *pass = &keeper->pass;
	struct keeper_region *region = &pass->regions[pass->next];
	struct placement placement;

	keeper->is_busy = false;
	if (!pass->is_running || keeper->op_term != keeper->term) {
		keeper_go_on(keeper);
		return;
	}
	pass->next++;
	pass->is_whole &= code == 0 && status->is_serving;
	if (code == 0 && status->is_serving) {
		take_members(keeper, region, status);
		placement = keeper_placement(keeper, region, stores);
		region->step = placement_next(&placement);
	}
	if (region->step.kind > PLACEMENT_STUCK && !keeper->is_stopping) {
		keeper->step = region->step;
		keeper->step_region = region->id;
		keeper->step_conf_version = region->epoch.conf_version;
		keeper_take_step(keeper);
	}
	keeper_go_on(keeper);
}

/* A store that was lost and has no replica left is removed. */
static bool forget_lost(struct keeper *keeper)
{
	for (uint32_t i = 0; keeper->seen.is_whole && i < keeper->stores.count; i++) {
		const struct store_entry *entry = &keeper->stores.entries[i];
		const struct op op = {
			.kind = OP_STORE_SET, .store_set = {.id = entry->id, .state = STORE_REMOVED}};

		if (entry->state != STORE_LOST || entry->replicas > 0)
			continue;
		log_info(keeper->options.logger, "msg=\"a lost store is removed\" store=%" PRIu64, entry->id);
		keeper_run(keeper, &op);
		return true;
	}
	return false;
}

bool keeper_place(struct keeper *keeper)
{
	struct pass *pass = &keeper->pass;

	if (!pass->is_running && pass->ended > 0 && env_now(keeper->env) - pass->ended < PASS_NS)
		return false;
	if (!pass->is_running)
		begin_pass(keeper);
	if (pass->next == pass->count) {
		end_pass(keeper);
		return forget_lost(keeper);
	}
	keeper->is_busy = true;
	keeper->op_term = keeper->term;
	keeper->region = (struct raftkv_region_status){
		.region = pass->regions[pass->next].id, .loop = keeper->options.loop, .done = on_described};
	raftkv_region_status(keeper->options.raftkv, &keeper->region);
	return true;
}
