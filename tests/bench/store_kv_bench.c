/*
 * Cached point reads of the KV engine: through its vtable, and beside it a bare RocksDB get of the same rows in a
 * database with the same block cache; then writes and flushes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rocksdb/c.h>

#include "proto/check.h"
#include "store/kv/kv_rocksdb.h"

#define ROWS  200000u
#define READS ROWS
/* Taken in turns, each after a pass that warms the processor's caches; the best counts, as other work on the machine
 * disturbs both alike. */
#define ROUNDS	   3
#define VALUE_SIZE 100u
#define MEMORY	   (256u << 20)

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static struct slice row_key(char key[24], uint32_t row)
{
	return slice_of(key, (size_t)snprintf(key, 24, "row%010u", row * 2654435761u));
}

/* A full-period walk over the rows in no order. */
static uint32_t next_row(uint32_t row)
{
	return (row + 77773) % ROWS;
}

static double put_engine(struct kv_engine *engine)
{
	struct kv_batch *batch = engine->ops->batch_new(engine);
	char value[VALUE_SIZE] = {0}, key[24];
	double began = now();

	for (uint32_t row = 0; row < ROWS; row++) {
		engine->ops->batch_clear(batch);
		engine->ops->batch_put(batch, row_key(key, row), slice_of(value, sizeof value));
		check(engine->ops->write(engine, batch) == 0);
	}
	began = now() - began;
	engine->ops->batch_free(batch);
	check(engine->ops->flush(engine, NULL, NULL) == 0);
	return ROWS / began;
}

static void put_bare(rocksdb_t *db)
{
	rocksdb_writeoptions_t *options = rocksdb_writeoptions_create();
	rocksdb_flushoptions_t *flush = rocksdb_flushoptions_create();
	char value[VALUE_SIZE] = {0}, key[24];
	char *error = NULL;

	rocksdb_writeoptions_disable_WAL(options, 1);
	for (uint32_t row = 0; row < ROWS; row++) {
		struct slice slice = row_key(key, row);

		rocksdb_put(db, options, slice.data, slice.size, value, sizeof value, &error);
	}
	rocksdb_flush(db, flush, &error);
	check(error == NULL);
	rocksdb_writeoptions_destroy(options);
	rocksdb_flushoptions_destroy(flush);
}

static double get_engine(struct kv_engine *engine, const struct kv_snapshot *snapshot, enum kv_tier tier)
{
	char key[24];
	double began = now();
	uint32_t row = 0;

	for (uint32_t i = 0; i < READS; i++, row = next_row(row)) {
		struct kv_value value;

		check(engine->ops->get(engine, snapshot, tier, row_key(key, row), &value) == 0);
		kv_value_close(&value);
	}
	return READS / (now() - began);
}

static double get_bare(rocksdb_t *db)
{
	rocksdb_readoptions_t *options = rocksdb_readoptions_create();
	char key[24];
	double began = now();
	uint32_t row = 0;

	for (uint32_t i = 0; i < READS; i++, row = next_row(row)) {
		struct slice slice = row_key(key, row);
		char *error = NULL;
		rocksdb_pinnableslice_t *pin =
			rocksdb_get_pinned(db, options, slice.data, slice.size, &error);

		check(pin != NULL);
		rocksdb_pinnableslice_destroy(pin);
	}
	began = now() - began;
	rocksdb_readoptions_destroy(options);
	return READS / began;
}

/* A plain table with bloom filters, in the format the engine uses. */
static rocksdb_t *open_bare(const char *path)
{
	rocksdb_options_t *options = rocksdb_options_create();
	rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
	rocksdb_cache_t *cache = rocksdb_cache_create_lru(MEMORY / 4 * 3);
	char *error = NULL;
	rocksdb_t *db;

	rocksdb_options_set_create_if_missing(options, 1);
	rocksdb_options_set_compression(options, rocksdb_no_compression);
	rocksdb_block_based_options_set_block_cache(table, cache);
	rocksdb_block_based_options_set_block_size(table, 8 << 10);
	rocksdb_block_based_options_set_format_version(table, 5);
	rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom_full(10));
	rocksdb_options_set_block_based_table_factory(options, table);
	db = rocksdb_open(options, path, &error);
	check(error == NULL);
	rocksdb_cache_destroy(cache);
	rocksdb_block_based_options_destroy(table);
	rocksdb_options_destroy(options);
	return db;
}

static void report(const char *metric, double value, const char *unit)
{
	printf("%s\t%.6g\t%s\n", metric, value, unit);
}

static double larger(double a, double b)
{
	return a > b ? a : b;
}

static void measure(const char *engine_path, const char *bare_path)
{
	struct kv_rocksdb_options options = {
		.path = engine_path, .memory_size = MEMORY, .background_threads = 2};
	struct kv_engine *engine;
	struct kv_snapshot *snapshot;
	struct status status;
	rocksdb_t *bare = open_bare(bare_path);
	double ours = 0, theirs = 0, at_snapshot = 0;

	check(kv_rocksdb_open(&options, &engine, &status) == 0);
	put_bare(bare);
	report("kv_put", put_engine(engine), "op/s");
	get_engine(engine, NULL, KV_TIER_ALL); /* fills the block cache */
	snapshot = engine->ops->snapshot_new(engine);
	for (int round = 0; round < ROUNDS; round++) {
		get_bare(bare);
		theirs = larger(theirs, get_bare(bare));
		get_engine(engine, NULL, KV_TIER_CACHE);
		ours = larger(ours, get_engine(engine, NULL, KV_TIER_CACHE));
		at_snapshot = larger(at_snapshot, get_engine(engine, snapshot, KV_TIER_CACHE));
	}
	report("bare_rocksdb_get_cached", theirs, "op/s");
	report("kv_get_cached", ours, "op/s");
	report("kv_get_cached_over_bare", ours / theirs, "x");
	report("kv_get_cached_snapshot", at_snapshot, "op/s");
	engine->ops->snapshot_free(engine, snapshot);
	engine->ops->close(engine);
	rocksdb_close(bare);
}

int main(void)
{
	char scratch[] = "/var/tmp/raftkv-bench-XXXXXX";
	char engine_path[64], bare_path[64], command[64];

	check(mkdtemp(scratch) != NULL);
	snprintf(engine_path, sizeof engine_path, "%s/engine", scratch);
	snprintf(bare_path, sizeof bare_path, "%s/bare", scratch);
	measure(engine_path, bare_path);
	snprintf(command, sizeof command, "rm -rf %s", scratch);
	return system(command) != 0;
}
