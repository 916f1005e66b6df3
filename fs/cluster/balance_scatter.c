/*
 * Spreads some regions over the stores, by the number of their replicas and of their leaders. Each operation makes two
 * stores more alike, so that it ends: when no region that is looked at, from the first to the last, has a move left.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/cluster/balance_internal.h"
#include "proto/compare.h"
#include "proto/plant.h"

#define REGION_FIRST UINT64_C(1)
#define LOOK_MAX     1024u /* regions that a call looks at */

/* What becomes of a region. */
enum verdict {
	VERDICT_RESTS, /* nothing makes the stores more alike */
	VERDICT_WAITS, /* something does, when a limit allows it */
	VERDICT_MOVES,
};

bool balance_is_scattered(const struct balance *balance, uint64_t region)
{
	const struct balance_scatter *scatter = &balance->scatter;

	if (!scatter->is_on || !scatter->regions)
		return scatter->is_on;
	return bsearch(&region, scatter->regions, scatter->count, sizeof region, compare_u64) != NULL;
}

/* ---- How many each store has ---- */

static uint32_t count_regions(const struct balance *balance)
{
	return balance->scatter.regions ? balance->scatter.count : balance->table->count;
}

/* NULL: the table does not have it. */
static const struct region_entry *entry_at(const struct balance *balance, uint32_t position)
{
	return balance->scatter.regions
		       ? region_table_find(balance->table, balance->scatter.regions[position])
		       : region_table_at(balance->table, position);
}

static void count_entry(struct balance *balance, const struct region_entry *entry)
{
	const struct region_replica *replicas = region_entry_replicas(entry);

	for (uint32_t i = 0; i < entry->replica_count; i++) {
		struct store_view *store = balance_view_at(balance, &replicas[i]);

		if (!store)
			continue;
		store->scatter_replicas++;
		store->scatter_leaders += replicas[i].store == entry->leader;
	}
}

static void count_move(struct balance *balance, const struct balance_operation *operation, bool is_new)
{
	const struct region_entry *entry = region_table_find(balance->table, operation->region);
	const struct region_replica *replicas = entry ? region_entry_replicas(entry) : NULL;
	struct store_view *from = balance_find_store(balance, operation->goal.from);
	struct store_view *to = balance_find_store(balance, operation->goal.to);
	bool is_move = operation->goal.kind == PLACEMENT_GOAL_MOVE, is_at_from = is_new, is_at_to = false;

	for (uint32_t i = 0; entry && !is_new && i < entry->replica_count; i++) {
		struct store_view *store = balance_view_at(balance, &replicas[i]);
		bool counts = is_move || replicas[i].store == entry->leader;

		is_at_from |= store == from && counts;
		is_at_to |= store == to && counts;
	}
	if (from && is_at_from && is_move)
		from->scatter_replicas--;
	else if (from && is_at_from)
		from->scatter_leaders--;
	if (to && !is_at_to && is_move)
		to->scatter_replicas++;
	else if (to && !is_at_to)
		to->scatter_leaders++;
}

static void count_all(struct balance *balance)
{
	for (uint32_t i = 0; i < count_regions(balance); i++) {
		const struct region_entry *entry = entry_at(balance, i);

		if (entry)
			count_entry(balance, entry);
	}
	for (uint32_t i = 0; i < balance->operation_count; i++)
		if (balance->operations[i].rests_until == 0 &&
			balance_is_scattered(balance, balance->operations[i].region))
			count_move(balance, &balance->operations[i], false);
}

static uint32_t above(uint32_t count, uint32_t sum, uint32_t stores)
{
	uint32_t part = stores == 0 ? count : (sum + stores - 1) / stores;

	return count > part ? count - part : 0;
}

static uint32_t count_left(const struct balance *balance)
{
	uint32_t replicas = 0, leaders = 0, stores = 0, left = 0;

	for (uint32_t i = 0; i < balance->store_count; i++) {
		const struct store_view *store = &balance->stores[i];

		stores += store->may_take;
		replicas += store->may_take ? store->scatter_replicas : 0;
		leaders += store->may_take ? store->scatter_leaders : 0;
	}
	for (uint32_t i = 0; i < balance->store_count; i++)
		if (balance->stores[i].may_take)
			left += above(balance->stores[i].scatter_replicas, replicas, stores) +
				above(balance->stores[i].scatter_leaders, leaders, stores);
	return left;
}

/* ---- One region ---- */

/* The stores become more alike by two at least: with one, they would only change their places. */
static bool is_more_even(uint32_t from, uint32_t to)
{
	return from >= to + (planted("coordinator:scatter_without_end") ? 1 : 2);
}

/* May the replica's place be taken by `to`, the limits apart? */
static bool may_replace(struct balance *balance, const struct region_view *view,
	const struct region_replica *replica, const struct store_view *to)
{
	const struct store_view *from = balance_view_at(balance, replica);

	if (!to->may_take || to->room < view->entry->bytes || balance_has_replica(balance, view, to) ||
		!is_more_even(from->scatter_replicas, to->scatter_replicas))
		return false;
	return balance_differences_without(balance, view, from) +
		       balance_differences_of(balance, view, from, to) >=
	       balance_differences_without(balance, view, NULL);
}

