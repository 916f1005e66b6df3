/* The stores as a call of balance_next sees them: their limits, their sums, and how far they are from the mean. */
#include <stdlib.h>
#include <string.h>

#include "fs/cluster/balance_internal.h"
#include "proto/check.h"
#include "proto/plant.h"

#define NS_PER_S   1e9
#define LABEL_BASE 100u /* a label counts so many times as much as the next one */

static struct store_view *find_view(struct store_view *views, uint32_t count, uint64_t id)
{
	uint32_t low = 0, high = count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (views[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && views[low].id == id ? &views[low] : NULL;
}

struct store_view *balance_find_store(struct balance *balance, uint64_t id)
{
	return find_view(balance->stores, balance->store_count, id);
}

/* ---- Failure domains ---- */

uint64_t balance_difference(struct balance *balance, const struct store_view *a, const struct store_view *b)
{
	uint64_t weight = 1;

	balance->work++;
	for (uint32_t i = 1; i < BALANCE_LABELS; i++)
		weight *= LABEL_BASE;
	for (uint32_t i = 0; i < BALANCE_LABELS; i++, weight /= LABEL_BASE) {
		uint32_t left = a->given->labels[i], right = b->given->labels[i];

		if (left != 0 && right != 0 && left != right)
			return weight;
	}
	return 0;
}

/* Takes one store after the other: always the one that differs most from those taken. */
static void compute_best(struct balance *balance)
{
	uint64_t sums[STORE_COUNT_MAX] = {0};
	bool is_taken[STORE_COUNT_MAX] = {false};
	uint32_t taken = 0, next;

	memset(balance->best, 0, sizeof balance->best);
	for (; taken < REGION_PEERS_MAX; taken++) {
		next = STORE_COUNT_MAX;
		for (uint32_t i = 0; i < balance->store_count; i++) {
			const struct store_view *store = &balance->stores[i];

			if (!store->may_take || is_taken[i])
				continue;
			if (next == STORE_COUNT_MAX || sums[i] > sums[next] ||
				(taken == 0 && balance->stores[next].given->labels[0] == 0))
				next = i;
		}
		if (next == STORE_COUNT_MAX)
			break;
		is_taken[next] = true;
		balance->best[taken + 1] = balance->best[taken] + sums[next];
		for (uint32_t i = 0; i < balance->store_count; i++)
			sums[i] += balance_difference(balance, &balance->stores[i], &balance->stores[next]);
	}
	for (uint32_t i = taken + 1; i <= REGION_PEERS_MAX; i++)
		balance->best[i] = balance->best[taken];
}

/* ---- Limits ---- */

bool balance_may_send(const struct balance *balance, const struct store_view *store)
{
	return store->sending < balance->options.moves_per_store;
}

bool balance_may_get(const struct balance *balance, const struct store_view *store)
{
	return store->may_take && store->coming < balance->options.moves_per_store;
}

/* ---- Operations under way ---- */

static bool has_replica(const struct balance *balance, const struct region_entry *entry, uint64_t store)
{
	const struct region_replica *replicas = region_entry_replicas(entry);

	for (uint32_t i = 0; i < entry->replica_count; i++)
		if (balance->table->stores[replicas[i].store].id == store)
			return true;
	return false;
}

static void set_bytes(struct store_view *store, uint64_t bytes)
{
	store->bytes = bytes;
	store->ratio = store->given->capacity == 0 ? 0 : (double)bytes / (double)store->given->capacity;
}

static void count_move(
	struct balance *balance, const struct balance_operation *operation, const struct region_entry *entry)
{
	struct store_view *from = balance_find_store(balance, operation->goal.from);
	struct store_view *to = balance_find_store(balance, operation->goal.to);
	struct store_view *sender = balance_find_store(balance, operation->sender);

	if (from) {
		from->leaving++;
		if (entry && has_replica(balance, entry, from->id))
			set_bytes(from, from->bytes - entry->bytes);
	}
	if (!to)
		return;
	to->coming++;
	if (sender)
		sender->sending++;
	if (!entry || has_replica(balance, entry, to->id))
		return;
	set_bytes(to, to->bytes + entry->bytes);
	to->room -= to->room < entry->bytes ? to->room : entry->bytes;
}

static void count_transfer(
	struct balance *balance, const struct balance_operation *operation, const struct region_entry *entry)
{
	struct store_view *from = balance_find_store(balance, operation->goal.from);
	struct store_view *to = balance_find_store(balance, operation->goal.to);
	uint64_t load = entry ? balance_load_of(balance, entry) : 0;
	bool is_here = entry && from && entry->leader != REGION_TABLE_NO_STORE &&
		       balance->table->stores[entry->leader].id == from->id;

	if (from)
		from->handing++;
	if (to)
		to->taking++;
	if (from && is_here)
		from->load -= load;
	if (to && is_here)
		to->load += load;
}

void balance_count_operation(struct balance *balance, const struct balance_operation *operation)
{
	const struct region_entry *entry = region_table_find(balance->table, operation->region);

	if (operation->rests_until > 0)
		return;
	if (operation->goal.kind == PLACEMENT_GOAL_LEAD)
		count_transfer(balance, operation, entry);
	else
		count_move(balance, operation, entry);
}

/* ---- Stores ---- */

uint64_t balance_load_of(const struct balance *balance, const struct region_entry *entry)
{
	return BALANCE_LEADER_US + (balance->is_busy ? entry->cpu_us : 0);
}

/* The rest of a load that has ended decays for minutes, and says nothing about the next one. */
static void look_at_load(struct balance *balance, const struct balance_store *stores, uint32_t count)
{
	uint64_t load = 0, limit = BALANCE_BUSY_US;
	uint32_t leading = 0;

	for (uint32_t i = 0; i < count; i++) {
		const struct region_table_store *sums = region_table_find_store(balance->table, stores[i].id);

		load += sums ? sums->cpu_us : 0;
		leading += stores[i].state == STORE_UP && stores[i].is_alive;
	}
	PLANT("load:rest_counts", balance->is_busy = true; return );
	if (balance->is_busy)
		limit /= 2;
	balance->is_busy = load >= limit * leading;
}

static void view_store(struct balance *balance, struct store_view *view, const struct balance_store *given)
{
	const struct region_table_store *sums = region_table_find_store(balance->table, given->id);
	bool is_up = given->state == STORE_UP;
	uint64_t used, kept = given->capacity / BALANCE_ROOM_PART;

	view->given = given;
	view->is_alive = given->is_alive && store_state_is_in(given->state);
	view->is_gone = !store_state_is_in(given->state) ||
			(!given->is_alive && given->silent_ns >= balance->options.dead_after_ns);
	view->is_leaving = view->is_gone || !is_up;
	view->may_take = is_up && given->is_alive && !given->is_full && given->capacity > 0;
	view->may_lead = is_up && given->is_alive && !given->is_full;
	view->replicas = sums ? sums->replicas : 0;
	view->region_bytes = view->replicas == 0 ? 0 : sums->bytes / view->replicas;
	view->load =
		sums ? (uint64_t)sums->leaders * BALANCE_LEADER_US + (balance->is_busy ? sums->cpu_us : 0)
		     : 0;
	set_bytes(view, sums ? sums->bytes : 0);
	used = given->used > view->bytes ? given->used : view->bytes;
	view->room = used + kept < given->capacity ? given->capacity - kept - used : 0;
}

static void view_each(struct balance *balance, const struct balance_store *stores, uint32_t count)
{
	check(count <= STORE_COUNT_MAX);
	memcpy(balance->former, balance->stores, balance->store_count * sizeof *balance->stores);
	balance->former_count = balance->store_count;
	balance->store_count = count;
	balance->up_count = 0;
	for (uint32_t i = 0; i < count; i++) {
		const struct store_view *former =
			find_view(balance->former, balance->former_count, stores[i].id);
		struct store_view *view = &balance->stores[i];

		check(i == 0 || stores[i - 1].id < stores[i].id);
		*view = (struct store_view){.id = stores[i].id};
		if (former) {
			view->is_over = former->is_over;
			view->is_under = former->is_under;
			view->is_over_load = former->is_over_load;
			view->is_under_load = former->is_under_load;
		}
		view_store(balance, view, &stores[i]);
		balance->up_count += stores[i].state == STORE_UP;
	}
}

static void map_positions(struct balance *balance)
{
	for (uint32_t i = 0; i < REGION_TABLE_STORES_MAX; i++) {
		uint64_t id = balance->table->stores[i].id;
		const struct store_view *store = id == 0 ? NULL : balance_find_store(balance, id);

		balance->by_position[i] = (uint16_t)(store ? store - balance->stores + 1 : 0);
	}
}

/* ---- How far from the mean ---- */

static bool is_past(bool was, double value, double mean, uint32_t start, uint32_t stop)
{
	return value > mean * (100 + (was ? stop : start)) / 100;
}

static bool is_short(bool was, double value, double mean, uint32_t start, uint32_t stop)
{
	return value < mean * (100 - (was ? stop : start)) / 100;
}

/* Too many bytes, full, or more bytes than one that has too few. */
static void mark_sources(struct balance *balance)
{
	bool has_under = false;
	double least = 0;

	for (uint32_t i = 0; i < balance->store_count; i++) {
		const struct store_view *store = &balance->stores[i];

		if (store->is_under && (!has_under || store->ratio < least))
			least = store->ratio;
		has_under |= store->is_under;
	}
	for (uint32_t i = 0; i < balance->store_count; i++) {
		struct store_view *store = &balance->stores[i];
		double gap = balance->mean_ratio * BALANCE_BYTES_STOP / 100;

		store->is_source = !store->is_leaving && (store->is_over || store->given->is_full ||
								 (has_under && store->ratio > least + gap));
	}
}

static void mark_bytes(struct balance *balance)
{
	double bytes = 0, capacity = 0;

	for (uint32_t i = 0; i < balance->store_count; i++) {
		const struct store_view *store = &balance->stores[i];

		bytes += store->is_leaving ? 0 : (double)store->bytes;
		capacity += store->is_leaving ? 0 : (double)store->given->capacity;
	}
	balance->mean_ratio = capacity > 0 ? bytes / capacity : 0;
	for (uint32_t i = 0; i < balance->store_count; i++) {
		struct store_view *store = &balance->stores[i];

		store->is_over =
			!store->is_leaving && is_past(store->is_over, store->ratio, balance->mean_ratio,
						      BALANCE_BYTES_START, BALANCE_BYTES_STOP);
		store->is_under =
			store->may_take && is_short(store->is_under, store->ratio, balance->mean_ratio,
						   BALANCE_BYTES_START, BALANCE_BYTES_STOP);
	}
	mark_sources(balance);
}

static void mark_load(struct balance *balance)
{
	uint64_t load = 0, count = 0;
	double mean;

	for (uint32_t i = 0; i < balance->store_count; i++) {
		load += balance->stores[i].may_lead ? balance->stores[i].load : 0;
		count += balance->stores[i].may_lead;
	}
	balance->mean_load = count == 0 ? 0 : load / count;
	balance->has_under_load = false;
	mean = (double)balance->mean_load;
	for (uint32_t i = 0; i < balance->store_count; i++) {
		struct store_view *store = &balance->stores[i];

		store->is_over_load = store->may_lead && is_past(store->is_over_load, (double)store->load,
								 mean, BALANCE_LOAD_START, BALANCE_LOAD_STOP);
		store->is_under_load =
			store->may_lead && is_short(store->is_under_load, (double)store->load, mean,
						   BALANCE_LOAD_START, BALANCE_LOAD_STOP);
		balance->has_under_load |= store->is_under_load;
	}
}

void balance_view_stores(struct balance *balance, const struct balance_store *stores, uint32_t count)
{
	look_at_load(balance, stores, count);
	view_each(balance, stores, count);
	map_positions(balance);
	for (uint32_t i = 0; i < balance->operation_count; i++)
		balance_count_operation(balance, &balance->operations[i]);
	mark_bytes(balance);
	mark_load(balance);
	compute_best(balance);
	balance->has_target = false;
	for (uint32_t i = 0; i < count; i++)
		balance->has_target |= balance_may_get(balance, &balance->stores[i]);
}

struct balance_excess balance_excess(const struct balance *balance)
{
	struct balance_excess most = {0};

	for (uint32_t i = 0; i < balance->store_count; i++) {
		const struct store_view *store = &balance->stores[i];
		double share =
			store->ratio > 0 ? balance->mean_ratio / store->ratio * (double)store->bytes : 0;
		double bytes = (double)store->bytes - share;

		if (store->is_leaving || store->ratio <= 0 || bytes <= share * BALANCE_BYTES_START / 100 ||
			bytes <= 2 * (double)store->region_bytes || bytes <= (double)most.bytes)
			continue;
		most = (struct balance_excess){.store = store->id, .bytes = (uint64_t)bytes};
	}
	return most;
}
