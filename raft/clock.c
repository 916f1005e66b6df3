/* Time: elections, heartbeats and checks of the quorum are due at absolute ticks. */
#include "raft/core.h"

#include "raft/number.h"

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* Uniform in [t, 2t), so that split votes are rare (paper §5.2). */
void raft_reset_election_timeout(struct raft *raft)
{
	raft->randomized_election_tick =
		raft->election_tick + (uint32_t)(next_random(&raft->random) % raft->election_tick);
}

/* Counts from `election_tick`, the minimum election timeout, not the randomized one (Ongaro §4.2.3). */
bool raft_is_in_lease(const struct raft *raft)
{
	return raft->check_quorum && raft->leader != RAFT_NONE &&
	       raft->now - raft->election_base < raft->election_tick;
}

/* Whether an election timeout is due on a leader. */
static bool has_leader_timeout(const struct raft *raft)
{
	return raft->check_quorum || raft->lead_transferee != RAFT_NONE;
}

uint64_t raft_deadline(const struct raft *raft)
{
	uint64_t due;

	if (raft->is_hibernating)
		return RAFT_NEVER;
	if (raft->role == RAFT_LEADER) {
		due = raft->heartbeat_base + raft->heartbeat_tick;
		if (has_leader_timeout(raft))
			due = min_u64(due, raft->election_base + raft->election_tick);
	} else if (raft_is_promotable(raft)) {
		due = raft->election_base + raft->randomized_election_tick;
	} else {
		return RAFT_NEVER;
	}
	return max_u64(due, raft->now + 1);
}

/* Figure 2, followers and candidates: an election timeout starts an election (paper §5.2). */
static int tick_election(struct raft *raft)
{
	int rc;

	if (!raft_is_promotable(raft) || raft->now - raft->election_base < raft->randomized_election_tick)
		return 0;
	rc = raft_hup(raft, raft->pre_vote ? RAFT_CAMPAIGN_PRE_ELECTION : RAFT_CAMPAIGN_ELECTION);
	if (rc == 0)
		raft->election_base = raft->now;
	return rc;
}

/* Once per election timeout: the check of the quorum and the end of a transfer. Figure 2, leaders: heartbeats during idle
 * periods (paper §5.2); they carry the newest round of reads. */
static void tick_leader(struct raft *raft)
{
	uint64_t elapsed = raft->now - raft->election_base;
	struct buf *context;

	if (elapsed >= raft->election_tick) {
		/* As if the node had been ticked one by one. */
		raft->election_base = raft->now - elapsed % raft->election_tick;
		if (raft->check_quorum)
			raft_check_quorum_active(raft);
		/* Another whole timeout has passed, in which no peer was heard from. */
		if (raft->check_quorum && raft->role == RAFT_LEADER && elapsed >= 2u * raft->election_tick)
			raft_check_quorum_active(raft);
		raft->lead_transferee = RAFT_NONE; /* the transfer took too long: take proposals again */
		raft_leave_joint(raft);
	}
	if (raft->role != RAFT_LEADER || raft->now - raft->heartbeat_base < raft->heartbeat_tick)
		return;
	raft->heartbeat_base = raft->now;
	context = raft_read_context(raft);
	raft_broadcast_heartbeat(raft, context);
	buf_unref(context);
}

int raft_tick_to(struct raft *raft, uint64_t now)
{
	uint64_t before = raft->now;
	int rc;

	if (now <= before)
		return 0;
	rc = raft_reserve(raft);
	if (rc)
		return rc;
	raft->now = now;
	if (raft->is_hibernating)
		return 0;
	if (raft->role == RAFT_LEADER)
		tick_leader(raft);
	else
		rc = tick_election(raft);
	if (rc)
		raft->now = before; /* so that the same call again finds the same work */
	return rc;
}

void raft_wake(struct raft *raft)
{
	if (!raft->is_hibernating)
		return;
	raft->is_hibernating = false;
	raft->election_base = raft->now;
	raft->heartbeat_base = raft->now;
}
