#include "fs/cluster/placement.h"

#include <stddef.h>

#define JOINT_ROLES (REGION_VOTER_OUTGOING | REGION_LEARNER_NEXT)

/* ---- Stores ---- */

static const struct placement_store *find_store(const struct placement *placement, uint64_t id)
{
	for (uint32_t i = 0; i < placement->store_count; i++)
		if (placement->stores[i].id == id)
			return &placement->stores[i];
	return NULL;
}

/* A member whose store has no record stays: no administrator asked for its removal. */
static bool is_leaving(const struct placement *placement, const struct region_member *member)
{
	const struct placement_store *store = find_store(placement, member->peer.store);

	if (placement->goal.kind == PLACEMENT_GOAL_MOVE && member->peer.store == placement->goal.from)
		return true;
	return store && store->state != STORE_UP;
}

static const struct region_member *find_member_at(const struct placement *placement, uint64_t store)
{
	for (uint32_t i = 0; i < placement->member_count; i++)
		if (placement->members[i].peer.store == store)
			return &placement->members[i];
	return NULL;
}

static bool is_candidate(const struct placement *placement, const struct placement_store *store)
{
	return store->state == STORE_UP && store->is_alive && !store->is_full &&
	       !find_member_at(placement, store->id);
}

bool placement_has_spare(const struct placement *placement, uint64_t id)
{
	for (uint32_t i = 0; i < placement->store_count; i++)
		if (placement->stores[i].id != id && is_candidate(placement, &placement->stores[i]))
			return true;
	return false;
}

/* ---- Members ---- */

static bool is_voter(const struct region_member *member)
{
	return member->peer.roles & REGION_VOTER;
}

static bool is_learner(const struct region_member *member)
{
	return member->peer.roles == REGION_LEARNER;
}

static bool is_on_live_store(const struct placement *placement, const struct region_member *member)
{
	const struct placement_store *store = find_store(placement, member->peer.store);

	return store && store->state == STORE_UP && store->is_alive;
}

bool placement_has_caught_up(const struct placement *placement, const struct region_member *member)
{
	return member->is_active && !member->is_in_snapshot && !member->wants_snapshot && member->match > 0 &&
	       member->match + PLACEMENT_LAG >= placement->last_index;
}

static bool is_joint(const struct placement *placement)
{
	for (uint32_t i = 0; i < placement->member_count; i++)
		if (placement->members[i].peer.roles & JOINT_ROLES)
			return true;
	return false;
}

static uint32_t count_voters(const struct placement *placement, bool leaving)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < placement->member_count; i++)
		count += is_voter(&placement->members[i]) &&
			 is_leaving(placement, &placement->members[i]) == leaving;
	return count;
}

uint32_t placement_wanted(uint32_t replicas, uint32_t voters, uint32_t stores)
{
	uint32_t wanted = replicas;

	if (wanted == 0)
		wanted = voters < PLACEMENT_REPLICAS ? PLACEMENT_REPLICAS : voters;
	return wanted < stores ? wanted : stores;
}

static uint32_t count_wanted(const struct placement *placement, uint32_t voters)
{
	uint32_t stores = 0;

	for (uint32_t i = 0; i < placement->store_count; i++)
		stores += placement->stores[i].state == STORE_UP;
	for (uint32_t i = 0; i < placement->member_count; i++)
		stores += !find_store(placement, placement->members[i].peer.store);
	return placement_wanted(placement->replicas, voters, stores);
}

bool placement_is_safe(const struct placement *placement, uint64_t leaving, uint64_t coming)
{
	uint32_t voters = 0, active = 0;

	for (uint32_t i = 0; i < placement->member_count; i++) {
		const struct region_member *member = &placement->members[i];
		bool votes = (is_voter(member) || member->peer.id == coming) && member->peer.id != leaving;

		voters += votes;
		active += votes && member->is_active;
	}
	return active * 2 > voters;
}

/* ---- Choices ---- */

/* The voter to remove first from stores that are not up: an inactive one before an active one, never the leader. NULL:
 * none. */
static const struct region_member *choose_leaving(const struct placement *placement)
{
	const struct region_member *best = NULL;

	for (uint32_t i = 0; i < placement->member_count; i++) {
		const struct region_member *member = &placement->members[i];

		if (!is_voter(member) || !is_leaving(placement, member) ||
			member->peer.id == placement->leader)
			continue;
		if (!best || (best->is_active && !member->is_active))
			best = member;
	}
	return best;
}

/* The voter to remove where there are too many: an inactive one first, then one on the store with most regions. NULL:
 * none. */
