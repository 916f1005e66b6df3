/*
 * The replica that a split makes (peer_split.c): its log begins, and it starts, on the loop of its own shard.
 *
 * The log begins behind REGION_FIRST_INDEX. What the region has in the log engine already is kept: a replica that was
 * here before a crash left its log, one that a leader's message made early left its term and vote. An early replica has
 * no rows, because a snapshot over a range that another region has here is refused; it ends, and starts again with the
 * split's rows. From here to the start no message makes a replica (peer.is_awaited).
 *
 * A replica with this id may have been removed from the new region before this store applies the split: a tombstone
 * says so, or a later replica of the region is here. Then no replica starts, and its rows are cleared. The router keeps
 * the range until that is done, so that no snapshot comes in between.
 */
#include "store/peer/peer_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/container.h"
#include "proto/plant.h"
#include "store/snapshot/region_clear.h"
#include "store/snapshot/tombstone.h"

static struct split_half *half_of(struct env_mail *mail)
{
	return container_of(mail, struct split_half, mail);
}

/* ---- The log ---------------------------------------------------------------------------------------------------- */

static void on_reply(struct env_mail *mail)
{
	struct split_half *half = half_of(mail);

	half->prepared(half);
}

static void reply(struct split_half *half, int status)
{
	half->status = status;
	if (half->peer)
		half->peer->awaiting = NULL;
	env_post(half->parent->shard->loop, &half->mail, on_reply);
}

static void on_begun(struct log_write *write, int status)
{
	reply(container_of(write, struct split_half, write), status);
}

/* Reads what the log engine has of the region. `*has_begun`: its log begins behind the split. */
static int read_log(struct split_half *half, bool *has_begun)
{
	struct log_engine *log = peer_engines(half->peer)->log;
	uint64_t first, last;
	int status;

	half->hard_state = (struct raft_hard_state){0}; /* it was the parent's (peer_split.c) */
	status = log->ops->hard_state(log, half->region, &half->hard_state);
	half->is_fresh = half->hard_state.term == 0;
	*has_begun = false;
	if (status == STATUS_NOT_FOUND)
		return 0;
	if (status == 0)
		status = log->ops->bounds(log, half->region, &first, &last);
	*has_begun = status == 0 && last >= REGION_FIRST_INDEX;
	return status == STATUS_NOT_FOUND ? 0 : status;
}

static void write_log(struct split_half *half, log_write_cb done)
{
	struct log_engine *log = peer_engines(half->peer)->log;

	half->write.region = half->region;
	half->write.loop = half->peer->shard->loop;
	half->write.done = done;
	log->ops->write(log, &half->write);
}

/* A vote belongs to its term: where the term is raised, there is none. */
static void begin_log(struct split_half *half)
{
	struct raft_hard_state *hard_state = &half->hard_state;
	bool has_begun;
	int status = read_log(half, &has_begun);

	if (status < 0 || has_begun) {
		reply(half, status);
		return;
	}
	PLANT("split:vote_forgotten", *hard_state = (struct raft_hard_state){0});
	if (hard_state->term < REGION_FIRST_TERM)
		*hard_state = (struct raft_hard_state){.term = REGION_FIRST_TERM};
	hard_state->commit = REGION_FIRST_INDEX;
	half->write = (struct log_write){
		.hard_state = hard_state, .reset_index = REGION_FIRST_INDEX, .reset_term = REGION_FIRST_TERM};
	PLANT("split:log_not_begun", reply(half, 0); return );
	write_log(half, on_begun);
}

/* ---- Preparing -------------------------------------------------------------------------------------------------- */

/* A tombstone for the id: after a crash the rows of the split are cleared (recover.c). */
static void bury(struct split_half *half)
{
	half->mark = tombstone_mark(half->id, half->value);
	half->write = (struct log_write){.marks = &half->mark, .mark_count = 1};
	write_log(half, on_begun);
}

static void go_on(struct split_half *half)
{
	struct peer *peer = half->peer;
	uint64_t tombstone;
	int status = tombstone_read(peer_engines(peer)->log, half->region, &tombstone);
	bool has_later = peer->raft_group && peer->id > half->id;

	PLANT("split:tombstone_forgotten", tombstone = 0);
	half->is_gone = tombstone >= half->id || has_later;
	if (status < 0 || tombstone >= half->id) {
		reply(half, status);
	} else if (has_later) {
		bury(half);
	} else if (peer->raft_group && (peer->id < half->id || peer->region.peer_count > 0)) {
		reply(half, STATUS_CORRUPT);
	} else if (peer->raft_group) {
		peer->is_awaited = true;
		peer_dissolve(peer);
	} else {
		peer->is_awaited = true;
		begin_log(half);
	}
}

