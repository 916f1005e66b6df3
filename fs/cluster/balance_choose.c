/* What a region needs, and which stores the operation is between. */
#include <stddef.h>

#include "fs/cluster/balance_internal.h"

#define JOINT_ROLES  (REGION_VOTER_OUTGOING | REGION_LEARNER_NEXT)
#define REGION_FIRST UINT64_C(1) /* its leader places */
#define SMALL_PART                                                                                           \
	2u /* a region with less than this part of its store's mean region is moved for bytes only when */
#define SMALLEST_PART 64u /* no larger one can be; one with less than this part never is */

struct store_view *balance_view_at(struct balance *balance, const struct region_replica *replica)
{
	uint16_t index = balance->by_position[replica->store];

	return index == 0 ? NULL : &balance->stores[index - 1];
}

static bool is_voter(const struct region_replica *replica)
{
	return replica->roles & REGION_VOTER;
}

static bool is_down(const struct region_replica *replica, const struct store_view *store)
{
	return replica->flags & REGION_REPLICA_IS_DOWN || !store || !store->is_alive;
}

/* Its successor is made at once. */
static bool needs_repair(const struct store_view *store)
{
	return store && (store->is_gone || (store->is_leaving && !store->is_alive));
}

/* Its successor is made as the limits allow. */
static bool is_draining(const struct store_view *store)
{
	return store && store->is_leaving && !needs_repair(store);
}

/* ---- A region ---- */

bool balance_view_region(struct balance *balance, const struct region_entry *entry, struct region_view *view)
{
	uint32_t stores = balance->up_count;

	*view = (struct region_view){.entry = entry, .replicas = region_entry_replicas(entry)};
	if (entry->leader == REGION_TABLE_NO_STORE || entry->flags & REGION_IS_CHANGING)
		return false;
	for (uint32_t i = 0; i < entry->replica_count; i++) {
		const struct region_replica *replica = &view->replicas[i];
		struct store_view *store = balance_view_at(balance, replica);
		bool down = is_down(replica, store);

		balance->work++;
		stores += !store;
		view->has_down |= down;
		view->voters += is_voter(replica);
		view->alive += is_voter(replica) && !down;
		if (replica->store == entry->leader)
			view->leader = store;
		if (is_voter(replica) || replica->roles & JOINT_ROLES)
			continue;
		view->stray = balance->table->stores[replica->store].id;
		if (!down && !store->is_leaving)
			view->learner = store;
	}
	view->wanted = placement_wanted(balance->options.replicas, view->voters, stores);
	return view->leader && view->leader->is_alive && view->alive * 2 > view->voters;
}

bool balance_has_replica(
	struct balance *balance, const struct region_view *view, const struct store_view *store)
{
	for (uint32_t i = 0; i < view->entry->replica_count; i++)
		if (balance_view_at(balance, &view->replicas[i]) == store)
			return true;
	return false;
}

/* How much the voters' stores differ, without `except` and those that are leaving. */
uint64_t balance_differences_without(
	struct balance *balance, const struct region_view *view, const struct store_view *except)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < view->entry->replica_count; i++) {
		const struct store_view *one = balance_view_at(balance, &view->replicas[i]);

		if (!is_voter(&view->replicas[i]) || !one || one->is_leaving || one == except)
			continue;
		for (uint32_t k = 0; k < i; k++) {
			const struct store_view *other = balance_view_at(balance, &view->replicas[k]);

			if (is_voter(&view->replicas[k]) && other && !other->is_leaving && other != except)
				sum += balance_difference(balance, one, other);
		}
	}
	return sum;
}

/* How much `store` differs from the stores of the voters that stay when `from` leaves. */
uint64_t balance_differences_of(struct balance *balance, const struct region_view *view,
	const struct store_view *from, const struct store_view *store)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < view->entry->replica_count; i++) {
		const struct store_view *other = balance_view_at(balance, &view->replicas[i]);

		if (is_voter(&view->replicas[i]) && other && other != from && !other->is_leaving)
			sum += balance_difference(balance, store, other);
	}
	return sum;
}

/* ---- Where to ---- */

static double ratio_with(const struct store_view *store, uint64_t bytes)
{
	return (double)(store->bytes + bytes) / (double)store->given->capacity;
}

static double ratio_without(const struct store_view *store, uint64_t bytes)
{
	return store->given->capacity == 0 ? 0
					   : (double)(store->bytes - bytes) / (double)store->given->capacity;
}

static bool may_come(struct balance *balance, const struct region_view *view, const struct store_view *store)
{
	return balance_may_get(balance, store) && store->room >= view->entry->bytes &&
	       !balance_has_replica(balance, view, store);
}

