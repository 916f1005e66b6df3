#include "store/peer/hibernation.h"

#include "proto/plant.h"
#include "store/peer/peer_internal.h"

bool hibernation_is_on(const struct peer *peer)
{
	return raw_node_is_hibernating(peer->raft_group);
}

static uint64_t hibernation_now(const struct peer *peer)
{
	return env_now(peer_engines(peer)->env);
}

static void count(struct peer *peer)
{
	bool is_asleep = peer_is_here(peer) && hibernation_is_on(peer) && !campaign_is_awaited(peer);

	if (peer->hibernation.is_counted == is_asleep)
		return;
	peer->hibernation.is_counted = is_asleep;
	if (is_asleep)
		atomic_fetch_add(&peer->shard->asleep, 1);
	else
		atomic_fetch_sub(&peer->shard->asleep, 1);
}

/* ---- Members ---------------------------------------------------------------------------------------------------- */

static uint64_t bit_of(const struct peer *peer, uint64_t id)
{
	for (uint32_t i = 0; i < peer->region.peer_count; i++)
		if (peer->region.peers[i].id == id)
			return UINT64_C(1) << i;
	return 0;
}

static bool is_active(const struct peer *peer, uint64_t id)
{
	struct raft_progress_status progress;

	return raw_node_progress(peer->raft_group, id, &progress) && progress.recent_active;
}

static bool is_dead(const struct peer *peer, const struct region_peer *member)
{
	return member->id != peer->id && liveness_is_dead(&peer_store(peer)->liveness, member->store);
}

/* Those whose store is dead. One that answers as a member is alive, even if its store does not say so: it is an older
 * one. */
static uint64_t dead_members(const struct peer *peer)
{
	uint64_t dead = 0;

	for (uint32_t i = 0; i < peer->region.peer_count; i++)
		if (is_dead(peer, &peer->region.peers[i]) && !is_active(peer, peer->region.peers[i].id))
			dead |= UINT64_C(1) << i;
	return dead;
}

/* Whether all but this replica and those whose store is dead are among them. */
static bool are_all(const struct peer *peer, uint64_t members)
{
	uint64_t all = UINT64_MAX >> (64 - peer->region.peer_count);

	PLANT("hibernate:sleeps_behind", return true);
	return (members | bit_of(peer, peer->id) | dead_members(peer)) == all;
}

/* ---- What is pending -------------------------------------------------------------------------------------------- */

static bool has_requests(const struct peer *peer)
{
	return evaluate_has_queued(&peer->evaluations) || peer->evaluations.parked_count > 0 ||
	       peer->pending_reads.batch_count > 0 || peer->is_renewal_due;
}

static bool is_in_split(const struct peer *peer)
{
	return peer->splits_committed > 0 || peer->splitting || peer->held || peer->half || peer->awaiting ||
	       peer->leads_until > 0 || peer->waits_until > 0;
}

static bool is_in_snapshot(const struct peer *peer)
{
	return peer->install || peer->is_empty || peer->sending.source || peer->refills ||
	       peer->appends.full_since > 0;
}

/* Whether the whole log here, which ends at `index`, is applied and visible. */
static bool has_applied(const struct peer *peer, uint64_t index)
{
	struct raft_status raft;

	raw_node_status(peer->raft_group, &raft);
	return raft.last_index == index && raft.applied == index && peer->applied.index == index;
}

static bool has_nothing_pending(const struct peer *peer, uint64_t index)
{
	return peer_is_quiet(peer) && !raw_node_has_ready(peer->raft_group) && has_applied(peer, index) &&
	       !has_requests(peer) && !is_in_split(peer) && !is_in_snapshot(peer) &&
	       !peer_is_replaying(peer) && !peer_is_quiet_voter(peer);
}

/* Asks for each store, so that each is watched. */
static bool has_any_come(const struct peer *peer, uint64_t since)
{
	bool has = false;

	for (uint32_t i = 0; i < peer->region.peer_count; i++)
		if (peer->region.peers[i].id != peer->id)
			has |= liveness_has_come(
				&peer_store(peer)->liveness, peer->region.peers[i].store, since);
	return has;
}

/* Whether the stores of all members are dead, or are alive and were so since that version. */
static bool are_steady(const struct peer *peer, uint64_t since)
{
	uint64_t members = 0;

	for (uint32_t i = 0; i < peer->region.peer_count; i++)
		if (peer->region.peers[i].id != peer->id &&
			liveness_is_steady(&peer_store(peer)->liveness, peer->region.peers[i].store, since))
			members |= UINT64_C(1) << i;
	return are_all(peer, members);
}

/* Whether the store of the leader, which is another one, is alive and was so since that version. */
static bool is_leader_steady(const struct peer *peer, uint64_t since)
{
	return liveness_is_steady(&peer_store(peer)->liveness, peer_leader_store(peer), since);
}

