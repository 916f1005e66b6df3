#include "store/raftkv.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/container.h"
#include "store/open/open_engines.h"
#include "store/open/recover.h"
#include "store/peer/local_reader.h"
#include "store/peer/store.h"

/* ---- The store among others ------------------------------------------------------------------------------------- */

void raftkv_refused(struct raftkv *raftkv, const struct status *why, bool is_known)
{
	struct data_dir dir = raftkv->engines.dir;

	if (atomic_exchange(&raftkv->is_refused, true))
		return;
	dir.ident.is_refused = true;
	if (!is_known)
		data_dir_commit(&dir, NULL);
	engines_fail(&raftkv->engines, why->code, why->text);
}

int raftkv_admit(struct raftkv *raftkv, const struct life_claim *claim, struct life_admission *admission,
	struct status *refusal)
{
	return lives_admit(&raftkv->lives, claim, admission, refusal);
}

int raftkv_judge_life(struct raftkv *raftkv, const struct life_claim *claim, struct status *refusal)
{
	return lives_judge(&raftkv->lives, claim, refusal);
}

int raftkv_learn_life(
	struct raftkv *raftkv, uint64_t store, uint64_t incarnation, uint64_t directory_id, bool is_out)
{
	return lives_learn(&raftkv->lives, store, incarnation, directory_id, is_out);
}

void raftkv_hear_alive(struct raftkv *raftkv, uint64_t store, uint64_t incarnation)
{
	liveness_hear(&raftkv->liveness, store, incarnation);
}

/* ---- Opening ---------------------------------------------------------------------------------------------------- */

static void on_maintenance_wanted(void *argument)
{
	struct raftkv *raftkv = argument;

	kv_flush_maintain(&raftkv->flush);
}

/* The ids of a new store: those of the options, or else store 1 of a cluster with a random id. */
static void make_ident(struct raftkv *raftkv)
{
	struct ident *ident = &raftkv->engines.dir.ident;

	ident->cluster = raftkv->options.cluster;
	ident->store = raftkv->options.store > 0 ? raftkv->options.store : 1;
	ident->incarnation = 0;
	while (ident->cluster == 0)
		env_random(raftkv->engines.env, &ident->cluster, sizeof ident->cluster);
}

