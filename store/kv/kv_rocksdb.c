/*
 * The KV engine on RocksDB: each vtable entry is one call of the C API.
 *
 * Invariants. `failed` is set by the first failed write or flush, or when RocksDB counts a failed background job, and
 * is never cleared: RocksDB may retry by itself, but a device that failed once is not trusted with another batch. All
 * threads share the read options of the newest state, which they only read. All callers share one snapshot until the
 * next batch has been written: reads far outnumber writes, and a RocksDB snapshot with its options costs as much as
 * reading a row.
 *
 * Manual flushes. RocksDB 7.8 switches memtables, and so flushes, when one is full (ShouldFlushNow), when all of them are
 * (the write buffer manager, off at 0), when the WAL is large (there is none), for compact_range, ingestion, live files
 * and checkpoints (not used), when it recovers from an error by itself, and when it is closed. MANUAL_OPTIONS and
 * kv_rocksdb_fail prevent the last two. Range deletions, compactions and snapshots switch none. Flushes take turns, so
 * that there is at most one immutable memtable: the one that the flush has switched.
 */
#include "store/kv/kv_rocksdb.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rocksdb/c.h>

#include "proto/check.h"
#include "proto/plant.h"
#include "proto/units.h"
#include "store/kv/rocksdb_error.h"

#define TIERS	      3
#define CHECKSUM_XXH3 4 /* rocksdb::kXXH3; the C header does not name it */

#define FLUSH_LOOK_MS	 1 /* between two looks whether a flush has ended */
#define WRITE_BUFFER_MAX ((size_t)64 << 30) /* what RocksDB cuts larger sizes to */
#define ARENA_BLOCK_SIZE ((size_t)1 << 20)
#define MEMTABLE_COUNT	 4 /* one fills while others are flushed */
/* Those that the C API has no calls for. */
#define MANUAL_OPTIONS "avoid_flush_during_shutdown=true;max_bgerror_resume_count=0"

/* rocksdb::ReadTier, by enum kv_tier. */
static const int read_tiers[TIERS] = {
	[KV_TIER_ALL] = 0,
	[KV_TIER_CACHE] = 1, /* kBlockCacheTier */
	[KV_TIER_PERSISTED] = 2, /* kPersistedTier: reads no memtables, since writes have no WAL */
};

struct kv_rocksdb {
	struct kv_engine engine;
	rocksdb_t *db;
	rocksdb_cache_t *cache;
	rocksdb_writeoptions_t *write_options;
	rocksdb_writeoptions_t *try_options;
	rocksdb_readoptions_t *newest[TIERS];
	bool manual_flush;
	pthread_mutex_t flushing; /* held by a manual flush */
	atomic_int failed; /* 0, or the status of every later write */
	pthread_mutex_t sharing; /* guards `latest` */
	/* The shared snapshot, one reference; it has every batch whose write has returned; may be NULL. */
	struct kv_snapshot *latest;
};

struct kv_snapshot {
	atomic_uint refs;
	const rocksdb_snapshot_t *snapshot;
	rocksdb_readoptions_t *options[TIERS]; /* none for KV_TIER_PERSISTED */
};

struct kv_iterator {
	rocksdb_iterator_t *iterator;
	rocksdb_readoptions_t *options;
	char bounds[]; /* low and high, which RocksDB borrows */
};

struct kv_batch {
	rocksdb_writebatch_t *batch;
};

static struct kv_rocksdb *self_of(struct kv_engine *engine)
{
	return (struct kv_rocksdb *)engine;
}

/* ---- Reading ---------------------------------------------------------------------------------------------------- */

static rocksdb_readoptions_t *read_options_new(enum kv_tier tier, const struct kv_snapshot *snapshot)
{
	rocksdb_readoptions_t *options = rocksdb_readoptions_create();

	rocksdb_readoptions_set_read_tier(options, read_tiers[tier]);
	if (snapshot)
		rocksdb_readoptions_set_snapshot(options, snapshot->snapshot);
	return options;
}

static struct kv_snapshot *snapshot_take(struct kv_rocksdb *self)
{
	struct kv_snapshot *snapshot = calloc(1, sizeof *snapshot);

	if (!snapshot)
		return NULL;
	atomic_init(&snapshot->refs, 1);
	snapshot->snapshot = rocksdb_create_snapshot(self->db);
	snapshot->options[KV_TIER_ALL] = read_options_new(KV_TIER_ALL, snapshot);
	snapshot->options[KV_TIER_CACHE] = read_options_new(KV_TIER_CACHE, snapshot);
	return snapshot;
}

