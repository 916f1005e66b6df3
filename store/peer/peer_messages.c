/* Messages between a peer and the other replicas of its region. */
#include "store/peer/peer_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/plant.h"

#define ASK_ELECTIONS                                                                                        \
	8 /* election timeouts without a leader before a replica asks whether it is still a member */

/* ---- Addresses -------------------------------------------------------------------------------------------------- */

/* A sender may be missing from this replica's region, which may be old. It is answered at the store it sent from. */
static const struct region_peer *find_peer(const struct peer *peer, uint64_t id)
{
	const struct region_peer *found = region_peer_of_id(&peer->region, id);

	for (uint32_t i = 0; i < PEER_UNKNOWN_MAX && !found; i++)
		if (peer->unknown[i].id == id)
			found = &peer->unknown[i];
	return found;
}

static void note_sender(struct peer *peer, const struct region_peer *from)
{
	if (!find_peer(peer, from->id))
		peer->unknown[peer->unknown_count++ % PEER_UNKNOWN_MAX] = *from;
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

static struct peer_envelope envelope_to(const struct peer *peer, const struct region_peer *to)
{
	return (struct peer_envelope){
		.region = peer->region.id,
		.epoch = peer->region.epoch,
		.from = {.id = peer->id, .store = peer_engines(peer)->dir.ident.store},
		.to = *to,
		.shared_index = peer->role == RAFT_LEADER ? peer->shared_index : 0,
		.wants_snapshot = peer_wants_snapshot(peer),
		.led_parent = peer_led_parent(peer),
		.settled_version = peer->role == RAFT_LEADER ? peer->removals.settled_version : 0,
	};
}

void peer_send(struct peer *peer, const struct raft_message *message)
{
	struct transport *transport = peer_store(peer)->options.transport;
	const struct region_peer *to = find_peer(peer, message->to);
	bool is_transfer = message->type == RAFT_MSG_TIMEOUT_NOW;
	struct peer_envelope envelope;

	PLANT("members:lease_kept_in_transfer", is_transfer = false);
	if (is_transfer) {
		lease_suspect(&peer->lease);
		peer_publish(peer);
	}
	if (!to || !transport)
		return;
	envelope = envelope_to(peer, to);
	hibernation_on_sent(peer);
	if (message->type == RAFT_MSG_SNAP)
		peer_send_snapshot(peer, &envelope, message);
	else
		transport->ops->send(transport, &envelope, message);
}

/* ---- Members and others ----------------------------------------------------------------------------------------- */

static void send_empty(struct peer *peer, const struct peer_envelope *envelope)
{
	struct transport *transport = peer_store(peer)->options.transport;

	if (transport)
		transport->ops->send(transport, envelope, &(struct raft_message){0});
}

void peer_send_tombstone(struct peer *peer, const struct region_peer *to)
{
	struct peer_envelope envelope = envelope_to(peer, to);

	envelope.is_tombstone = true;
	send_empty(peer, &envelope);
}

void peer_send_word(struct peer *peer, const struct region_peer *to, enum peer_word word, uint64_t round,
	const struct raft_message *message)
{
	struct transport *transport = peer_store(peer)->options.transport;
	struct peer_envelope envelope = envelope_to(peer, to);

	envelope.word = word;
	envelope.round = round;
	envelope.incarnation = peer_engines(peer)->dir.ident.incarnation;
	if (transport)
		transport->ops->send(transport, &envelope, message);
}

uint64_t peer_ask_time(const struct peer *peer)
{
	bool was_member = peer->region.peer_count > 0 && !region_peer_of_id(&peer->region, peer->id);
	uint64_t patience = (was_member ? 1 : ASK_ELECTIONS) * peer_election_ns(peer);
	uint64_t since = peer->leader_heard > peer->asked ? peer->leader_heard : peer->asked;

	if (peer->region.peer_count == 0)
		return peer->member_version > 0 ? since + patience : UINT64_MAX;
	if (peer->role == RAFT_LEADER || peer_is_alone(peer) ||
		(hibernation_is_on(peer) && !campaign_is_awaited(peer)))
		return UINT64_MAX;
	return since + patience;
}

static void ask_one(struct peer *peer, const struct region_peer *to)
{
	struct peer_envelope envelope = envelope_to(peer, to);

	if (peer->region.peer_count == 0)
		envelope.epoch.conf_version = peer->member_version;
	send_empty(peer, &envelope);
}

/* Sends an empty message: a member that knows of this replica's removal answers with its tombstone. Who knows no
 * membership asks those that it has heard of. */
void peer_ask(struct peer *peer)
{
	uint32_t heard = peer->unknown_count < PEER_UNKNOWN_MAX ? peer->unknown_count : PEER_UNKNOWN_MAX;
	uint64_t now = env_now(peer_engines(peer)->env);

	if (now < peer_ask_time(peer))
		return;
	peer->asked = now;
	for (uint32_t i = 0; i < peer->region.peer_count; i++)
		if (peer->region.peers[i].id != peer->id)
			ask_one(peer, &peer->region.peers[i]);
	for (uint32_t i = 0; i < heard && peer->region.peer_count == 0; i++)
		ask_one(peer, &peer->unknown[i]);
}

/* Whether the sender, which was a member once, was removed from the region as this replica knows it. Ids are never reused,
 * so it stays removed. A sender without any conf_version may be newer than this replica's region. */
static bool was_removed(const struct peer *peer, const struct peer_envelope *envelope)
{
	return envelope->epoch.conf_version > 0 &&
	       envelope->epoch.conf_version <= peer->region.epoch.conf_version &&
	       !region_peer_of_id(&peer->region, envelope->from.id);
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
			engines_fail(
				peer_engines(peer), status, "out of memory in the middle of a Raft step");
	}
}

