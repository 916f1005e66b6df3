/*
 * The start and the destruction of a replica.
 *
 * A `struct peer` is made with the first replica of its region and lives as long as the store, so that no request meets
 * freed memory. A replica in it is destroyed in this order: all requests are ended; its work on other threads comes
 * back; a tombstone replaces its log and says that no replica up to that id may ever be here again; rows and extents
 * are cleared. After a crash in between, recover.c finds the tombstone and clears again. A replica that only makes room
 * (peer_room.c) takes the same steps with the Applying mark in place of the tombstone; the leader's next message starts
 * it again, empty.
 */
#include "store/peer/peer_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/container.h"
#include "proto/plant.h"

#define COMMITTED_SIZE_MAX (4u << 20) /* bytes of entries in one apply task */
#define INFLIGHT_SIZE_MAX  (32u << 20) /* bytes of entries sent to a follower and not yet answered */

/* ---- Coming ----------------------------------------------------------------------------------------------------- */

static int start_raft(struct peer *peer, struct status *status)
{
	struct raftkv *raftkv = peer_store(peer);
	const struct raftkv_options *options = &raftkv->options;
	struct raft_config config = {
		.id = peer->id,
		.now = peer_tick_now(raftkv),
		.election_tick = options->election_tick,
		.heartbeat_tick = options->heartbeat_tick,
		.applied = peer->applied.index,
		.async_storage_writes = true,
		.pre_vote = true,
		.check_quorum = true,
		.step_down_on_removal = true,
		.disable_proposal_forwarding = true,
		.delay_commit = true,
		.apply_unstable = raftkv->engines.tail != NULL,
		.read_mode = RAFT_READ_SAFE,
		.committed_size_per_ready = COMMITTED_SIZE_MAX,
		.uncommitted_size_max = RAFT_NO_LIMIT, /* evaluate.c limits the uncommitted size */
		.inflight_bytes_max = INFLIGHT_SIZE_MAX,
		.logger = NULL,
	};

	env_random(raftkv->engines.env, &config.seed, sizeof config.seed);
	return raw_node_new(&config, &peer->storage.base, &peer->raft_group, status);
}

/* A replica may have promised a lease before its restart, and must not vote while that lease may hold. The wait counts
 * from now, after the crash; ticks begin only when opening is over. The membership before the crash is not known here,
 * because the last changes may be in the log alone. */
static void wait_for_old_lease(struct peer *peer)
{
	peer->quiet_until = env_now(peer_engines(peer)->env) + peer_election_ns(peer);
}

uint64_t peer_election_ns(const struct peer *peer)
{
	const struct raftkv_options *options = &peer_store(peer)->options;

	return (uint64_t)options->election_tick * options->tick_ms * NS_PER_MS;
}

bool peer_is_quiet_voter(const struct peer *peer)
{
	PLANT("members:lease_promise_forgotten", return false);
	return env_now(peer_engines(peer)->env) < peer->quiet_until;
}

int peer_new(struct shard *shard, uint64_t region, struct peer **out)
{
	struct peer *peer = calloc(1, sizeof *peer);
	int status;

	if (!peer)
		return -ENOMEM;
	peer->shard = shard;
	peer->region.id = region;
	peer->evaluations.host = peer_evaluation_host(peer);
	status = router_add(&shard->raftkv->router, region, peer, shard, &peer->route);
	if (status < 0) {
		free(peer);
		return status;
	}
	shard_add(shard, peer);
	*out = peer;
	return 0;
}

static int read_hard_state(struct peer *peer)
{
	struct log_engine *log = peer_engines(peer)->log;
	int status = log->ops->hard_state(log, peer->region.id, &peer->appends.hard_state);

	peer->replay_index = peer->appends.hard_state.commit;
	/* A replica that a message created may not have written anything. */
	return status == STATUS_NOT_FOUND && peer->region.peer_count == 0 ? 0 : status;
}

/* Whether the replica's rows were given up or lost: the Applying mark says so. */
static int find_empty(struct peer *peer)
{
	struct snapshot_position position;
	int status = snapshot_applying(peer_engines(peer)->log, peer->region.id, &position);

	if (status < 0)
		return status == STATUS_NOT_FOUND ? 0 : status;
	region_close(&position.region);
	peer->is_empty = true;
	peer->replay_index = 0;
	peer->empty_end = position.applied;
	return 0;
}