static void sleep_since(struct peer *peer, uint64_t version)
{
	peer->hibernation.round = 0;
	peer->hibernation.since = version;
	raw_node_hibernate(peer->raft_group);
	PLANT("hibernate:lease_kept", peer->lease.bound = UINT64_MAX; peer_publish(peer));
	count(peer);
}

/* ---- Words ------------------------------------------------------------------------------------------------------ */

static void say(struct peer *peer, const struct region_peer *to, enum peer_word word, uint64_t round)
{
	struct raft_status raft;

	raw_node_status(peer->raft_group, &raft);
	peer_send_word(peer, to, word, round,
		&(struct raft_message){.to = to->id,
			.from = peer->id,
			.term = raft.hard_state.term,
			.index = raft.last_index});
}

static void say_to_all(struct peer *peer, enum peer_word word, uint64_t round)
{
	for (uint32_t i = 0; i < peer->region.peer_count; i++)
		if (peer->region.peers[i].id != peer->id)
			say(peer, &peer->region.peers[i], word, round);
}

void hibernation_call(struct peer *peer)
{
	say_to_all(peer, PEER_WORD_WAKE, 0);
}

/* ---- Waking ----------------------------------------------------------------------------------------------------- */

static void end_round(struct peer *peer)
{
	peer->hibernation.active = hibernation_now(peer);
	peer->hibernation.round = 0;
}

/* It is awake, and was asleep. `is_known`: other members know that the group is to wake. */
static void on_woken(struct peer *peer, bool is_known)
{
	end_round(peer);
	count(peer);
	peer->leader_heard = peer->hibernation.active;
	if (peer->role != RAFT_LEADER && !is_known)
		hibernation_call(peer);
	shard_mark(peer->shard, peer);
}

/* Raft's timers count from its present, so it moves there first. */
static void wake(struct peer *peer)
{
	peer_tick(peer);
	raw_node_wake(peer->raft_group);
	on_woken(peer, false);
}

void hibernation_wake(struct peer *peer)
{
	PLANT("hibernate:request_unheard", return );
	if (hibernation_is_on(peer) && !campaign_is_awaited(peer)) {
		wake(peer);
		return;
	}
	end_round(peer);
	campaign_on_asked(peer, false);
}

/* Whether Raft follows the sender of the message. */
static bool is_of_own_leader(const struct peer *peer, const struct raft_message *message)
{
	struct raft_status raft;

	raw_node_status(peer->raft_group, &raft);
	return raft.soft_state.leader == message->from && raft.hard_state.term == message->term;
}

/* A candidate has asked all members, but may not reach the leader. */
static void call_leader(struct peer *peer)
{
	const struct region_peer *leader = region_peer_of_store(&peer->region, peer_leader_store(peer));

	if (leader)
		say(peer, leader, PEER_WORD_WAKE, 0);
}

/* Raft has woken because of the message. */
static void on_roused(struct peer *peer, const struct raft_message *message)
{
	bool is_of_candidate = message->type == RAFT_MSG_VOTE || message->type == RAFT_MSG_PRE_VOTE;
	bool is_known = is_of_candidate || campaign_is_awaited(peer) || is_of_own_leader(peer, message);

	campaign_end(peer);
	on_woken(peer, is_known);
	if (is_of_candidate && peer->role != RAFT_LEADER)
		call_leader(peer);
}

void hibernation_on_stepped(struct peer *peer, bool was_asleep, const struct raft_message *message)
{
	if (peer->role == RAFT_LEADER)
		peer->hibernation.heard |= bit_of(peer, message->from);
	if (was_asleep && !hibernation_is_on(peer))
		on_roused(peer, message);
	else if (!was_asleep && message->type == RAFT_MSG_READ_INDEX)
		end_round(peer);
}

void hibernation_on_sent(struct peer *peer)
{
	peer->hibernation.round = 0;
	peer->hibernation.heard = 0;
}

static bool may_sleep_on(const struct peer *peer)
{
	uint64_t since = peer->hibernation.since;

	return peer->role == RAFT_LEADER ? !has_any_come(peer, since) : is_leader_steady(peer, since);
}

bool hibernation_look(struct peer *peer)
{
	uint64_t active = peer->hibernation.active;

	if (!peer_is_here(peer) || !hibernation_is_on(peer) || campaign_is_awaited(peer) ||
		may_sleep_on(peer))
		return false;
	if (peer->role != RAFT_LEADER && campaign_on_lost(peer)) {
		count(peer);
		return false;
	}
	wake(peer);
	peer->hibernation.active = active; /* that is no work */
	return true;
}

/* ---- Falling asleep --------------------------------------------------------------------------------------------- */

static bool is_allowed(const struct peer *peer)
{
	const struct raftkv_options *options = &peer_store(peer)->options;

	return options->transport && !options->hibernation_is_off;
}

/* The word comes from the store as it is now, and not from an earlier incarnation. */
static bool is_present(
	const struct peer *peer, const struct peer_envelope *envelope, const struct raft_message *message)
{
	return is_of_own_leader(peer, message) && message->from != peer->id &&
	       liveness_incarnation(&peer_store(peer)->liveness, envelope->from.store) ==
		       envelope->incarnation;
}

