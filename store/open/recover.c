#include "store/open/recover.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/codec.h"
#include "proto/plant.h"
#include "proto/units.h"
#include "store/open/first_write.h"
#include "store/open/recover_snapshots.h"
#include "store/snapshot/snapshot.h"
#include "store/apply/rewrite.h"
#include "store/flush/kv_flush.h"

#define READ_SIZE (4u << 20) /* bytes of entries at a time */

/* ---- Units in use ----------------------------------------------------------------------------------------------- */

struct marking {
	const struct recovery *recovery;
	struct status *status;
};

static int mark_used(void *argument, struct block_extent extent)
{
	const struct marking *marking = argument;

	return blocks_mark_used(marking->recovery->engines->blocks, extent, marking->status);
}

static int mark_rows(const struct recovery *recovery, struct status *status)
{
	struct kv_engine *kv = recovery->engines->kv;
	struct marking marking = {recovery, status};
	struct kv_iterator *rows;
	struct key low, high;
	int code;

	key_objects(&low, &high);
	code = kv->ops->iterator_new(kv, NULL, KV_TIER_ALL, key_slice(&low), key_slice(&high), &rows);
	if (code == 0) {
		code = extent_rows_each(kv, rows, key_slice(&low), mark_used, &marking);
		kv->ops->iterator_free(kv, rows);
	}
	return status_complete(status, code, "the extent maps cannot be read: %s", status_name(code));
}

/* ---- Replicas that were removed --------------------------------------------------------------------------------- */

/* A removed replica has a log until its tombstone replaces it. */
static int drop_log(const struct recovery *recovery, uint64_t region)
{
	struct first_write first = {.write = {.region = region, .destroy = true}};

	return first_writes_run(recovery->engines, &first, 1);
}

static int clear_if_removed(const struct recovery *recovery, const struct region *region)
{
	const struct region_peer *self = region_peer_of_store(region, recovery->engines->dir.ident.store);
	uint64_t tombstone;
	int status = tombstone_read(recovery->engines->log, region->id, &tombstone);

	PLANT("members:cleared_once", return status);
	if (status < 0 || (self && self->id > tombstone))
		return status;
	log_info(recovery->engines->logger, "region %llu: what is left of a removed replica is cleared",
		(unsigned long long)region->id);
	status = region_clear_rows(recovery->engines->kv, region);
	return status == 0 && !self ? drop_log(recovery, region->id) : status;
}

static int each_region(const struct recovery *recovery,
	int (*each)(const struct recovery *recovery, struct region *region, struct status *status),
	struct status *status)
{
	struct kv_engine *kv = recovery->engines->kv;
	struct kv_iterator *rows;
	struct region region;
	struct key low, high;
	int code, result = 0;

	key_region_states(&low, &high);
	code = kv->ops->iterator_new(kv, NULL, KV_TIER_ALL, key_slice(&low), key_slice(&high), &rows);
	if (code < 0)
		return status_set(status, code, "the regions cannot be read: %s", status_name(code));
	for (code = kv->ops->seek(rows, key_slice(&low)); code == 0 && result == 0;) {
		struct slice key, value;

		kv->ops->row(rows, &key, &value);
		result = region_decode(value, &region);
		if (result < 0) {
			status_set(
				status, result, "a region's state cannot be read: %s", status_name(result));
			break;
		}
		result = each(recovery, &region, status);
		region_close(&region);
		code = kv->ops->next(rows);
	}
	kv->ops->iterator_free(kv, rows);
	if (result < 0)
		return result;
	if (code == STATUS_NOT_FOUND)
		return 0;
	return status_complete(status, code, "the regions cannot be read: %s", status_name(code));
}

static int finish_departure(const struct recovery *recovery, struct region *region, struct status *status)
{
	int code = clear_if_removed(recovery, region);

	return code < 0 ? status_set(status, code, "region %llu, which was removed, cannot be cleared: %s",
				  (unsigned long long)region->id, status_name(code))
			: 0;
}

/* ---- The log of a region ---------------------------------------------------------------------------------------- */

/* A started replica. */
struct replica {
	struct engines *engines;
	uint64_t region;
	struct apply_state applied;
	struct payload_list *payloads; /* payloads of entries that it has not applied */
};

