#include "store/raftkv.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/container.h"
#include "store/kv/kv_rocksdb.h"
#include "store/peer/local_reader.h"
#include "store/peer/peer.h"
#include "store/log/raft_log_engine.h"
#include "store/log/raft_rocksdb.h"
#include "store/open/recover.h"
#include "store/route/route_snapshot.h"
#include "store/peer/store.h"

/* ---- Options ---------------------------------------------------------------------------------------------------- */

static uint64_t or_default(uint64_t value, uint64_t otherwise)
{
	return value > 0 ? value : otherwise;
}

static void fill_options(struct raftkv_options *options)
{
	options->initial_regions = (uint32_t)or_default(options->initial_regions, 1);
	options->tick_ms = (uint32_t)or_default(options->tick_ms, 100);
	options->election_tick = (uint32_t)or_default(options->election_tick, 15);
	options->heartbeat_tick = (uint32_t)or_default(options->heartbeat_tick, 3);
	options->kv_cache_size = or_default(options->kv_cache_size, 256u << 20);
	options->snapshot_count_max = (uint32_t)or_default(options->snapshot_count_max, 2);
	options->flush_age_ms = (uint32_t)or_default(options->flush_age_ms, 20000);
}

/* A part of the disk in whole MiB, between two bounds. */
static uint64_t part_of(uint64_t total, uint64_t divisor, uint64_t least, uint64_t most)
{
	uint64_t size = total / divisor >> 20 << 20;

	return size < least ? least : size > most ? most : size;
}

/* Sizes that were left to us: on a small disk the log and the reserve must leave room for data. */
static void fit_to_disk(struct raftkv_options *options, uint64_t total)
{
	options->log_size_max = or_default(options->log_size_max, part_of(total, 8, 16 << 20, 512 << 20));
	options->reserve_size = or_default(options->reserve_size, part_of(total, 20, 8 << 20, 256 << 20));
	options->segment_size = or_default(options->segment_size, part_of(total, 64, 4 << 20, 64 << 20));
	options->block_file_size = or_default(options->block_file_size, part_of(total, 8, 32 << 20, 1 << 30));
}

static int look_at_disk(struct raftkv *raftkv, struct status *status)
{
	struct env_space space;
	int code = env_space(raftkv->env, raftkv->dir.path, &space);

	if (code < 0)
		return status_set(status, code, "the size of the disk of %s is unknown: %s", raftkv->dir.path,
			status_name(code));
	fit_to_disk(&raftkv->options, space.total);
	raftkv->space.reserve_size = raftkv->options.reserve_size;
	return 0;
}

/* ---- Failing ---------------------------------------------------------------------------------------------------- */

void raftkv_fail(struct raftkv *raftkv, int status, const char *sentence)
{
	if (atomic_exchange(&raftkv->has_failed, true))
		return;
	log_error(raftkv->logger, "the store stops: %s (%s)", sentence, status_name(status));
	if (raftkv->options.failed)
		raftkv->options.failed(raftkv->options.failed_argument, status, sentence);
}

static void on_engine_failed(void *argument, int status, const char *sentence)
{
	raftkv_fail(argument, status, sentence);
}

void raftkv_refused(struct raftkv *raftkv, const struct status *why, bool is_known)
{
	struct data_dir dir = raftkv->dir;

	if (atomic_exchange(&raftkv->is_refused, true))
		return;
	dir.ident.is_refused = true;
	if (!is_known)
		data_dir_commit(&dir, NULL);
	raftkv_fail(raftkv, why->code, why->text);
}

/* ---- Opening ---------------------------------------------------------------------------------------------------- */

static int open_kv(struct raftkv *raftkv, struct status *status)
{
	const struct raftkv_engines *engines = &raftkv->options.engines;
	char path[PATH_MAX];
	int code = data_dir_path(&raftkv->dir, "kv", path);

	if (code < 0)
		return status_set(status, code, "the path of the store is too long");
	if (engines->kv_open)
		return engines->kv_open(engines->argument, path, &raftkv->kv, status);
	return kv_rocksdb_open(
		&(struct kv_rocksdb_options){.path = path, .memory_size = raftkv->options.kv_cache_size},
		&raftkv->kv, status);
}

