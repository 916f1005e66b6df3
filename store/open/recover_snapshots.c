#include "store/open/recover_snapshots.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/plant.h"
#include "store/open/first_write.h"
#include "store/snapshot/snapshot.h"

/* ---- What a crash left ------------------------------------------------------------------------------------------ */

/* Clears the replica's old range, if its region state is still there. */
static int clear_old(struct engines *engines, uint64_t id)
{
	struct region region;
	int status = region_state_get(engines->kv, NULL, KV_TIER_ALL, id, &region);

	if (status < 0)
		return status == STATUS_NOT_FOUND ? 0 : status;
	status = region_clear_rows(engines->kv, &region);
	region_close(&region);
	return status;
}

static int clear(struct engines *engines, const struct region *region)
{
	int status = clear_old(engines, region->id);

	PLANT("snapshot:not_cleared_again", return status);
	return status == 0 ? region_clear_rows(engines->kv, region) : status;
}

/* ---- Normal ----------------------------------------------------------------------------------------------------- */

/* Raises the term to at least `term`, without a vote: a vote given in that term would be in the hard state. */
static void raise_term(struct raft_hard_state *hard_state, uint64_t term)
{
	if (hard_state->term >= term)
		return;
	hard_state->term = term;
	hard_state->vote = 0;
}

static int write_normal(struct engines *engines, const struct snapshot_position *position)
{
	const struct log_mark none = {.name = SNAPSHOT_MARK_APPLYING};
	struct raft_hard_state hard_state = {0};
	struct first_write first = {.write = {
					    .region = position->region.id,
					    .hard_state = &hard_state,
					    .marks = &none,
					    .mark_count = 1,
					    .reset_index = position->applied.index,
					    .reset_term = position->applied.term,
				    }};
	int status = engines->log->ops->hard_state(engines->log, position->region.id, &hard_state);

	if (status < 0 && status != STATUS_NOT_FOUND)
		return status;
	raise_term(&hard_state, position->applied.term);
	if (hard_state.commit < position->applied.index)
		hard_state.commit = position->applied.index;
	return first_writes_run(engines, &first, 1);
}

/* ---- Empty ----------------------------------------------------------------------------------------------------- */

static int write_empty(struct engines *engines, struct snapshot_position *position)
{
	struct raft_hard_state hard_state = {0};
	struct snapshot_empty empty;
	struct first_write first;
	int status = engines->log->ops->hard_state(engines->log, position->region.id, &hard_state);

	if (status < 0)
		return status;
	status = snapshot_empty_init(engines->log, position, &hard_state, &empty);
	if (status < 0)
		return status;
	first = (struct first_write){.write = empty.write};
	status = first_writes_run(engines, &first, 1);
	snapshot_empty_close(&empty);
	return status;
}

/* ---- Regions ---------------------------------------------------------------------------------------------------- */

static int install(struct engines *engines, struct snapshot_position *position)
{
	unsigned long long id = position->region.id;
	struct snapshot_stage *stage;
	int status = position->stage > 0 ? snapshot_stage_open(engines, position, &stage) : 0;

	if (position->stage == 0 || status == -ENOMEM)
		return status;
	if (status < 0) {
		log_error(engines->logger,
			"region %llu: the snapshot that was being installed is no good (%s): another is "
			"needed",
			id, status_name(status));
		return write_empty(engines, position);
	}
	log_info(engines->logger, "region %llu: the snapshot at index %llu is installed again", id,
		(unsigned long long)position->applied.index);
	status = snapshot_install(engines, stage);
	snapshot_stage_close(stage);
	return status == 0 ? write_normal(engines, position) : status;
}

static int clear_position(struct engines *engines, struct snapshot_position *position)
{
	return clear(engines, &position->region);
}

/* Takes a step with the region's position, if it has one. */
static int recover_region(struct engines *engines, uint64_t region,
	int (*step)(struct engines *engines, struct snapshot_position *position))
{
	struct snapshot_position position;
	int status = snapshot_applying(engines->log, region, &position);

	if (status < 0)
		return status == STATUS_NOT_FOUND ? 0 : status;
	status = step(engines, &position);
	region_close(&position.region);
	return status;
}

struct region_list {
	uint64_t *ids;
	size_t count, capacity;
};

static int add_region(void *argument, uint64_t region)
{
	struct region_list *list = argument;

	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? list->capacity * 2 : 16;
		uint64_t *ids = realloc(list->ids, capacity * sizeof *ids);

		if (!ids)
			return -ENOMEM;
		list->ids = ids;
		list->capacity = capacity;
	}
	list->ids[list->count++] = region;
	return 0;
}

int recover_snapshots(struct engines *engines, struct status *status)
{
	struct region_list list = {0};
	int code = engines->log->ops->regions(engines->log, add_region, &list);

	/* A region that missed a split clears a wider range than its snapshot has: all clearing comes first. */
	for (size_t i = 0; i < list.count && code == 0; i++)
		code = recover_region(engines, list.ids[i], clear_position);
	for (size_t i = 0; i < list.count && code == 0; i++) {
		code = recover_region(engines, list.ids[i], install);
		if (code < 0)
			status_set(status, code, "a snapshot of region %llu cannot be installed: %s",
				(unsigned long long)list.ids[i], status_name(code));
	}
	free(list.ids);
	if (code < 0)
		return status_complete(
			status, code, "the regions of the log cannot be read: %s", status_name(code));
	code = snapshot_stage_remove_all(engines);
	return code < 0
		       ? status_set(status, code, "the folder snap/ cannot be emptied: %s", status_name(code))
		       : 0;
}
