#include "store/open/open_engines.h"

#include <errno.h>

#include "proto/units.h"
#include "store/kv/kv_rocksdb.h"
#include "store/log/raft_log_engine.h"
#include "store/log/raft_rocksdb.h"
#include "store/open/recover_tail.h"

/* ---- Options ---------------------------------------------------------------------------------------------------- */

static uint64_t or_default(uint64_t value, uint64_t otherwise)
{
	return value > 0 ? value : otherwise;
}

/* What memtables may take; with `early` RocksDB switches one at 64 GiB whatever it is told, hence the bound. */
static uint64_t rows_unflushed_default(uint64_t kv_cache_size)
{
	const uint64_t most = UINT64_C(8) << 30;
	uint64_t size = kv_rocksdb_memtable_size(kv_cache_size);

	return size < most ? size : most;
}

void open_fill_options(struct raftkv_options *options)
{
	options->initial_regions = (uint32_t)or_default(options->initial_regions, 1);
	options->tick_ms = (uint32_t)or_default(options->tick_ms, 100);
	options->election_tick = (uint32_t)or_default(options->election_tick, 15);
	options->heartbeat_tick = (uint32_t)or_default(options->heartbeat_tick, 3);
	options->idle_ms =
		(uint32_t)or_default(options->idle_ms, 2u * options->election_tick * options->tick_ms);
	options->kv_cache_size = or_default(options->kv_cache_size, 256u << 20);
	options->rows_unflushed_max =
		or_default(options->rows_unflushed_max, rows_unflushed_default(options->kv_cache_size));
	options->snapshot_count_max = (uint32_t)or_default(options->snapshot_count_max, 2);
	options->flush_age_ms = (uint32_t)or_default(options->flush_age_ms, 20000);
}

/* A fraction of the disk in whole MiB, within two bounds. */
static uint64_t part_of(uint64_t total, uint64_t divisor, uint64_t least, uint64_t most)
{
	uint64_t size = total / divisor >> 20 << 20;

	return size < least ? least : size > most ? most : size;
}

/* Defaults of sizes: on a small disk the log and the reserve must leave room for data. */
static void fit_to_disk(struct raftkv_options *options, uint64_t total)
{
	options->log_size_max = or_default(options->log_size_max, part_of(total, 8, 16 << 20, 512 << 20));
	options->reserve_size = or_default(options->reserve_size, part_of(total, 20, 8 << 20, 256 << 20));
	options->segment_size = or_default(options->segment_size, part_of(total, 64, 4 << 20, 64 << 20));
	options->tail_size = or_default(options->tail_size, options->segment_size / 4);
	options->block_file_size = or_default(options->block_file_size, part_of(total, 8, 32 << 20, 1 << 30));
}

static int look_at_disk(struct engines *engines, struct raftkv_options *options, struct status *status)
{
	struct env_space space;
	int code = env_space(engines->env, engines->dir.path, &space);

	if (code < 0)
		return status_set(status, code, "the size of the disk of %s is unknown: %s",
			engines->dir.path, status_name(code));
	fit_to_disk(options, space.total);
	engines->space.reserve_size = options->reserve_size;
	return 0;
}

/* ---- Engines ---------------------------------------------------------------------------------------------------- */

static void on_engine_failed(void *argument, int status, const char *sentence)
{
	engines_fail(argument, status, sentence);
}

static int open_kv(struct engines *engines, const struct raftkv_options *options, struct status *status)
{
	const struct raftkv_engines *other = &options->engines;
	char path[PATH_MAX];
	int code = data_dir_path(&engines->dir, "kv", path);

	if (code < 0)
		return status_set(status, code, "the path of the store is too long");
	if (other->kv_open)
		return other->kv_open(other->argument, path, &engines->kv, status);
	return kv_rocksdb_open(
		&(struct kv_rocksdb_options){
			.path = path,
			.memory_size = options->kv_cache_size,
			.manual_flush = options->early,
		},
		&engines->kv, status);
}