static struct kv_snapshot *kv_rocksdb_snapshot_new(struct kv_engine *engine)
{
	struct kv_rocksdb *self = self_of(engine);
	struct kv_snapshot *snapshot;

	pthread_mutex_lock(&self->sharing);
	if (!self->latest)
		self->latest = snapshot_take(self);
	snapshot = self->latest;
	if (snapshot)
		atomic_fetch_add_explicit(&snapshot->refs, 1, memory_order_relaxed);
	pthread_mutex_unlock(&self->sharing);
	return snapshot;
}

static void snapshot_free(struct kv_engine *engine, struct kv_snapshot *snapshot)
{
	if (!snapshot || atomic_fetch_sub_explicit(&snapshot->refs, 1, memory_order_acq_rel) > 1)
		return;
	rocksdb_release_snapshot(self_of(engine)->db, snapshot->snapshot);
	rocksdb_readoptions_destroy(snapshot->options[KV_TIER_ALL]);
	rocksdb_readoptions_destroy(snapshot->options[KV_TIER_CACHE]);
	free(snapshot);
}

/* A batch has been written: drops the shared snapshot. */
static void forget_latest(struct kv_rocksdb *self)
{
	struct kv_snapshot *latest;

	pthread_mutex_lock(&self->sharing);
	latest = self->latest;
	self->latest = NULL;
	pthread_mutex_unlock(&self->sharing);
	snapshot_free(&self->engine, latest);
}

static void unpin(void *pin)
{
	rocksdb_pinnableslice_destroy(pin);
}

static int kv_rocksdb_get(struct kv_engine *engine, const struct kv_snapshot *snapshot, enum kv_tier tier,
	struct slice key, struct kv_value *value)
{
	struct kv_rocksdb *self = self_of(engine);
	char *error = NULL;
	rocksdb_pinnableslice_t *pin;

	check(tier != KV_TIER_PERSISTED || !snapshot);
	*value = (struct kv_value){0};
	pin = rocksdb_get_pinned(self->db, snapshot ? snapshot->options[tier] : self->newest[tier], key.data,
		key.size, &error);
	if (error)
		return rocksdb_error_take(error, NULL);
	if (!pin)
		return STATUS_NOT_FOUND;
	value->data.data = rocksdb_pinnableslice_value(pin, &value->data.size);
	value->pin = pin;
	value->release = unpin;
	return 0;
}

static int iterator_new(struct kv_engine *engine, const struct kv_snapshot *snapshot, enum kv_tier tier,
	struct slice low, struct slice high, struct kv_iterator **result)
{
	struct kv_iterator *iterator = malloc(sizeof *iterator + low.size + high.size);

	check(tier != KV_TIER_PERSISTED);
	if (!iterator)
		return -ENOMEM;
	iterator->options = read_options_new(tier, snapshot);
	if (low.size > 0) {
		memcpy(iterator->bounds, low.data, low.size);
		rocksdb_readoptions_set_iterate_lower_bound(iterator->options, iterator->bounds, low.size);
	}
	if (high.size > 0) {
		memcpy(iterator->bounds + low.size, high.data, high.size);
		rocksdb_readoptions_set_iterate_upper_bound(
			iterator->options, iterator->bounds + low.size, high.size);
	}
	iterator->iterator = rocksdb_create_iterator(self_of(engine)->db, iterator->options);
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
	free(iterator);
}

static int position(struct kv_iterator *iterator)
{
	char *error = NULL;

	if (rocksdb_iter_valid(iterator->iterator))
		return 0;
	rocksdb_iter_get_error(iterator->iterator, &error);
	return error ? rocksdb_error_take(error, NULL) : STATUS_NOT_FOUND;
}

static int seek(struct kv_iterator *iterator, struct slice key)
{
	rocksdb_iter_seek(iterator->iterator, key.data, key.size);
	return position(iterator);
}

static int kv_rocksdb_next(struct kv_iterator *iterator)
{
	rocksdb_iter_next(iterator->iterator);
	return position(iterator);
}

static void row(const struct kv_iterator *iterator, struct slice *key, struct slice *value)
{
	key->data = rocksdb_iter_key(iterator->iterator, &key->size);
	value->data = rocksdb_iter_value(iterator->iterator, &value->size);
}