/* From the store with most to the one with least; of equals the leader stays. */
static enum verdict choose_move(
	struct balance *balance, const struct region_view *view, struct balance_operation *operation)
{
	const struct region_replica *best = NULL;
	const struct store_view *best_to = NULL;
	enum verdict verdict = VERDICT_RESTS;
	uint32_t most = 0;

	for (uint32_t i = 0; i < view->entry->replica_count; i++) {
		const struct region_replica *replica = &view->replicas[i];
		const struct store_view *from = balance_view_at(balance, replica);

		for (uint32_t k = 0; from && !from->is_leaving && k < balance->store_count; k++) {
			const struct store_view *to = &balance->stores[k];
			uint32_t gap = from->scatter_replicas - to->scatter_replicas;

			if (!may_replace(balance, view, replica, to))
				continue;
			verdict = VERDICT_WAITS;
			if (!balance_is_free_to_leave(balance, view, replica) ||
				!balance_may_get(balance, to) || gap < most ||
				(best && gap == most && balance_view_at(balance, best) != view->leader))
				continue;
			best = replica;
			best_to = to;
			most = gap;
		}
	}
	return best && balance_set_move(balance, view, best, best_to, operation) ? VERDICT_MOVES : verdict;
}

static enum verdict choose_transfer(
	struct balance *balance, const struct region_view *view, struct balance_operation *operation)
{
	const struct store_view *best = NULL;

	if (view->entry->id == REGION_FIRST)
		return VERDICT_RESTS;
	for (uint32_t i = 0; i < view->entry->replica_count; i++) {
		const struct store_view *to = balance_view_at(balance, &view->replicas[i]);

		if (to && to != view->leader && to->may_lead && balance_can_lead(&view->replicas[i], to) &&
			is_more_even(view->leader->scatter_leaders, to->scatter_leaders) &&
			(!best || to->scatter_leaders < best->scatter_leaders))
			best = to;
	}
	if (!best)
		return VERDICT_RESTS;
	return balance_set_transfer(balance, view, best, operation) ? VERDICT_MOVES : VERDICT_WAITS;
}

static enum verdict judge(
	struct balance *balance, const struct region_entry *entry, struct balance_operation *operation)
{
	struct region_view view;
	enum verdict verdict;

	if (!entry)
		return VERDICT_RESTS;
	if (balance_has_operation(balance, entry->id))
		return VERDICT_WAITS;
	if (!balance_view_region(balance, entry, &view) || !balance_region_is_settled(&view))
		return VERDICT_RESTS;
	*operation = (struct balance_operation){
		.region = entry->id, .reason = BALANCE_SCATTER, .sender = view.leader->id};
	verdict = choose_move(balance, &view, operation);
	if (verdict == VERDICT_RESTS)
		verdict = choose_transfer(balance, &view, operation);
	/* Region 1, whose leader places, moves when no other does. */
	if (verdict == VERDICT_MOVES && entry->id == REGION_FIRST && balance->under_way > 0)
		verdict = VERDICT_WAITS;
	return verdict;
}

/* ---- A call ---- */

void balance_scatter_next(struct balance *balance, uint64_t now,
	bool (*take)(void *argument, const struct balance_operation *operation), void *argument)
{
	struct balance_scatter *scatter = &balance->scatter;
	uint32_t count, looks;

	if (!scatter->is_on)
		return;
	count = count_regions(balance);
	looks = count < LOOK_MAX ? count : LOOK_MAX;
	count_all(balance);
	for (uint32_t i = 0; i < looks && scatter->passed < count; i++) {
		struct balance_operation operation;
		enum verdict verdict =
			judge(balance, entry_at(balance, scatter->cursor++ % count), &operation);

		scatter->passed = verdict == VERDICT_RESTS ? scatter->passed + 1 : 0;
		if (verdict != VERDICT_MOVES)
			continue;
		if (!take(argument, &operation))
			break;
		count_move(balance, &operation, true);
	}
	scatter->left = count_left(balance);
	if (scatter->passed >= count || now >= scatter->until)
		balance_scatter_end(balance);
}

/* ---- Beginning and end ---- */

int balance_scatter(struct balance *balance, const uint64_t *regions, uint32_t count, uint64_t until)
{
	uint64_t *copy = NULL;

	if (count > 0) {
		copy = malloc(count * sizeof *copy);
		if (!copy)
			return -ENOMEM;
		memcpy(copy, regions, count * sizeof *copy);
	}
	balance_scatter_end(balance);
	balance->is_settled = false;
	balance->scatter =
		(struct balance_scatter){.is_on = true, .regions = copy, .count = count, .until = until};
	return 0;
}

void balance_scatter_end(struct balance *balance)
{
	free(balance->scatter.regions);
	balance->scatter = (struct balance_scatter){0};
}

bool balance_is_scattering(const struct balance *balance)
{
	return balance->scatter.is_on;
}

uint32_t balance_scatter_left(const struct balance *balance)
{
	return balance->scatter.left;
}
