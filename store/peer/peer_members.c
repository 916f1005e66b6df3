/* Membership changes on a peer's loop: the leader proposes them, and every replica follows them once they are
 * applied. */
#include "store/peer/peer_internal.h"

#include <errno.h>

#include "proto/check.h"
#include "proto/container.h"
#include "proto/plant.h"

/* ---- Proposing -------------------------------------------------------------------------------------------------- */

static void deliver_change(struct env_mail *mail)
{
	struct raftkv_change *change = container_of(mail, struct raftkv_change, mail);

	change->done(change, change->status);
}

void peer_change_finish(struct raftkv_change *change, int status)
{
	change->status = status;
	env_post(change->loop, &change->mail, deliver_change);
}

static void members_finish(struct peer *peer, struct raftkv_change *change, int status)
{
	change->leader_store = status == STATUS_NOT_LEADER ? peer_leader_store(peer) : 0;
	change->epoch = peer->region.epoch;
	peer_change_finish(change, status);
}

/* Raft replaces a change that may not begin now with an empty entry. */
static void on_change_finished(struct proposal *proposal, int status)
{
	struct raftkv_change *change = container_of(proposal, struct raftkv_change, proposal);
	struct peer *peer = change->peer;

	if (status == 0 && peer->region.epoch.conf_version == change->conf_version)
		status = STATUS_CONF_CHANGE_INVALID;
	members_finish(peer, change, status);
}

/* A leader may not remove its own vote, because it could not tell the others afterwards. Transfer the leadership
 * first. */
static bool is_against_itself(const struct peer *peer, const struct region_change *change)
{
	for (uint32_t i = 0; i < change->step_count; i++)
		if (change->steps[i].replica == peer->id && change->steps[i].type != RAFT_ADD_VOTER &&
			change->steps[i].type != RAFT_UPDATE_NODE)
			return true;
	return false;
}

static void push_proposal(struct peer *peer, struct raftkv_change *change)
{
	change->conf_version = peer->region.epoch.conf_version;
	peer->change_index = peer_push_proposal(peer, &change->proposal, on_change_finished);
}

static int members_propose(struct peer *peer, struct raftkv_change *change)
{
	uint8_t context[REGION_CHANGE_CONTEXT_MAX];
	struct raft_conf_change raft;
	int status;

	if (!peer_is_serving(peer))
		return STATUS_NOT_LEADER;
	if (is_against_itself(peer, &change->change))
		return STATUS_CONF_CHANGE_INVALID;
	if (peer->applied.index < peer->split_index)
		return STATUS_LIMIT; /* the split checks the membership when it is applied */
	status = region_change_encode(&peer->region, &change->change, &raft, context);
	if (status == 0)
		status = raw_node_propose_conf_change(peer->raft_group, &raft, false);
	if (status == 0)
		push_proposal(peer, change);
	return status == STATUS_PROPOSAL_DROPPED ? STATUS_NOT_LEADER : status;
}

void peer_change(struct peer *peer, struct raftkv_change *change)
{
	int status = peer->shard->is_stopping ? STATUS_STOPPING : 0;

	if (status == 0 && !peer_is_here(peer))
		status = STATUS_REGION_NOT_FOUND;
	if (status == 0)
		hibernation_wake(peer);
	if (status == 0)
		status = peer_tick(peer);
	if (status == 0)
		status = members_propose(peer, change);
	if (status < 0)
		members_finish(peer, change, status == STATUS_WOULD_BLOCK ? STATUS_LIMIT : status);
	shard_mark(peer->shard, peer);
}

void peer_transfer(struct peer *peer, uint64_t store)
{
	const struct region_peer *to = region_peer_of_store(&peer->region, store);

	if (!to || peer->shard->is_stopping || !peer_is_serving(peer) || peer_tick(peer) < 0)
		return;
	hibernation_wake(peer);
	raw_node_transfer_leader(peer->raft_group, to->id);
	shard_mark(peer->shard, peer);
}

/* ---- Removals --------------------------------------------------------------------------------------------------- */

/*
 * A removed replica is destroyed when it is told of its removal, and not before a majority of the others knows durably
 * that the removal is committed. For a commit index alone is not durable: after a power failure of all stores the others
 * may be in the configuration before the change, and need the vote of the removed replica to leave it.
 *
 * So the leader, which has applied the change, proposes an empty entry. Its append takes along that the change is
 * committed, and whoever has the entry durably knows it durably. Once the entry is committed, the removals are settled,
 * and the removed are told. Raft does not tell them before (raft.h: delay_commit).
 */

static bool are_settled(const struct peer *peer)
{
	PLANT("members:removal_not_settled", return true);
	return peer->removals.settled_version >= peer->region.epoch.conf_version;
}

static void note_removed(struct peer *peer, const struct region_peer *gone)
{
	struct removals *removals = &peer->removals;

	for (uint32_t i = 0; i < removals->gone_count; i++)
		if (removals->gone[i].id == gone->id)
			return;
	if (removals->gone_count < PEER_REMOVED_MAX)
		removals->gone[removals->gone_count++] = *gone;
}

