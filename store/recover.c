#include "store/recover.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/codec.h"
#include "proto/container.h"
#include "proto/plant.h"
#include "store/extents.h"
#include "store/keys.h"
#include "store/mutations.h"
#include "store/peer.h"
#include "store/rewrite.h"
#include "store/store.h"

#define READ_SIZE (4u << 20) /* bytes of entries at a time */

static struct shard *shard_of(struct raftkv *raftkv, uint64_t region)
{
	return &raftkv->shards[(region - 1) % raftkv->shard_count]; /* they are numbered from 1 */
}

/* ---- Units in use ----------------------------------------------------------------------------------------------- */

/* Reports a row's units, neighbours together. */
static int mark_row(struct raftkv *raftkv, const struct extent_row *row, struct status *status)
{
	int code = 0;

	for (uint32_t i = 0; i < EXTENT_ROW_UNITS && code == 0;) {
		struct block_extent extent = {row->units[i].address, 1};

		i++;
		if (extent.address == EXTENT_HOLE)
			continue;
		for (; i < EXTENT_ROW_UNITS && row->units[i].address == extent.address + extent.count; i++)
			extent.count++;
		code = blocks_mark_used(raftkv->blocks, extent, status);
	}
	return code;
}

static int mark_rows(struct raftkv *raftkv, struct status *status)
{
	struct kv_engine *kv = raftkv->kv;
	struct kv_iterator *iterator;
	struct key low, high;
	struct extent_row row;
	int code;

	key_objects(&low, &high);
	code = kv->ops->iterator_new(kv, NULL, KV_TIER_ALL, key_slice(&low), key_slice(&high), &iterator);
	if (code < 0)
		return status_set(status, code, "the rows cannot be read: %s", status_name(code));
	for (code = kv->ops->seek(iterator, key_slice(&low)); code == 0; code = kv->ops->next(iterator)) {
		struct slice key, value;

		kv->ops->row(iterator, &key, &value);
		code = extent_row_decode(value, &row);
		if (code < 0)
			status_set(status, code, "an extent row is damaged");
		else
			code = mark_row(raftkv, &row, status);
		if (code < 0)
			break;
	}
	kv->ops->iterator_free(kv, iterator);
	if (code == STATUS_NOT_FOUND)
		return 0;
	return status && status->code ? code : status_set(status, code, "the rows cannot be read");
}

/* ---- The log of a region ---------------------------------------------------------------------------------------- */

/* Gives a payload that the log names, and is not in the rows yet, back to its peer. */
static int load_payload(struct peer *peer, const struct raft_entry *entry, struct status *status)
{
	struct raftkv *raftkv = peer->shard->raftkv;
	struct payload *payload = NULL;
	struct buf *beside;
	int code = raftkv->log->ops->beside(raftkv->log, peer->region.id, entry->index, &beside);

	if (code < 0)
		return status_set(status, code, "the payload of an entry is not named in the log");
	code = payload_decode(buf_slice(beside), &payload);
	if (code == 0 && (uint64_t)payload->units * BLOCK_UNIT_SIZE != entry->payload_size) {
		payload_free(payload);
		code = STATUS_CORRUPT;
	}
	if (code < 0) {
		buf_unref(beside);
		return status_set(status, code, "the payload of an entry is named badly in the log");
	}
	payload->term = entry->term;
	payload->index = entry->index;
	payload->beside = beside;
	append_add_payload(&peer->appends, payload);
	for (uint32_t i = 0; i < payload->part_count && code == 0; i++)
		code = blocks_mark_used(raftkv->blocks, payload->parts[i].extent, status);
	return code;
}

static int load_entry(struct peer *peer, const struct raft_entry *entry, struct status *status)
{
	return entry->payload_size > 0 ? load_payload(peer, entry, status) : 0;
}

/* Reads the entries [low, high), some at a time. Those that were applied are written again, the others' payloads are
 * given to the peer. */
static int each_entry(
	struct peer *peer, uint64_t low, uint64_t high, struct rewrite *rewrite, struct status *status)
{
	struct log_engine *log = peer->shard->raftkv->log;
	struct raft_entries entries = {0};
	int code = 0;

	while (low < high && code == 0) {
		code = log->ops->entries(log, peer->region.id, low, high, READ_SIZE, false, &entries);
		if (code < 0)
			status_set(status, code, "the log of region %llu cannot be read",
				(unsigned long long)peer->region.id);
		for (size_t i = 0; i < entries.count && code == 0; i++)
			code = rewrite ? rewrite_entry(rewrite, &entries.items[i])
				       : load_entry(peer, &entries.items[i], status);
		low += entries.count;
		raft_entries_truncate(&entries, 0);
	}
	raft_entries_close(&entries);
	return code;
}