/* Gives the replica a payload that its log names and that no row names yet. */
static int load_payload(const struct replica *replica, const struct raft_entry *entry, struct status *status)
{
	struct engines *engines = replica->engines;
	struct payload *payload = NULL;
	struct buf *beside;
	int code = engines->log->ops->beside(engines->log, replica->region, entry->index, &beside);

	if (code < 0)
		return status_set(status, code, "the payload of an entry is not named in the log: %s",
			status_name(code));
	code = payload_decode(buf_slice(beside), &payload);
	if (code == 0 && (uint64_t)payload->units * BLOCK_UNIT_SIZE != entry->payload_size) {
		payload_free(payload);
		code = STATUS_CORRUPT;
	}
	if (code < 0) {
		buf_unref(beside);
		return status_set(status, code, "the payload of an entry is named badly in the log: %s",
			status_name(code));
	}
	payload->beside = beside;
	payload_list_add(replica->payloads, payload, entry->term, entry->index);
	for (uint32_t i = 0; i < payload->part_count && code == 0; i++)
		code = blocks_mark_used(engines->blocks, payload->parts[i].extent, status);
	return code;
}

/* Adds a reserve for the entry. Its extents are allocated once the free units are known. */
static int load_small(const struct replica *replica, const struct raft_entry *entry, struct status *status)
{
	uint32_t units = mutations_small_units(entry);
	struct payload *reserve;

	if (units == 0)
		return 0;
	if (payload_reserve_later(units, &reserve) < 0)
		return status_set(status, -ENOMEM, "out of memory for the log of region %llu",
			(unsigned long long)replica->region);
	payload_list_add(replica->payloads, reserve, entry->term, entry->index);
	return 0;
}

static int load_entry(const struct replica *replica, const struct raft_entry *entry, struct status *status)
{
	int code = load_small(replica, entry, status);

	return code == 0 && entry->payload_size > 0 ? load_payload(replica, entry, status) : code;
}

/* Reads the entries [low, high) in pieces. The small payloads of applied entries are written again; the payloads of the
 * others are given to the replica. */
static int each_entry(const struct replica *replica, uint64_t low, uint64_t high, struct rewrite *rewrite,
	struct status *status)
{
	struct log_engine *log = replica->engines->log;
	struct raft_entries entries = {0};
	int code = 0;

	while (low < high && code == 0) {
		code = log->ops->entries(log, replica->region, low, high, READ_SIZE, false, &entries);
		if (code < 0)
			status_set(status, code, "the log of region %llu cannot be read: %s",
				(unsigned long long)replica->region, status_name(code));
		for (size_t i = 0; i < entries.count && code == 0; i++)
			code = rewrite ? rewrite_entry(rewrite, &entries.items[i])
				       : load_entry(replica, &entries.items[i], status);
		low += entries.count;
		raft_entries_truncate(&entries, 0);
	}
	raft_entries_close(&entries);
	return code;
}

static int rewrite_deferred(const struct replica *replica, uint64_t low, uint64_t high, struct status *status)
{
	struct rewrite rewrite = {.engines = replica->engines, .region = replica->region};
	int code = each_entry(replica, low, high, &rewrite, status);
	int rest = rewrite_finish(&rewrite);

	code = code < 0 ? code : rest;
	return code < 0
		       ? status_set(status, code, "small payloads of region %llu cannot be written again: %s",
				 (unsigned long long)replica->region, status_name(code))
		       : 0;
}

/* The hard state's term is durable before any entry of that term, so no entry may have a later term. */
static int check_term(const struct replica *replica, uint64_t last, struct status *status)
{
	struct log_engine *log = replica->engines->log;
	struct raft_hard_state hard_state = {0};
	uint64_t term;
	int code = log->ops->term(log, replica->region, last, &term);

	if (code == 0)
		code = log->ops->hard_state(log, replica->region, &hard_state);
	if (code == 0 && term > hard_state.term)
		code = STATUS_CORRUPT;
	return code < 0 ? status_set(status, code,
				  "the log of region %llu ends in a term that was never begun: %s",
				  (unsigned long long)replica->region, status_name(code))
			: 0;
}

static int recover_log(const struct replica *replica, struct status *status)
{
	struct engines *engines = replica->engines;
	uint64_t applied = replica->applied.index;
	uint64_t synced = kv_flush_synced_index(engines->log, replica->region);
	uint64_t first, last, low;
	int code = engines->log->ops->bounds(engines->log, replica->region, &first, &last);

	if (code < 0)
		return status_set(status, code, "the log has nothing of region %llu: %s",
			(unsigned long long)replica->region, status_name(code));
	if (last < applied || first > applied + 1)
		return status_set(status, STATUS_CORRUPT,
			"the log of region %llu has entries %llu to %llu, its rows stand at %llu",
			(unsigned long long)replica->region, (unsigned long long)first,
			(unsigned long long)last, (unsigned long long)applied);
	code = check_term(replica, last, status);
	if (code < 0)
		return code;
	low = synced + 1 > first ? synced + 1 : first;
	PLANT("store:deferred_not_rewritten", low = applied + 1);
	code = rewrite_deferred(replica, low, applied + 1, status);
	return code < 0 ? code : each_entry(replica, applied + 1, last + 1, NULL, status);
}

