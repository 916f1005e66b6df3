/* Administrators' requests: checked, then refused with a sentence or carried out. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "fs/cluster/coordinator_internal.h"

/* ---- The queue ---- */

void coordinator_take_admin(struct coordinator *coordinator, struct admin_request *request)
{
	struct status status = {0};

	request->next = NULL;
	if (coordinator->term == 0 || coordinator->is_stopping) {
		status_set(&status, STATUS_NOT_LEADER, "another store coordinates the cluster");
		request->done(request, &status);
		return;
	}
	*coordinator->requests_end = request;
	coordinator->requests_end = &request->next;
	coordinator_go_on(coordinator);
}

static struct admin_request *pop(struct coordinator *coordinator)
{
	struct admin_request *request = coordinator->requests;

	if (!request)
		return NULL;
	coordinator->requests = request->next;
	if (!coordinator->requests)
		coordinator->requests_end = &coordinator->requests;
	return request;
}

void coordinator_finish_admin(struct coordinator *coordinator, const struct status *status)
{
	struct admin_request *request = coordinator->request;

	coordinator->request = NULL;
	if (request)
		request->done(request, status);
}

/* Ends the requests in the queue. The one that is being carried out ends with its operation. */
void coordinator_drop_admin(struct coordinator *coordinator, int code)
{
	struct status status = {0};

	status_set(&status, code, "this store coordinates the cluster no longer");
	for (struct admin_request *request = pop(coordinator); request; request = pop(coordinator))
		request->done(request, &status);
}

/* ---- Stores ---- */

static bool has_replica(const struct region_table *table, const struct region_entry *entry, uint64_t store)
{
	const struct region_replica *replicas = region_entry_replicas(entry);

	for (uint32_t i = 0; i < entry->replica_count; i++)
		if (table->stores[replicas[i].store].id == store)
			return true;
	return false;
}

static bool has_spare(const struct region_table *table, const struct region_entry *entry,
	const struct placement_store *stores, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (stores[i].state == STORE_UP && stores[i].is_alive && !stores[i].is_full &&
			!has_replica(table, entry, stores[i].id))
			return true;
	return false;
}

/* Does each region that the store has a replica of have another store to take it? */
static bool has_spares(struct coordinator *coordinator, uint64_t store)
{
	const struct region_table *table = &coordinator->places->table;
	const struct coordinator_region none = {0};
	struct placement_store stores[STORE_COUNT_MAX];
	struct placement placement = coordinator_placement(coordinator, &none, stores);

	for (uint32_t i = 0; i < table->count; i++) {
		const struct region_entry *entry = region_table_at(table, i);

		if (has_replica(table, entry, store) &&
			!has_spare(table, entry, placement.stores, placement.store_count))
			return false;
	}
	return true;
}

static int check_replacement(
	struct coordinator *coordinator, const struct admin_request *request, struct status *status)
{
	const struct store_entry *replacement = store_table_find(&coordinator->stores, request->replacement);

	if (request->replacement == 0)
		return 0;
	if (!replacement || replacement->state != STORE_UP || request->replacement == request->store)
		return status_set(status, -EINVAL,
			"store %" PRIu64 " can take nothing over: it is %s; see 'raftkv store ls'",
			request->replacement, replacement ? "not up, or the same one" : "unknown");
	return 0;
}

/* A drain that was allowed before is not checked for spare stores again. */
static bool is_draining(struct coordinator *coordinator, uint64_t store)
{
	const struct store_entry *entry = store_table_find(&coordinator->stores, store);

	return entry && entry->state == STORE_DRAINING;
}

static int check_drain(
	struct coordinator *coordinator, const struct admin_request *request, struct status *status)
{
	if (!request->is_forced && !is_draining(coordinator, request->store) &&
		!has_spares(coordinator, request->store))
		return status_set(status, -EBUSY,
			"no other store could take what store %" PRIu64
			" has: add one ('raftkvd --join'), or make do with fewer replicas (--force)",
			request->store);
	return check_replacement(coordinator, request, status);
}

static int check_lost(struct coordinator *coordinator, const struct admin_request *request,
	const struct store_entry *entry, struct status *status)
{
	uint64_t now = env_now(coordinator->env);

	if (store_entry_is_alive(entry, now))
		return status_set(status, -EBUSY,
			"store %" PRIu64 " is alive: 'raftkv store drain %" PRIu64
			"' moves what it has while it serves",
			entry->id, entry->id);
	if (now - coordinator->since < 2 * STORE_REPORT_MS * NS_PER_MS)
		return status_set(status, -EAGAIN,
			"the store that coordinates the cluster is new to it, and does not know yet who is "
			"alive: "
			"try again");
	return check_replacement(coordinator, request, status);
}

static int check_remove(
	struct coordinator *coordinator, const struct store_entry *entry, struct status *status)
{
	if (entry->state == STORE_UP)
		return status_set(status, -EBUSY,
			"store %" PRIu64 " serves: 'raftkv store drain %" PRIu64 "' comes first", entry->id,
			entry->id);
	if (entry->replicas > 0)
		return status_set(status, -EBUSY,
			"store %" PRIu64 " still has %" PRIu32
			" replicas; 'raftkv store drain --wait %" PRIu64 "' waits for the last one",
			entry->id, entry->replicas, entry->id);
	if (!coordinator_is_whole(coordinator))
		return status_set(status, -EAGAIN,
			"a store has replicas of regions that no store says it leads: try again");
	return 0;
}

static int check_store(
	struct coordinator *coordinator, const struct admin_request *request, struct status *status)
{
	const struct store_entry *entry = store_table_find(&coordinator->stores, request->store);
	int code;