static int rewrite_deferred(struct peer *peer, uint64_t low, uint64_t high, struct status *status)
{
	struct rewrite rewrite = {.raftkv = peer->shard->raftkv, .region = peer->region.id};
	int code = each_entry(peer, low, high, &rewrite, status);
	int rest = rewrite_finish(&rewrite);

	code = code < 0 ? code : rest;
	return code < 0
		       ? status_set(status, code, "small payloads of region %llu cannot be written again: %s",
				 (unsigned long long)peer->region.id, status_name(code))
		       : 0;
}

/* A term is written before it is used: no entry can be of a later one than the hard state. */
static int check_term(struct peer *peer, uint64_t last, struct status *status)
{
	struct log_engine *log = peer->shard->raftkv->log;
	uint64_t term;
	int code = log->ops->term(log, peer->region.id, last, &term);

	if (code == 0 && term > peer->appends.hard_state.term)
		code = STATUS_CORRUPT;
	return code < 0 ? status_set(status, code,
				  "the log of region %llu ends in a term that was never begun",
				  (unsigned long long)peer->region.id)
			: 0;
}

static int recover_log(struct peer *peer, struct status *status)
{
	struct raftkv *raftkv = peer->shard->raftkv;
	uint64_t applied = peer->applied.index;
	uint64_t synced = flush_synced_index(raftkv->log, peer->region.id);
	uint64_t first, last, low;
	int code = raftkv->log->ops->bounds(raftkv->log, peer->region.id, &first, &last);

	if (code < 0)
		return status_set(status, code, "the log has nothing of region %llu",
			(unsigned long long)peer->region.id);
	if (last < applied || first > applied + 1)
		return status_set(status, STATUS_CORRUPT,
			"the log of region %llu has entries %llu to %llu, its rows stand at %llu",
			(unsigned long long)peer->region.id, (unsigned long long)first,
			(unsigned long long)last, (unsigned long long)applied);
	code = check_term(peer, last, status);
	if (code < 0)
		return code;
	low = synced + 1 > first ? synced + 1 : first;
	if (!planted("store:deferred_not_rewritten"))
		code = rewrite_deferred(peer, low, applied + 1, status);
	return code < 0 ? code : each_entry(peer, applied + 1, last + 1, NULL, status);
}

/* ---- Regions ---------------------------------------------------------------------------------------------------- */

static int read_apply_state(struct raftkv *raftkv, uint64_t region, struct apply_state *state)
{
	struct kv_value value = {0};
	struct key key;
	int code;

	key_apply_state(&key, region);
	code = raftkv->kv->ops->get(raftkv->kv, NULL, KV_TIER_ALL, key_slice(&key), &value);
	if (code == 0)
		code = apply_state_decode(value.data, state);
	kv_value_close(&value);
	return code == STATUS_NOT_FOUND ? STATUS_CORRUPT : code;
}

static int recover_region(struct raftkv *raftkv, struct slice row, struct status *status)
{
	struct region region;
	struct apply_state applied;
	struct shard *shard;
	struct peer *peer;
	int code = region_decode(row, &region);

	if (code < 0)
		return status_set(status, code, "a region's state is damaged");
	code = read_apply_state(raftkv, region.id, &applied);
	if (code < 0) {
		status_set(status, code, "the apply state of region %llu is damaged",
			(unsigned long long)region.id);
		region_close(&region);
		return code;
	}
	shard = shard_of(raftkv, region.id);
	code = peer_new(shard, &region, &applied, &peer, status);
	region_close(&region);
	if (code < 0)
		return code;
	shard_add(shard, peer);
	return recover_log(peer, status);
}

int recover_regions(struct raftkv *raftkv, struct status *status)
{
	struct kv_engine *kv = raftkv->kv;
	struct kv_iterator *iterator;
	struct key low, high;
	int code = mark_rows(raftkv, status);

	if (code < 0)
		return code;
	key_region_states(&low, &high);
	code = kv->ops->iterator_new(kv, NULL, KV_TIER_ALL, key_slice(&low), key_slice(&high), &iterator);
	if (code < 0)
		return status_set(status, code, "the regions cannot be read: %s", status_name(code));
	for (code = kv->ops->seek(iterator, key_slice(&low)); code == 0; code = kv->ops->next(iterator)) {
		struct slice key, value;

		kv->ops->row(iterator, &key, &value);
		code = recover_region(raftkv, value, status);
		if (code < 0)
			break;
	}
	kv->ops->iterator_free(kv, iterator);
	if (code != STATUS_NOT_FOUND)
		return code;
	if (blocks_sync(raftkv->blocks) < 0)
		return status_set(status, -EIO, "the block files cannot be synced");
	blocks_start(raftkv->blocks);
	return 0;
}

/* ---- A new store ------------------------------------------------------------------------------------------------ */

struct bootstrap {
	struct env_loop *loop;
	uint32_t pending;
	int status;
};

struct first_write {
	struct bootstrap *bootstrap;
	struct raft_hard_state hard_state;
	struct log_write write;
};

