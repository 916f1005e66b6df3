#include "store/open/inspect.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/env_read_only.h"
#include "store/apply/split_rows.h"
#include "store/flush/kv_flush.h"
#include "store/kv/kv_rocksdb_overlay.h"
#include "store/log/raft_log_engine.h"
#include "store/log/raft_rocksdb.h"
#include "store/snapshot/snapshot.h"

/* bytes; used only if the store has no block files, which have their own size */
#define BLOCK_FILE_SIZE (1u << 30)
#define READ_SIZE	(4u << 20) /* bytes of entries at a time */

/* ---- Applying an entry in memory ---- */

struct replay {
	struct inspect *inspect;
	uint32_t number; /* of the region, which moves when another one is added */
	struct region *region;
	const struct raft_entry *entry;
	struct kv_batch *batch;
	struct extent_edits edits;
	uint64_t epoch_version;
};

/* Maps the entry's payload to the extents that its log record names. */
static int write_beside(struct replay *replay, const struct mutation *mutation)
{
	struct inspect *inspect = replay->inspect;
	struct block_extent *extents = NULL;
	struct payload *payload = NULL;
	struct buf *beside;
	int status =
		inspect->log->ops->beside(inspect->log, replay->region->id, replay->entry->index, &beside);

	if (status < 0)
		return status;
	status = payload_decode(buf_slice(beside), &payload);
	if (status == 0 && payload->units != mutation->count)
		status = STATUS_CORRUPT;
	if (status == 0) {
		extents = payload_extents(payload);
		status = extents ? extent_edits_write(&replay->edits, inspect->kv, mutation->key,
					   mutation->first, (uint32_t)mutation->count, extents,
					   mutation->checksums, replay->region->id, replay->entry->index)
				 : -ENOMEM;
	}
	free(extents);
	payload_free(payload);
	buf_unref(beside);
	return status;
}

static int write_inside(struct replay *replay, const struct mutation *mutation)
{
	struct inspect *inspect = replay->inspect;
	struct block_extent extent = {INSPECT_LOG_ADDRESS + inspect->log_units, (uint32_t)mutation->count};

	inspect->log_units += mutation->count;
	return extent_edits_write(&replay->edits, inspect->kv, mutation->key, mutation->first, extent.count,
		&extent, mutation->checksums, replay->region->id, replay->entry->index);
}

static int replay_mutation(void *argument, const struct mutation *mutation)
{
	struct replay *replay = argument;
	struct kv_engine *kv = replay->inspect->kv;
	struct key key, high;

	switch (mutation->kind) {
	case MUTATION_PUT:
		key_row(&key, replay->region->id, mutation->space, mutation->key);
		kv->ops->batch_put(replay->batch, key_slice(&key), mutation->value);
		return 0;
	case MUTATION_DELETE:
		key_row(&key, replay->region->id, mutation->space, mutation->key);
		kv->ops->batch_delete(replay->batch, key_slice(&key));
		return 0;
	case MUTATION_DELETE_RANGE:
		key_row(&key, replay->region->id, mutation->space, mutation->key);
		key_row(&high, replay->region->id, mutation->space, mutation->high);
		kv->ops->batch_delete_range(replay->batch, key_slice(&key), key_slice(&high));
		return 0;
	case MUTATION_WRITE:
		return mutation->is_beside ? write_beside(replay, mutation) : write_inside(replay, mutation);
	case MUTATION_UNMAP:
		return extent_edits_unmap(
			&replay->edits, kv, mutation->key, mutation->first, mutation->count);
	}
	return STATUS_CORRUPT;
}

/* Refuses, as apply does, an entry of another epoch or with a key outside of the region. */
static int admit_mutation(void *argument, const struct mutation *mutation)
{
	const struct replay *replay = argument;

	if (replay->epoch_version != replay->region->epoch.version)
		return STATUS_EPOCH_NOT_MATCH;
	if (mutation->space == KEY_DATA && !region_has_key(replay->region, mutation->key))
		return STATUS_KEY_NOT_IN_REGION;
	return 0;
}

/* ---- Splits ---- */

static bool is_refusal(int status)
{
	return status == STATUS_EPOCH_NOT_MATCH || status == STATUS_KEY_NOT_IN_REGION ||
	       status == STATUS_CONF_CHANGE_INVALID;
}