	if (!entry)
		return status_set(status, -ENOENT,
			"there is no store %" PRIu64 ", or it was removed; see 'raftkv store ls'",
			request->store);
	code = coordinator_check_ready(coordinator, status);
	if (code < 0)
		return code;
	coordinator_count_replicas(coordinator);
	switch (request->state) {
	case STORE_UP:
		return 0;
	case STORE_DRAINING:
		return check_drain(coordinator, request, status);
	case STORE_LOST:
		return check_lost(coordinator, request, entry, status);
	case STORE_REMOVED:
		return check_remove(coordinator, entry, status);
	}
	return status_set(status, -EINVAL, "a store has no such state");
}

static void set_store(struct coordinator *coordinator, const struct admin_request *request)
{
	const struct op op = {.kind = OP_STORE_SET,
		.store_set = {
			.id = request->store, .state = request->state, .replacement = request->replacement}};

	coordinator_run(coordinator, &op);
}

/* ---- Regions ---- */

static const struct region_member *find_member(const struct coordinator_region *region, uint64_t store)
{
	for (uint32_t i = 0; i < region->member_count; i++)
		if (region->members[i].peer.store == store)
			return &region->members[i];
	return NULL;
}

static int coordinator_admin_refuse(
	const struct admin_request *request, int code, const char *why, struct status *status)
{
	return status_set(status, code, "store %" PRIu64 ", region %" PRIu64 ": %s", request->store,
		request->region, why);
}

static int plan_addition(struct coordinator *coordinator, const struct admin_request *request,
	struct placement_step *step, struct status *status)
{
	const struct store_entry *entry = store_table_find(&coordinator->stores, request->store);

	if (!entry || entry->state != STORE_UP)
		return coordinator_admin_refuse(
			request, -EINVAL, "no such store, or it gets no replicas any more", status);
	if (!store_entry_is_alive(entry, env_now(coordinator->env)))
		return coordinator_admin_refuse(request, -EHOSTDOWN, "the store is silent", status);
	*step = (struct placement_step){.kind = PLACEMENT_ADD, .store = request->store};
	return 0;
}

static int plan_change(struct coordinator *coordinator, const struct admin_request *request,
	const struct coordinator_region *region, const struct region_member *member,
	struct placement_step *step, struct status *status)
{
	struct placement_store stores[STORE_COUNT_MAX];
	struct placement placement = coordinator_placement(coordinator, region, stores);
	bool is_promotion = request->kind == ADMIN_PROMOTE_PEER;

	if (is_promotion && member->peer.roles != REGION_LEARNER)
		return coordinator_admin_refuse(request, -EALREADY, "the replica is no learner", status);
	if (is_promotion && !placement_has_caught_up(&placement, member))
		return coordinator_admin_refuse(
			request, -EAGAIN, "the replica has not caught up yet", status);
	if (!is_promotion && member->peer.id == region->leader)
		return coordinator_admin_refuse(
			request, -EBUSY, "the leader is there: 'raftkv region transfer' comes first", status);
	if (!placement_is_safe(
		    &placement, is_promotion ? 0 : member->peer.id, is_promotion ? member->peer.id : 0))
		return coordinator_admin_refuse(
			request, -EBUSY, "those that are alive would be no majority any more", status);
	*step = is_promotion ? (struct placement_step){.kind = PLACEMENT_PROMOTE,
				       .store = request->store,
				       .replica = member->peer.id}
			     : (struct placement_step){.kind = PLACEMENT_REMOVE,
				       .store = request->store,
				       .leaving = member->peer.id};
	return 0;
}

static int plan_transfer(const struct admin_request *request, const struct region_member *member,
	struct placement_step *step, struct status *status)
{
	if (!(member->peer.roles & REGION_VOTER))
		return coordinator_admin_refuse(request, -EINVAL, "the replica has no vote", status);
	if (!member->is_active)
		return coordinator_admin_refuse(
			request, -EHOSTDOWN, "the replica was not heard of lately", status);
	*step = (struct placement_step){
		.kind = PLACEMENT_TRANSFER, .store = request->store, .replica = member->peer.id};
	return 0;
}

int coordinator_plan(struct coordinator *coordinator, const struct admin_request *request,
	const struct coordinator_region *region, struct placement_step *step, struct status *status)
{
	const struct region_member *member = find_member(region, request->store);

	if (request->kind == ADMIN_ADD_PEER)
		return member ? coordinator_admin_refuse(request, -EEXIST, "it has a replica already", status)
			      : plan_addition(coordinator, request, step, status);
	if (!member)
		return coordinator_admin_refuse(request, -ENOENT, "it has no replica", status);
	return request->kind == ADMIN_TRANSFER
		       ? plan_transfer(request, member, step, status)
		       : plan_change(coordinator, request, region, member, step, status);
}

/* ---- One request ---- */

static void make_store_change(struct coordinator *coordinator, struct admin_request *request)
{
	struct status status = {0};
	int code = check_store(coordinator, request, &status);

	coordinator->request = request;
	if (code < 0 || request->is_dry)
		coordinator_finish_admin(coordinator, &status);
	else
		set_store(coordinator, request);
}

bool coordinator_make_admin(struct coordinator *coordinator)
{
	struct admin_request *request = pop(coordinator);

	if (!request)
		return false;
	if (request->kind == ADMIN_SPLIT)
		coordinator_begin_split(coordinator, request);
	else if (request->kind == ADMIN_SCATTER)
		coordinator_begin_scatter(coordinator, request);
	else if (request->kind == ADMIN_SET_STORE)
		make_store_change(coordinator, request);
	else if (request->kind == ADMIN_SET_CLUSTER)
		coordinator_make_setting(coordinator, request);
	else
		coordinator_begin_change(coordinator, request);
	return coordinator->is_busy;
}
