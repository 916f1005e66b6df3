#include "store/kv/kv_rocksdb_overlay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rocksdb/c.h>

#include "proto/check.h"
#include "store/kv/rocksdb_error.h"

struct kv_overlay {
	struct kv_engine engine;
	rocksdb_t *db;
	rocksdb_cache_t *cache;
	rocksdb_writebatch_wi_t *changes; /* rows put or deleted since the open */
	uint64_t change_count;
	rocksdb_readoptions_t *newest;
};

/* RocksDB reads ahead once an iterator has gone on: many look at few rows. It does not apply the bounds to the changes, so
 * `high` is compared here, too. A change moves the memory of the changes and with it what RocksDB's iterator shows, so the
 * iterator has a copy of its row. */
struct kv_iterator {
	const struct kv_overlay *overlay;
	rocksdb_iterator_t *iterator;
	rocksdb_readoptions_t *options;
	uint64_t change_count; /* when it was moved to its row */
	char *bytes; /* of its row: the key, a zero, the value */
	size_t key_size, value_size, capacity;
	size_t high_size; /* bytes; 0: no bound */
	char high[];
};

struct kv_batch {
	struct kv_overlay *overlay;
};

static struct kv_overlay *self_of(struct kv_engine *engine)
{
	return (struct kv_overlay *)engine;
}

/* ---- Reading ---- */

static struct kv_snapshot *kv_overlay_snapshot_new(struct kv_engine *engine)
{
	(void)engine;
	check(false); /* an inspection uses no snapshots */
	return NULL;
}

static void snapshot_free(struct kv_engine *engine, struct kv_snapshot *snapshot)
{
	(void)engine;
	(void)snapshot;
}

static void release(void *pin)
{
	rocksdb_free(pin);
}

static int kv_overlay_get(struct kv_engine *engine, const struct kv_snapshot *snapshot, enum kv_tier tier,
	struct slice key, struct kv_value *value)
{
	struct kv_overlay *self = self_of(engine);
	char *error = NULL, *bytes;
	size_t size = 0;

	check(!snapshot);
	*value = (struct kv_value){0};
	if (tier == KV_TIER_PERSISTED)
		bytes = rocksdb_get(self->db, self->newest, key.data, key.size, &size, &error);
	else
		bytes = rocksdb_writebatch_wi_get_from_batch_and_db(
			self->changes, self->db, self->newest, key.data, key.size, &size, &error);
	if (error)
		return rocksdb_error_take(error, NULL);
	if (!bytes)
		return STATUS_NOT_FOUND;
	*value = (struct kv_value){.data = {bytes, size}, .pin = bytes, .release = release};
	return 0;
}

static int iterator_new(struct kv_engine *engine, const struct kv_snapshot *snapshot, enum kv_tier tier,
	struct slice low, struct slice high, struct kv_iterator **result)
{
	struct kv_overlay *self = self_of(engine);
	struct kv_iterator *iterator = malloc(sizeof *iterator + high.size);

	(void)low;
	check(!snapshot && tier != KV_TIER_PERSISTED);
	if (!iterator)
		return -ENOMEM;
	*iterator = (struct kv_iterator){.overlay = self};
	iterator->options = rocksdb_readoptions_create();
	rocksdb_readoptions_set_fill_cache(iterator->options, 0);
	iterator->high_size = high.size;
	if (high.size > 0) {
		memcpy(iterator->high, high.data, high.size);
		rocksdb_readoptions_set_iterate_upper_bound(iterator->options, iterator->high, high.size);
	}
	iterator->iterator = rocksdb_writebatch_wi_create_iterator_with_base(
		self->changes, rocksdb_create_iterator(self->db, iterator->options));
	*result = iterator;
	return 0;
}

static void iterator_free(struct kv_engine *engine, struct kv_iterator *iterator)
{
	(void)engine;
	if (!iterator)
		return;
	rocksdb_iter_destroy(iterator->iterator);
	rocksdb_readoptions_destroy(iterator->options);
	free(iterator->bytes);
	free(iterator);
}

