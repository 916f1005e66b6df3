/* What a peer says to the other replicas of its region, and what it hears of them. */
#include "store/peer_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/plant.h"

/* ---- Addresses -------------------------------------------------------------------------------------------------- */

/* Some that speak are not in our idea of the region, which may be old. They are answered where they spoke from. */
static const struct region_peer *find_peer(const struct peer *peer, uint64_t id)
{
	const struct region_peer *found = region_peer_of_id(&peer->region, id);

	for (uint32_t i = 0; i < PEER_STRANGERS_MAX && !found; i++)
		if (peer->strangers[i].id == id)
			found = &peer->strangers[i];
	return found;
}

static void note_sender(struct peer *peer, const struct region_peer *from)
{
	if (!find_peer(peer, from->id))
		peer->strangers[peer->stranger_count++ % PEER_STRANGERS_MAX] = *from;
}

uint64_t peer_leader_store(const struct peer *peer)
{
	const struct region_peer *leader;
	struct raft_status raft;

	raw_node_status(peer->raft_group, &raft);
	leader = raft.soft_state.leader == RAFT_NONE ? NULL : find_peer(peer, raft.soft_state.leader);
	return leader ? leader->store : 0;
}

/* ---- Out -------------------------------------------------------------------------------------------------------- */

void peer_send(struct peer *peer, const struct raft_message *message)
{
	struct transport *transport = peer_store(peer)->options.transport;
	const struct region_peer *to = find_peer(peer, message->to);
	struct peer_envelope envelope = {
		.region = peer->region.id,
		.epoch = peer->region.epoch,
		.from = {.id = peer->id, .store = peer_store(peer)->dir.ident.store},
		.shared_index = peer->role == RAFT_LEADER ? peer->shared_index : 0,
	};

	if (message->type == RAFT_MSG_TIMEOUT_NOW && !planted("members:lease_kept_in_transfer")) {
		lease_suspect(&peer->lease);
		peer_publish(peer);
	}
	if (!to || !transport || message->type == RAFT_MSG_SNAP)
		return;
	envelope.to = *to;
	transport->ops->send(transport, &envelope, message);
}

void peer_respond(struct peer *peer, struct raft_message *responses, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int status = 0;

		if (responses[i].to == peer->id)
			status = raw_node_step(peer->raft_group, &responses[i]);
		else
			peer_send(peer, &responses[i]);
		if (status == -ENOMEM)
			raftkv_fail(peer_store(peer), status, "out of memory in the middle of a Raft step");
	}
}

static struct raft_message *find_append(struct raft_ready *ready)
{
	for (size_t i = 0; i < ready->messages.count; i++)
		if (ready->messages.items[i].to == RAFT_LOCAL_APPEND_THREAD)
			return &ready->messages.items[i];
	return NULL;
}

/* A vote that is asked for announces a term and this node's own vote in it, which a crash may not take back: it leaves
 * when the write that says so is durable, as the promises do that raft itself puts there. */
static int hold(struct raft_message *append, struct raft_message *vote)
{
	struct raft_message *responses =
		realloc(append->responses, (append->response_count + 1) * sizeof *responses);

	if (!responses)
		return -ENOMEM;
	append->responses = responses;
	responses[append->response_count++] = *vote;
	*vote = (struct raft_message){0};
	return 0;
}

void peer_send_messages(struct peer *peer, struct raft_ready *ready)
{
	struct raft_message *append = find_append(ready);
	int status = 0;

	for (size_t i = 0; i < ready->messages.count && status == 0; i++) {
		struct raft_message *message = &ready->messages.items[i];

		if (message->to == RAFT_LOCAL_APPEND_THREAD || message->to == RAFT_LOCAL_APPLY_THREAD)
			continue;
		if (append && message->type == RAFT_MSG_VOTE && !planted("members:vote_not_held"))
			status = hold(append, message);
		else if (planted("members:payload_not_refilled") || !peer_send_refilled(peer, message))
			peer_send(peer, message);
	}
	if (status < 0)
		raftkv_fail(peer_store(peer), status, "out of memory for a vote");
}

/* ---- In --------------------------------------------------------------------------------------------------------- */

static bool helps_to_lead(enum raft_message_type type)
{
	return type == RAFT_MSG_VOTE || type == RAFT_MSG_PRE_VOTE || type == RAFT_MSG_TIMEOUT_NOW;
}

/* What a leader sends is whole: entries come with the bytes that they say they have. */
static bool is_whole(const struct raft_message *message)
{
	for (size_t i = 0; i < message->entries.count; i++) {
		const struct raft_entry *entry = &message->entries.items[i];

		if (entry->payload_size != (entry->payload ? entry->payload->size : 0) ||
			entry->payload_size % BLOCK_UNIT_SIZE > 0)
			return false;
	}
	return true;
}

/* Proposals are made where the leader is. */
/* Snapshots are taken in by whoever received their stream. */
static bool is_wanted(
	const struct peer *peer, const struct peer_envelope *envelope, const struct raft_message *message)
{
	if (envelope->to.id != peer->id || message->to != peer->id || message->from != envelope->from.id)
		return false;
	if (helps_to_lead(message->type) && peer_is_quiet_voter(peer))
		return false;
	return message->type != RAFT_MSG_SNAP && message->type != RAFT_MSG_PROP && is_whole(message);
}

/* A refused message changes nothing; what mattered in it comes again. */
void peer_step(struct peer *peer, const struct peer_envelope *envelope, const struct raft_message *message)
{
	if (peer->shard->is_stopping || !is_wanted(peer, envelope, message))
		return;
	note_sender(peer, &envelope->from);
	if (envelope->shared_index > 0 && message->term >= peer->term)
		peer->shared_index = envelope->shared_index;
	/* What a message promises counts from now, not from the last time that somebody looked at the clock. */
	if (peer_tick(peer) == 0)
		raw_node_step(peer->raft_group, message);
	shard_mark(peer->shard, peer);
}

void peer_report_unreachable(struct peer *peer, uint64_t to)
{
	if (peer->shard->is_stopping)
		return;
	raw_node_report_unreachable(peer->raft_group, to);
	shard_mark(peer->shard, peer);
}

void peer_report_snapshot(struct peer *peer, uint64_t to, bool failed)
{
	if (peer->shard->is_stopping)
		return;
	raw_node_report_snapshot(peer->raft_group, to, failed);
	shard_mark(peer->shard, peer);
}
