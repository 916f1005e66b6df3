/* What the coordinator knows of all regions, from the reports of the stores that lead them. */
#include <errno.h>
#include <inttypes.h>

#include "fs/cluster/coordinator_internal.h"
#include "proto/plant.h"

void coordinator_take_regions(struct coordinator *coordinator, const struct store_report *report)
{
	struct region_table *table = &coordinator->places->table;
	int code = 0;

	if (report->regions_term != coordinator->term && !planted("coordinator:any_page"))
		return; /* it begins anew when it has this term */
	if (report->regions_begin)
		code = region_table_begin_report(table, report->store);
	for (uint32_t i = 0; code == 0 && i < report->region_count; i++) {
		code = region_table_take(table, &report->regions[i]);
		if (code == -ESTALE) /* another store leads it by now */
			code = 0;
	}
	if (code < 0)
		log_warn(coordinator->options.logger,
			"msg=\"a report of regions is not taken\" store=%" PRIu64 " reason=\"%s\"",
			report->store, status_name(code));
	else if (report->regions_end)
		region_table_end_report(table, report->store);
}

/* A store that was not heard of since the term began may be alive until it has been silent for long. */
static bool may_be_alive(const struct coordinator *coordinator, const struct store_entry *entry, uint64_t now)
{
	uint64_t since = entry->heard > 0 ? entry->heard : coordinator->since;

	return store_state_is_in(entry->state) && now - since < STORE_SILENCE_MS * NS_PER_MS;
}

bool coordinator_is_ready(struct coordinator *coordinator)
{
	const struct region_table *table = &coordinator->places->table;
	uint64_t now = env_now(coordinator->env);

	PLANT("coordinator:not_ready", return coordinator->stores.count > 0);
	for (uint32_t i = 0; i < coordinator->stores.count; i++) {
		const struct store_entry *entry = &coordinator->stores.entries[i];
		const struct region_table_store *store = region_table_find_store(table, entry->id);

		if (may_be_alive(coordinator, entry, now) && !(store && store->has_reported))
			return false;
	}
	return coordinator->stores.count > 0;
}

int coordinator_check_ready(struct coordinator *coordinator, struct status *status)
{
	if (coordinator_is_ready(coordinator))
		return 0;
	return status_set(status, -EAGAIN,
		"not every store has told which regions it leads: try again, or see 'raftkv health' for "
		"stores of an older version");
}

bool coordinator_is_whole(struct coordinator *coordinator)
{
	const struct region_table *table = &coordinator->places->table;
	uint64_t now = env_now(coordinator->env);

	PLANT("coordinator:not_whole", return coordinator_is_ready(coordinator));
	for (uint32_t i = 0; i < coordinator->stores.count; i++) {
		const struct store_entry *entry = &coordinator->stores.entries[i];
		const struct region_table_store *store = region_table_find_store(table, entry->id);

		if (may_be_alive(coordinator, entry, now) &&
			entry->stats.regions > (store ? store->replicas : 0))
			return false;
	}
	return coordinator_is_ready(coordinator);
}

void coordinator_count_replicas(struct coordinator *coordinator)
{
	for (uint32_t i = 0; i < coordinator->stores.count; i++) {
		struct store_entry *entry = &coordinator->stores.entries[i];
		const struct region_table_store *store =
			region_table_find_store(&coordinator->places->table, entry->id);

		entry->replicas = store ? store->replicas : 0;
	}
}

/* ---- Steps ---- */

/* As the region's leader would describe it, if all replicas on stores that are alive had caught up. */
static void imagine(
	struct coordinator *coordinator, const struct region_entry *entry, struct coordinator_region *region)
{
	const struct region_table *table = &coordinator->places->table;
	const struct region_replica *replicas = region_entry_replicas(entry);
	uint64_t now = env_now(coordinator->env);

	*region = (struct coordinator_region){
		.id = entry->id, .epoch = entry->epoch, .member_count = entry->replica_count};
	for (uint32_t i = 0; i < entry->replica_count; i++) {
		uint64_t id = table->stores[replicas[i].store].id;
		const struct store_entry *store = store_table_find(&coordinator->stores, id);

		region->members[i] = (struct region_member){
			.peer = {.id = replicas[i].id, .store = id, .roles = replicas[i].roles},
			.is_active = store && store_entry_is_alive(store, now)};
		if (replicas[i].store == entry->leader)
			region->leader = replicas[i].id;
	}
}

/* Does it have as many voters as it can, on stores that are up? Most do, so that no step has to be thought of. */
static bool rests(
	const struct region_table *table, const struct region_entry *entry, const struct placement *placement)
{
	const struct region_replica *replicas = region_entry_replicas(entry);
	uint32_t voters = 0, up = 0;

	for (uint32_t i = 0; i < placement->store_count; i++)
		up += placement->stores[i].state == STORE_UP;
	for (uint32_t i = 0; i < entry->replica_count; i++) {
		voters += (replicas[i].roles & REGION_VOTER) != 0;
		for (uint32_t k = 0; k < placement->store_count; k++)
			if (placement->stores[k].id == table->stores[replicas[i].store].id &&
				placement->stores[k].state != STORE_UP)
				return false;
	}
	return voters >= placement_wanted(placement->replicas, voters, up);
}

/* Of a region without a move. */
static bool is_stuck(
	struct coordinator *coordinator, const struct region_entry *entry, struct placement *placement)
{
	struct coordinator_region imagined;

	if (rests(&coordinator->places->table, entry, placement))
		return false;
	imagine(coordinator, entry, &imagined);
	placement->members = imagined.members;
	placement->member_count = imagined.member_count;
	placement->leader = imagined.leader;
	placement->last_index = imagined.last_index;
	return placement_next(placement).kind == PLACEMENT_STUCK;
}

void coordinator_each_step(struct coordinator *coordinator, uint32_t max,
	void (*each)(void *argument, uint64_t region, enum placement_kind step), void *argument)
{
	const struct region_table *table = &coordinator->places->table;
	const struct coordinator_region none = {0};
	struct placement_store stores[STORE_COUNT_MAX];
	struct placement placement = coordinator_placement(coordinator, &none, stores);
	uint32_t count = 0;

	if (coordinator->term == 0)
		return;
	for (uint32_t i = 0; i < table->count && count < max; i++) {
		const struct region_entry *entry = region_table_at(table, i);
		const struct region_move *move = coordinator_find_move(coordinator, entry->id);
		enum placement_kind step = PLACEMENT_REST;

		if (move)
			step = move->step.kind;
		else if (is_stuck(coordinator, entry, &placement))
			step = PLACEMENT_STUCK;
		if (step == PLACEMENT_REST)
			continue;
		each(argument, entry->id, step);
		count++;
	}
}