/* Takes the region. */
static int append_region(struct inspect *inspect, struct region *region, uint64_t applied)
{
	struct inspect_region *regions =
		realloc(inspect->regions, (inspect->region_count + 1) * sizeof *regions);

	if (!regions) {
		region_close(region);
		return -ENOMEM;
	}
	inspect->regions = regions;
	regions[inspect->region_count++] = (struct inspect_region){.region = *region, .applied = applied};
	return 0;
}

/* The region keeps the lower half. The replica of the upper half may have been removed already (peer_half.c). Takes
 * `upper`. */
static int put_halves(struct replay *replay, const struct region *lower, struct region *upper)
{
	struct inspect *inspect = replay->inspect;
	const struct region_peer *self = region_peer_of_store(upper, inspect->dir.ident.store);
	uint64_t tombstone = 0;
	int status = split_rows_put(inspect->kv, replay->batch, inspect->evaluator, lower, upper);

	if (status == 0)
		status = tombstone_read(inspect->log, upper->id, &tombstone);
	if (status == 0 && self && self->id > tombstone) {
		status = append_region(inspect, upper, REGION_FIRST_INDEX);
		replay->region = &inspect->regions[replay->number].region;
		return status;
	}
	if (status == 0)
		status = region_clear_rows(inspect->kv, upper);
	region_close(upper);
	return status;
}

static int replay_split(struct replay *replay, const struct raft_entry *entry)
{
	struct region lower, upper;
	struct region_split split;
	int status = region_split_decode(entry, &split);

	if (status == 0)
		status = region_split_apply(replay->region, &split, &lower, &upper);
	if (status < 0)
		return is_refusal(status) ? 0 : status;
	status = put_halves(replay, &lower, &upper);
	if (status < 0) {
		region_close(&lower);
		return status;
	}
	region_close(replay->region);
	*replay->region = lower;
	return 0;
}

/* The rows of the region's state stay as they are until a split writes them, which compares the epoch. */
static int replay_change(struct replay *replay, const struct raft_entry *entry)
{
	int status = region_change_apply(replay->region, entry, NULL);

	return is_refusal(status) ? 0 : status;
}

/* ---- Entries ---- */

static int replay_entry(struct replay *replay, const struct raft_entry *entry)
{
	struct kv_engine *kv = replay->inspect->kv;
	int status;

	replay->entry = entry;
	replay->inspect->replayed++;
	if (entry->type != RAFT_ENTRY_NORMAL)
		return replay_change(replay, entry);
	if (!entry->data)
		return 0;
	if (region_split_is(entry))
		return replay_split(replay, entry);
	status = mutations_each(entry, &replay->epoch_version, admit_mutation, replay);
	if (is_refusal(status))
		return 0;
	if (status == 0)
		status = mutations_each(entry, &replay->epoch_version, replay_mutation, replay);
	if (status == 0)
		status = extent_edits_finish(&replay->edits, kv, replay->batch);
	extent_edits_clear(&replay->edits);
	return status;
}

/* ---- The log of a region ---- */

static int replay_entries(struct replay *replay, uint64_t low, uint64_t high)
{
	struct inspect *inspect = replay->inspect;
	struct raft_entries entries = {0};
	int status = 0;

	while (low < high && status == 0) {
		status = inspect->log->ops->entries(
			inspect->log, replay->region->id, low, high, READ_SIZE, false, &entries);
		for (size_t i = 0; i < entries.count && status == 0; i++)
			status = replay_entry(replay, &entries.items[i]);
		low += entries.count;
		raft_entries_truncate(&entries, 0);
	}
	raft_entries_close(&entries);
	return status;
}

/* The last committed index: a sole voter commits its whole log; for others it is the known commit index. */
static uint64_t committed_index(struct inspect *inspect, const struct inspect_region *region)
{
	const struct region_peer *self = region_peer_of_store(&region->region, inspect->dir.ident.store);
	struct raft_hard_state hard_state = {0};

	if (self && region_is_sole_voter(&region->region, self->id))
		return region->last;
	inspect->log->ops->hard_state(inspect->log, region->region.id, &hard_state);
	return hard_state.commit < region->last ? hard_state.commit : region->last;
}

/* The log of a region that a split makes may not have begun, or have only a term and a vote. */
static int find_bounds(struct inspect *inspect, struct inspect_region *region, bool is_made)
{
	int status =
		inspect->log->ops->bounds(inspect->log, region->region.id, &region->first, &region->last);

	if (!is_made || (status < 0 && status != STATUS_NOT_FOUND) ||
		(status == 0 && region->last >= REGION_FIRST_INDEX))
		return status;
	region->first = REGION_FIRST_INDEX + 1;
	region->last = REGION_FIRST_INDEX;
	return 0;
}