static bool is_emptier(const struct region_view *view, const struct store_view *a, const struct store_view *b)
{
	double left = ratio_with(a, view->entry->bytes), right = ratio_with(b, view->entry->bytes);

	if (left < right || left > right)
		return left < right;
	return a->replicas + a->coming < b->replicas + b->coming;
}

/* The replacement that is named for `from`, if it is up and without a replica of the region. */
static struct store_view *find_replacement(
	struct balance *balance, const struct region_view *view, const struct store_view *from)
{
	struct store_view *store = from && from->is_leaving && from->given->replacement
					   ? balance_find_store(balance, from->given->replacement)
					   : NULL;

	return store && store->given->state == STORE_UP && !balance_has_replica(balance, view, store) ? store
												      : NULL;
}

/* The store that differs most from those that stay when `from` leaves (NULL: none does), and of these the emptiest. */
static struct store_view *choose_target(struct balance *balance, const struct region_view *view,
	const struct store_view *from, uint64_t *differences)
{
	struct store_view *best = find_replacement(balance, view, from);

	*differences = 0;
	if (best)
		return may_come(balance, view, best) ? best : NULL;
	for (uint32_t i = 0; i < balance->store_count; i++) {
		struct store_view *store = &balance->stores[i];
		uint64_t sum;

		if (!may_come(balance, view, store))
			continue;
		sum = balance_differences_of(balance, view, from, store);
		if (best && (sum != *differences ? sum < *differences : !is_emptier(view, store, best)))
			continue;
		best = store;
		*differences = sum;
	}
	return best;
}

/* ---- Moves ---- */

static bool may_leave(const struct balance *balance, const struct store_view *store)
{
	return !store->is_alive || store->leaving < balance->options.moves_per_store;
}

/* Is it the one that may leave? With a replica down, nobody else does. */
bool balance_is_free_to_leave(
	struct balance *balance, const struct region_view *view, const struct region_replica *replica)
{
	const struct store_view *store = balance_view_at(balance, replica);

	return store && may_leave(balance, store) && (!view->has_down || is_down(replica, store));
}

/* `from` NULL: none leaves; `to` NULL: none comes. The voters that are alive stay a majority: they are one now, who
 * comes is alive, and who leaves is down unless all are alive. */
bool balance_set_move(struct balance *balance, const struct region_view *view,
	const struct region_replica *from, const struct store_view *to, struct balance_operation *operation)
{
	bool is_copied = to && to != view->learner;

	if (to && !balance_may_send(balance, view->leader))
		return false;
	operation->goal = (struct placement_goal){.kind = PLACEMENT_GOAL_MOVE,
		.from = from ? balance_view_at(balance, from)->id : 0,
		.to = to ? to->id : 0};
	operation->bytes = is_copied ? view->entry->bytes : 0;
	return true;
}

/* A voter on a store that is gone before one on a store that drains and is silent, then a learner there. */
static const struct region_replica *find_broken(struct balance *balance, const struct region_view *view)
{
	const struct region_replica *best = NULL;
	uint32_t most = 0;

	for (uint32_t i = 0; i < view->entry->replica_count; i++) {
		const struct region_replica *replica = &view->replicas[i];
		const struct store_view *store = balance_view_at(balance, replica);
		uint32_t urgency = is_voter(replica) ? (store && store->is_gone ? 3 : 2) : 1;

		if (!needs_repair(store) || urgency <= most)
			continue;
		best = replica;
		most = urgency;
	}
	return best;
}

static bool needs_voter(struct balance *balance, const struct region_view *view)
{
	const struct region_replica *broken = find_broken(balance, view);

	return view->voters < view->wanted || (view->voters == view->wanted && broken && is_voter(broken));
}

static bool choose_repair(
	struct balance *balance, const struct region_view *view, struct balance_operation *operation)
{
	const struct region_replica *from = view->voters < view->wanted ? NULL : find_broken(balance, view);
	struct store_view *to = NULL;
	uint64_t differences;

	if (needs_voter(balance, view)) {
		to = view->learner ? view->learner
				   : choose_target(balance, view,
					     from ? balance_view_at(balance, from) : NULL, &differences);
		if (!to || to->coming >= balance->options.moves_per_store)
			return false;
	}
	return balance_set_move(balance, view, from, to, operation);
}

static bool choose_domain(
	struct balance *balance, const struct region_view *view, struct balance_operation *operation)
{
	uint64_t most = balance_differences_without(balance, view, NULL);
	const struct region_replica *best = NULL;
	struct store_view *best_to = NULL;

	for (uint32_t i = 0; i < view->entry->replica_count; i++) {
		const struct region_replica *replica = &view->replicas[i];
		const struct store_view *from = balance_view_at(balance, replica);
		struct store_view *to;
		uint64_t sum;

		if (!balance_is_free_to_leave(balance, view, replica))
			continue;
		to = choose_target(balance, view, from, &sum);
		sum += balance_differences_without(balance, view, from);
		if (!to || sum < most || (!best && sum == most))
			continue;
		/* Of equals the leader stays. */
		if (best && sum == most && balance_view_at(balance, best) != view->leader)
			continue;
		best = replica;
		best_to = to;
		most = sum;
	}
	return best && balance_set_move(balance, view, best, best_to, operation);
}

