#include "store/peer/campaign.h"

#include <errno.h>

#include "proto/container.h"
#include "proto/plant.h"
#include "store/peer/peer_internal.h"

#define VOTER (REGION_VOTER | REGION_VOTER_OUTGOING)

static uint64_t campaign_now(const struct peer *peer)
{
	return env_now(peer_engines(peer)->env);
}

static struct campaigns *campaigns_of(const struct peer *peer)
{
	return &peer->shard->campaigns;
}

bool campaign_is_awaited(const struct peer *peer)
{
	return peer->campaign.state == CAMPAIGN_WANTED || peer->campaign.state == CAMPAIGN_QUEUED ||
	       peer->campaign.state == CAMPAIGN_GRANTED;
}

/* ---- Who is the first ------------------------------------------------------------------------------------------- */

static bool is_voter(const struct peer *peer)
{
	const struct region_peer *self = region_peer_of_id(&peer->region, peer->id);

	return self && (self->roles & VOTER) != 0;
}

/* Bits of the id that say nothing of its shard. */
static uint32_t chosen_of(const struct peer *peer)
{
	return (uint32_t)((peer->region.id * UINT64_C(0x9e3779b97f4a7c15)) >> 32) % peer->region.peer_count;
}

/* Whether the member may well become the leader. Asks for its store, so that it is watched. */
static bool may_be_first(const struct peer *peer, const struct region_peer *member)
{
	bool is_dead = member->id != peer->id && liveness_is_dead(&peer_store(peer)->liveness, member->store);

	return (member->roles & VOTER) != 0 && !is_dead && member->store != peer_leader_store(peer);
}

/* The first of these from the chosen one on. The leader is one that is lost. */
static bool is_first(const struct peer *peer)
{
	uint32_t count = peer->region.peer_count, chosen = chosen_of(peer);
	uint64_t first = 0;

	PLANT("campaign:all_are_first", return true);
	for (uint32_t i = 0; i < count; i++) {
		const struct region_peer *member = &peer->region.peers[(chosen + i) % count];

		if (may_be_first(peer, member) && first == 0)
			first = member->id;
	}
	return first == peer->id;
}

/* ---- The queue --------------------------------------------------------------------------------------------------- */

static bool has_turn(const struct peer *peer)
{
	return peer->campaign.state == CAMPAIGN_GRANTED || peer->campaign.state == CAMPAIGN_UNDER_WAY;
}

static void grant(struct campaigns *campaigns)
{
	uint32_t most = planted("campaign:all_at_once") ? UINT32_MAX : CAMPAIGNS_MAX;

	while (campaigns->count < most && heap_first(&campaigns->queue)) {
		struct heap_node *first = heap_first(&campaigns->queue);
		struct peer *peer = container_of(first, struct peer, campaign.place);

		heap_remove(&campaigns->queue, first);
		peer->campaign.state = CAMPAIGN_GRANTED;
		campaigns->count++;
		shard_mark(peer->shard, peer);
	}
}

/* It is no longer in the queue, and has no turn. */
void campaign_end(struct peer *peer)
{
	struct campaign *campaign = &peer->campaign;
	struct campaigns *campaigns = campaigns_of(peer);
	bool had_turn = has_turn(peer);

	heap_remove(&campaigns->queue, &campaign->place);
	campaign->state = CAMPAIGN_NONE;
	campaign->is_asked = false;
	if (!had_turn)
		return;
	PLANT("campaign:turn_kept", return );
	campaigns->count--;
	grant(campaigns);
}

/* ---- Waiting ---------------------------------------------------------------------------------------------------- */

/* Uniform in [t, 2t), as Raft's own timeouts. */
static uint64_t randomized(const struct peer *peer, uint64_t time)
{
	uint64_t random;

	env_random(peer_engines(peer)->env, &random, sizeof random);
	return time + random % time;
}

/* Time for the other stores to notice the same: one that does not would not vote. */
static uint64_t notice_time(const struct peer *peer)
{
	const struct raftkv_options *options = &peer_store(peer)->options;

	return (uint64_t)options->heartbeat_tick * options->tick_ms * NS_PER_MS;
}

/* Raft's clock has moved to the present. */
static void forget_leader(struct peer *peer)
{
	PLANT("campaign:leader_remembered", return );
	if (!raw_node_is_in_lease(peer->raft_group))
		raw_node_forget_leader(peer->raft_group);
}

/* It waits, asleep, and joins the queue at `due`. */
static void want(struct peer *peer, uint64_t due)
{
	campaign_end(peer);
	raw_node_hibernate(peer->raft_group);
	raw_node_tick_to(peer->raft_group, peer_tick_now(peer_store(peer)));
	forget_leader(peer);
	peer->campaign.state = CAMPAIGN_WANTED;
	peer->campaign.due = due;
	shard_mark(peer->shard, peer);
}