/* With the directory of another cluster or store, this store would vote with the wrong log. */
static int check_ident(const struct raftkv *raftkv, struct status *status)
{
	const struct raftkv_options *options = &raftkv->options;
	const struct ident *ident = &raftkv->engines.dir.ident;

	if (options->cluster > 0 && options->cluster != ident->cluster)
		return status_set(status, -EINVAL, "%s belongs to cluster %016llx, not to %016llx",
			raftkv->engines.dir.path, (unsigned long long)ident->cluster,
			(unsigned long long)options->cluster);
	if (options->store > 0 && options->store != ident->store)
		return status_set(status, -EINVAL, "%s is store %llu of its cluster, not store %llu",
			raftkv->engines.dir.path, (unsigned long long)ident->store,
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

static int start_replica(void *argument, struct region *region, uint64_t id,
	const struct apply_state *applied, struct payload_list **payloads, struct status *status)
{
	struct raftkv *raftkv = argument;
	unsigned long long number = region->id;
	struct peer *peer;
	int code = peer_new(raftkv_shard_of(raftkv, region->id), region->id, &peer);

	if (code < 0)
		return status_set(status, code,
			code == -ENOMEM ? "out of memory for region %llu" : "region %llu is there twice",
			number);
	*payloads = &peer->appends.payloads;
	return peer_start(peer, region, id, applied, !raftkv->is_new, status);
}

static int await_replica(
	void *argument, uint64_t region, struct payload_list **payloads, struct status *status)
{
	struct raftkv *raftkv = argument;
	struct peer *peer;
	int code = peer_new(raftkv_shard_of(raftkv, region), region, &peer);

	if (code < 0)
		return status_set(status, code, "region %llu cannot be awaited: %s",
			(unsigned long long)region, status_name(code));
	peer->is_awaited = true;
	*payloads = &peer->appends.payloads;
	return 0;
}

static void reserve_small(struct route *route)
{
	payload_list_reserve(&route->peer->appends.payloads, route->shard->raftkv->engines.blocks);
}

static int enter_life(struct raftkv *raftkv, struct status *status)
{
	struct data_dir *dir = &raftkv->engines.dir;

	raftkv->is_new = dir->is_new;
	ident_begin_life(&dir->ident, raftkv->engines.env);
	return data_dir_commit(dir, status);
}

static int start_regions(struct raftkv *raftkv, struct status *status)
{
	const struct recovery recovery = {
		&raftkv->engines, &raftkv->options, start_replica, await_replica, raftkv};
	int code;

	if (raftkv->engines.dir.is_new) {
		make_ident(raftkv);
		code = recover_bootstrap(&recovery, status);
	} else {
		code = check_ident(raftkv, status);
	}
	if (code == 0)
		code = enter_life(raftkv, status);
	if (code == 0)
		code = lives_open(&raftkv->lives, &raftkv->engines, raftkv->options.shards[0], status);
	if (code == 0)
		code = start_shards(raftkv, status);
	if (code == 0)
		code = recover_regions(&recovery, status);
	if (code == 0)
		router_visit(&raftkv->router, reserve_small);
	return code;
}

static void on_liveness_changed(void *argument)
{
	struct raftkv *raftkv = argument;

	for (uint32_t i = 0; i < raftkv->shard_count; i++)
		shard_look(&raftkv->shards[i]);
}

/* A store is missed when its heartbeats would be. */
static void init_liveness(struct raftkv *raftkv)
{
	const struct raftkv_options *options = &raftkv->options;
	uint64_t tick_ns = options->tick_ms * NS_PER_MS;

	liveness_init(&raftkv->liveness, &raftkv->engines, options->transport,
		options->heartbeat_tick * tick_ns, options->election_tick * tick_ns);
	raftkv->liveness.changed = on_liveness_changed;
	raftkv->liveness.changed_argument = raftkv;
}

static void init(struct raftkv *raftkv, const struct raftkv_options *options)
{
	raftkv->options = *options;
	open_fill_options(&raftkv->options);
	raftkv->engines.env = options->env;
	raftkv->engines.logger = options->logger;
	raftkv->engines.failed = options->failed;
	raftkv->engines.failed_argument = options->failed_argument;
	raftkv->started = RAFTKV_OPENING;
	atomic_store(&raftkv->is_early, options->early);
	raftkv->lease_duration = options->lease_is_off ? 0
						       : (uint64_t)(raftkv->options.election_tick - 1) *
								 raftkv->options.tick_ms * NS_PER_MS;
	init_liveness(raftkv);
}

static void on_space_freed(void *argument)
{
	struct raftkv *raftkv = argument;

	for (uint32_t i = 0; i < raftkv->shard_count; i++)
		shard_resume(&raftkv->shards[i]);
}

static void on_lives_stopped(void *argument)
{
	raftkv_on_shard_stopped(argument);
}

static void on_snapshot_refused(
	void *argument, const struct peer_envelope *envelope, struct raft_message *message)
{
	raftkv_step(argument, envelope, message);
}

static int on_snapshot_received(void *argument, const struct peer_envelope *envelope,
	struct raft_message *message, struct snapshot_stage *stage)
{
	return delivery_step_snapshot(argument, envelope, message, stage);
}

static void on_tail_awaited(void *argument)
{
	struct raftkv *raftkv = argument;
	struct log_engine *log = raftkv->engines.log;

	atomic_store_explicit(&raftkv->log_awaited, env_now(raftkv->engines.env), memory_order_relaxed);
	log->ops->hurry(log);
}

static int open_store(struct raftkv *raftkv, struct status *status)
{
	const struct snapshot_receiver receiver = {on_snapshot_refused, on_snapshot_received, raftkv};
	int code = router_init(&raftkv->router);

	if (code == 0)
		code = snapshots_init(&raftkv->snapshots, &raftkv->engines, &raftkv->router,
			raftkv->options.snapshot_count_max, &receiver);
	if (code == 0)
		code = kv_flush_init(&raftkv->flush, &raftkv->engines, &raftkv->router, &raftkv->options);
	if (code < 0)
		return status_set(status, code, "out of memory");
	raftkv->flush.resume = on_space_freed;
	raftkv->flush.resume_argument = raftkv;
	raftkv->lives.stopped = on_lives_stopped;
	raftkv->lives.stopped_argument = raftkv;
	code = open_engines(&raftkv->engines, &raftkv->options, on_maintenance_wanted, raftkv, status);
	if (code == 0 && raftkv->engines.tail)
		log_tail_set_awaited(raftkv->engines.tail, on_tail_awaited, raftkv);
	if (code == 0)
		code = start_regions(raftkv, status);
	return code;
}

/* Sets tick 0 now: the duration of the opening does not count. */
static void raftkv_begin(struct raftkv *raftkv)
{
	raftkv->started = env_now(raftkv->engines.env);
	kv_flush_start(&raftkv->flush);
	for (uint32_t i = 0; i < raftkv->shard_count; i++)
		shard_begin(&raftkv->shards[i]);
	liveness_start(&raftkv->liveness, raftkv->shards[0].loop);
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
	raftkv_begin(raftkv);
	*out = raftkv;
	return 0;
}

/* ---- What is durable -------------------------------------------------------------------------------------------- */

static void on_synced(struct log_tail_wait *wait)
{
	struct raftkv_sync *sync = container_of(wait, struct raftkv_sync, wait);

	sync->done(sync);
}

bool raftkv_sync(struct raftkv *raftkv, struct raftkv_sync *sync)
{
	sync->wait = (struct log_tail_wait){.loop = sync->loop, .done = on_synced};
	return raftkv->engines.tail && log_tail_await(raftkv->engines.tail, &sync->wait);
}

void raftkv_set_early(struct raftkv *raftkv, bool is_early)
{
	atomic_store(&raftkv->is_early, is_early);
}

/* ---- Stopping --------------------------------------------------------------------------------------------------- */

static void on_stopped(struct env_mail *mail)
{
	struct raftkv *raftkv = container_of(mail, struct raftkv, stop_mail);

	raftkv->stopped(raftkv->stopped_argument);
}

static void on_passed(struct env_mail *mail)
{
	struct raftkv *raftkv = container_of(mail, struct shard, stop_mail)->raftkv;

	if (atomic_fetch_sub(&raftkv->shards_running, 1) == 1)
		env_post(raftkv->stop_loop, &raftkv->stop_mail, on_stopped);
}

/* The round has waited for the deferred writes, but a shard's loop may still be in the callback of one. */
static void on_flushed(struct kv_flush *flush)
{
	struct raftkv *raftkv = container_of(flush, struct raftkv, flush);

	atomic_store(&raftkv->shards_running, raftkv->shard_count);
	for (uint32_t i = 0; i < raftkv->shard_count; i++)
		env_post(raftkv->shards[i].loop, &raftkv->shards[i].stop_mail, on_passed);
}

static void on_shards_stopped(struct env_mail *mail)
{
	struct raftkv *raftkv = container_of(mail, struct raftkv, stop_mail);

	kv_flush_finish(&raftkv->flush, on_flushed);
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
	struct raftkv *raftkv = container_of(mail, struct raftkv, stop_mail);

	liveness_stop(&raftkv->liveness);
	lives_stop(&raftkv->lives);
}

struct ident raftkv_ident(const struct raftkv *raftkv)
{
	return raftkv->engines.dir.ident;
}

void raftkv_stop(
	struct raftkv *raftkv, struct env_loop *loop, void (*stopped)(void *argument), void *argument)
{
	check(!atomic_exchange(&raftkv->engines.is_stopping, true));
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
	kv_flush_close(&raftkv->flush);
	lives_close(&raftkv->lives);
	liveness_close(&raftkv->liveness);
	router_visit(&raftkv->router, route_snapshot_forget);
	router_close(&raftkv->router);
	snapshots_close(&raftkv->snapshots);
	open_engines_close(&raftkv->engines);
	free(raftkv);
}

/* ---- Requests --------------------------------------------------------------------------------------------------- */

static void fail_write(struct raftkv_write *write, int status)
{
	evaluate_finish(write, status, NULL);
}

/* Whether the replica takes requests in this call. Else they come to its loop by mail. */
static bool takes_now(const struct peer *peer)
{
	return env_loop_is_current(peer->shard->loop) && !peer_is_starting(peer);
}

static void on_write(struct env_mail *mail);

static void pass_write(struct raftkv_write *write)
{
	if (takes_now(write->peer))
		peer_write(write->peer, write);
	else
		env_post(write->peer->shard->loop, &write->mail, on_write);
}

static void on_write(struct env_mail *mail)
{
	pass_write(container_of(mail, struct raftkv_write, mail));
}

void raftkv_async_write(struct raftkv *raftkv, struct raftkv_write *write)
{
	struct route *route = router_find(&raftkv->router, write->region);

	buf_ref(write->body);
	buf_ref(write->payload);
	write->begun = env_now(raftkv->engines.env);
	write->peer = NULL;
	write->evaluations = NULL;
	write->joined = NULL;
	write->evaluation = NULL;
	write->reply = NULL;
	if (!route) {
		fail_write(write, STATUS_REGION_NOT_FOUND);
		return;
	}
	write->peer = route->peer;
	pass_write(write);
}

static void on_read(struct env_mail *mail);

static void pass_read(struct raftkv_read *read)
{
	if (takes_now(read->peer))
		peer_read(read->peer, read);
	else
		env_post(read->peer->shard->loop, &read->mail, on_read);
}

static void on_read(struct env_mail *mail)
{
	pass_read(container_of(mail, struct raftkv_read, mail));
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
	pass_read(read);
}

int raftkv_local_snapshot(
	struct raftkv *raftkv, uint64_t region, uint64_t epoch_version, struct raftkv_snapshot **snapshot)
{
	if (raftkv->options.lease_is_off)
		return STATUS_WOULD_BLOCK;
	return local_reader_snapshot(raftkv, region, epoch_version, snapshot);
}

int raftkv_stale_snapshot(struct raftkv *raftkv, uint64_t region, struct raftkv_snapshot **snapshot)
{
	struct route *route = router_find(&raftkv->router, region);

	*snapshot = route ? route_snapshot_get(&raftkv->engines, &raftkv->router, route) : NULL;
	if (!route)
		return STATUS_REGION_NOT_FOUND;
	return *snapshot ? 0 : -ENOMEM;
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
		.space_total = atomic_load(&raftkv->engines.space.total),
		.space_available = atomic_load(&raftkv->engines.space.available),
	};
	for (uint32_t i = 0; i < raftkv->shard_count; i++) {
		struct shard *shard = &raftkv->shards[i];

		stats->regions += atomic_load(&shard->replicas);
		stats->leaders += atomic_load(&shard->leaders);
		stats->asleep += atomic_load(&shard->asleep);
		stats->reads_lease += atomic_load(&shard->reads_lease);
		stats->reads_read_index += atomic_load(&shard->reads_read_index);
		stats->reads_follower += atomic_load(&shard->reads_follower);
		stats->writes += atomic_load(&shard->evaluations.writes);
		stats->evaluations_parked += atomic_load(&shard->evaluations.parked);
		stats->writes_throttled += atomic_load(&shard->evaluations.throttled);
		add_durations(&stats->proposing, &shard->evaluations.proposing);
		add_durations(&stats->committing, &shard->evaluations.committing);
		add_durations(&stats->applying, &shard->evaluations.applying);
	}
	raftkv->engines.log->ops->stats(raftkv->engines.log, &stats->log);
	if (raftkv->engines.tail)
		log_tail_stats(raftkv->engines.tail, &stats->tail);
	blocks_stats(raftkv->engines.blocks, &stats->blocks);
	stats->is_full = (stats->blocks.total_units - stats->blocks.used_units) * BLOCK_UNIT_SIZE <
			 raftkv->options.reserve_size / 2;
	raftkv->engines.kv->ops->memory(raftkv->engines.kv, &stats->memory);
}

struct region_walk {
	void (*each)(void *argument, const struct region *region, uint64_t term);
	void *argument;
};

/* A route without a replica has no epoch, and serves no term. */
static void visit_route(void *argument, struct route *route)
{
	const struct region_walk *walk = argument;
	struct region region = {
		.id = route->region, .epoch = route->epoch, .start = route->start, .end = route->end};
	uint64_t term = route->epoch.version > 0 ? atomic_load(&route->serving_term) : 0;

	walk->each(walk->argument, &region, term);
}

void raftkv_each_region(struct raftkv *raftkv,
	void (*each)(void *argument, const struct region *region, uint64_t term), void *argument)
{
	struct region_walk walk = {each, argument};

	router_each(&raftkv->router, visit_route, &walk);
}

void raftkv_each_region_from(struct raftkv *raftkv, struct slice key, uint32_t limit,
	void (*each)(void *argument, const struct region *region, uint64_t term), void *argument)
{
	struct region_walk walk = {each, argument};

	router_each_from(&raftkv->router, key, limit, visit_route, &walk);
}

uint64_t raftkv_each_changed_region(struct raftkv *raftkv, uint64_t since,
	void (*each)(void *argument, const struct region *region, uint64_t term), void *argument)
{
	struct region_walk walk = {each, argument};

	return router_look_changed(&raftkv->router, since, visit_route, &walk);
}

uint64_t raftkv_leader_term(struct raftkv *raftkv, uint64_t region)
{
	const struct route *route = router_find(&raftkv->router, region);

	return route ? atomic_load(&route->serving_term) : 0;
}

int raftkv_region_range(struct raftkv *raftkv, uint64_t region, struct region *range)
{
	const struct route *route = router_find(&raftkv->router, region);

	if (!route)
		return STATUS_REGION_NOT_FOUND;
	router_range(&raftkv->router, route, range);
	if (range->epoch.version > 0)
		return 0;
	region_close(range);
	return STATUS_REGION_NOT_FOUND;
}
