#include "fs/cluster/balance.h"

#include <stdlib.h>
#include <string.h>

#include "fs/cluster/balance_internal.h"
#include "proto/check.h"

#define REGION_FIRST UINT64_C(1)

/* ---- Operations ---- */

/* The index of the region's operation, or that where it would stand. */
static uint32_t index_of(const struct balance *balance, uint64_t region)
{
	uint32_t low = 0, high = balance->operation_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (balance->operations[middle].region < region)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool balance_has_operation(const struct balance *balance, uint64_t region)
{
	uint32_t index = index_of(balance, region);

	return index < balance->operation_count && balance->operations[index].region == region;
}

static void insert(struct balance *balance, const struct balance_operation *operation)
{
	uint32_t index = index_of(balance, operation->region);
	struct balance_operation *place = &balance->operations[index];

	check(balance->operation_count < BALANCE_OPERATIONS_MAX);
	memmove(place + 1, place, (balance->operation_count - index) * sizeof *place);
	*place = *operation;
	balance->operation_count++;
	balance->under_way++;
}

static void forget_rested(struct balance *balance, uint64_t now)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < balance->operation_count; i++) {
		uint64_t until = balance->operations[i].rests_until;

		if (until == 0 || until > now)
			balance->operations[kept++] = balance->operations[i];
	}
	balance->operation_count = kept;
}

const struct balance_operation *balance_find(const struct balance *balance, uint64_t region)
{
	const struct balance_operation *operation = &balance->operations[index_of(balance, region)];

	return balance_has_operation(balance, region) && operation->rests_until == 0 ? operation : NULL;
}

uint32_t balance_count(const struct balance *balance)
{
	return balance->under_way;
}

void balance_end(struct balance *balance, uint64_t region, bool is_reached, uint64_t now)
{
	uint32_t index = index_of(balance, region);
	struct balance_operation *operation = &balance->operations[index];

	if (!balance_find(balance, region))
		return;
	balance->under_way--;
	if (!is_reached && balance->options.rest_ns > 0) {
		operation->rests_until = now + balance->options.rest_ns;
		return;
	}
	balance->operation_count--;
	memmove(operation, operation + 1, (balance->operation_count - index) * sizeof *operation);
}

/* ---- A call ---- */

struct yield {
	struct balance *balance;
	struct balance_operation *operations;
	uint32_t count, max;
};

static void note(struct balance *balance, const struct region_view *view, uint32_t position)
{
	bool is_known = false;

	for (uint32_t reason = 0; reason < BALANCE_REASONS; reason++) {
		uint32_t *count = &balance->candidate_counts[reason];

		if (*count == BALANCE_CANDIDATES || !balance_may_want(balance, view, reason))
			continue;
		if (!is_known && balance_has_operation(balance, view->entry->id))
			return;
		is_known = true;
		if (view->entry->id == REGION_FIRST && reason != BALANCE_REPAIR)
			balance->first_region = position + 1;
		else
			balance->candidates[reason][(*count)++] = position;
	}
}

static bool has_candidates(const struct balance *balance)
{
	for (uint32_t reason = 0; reason < BALANCE_REASONS; reason++)
		if (balance->candidate_counts[reason] > 0)
			return true;
	return balance->first_region > 0;
}

static bool looks_at_all(const struct balance *balance)
{
	uint32_t most = balance->options.scan_max;

	return most == 0 || most >= balance->table->count;
}

static void scan(struct balance *balance)
{
	uint32_t count = balance->table->count, most = balance->options.scan_max;
	uint32_t scanned = most == 0 || most > count ? count : most;

	memset(balance->candidate_counts, 0, sizeof balance->candidate_counts);
	balance->first_region = 0;
	if (count == 0)
		return;
	for (uint32_t i = 0; i < scanned; i++) {
		uint32_t position = (uint32_t)(((uint64_t)balance->cursor + i) % count);
		struct region_view view;

		if (balance_view_region(balance, region_table_at(balance->table, position), &view))
			note(balance, &view, position);
	}
	/* A call that looks at all begins elsewhere each time, so that other regions become candidates. */
	balance->cursor = (uint32_t)((balance->cursor +
					     (scanned < count ? scanned : (uint64_t)count * 618 / 1000 + 1)) %
				     count);
	balance->passed = balance->passed > count ? balance->passed : balance->passed + scanned;
}