/* ---- Writing ---------------------------------------------------------------------------------------------------- */

static struct kv_batch *batch_new(struct kv_engine *engine)
{
	struct kv_batch *batch = malloc(sizeof *batch);

	(void)engine;
	if (batch)
		batch->batch = rocksdb_writebatch_create();
	return batch;
}

static void batch_free(struct kv_batch *batch)
{
	if (!batch)
		return;
	rocksdb_writebatch_destroy(batch->batch);
	free(batch);
}

static void batch_clear(struct kv_batch *batch)
{
	rocksdb_writebatch_clear(batch->batch);
}

static void batch_put(struct kv_batch *batch, struct slice key, struct slice value)
{
	rocksdb_writebatch_put(batch->batch, key.data, key.size, value.data, value.size);
}

static void batch_delete(struct kv_batch *batch, struct slice key)
{
	rocksdb_writebatch_delete(batch->batch, key.data, key.size);
}

static void batch_delete_range(struct kv_batch *batch, struct slice low, struct slice high)
{
	if (slice_compare(low, high) < 0) /* RocksDB refuses a whole batch with an inverted range */
		rocksdb_writebatch_delete_range(batch->batch, low.data, low.size, high.data, high.size);
}

static size_t batch_size(const struct kv_batch *batch)
{
	size_t size;

	rocksdb_writebatch_data(batch->batch, &size);
	return size;
}

/* Records the first failure and returns it: the status of every later write. With manual flushes it also stops RocksDB,
 * which flushes all rows by itself when a full disk has room again (a second after the error, or later). */
static int kv_rocksdb_fail(struct kv_rocksdb *self, int code)
{
	int none = 0;

	if (atomic_compare_exchange_strong(&self->failed, &none, code) && self->manual_flush)
		rocksdb_cancel_all_background_work(self->db, false);
	return atomic_load(&self->failed);
}

static uint64_t property(struct kv_rocksdb *self, const char *name)
{
	uint64_t value = 0;

	check(rocksdb_property_int(self->db, name, &value) == 0);
	return value;
}

/* The recorded failure, or that of a background job; 0: none. */
static int failure(struct kv_rocksdb *self)
{
	int code = atomic_load_explicit(&self->failed, memory_order_relaxed);

	if (!code && property(self, "rocksdb.background-errors") > 0)
		code = kv_rocksdb_fail(self, -EIO);
	return code;
}

static int write_with(struct kv_rocksdb *self, const rocksdb_writeoptions_t *options, struct kv_batch *batch)
{
	char *error = NULL;
	int code = failure(self);

	if (code)
		return code;
	rocksdb_write(self->db, options, batch->batch, &error);
	code = rocksdb_error_take(error, NULL);
	if (code == STATUS_WOULD_BLOCK)
		return code;
	forget_latest(self);
	return code ? kv_rocksdb_fail(self, code) : 0;
}

static int kv_rocksdb_write_batch(struct kv_engine *engine, struct kv_batch *batch)
{
	struct kv_rocksdb *self = self_of(engine);

	return write_with(self, self->write_options, batch);
}

static int try_write(struct kv_engine *engine, struct kv_batch *batch)
{
	struct kv_rocksdb *self = self_of(engine);

	return write_with(self, self->try_options, batch);
}

/* If it does not wait for the end of the flush, it returns once the memtable is switched; STATUS_WOULD_BLOCK: it is not,
 * because writes are stopped until compactions catch up. */
static int flush_memtable(struct kv_rocksdb *self, bool waits)
{
	rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
	char *error = NULL;

	rocksdb_flushoptions_set_wait(options, waits);
	rocksdb_flush(self->db, options, &error);
	rocksdb_flushoptions_destroy(options);
	return rocksdb_error_take(error, NULL);
}

static void wait_for_rocksdb(void)
{
	nanosleep(&(struct timespec){.tv_nsec = FLUSH_LOOK_MS * (long)NS_PER_MS}, NULL);
}

static int switch_memtable(struct kv_rocksdb *self)
{
	int code;

	while ((code = flush_memtable(self, false)) == STATUS_WOULD_BLOCK) {
		code = failure(self);
		if (code)
			break;
		wait_for_rocksdb();
	}
	return code;
}

