/* Asks the balance which regions are to move, and begins their moves. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "fs/cluster/coordinator_internal.h"
#include "proto/plant.h"

#define LOOK_NS	   (500 * NS_PER_MS) /* between two questions to the balance */
#define SETTLE_NS  (10 * NS_PER_S) /* the same while it has nothing to do and nothing has changed */
#define SCATTER_NS (3600 * NS_PER_S) /* a scatter ends that takes longer */
#define HOLD_NS	   (60000 * NS_PER_MS)
#define FULL_PART  20u /* a store with less than this part of its disk free takes no more */

/* ---- Stores ---- */

static bool is_full(const struct store_stats *stats)
{
	return stats->is_full || stats->space_available < stats->space_total / FULL_PART;
}

static struct placement_store store_seen(
	struct coordinator *coordinator, const struct store_entry *entry, uint64_t now)
{
	const struct region_table_store *sums =
		region_table_find_store(&coordinator->places->table, entry->id);

	return (struct placement_store){.id = entry->id,
		.state = entry->state,
		.replacement = entry->replacement,
		.is_alive = store_entry_is_alive(entry, now),
		.is_full = is_full(&entry->stats),
		.regions = sums ? sums->replicas : 0,
		.leaders = sums ? sums->leaders : 0};
}

struct placement coordinator_placement(struct coordinator *coordinator,
	const struct coordinator_region *region, struct placement_store *stores)
{
	uint64_t now = env_now(coordinator->env);

	for (uint32_t i = 0; i < coordinator->stores.count; i++)
		stores[i] = store_seen(coordinator, &coordinator->stores.entries[i], now);
	return (struct placement){.stores = stores,
		.store_count = coordinator->stores.count,
		.replicas = (uint32_t)coordinator_setting(coordinator, SETTING_REPLICAS),
		.members = region->members,
		.member_count = region->member_count,
		.leader = region->leader,
		.last_index = region->last_index};
}

static struct balance_store store_balanced(
	const struct coordinator *coordinator, const struct store_entry *entry, uint64_t now)
{
	const struct store_stats *stats = &entry->stats;

	return (struct balance_store){.id = entry->id,
		.state = entry->state,
		.replacement = entry->replacement,
		.is_alive = store_entry_is_alive(entry, now),
		.is_full = is_full(stats),
		.silent_ns = now - (entry->heard > 0 ? entry->heard : coordinator->since),
		.capacity = stats->space_total,
		.used = stats->space_total > stats->space_available
				? stats->space_total - stats->space_available
				: 0};
}

/* Stores with the same label at a place get the same number there. */
static void number_labels(const struct store_table *table, struct balance_store *stores)
{
	for (uint32_t i = 0; i < table->count; i++)
		for (uint32_t place = 0; place < BALANCE_LABELS; place++) {
			struct slice label = labels_at(table->entries[i].labels, place);
			uint32_t same = 0;

			if (label.size == 0)
				continue;
			while (slice_compare(labels_at(table->entries[same].labels, place), label) != 0)
				same++;
			stores[i].labels[place] = planted("coordinator:labels_differ") ? i + 1 : same + 1;
		}
}

/* ---- Regions that an administrator changes ---- */

void coordinator_hold(struct coordinator *coordinator, uint64_t region)
{
	struct places *places = coordinator->places;
	uint32_t place = places->next_held;

	for (uint32_t i = 0; i < HELD_MAX; i++)
		if (places->held[i].region == region)
			place = i;
	places->held[place].region = region;
	places->held[place].until = env_now(coordinator->env) + HOLD_NS;
	if (place == places->next_held)
		places->next_held = (place + 1) % HELD_MAX;
}

/* A replica that has just been added has no vote yet, and a leader has just been chosen. */
static bool is_held(
	const struct coordinator *coordinator, const struct balance_operation *operation, uint64_t now)
{
	const struct places *places = coordinator->places;

	PLANT("coordinator:changes_undone", return false);
	for (uint32_t i = 0; i < HELD_MAX; i++)
		if (places->held[i].region == operation->region && now < places->held[i].until)
			return operation->reason != BALANCE_REPAIR && operation->reason != BALANCE_DRAIN;
	return false;
}

/* ---- Scattering regions ---- */

static uint32_t count_takers(struct coordinator *coordinator)
{
	uint64_t now = env_now(coordinator->env);
	uint32_t count = 0;

	for (uint32_t i = 0; i < coordinator->stores.count; i++) {
		const struct store_entry *entry = &coordinator->stores.entries[i];

		count += entry->state == STORE_UP && store_entry_is_alive(entry, now) &&
			 !is_full(&entry->stats);
	}
	return count;
}

static int check_scatter(
	struct coordinator *coordinator, const struct admin_request *request, struct status *status)
{
	int code = coordinator_check_ready(coordinator, status);

	if (code < 0)
		return code;
	for (uint32_t i = 0; i < request->region_count; i++)
		if (!region_table_find(&coordinator->places->table, request->regions[i]))
			return status_set(status, STATUS_REGION_NOT_FOUND,
				"no store says that it leads region %" PRIu64 "; see 'raftkv region ls'",
				request->regions[i]);
	if (count_takers(coordinator) < 2)
		return status_set(status, -EBUSY,
			"there is one store at most that can take regions: 'raftkv store ls' tells which "
			"stores are "
			"up, and have room; 'raftkvd --join' adds one");
	return 0;
}