static void take(struct balance *balance, const struct balance_operation *operation, struct yield *yield)
{
	insert(balance, operation);
	balance_count_operation(balance, operation);
	if (operation->reason == BALANCE_BYTES)
		balance->passed = 0;
	yield->operations[yield->count++] = *operation;
}

static bool is_at_limit(const struct balance *balance, const struct yield *yield)
{
	return yield->count == yield->max || balance->operation_count == BALANCE_OPERATIONS_MAX;
}

static bool take_scatter(void *argument, const struct balance_operation *operation)
{
	struct yield *yield = argument;

	if (is_at_limit(yield->balance, yield))
		return false;
	take(yield->balance, operation, yield);
	return true;
}

static void choose(struct balance *balance, enum balance_reason reason, struct yield *yield)
{
	for (uint32_t i = 0; i < balance->candidate_counts[reason] && !is_at_limit(balance, yield); i++) {
		const struct region_entry *entry =
			region_table_at(balance->table, balance->candidates[reason][i]);
		struct balance_operation operation;
		struct region_view view;

		if (!balance_has_operation(balance, entry->id) &&
			balance_view_region(balance, entry, &view) &&
			balance_choose(balance, &view, reason, &operation))
			take(balance, &operation, yield);
	}
}

/* Region 1 leaves a draining store as the last one; a full store needs another leader; everything else waits until
 * nothing else moves. */
static bool is_first_regions_turn(
	struct balance *balance, const struct balance_operation *operation, const struct yield *yield)
{
	const struct store_view *from = balance_find_store(balance, operation->goal.from);

	if (operation->reason == BALANCE_LEAD)
		return true;
	if (operation->reason == BALANCE_DRAIN)
		return from && from->replicas == 1;
	return yield->count == 0 && balance->under_way == 0;
}

static void choose_first_region(struct balance *balance, struct yield *yield)
{
	const struct region_entry *entry = region_table_find(balance->table, REGION_FIRST);
	struct balance_operation operation;
	struct region_view view;

	for (uint32_t reason = BALANCE_SURPLUS; reason < BALANCE_REASONS; reason++) {
		if (is_at_limit(balance, yield) || balance_has_operation(balance, REGION_FIRST) ||
			!balance_view_region(balance, entry, &view))
			return;
		if (balance_choose(balance, &view, reason, &operation) &&
			is_first_regions_turn(balance, &operation, yield))
			take(balance, &operation, yield);
	}
}

uint32_t balance_next(struct balance *balance, const struct region_table *table,
	const struct balance_store *stores, uint32_t store_count, uint64_t now,
	struct balance_operation *operations, uint32_t max)
{
	struct yield yield = {.balance = balance, .operations = operations, .max = max};

	balance->table = table;
	forget_rested(balance, now);
	for (uint32_t i = 0; i < balance->operation_count; i++)
		if (balance->operations[i].reason == BALANCE_BYTES)
			balance->passed = 0;
	balance_view_stores(balance, stores, store_count);
	scan(balance);
	for (uint32_t reason = 0; reason < BALANCE_REASONS; reason++) {
		if (reason == BALANCE_SCATTER)
			balance_scatter_next(balance, now, take_scatter, &yield);
		else
			choose(balance, reason, &yield);
	}
	if (balance->first_region > 0)
		choose_first_region(balance, &yield);
	balance->is_settled = looks_at_all(balance) && !has_candidates(balance) &&
			      balance->operation_count == 0 && !balance->scatter.is_on;
	balance->table = NULL;
	return yield.count;
}

bool balance_is_settled(const struct balance *balance)
{
	return balance->is_settled;
}

uint64_t balance_work(const struct balance *balance)
{
	return balance->work;
}

/* ---- Life ---- */

struct balance *balance_new(const struct balance_options *options)
{
	struct balance *balance = calloc(1, sizeof *balance);

	if (balance)
		balance->options = *options;
	return balance;
}

void balance_free(struct balance *balance)
{
	if (balance)
		balance_scatter_end(balance);
	free(balance);
}

void balance_set_options(struct balance *balance, const struct balance_options *options)
{
	balance->options = *options;
	balance->is_settled = false;
}

void balance_reset(struct balance *balance)
{
	struct balance_options options = balance->options;

	balance_scatter_end(balance);
	memset(balance, 0, sizeof *balance);
	balance->options = options;
}