static void on_first_write(struct log_write *write, int status)
{
	struct first_write *first = container_of(write, struct first_write, write);
	struct bootstrap *bootstrap = first->bootstrap;

	if (status < 0)
		bootstrap->status = status;
	if (--bootstrap->pending == 0)
		env_loop_stop(bootstrap->loop);
}

static void begin_log(
	struct raftkv *raftkv, struct first_write *first, struct bootstrap *bootstrap, uint64_t region)
{
	*first = (struct first_write){
		.bootstrap = bootstrap,
		.hard_state = {.term = REGION_FIRST_TERM, .commit = REGION_FIRST_INDEX},
	};
	first->write = (struct log_write){
		.region = region,
		.destroy = true,
		.hard_state = &first->hard_state,
		.reset_index = REGION_FIRST_INDEX,
		.reset_term = REGION_FIRST_TERM,
		.loop = bootstrap->loop,
		.done = on_first_write,
	};
	bootstrap->pending++;
	raftkv->log->ops->write(raftkv->log, &first->write);
}

static int begin_logs(struct raftkv *raftkv, uint32_t count)
{
	struct first_write *writes = calloc(count, sizeof *writes);
	struct bootstrap bootstrap = {0};
	int status = writes ? env_loop_new(raftkv->env, "bootstrap", &bootstrap.loop) : -ENOMEM;

	if (status < 0) {
		free(writes);
		return status;
	}
	for (uint32_t i = 0; i < count; i++)
		begin_log(raftkv, &writes[i], &bootstrap, i + 1);
	status = env_loop_run(bootstrap.loop);
	env_loop_free(bootstrap.loop);
	free(writes);
	if (status == 0 && bootstrap.pending > 0)
		status = -ECANCELED;
	return status < 0 ? status : bootstrap.status;
}

/* Where region number `number` of `count` begins: the first four bytes divide the space evenly. */
static struct slice boundary(uint8_t bytes[4], uint32_t number, uint32_t count)
{
	struct writer writer = writer_fixed(bytes, 4);

	if (number == 0 || number == count)
		return (struct slice){0};
	writer_u32be(&writer, (uint32_t)(((uint64_t)number << 32) / count));
	return writer_written(&writer);
}

static int encode_region(
	struct raftkv *raftkv, uint32_t number, struct slice start, struct slice end, struct buf **row)
{
	const struct raftkv_options *options = &raftkv->options;
	struct region_peer peers[REGION_PEERS_MAX] = {{1, raftkv->dir.ident.store, REGION_VOTER}};
	uint32_t peer_count = options->initial_store_count > 0 ? options->initial_store_count : 1;
	struct region region;
	int status;

	for (uint32_t i = 0; i < options->initial_store_count; i++)
		peers[i] = (struct region_peer){i + 1, options->initial_stores[i], REGION_VOTER};
	status = region_init(&region, number + 1, start, end, peers, peer_count);
	if (status < 0)
		return status;
	status = region_encode(&region, row);
	region_close(&region);
	return status;
}

static int put_region(struct raftkv *raftkv, struct kv_batch *batch, uint32_t number, uint32_t count)
{
	const struct apply_state applied = {REGION_FIRST_INDEX, REGION_FIRST_TERM};
	uint8_t start[4], end[4], state[APPLY_STATE_SIZE];
	struct buf *row = NULL;
	struct key key;
	int status = encode_region(
		raftkv, number, boundary(start, number, count), boundary(end, number + 1, count), &row);

	if (status < 0)
		return status;
	key_region_state(&key, number + 1);
	raftkv->kv->ops->batch_put(batch, key_slice(&key), buf_slice(row));
	key_apply_state(&key, number + 1);
	apply_state_encode(&applied, state);
	raftkv->kv->ops->batch_put(batch, key_slice(&key), slice_of(state, sizeof state));
	buf_unref(row);
	return 0;
}

static int put_regions(struct raftkv *raftkv, uint32_t count)
{
	struct kv_engine *kv = raftkv->kv;
	struct kv_batch *batch = kv->ops->batch_new(kv);
	int status = batch ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < count && status == 0; i++)
		status = put_region(raftkv, batch, i, count);
	if (status == 0)
		status = kv->ops->write(kv, batch);
	if (status == 0)
		status = kv->ops->flush(kv);
	if (batch)
		kv->ops->batch_free(batch);
	return status;
}

int recover_bootstrap(struct raftkv *raftkv, struct status *status)
{
	uint32_t count = raftkv->options.initial_regions;
	int code;

	if (raftkv->options.is_joining)
		return 0;
	code = begin_logs(raftkv, count);
	if (code == 0)
		code = put_regions(raftkv, count);
	if (code < 0)
		return status_set(status, code, "the first regions cannot be made: %s", status_name(code));
	return 0;
}