static const struct region_member *choose_surplus(const struct placement *placement)
{
	const struct region_member *best = NULL;
	uint32_t most = 0;

	for (uint32_t i = 0; i < placement->member_count; i++) {
		const struct region_member *member = &placement->members[i];
		const struct placement_store *store = find_store(placement, member->peer.store);
		uint32_t regions = store ? store->regions : 0;

		if (!is_voter(member) || member->peer.id == placement->leader)
			continue;
		if (best && (best->is_active != member->is_active ? !best->is_active : regions <= most))
			continue;
		best = member;
		most = regions;
	}
	return best;
}

/* A learner on a live store: one that has caught up before one that has not. NULL: none. */
static const struct region_member *choose_learner(const struct placement *placement)
{
	const struct region_member *best = NULL;

	for (uint32_t i = 0; i < placement->member_count; i++) {
		const struct region_member *member = &placement->members[i];

		if (is_learner(member) && is_on_live_store(placement, member) &&
			(!best || (!placement_has_caught_up(placement, best) &&
					  placement_has_caught_up(placement, member))))
			best = member;
	}
	return best;
}

/* The replacement that an administrator named for a store that is not up. It may be silent. NULL: none. */
static const struct placement_store *choose_replacement(const struct placement *placement)
{
	for (uint32_t i = 0; i < placement->member_count; i++) {
		const struct region_member *member = &placement->members[i];
		const struct placement_store *store = find_store(placement, member->peer.store);
		const struct placement_store *replacement =
			store && store->state != STORE_UP ? find_store(placement, store->replacement) : NULL;

		if (replacement && replacement->state == STORE_UP &&
			!find_member_at(placement, replacement->id))
			return replacement;
	}
	return NULL;
}

/* The store for a new replica: the replacement, else the candidate with fewest regions. NULL: none. */
static const struct placement_store *choose_store(const struct placement *placement)
{
	const struct placement_store *best = choose_replacement(placement);

	if (best)
		return is_candidate(placement, best) ? best : NULL;
	for (uint32_t i = 0; i < placement->store_count; i++) {
		const struct placement_store *store = &placement->stores[i];

		if (is_candidate(placement, store) && (!best || store->regions < best->regions))
			best = store;
	}
	return best;
}

static bool can_lead(const struct placement *placement, const struct region_member *member)
{
	return is_voter(member) && is_on_live_store(placement, member) &&
	       placement_has_caught_up(placement, member);
}

/* The store that should lead instead; NULL: none can. */
static const struct placement_store *choose_leader(const struct placement *placement)
{
	const struct placement_store *best = NULL;

	for (uint32_t i = 0; i < placement->member_count; i++) {
		const struct region_member *member = &placement->members[i];
		const struct placement_store *store = find_store(placement, member->peer.store);

		if (member->peer.id == placement->leader || is_leaving(placement, member) ||
			!can_lead(placement, member))
			continue;
		if (!best ||
			(store->is_full != best->is_full ? best->is_full : store->leaders < best->leaders))
			best = store;
	}
	return best;
}

/* ---- Steps ---- */

static struct placement_step step_of(enum placement_kind kind)
{
	return (struct placement_step){.kind = kind};
}

static struct placement_step remove_or_stuck(
	const struct placement *placement, const struct region_member *member)
{
	if (!member || !placement_is_safe(placement, member->peer.id, 0))
		return step_of(PLACEMENT_STUCK);
	return (struct placement_step){
		.kind = PLACEMENT_REMOVE, .store = member->peer.store, .leaving = member->peer.id};
}

static struct placement_step promote(
	const struct placement *placement, const struct region_member *learner, uint32_t wanted)
{
	uint32_t voters = count_voters(placement, false) + count_voters(placement, true);
	const struct region_member *leaving = voters >= wanted ? choose_leaving(placement) : NULL;
	uint64_t leaving_id = leaving ? leaving->peer.id : 0;

	if (!placement_has_caught_up(placement, learner))
		return step_of(PLACEMENT_WAIT);
	if (!placement_is_safe(placement, leaving_id, learner->peer.id))
		return step_of(PLACEMENT_STUCK);
	return (struct placement_step){.kind = PLACEMENT_PROMOTE,
		.store = learner->peer.store,
		.replica = learner->peer.id,
		.leaving = leaving_id};
}

/* The step where too few voters stay. */
static struct placement_step grow(const struct placement *placement, uint32_t wanted)
{
	const struct region_member *learner = choose_learner(placement);
	const struct placement_store *store = learner ? NULL : choose_store(placement);

	if (learner)
		return promote(placement, learner, wanted);
	if (!store)
		return step_of(PLACEMENT_STUCK);
	return (struct placement_step){.kind = PLACEMENT_ADD, .store = store->id};
}

/* A learner on a store that is not up; NULL: none. */
static const struct region_member *find_leaving_learner(const struct placement *placement)
{
	for (uint32_t i = 0; i < placement->member_count; i++)
		if (is_learner(&placement->members[i]) && is_leaving(placement, &placement->members[i]))
			return &placement->members[i];
	return NULL;
}

