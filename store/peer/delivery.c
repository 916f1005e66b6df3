/* Delivery of a transport's messages and reports to the loop of the receiving replica. */

#include <stdlib.h>

#include "proto/plant.h"
#include "store/peer/store.h"

#define STEPS_MAX 4096 /* messages on their way; more are dropped */

static struct peer *peer_for(struct raftkv *raftkv, uint64_t region)
{
	struct route *route = router_find(&raftkv->router, region);

	return route ? route->peer : NULL;
}

/* ---- Replicas made by a message --------------------------------------------------------------------------------- */

/* A replica that has heard of no leader for long asks all members (peer_ask). One that is not here, because this store
 * was down when its region was split off, may be missing for a quorum. */
static bool is_ask(const struct peer_envelope *envelope, const struct raft_message *message)
{
	return message->from == RAFT_NONE && envelope->word == PEER_WORD_NONE && !envelope->is_tombstone &&
	       envelope->epoch.conf_version > 0;
}

/* Only a leader's message or an ask creates a replica, and never one whose id was destroyed here. */
static bool may_be_made(
	struct raftkv *raftkv, const struct peer_envelope *envelope, const struct raft_message *message)
{
	bool is_of_leader = message->type == RAFT_MSG_APP || message->type == RAFT_MSG_HEARTBEAT ||
			    message->type == RAFT_MSG_SNAP;
	uint64_t tombstone;

	if (!(is_of_leader && envelope->to.id == message->to) && !is_ask(envelope, message))
		return false;
	if (envelope->is_tombstone || envelope->to.id == 0 ||
		envelope->to.store != raftkv->engines.dir.ident.store)
		return false;
	if (tombstone_read(raftkv->engines.log, envelope->region, &tombstone) < 0)
		return false;
	PLANT("members:tombstone_forgotten", tombstone = 0);
	return envelope->to.id > tombstone;
}

/* The new replica knows only the region's id until a snapshot comes. */
static void make_replica(struct peer *peer, uint64_t id, bool is_of_leader)
{
	struct region region = {.id = peer->region.id};
	struct status status = {0};

	if (peer_start(peer, &region, id, &(struct apply_state){0}, !peer->shard->raftkv->is_new, &status) <
		0)
		engines_fail(&peer->shard->raftkv->engines, status.code, status.text);
	/* This store may have promised the lease of a leader of the region that it was split off. */
	else if (!is_of_leader)
		peer->waits_until = env_now(peer->shard->raftkv->engines.env) + peer_election_ns(peer);
}

/* On the shard's loop. NULL: the region has no replica here and gets none. */
static struct peer *find_or_make(struct raftkv *raftkv, struct shard *shard,
	const struct peer_envelope *envelope, const struct raft_message *message)
{
	struct peer *peer = peer_for(raftkv, envelope->region);

	if ((peer && (peer->raft_group || peer->is_awaited)) || shard->is_stopping ||
		!may_be_made(raftkv, envelope, message))
		return peer;
	if (!peer && peer_new(shard, envelope->region, &peer) < 0)
		return NULL;
	make_replica(peer, envelope->to.id, !is_ask(envelope, message));
	return peer;
}

/* ---- Messages --------------------------------------------------------------------------------------------------- */

struct step {
	struct env_mail mail;
	struct raftkv *raftkv;
	struct shard *shard;
	struct peer_envelope envelope;
	struct raft_message message;
	struct snapshot_stage *stage; /* of MsgSnap */
};

static void on_step(struct env_mail *mail)
{
	struct step *step = (struct step *)mail; /* the first member */
	struct raftkv *raftkv = step->raftkv;
	struct peer *peer = find_or_make(raftkv, step->shard, &step->envelope, &step->message);

	atomic_fetch_sub(&raftkv->steps_pending, 1);
	if (!step->stage && peer)
		peer_step(peer, &step->envelope, &step->message);
	else if (step->stage && peer)
		peer_step_snapshot(peer, &step->envelope, &step->message, step->stage);
	else if (step->stage)
		peer_discard_stage(step->shard, step->stage);
	raft_message_close(&step->message);
	free(step);
}

static struct step *step_new(struct raftkv *raftkv, const struct peer_envelope *envelope)
{
	struct step *step;

	if (envelope->region == 0 || atomic_load(&raftkv->steps_pending) >= STEPS_MAX)
		return NULL;
	step = malloc(sizeof *step);
	if (step)
		*step = (struct step){.raftkv = raftkv,
			.shard = raftkv_shard_of(raftkv, envelope->region),
			.envelope = *envelope};
	return step;
}

void raftkv_step(struct raftkv *raftkv, const struct peer_envelope *envelope, struct raft_message *message)
{
	struct step *step = step_new(raftkv, envelope);

	if (!step) {
		raft_message_close(message);
		return;
	}
	step->message = *message;
	*message = (struct raft_message){0};
	atomic_fetch_add(&raftkv->steps_pending, 1);
	env_post(step->shard->loop, &step->mail, on_step);
}

int delivery_step_snapshot(struct raftkv *raftkv, const struct peer_envelope *envelope,
	struct raft_message *message, struct snapshot_stage *stage)
{
	struct step *step = step_new(raftkv, envelope);

	if (!step)
		return STATUS_LIMIT;
	step->message = *message;
	step->stage = stage;
	*message = (struct raft_message){0};
	atomic_fetch_add(&raftkv->steps_pending, 1);
	env_post(step->shard->loop, &step->mail, on_step);
	return 0;
}

int raftkv_receive_snapshot(struct raftkv *raftkv, const struct peer_envelope *envelope,
	struct raft_message *message, struct snapshot_sink **sink)
{
	return snapshots_receive(&raftkv->snapshots, envelope, message, sink);
}

/* ---- What became of messages ------------------------------------------------------------------------------------ */

struct delivery_report {
	struct env_mail mail;
	struct peer *peer;
	uint64_t to; /* replica */
	bool is_of_snapshot;
	int status;
};

static void on_report(struct env_mail *mail)
{
	struct delivery_report *report = (struct delivery_report *)mail; /* the first member */

	if (report->is_of_snapshot)
		peer_report_snapshot(report->peer, report->to, report->status);
	else
		peer_report_unreachable(report->peer, report->to);
	free(report);
}

/* Out of memory, the report is lost: Raft's own timeouts cover that. */
static void post_report(struct raftkv *raftkv, uint64_t region, const struct delivery_report *what)
{
	struct peer *peer = peer_for(raftkv, region);
	struct delivery_report *report = peer ? malloc(sizeof *report) : NULL;

	if (!report)
		return;
	*report = *what;
	report->peer = peer;
	env_post(peer->shard->loop, &report->mail, on_report);
}

void raftkv_report_unreachable(struct raftkv *raftkv, uint64_t region, uint64_t peer)
{
	post_report(raftkv, region, &(struct delivery_report){.to = peer});
}

void raftkv_report_snapshot(struct raftkv *raftkv, uint64_t region, uint64_t peer, int status)
{
	post_report(raftkv, region,
		&(struct delivery_report){.to = peer, .is_of_snapshot = true, .status = status});
}