static void row(const struct kv_iterator *iterator, struct slice *key, struct slice *value)
{
	*key = slice_of(iterator->bytes, iterator->key_size);
	*value = slice_of(iterator->bytes + iterator->key_size + 1, iterator->value_size);
}

static int keep_row(struct kv_iterator *iterator, struct slice key, struct slice value)
{
	size_t size = key.size + 1 + value.size;

	if (size > iterator->capacity) {
		free(iterator->bytes);
		iterator->capacity = 0;
		iterator->bytes = malloc(2 * size);
		if (!iterator->bytes)
			return -ENOMEM;
		iterator->capacity = 2 * size;
	}
	memcpy(iterator->bytes, key.data, key.size);
	iterator->bytes[key.size] = '\0';
	if (value.size > 0)
		memcpy(iterator->bytes + key.size + 1, value.data, value.size);
	iterator->key_size = key.size;
	iterator->value_size = value.size;
	iterator->change_count = iterator->overlay->change_count;
	return 0;
}

static int position(struct kv_iterator *iterator)
{
	struct slice key, value;
	char *error = NULL;

	if (!rocksdb_iter_valid(iterator->iterator)) {
		rocksdb_iter_get_error(iterator->iterator, &error);
		return error ? rocksdb_error_take(error, NULL) : STATUS_NOT_FOUND;
	}
	key.data = rocksdb_iter_key(iterator->iterator, &key.size);
	value.data = rocksdb_iter_value(iterator->iterator, &value.size);
	if (iterator->high_size > 0 && slice_compare(key, slice_of(iterator->high, iterator->high_size)) >= 0)
		return STATUS_NOT_FOUND;
	return keep_row(iterator, key, value);
}

static int seek(struct kv_iterator *iterator, struct slice key)
{
	rocksdb_iter_seek(iterator->iterator, key.size > 0 ? key.data : "", key.size);
	return position(iterator);
}

static int kv_overlay_next(struct kv_iterator *iterator)
{
	if (iterator->change_count == iterator->overlay->change_count)
		rocksdb_iter_next(iterator->iterator);
	else /* to the first key after it, which is one zero longer */
		rocksdb_iter_seek(iterator->iterator, iterator->bytes, iterator->key_size + 1);
	return position(iterator);
}

/* ---- Writing ---- */

static struct kv_batch *batch_new(struct kv_engine *engine)
{
	struct kv_batch *batch = malloc(sizeof *batch);

	if (batch)
		batch->overlay = self_of(engine);
	return batch;
}

static void batch_free(struct kv_batch *batch)
{
	free(batch);
}

static void batch_clear(struct kv_batch *batch)
{
	(void)batch;
}

static void batch_put(struct kv_batch *batch, struct slice key, struct slice value)
{
	batch->overlay->change_count++;
	rocksdb_writebatch_wi_put(batch->overlay->changes, key.data, key.size, value.data, value.size);
}

static void batch_delete(struct kv_batch *batch, struct slice key)
{
	batch->overlay->change_count++;
	rocksdb_writebatch_wi_delete(batch->overlay->changes, key.data, key.size);
}

/* Deletes row by row, because RocksDB's indexed batch has no range deletion. Each seek skips the rows deleted
 * before. */
static void batch_delete_range(struct kv_batch *batch, struct slice low, struct slice high)
{
	struct kv_engine *engine = &batch->overlay->engine;
	struct kv_iterator *iterator;
	bool found = slice_compare(low, high) < 0;

	while (found) {
		struct slice key, value;

		check(iterator_new(engine, NULL, KV_TIER_ALL, low, high, &iterator) == 0);
		found = seek(iterator, low) == 0;
		if (found) {
			row(iterator, &key, &value);
			batch_delete(batch, key);
		}
		iterator_free(engine, iterator);
	}
}