static int open_log(struct raftkv *raftkv, struct status *status)
{
	const struct raftkv_engines *engines = &raftkv->options.engines;
	char path[PATH_MAX];
	struct log_engine_options options = {
		.env = raftkv->env,
		.logger = raftkv->logger,
		.path = path,
		.segment_size = raftkv->options.segment_size,
		.failed = on_engine_failed,
		.argument = raftkv,
	};
	int code = data_dir_path(&raftkv->dir, "raft", path);

	if (code < 0)
		return status_set(status, code, "the path of the store is too long");
	if (engines->log_open)
		return engines->log_open(engines->argument, &options, &raftkv->log, status);
	if (raftkv->dir.ident.log_is_rocksdb)
		return raft_rocksdb_open(&options, &raftkv->log, status);
	return raft_log_engine_open(&options, &raftkv->log, status);
}

static void on_maintenance_wanted(void *argument)
{
	struct raftkv *raftkv = argument;

	flush_maintain(&raftkv->flush);
}

static int open_blocks(struct raftkv *raftkv, struct status *status)
{
	char path[PATH_MAX];
	struct blocks_options options = {
		.env = raftkv->env,
		.logger = raftkv->logger,
		.path = path,
		.file_size = raftkv->options.block_file_size,
		.reserve_size = raftkv->options.reserve_size,
		.failed = on_engine_failed,
		.failed_argument = raftkv,
		.wanted = on_maintenance_wanted,
		.wanted_argument = raftkv,
	};
	int code = data_dir_path(&raftkv->dir, "blocks", path);

	if (code < 0)
		return status_set(status, code, "the path of the store is too long");
	return blocks_open(&options, &raftkv->blocks, status);
}

/* What a new store is: what the options say, or else store 1 of a cluster that is this store. */
static void make_ident(struct raftkv *raftkv)
{
	struct ident *ident = &raftkv->dir.ident;

	ident->cluster = raftkv->options.cluster;
	ident->store = or_default(raftkv->options.store, 1);
	ident->incarnation = 0;
	while (ident->cluster == 0)
		env_random(raftkv->env, &ident->cluster, sizeof ident->cluster);
}

/* A directory of another cluster, or of another of its stores, would vote with the wrong log. */
static int check_ident(const struct raftkv *raftkv, struct status *status)
{
	const struct raftkv_options *options = &raftkv->options;
	const struct ident *ident = &raftkv->dir.ident;

	if (options->cluster > 0 && options->cluster != ident->cluster)
		return status_set(status, -EINVAL, "%s belongs to cluster %016llx, not to %016llx",
			raftkv->dir.path, (unsigned long long)ident->cluster,
			(unsigned long long)options->cluster);
	if (options->store > 0 && options->store != ident->store)
		return status_set(status, -EINVAL, "%s is store %llu of its cluster, not store %llu",
			raftkv->dir.path, (unsigned long long)ident->store,
			(unsigned long long)options->store);
	return 0;
}

static int start_shards(struct raftkv *raftkv, struct status *status)
{
	uint32_t count = raftkv->options.shard_count;

	raftkv->shards = calloc(count, sizeof *raftkv->shards);
	if (!raftkv->shards)
		return status_set(status, -ENOMEM, "out of memory");
	raftkv->shard_count = count;
	for (uint32_t i = 0; i < count; i++) {
		int code = shard_start(&raftkv->shards[i], raftkv, raftkv->options.shards[i], i);

		if (code < 0)
			return status_set(
				status, code, "an apply thread cannot be started: %s", status_name(code));
	}
	return 0;
}

static uint32_t ms_since(struct raftkv *raftkv, uint64_t begun)
{
	return (uint32_t)((env_now(raftkv->env) - begun) / NS_PER_MS);
}