/* ---- Leaders ---- */

bool balance_can_lead(const struct region_replica *replica, const struct store_view *store)
{
	return is_voter(replica) && !is_down(replica, store) && !store->is_leaving &&
	       !(replica->flags & REGION_REPLICA_IS_BEHIND);
}

/* The store with least load that could lead instead. `may_be_full`: one that would have to hand over again, too. */
static struct store_view *choose_leader(
	struct balance *balance, const struct region_view *view, bool may_be_full)
{
	struct store_view *best = NULL;

	for (uint32_t i = 0; i < view->entry->replica_count; i++) {
		struct store_view *store = balance_view_at(balance, &view->replicas[i]);

		if (store == view->leader || !balance_can_lead(&view->replicas[i], store) ||
			!(may_be_full || store->may_lead))
			continue;
		if (!best || (store->may_lead != best->may_lead ? store->may_lead : store->load < best->load))
			best = store;
	}
	return best;
}

bool balance_set_transfer(struct balance *balance, const struct region_view *view,
	const struct store_view *to, struct balance_operation *operation)
{
	if (view->leader->handing >= balance->options.transfers_per_store ||
		to->taking >= balance->options.transfers_per_store)
		return false;
	operation->goal =
		(struct placement_goal){.kind = PLACEMENT_GOAL_LEAD, .from = view->leader->id, .to = to->id};
	operation->bytes = 0;
	return true;
}

/* The replica that is to go where there are too many: on a store that drains, else the one without which the others
 * differ most, else on the fullest store. */
static bool choose_surplus(
	struct balance *balance, const struct region_view *view, struct balance_operation *operation)
{
	const struct region_replica *best = NULL;
	uint64_t most = 0;

	for (uint32_t i = 0; i < view->entry->replica_count; i++) {
		const struct region_replica *replica = &view->replicas[i];
		const struct store_view *store = balance_view_at(balance, replica), *other = NULL;
		uint64_t rest;

		if (!balance_is_free_to_leave(balance, view, replica))
			continue;
		if (!is_voter(replica)) {
			best = replica;
			break;
		}
		if (view->voters <= view->wanted ||
			(store == view->leader && !(store->is_leaving && choose_leader(balance, view, true))))
			continue;
		rest = store->is_leaving ? UINT64_MAX : balance_differences_without(balance, view, store);
		if (best)
			other = balance_view_at(balance, best);
		if (other && (rest != most ? rest < most : store->ratio <= other->ratio))
			continue;
		best = replica;
		most = rest;
	}
	return best && balance_set_move(balance, view, best, NULL, operation);
}

static bool must_hand_over(const struct region_view *view)
{
	return view->leader->given->is_full && !view->leader->is_leaving;
}

static bool wants_other_leader(const struct balance *balance, const struct region_view *view)
{
	const struct store_view *leader = view->leader;

	return leader->may_lead && !view->has_down && view->entry->id != REGION_FIRST &&
	       !balance_is_scattered(balance, view->entry->id) &&
	       (leader->is_over_load || (balance->has_under_load && leader->load > balance->mean_load));
}

static bool choose_lead(
	struct balance *balance, const struct region_view *view, struct balance_operation *operation)
{
	struct store_view *to = choose_leader(balance, view, false);
	const struct store_view *from = view->leader;
	uint64_t load = balance_load_of(balance, view->entry);

	if (!to)
		return false;
	if (!must_hand_over(view) &&
		(!wants_other_leader(balance, view) || !(from->is_over_load || to->is_under_load) ||
			from->load < to->load + load + load / 4 ||
			from->load - to->load <= balance->mean_load * BALANCE_LOAD_STOP / 100))
		return false;
	return balance_set_transfer(balance, view, to, operation);
}

static bool choose_drain(
	struct balance *balance, const struct region_view *view, struct balance_operation *operation)
{
	struct store_view *leader = is_draining(view->leader) ? choose_leader(balance, view, true) : NULL;

	if (leader)
		return balance_set_transfer(balance, view, leader, operation);
	for (uint32_t i = 0; i < view->entry->replica_count; i++) {
		const struct region_replica *replica = &view->replicas[i];
		const struct store_view *from = balance_view_at(balance, replica);
		struct store_view *to;
		uint64_t differences;

		if (!is_draining(from) || !balance_is_free_to_leave(balance, view, replica))
			continue;
		to = choose_target(balance, view, from, &differences);
		if (to && balance_set_move(balance, view, replica, to, operation))
			return true;
	}
	return false;
}

