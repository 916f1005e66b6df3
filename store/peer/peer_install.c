/*
 * A received snapshot replaces the replica's state. Once the stage is durable, the peer steps MsgSnap. If raft accepts
 * the snapshot, its next MsgStorageAppend carries it. When no work of the peer is on another thread, the stage is
 * installed (snapshot_install.h). Then the responses of that MsgStorageAppend are released. Until then the replica
 * serves no read and grants no vote.
 */
#include "store/peer/peer_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/container.h"
#include "proto/plant.h"

struct peer_install {
	struct env_work work; /* the first member */
	struct peer *peer;
	struct snapshot_stage *stage;
	bool is_running; /* false: it waits for raft's append and its turn */
	struct raft_hard_state hard_state; /* of raft's append */
	struct buf *position; /* the mark's value */
	struct log_mark mark;
	struct log_write write;
	int status;
};

static const struct snapshot_position *position_of(const struct peer_install *install)
{
	return snapshot_stage_position(install->stage);
}

/* ---- Stages that are not wanted --------------------------------------------------------------------------------- */

struct discard {
	struct env_work work; /* the first member */
	struct shard *shard;
	struct snapshot_stage *stage;
};

static void discard(struct env_work *work)
{
	snapshot_stage_discard(((struct discard *)work)->stage);
}

static void on_discarded(struct env_work *work)
{
	struct discard *what = (struct discard *)work;
	struct shard *shard = what->shard;

	free(what);
	shard->discards--;
	shard_check_stopped(shard);
}

/* A stage that is only closed is removed at the next start, and its extents are free then. */
void peer_discard_stage(struct shard *shard, struct snapshot_stage *stage)
{
	struct discard *what = shard->is_stopping ? NULL : calloc(1, sizeof *what);

	if (!what) {
		snapshot_stage_close(stage);
		return;
	}
	what->shard = shard;
	what->stage = stage;
	shard->discards++;
	env_work_submit(shard->loop, &what->work, discard, on_discarded);
}

void peer_install_close(struct peer *peer)
{
	struct peer_install *install = peer->install;

	if (!install)
		return;
	snapshot_stage_close(install->stage);
	buf_unref(install->position);
	free(install);
	peer->install = NULL;
}

void peer_install_cancel(struct peer *peer)
{
	struct peer_install *install = peer->install;

	if (!install || install->is_running)
		return;
	peer_discard_stage(peer->shard, install->stage);
	install->stage = NULL;
	peer_install_close(peer);
}

/* ---- Stepping --------------------------------------------------------------------------------------------------- */

/* False if raft's log already has the snapshot's entries. */
static bool is_taken_by_raft(const struct peer *peer, uint64_t index)
{
	struct raft_status raft;

	raw_node_status(peer->raft_group, &raft);
	return raft.first_index == index + 1 && raft.hard_state.commit == index &&
	       peer->applied.index < index;
}

static void restore_place(struct peer *peer)
{
	struct router *router = &peer_store(peer)->router;

	if (peer->region.peer_count == 0)
		router_remove(router, peer->route);
	else if (router_place(router, peer->route, &peer->region) < 0)
		engines_fail(peer_engines(peer), -ENOMEM, "out of memory for a route");
}

/* Takes the snapshot's range in the router before raft is stepped. This fails while another region overlaps the range.
 * A wider range that the replica has, because it missed a split, stays taken until its rows are cleared. */
static bool take_range(struct peer *peer, const struct region *region)
{
	if (atomic_load(&peer->route->is_installing))
		return false;
	PLANT("split:range_given_up",
		return router_place(&peer_store(peer)->router, peer->route, region) == 0);
	if (peer->region.peer_count > 0 && region_covers(&peer->region, region))
		return true;
	return router_place(&peer_store(peer)->router, peer->route, region) == 0;
}

static bool install_begin(struct peer *peer, struct snapshot_stage *stage)
{
	struct peer_install *install = peer->install ? NULL : calloc(1, sizeof *install);

	if (!install || !take_range(peer, &snapshot_stage_position(stage)->region)) {
		free(install);
		return false;
	}
	install->peer = peer;
	install->stage = stage;
	peer->install = install;
	return true;
}

void peer_install_begin(struct peer *peer, const struct raft_message *message, struct snapshot_stage *stage)
{
	uint64_t index = message->snapshot->index;

	if (index <= peer->applied.index || peer_is_replaying(peer) || !install_begin(peer, stage)) {
		peer_discard_stage(peer->shard, stage);
		return;
	}
	if (peer_tick(peer) == 0)
		raw_node_step(peer->raft_group, message);
	if (!is_taken_by_raft(peer, index)) {
		restore_place(peer);
		peer_install_cancel(peer);
	}
	shard_mark(peer->shard, peer);
}

/* ---- Running ---------------------------------------------------------------------------------------------------- */

static void install_fail(struct peer_install *install, int status, const char *sentence)
{
	struct peer *peer = install->peer;

	engines_fail(peer_engines(peer), status, sentence);
	peer->appends.in_flight--;
	shard_check_stopped(peer->shard);
}