static size_t batch_size(const struct kv_batch *batch)
{
	(void)batch;
	return 0;
}

static int kv_overlay_write_batch(struct kv_engine *engine, struct kv_batch *batch)
{
	(void)engine;
	(void)batch;
	return 0;
}

static int flush(struct kv_engine *engine, void (*fixed)(void *argument), void *argument)
{
	(void)engine;
	if (fixed)
		fixed(argument);
	return 0;
}

/* ---- Figures ---- */

static uint64_t unflushed_size(struct kv_engine *engine)
{
	size_t size;

	rocksdb_writebatch_wi_data(self_of(engine)->changes, &size);
	return size;
}

static void memory(struct kv_engine *engine, struct kv_memory *usage)
{
	*usage = (struct kv_memory){
		.memtable = unflushed_size(engine),
		.cache = rocksdb_cache_get_usage(self_of(engine)->cache),
	};
}

static uint64_t range_size(struct kv_engine *engine, struct slice low, struct slice high)
{
	const char *starts[] = {low.data ? low.data : ""};
	const char *limits[] = {high.data};
	uint64_t size = 0;
	char *error = NULL;

	check(high.size > 0);
	rocksdb_approximate_sizes(
		self_of(engine)->db, 1, starts, &low.size, limits, &high.size, &size, &error);
	return rocksdb_error_take(error, NULL) ? 0 : size;
}

/* ---- Opening ---- */

static void kv_overlay_free(struct kv_overlay *self)
{
	rocksdb_writebatch_wi_destroy(self->changes);
	rocksdb_readoptions_destroy(self->newest);
	rocksdb_cache_destroy(self->cache);
	free(self);
}

static void close_engine(struct kv_engine *engine)
{
	struct kv_overlay *self = self_of(engine);

	rocksdb_close(self->db);
	kv_overlay_free(self);
}

static const struct kv_engine_ops ops = {
	.close = close_engine,
	.snapshot_new = kv_overlay_snapshot_new,
	.snapshot_free = snapshot_free,
	.get = kv_overlay_get,
	.iterator_new = iterator_new,
	.iterator_free = iterator_free,
	.seek = seek,
	.next = kv_overlay_next,
	.row = row,
	.batch_new = batch_new,
	.batch_free = batch_free,
	.batch_clear = batch_clear,
	.batch_put = batch_put,
	.batch_delete = batch_delete,
	.batch_delete_range = batch_delete_range,
	.batch_size = batch_size,
	.write = kv_overlay_write_batch,
	.try_write = kv_overlay_write_batch,
	.flush = flush,
	.unflushed_size = unflushed_size,
	.memory = memory,
	.range_size = range_size,
};

int kv_rocksdb_overlay_open(
	const char *path, uint64_t cache_size, struct kv_engine **engine, struct status *status)
{
	struct kv_overlay *self = calloc(1, sizeof *self);
	rocksdb_block_based_table_options_t *table;
	rocksdb_options_t *options;
	char *error = NULL;

	if (!self)
		return status_set(status, -ENOMEM, "no memory for the KV engine");
	self->engine.ops = &ops;
	self->cache = rocksdb_cache_create_lru(cache_size);
	self->newest = rocksdb_readoptions_create();
	self->changes = rocksdb_writebatch_wi_create(0, 1);
	options = rocksdb_options_create();
	table = rocksdb_block_based_options_create();
	rocksdb_block_based_options_set_block_cache(table, self->cache);
	rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
	rocksdb_options_set_block_based_table_factory(options, table);
	self->db = rocksdb_open_for_read_only(options, path, 0, &error);
	rocksdb_block_based_options_destroy(table);
	rocksdb_options_destroy(options);
	if (error) {
		kv_overlay_free(self);
		return rocksdb_error_take(error, status);
	}
	*engine = &self->engine;
	return 0;
}