/* A memtable is immutable until the manifest names its table, durably; RocksDB counts a flush that has failed. */
static int await_flush(struct kv_rocksdb *self)
{
	int code = 0;

	PLANT("kv:flush_not_awaited", return 0);
	while (code == 0 && property(self, "rocksdb.num-immutable-mem-table") > 0) {
		wait_for_rocksdb();
		code = failure(self);
	}
	return code;
}

static int flush_manually(struct kv_rocksdb *self, void (*fixed)(void *argument), void *argument)
{
	int code;

	pthread_mutex_lock(&self->flushing);
	PLANT("kv:fixed_before_switch", if (fixed) fixed(argument); fixed = NULL);
	code = switch_memtable(self);
	if (code == 0 && fixed)
		fixed(argument);
	if (code == 0)
		code = await_flush(self);
	pthread_mutex_unlock(&self->flushing);
	return code;
}

static int flush(struct kv_engine *engine, void (*fixed)(void *argument), void *argument)
{
	struct kv_rocksdb *self = self_of(engine);
	int code = failure(self);

	if (code)
		return code;
	if (self->manual_flush) {
		code = flush_manually(self, fixed, argument);
	} else {
		code = flush_memtable(self, true);
		if (code == 0 && fixed)
			fixed(argument);
	}
	return code ? kv_rocksdb_fail(self, code) : failure(self);
}

/* ---- Figures ---------------------------------------------------------------------------------------------------- */

static uint64_t unflushed_size(struct kv_engine *engine)
{
	return property(self_of(engine), "rocksdb.cur-size-all-mem-tables");
}

static void memory(struct kv_engine *engine, struct kv_memory *usage)
{
	struct kv_rocksdb *self = self_of(engine);

	usage->memtable = property(self, "rocksdb.size-all-mem-tables");
	usage->cache = rocksdb_cache_get_usage(self->cache);
	usage->table_readers = property(self, "rocksdb.estimate-table-readers-mem");
}

static uint64_t range_size(struct kv_engine *engine, struct slice low, struct slice high)
{
	static const char end[64] = {[0 ... 63] = '\xff'}; /* the C API knows no open range */
	const char *starts[] = {low.data ? low.data : ""};
	const char *limits[] = {high.size ? high.data : end};
	size_t limit_sizes[] = {high.size ? high.size : sizeof end};
	uint64_t size = 0;
	char *error = NULL;

	rocksdb_approximate_sizes(
		self_of(engine)->db, 1, starts, &low.size, limits, limit_sizes, &size, &error);
	return rocksdb_error_take(error, NULL) ? 0 : size;
}

/* ---- Opening ---------------------------------------------------------------------------------------------------- */

static void kv_rocksdb_free(struct kv_rocksdb *self)
{
	for (int tier = 0; tier < TIERS; tier++)
		rocksdb_readoptions_destroy(self->newest[tier]);
	rocksdb_writeoptions_destroy(self->write_options);
	rocksdb_writeoptions_destroy(self->try_options);
	rocksdb_cache_destroy(self->cache);
	pthread_mutex_destroy(&self->sharing);
	pthread_mutex_destroy(&self->flushing);
	free(self);
}

static void close_engine(struct kv_engine *engine)
{
	struct kv_rocksdb *self = self_of(engine);

	forget_latest(self);
	if (!self->manual_flush)
		flush(engine, NULL, NULL); /* the log can replay what a failed flush loses */
	rocksdb_close(self->db);
	kv_rocksdb_free(self);
}

static const struct kv_engine_ops ops = {
	.close = close_engine,
	.snapshot_new = kv_rocksdb_snapshot_new,
	.snapshot_free = snapshot_free,
	.get = kv_rocksdb_get,
	.iterator_new = iterator_new,
	.iterator_free = iterator_free,
	.seek = seek,
	.next = kv_rocksdb_next,
	.row = row,
	.batch_new = batch_new,
	.batch_free = batch_free,
	.batch_clear = batch_clear,
	.batch_put = batch_put,
	.batch_delete = batch_delete,
	.batch_delete_range = batch_delete_range,
	.batch_size = batch_size,
	.write = kv_rocksdb_write_batch,
	.try_write = try_write,
	.flush = flush,
	.unflushed_size = unflushed_size,
	.memory = memory,
	.range_size = range_size,
};

/* Indexes and filters are in the cache, so that an open table costs no other memory. They are not partitioned, because
 * RocksDB 7.8 reads index partitions from the disk whatever the read tier is; small tables keep them small. */