static void on_prepare(struct env_mail *mail)
{
	struct split_half *half = half_of(mail);
	struct raftkv *raftkv = peer_store(half->parent);
	struct shard *shard = raftkv_shard_of(raftkv, half->region);
	struct route *route = router_find(&raftkv->router, half->region);
	int status = 0;

	if (shard->is_stopping)
		status = STATUS_STOPPING;
	else if (route)
		half->peer = route->peer;
	else
		status = peer_new(shard, half->region, &half->peer);
	if (status < 0) {
		reply(half, status);
		return;
	}
	half->peer->awaiting = half;
	if (!half->peer->is_leaving)
		go_on(half);
}

void half_prepare(struct raftkv *raftkv, struct split_half *half)
{
	env_post(raftkv_shard_of(raftkv, half->region)->loop, &half->mail, on_prepare);
}

void half_go_on(struct peer *peer)
{
	if (!peer->awaiting)
		return;
	if (peer->is_awaited)
		begin_log(peer->awaiting);
	else
		go_on(peer->awaiting);
}

void half_stop(struct peer *peer)
{
	/* A write that is under way replies by itself. */
	if (peer->awaiting && peer->is_leaving)
		reply(peer->awaiting, STATUS_STOPPING);
}

/* ---- Starting --------------------------------------------------------------------------------------------------- */

static void half_free(struct split_half *half)
{
	region_close(&half->region_state);
	free(half);
}

static void start_replica(struct split_half *half)
{
	const struct apply_state applied = {REGION_FIRST_INDEX, REGION_FIRST_TERM};
	struct peer *peer = half->peer;
	struct status status = {0};
	uint64_t until = env_now(peer_engines(peer)->env) + peer_election_ns(peer);

	peer->is_awaited = false;
	if (peer_start(peer, &half->region_state, half->id, &applied, !half->is_fresh, &status) < 0) {
		engines_fail(peer_engines(peer), status.code, status.text);
		return;
	}
	if (half->leads)
		peer->leads_until = until;
	else
		peer->waits_until = until;
	PLANT("split:votes_at_once", peer->waits_until = 0; peer->leads_until = until);
	PLANT("split:leader_waits", peer->leads_until = 0; peer->waits_until = until);
	peer_begin(peer);
	shard_mark(peer->shard, peer);
}

static void clear_half(struct env_work *work)
{
	struct split_half *half = container_of(work, struct split_half, work);
	struct peer *peer = half->peer;

	half->status = region_clear(peer_engines(peer), &peer_store(peer)->flush, &half->region_state);
	route_snapshot_forget(peer->route);
}

static void on_half_cleared(struct env_work *work)
{
	struct split_half *half = container_of(work, struct split_half, work);
	struct peer *peer = half->peer;

	if (half->status < 0)
		engines_fail(
			peer_engines(peer), half->status, "the rows of a removed replica cannot be cleared");
	else
		router_remove(&peer_store(peer)->router, peer->route);
	atomic_store(&peer->route->is_installing, false);
	peer->is_clearing = false;
	half_free(half);
	shard_mark(peer->shard, peer);
	shard_check_stopped(peer->shard);
}

static void on_start(struct env_mail *mail)
{
	struct split_half *half = half_of(mail);
	struct peer *peer = half->peer;

	if (peer->shard->is_stopping || atomic_load(&peer_engines(peer)->has_failed)) {
		half_free(half);
		return;
	}
	if (half->is_gone) {
		peer->is_clearing = true;
		env_work_submit(peer->shard->loop, &half->work, clear_half, on_half_cleared);
		return;
	}
	start_replica(half);
	half_free(half);
}

void half_hold(struct split_half *half)
{
	if (half->is_gone)
		atomic_store(&half->peer->route->is_installing, true);
}

void half_start(struct split_half *half)
{
	env_post(half->peer->shard->loop, &half->mail, on_start);
}

/* ---- A split that was refused ------------------------------------------------------------------------------------ */

static void on_abandoned(struct log_write *write, int status)
{
	struct split_half *half = container_of(write, struct split_half, write);
	struct peer *peer = half->peer;

	if (status < 0)
		engines_fail(peer_engines(peer), status, "the log of a refused split cannot be removed");
	peer->is_clearing = false;
	half_free(half);
	shard_check_stopped(peer->shard);
}

static void on_abandon(struct env_mail *mail)
{
	struct split_half *half = half_of(mail);
	struct peer *peer = half->peer;

	/* Without rows, a log that was there before must not get a replica. */
	peer->is_awaited = !half->is_gone && !half->is_fresh;
	if (half->is_gone || !half->is_fresh || peer->shard->is_stopping) {
		half_free(half);
		return;
	}
	peer->is_clearing = true;
	half->write = (struct log_write){.destroy = true};
	write_log(half, on_abandoned);
}

void half_abandon(struct split_half *half)
{
	env_post(half->peer->shard->loop, &half->mail, on_abandon);
}