/* `is_made`: by a split of the replay. */
static void replay_region(struct inspect *inspect, uint32_t number, bool is_made)
{
	struct inspect_region *region = &inspect->regions[number];
	struct replay replay = {.inspect = inspect, .number = number, .region = &region->region};
	struct log_engine *log = inspect->log;
	unsigned long long id = region->region.id, applied = region->applied;
	struct raft_hard_state hard_state = {0};
	int status = find_bounds(inspect, region, is_made);

	if (status < 0) {
		status_set(&inspect->log_status, status, "the raft log has nothing of region %llu", id);
		return;
	}
	region->synced = kv_flush_synced_index(inspect->log, id);
	log->ops->hard_state(log, id, &hard_state);
	region->term = hard_state.term;
	if (region->last < region->applied || region->first > region->applied + 1) {
		status_set(&inspect->log_status, STATUS_CORRUPT,
			"the raft log of region %llu has entries %llu to %llu, its rows stand at %llu", id,
			(unsigned long long)region->first, (unsigned long long)region->last, applied);
		return;
	}
	replay.batch = inspect->kv->ops->batch_new(inspect->kv);
	status = replay.batch ? replay_entries(&replay, applied + 1, committed_index(inspect, region) + 1)
			      : -ENOMEM;
	if (replay.batch)
		inspect->kv->ops->batch_free(replay.batch);
	if (status < 0)
		status_set(&inspect->log_status, status, "entry %llu of region %llu cannot be applied: %s",
			(unsigned long long)(replay.entry ? replay.entry->index : applied + 1), id,
			status_name(status));
}

/* ---- Regions ---- */

static int read_applied(struct inspect *inspect, uint64_t region, uint64_t *applied)
{
	struct apply_state state = {0};
	int status = apply_state_get(inspect->kv, NULL, KV_TIER_ALL, region, &state);

	*applied = state.index;
	return status;
}

/* A row that does not decode is skipped: the check of rows reports it. */
static int add_region(struct inspect *inspect, struct slice row)
{
	struct region region;
	uint64_t applied;
	int status = region_decode(row, &region);

	if (status < 0)
		return status == -ENOMEM ? status : 0;
	if (read_applied(inspect, region.id, &applied) == 0)
		return append_region(inspect, &region, applied);
	region_close(&region);
	return 0;
}

static int load_regions(struct inspect *inspect, struct status *status)
{
	struct kv_engine *kv = inspect->kv;
	struct kv_iterator *iterator;
	struct key low, high;
	int code;

	key_region_states(&low, &high);
	code = kv->ops->iterator_new(kv, NULL, KV_TIER_ALL, key_slice(&low), key_slice(&high), &iterator);
	if (code < 0)
		return status_set(status, code, "out of memory");
	code = kv->ops->seek(iterator, key_slice(&low));
	while (code == 0) {
		struct slice key, value;

		kv->ops->row(iterator, &key, &value);
		code = add_region(inspect, value);
		if (code == 0)
			code = kv->ops->next(iterator);
	}
	kv->ops->iterator_free(kv, iterator);
	return code == STATUS_NOT_FOUND
		       ? 0
		       : status_set(status, code, "the regions cannot be read: %s", status_name(code));
}

/* ---- Snapshots that were being installed ---- */

static void drop_region(struct inspect *inspect, uint64_t id)
{
	for (uint32_t i = 0; i < inspect->region_count; i++) {
		if (inspect->regions[i].region.id != id)
			continue;
		region_close(&inspect->regions[i].region);
		inspect->regions[i] = inspect->regions[--inspect->region_count];
	}
}

/* Hides the rows of a region whose install was interrupted: the next start replaces them by the snapshot's rows or by
 * none. */
static int drop_applying(void *argument, uint64_t id)
{
	struct inspect *inspect = argument;
	struct snapshot_position position;
	int status = snapshot_applying(inspect->log, id, &position);

	if (status < 0)
		return status == STATUS_NOT_FOUND ? 0 : status;
	for (uint32_t i = 0; i < inspect->region_count && status == 0; i++)
		if (inspect->regions[i].region.id == id)
			status = region_clear_rows(inspect->kv, &inspect->regions[i].region);
	if (status == 0)
		status = region_clear_rows(inspect->kv, &position.region);
	region_close(&position.region);
	drop_region(inspect, id);
	inspect->applying_count++;
	return status;
}

