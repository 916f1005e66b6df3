/*
 * regions.c: checks that the states of the store's regions decode, and that their ranges leave no gap and do not
 * overlap.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "fs/check/check.h"
#include "proto/codec.h"

static int check_state(struct check *check, void *argument, struct slice key, struct slice value)
{
	uint64_t id = key_region_of(key);
	struct region region;
	int status = id > 0 ? region_decode(value, &region) : STATUS_CORRUPT;

	(void)argument;
	if (status == -ENOMEM)
		return status;
	if (status < 0) {
		report_add(&check->report, "region-damaged", 0, "the state of region %" PRIu64 " is damaged",
			id);
		return 0;
	}
	if (region.id != id)
		report_add(&check->report, "region-damaged", 0,
			"the state of region %" PRIu64 " says that it is region %" PRIu64, id, region.id);
	if (!region_peer_of_store(&region, check->inspect->dir.ident.store))
		report_add(&check->report, "region-foreign", 0,
			"region %" PRIu64 " has no replica on this store", id);
	region_close(&region);
	return 0;
}

static int check_applied(struct check *check, void *argument, struct slice key, struct slice value)
{
	struct reader reader = reader_of(key);
	struct apply_state state;
	uint64_t id;

	(void)argument;
	reader_u8(&reader);
	id = reader_u64be(&reader);
	if (reader_finish(&reader) < 0 || apply_state_decode(value, &state) < 0)
		report_add(&check->report, "apply-state-damaged", 0,
			"the apply state of region %" PRIu64 " is damaged", id);
	else if (!check_find_region(check, id))
		report_add(&check->report, "apply-state-alone", 0,
			"there is an apply state of region %" PRIu64 ", which has no state", id);
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct inspect_region *one = a, *other = b;

	return slice_compare(buf_slice(one->region.start), buf_slice(other->region.start));
}

/* A store that is alone must have the whole key space; in a cluster other stores have the rest. */
static void check_partition(struct check *check)
{
	struct inspect *inspect = check->inspect;
	struct inspect_region *regions = inspect->regions;
	bool is_alone = true;

	if (inspect->region_count == 0 && inspect->applying_count > 0)
		return;
	if (inspect->region_count == 0) {
		report_add(&check->report, "region-missing", 0, "the store has no region");
		return;
	}
	qsort(regions, inspect->region_count, sizeof *regions, by_start);
	for (uint32_t i = 0; i < inspect->region_count; i++)
		is_alone = is_alone && regions[i].region.peer_count == 1;
	if (is_alone && regions[0].region.start)
		report_add(&check->report, "region-gap", 0, "no region has the beginning of the key space");
	check->is_ordered = true;
	check->is_whole = !regions[0].region.start && !regions[inspect->region_count - 1].region.end;
	for (uint32_t i = 1; i < inspect->region_count; i++) {
		const struct region *left = &regions[i - 1].region, *right = &regions[i].region;
		int order = left->end ? slice_compare(buf_slice(left->end), buf_slice(right->start)) : 1;

		check->is_ordered = check->is_ordered && order <= 0;
		check->is_whole = check->is_whole && order == 0;
		if (order > 0)
			report_add(&check->report, "region-overlap", 0,
				"regions %" PRIu64 " and %" PRIu64 " overlap", left->id, right->id);
		else if (order < 0 && is_alone)
			report_add(&check->report, "region-gap", 0,
				"no region has the keys between regions %" PRIu64 " and %" PRIu64, left->id,
				right->id);
	}
	if (is_alone && regions[inspect->region_count - 1].region.end)
		report_add(&check->report, "region-gap", 0, "no region has the end of the key space");
}

int check_regions(struct check *check)
{
	struct key low, high, applied_high;
	int status;

	check->pass = "regions";
	key_region_states(&low, &high);
	status = check_walk(check, &low, &high, check_state, NULL);
	key_row(&applied_high, 0, KEY_LOCAL, (struct slice){0});
	if (status == 0)
		status = check_walk(check, &high, &applied_high, check_applied, NULL);
	if (status == 0)
		check_partition(check);
	return status;
}