/* Nobody has campaigned yet: the first one does so from `from` on, the others after a randomized `delay`. */
static void want_from(struct peer *peer, uint64_t from, uint64_t delay)
{
	peer->campaign.is_first = is_first(peer);
	want(peer, peer->campaign.is_first ? from : from + randomized(peer, delay));
}

void campaign_on_start(struct peer *peer)
{
	uint64_t timeout = peer_election_ns(peer);

	if (peer_is_here(peer) && is_voter(peer) && !peer_is_alone(peer) &&
		peer_store(peer)->options.transport)
		want_from(peer, campaign_now(peer) + timeout + notice_time(peer), timeout);
}

bool campaign_on_lost(struct peer *peer)
{
	if (!is_voter(peer))
		return false;
	want_from(peer, campaign_now(peer) + notice_time(peer), peer_election_ns(peer));
	return true;
}

static void join(struct peer *peer)
{
	struct campaign *campaign = &peer->campaign;

	campaign->state = CAMPAIGN_QUEUED;
	if (heap_set(&campaigns_of(peer)->queue, &campaign->place, campaign->is_asked ? 0 : campaign->due) <
		0)
		engines_fail(peer_engines(peer), -ENOMEM, "out of memory for a campaign");
}

/* A replica that was restarted waits until the others may vote again; they were perhaps restarted with it. */
static void come_forward(struct peer *peer)
{
	uint64_t now = campaign_now(peer);
	uint64_t due = peer_is_quiet_voter(peer) ? peer->quiet_until + notice_time(peer) : now;

	if (due < peer->campaign.due)
		peer->campaign.due = due;
	shard_mark(peer->shard, peer);
}

void campaign_on_asked(struct peer *peer, bool is_by_member)
{
	struct campaign *campaign = &peer->campaign;

	if (!campaign_is_awaited(peer) || campaign->is_asked)
		return;
	PLANT("campaign:request_unheard", return );
	campaign->is_asked = true;
	if (campaign->state == CAMPAIGN_QUEUED)
		join(peer);
	else if (campaign->state == CAMPAIGN_WANTED && campaign->is_first && !campaign->has_failed)
		come_forward(peer);
	if (!is_by_member && !campaign->is_first)
		hibernation_call(peer);
}

/* ---- Turns ------------------------------------------------------------------------------------------------------ */

static void begin_turn(struct peer *peer)
{
	struct campaign *campaign = &peer->campaign;
	int status;

	forget_leader(peer);
	status = raw_node_campaign(peer->raft_group);
	if (status == STATUS_WOULD_BLOCK) { /* and is tried again with what is fetched */
		peer_fetch(peer);
		return;
	}
	campaign->state = CAMPAIGN_UNDER_WAY;
	campaign->due = campaign_now(peer) + peer_election_ns(peer);
}

static void fail(struct peer *peer)
{
	peer->campaign.has_failed = true;
	want(peer, campaign_now(peer) + randomized(peer, peer_election_ns(peer)));
}

static bool leads(const struct peer *peer)
{
	struct raft_status raft;

	raw_node_status(peer->raft_group, &raft);
	return raft.soft_state.role == RAFT_LEADER;
}

/* Whether there is a leader, here or elsewhere. One that waits may have become it by a late vote. */
static bool is_over(const struct peer *peer, bool is_due)
{
	bool is_under_way = peer->campaign.state == CAMPAIGN_UNDER_WAY;

	if (leads(peer))
		return !is_under_way || is_due || peer_is_serving(peer);
	return is_under_way && peer_has_leader(peer);
}

void campaign_on_tick(struct peer *peer, uint64_t now)
{
	if (raw_node_deadline(peer->raft_group) > now || peer_is_alone(peer) || peer_expects_to_lead(peer) ||
		leads(peer))
		return;
	if (has_turn(peer))
		fail(peer);
	else
		want_from(peer, campaign_now(peer), notice_time(peer));
}

void campaign_go_on(struct peer *peer)
{
	struct campaign *campaign = &peer->campaign;
	bool is_due = campaign_now(peer) >= campaign->due;

	if (peer_has_leader(peer))
		campaign->has_failed = false;
	if (campaign->state == CAMPAIGN_NONE)
		return;
	if (is_over(peer, is_due)) {
		campaign_end(peer);
	} else if (campaign->state == CAMPAIGN_UNDER_WAY && is_due) {
		fail(peer);
	} else if (campaign->state == CAMPAIGN_WANTED && is_due) {
		join(peer);
		grant(campaigns_of(peer));
	}
	if (campaign->state == CAMPAIGN_GRANTED)
		begin_turn(peer);
}

uint64_t campaign_time(const struct peer *peer)
{
	enum campaign_state state = peer->campaign.state;

	return state == CAMPAIGN_WANTED || state == CAMPAIGN_UNDER_WAY ? peer->campaign.due : UINT64_MAX;
}

void campaigns_close(struct campaigns *campaigns)
{
	heap_close(&campaigns->queue);
}