/* Opening takes long where there is much: the log says of what. */
static int open_engines(struct raftkv *raftkv, struct status *status)
{
	uint64_t begun = env_now(raftkv->env);
	uint32_t kv_ms, log_ms;
	int code = open_kv(raftkv, status);

	kv_ms = ms_since(raftkv, begun);
	if (code == 0)
		code = open_log(raftkv, status);
	log_ms = ms_since(raftkv, begun) - kv_ms;
	if (code == 0)
		code = open_blocks(raftkv, status);
	if (code == 0)
		log_info(raftkv->logger, "msg=\"engines are open\" kv_ms=%u log_ms=%u blocks_ms=%u", kv_ms,
			log_ms, ms_since(raftkv, begun) - kv_ms - log_ms);
	return code;
}

static int start_regions(struct raftkv *raftkv, struct status *status)
{
	int code;

	if (raftkv->dir.is_new) {
		make_ident(raftkv);
		code = recover_bootstrap(raftkv, status);
	} else {
		code = check_ident(raftkv, status);
	}
	if (code < 0)
		return code;
	raftkv->is_newborn = raftkv->dir.is_new;
	ident_begin_life(&raftkv->dir.ident, raftkv->env);
	code = data_dir_commit(&raftkv->dir, status);
	if (code == 0)
		code = lives_open(&raftkv->lives, raftkv, status);
	if (code == 0)
		code = start_shards(raftkv, status);
	if (code == 0)
		code = recover_regions(raftkv, status);
	return code;
}

struct shard *raftkv_shard_of(struct raftkv *raftkv, uint64_t region)
{
	return &raftkv->shards[(region - 1) % raftkv->shard_count]; /* they are numbered from 1 */
}

static void init(struct raftkv *raftkv, const struct raftkv_options *options)
{
	raftkv->options = *options;
	fill_options(&raftkv->options);
	raftkv->env = options->env;
	raftkv->logger = options->logger;
	raftkv->started = RAFTKV_OPENING;
	raftkv->lease_duration = options->lease_is_off ? 0
						       : (uint64_t)(raftkv->options.election_tick - 1) *
								 raftkv->options.tick_ms * NS_PER_MS;
}

static int open_store(struct raftkv *raftkv, struct status *status)
{
	int code = router_init(&raftkv->router);

	if (code == 0)
		code = snapshots_init(&raftkv->snapshots);
	if (code == 0)
		code = flush_init(&raftkv->flush, raftkv, raftkv->options.shards[0]);
	if (code < 0)
		return status_set(status, code, "out of memory");
	code = data_dir_open(&raftkv->dir, raftkv->env, raftkv->options.path, status);
	if (raftkv->dir.is_new)
		raftkv->dir.ident.log_is_rocksdb = raftkv->options.raft_engine_is_rocksdb;
	if (code == 0)
		code = look_at_disk(raftkv, status);
	if (code == 0)
		code = open_engines(raftkv, status);
	if (code == 0)
		code = start_regions(raftkv, status);
	return code;
}

/* What opening took does not count: every clock of the store begins here. */
static void begin(struct raftkv *raftkv)
{
	raftkv->started = env_now(raftkv->env);
	flush_start(&raftkv->flush);
	for (uint32_t i = 0; i < raftkv->shard_count; i++)
		shard_begin(&raftkv->shards[i]);
}

int raftkv_open(const struct raftkv_options *options, struct raftkv **out, struct status *status)
{
	struct raftkv *raftkv = calloc(1, sizeof *raftkv);
	int code;

	*out = NULL;
	if (!raftkv)
		return status_set(status, -ENOMEM, "out of memory");
	init(raftkv, options);
	code = open_store(raftkv, status);
	if (code < 0) {
		status_complete(status, code, "the store in %s cannot be opened: %s", options->path,
			status_name(code));
		raftkv_free(raftkv);
		return code;
	}
	begin(raftkv);
	*out = raftkv;
	return 0;
}