/* ---- Bytes ---- */

static bool is_worth_moving(const struct balance *balance, const struct region_view *view,
	const struct region_replica *replica, const struct store_view *store)
{
	bool takes_small = balance->passed > balance->table->count;
	uint64_t part = takes_small ? SMALLEST_PART : SMALL_PART;

	return is_voter(replica) && store && store->is_source && view->entry->bytes > 0 &&
	       view->entry->bytes * part >= store->region_bytes && may_leave(balance, store);
}

static bool brings_closer(const struct balance *balance, const struct region_view *view,
	const struct store_view *from, const struct store_view *to)
{
	uint64_t bytes = view->entry->bytes;

	return (from->is_over || from->given->is_full || to->is_under) &&
	       from->ratio - to->ratio > balance->mean_ratio * BALANCE_BYTES_STOP / 100 &&
	       ratio_without(from, bytes) >= ratio_with(to, bytes);
}

static bool choose_bytes(
	struct balance *balance, const struct region_view *view, struct balance_operation *operation)
{
	uint64_t differences = balance_differences_without(balance, view, NULL);
	const struct region_replica *best = NULL;
	struct store_view *best_to = NULL;
	double most = 0;

	for (uint32_t i = 0; i < view->entry->replica_count; i++) {
		const struct region_replica *replica = &view->replicas[i];
		const struct store_view *from = balance_view_at(balance, replica);
		uint64_t others;

		if (!is_worth_moving(balance, view, replica, from))
			continue;
		others = balance_differences_without(balance, view, from);
		for (uint32_t k = 0; k < balance->store_count; k++) {
			struct store_view *to = &balance->stores[k];

			balance->work++;
			if (from->ratio - to->ratio <= most || !brings_closer(balance, view, from, to) ||
				!may_come(balance, view, to) ||
				others + balance_differences_of(balance, view, from, to) < differences)
				continue;
			best = replica;
			best_to = to;
			most = from->ratio - to->ratio;
		}
	}
	return best && balance_set_move(balance, view, best, best_to, operation);
}

/* ---- Reasons ---- */

static bool has_draining(struct balance *balance, const struct region_view *view)
{
	for (uint32_t i = 0; i < view->entry->replica_count; i++)
		if (is_draining(balance_view_at(balance, &view->replicas[i])))
			return true;
	return false;
}

static bool has_movable(struct balance *balance, const struct region_view *view)
{
	for (uint32_t i = 0; i < view->entry->replica_count; i++)
		if (is_worth_moving(
			    balance, view, &view->replicas[i], balance_view_at(balance, &view->replicas[i])))
			return true;
	return false;
}

bool balance_region_is_settled(const struct region_view *view)
{
	return !view->has_down && view->stray == 0 && view->voters == view->wanted;
}

bool balance_may_want(struct balance *balance, const struct region_view *view, enum balance_reason reason)
{
	bool can_copy = balance->has_target && balance_may_send(balance, view->leader);
	bool is_settled = balance_region_is_settled(view);

	switch (reason) {
	case BALANCE_REPAIR:
		return needs_voter(balance, view) ? (balance->has_target || view->learner) &&
							    balance_may_send(balance, view->leader)
						  : find_broken(balance, view) != NULL;
	case BALANCE_SURPLUS:
		return view->voters >= view->wanted && !find_broken(balance, view) &&
		       (view->voters > view->wanted || view->stray != 0);
	case BALANCE_DOMAIN:
		return can_copy && is_settled &&
		       balance_differences_without(balance, view, NULL) < balance->best[view->voters];
	case BALANCE_DRAIN:
		return view->stray == 0 && view->voters == view->wanted && has_draining(balance, view);
	case BALANCE_BYTES:
		return can_copy && is_settled && !balance_is_scattered(balance, view->entry->id) &&
		       has_movable(balance, view);
	case BALANCE_LEAD:
		return must_hand_over(view) || wants_other_leader(balance, view);
	default:
		return false;
	}
}

bool balance_choose(struct balance *balance, const struct region_view *view, enum balance_reason reason,
	struct balance_operation *operation)
{
	static bool (*const choices[])(struct balance * balance, const struct region_view *view,
		struct balance_operation *operation) = {
		[BALANCE_REPAIR] = choose_repair,
		[BALANCE_SURPLUS] = choose_surplus,
		[BALANCE_DOMAIN] = choose_domain,
		[BALANCE_DRAIN] = choose_drain,
		[BALANCE_BYTES] = choose_bytes,
		[BALANCE_LEAD] = choose_lead,
	};

	*operation = (struct balance_operation){
		.region = view->entry->id, .reason = reason, .sender = view->leader->id};
	return balance_may_want(balance, view, reason) && choices[reason](balance, view, operation);
}