static int open_log(struct engines *engines, const struct raftkv_options *all, struct status *status)
{
	const struct raftkv_engines *other = &all->engines;
	char path[PATH_MAX];
	struct log_engine_options options = {
		.env = engines->env,
		.logger = engines->logger,
		.path = path,
		.segment_size = all->segment_size,
		.failed = on_engine_failed,
		.argument = engines,
	};
	int code = data_dir_path(&engines->dir, "raft", path);

	if (code < 0)
		return status_set(status, code, "the path of the store is too long");
	if (other->log_open)
		return other->log_open(other->argument, &options, &engines->log, status);
	if (engines->dir.ident.log_is_rocksdb)
		return raft_rocksdb_open(&options, &engines->log, status);
	return raft_log_engine_open(&options, &engines->log, status);
}

/* What the last process answered early belongs into the log, however this one answers. */
static int open_tail(struct engines *engines, const struct raftkv_options *all, struct status *status)
{
	char path[PATH_MAX];
	const struct log_tail_options options = {
		.env = engines->env, .logger = engines->logger, .path = path, .size = all->tail_size};
	struct status why = {0};
	int code = data_dir_path(&engines->dir, "tail", path);

	if (code < 0)
		return status_set(status, code, "the path of the store is too long");
	code = recover_tail(engines, path, status);
	if (code < 0)
		return code;
	if (!all->early)
		code = log_tail_remove(engines->env, path);
	else if (log_tail_open(&options, &engines->tail, &why) < 0)
		log_warn(engines->logger, "msg=\"changes are answered once they are durable\" reason=\"%s\"",
			why.text);
	return code < 0 ? status_set(status, code, "%s cannot be removed: %s", path, status_name(code)) : 0;
}

static int open_blocks(struct engines *engines, struct blocks_options *options, struct status *status)
{
	char path[PATH_MAX];
	int code = data_dir_path(&engines->dir, "blocks", path);

	options->env = engines->env;
	options->logger = engines->logger;
	options->path = path;
	options->failed = on_engine_failed;
	options->failed_argument = engines;
	if (code < 0)
		return status_set(status, code, "the path of the store is too long");
	return blocks_open(options, &engines->blocks, status);
}

static uint32_t ms_since(const struct engines *engines, uint64_t begun)
{
	return (uint32_t)((env_now(engines->env) - begun) / NS_PER_MS);
}

/* Opening a large store takes long, so each step is logged. */
static int open_all(struct engines *engines, const struct raftkv_options *options,
	struct blocks_options *blocks, struct status *status)
{
	uint64_t begun = env_now(engines->env);
	uint32_t kv_ms, log_ms;
	int code = open_kv(engines, options, status);

	kv_ms = ms_since(engines, begun);
	if (code == 0)
		code = open_log(engines, options, status);
	if (code == 0)
		code = open_tail(engines, options, status);
	log_ms = ms_since(engines, begun) - kv_ms;
	if (code == 0)
		code = open_blocks(engines, blocks, status);
	if (code == 0)
		log_info(engines->logger, "msg=\"engines are open\" kv_ms=%u log_ms=%u blocks_ms=%u", kv_ms,
			log_ms, ms_since(engines, begun) - kv_ms - log_ms);
	return code;
}

int open_engines(struct engines *engines, struct raftkv_options *options, void (*wanted)(void *argument),
	void *argument, struct status *status)
{
	struct blocks_options blocks = {.wanted = wanted, .wanted_argument = argument};
	int code = data_dir_open(&engines->dir, engines->env, options->path, status);

	if (engines->dir.is_new)
		engines->dir.ident.log_is_rocksdb = options->raft_engine_is_rocksdb;
	if (code == 0)
		code = look_at_disk(engines, options, status);
	blocks.file_size = options->block_file_size;
	blocks.reserve_size = options->reserve_size;
	return code == 0 ? open_all(engines, options, &blocks, status) : code;
}

void open_engines_close(struct engines *engines)
{
	blocks_close(engines->blocks);
	log_tail_close(engines->tail);
	if (engines->log)
		engines->log->ops->close(engines->log);
	if (engines->kv)
		engines->kv->ops->close(engines->kv);
	data_dir_close(&engines->dir);
}
