/* What administrators ask for: looked at, refused with a sentence, or done. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "fs/cluster/keeper_internal.h"

/* ---- The queue ---- */

void keeper_make(struct keeper *keeper, struct keeper_wish *wish)
{
	struct status status = {0};

	wish->next = NULL;
	if (keeper->term == 0 || keeper->is_stopping) {
		status_set(&status, STATUS_NOT_LEADER, "another store keeps the cluster");
		wish->done(wish, &status);
		return;
	}
	*keeper->wishes_end = wish;
	keeper->wishes_end = &wish->next;
	keeper_go_on(keeper);
}

static struct keeper_wish *pop(struct keeper *keeper)
{
	struct keeper_wish *wish = keeper->wishes;

	if (!wish)
		return NULL;
	keeper->wishes = wish->next;
	if (!keeper->wishes)
		keeper->wishes_end = &keeper->wishes;
	return wish;
}

void keeper_finish_wish(struct keeper *keeper, const struct status *status)
{
	struct keeper_wish *wish = keeper->wish;

	keeper->wish = NULL;
	if (wish)
		wish->done(wish, status);
}

/* Those that wait; the one that is being made has an end of its own. */
void keeper_drop_wishes(struct keeper *keeper, int code)
{
	struct status status = {0};

	status_set(&status, code, "this store keeps the cluster no longer");
	for (struct keeper_wish *wish = pop(keeper); wish; wish = pop(keeper))
		wish->done(wish, &status);
}

/* ---- Stores ---- */

/* For every region that the store is in: is there another one for it? */
static bool has_spares(struct keeper *keeper, uint64_t store)
{
	struct placement_store stores[STORE_COUNT_MAX];

	for (uint32_t i = 0; i < keeper->seen.count; i++) {
		const struct keeper_region *region = &keeper->seen.regions[i];
		struct placement placement = keeper_placement(keeper, region, stores);

		for (uint32_t k = 0; k < region->member_count; k++)
			if (region->members[k].peer.store == store && !placement_has_spare(&placement, store))
				return false;
	}
	return true;
}

static int check_heir(struct keeper *keeper, const struct keeper_wish *wish, struct status *status)
{
	const struct store_entry *heir = store_table_find(&keeper->stores, wish->heir);

	if (wish->heir == 0)
		return 0;
	if (!heir || heir->state != STORE_UP || wish->heir == wish->store)
		return status_set(status, -EINVAL,
			"store %" PRIu64 " can take nothing over: it is %s; see 'raftkv store ls'",
			wish->heir, heir ? "not up, or the same one" : "unknown");
	return 0;
}

/* It was let before, and goes on. */
static bool is_draining(struct keeper *keeper, uint64_t store)
{
	const struct store_entry *entry = store_table_find(&keeper->stores, store);

	return entry && entry->state == STORE_DRAINING;
}

static int check_drain(struct keeper *keeper, const struct keeper_wish *wish, struct status *status)
{
	if (!wish->is_forced && !is_draining(keeper, wish->store) && !has_spares(keeper, wish->store))
		return status_set(status, -EBUSY,
			"no other store could take what store %" PRIu64
			" has: add one ('raftkvd --join'), or make do with fewer replicas (--force)",
			wish->store);
	return check_heir(keeper, wish, status);
}

static int check_lost(struct keeper *keeper, const struct keeper_wish *wish, const struct store_entry *entry,
	struct status *status)
{
	uint64_t now = env_now(keeper->env);

	if (store_entry_is_alive(entry, now))
		return status_set(status, -EBUSY,
			"store %" PRIu64 " is alive: 'raftkv store drain %" PRIu64
			"' moves what it has while it serves",
			entry->id, entry->id);
	if (now - keeper->since < 2 * STORE_REPORT_MS * NS_PER_MS)
		return status_set(status, -EAGAIN,
			"the store that keeps the cluster is new to it, and does not know yet who is alive: "
			"try again");
	return check_heir(keeper, wish, status);
}

static int check_remove(const struct keeper *keeper, const struct store_entry *entry, struct status *status)
{
	if (entry->state == STORE_UP)
		return status_set(status, -EBUSY,
			"store %" PRIu64 " serves: 'raftkv store drain %" PRIu64 "' comes first", entry->id,
			entry->id);
	if (entry->replicas > 0 || !keeper->seen.is_whole)
		return status_set(status, -EBUSY,
			"store %" PRIu64 " still has %" PRIu32
			" replicas; 'raftkv store drain --wait %" PRIu64 "' waits for the last one",
			entry->id, entry->replicas, entry->id);
	return 0;
}

static int check_store(struct keeper *keeper, const struct keeper_wish *wish, struct status *status)
{
	const struct store_entry *entry = store_table_find(&keeper->stores, wish->store);

	if (!entry)
		return status_set(status, -ENOENT,
			"there is no store %" PRIu64 ", or it was removed; see 'raftkv store ls'",
			wish->store);
	if (!keeper->seen.is_whole)
		return status_set(status, -EAGAIN, "the regions have not been looked at yet: try again");
	switch (wish->state) {
	case STORE_UP:
		return 0;
	case STORE_DRAINING:
		return check_drain(keeper, wish, status);
	case STORE_LOST:
		return check_lost(keeper, wish, entry, status);
	case STORE_REMOVED:
		return check_remove(keeper, entry, status);
	}
	return status_set(status, -EINVAL, "a store has no such state");
}