static struct raft_message *find_append(struct raft_ready *ready)
{
	for (size_t i = 0; i < ready->messages.count; i++)
		if (ready->messages.items[i].to == RAFT_LOCAL_APPEND_THREAD)
			return &ready->messages.items[i];
	return NULL;
}

/* A vote request announces a term and this replica's own vote in it, which a crash must not lose. So it leaves only
 * when the write of both is durable, as raft's own responses do. */
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

static bool is_held_back(const struct raft_message *message)
{
	PLANT("members:vote_not_held", return false);
	return message->type == RAFT_MSG_VOTE;
}

/* Sends the message with its payloads: later, if they are not in memory. */
static void send_whole(struct peer *peer, struct raft_message *message)
{
	PLANT("members:payload_not_refilled", peer_send(peer, message); return );
	if (!peer_send_refilled(peer, message))
		peer_send(peer, message);
}

void peer_send_messages(struct peer *peer, struct raft_ready *ready)
{
	struct raft_message *append = find_append(ready);
	int status = 0;

	for (size_t i = 0; i < ready->messages.count && status == 0; i++) {
		struct raft_message *message = &ready->messages.items[i];

		if (message->to == RAFT_LOCAL_APPEND_THREAD || message->to == RAFT_LOCAL_APPLY_THREAD)
			continue;
		if (append && is_held_back(message))
			status = hold(append, message);
		else
			send_whole(peer, message);
	}
	if (status < 0)
		engines_fail(peer_engines(peer), status, "out of memory for a vote");
}

/* ---- In --------------------------------------------------------------------------------------------------------- */

static bool helps_to_lead(enum raft_message_type type)
{
	return type == RAFT_MSG_VOTE || type == RAFT_MSG_PRE_VOTE || type == RAFT_MSG_TIMEOUT_NOW;
}

/* Whether each entry has a payload of the size that it states. */
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

/* An empty replica votes as if it still had its log, so that no candidate wins without the entries it has
 * acknowledged. */
static bool is_up_to_date(const struct peer *peer, const struct raft_message *message)
{
	const struct apply_state *end = &peer->empty_end;

	return message->type != RAFT_MSG_TIMEOUT_NOW &&
	       (message->log_term > end->term ||
		       (message->log_term == end->term && message->index >= end->index));
}

/* Whether this replica of a new region must still let the lease of the region before the split end. */
static bool waits_for_lease(const struct peer *peer, const struct peer_envelope *envelope)
{
	return !envelope->led_parent && peer->waits_until > 0 &&
	       env_now(peer_engines(peer)->env) < peer->waits_until;
}

/* Whether the lease of a leader that this replica may have promised before its restart can still hold. A leader that hands
 * over gave its own up before it said so, and older ones had lost theirs when it was elected. */
static bool may_break_lease(const struct peer *peer, const struct raft_message *message)
{
	PLANT("members:handover_refused", return peer_is_quiet_voter(peer));
	return peer_is_quiet_voter(peer) && message->type != RAFT_MSG_TIMEOUT_NOW;
}

/* A replica that is about to replace its state grants no vote. */
static bool may_help(
	const struct peer *peer, const struct peer_envelope *envelope, const struct raft_message *message)
{
	if (may_break_lease(peer, message) || peer->install || waits_for_lease(peer, envelope))
		return false;
	return !peer->is_empty || is_up_to_date(peer, message);
}