static void install_finish(struct peer_install *install)
{
	struct peer *peer = install->peer;
	const struct snapshot_position *position = position_of(install);
	struct region region, apply;
	int status = region_copy(&region, &position->region);

	if (status == 0)
		status = region_copy(&apply, &position->region);
	if (status == 0)
		status = router_place(&peer_store(peer)->router, peer->route, &region);
	if (status < 0) {
		install_fail(install, status, "the range of a snapshot cannot be taken");
		return;
	}
	log_info(peer_engines(peer)->logger, "region %llu: the snapshot at index %llu is installed",
		(unsigned long long)region.id, (unsigned long long)position->applied.index);
	region_close(&peer->region);
	region_close(&peer->apply.region);
	peer->region = region;
	peer->apply.region = apply;
	peer->applied = position->applied;
	peer->apply.index = position->applied.index;
	peer->is_empty = false;
	peer_storage_replaced(&peer->storage, 0);
	atomic_store(&peer->route->is_installing, false);
}

static void remove_stage(struct env_work *work)
{
	struct peer_install *install = (struct peer_install *)work;

	snapshot_stage_remove(install->stage);
	install->stage = NULL;
}

static void on_removed(struct env_work *work)
{
	struct peer *peer = ((struct peer_install *)work)->peer;

	peer_install_close(peer);
	append_on_installed(peer);
}

static void on_normal(struct log_write *write, int status)
{
	struct peer_install *install = container_of(write, struct peer_install, write);

	if (status < 0) {
		install_fail(install, status, "the end of a snapshot's installation cannot be written");
		return;
	}
	install_finish(install);
	env_work_submit(install->peer->shard->loop, &install->work, remove_stage, on_removed);
}

/* Step 4 of snapshot_install.h. */
static void write_normal(struct peer_install *install)
{
	struct peer *peer = install->peer;
	struct raftkv *raftkv = peer_store(peer);

	install->mark = (struct log_mark){.name = SNAPSHOT_MARK_APPLYING};
	install->write = (struct log_write){
		.region = peer->region.id,
		.hard_state = &install->hard_state,
		.marks = &install->mark,
		.mark_count = 1,
		.reset_index = position_of(install)->applied.index,
		.reset_term = position_of(install)->applied.term,
		.loop = peer->shard->loop,
		.done = on_normal,
	};
	raftkv->engines.log->ops->write(raftkv->engines.log, &install->write);
}

/* The snapshot's range may differ from the replica's. */
static int clear_ranges(const struct peer_install *install)
{
	struct peer *peer = install->peer;
	struct engines *engines = peer_engines(peer);
	struct kv_flush *flush = &peer_store(peer)->flush;
	int status = 0;

	PLANT("snapshot:range_not_cleared", return 0);
	if (peer->region.peer_count > 0)
		status = region_clear(engines, flush, &peer->region);
	return status == 0 ? region_clear(engines, flush, &position_of(install)->region) : status;
}

/* Steps 2 and 3 of snapshot_install.h. */
static void run(struct env_work *work)
{
	struct peer_install *install = (struct peer_install *)work;
	struct peer *peer = install->peer;

	install->status = clear_ranges(install);
	if (install->status == 0)
		install->status = snapshot_install(peer_engines(peer), install->stage);
	route_snapshot_forget(peer->route);
}

static void on_run(struct env_work *work)
{
	struct peer_install *install = (struct peer_install *)work;

	if (install->status < 0)
		install_fail(install, install->status, "a snapshot cannot be installed");
	else
		write_normal(install);
}

static void on_applying(struct log_write *write, int status)
{
	struct peer_install *install = container_of(write, struct peer_install, write);

	if (status < 0)
		install_fail(install, status, "the begin of a snapshot's installation cannot be written");
	else
		env_work_submit(install->peer->shard->loop, &install->work, run, on_run);
}

/* Step 1 of snapshot_install.h. */
static int write_applying(struct peer_install *install)
{
	struct peer *peer = install->peer;
	struct raftkv *raftkv = peer_store(peer);
	int status = snapshot_position_encode(position_of(install), &install->position);

	if (status < 0)
		return status;
	install->mark = (struct log_mark){SNAPSHOT_MARK_APPLYING, buf_slice(install->position)};
	install->write = (struct log_write){
		.region = peer->region.id,
		.marks = &install->mark,
		.mark_count = 1,
		.loop = peer->shard->loop,
		.done = on_applying,
	};
	PLANT("snapshot:applying_not_written", install->write.mark_count = 0);
	raftkv->engines.log->ops->write(raftkv->engines.log, &install->write);
	return 0;
}

/* Whether no work of the replica is on another thread. */
static bool has_come_to_rest(const struct peer *peer)
{
	return peer->appends.in_flight == 0 && peer->applies_in_flight == 0 && !peer->is_fetching &&
	       !peer->is_refilling && !peer->sending.is_making && evaluate_is_quiet(&peer->evaluations);
}

static void begin_install(struct peer *peer, int status)
{
	if (status == 0)
		status = write_applying(peer->install);
	if (status < 0)
		install_fail(peer->install, status, "a snapshot's installation cannot begin");
}

bool peer_install_start(
	struct peer *peer, const struct raft_snapshot *snapshot, const struct raft_hard_state *hard_state)
{
	struct peer_install *install = peer->install;

	if (!has_come_to_rest(peer) || peer->shard->is_stopping || peer->is_leaving)
		return false;
	check(install && !install->is_running && position_of(install)->applied.index == snapshot->index);
	install->is_running = true;
	install->hard_state = *hard_state;
	atomic_store(&peer->route->is_installing, true);
	peer->appends.in_flight++;
	if (peer_has_unflushed_splits(peer))
		peer_make_durable(peer, begin_install);
	else
		begin_install(peer, 0);
	return true;
}