/* What an administrator has changed before is not kept from it. */
static void let_go(struct places *places)
{
	for (uint32_t i = 0; i < HELD_MAX; i++)
		if (balance_is_scattered(places->balance, places->held[i].region))
			places->held[i].until = 0;
}

void coordinator_begin_scatter(struct coordinator *coordinator, struct admin_request *request)
{
	uint64_t until = env_now(coordinator->env) + SCATTER_NS;
	struct status status = {0};
	int code = check_scatter(coordinator, request, &status);

	if (code == 0 && !request->is_dry) {
		code = balance_scatter(
			coordinator->places->balance, request->regions, request->region_count, until);
		if (code < 0)
			status_set(&status, code, "out of memory");
		let_go(coordinator->places);
		log_info(coordinator->options.logger,
			"msg=\"regions are scattered\" regions=%" PRIu32 " code=%d",
			request->region_count > 0 ? request->region_count : coordinator->places->table.count,
			code);
	}
	request->done(request, &status);
}

/* ---- A look ---- */

/* What changes seldom. */
static uint64_t digest_of_stores(const struct balance_store *stores, uint32_t count)
{
	uint64_t digest = count;

	for (uint32_t i = 0; i < count; i++) {
		const struct balance_store *store = &stores[i];
		uint64_t words[3 + BALANCE_LABELS] = {store->id, store->replacement,
			(uint64_t)store->state << 2 | (uint64_t)store->is_alive << 1 | store->is_full};

		for (uint32_t place = 0; place < BALANCE_LABELS; place++)
			words[3 + place] = store->labels[place];
		for (uint32_t k = 0; k < 3 + BALANCE_LABELS; k++)
			digest = (digest ^ words[k]) * UINT64_C(0x9e3779b97f4a7c15) ^ digest >> 29;
	}
	return digest;
}

static bool are_alive(const struct balance_store *stores, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (!stores[i].is_alive && store_state_is_in(stores[i].state))
			return false;
	return true;
}

/* The balance need not be asked: it would say again that there is nothing to do. How full the stores are changes all the
 * time, and little, and how long a store has been silent counts while it is: so it is asked now and then. */
static bool is_settled(
	const struct coordinator *coordinator, const struct balance_store *stores, uint64_t now)
{
	const struct places *places = coordinator->places;
	uint32_t count = coordinator->stores.count;

	PLANT("coordinator:settled_for_good", return balance_is_settled(places->balance));
	return balance_is_settled(places->balance) && now - places->asked < SETTLE_NS &&
	       places->table.version == places->asked_version && are_alive(stores, count) &&
	       digest_of_stores(stores, count) == places->asked_stores;
}

static void ask_balance(struct coordinator *coordinator, const struct balance_store *stores, uint64_t now)
{
	struct balance_operation operations[REGION_MOVES_MAX];
	struct places *places = coordinator->places;
	uint32_t count;

	places->asked = now;
	places->asked_version = places->table.version;
	places->asked_stores = digest_of_stores(stores, coordinator->stores.count);
	count = balance_next(places->balance, &places->table, stores, coordinator->stores.count, now,
		operations, coordinator_free_moves(coordinator));
	imbalance_note(&places->imbalance, balance_excess(places->balance), now);
	for (uint32_t i = 0; i < count; i++)
		if (is_held(coordinator, &operations[i], now) ||
			coordinator_find_move(coordinator, operations[i].region) ||
			!coordinator_begin_move(coordinator, &operations[i]))
			balance_end(places->balance, operations[i].region, false, now);
}

static void look(struct coordinator *coordinator)
{
	struct balance_store stores[STORE_COUNT_MAX];
	uint64_t now = env_now(coordinator->env);

	for (uint32_t i = 0; i < coordinator->stores.count; i++)
		stores[i] = store_balanced(coordinator, &coordinator->stores.entries[i], now);
	number_labels(&coordinator->stores, stores);
	if (!is_settled(coordinator, stores, now))
		ask_balance(coordinator, stores, now);
}

/* A store that was lost and has no replica left is removed. */
static bool forget_lost(struct coordinator *coordinator)
{
	for (uint32_t i = 0; i < coordinator->stores.count; i++) {
		const struct store_entry *entry = &coordinator->stores.entries[i];
		const struct op op = {
			.kind = OP_STORE_SET, .store_set = {.id = entry->id, .state = STORE_REMOVED}};

		if (entry->state != STORE_LOST || entry->replicas > 0 || !coordinator_is_whole(coordinator))
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
	struct places *places = coordinator->places;
	uint64_t now = env_now(coordinator->env);

	if (coordinator_move_on(coordinator))
		return true;
	if (places->looked > 0 && now - places->looked < LOOK_NS)
		return false;
	places->looked = now;
	coordinator_count_replicas(coordinator);
	if (!coordinator_is_ready(coordinator))
		return false;
	look(coordinator);
	return forget_lost(coordinator);
}