static int start(struct peer *peer, struct status *status)
{
	struct raftkv *raftkv = peer_store(peer);
	unsigned long long region = peer->region.id;
	int code = read_hard_state(peer);

	if (code < 0)
		return status_set(
			status, code, "the log has nothing of region %llu: %s", region, status_name(code));
	code = region_copy(&peer->apply.region, &peer->region);
	peer->apply.index = peer->applied.index;
	peer->apply.route = peer->route;
	if (code < 0)
		return status_set(status, code, "out of memory");
	if (peer->region.peer_count > 0)
		code = router_place(&raftkv->router, peer->route, &peer->region);
	if (code < 0)
		return status_set(status, code,
			code == -ENOMEM ? "out of memory for region %llu" : "region %llu overlaps another",
			region);
	lease_init(&peer->lease, raftkv->lease_duration);
	peer_storage_init(&peer->storage, raftkv->engines.log, &peer->region, &peer->applied);
	peer->leader_heard = env_now(raftkv->engines.env);
	code = find_empty(peer);
	if (code < 0)
		return status_set(status, code, "the mark of region %llu cannot be read: %s", region,
			status_name(code));
	peer->wants_to_lead = peer_is_alone(peer);
	code = start_raft(peer, status);
	if (code == 0)
		atomic_fetch_add(&peer->shard->replicas, 1);
	return code;
}

int peer_start(struct peer *peer, struct region *region, uint64_t id, const struct apply_state *applied,
	bool may_have_promised, struct status *status)
{
	check(!peer->raft_group && region->id == peer->region.id);
	peer->region = *region;
	*region = (struct region){0};
	peer->id = id;
	peer->applied = *applied;
	if (may_have_promised)
		wait_for_old_lease(peer);
	return start(peer, status);
}

/* ---- Going ------------------------------------------------------------------------------------------------------ */

/* Frees the replica without answering; the peer is as peer_new made it. */
static void close_replica(struct peer *peer)
{
	struct peer empty = {
		.shard = peer->shard,
		.route = peer->route,
		.region = {.id = peer->region.id},
		.evaluations = {.host = peer->evaluations.host},
		.deadline = peer->deadline,
		.next_dirty = peer->next_dirty,
		.is_dirty = peer->is_dirty,
		.next = peer->next,
		.is_awaited = peer->is_awaited,
		.awaiting = peer->awaiting,
	};

	evaluate_close(&peer->evaluations);
	peer_split_close(peer);
	free(peer->durable);
	peer_sending_close(peer);
	peer_install_close(peer);
	peer_refills_close(peer);
	append_queue_close(&peer->appends);
	read_index_queue_close(&peer->pending_reads);
	raw_node_free(peer->raft_group);
	peer_storage_close(&peer->storage);
	region_close(&peer->apply.region);
	region_close(&peer->region);
	*peer = empty;
}

void peer_free(struct peer *peer)
{
	if (!peer)
		return;
	close_replica(peer);
	free(peer);
}

struct departure {
	struct env_work work; /* the first member */
	struct peer *peer;
	uint8_t value[TOMBSTONE_SIZE];
	struct log_mark mark;
	struct snapshot_empty empty;
	struct log_write write;
	int status;
};

/* The loop no longer counts this work. */
static void on_cleared(struct env_work *work)
{
	struct departure *departure = (struct departure *)work;
	struct peer *peer = departure->peer;
	struct shard *shard = peer->shard;

	if (departure->status < 0) {
		engines_fail(peer_engines(peer), departure->status, "a replica cannot be destroyed");
	} else {
		log_info(peer_engines(peer)->logger, "region %llu: replica %llu is %s",
			(unsigned long long)peer->region.id, (unsigned long long)peer->id,
			peer->is_emptied ? "empty, and waits for a snapshot" : "destroyed");
		atomic_fetch_sub(&shard->replicas, 1);
		router_remove(&peer_store(peer)->router, peer->route);
		atomic_store(&peer->route->shared_index, UINT64_MAX);
		close_replica(peer);
		shard_schedule(shard, peer);
	}
	peer->is_departing = false;
	snapshot_empty_close(&departure->empty);
	free(departure);
	half_go_on(peer);
	shard_check_stopped(shard);
}

static void clear(struct env_work *work)
{
	struct departure *departure = (struct departure *)work;
	struct peer *peer = departure->peer;

	departure->status = region_clear(peer_engines(peer), &peer_store(peer)->flush, &peer->region);
	route_snapshot_forget(peer->route);
}