static void drop_all_applying(struct inspect *inspect)
{
	int status = inspect->log->ops->regions(inspect->log, drop_applying, inspect);

	if (status < 0)
		status_set(&inspect->log_status, status,
			"what the log says of snapshots that were being installed cannot be read: %s",
			status_name(status));
}

/* ---- Opening ---- */

static void open_log(struct inspect *inspect, const struct logger *logger, const char *path)
{
	const struct log_engine_options options = {
		.env = inspect->env, .logger = logger, .path = path, .is_read_only = true};
	bool is_rocksdb = inspect->dir.ident.log_is_rocksdb;
	int code = is_rocksdb ? raft_rocksdb_open(&options, &inspect->log, &inspect->log_status)
			      : raft_log_engine_open(&options, &inspect->log, &inspect->log_status);

	if (code < 0)
		inspect->log = NULL;
}

static void open_blocks(struct inspect *inspect, const struct logger *logger, const char *path)
{
	struct blocks_options options = {
		.env = inspect->env, .logger = logger, .path = path, .file_size = BLOCK_FILE_SIZE};

	if (blocks_open(&options, &inspect->blocks, &inspect->blocks_status) < 0)
		inspect->blocks = NULL;
}

static int open_engines(struct inspect *inspect, const struct inspect_options *options, struct status *status)
{
	char path[PATH_MAX];
	uint32_t loaded;
	int code = data_dir_path(&inspect->dir, "kv", path);

	if (code == 0)
		code = kv_rocksdb_overlay_open(path, options->cache_size, &inspect->kv, status);
	if (code == 0)
		code = load_regions(inspect, status);
	if (code == 0)
		code = data_dir_path(&inspect->dir, "blocks", path);
	if (code < 0)
		return code;
	open_blocks(inspect, options->logger, path);
	code = data_dir_path(&inspect->dir, "raft", path);
	if (code < 0)
		return code;
	open_log(inspect, options->logger, path);
	if (inspect->log)
		drop_all_applying(inspect);
	loaded = inspect->region_count;
	for (uint32_t i = 0; inspect->log && i < inspect->region_count; i++)
		replay_region(inspect, i, i >= loaded);
	return 0;
}

int inspect_open(const struct inspect_options *options, struct inspect **out, struct status *status)
{
	struct inspect *inspect = calloc(1, sizeof *inspect);
	int code;

	*out = NULL;
	if (!inspect)
		return status_set(status, -ENOMEM, "out of memory");
	inspect->evaluator = options->evaluator;
	inspect->env = env_read_only_new(options->env);
	code = inspect->env ? data_dir_open(&inspect->dir, inspect->env, options->path, status)
			    : status_set(status, -ENOMEM, "out of memory");
	if (code == 0 && inspect->dir.is_new)
		code = status_set(status, -ENOENT, "%s is no raftkv store: it has no IDENT", options->path);
	if (code == 0)
		code = open_engines(inspect, options, status);
	if (code < 0) {
		inspect_close(inspect);
		return code;
	}
	*out = inspect;
	return 0;
}

void inspect_close(struct inspect *inspect)
{
	if (!inspect)
		return;
	for (uint32_t i = 0; i < inspect->region_count; i++)
		region_close(&inspect->regions[i].region);
	free(inspect->regions);
	blocks_close(inspect->blocks);
	if (inspect->log)
		inspect->log->ops->close(inspect->log);
	if (inspect->kv)
		inspect->kv->ops->close(inspect->kv);
	if (inspect->dir.lock)
		data_dir_close(&inspect->dir);
	env_read_only_free(inspect->env);
	free(inspect);
}

/* ---- Questions ---- */

bool inspect_is_rewritten(struct inspect *inspect, uint64_t region, uint64_t index)
{
	struct raft_entries entries = {0};
	bool is_small = false;

	for (uint32_t i = 0; inspect->log && i < inspect->region_count; i++) {
		const struct inspect_region *known = &inspect->regions[i];

		if (known->region.id != region || index <= known->synced || index < known->first ||
			index > known->last)
			continue;
		is_small = inspect->log->ops->entries(
				   inspect->log, region, index, index + 1, READ_SIZE, false, &entries) == 0 &&
			   entries.count == 1 && entries.items[0].payload_size == 0;
	}
	raft_entries_close(&entries);
	return is_small;
}