/* ---- Regions ---------------------------------------------------------------------------------------------------- */

static int read_apply_state(const struct recovery *recovery, uint64_t region, struct apply_state *state)
{
	int code = apply_state_get(recovery->engines->kv, NULL, KV_TIER_ALL, region, state);

	return code == STATUS_NOT_FOUND ? STATUS_CORRUPT : code;
}

/* Takes the region. */
static int start_replica(const struct recovery *recovery, struct region *region, struct status *status)
{
	const struct region_peer *self = region_peer_of_store(region, recovery->engines->dir.ident.store);
	unsigned long long id = region->id;
	struct replica replica = {.engines = recovery->engines, .region = region->id};
	int code = read_apply_state(recovery, region->id, &replica.applied);

	if (code < 0)
		return status_set(status, code, "the apply state of region %llu cannot be read: %s", id,
			status_name(code));
	if (!self)
		return status_set(status, STATUS_CORRUPT, "region %llu names no replica on this store", id);
	code = recovery->start(
		recovery->argument, region, self->id, &replica.applied, &replica.payloads, status);
	return code < 0 ? code : recover_log(&replica, status);
}

/* ---- Logs without rows ------------------------------------------------------------------------------------------ */

static int has_rows(const struct recovery *recovery, uint64_t region, bool *has)
{
	int code = region_state_look(recovery->engines->kv, region);

	*has = code == 0;
	return code == STATUS_NOT_FOUND ? 0 : code;
}

/* Whether the region's log begins behind a split. A log that holds only a term and a vote, of a replica that waited for
 * a snapshot, does not. */
static int find_log(const struct recovery *recovery, uint64_t region, uint64_t *last)
{
	struct log_engine *log = recovery->engines->log;
	uint64_t first;
	int code = log->ops->bounds(log, region, &first, last);

	if (code == STATUS_NOT_FOUND)
		*last = 0;
	return code == STATUS_NOT_FOUND ? 0 : code;
}

static int await_split(const struct recovery *recovery, uint64_t region, struct status *status)
{
	struct replica replica = {.engines = recovery->engines,
		.region = region,
		.applied = {REGION_FIRST_INDEX, REGION_FIRST_TERM}};
	uint64_t last = 0;
	bool has = true;
	int code = has_rows(recovery, region, &has);

	if (code == 0 && !has)
		code = find_log(recovery, region, &last);
	if (code < 0)
		return status_set(status, code, "region %llu cannot be looked up: %s",
			(unsigned long long)region, status_name(code));
	if (last < REGION_FIRST_INDEX)
		return 0;
	PLANT("split:log_unmarked", return 0);
	code = recovery->await(recovery->argument, region, &replica.payloads, status);
	return code < 0 ? code : each_entry(&replica, REGION_FIRST_INDEX + 1, last + 1, NULL, status);
}

struct log_walk {
	const struct recovery *recovery;
	struct status *status;
};

static int look_at_log(void *argument, uint64_t region)
{
	const struct log_walk *walk = argument;

	return region == 0 ? 0 : await_split(walk->recovery, region, walk->status);
}

static int await_splits(const struct recovery *recovery, struct status *status)
{
	struct log_walk walk = {recovery, status};
	struct log_engine *log = recovery->engines->log;
	int code = log->ops->regions(log, look_at_log, &walk);

	return code < 0 ? status_complete(status, code, "the regions of the log cannot be read: %s",
				  status_name(code))
			: 0;
}

int recover_regions(const struct recovery *recovery, struct status *status)
{
	uint64_t begun = env_now(recovery->engines->env), marked;
	int code = recover_snapshots(recovery->engines, status);

	if (code == 0)
		code = each_region(recovery, finish_departure, status);
	if (code == 0)
		code = mark_rows(recovery, status);
	marked = env_now(recovery->engines->env);
	if (code == 0)
		code = each_region(recovery, start_replica, status);
	if (code == 0)
		code = await_splits(recovery, status);
	if (code < 0)
		return code;
	log_info(recovery->engines->logger, "msg=\"regions are there\" extents_ms=%u log_ms=%u",
		(uint32_t)((marked - begun) / NS_PER_MS),
		(uint32_t)((env_now(recovery->engines->env) - marked) / NS_PER_MS));
	if (blocks_sync(recovery->engines->blocks) < 0)
		return status_set(status, -EIO, "the block files cannot be synced");
	code = blocks_start(recovery->engines->blocks);
	return code < 0 ? status_set(status, code, "no memory for the free units of the block files") : 0;
}