/* ---- Stopping --------------------------------------------------------------------------------------------------- */

static void on_stopped(struct env_mail *mail)
{
	struct raftkv *raftkv = container_of(mail, struct raftkv, stop_mail);

	raftkv->stopped(raftkv->stopped_argument);
}

static void on_flushed(struct flush *flush)
{
	struct raftkv *raftkv = flush->raftkv;

	env_post(raftkv->stop_loop, &raftkv->stop_mail, on_stopped);
}

static void on_shards_stopped(struct env_mail *mail)
{
	struct raftkv *raftkv = container_of(mail, struct raftkv, stop_mail);

	flush_finish(&raftkv->flush, on_flushed);
}

void raftkv_on_shard_stopped(struct raftkv *raftkv)
{
	if (atomic_fetch_sub(&raftkv->shards_running, 1) == 1)
		env_post(raftkv->flush.loop, &raftkv->stop_mail, on_shards_stopped);
}

static void on_stop(struct env_mail *mail)
{
	shard_stop(container_of(mail, struct shard, stop_mail));
}

static void on_stop_lives(struct env_mail *mail)
{
	lives_stop(&container_of(mail, struct raftkv, stop_mail)->lives);
}

struct ident raftkv_ident(const struct raftkv *raftkv)
{
	return raftkv->dir.ident;
}

void raftkv_stop(
	struct raftkv *raftkv, struct env_loop *loop, void (*stopped)(void *argument), void *argument)
{
	check(!atomic_exchange(&raftkv->is_stopping, true));
	raftkv->stop_loop = loop;
	raftkv->stopped = stopped;
	raftkv->stopped_argument = argument;
	atomic_store(&raftkv->shards_running, raftkv->shard_count + 1);
	env_post(raftkv->shards[0].loop, &raftkv->stop_mail, on_stop_lives);
	for (uint32_t i = 0; i < raftkv->shard_count; i++)
		env_post(raftkv->shards[i].loop, &raftkv->shards[i].stop_mail, on_stop);
}

void raftkv_free(struct raftkv *raftkv)
{
	if (!raftkv)
		return;
	for (uint32_t i = 0; i < raftkv->shard_count; i++)
		shard_close(&raftkv->shards[i]);
	free(raftkv->shards);
	flush_close(&raftkv->flush);
	lives_close(&raftkv->lives);
	router_visit(&raftkv->router, snapshot_forget);
	router_close(&raftkv->router);
	snapshots_close(&raftkv->snapshots);
	blocks_close(raftkv->blocks);
	if (raftkv->log)
		raftkv->log->ops->close(raftkv->log);
	if (raftkv->kv)
		raftkv->kv->ops->close(raftkv->kv);
	data_dir_close(&raftkv->dir);
	free(raftkv);
}

/* ---- Requests --------------------------------------------------------------------------------------------------- */

static void fail_write(struct raftkv_write *write, int status)
{
	evaluate_finish(write, status, NULL);
}

static void on_write(struct env_mail *mail)
{
	struct raftkv_write *write = container_of(mail, struct raftkv_write, mail);

	peer_write(write->peer, write);
}

void raftkv_async_write(struct raftkv *raftkv, struct raftkv_write *write)
{
	struct route *route = router_find(&raftkv->router, write->region);

	buf_ref(write->body);
	buf_ref(write->payload);
	write->begun = env_now(raftkv->env);
	write->peer = NULL;
	write->joined = NULL;
	write->evaluation = NULL;
	write->reply = NULL;
	if (!route) {
		fail_write(write, STATUS_REGION_NOT_FOUND);
		return;
	}
	write->peer = route->peer;
	if (env_loop_is_current(route->shard->loop))
		peer_write(route->peer, write);
	else
		env_post(route->shard->loop, &write->mail, on_write);
}

static void on_read(struct env_mail *mail)
{
	struct raftkv_read *read = container_of(mail, struct raftkv_read, mail);

	peer_read(read->peer, read);
}