static bool should_lead_instead(const struct placement_store *there, const struct placement_store *here)
{
	if (here->state == STORE_UP && here->is_full != there->is_full)
		return here->is_full;
	return here->state != STORE_UP || here->leaders >= there->leaders + 2;
}

/* Moves the leadership away from a store that is not up or is full, or that has two leaders more than another. */
static struct placement_step move_leader(const struct placement *placement)
{
	const struct placement_store *here = NULL, *there = choose_leader(placement);

	for (uint32_t i = 0; i < placement->member_count; i++)
		if (placement->members[i].peer.id == placement->leader)
			here = find_store(placement, placement->members[i].peer.store);
	if (!here || !there || !should_lead_instead(there, here))
		return step_of(PLACEMENT_REST);
	return (struct placement_step){.kind = PLACEMENT_TRANSFER, .store = there->id};
}

/* ---- Goals ---- */

static struct placement_step transfer_to(const struct placement_store *store)
{
	return store ? (struct placement_step){.kind = PLACEMENT_TRANSFER, .store = store->id}
		     : step_of(PLACEMENT_STUCK);
}

static struct placement_step add_at_goal(const struct placement *placement)
{
	const struct placement_store *store = find_store(placement, placement->goal.to);

	if (!store || !is_candidate(placement, store))
		return step_of(PLACEMENT_STUCK);
	return (struct placement_step){.kind = PLACEMENT_ADD, .store = store->id};
}

/* The learner has caught up. A leader that is to leave hands over before; where nobody else can lead, it does so when
 * the learner has its vote. */
static struct placement_step promote_at_goal(const struct placement *placement,
	const struct region_member *here, const struct region_member *learner)
{
	bool leads = here && here->peer.id == placement->leader;
	const struct placement_store *other = leads ? choose_leader(placement) : NULL;
	uint64_t leaving = here && !leads ? here->peer.id : 0;

	if (other)
		return transfer_to(other);
	if (!placement_is_safe(placement, leaving, learner->peer.id))
		return step_of(PLACEMENT_STUCK);
	return (struct placement_step){.kind = PLACEMENT_PROMOTE,
		.store = learner->peer.store,
		.replica = learner->peer.id,
		.leaving = leaving};
}

/* Only a learner, or a voter beyond those that are wanted without it, is removed. */
static struct placement_step leave_at_goal(
	const struct placement *placement, const struct region_member *here)
{
	uint32_t voters = count_voters(placement, true) + count_voters(placement, false);

	if (is_voter(here) && voters <= count_wanted(placement, voters - 1))
		return step_of(PLACEMENT_STUCK);
	if (here->peer.id == placement->leader)
		return transfer_to(choose_leader(placement));
	return remove_or_stuck(placement, here);
}

static struct placement_step move_to_goal(const struct placement *placement)
{
	const struct placement_goal *goal = &placement->goal;
	const struct region_member *here = goal->from ? find_member_at(placement, goal->from) : NULL;
	const struct region_member *there = goal->to ? find_member_at(placement, goal->to) : NULL;

	if (goal->to && !there)
		return add_at_goal(placement);
	if (there && is_learner(there)) {
		if (!is_on_live_store(placement, there))
			return step_of(PLACEMENT_STUCK);
		if (!placement_has_caught_up(placement, there))
			return step_of(PLACEMENT_WAIT);
		return promote_at_goal(placement, here, there);
	}
	return here ? leave_at_goal(placement, here) : step_of(PLACEMENT_REST);
}

static struct placement_step lead_at_goal(const struct placement *placement)
{
	const struct region_member *there = find_member_at(placement, placement->goal.to);

	if (there && there->peer.id == placement->leader)
		return step_of(PLACEMENT_REST);
	if (!there || !can_lead(placement, there))
		return step_of(PLACEMENT_STUCK);
	return transfer_to(find_store(placement, placement->goal.to));
}

struct placement_step placement_next(const struct placement *placement)
{
	uint32_t staying = count_voters(placement, false), leaving = count_voters(placement, true);
	uint32_t wanted = count_wanted(placement, staying + leaving);
	const struct region_member *learner = find_leaving_learner(placement);
	struct placement_step transfer = move_leader(placement);

	if (is_joint(placement))
		return step_of(PLACEMENT_WAIT);
	if (placement->goal.kind == PLACEMENT_GOAL_MOVE)
		return move_to_goal(placement);
	if (placement->goal.kind == PLACEMENT_GOAL_LEAD)
		return lead_at_goal(placement);
	if (learner)
		return remove_or_stuck(placement, learner);
	if (leaving > 0 && transfer.kind == PLACEMENT_TRANSFER)
		return transfer;
	if (staying < wanted)
		return grow(placement, wanted);
	if (leaving > 0)
		return remove_or_stuck(placement, choose_leaving(placement));
	if (staying > wanted)
		return remove_or_stuck(placement, choose_surplus(placement));
	return transfer;
}
