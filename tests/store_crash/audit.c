#include "tests/store_crash/audit.h"

#include <stdlib.h>

#include "proto/check.h"
#include "store/rows/extents.h"
#include "store/rows/keys.h"
#include "tests/lib/things_model.h"

struct addresses {
	uint64_t *values;
	size_t count;
	size_t capacity;
};

static void add_row(struct addresses *addresses, struct slice value)
{
	struct extent_row row;

	if (extent_row_decode(value, &row) < 0)
		violation("a row of an extent map is damaged");
	if (addresses->count + EXTENT_ROW_UNITS > addresses->capacity) {
		addresses->capacity = 2 * addresses->capacity + EXTENT_ROW_UNITS;
		addresses->values =
			realloc(addresses->values, addresses->capacity * sizeof *addresses->values);
		check(addresses->values);
	}
	for (uint32_t i = 0; i < EXTENT_ROW_UNITS; i++) {
		if (row.units[i].address != EXTENT_HOLE)
			addresses->values[addresses->count++] = row.units[i].address;
	}
}

static int compare(const void *left, const void *right)
{
	const uint64_t *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

static uint64_t audit_extents(struct kv_engine *kv)
{
	struct addresses addresses = {0};
	struct kv_iterator *iterator;
	struct slice key, value;
	struct key low, high;
	uint64_t count;
	int status;

	key_objects(&low, &high);
	check(kv->ops->iterator_new(kv, NULL, KV_TIER_ALL, key_slice(&low), key_slice(&high), &iterator) ==
		0);
	for (status = kv->ops->seek(iterator, key_slice(&low)); status == 0;
		status = kv->ops->next(iterator)) {
		kv->ops->row(iterator, &key, &value);
		add_row(&addresses, value);
	}
	check(status == STATUS_NOT_FOUND);
	kv->ops->iterator_free(kv, iterator);
	if (addresses.count > 0)
		qsort(addresses.values, addresses.count, sizeof *addresses.values, compare);
	for (size_t i = 1; i < addresses.count; i++) {
		if (addresses.values[i] == addresses.values[i - 1])
			violation("unit %lu is mapped twice", addresses.values[i]);
	}
	count = addresses.count;
	free(addresses.values);
	return count;
}

static uint64_t applied_index(struct machine *machine, uint64_t region, enum kv_tier tier)
{
	/* The rows of a split come with the batch that has it, and its log is not released before they are flushed. */
	struct apply_state state = {
		.index = region > machine->options.initial_regions ? REGION_FIRST_INDEX : 0};
	struct kv_engine *kv = machine->kv_engine;
	struct kv_value value;
	struct key key;
	int status;

	key_apply_state(&key, region);
	status = kv->ops->get(kv, NULL, tier, key_slice(&key), &value);
	if (status == 0)
		status = apply_state_decode(value.data, &state);
	if (status < 0 && status != STATUS_NOT_FOUND)
		violation("region %lu: its apply state is damaged", region);
	kv_value_close(&value);
	return state.index;
}

static int audit_region(void *argument, uint64_t region)
{
	struct machine *machine = argument;
	struct log_engine *log = machine->log_engine;
	struct raft_hard_state hard_state;
	uint64_t first, last, persisted, applied;

	if (region == 0 || log->ops->bounds(log, region, &first, &last) < 0)
		return 0;
	check(log->ops->hard_state(log, region, &hard_state) == 0);
	persisted = applied_index(machine, region, KV_TIER_PERSISTED);
	applied = applied_index(machine, region, KV_TIER_ALL);
	if (first > persisted + 1)
		violation("region %lu: the log begins at %lu, rows are flushed up to %lu", region, first,
			persisted);
	/* What was answered early is applied before the log has it. */
	if (persisted > applied || persisted > last || (applied > last && !machine->options.early))
		violation(
			"region %lu: persisted %lu, applied %lu, last %lu", region, persisted, applied, last);
	if (hard_state.commit > last)
		violation("region %lu: committed %lu, last %lu", region, hard_state.commit, last);
	return 0;
}

uint64_t audit_engines(struct machine *machine)
{
	check(machine->log_engine->ops->regions(machine->log_engine, audit_region, machine) == 0);
	return audit_extents(machine->kv_engine);
}

void audit_space(struct machine *machine)
{
	uint64_t mapped = audit_engines(machine);
	struct raftkv_stats stats;

	raftkv_stats(machine->raftkv, &stats);
	if (stats.blocks.used_units - stats.blocks.waiting_units != mapped)
		violation("%lu units are in use, %lu of them wait, %lu are mapped", stats.blocks.used_units,
			stats.blocks.waiting_units, mapped);
}

void audit_lease(struct machine *machine)
{
	for (uint64_t region = 1; region < REGION_IDS_MAX; region++) {
		struct raftkv_snapshot *snapshot;
		struct region range;

		if (raftkv_region_range(machine->raftkv, region, &range) < 0)
			continue;
		region_close(&range);
		if (raftkv_local_snapshot(machine->raftkv, region, 0, &snapshot) != STATUS_WOULD_BLOCK)
			violation("region %lu is read under a lease that has run out", region);
	}
}