static void set_table_format(rocksdb_options_t *options, rocksdb_cache_t *cache)
{
	rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();

	rocksdb_block_based_options_set_block_cache(table, cache);
	rocksdb_block_based_options_set_block_size(table, 8 << 10);
	rocksdb_block_based_options_set_format_version(table, 5);
	rocksdb_block_based_options_set_checksum(table, CHECKSUM_XXH3);
	rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom_full(10));
	rocksdb_block_based_options_set_whole_key_filtering(table, 1);
	rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
	rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(table, 1);
	rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1);
	rocksdb_options_set_block_based_table_factory(options, table);
	rocksdb_block_based_options_destroy(table);
}

static rocksdb_options_t *manual_options_new(void)
{
	rocksdb_options_t *none = rocksdb_options_create();
	rocksdb_options_t *options = rocksdb_options_create();
	char *error = NULL;

	rocksdb_get_options_from_string(none, MANUAL_OPTIONS, options, &error);
	check(error == NULL);
	rocksdb_options_destroy(none);
	rocksdb_options_set_db_write_buffer_size(options, 0);
	rocksdb_options_set_write_buffer_size(options, WRITE_BUFFER_MAX);
	rocksdb_options_set_arena_block_size(options, ARENA_BLOCK_SIZE);
	return options;
}

static rocksdb_options_t *automatic_options_new(uint64_t memtable_size)
{
	rocksdb_options_t *options = rocksdb_options_create();

	/* The limit over all memtables flushes early. */
	rocksdb_options_set_db_write_buffer_size(options, memtable_size);
	rocksdb_options_set_write_buffer_size(options, memtable_size / MEMTABLE_COUNT);
	return options;
}

static rocksdb_options_t *options_new(const struct kv_rocksdb_options *wanted, rocksdb_cache_t *cache)
{
	rocksdb_options_t *options =
		wanted->manual_flush ? manual_options_new()
				     : automatic_options_new(kv_rocksdb_memtable_size(wanted->memory_size));

	rocksdb_options_set_create_if_missing(options, 1);
	rocksdb_options_set_max_write_buffer_number(options, MEMTABLE_COUNT);
	rocksdb_options_set_max_background_jobs(options, wanted->background_threads);
	rocksdb_options_set_compression(options, rocksdb_no_compression);
	rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
	rocksdb_options_set_target_file_size_base(options, 32 << 20);
	rocksdb_options_set_bytes_per_sync(options, 1 << 20);
	rocksdb_options_set_max_log_file_size(options, 1 << 20);
	rocksdb_options_set_keep_log_file_num(options, 2);
	rocksdb_options_set_info_log_level(options, 2); /* warnings and worse */
	rocksdb_options_set_stats_dump_period_sec(options, 0);
	rocksdb_options_set_stats_persist_period_sec(options, 0);
	set_table_format(options, cache);
	return options;
}

int kv_rocksdb_open(const struct kv_rocksdb_options *wanted, struct kv_engine **engine, struct status *status)
{
	struct kv_rocksdb *self = calloc(1, sizeof *self);
	rocksdb_options_t *options;
	char *error = NULL;

	if (!self)
		return status_set(status, -ENOMEM, "no memory for the KV engine");
	self->engine.ops = &ops;
	self->manual_flush = wanted->manual_flush;
	pthread_mutex_init(&self->sharing, NULL);
	pthread_mutex_init(&self->flushing, NULL);
	self->cache = rocksdb_cache_create_lru(3 * kv_rocksdb_memtable_size(wanted->memory_size));
	self->write_options = rocksdb_writeoptions_create();
	rocksdb_writeoptions_disable_WAL(self->write_options, 1);
	self->try_options = rocksdb_writeoptions_create();
	rocksdb_writeoptions_disable_WAL(self->try_options, 1);
	rocksdb_writeoptions_set_no_slowdown(self->try_options, 1);
	for (int tier = 0; tier < TIERS; tier++)
		self->newest[tier] = read_options_new((enum kv_tier)tier, NULL);
	options = options_new(wanted, self->cache);
	self->db = rocksdb_open(options, wanted->path, &error);
	rocksdb_options_destroy(options);
	if (error) {
		kv_rocksdb_free(self);
		return rocksdb_error_take(error, status);
	}
	*engine = &self->engine;
	return 0;
}