static void set_store(struct keeper *keeper, const struct keeper_wish *wish)
{
	const struct op op = {.kind = OP_STORE_SET,
		.store_set = {.id = wish->store, .state = wish->state, .heir = wish->heir}};

	keeper_run(keeper, &op);
}

/* ---- Regions ---- */

static const struct keeper_region *find_region(const struct keeper *keeper, uint64_t id)
{
	for (uint32_t i = 0; i < keeper->seen.count; i++)
		if (keeper->seen.regions[i].id == id)
			return &keeper->seen.regions[i];
	return NULL;
}

static const struct region_member *find_member(const struct keeper_region *region, uint64_t store)
{
	for (uint32_t i = 0; i < region->member_count; i++)
		if (region->members[i].peer.store == store)
			return &region->members[i];
	return NULL;
}

static int refuse(const struct keeper_wish *wish, int code, const char *why, struct status *status)
{
	return status_set(
		status, code, "store %" PRIu64 ", region %" PRIu64 ": %s", wish->store, wish->region, why);
}

static int plan_addition(struct keeper *keeper, const struct keeper_wish *wish, struct status *status)
{
	const struct store_entry *entry = store_table_find(&keeper->stores, wish->store);

	if (!entry || entry->state != STORE_UP)
		return refuse(wish, -EINVAL, "no such store, or it gets no replicas any more", status);
	if (!store_entry_is_alive(entry, env_now(keeper->env)))
		return refuse(wish, -EHOSTDOWN, "the store is silent", status);
	keeper->step = (struct placement_step){.kind = PLACEMENT_ADD, .store = wish->store};
	return 0;
}

static int plan_change(struct keeper *keeper, const struct keeper_wish *wish,
	const struct keeper_region *region, const struct region_member *member, struct status *status)
{
	struct placement_store stores[STORE_COUNT_MAX];
	struct placement placement = keeper_placement(keeper, region, stores);
	bool is_promotion = wish->kind == KEEPER_PROMOTE_PEER;

	if (is_promotion && member->peer.roles != REGION_LEARNER)
		return refuse(wish, -EALREADY, "the replica is no learner", status);
	if (is_promotion && !placement_has_caught_up(&placement, member))
		return refuse(wish, -EAGAIN, "the replica has not caught up yet", status);
	if (!is_promotion && member->peer.id == region->leader)
		return refuse(
			wish, -EBUSY, "the leader is there: 'raftkv region transfer' comes first", status);
	if (!placement_is_safe(
		    &placement, is_promotion ? 0 : member->peer.id, is_promotion ? member->peer.id : 0))
		return refuse(wish, -EBUSY, "those that are alive would be no majority any more", status);
	keeper->step = is_promotion ? (struct placement_step){.kind = PLACEMENT_PROMOTE,
					      .store = wish->store,
					      .replica = member->peer.id}
				    : (struct placement_step){.kind = PLACEMENT_REMOVE,
					      .store = wish->store,
					      .leaving = member->peer.id};
	return 0;
}

static int plan_transfer(struct keeper *keeper, const struct keeper_wish *wish,
	const struct region_member *member, struct status *status)
{
	if (!(member->peer.roles & REGION_VOTER))
		return refuse(wish, -EINVAL, "the replica has no vote", status);
	if (!member->is_active)
		return refuse(wish, -EHOSTDOWN, "the replica was not heard of lately", status);
	keeper->step = (struct placement_step){
		.kind = PLACEMENT_TRANSFER, .store = wish->store, .replica = member->peer.id};
	return 0;
}

static int plan(struct keeper *keeper, const struct keeper_wish *wish, struct status *status)
{
	const struct keeper_region *region = find_region(keeper, wish->region);
	const struct region_member *member = region ? find_member(region, wish->store) : NULL;

	if (!region)
		return status_set(status, STATUS_REGION_NOT_FOUND,
			"the store that keeps the cluster does not lead region %" PRIu64
			"; see 'raftkv region ls'",
			wish->region);
	keeper->step_region = region->id;
	keeper->step_conf_version = region->epoch.conf_version;
	if (wish->kind == KEEPER_ADD_PEER)
		return member ? refuse(wish, -EEXIST, "it has a replica already", status)
			      : plan_addition(keeper, wish, status);
	if (!member)
		return refuse(wish, -ENOENT, "it has no replica", status);
	return wish->kind == KEEPER_TRANSFER ? plan_transfer(keeper, wish, member, status)
					     : plan_change(keeper, wish, region, member, status);
}

/* ---- One wish ---- */

/* What is asked for is judged by what the regions are now. */
static void look_again(struct keeper *keeper)
{
	if (keeper->is_pass_stale)
		keeper->pass.is_running = false;
	keeper->pass.ended = 0;
}

bool keeper_make_wish(struct keeper *keeper)
{
	struct keeper_wish *wish = keeper->is_seen_stale ? NULL : pop(keeper);
	struct status status = {0};
	int code;

	if (keeper->wishes && keeper->is_seen_stale)
		look_again(keeper);
	if (!wish)
		return false;
	keeper->wish = wish;
	code = wish->kind == KEEPER_SET_STORE ? check_store(keeper, wish, &status)
					      : plan(keeper, wish, &status);
	if (code < 0 || wish->is_dry)
		keeper_finish_wish(keeper, &status);
	else if (wish->kind == KEEPER_SET_STORE)
		set_store(keeper, wish);
	else
		keeper_take_step(keeper);
	return keeper->is_busy;
}