static void note_removals(struct peer *peer, const struct region *before)
{
	for (uint32_t i = 0; i < before->peer_count; i++)
		if (!region_peer_of_id(&peer->region, before->peers[i].id) && before->peers[i].id != peer->id)
			note_removed(peer, &before->peers[i]);
}

static void on_settled(struct proposal *proposal, int status)
{
	struct removals *removals = container_of(proposal, struct removals, settling);

	removals->is_settling = false;
	if (status == 0)
		removals->settled_version = removals->settling_version;
}

static void settle(struct peer *peer)
{
	const struct raft_entry empty = {.type = RAFT_ENTRY_NORMAL};
	struct removals *removals = &peer->removals;

	if (removals->is_settling || !peer_is_serving(peer) ||
		raw_node_propose_entries(peer->raft_group, &empty, 1) < 0)
		return;
	removals->is_settling = true;
	removals->settling_version = peer->region.epoch.conf_version;
	peer_push_proposal(peer, &removals->settling, on_settled);
}

void peer_tell_removed(struct peer *peer, const struct region_peer *gone)
{
	if (are_settled(peer)) {
		peer_send_tombstone(peer, gone);
	} else if (peer->role == RAFT_LEADER) {
		note_removed(peer, gone);
		hibernation_wake(peer);
		shard_mark(peer->shard, peer);
	}
}

void peer_settle_removals(struct peer *peer)
{
	struct removals *removals = &peer->removals;

	if (peer->role != RAFT_LEADER)
		removals->gone_count = 0;
	if (removals->gone_count > 0 && !are_settled(peer)) {
		settle(peer);
		return;
	}
	for (uint32_t i = 0; i < removals->gone_count; i++)
		peer_send_tombstone(peer, &removals->gone[i]);
	removals->gone_count = 0;
}

/* ---- Following -------------------------------------------------------------------------------------------------- */

/* Raft's configuration and the region's peers must agree. */
static void switch_to(struct peer *peer, const struct raft_conf_change *change)
{
	struct raft_conf_state ours = {0}, rafts = {0};
	int status = raw_node_apply_conf_change(peer->raft_group, change, &rafts);

	if (status == 0)
		status = region_conf_state(&peer->region, &ours);
	if (status == 0)
		check(raft_conf_state_equal(&ours, &rafts));
	else
		engines_fail(peer_engines(peer), status, "a membership change cannot be followed");
	raft_conf_state_close(&ours);
	raft_conf_state_close(&rafts);
}

void peer_on_change(struct peer *peer, const struct raft_entry *entry)
{
	struct raft_conf_change change;
	struct region before;
	int status = region_copy(&before, &peer->region);

	if (status == 0) {
		status = region_change_apply(&peer->region, entry, &change);
		if (status < 0)
			region_close(&before);
	}
	if (status < 0) {
		engines_fail(peer_engines(peer), status, "a membership change cannot be followed");
		return;
	}
	peer_sending_close(peer); /* its members are the old ones */
	router_set_epoch(&peer_store(peer)->router, peer->route, peer->region.epoch);
	if (peer->role == RAFT_LEADER)
		note_removals(peer, &before);
	switch_to(peer, &change);
	region_close(&before);
}

/* ---- Looking ---------------------------------------------------------------------------------------------------- */

static struct region_member describe_member(const struct peer *peer, const struct region_peer *member)
{
	struct region_member described = {.peer = *member};
	struct raft_progress_status progress;

	if (raw_node_progress(peer->raft_group, member->id, &progress)) {
		described.match = progress.match;
		described.is_active = progress.recent_active || member->id == peer->id;
		described.is_in_snapshot = progress.state == RAFT_PROGRESS_SNAPSHOT;
		described.wants_snapshot = progress.wants_snapshot;
	}
	return described;
}

int peer_describe(const struct peer *peer, struct raftkv_region_status *out)
{
	struct raft_status raft;

	if (peer->shard->is_stopping)
		return STATUS_STOPPING;
	if (!peer_is_here(peer))
		return STATUS_REGION_NOT_FOUND;
	raw_node_status(peer->raft_group, &raft);
	out->epoch = peer->region.epoch;
	out->replica = peer->id;
	out->role = raft.soft_state.role;
	out->is_serving = peer_is_serving(peer);
	out->term = raft.hard_state.term;
	out->leader = raft.soft_state.leader;
	out->leader_store = peer_leader_store(peer);
	out->first_index = raft.first_index;
	out->last_index = raft.last_index;
	out->commit = raft.hard_state.commit;
	out->applied = peer->applied.index;
	out->member_count = peer->region.peer_count;
	for (uint32_t i = 0; i < peer->region.peer_count; i++)
		out->members[i] = describe_member(peer, &peer->region.peers[i]);
	return 0;
}