void raftkv_async_snapshot(struct raftkv *raftkv, struct raftkv_read *read)
{
	struct raftkv_snapshot *snapshot;
	int status = raftkv_local_snapshot(raftkv, read->region, read->epoch_version, &snapshot);
	struct route *route;

	if (status == 0) {
		local_reader_answer(read, 0, snapshot);
		return;
	}
	route = router_find(&raftkv->router, read->region);
	if (!route) {
		local_reader_answer(read, STATUS_REGION_NOT_FOUND, NULL);
		return;
	}
	read->peer = route->peer;
	if (env_loop_is_current(route->shard->loop))
		peer_read(read->peer, read);
	else
		env_post(route->shard->loop, &read->mail, on_read);
}

int raftkv_find_region(struct raftkv *raftkv, struct slice key, uint64_t *region, struct region_epoch *epoch)
{
	struct route *route = router_find_key(&raftkv->router, key, epoch);

	if (!route)
		return STATUS_REGION_NOT_FOUND;
	*region = route->region;
	return 0;
}

/* ---- Looking inside --------------------------------------------------------------------------------------------- */

static void add_durations(struct histogram_sums *to, const struct histogram *from)
{
	struct histogram_sums sums;

	histogram_read(from, &sums);
	histogram_sums_add(to, &sums);
}

void raftkv_stats(struct raftkv *raftkv, struct raftkv_stats *stats)
{
	*stats = (struct raftkv_stats){
		.flushes = atomic_load(&raftkv->flush.rounds),
		.snapshots_sent = atomic_load(&raftkv->snapshots.sent),
		.snapshots_received = atomic_load(&raftkv->snapshots.received),
		.snapshots_failed = atomic_load(&raftkv->snapshots.failed),
		.snapshot_sent_size = atomic_load(&raftkv->snapshots.sent_size),
		.snapshot_received_size = atomic_load(&raftkv->snapshots.received_size),
		.space_total = atomic_load(&raftkv->space.total),
		.space_available = atomic_load(&raftkv->space.available),
	};
	for (uint32_t i = 0; i < raftkv->shard_count; i++) {
		struct shard *shard = &raftkv->shards[i];

		stats->regions += atomic_load(&shard->replicas);
		stats->leaders += atomic_load(&shard->leaders);
		stats->reads_lease += atomic_load(&shard->reads_lease);
		stats->reads_read_index += atomic_load(&shard->reads_read_index);
		stats->reads_follower += atomic_load(&shard->reads_follower);
		stats->writes += atomic_load(&shard->writes);
		stats->evaluations_parked += atomic_load(&shard->parked);
		stats->writes_throttled += atomic_load(&shard->throttled);
		add_durations(&stats->proposing, &shard->proposing);
		add_durations(&stats->committing, &shard->committing);
		add_durations(&stats->applying, &shard->applying);
	}
	raftkv->log->ops->stats(raftkv->log, &stats->log);
	blocks_stats(raftkv->blocks, &stats->blocks);
	stats->is_full = (stats->blocks.total_units - stats->blocks.used_units) * BLOCK_UNIT_SIZE <
			 raftkv->options.reserve_size / 2;
	raftkv->kv->ops->memory(raftkv->kv, &stats->memory);
}

struct region_walk {
	void (*each)(void *argument, const struct region *region, uint64_t term);
	void *argument;
};

static void visit_route(void *argument, struct route *route)
{
	const struct region_walk *walk = argument;
	struct region region = {
		.id = route->region, .epoch = route->epoch, .start = route->start, .end = route->end};

	walk->each(walk->argument, &region, atomic_load(&route->serving_term));
}

void raftkv_each_region(struct raftkv *raftkv,
	void (*each)(void *argument, const struct region *region, uint64_t term), void *argument)
{
	struct region_walk walk = {each, argument};

	router_each(&raftkv->router, visit_route, &walk);
}