static void on_sleep(
	struct peer *peer, const struct peer_envelope *envelope, const struct raft_message *message)
{
	uint64_t version = liveness_version(&peer_store(peer)->liveness);

	if (!is_allowed(peer) || !is_present(peer, envelope, message) || !is_leader_steady(peer, version) ||
		!has_nothing_pending(peer, message->index))
		return;
	sleep_since(peer, version);
	shard_mark(peer->shard, peer);
	say(peer, &envelope->from, PEER_WORD_ASLEEP, envelope->round);
}

/* Whether all members have the whole log, but for those whose store is dead. */
static bool have_log(const struct peer *peer)
{
	uint64_t members = 0;

	for (uint32_t i = 0; i < peer->region.peer_count; i++) {
		struct raft_progress_status progress;

		if (raw_node_progress(peer->raft_group, peer->region.peers[i].id, &progress) &&
			progress.match == peer->applied.index)
			members |= UINT64_C(1) << i;
	}
	return are_all(peer, members);
}

static bool leader_may_sleep(const struct peer *peer)
{
	return peer_is_serving(peer) && have_log(peer) && has_nothing_pending(peer, peer->applied.index) &&
	       raw_node_can_hibernate(peer->raft_group);
}

static void on_asleep(
	struct peer *peer, const struct peer_envelope *envelope, const struct raft_message *message)
{
	if (peer->hibernation.round == 0 || envelope->round != peer->hibernation.round ||
		message->term != peer->term)
		return;
	peer->hibernation.asleep |= bit_of(peer, message->from);
	shard_mark(peer->shard, peer);
}

/* The sender is awake: if it had answered, that does not count. */
static void on_wake(struct peer *peer)
{
	if (hibernation_is_on(peer) && !campaign_is_awaited(peer)) {
		wake(peer);
		return;
	}
	peer->hibernation.round = 0;
	campaign_on_asked(peer, true);
}

void hibernation_hear(
	struct peer *peer, const struct peer_envelope *envelope, const struct raft_message *message)
{
	switch (envelope->word) {
	case PEER_WORD_SLEEP:
		on_sleep(peer, envelope, message);
		break;
	case PEER_WORD_ASLEEP:
		on_asleep(peer, envelope, message);
		break;
	case PEER_WORD_WAKE:
		on_wake(peer);
		break;
	case PEER_WORD_NONE:
		break;
	}
}

/* ---- The leader ------------------------------------------------------------------------------------------------- */

/* An entry is work, whoever asked for it, but not the empty one with which a term begins: a region that was elected a
 * leader, and had no work before, sleeps again at once. */
static void note_entries(struct peer *peer)
{
	struct hibernation *hibernation = &peer->hibernation;
	struct raft_status raft;

	raw_node_status(peer->raft_group, &raft);
	if (raft.hard_state.term == hibernation->term && raft.last_index != hibernation->index)
		end_round(peer);
	hibernation->term = raft.hard_state.term;
	hibernation->index = raft.last_index;
}

/* 0: it was never. */
static bool is_within(uint64_t time, uint64_t now, uint64_t duration)
{
	return time > 0 && now - time < duration;
}

static void begin_round(struct peer *peer, uint64_t now)
{
	struct hibernation *hibernation = &peer->hibernation;
	uint64_t idle = peer_store(peer)->options.idle_ms * NS_PER_MS;

	if (is_within(hibernation->active, now, idle) || is_within(hibernation->spoken, now, idle / 2) ||
		!are_all(peer, hibernation->heard) || !leader_may_sleep(peer))
		return;
	hibernation->since = liveness_version(&peer_store(peer)->liveness);
	hibernation->spoken = now;
	hibernation->asleep = 0;
	if (!are_steady(peer, hibernation->since))
		return;
	hibernation->round = ++hibernation->last_round;
	say_to_all(peer, PEER_WORD_SLEEP, hibernation->round);
}

/* A change of the membership is an entry, so it has ended the round. */
static void end_if_all_sleep(struct peer *peer)
{
	struct hibernation *hibernation = &peer->hibernation;

	if (are_all(peer, hibernation->asleep) && leader_may_sleep(peer) &&
		are_steady(peer, hibernation->since))
		sleep_since(peer, hibernation->since);
}

void hibernation_go_on(struct peer *peer)
{
	if (peer_is_alone(peer) && raw_node_can_hibernate(peer->raft_group))
		raw_node_hibernate(peer->raft_group);
	count(peer);
	if (peer->role != RAFT_LEADER || hibernation_is_on(peer) || peer_is_alone(peer) || !is_allowed(peer))
		return;
	note_entries(peer);
	if (peer->hibernation.round > 0)
		end_if_all_sleep(peer);
	else
		begin_round(peer, hibernation_now(peer));
}

void hibernation_end(struct peer *peer)
{
	count(peer);
}