/* Proposals are made on the leader's store. */
static bool is_wanted(
	const struct peer *peer, const struct peer_envelope *envelope, const struct raft_message *message)
{
	if (envelope->to.id != peer->id || message->to != peer->id || message->from != envelope->from.id)
		return false;
	if (helps_to_lead(message->type) && !may_help(peer, envelope, message))
		return false;
	return message->type != RAFT_MSG_PROP && is_whole(message);
}

static bool is_of_leader(enum raft_message_type type)
{
	return type == RAFT_MSG_APP || type == RAFT_MSG_HEARTBEAT || type == RAFT_MSG_SNAP;
}

/* Handles a message that says that this replica was removed, or that a newer replica replaces it on this store. */
static bool take_tombstone(struct peer *peer, const struct peer_envelope *envelope)
{
	bool is_older = peer->region.epoch.conf_version <= envelope->epoch.conf_version;
	bool is_meant = envelope->is_tombstone ? envelope->to.id == peer->id : envelope->to.id > peer->id;

	PLANT("members:tombstone_ignored", is_older = false);
	/* One that is replaying asks again (peer_ask). */
	if (is_meant && is_older && !peer_is_replaying(peer))
		peer_destroy(peer);
	return is_meant;
}

static void hear_leader(struct peer *peer, const struct peer_envelope *envelope)
{
	peer->leader_heard = env_now(peer_engines(peer)->env);
	PLANT("split:early_unasked", return );
	if (envelope->epoch.conf_version > peer->member_version)
		peer->member_version = envelope->epoch.conf_version;
}

/* Whether to step the message. False: it is refused, or was for the peer itself. */
static bool peer_admit(
	struct peer *peer, const struct peer_envelope *envelope, const struct raft_message *message)
{
	if (peer->shard->is_stopping || !peer_is_here(peer) || take_tombstone(peer, envelope))
		return false;
	if (was_removed(peer, envelope)) {
		peer_tell_removed(peer, &envelope->from);
		return false;
	}
	if (!is_wanted(peer, envelope, message))
		return false;
	note_sender(peer, &envelope->from);
	if (is_of_leader(message->type) && message->term >= peer->term)
		hear_leader(peer, envelope);
	if (envelope->settled_version > peer->removals.settled_version)
		peer->removals.settled_version = envelope->settled_version;
	if (envelope->shared_index > 0 && message->term >= peer->term)
		peer->shared_index = envelope->shared_index;
	if (peer->role == RAFT_LEADER && message->term == peer->term)
		peer_hear_wish(peer, envelope);
	return true;
}

/* A leader may believe that an empty replica still has its log, and send a commit index beyond the log here: it is
 * ignored. */
static void step(struct peer *peer, const struct raft_message *message)
{
	struct raft_message known = *message;

	if (peer->is_empty && message->type == RAFT_MSG_HEARTBEAT)
		known.commit = 0;
	raw_node_step(peer->raft_group, &known);
}

/* Timeouts that the message resets count from now, so raft's clock is advanced first. */
static void step_now(struct peer *peer, const struct raft_message *message)
{
	bool was_asleep = hibernation_is_on(peer);

	if (peer_tick(peer) == 0)
		step(peer, message);
	hibernation_on_stepped(peer, was_asleep, message);
	shard_mark(peer->shard, peer);
}

/* A refused message changes nothing; Raft repeats it. A snapshot without its stage is older than this replica's state,
 * which Raft answers, or has found no room. */
void peer_step(struct peer *peer, const struct peer_envelope *envelope, const struct raft_message *message)
{
	if (!peer_admit(peer, envelope, message))
		return;
	if (envelope->word != PEER_WORD_NONE)
		hibernation_hear(peer, envelope, message);
	else if (message->type == RAFT_MSG_SNAP && message->snapshot->index > peer->applied.index)
		peer_make_room(peer, envelope, message);
	else
		step_now(peer, message);
}

void peer_step_snapshot(struct peer *peer, const struct peer_envelope *envelope,
	const struct raft_message *message, struct snapshot_stage *stage)
{
	if (peer_admit(peer, envelope, message))
		peer_install_begin(peer, message, stage);
	else
		peer_discard_stage(peer->shard, stage);
}

void peer_report_unreachable(struct peer *peer, uint64_t to)
{
	if (peer->shard->is_stopping || !peer_is_here(peer))
		return;
	raw_node_report_unreachable(peer->raft_group, to);
	shard_mark(peer->shard, peer);
}