/* ---- A new store ------------------------------------------------------------------------------------------------ */

static int begin_logs(const struct recovery *recovery, uint32_t count)
{
	const struct raft_hard_state hard_state = {.term = REGION_FIRST_TERM, .commit = REGION_FIRST_INDEX};
	struct first_write *writes = calloc(count, sizeof *writes);
	int status;

	if (!writes)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		writes[i].write = (struct log_write){
			.region = i + 1,
			.destroy = true,
			.hard_state = &hard_state,
			.reset_index = REGION_FIRST_INDEX,
			.reset_term = REGION_FIRST_TERM,
		};
	status = first_writes_run(recovery->engines, writes, count);
	free(writes);
	return status;
}

/* The first key of region `number` of `count`. */
static struct slice boundary(
	const struct raftkv_options *options, uint8_t bytes[4], uint32_t number, uint32_t count)
{
	struct writer writer = writer_fixed(bytes, 4);

	if (number == 0 || number == count)
		return (struct slice){0};
	if (options->initial_bounds)
		return options->initial_bounds[number - 1];
	writer_u32be(&writer, (uint32_t)(((uint64_t)number << 32) / count));
	return writer_written(&writer);
}

/* Makes region `number` of a new store. The caller closes it. */
static int make_region(
	const struct recovery *recovery, uint32_t number, uint32_t count, struct region *region)
{
	const struct raftkv_options *options = recovery->options;
	struct region_peer peers[REGION_PEERS_MAX] = {{1, recovery->engines->dir.ident.store, REGION_VOTER}};
	uint32_t peer_count = options->initial_store_count > 0 ? options->initial_store_count : 1;
	uint8_t start[4], end[4];

	for (uint32_t i = 0; i < options->initial_store_count; i++)
		peers[i] = (struct region_peer){i + 1, options->initial_stores[i], REGION_VOTER};
	return region_init(region, number + 1, boundary(options, start, number, count),
		boundary(options, end, number + 1, count), peers, peer_count);
}

static int put_region(
	const struct recovery *recovery, struct kv_batch *batch, uint32_t number, uint32_t count)
{
	const struct apply_state applied = {REGION_FIRST_INDEX, REGION_FIRST_TERM};
	struct kv_engine *kv = recovery->engines->kv;
	struct region region;
	int status = make_region(recovery, number, count, &region);

	if (status < 0)
		return status;
	status = region_state_put(kv, batch, &region);
	if (status == 0)
		apply_state_put(kv, batch, region.id, &applied);
	region_close(&region);
	return status;
}

static int put_regions(const struct recovery *recovery, uint32_t count)
{
	struct kv_engine *kv = recovery->engines->kv;
	struct kv_batch *batch = kv->ops->batch_new(kv);
	int status = batch ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < count && status == 0; i++)
		status = put_region(recovery, batch, i, count);
	if (status == 0)
		status = kv->ops->write(kv, batch);
	if (status == 0)
		status = kv->ops->flush(kv, NULL, NULL);
	if (batch)
		kv->ops->batch_free(batch);
	return status;
}

/* Rows are written only after IDENT. If there are rows without IDENT, it was lost, and a new store would drop the log
 * that the rows need. */
static int refuse_rows(const struct recovery *recovery, struct status *status)
{
	struct kv_engine *kv = recovery->engines->kv;
	struct kv_iterator *rows;
	struct key low, high;
	int code;

	key_row(&low, 0, KEY_DATA, (struct slice){0});
	key_row_bound(&high, 0, KEY_DATA, (struct slice){0});
	code = kv->ops->iterator_new(kv, NULL, KV_TIER_ALL, key_slice(&low), key_slice(&high), &rows);
	if (code == 0) {
		code = kv->ops->seek(rows, key_slice(&low));
		kv->ops->iterator_free(kv, rows);
	}
	if (code == STATUS_NOT_FOUND)
		return 0;
	return status_set(status, code < 0 ? code : STATUS_CORRUPT,
		"%s holds the rows of a store, but its IDENT is missing: put it back",
		recovery->engines->dir.path);
}

int recover_bootstrap(const struct recovery *recovery, struct status *status)
{
	uint32_t count = recovery->options->initial_regions;
	int code = refuse_rows(recovery, status);

	if (code < 0)
		return code;
	if (recovery->options->is_joining)
		return 0;
	code = begin_logs(recovery, count);
	if (code == 0)
		code = put_regions(recovery, count);
	if (code < 0)
		return status_set(status, code, "the first regions cannot be made: %s", status_name(code));
	return 0;
}