static void on_tombstone(struct log_write *write, int status)
{
	struct departure *departure = container_of(write, struct departure, write);
	struct peer *peer = departure->peer;

	if (status < 0) {
		engines_fail(peer_engines(peer), status, "a replica's tombstone cannot be written");
		peer->is_departing = false;
		snapshot_empty_close(&departure->empty);
		free(departure);
		shard_check_stopped(peer->shard);
		return;
	}
	/* A replica that never got a snapshot has no rows. */
	if (peer->region.peer_count > 0)
		env_work_submit(peer->shard->loop, &departure->work, clear, on_cleared);
	else
		on_cleared(&departure->work);
}

static int prepare_tombstone(struct departure *departure)
{
	struct peer *peer = departure->peer;

	departure->mark = tombstone_mark(peer->id, departure->value);
	departure->write = (struct log_write){
		.region = peer->region.id, .destroy = true, .marks = &departure->mark, .mark_count = 1};
	return 0;
}

/* The end of its log, which bounds all that it has acknowledged. */
static int find_end(struct peer *peer, struct apply_state *end)
{
	struct log_engine *log = peer_engines(peer)->log;
	uint64_t first;
	int status = log->ops->bounds(log, peer->region.id, &first, &end->index);

	return status < 0 ? status : log->ops->term(log, peer->region.id, end->index, &end->term);
}

static int prepare_empty(struct departure *departure)
{
	struct peer *peer = departure->peer;
	struct snapshot_position position = {.replica = peer->id, .region = peer->region};
	int status = find_end(peer, &position.applied);

	if (status == 0)
		status = snapshot_empty_init(
			peer_engines(peer)->log, &position, &peer->appends.hard_state, &departure->empty);
	departure->write = departure->empty.write;
	return status;
}

static void depart(struct peer *peer)
{
	struct departure *departure = calloc(1, sizeof *departure);
	int status = departure ? 0 : -ENOMEM;

	if (departure)
		departure->peer = peer;
	if (status == 0)
		status = peer->is_emptied ? prepare_empty(departure) : prepare_tombstone(departure);
	if (status < 0) {
		free(departure);
		engines_fail(peer_engines(peer), status, "the end of a replica cannot be written");
		return;
	}
	append_queue_release(
		&peer->appends, peer_engines(peer)->blocks, kv_flush_mark(&peer_store(peer)->flush));
	departure->write.loop = peer->shard->loop;
	departure->write.done = on_tombstone;
	peer->is_departing = true;
	atomic_store(&peer->route->shared_index, UINT64_MAX);
	peer_engines(peer)->log->ops->write(peer_engines(peer)->log, &departure->write);
}

static void on_unflushed_durable(struct peer *peer, int status)
{
	if (status == 0) {
		depart(peer);
		return;
	}
	engines_fail(peer_engines(peer), status, "a replica cannot be destroyed");
	shard_check_stopped(peer->shard);
}

/* Its log has no entries, because it never had a snapshot. */
static void dissolve(struct peer *peer)
{
	atomic_fetch_sub(&peer->shard->replicas, 1);
	append_queue_release(
		&peer->appends, peer_engines(peer)->blocks, kv_flush_mark(&peer_store(peer)->flush));
	close_replica(peer);
	half_go_on(peer);
}

void peer_go_on_leaving(struct peer *peer)
{
	if (!peer_is_quiet(peer) || peer->shard->is_stopping)
		return;
	if (peer->is_dissolving)
		dissolve(peer);
	else if (peer_has_unflushed_splits(peer))
		peer_make_durable(peer, on_unflushed_durable);
	else
		depart(peer);
}

static void peer_leave(struct peer *peer, int status)
{
	if (peer->is_leaving)
		return;
	peer->is_leaving = true;
	append_hurry(peer);
	hibernation_end(peer);
	campaign_end(peer);
	peer_install_cancel(peer);
	if (peer->role == RAFT_LEADER)
		atomic_fetch_sub(&peer->shard->leaders, 1);
	peer->role = RAFT_FOLLOWER;
	lease_expire(&peer->lease);
	peer_publish(peer);
	proposal_queue_fail(&peer->proposals, STATUS_STALE_COMMAND);
	evaluate_fail(&peer->evaluations, status);
	read_index_queue_fail(&peer->pending_reads, true, status);
	shard_mark(peer->shard, peer);
}

void peer_dissolve(struct peer *peer)
{
	peer->is_dissolving = true;
	peer_leave(peer, STATUS_REGION_NOT_FOUND);
}

void peer_destroy(struct peer *peer)
{
	peer_leave(peer, STATUS_REGION_NOT_FOUND);
}

void peer_empty(struct peer *peer)
{
	if (!peer->is_leaving)
		peer->is_emptied = true;
	peer_leave(peer, STATUS_NOT_LEADER);
}
