#include "tests/lib/sim_cluster.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/container.h"
#include "proto/plant.h"
#include "tests/lib/test.h"
#include "tests/lib/test_evaluator.h"

#define PATIENCE      (60 * (uint64_t)SIM_S)
#define CALL_PATIENCE (5 * (uint64_t)SIM_S)

/* ---- Life ------------------------------------------------------------------------------------------------------- */

static const char *const names[SIM_TRANSPORT_STORES_MAX] = {"a", "b", "c", "d", "e", "f", "g", "h"};

/* Nobody else may hold what belongs to a process that stops. */
static void leave_transport(struct sim_store *store)
{
	sim_transport_leave(store->options.transport);
}

static void init_store(struct sim_cluster *cluster, uint32_t number, uint32_t voters)
{
	struct sim_store *store = &cluster->stores[number];
	struct raftkv_options *options = &store->options;

	sim_store_init(store, cluster->world, names[number]);
	options->cluster = SIM_CLUSTER_ID;
	options->store = number + 1;
	options->initial_stores = cluster->initial;
	options->initial_store_count = voters;
	options->is_joining = number >= voters;
	store->before_stop = leave_transport;
	options->transport = sim_transport_end(&cluster->transport, number + 1, &store->raftkv);
}

void sim_cluster_init(struct sim_cluster *cluster, uint64_t seed, uint32_t voters, uint32_t joiners)
{
#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	*cluster = (struct sim_cluster){.world = sim_world_new(seed), .count = voters + joiners};
	check(cluster->count <= SIM_TRANSPORT_STORES_MAX);
	sim_transport_init(&cluster->transport, cluster->world);
	for (uint32_t i = 0; i < cluster->count; i++) {
		cluster->initial[i] = i + 1;
		init_store(cluster, i, voters);
	}
}

void sim_cluster_close(struct sim_cluster *cluster)
{
	for (uint32_t i = 0; i < cluster->count; i++)
		sim_store_close(&cluster->stores[i]);
	sim_transport_close(&cluster->transport);
	sim_world_free(cluster->world);
}

struct sim_store *sim_cluster_store(struct sim_cluster *cluster, uint32_t store)
{
	check(store > 0 && store <= cluster->count);
	return &cluster->stores[store - 1];
}

void sim_cluster_open(struct sim_cluster *cluster, uint32_t store)
{
	struct status status = {0};

	if (sim_store_open(sim_cluster_store(cluster, store), &status) < 0)
		fail_msg("store %u: %s", store, status.text);
}

void sim_cluster_open_all(struct sim_cluster *cluster)
{
	for (uint32_t i = 1; i <= cluster->count; i++)
		sim_cluster_open(cluster, i);
}

void sim_cluster_cut(struct sim_cluster *cluster, uint32_t store, bool is_cut)
{
	sim_cluster_store(cluster, store);
	cluster->transport.ends[store - 1].is_cut = is_cut;
}

void sim_cluster_run(struct sim_cluster *cluster, uint64_t duration)
{
	sim_run(cluster->world, duration, NULL, NULL);
}

/* ---- The leader ------------------------------------------------------------------------------------------------- */

struct term_search {
	uint64_t region;
	uint64_t newest;
};

static void look_at_term(void *argument, const struct region *region, uint64_t term)
{
	struct term_search *search = argument;

	if (region->id == search->region && term > search->newest)
		search->newest = term;
}

/* A leader that was cut off may not know yet that it is none: the newest term counts. */
uint32_t sim_cluster_leader_of(const struct sim_cluster *cluster, uint64_t region)
{
	uint64_t newest = 0;
	uint32_t leader = 0;

	for (uint32_t i = 0; i < cluster->count; i++) {
		struct term_search search = {.region = region};

		if (cluster->stores[i].raftkv)
			raftkv_each_region(cluster->stores[i].raftkv, look_at_term, &search);
		if (search.newest > newest)
			leader = i + 1;
		if (search.newest > newest)
			newest = search.newest;
	}
	return leader;
}

uint32_t sim_cluster_leader(const struct sim_cluster *cluster)
{
	return sim_cluster_leader_of(cluster, 1);
}

struct leader_wait {
	const struct sim_cluster *cluster;
	uint64_t region;
};

static bool has_leader(void *argument)
{
	const struct leader_wait *wait = argument;

	return sim_cluster_leader_of(wait->cluster, wait->region) > 0;
}

uint32_t sim_cluster_await_leader_of(struct sim_cluster *cluster, uint64_t region)
{
	struct leader_wait wait = {cluster, region};

	if (!sim_run(cluster->world, PATIENCE, has_leader, &wait))
		fail_msg("nobody leads region %llu", (unsigned long long)region);
	return sim_cluster_leader_of(cluster, region);
}

uint32_t sim_cluster_await_leader(struct sim_cluster *cluster)
{
	return sim_cluster_await_leader_of(cluster, 1);
}

void sim_cluster_lead_from(struct sim_cluster *cluster, uint64_t region, uint32_t store)
{
	for (int i = 0; i < 100; i++) {
		uint32_t leader = sim_cluster_await_leader_of(cluster, region);

		if (leader == store)
			return;
		raftkv_transfer_leader(sim_cluster_store(cluster, leader)->raftkv, region, store);
		sim_cluster_run(cluster, SIM_S);
	}
	fail_msg("store %u does not get the leadership", store);
}

/* ---- Requests --------------------------------------------------------------------------------------------------- */

/* Never freed when it times out: the store still has it. */
struct call {
	struct raftkv_write write;
	struct raftkv_read read;
	struct sim_answer answer;
	struct raftkv_snapshot *snapshot;
	bool is_done;
};

static void on_written(struct raftkv_write *write, int status, struct buf *reply)
{
	struct call *call = container_of(write, struct call, write);

	call->is_done = true;
	call->answer.status = status;
	call->answer.leader_store = write->leader_store;
	call->answer.epoch = write->epoch;
	if (!reply)
		return;
	call->answer.result = *(uint8_t *)reply->data;
	snprintf(call->answer.text, sizeof call->answer.text, "%.*s", (int)reply->size - 1,
		(char *)reply->data + 1);
}

static void on_read(struct raftkv_read *read, int status, struct raftkv_snapshot *snapshot)
{
	struct call *call = container_of(read, struct call, read);

	call->is_done = true;
	call->answer.status = status;
	call->answer.leader_store = read->leader_store;
	call->answer.epoch = read->epoch;
	call->snapshot = snapshot;
}

static bool is_done(void *argument)
{
	return ((const struct call *)argument)->is_done;
}

static struct call *call_new(void)
{
	struct call *call = calloc(1, sizeof *call);

	check(call);
	call->answer.result = -1;
	return call;
}

struct sim_answer sim_cluster_ask_at(
	struct sim_cluster *cluster, uint32_t number, const struct raftkv_write *write)
{
	struct sim_store *store = sim_cluster_store(cluster, number);
	struct call *call = call_new();
	struct sim_answer answer = {.status = -ETIMEDOUT};

	call->write = *write;
	call->write.loop = store->caller;
	call->write.done = on_written;
	if (store->raftkv) {
		raftkv_async_write(store->raftkv, &call->write);
		if (sim_run(cluster->world, CALL_PATIENCE, is_done, call)) {
			answer = call->answer;
			free(call);
		}
	} else {
		free(call);
	}
	buf_unref(write->body);
	buf_unref(write->payload);
	return answer;
}

struct sim_answer sim_cluster_write_at(
	struct sim_cluster *cluster, uint32_t number, struct buf *body, struct buf *payload)
{
	return sim_cluster_ask_at(
		cluster, number, &(struct raftkv_write){.region = 1, .body = body, .payload = payload});
}

void sim_cluster_write(struct sim_cluster *cluster, struct buf *body, struct buf *payload)
{
	uint64_t deadline = sim_time(cluster->world) + PATIENCE;
	struct sim_answer answer;

	do {
		uint32_t leader = sim_cluster_await_leader(cluster);

		answer = sim_cluster_write_at(cluster, leader, buf_ref(body), buf_ref(payload));
		if (sim_time(cluster->world) > deadline)
			fail_msg("a write was not done: %s", status_name(answer.status));
		if (answer.status < 0)
			sim_cluster_run(cluster, 50 * SIM_MS);
	} while (answer.status < 0);
	buf_unref(body);
	buf_unref(payload);
}

uint64_t sim_cluster_region_at(struct sim_cluster *cluster, uint32_t number, const char *key)
{
	struct raftkv *raftkv = sim_cluster_store(cluster, number)->raftkv;
	struct region_epoch epoch;
	uint64_t region;

	return raftkv && raftkv_find_region(raftkv, slice_of(key, strlen(key)), &region, &epoch) == 0 ? region
												      : 0;
}

/* The store that leads the region that has the key, and that region; 0: none. */
static uint32_t find_leader(struct sim_cluster *cluster, const char *key, uint64_t *region)
{
	for (uint32_t i = 1; i <= cluster->count; i++) {
		*region = sim_cluster_region_at(cluster, i, key);
		if (*region > 0 && sim_cluster_leader_of(cluster, *region) == i)
			return i;
	}
	return 0;
}

void sim_cluster_write_to(struct sim_cluster *cluster, const char *key, struct buf *body, struct buf *payload)
{
	uint64_t deadline = sim_time(cluster->world) + PATIENCE;
	struct sim_answer answer = {.status = STATUS_NOT_LEADER};

	for (;;) {
		struct raftkv_write write = {.body = body, .payload = payload};
		uint32_t leader = find_leader(cluster, key, &write.region);

		buf_ref(body);
		buf_ref(payload);
		if (leader > 0)
			answer = sim_cluster_ask_at(cluster, leader, &write);
		if (leader > 0 && answer.status == 0)
			break;
		if (sim_time(cluster->world) > deadline)
			fail_msg("a write was not done: %s", status_name(answer.status));
		sim_cluster_run(cluster, 50 * SIM_MS);
	}
	buf_unref(body);
	buf_unref(payload);
}

static struct raftkv_snapshot *snapshot_at(struct sim_cluster *cluster, uint32_t number, uint64_t region,
	bool from_follower, struct sim_answer *answer)
{
	struct sim_store *store = sim_cluster_store(cluster, number);
	struct call *call = call_new();
	struct raftkv_snapshot *snapshot = NULL;

	*answer = (struct sim_answer){.status = -ETIMEDOUT};
	call->read = (struct raftkv_read){
		.region = region, .from_follower = from_follower, .loop = store->caller, .done = on_read};
	raftkv_async_snapshot(store->raftkv, &call->read);
	if (sim_run(cluster->world, CALL_PATIENCE, is_done, call)) {
		*answer = call->answer;
		snapshot = call->snapshot;
		free(call);
	}
	return snapshot;
}

struct sim_answer sim_cluster_read_in(
	struct sim_cluster *cluster, uint32_t number, uint64_t region, const char *key, bool from_follower)
{
	struct sim_answer answer;
	struct raftkv_snapshot *snapshot = snapshot_at(cluster, number, region, from_follower, &answer);
	struct kv_value value = {0};

	if (!snapshot)
		return answer;
	answer.status =
		view_get(raftkv_snapshot_view(snapshot, true), KEY_DATA, slice_of(key, strlen(key)), &value);
	if (answer.status == 0)
		snprintf(answer.text, sizeof answer.text, "%.*s", (int)value.data.size,
			(const char *)value.data.data);
	kv_value_close(&value);
	raftkv_snapshot_free(snapshot);
	return answer;
}

struct sim_answer sim_cluster_read_at(
	struct sim_cluster *cluster, uint32_t number, const char *key, bool from_follower)
{
	return sim_cluster_read_in(cluster, number, 1, key, from_follower);
}

int sim_cluster_read_units_at(struct sim_cluster *cluster, uint32_t number, const char *object,
	uint64_t first, uint32_t count, void *bytes)
{
	struct sim_answer answer;
	struct raftkv_snapshot *snapshot = snapshot_at(cluster, number, 1, true, &answer);

	if (!snapshot)
		return answer.status;
	answer.status = view_read(
		raftkv_snapshot_view(snapshot, true), slice_of(object, strlen(object)), first, count, bytes);
	raftkv_snapshot_free(snapshot);
	return answer.status;
}

/* ---- Members ---------------------------------------------------------------------------------------------------- */

struct members_call {
	struct raftkv_region_status status;
	struct raftkv_change change;
	struct raftkv_split split;
	int result;
	bool is_done;
};

static void on_status(struct raftkv_region_status *status, int result)
{
	struct members_call *call = container_of(status, struct members_call, status);

	call->result = result;
	call->is_done = true;
}

static void on_change(struct raftkv_change *change, int result)
{
	struct members_call *call = container_of(change, struct members_call, change);

	call->result = result;
	call->is_done = true;
}

static bool is_members_call_done(void *argument)
{
	return ((const struct members_call *)argument)->is_done;
}

int sim_cluster_status_of(
	struct sim_cluster *cluster, uint32_t number, uint64_t region, struct raftkv_region_status *status)
{
	struct sim_store *store = sim_cluster_store(cluster, number);
	struct members_call *call = calloc(1, sizeof *call);
	int result = -ETIMEDOUT;

	check(call);
	call->status =
		(struct raftkv_region_status){.region = region, .loop = store->caller, .done = on_status};
	raftkv_region_status(store->raftkv, &call->status);
	if (!sim_run(cluster->world, CALL_PATIENCE, is_members_call_done, call))
		return result;
	*status = call->status;
	result = call->result;
	free(call);
	return result;
}

int sim_cluster_status_at(struct sim_cluster *cluster, uint32_t number, struct raftkv_region_status *status)
{
	return sim_cluster_status_of(cluster, number, 1, status);
}

int sim_cluster_change_of_at(
	struct sim_cluster *cluster, uint32_t number, uint64_t region, const struct region_change *change)
{
	struct sim_store *store = sim_cluster_store(cluster, number);
	struct members_call *call = calloc(1, sizeof *call);
	int result = -ETIMEDOUT;

	check(call);
	call->change = (struct raftkv_change){
		.region = region, .change = *change, .loop = store->caller, .done = on_change};
	raftkv_change_peers(store->raftkv, &call->change);
	if (!sim_run(cluster->world, CALL_PATIENCE, is_members_call_done, call))
		return result;
	result = call->result;
	free(call);
	return result;
}

int sim_cluster_change_at(struct sim_cluster *cluster, uint32_t number, const struct region_change *change)
{
	return sim_cluster_change_of_at(cluster, number, 1, change);
}

void sim_cluster_change_of(struct sim_cluster *cluster, uint64_t region, const struct region_change *change)
{
	uint64_t deadline = sim_time(cluster->world) + PATIENCE;
	int result;

	while ((result = sim_cluster_change_of_at(
			cluster, sim_cluster_await_leader_of(cluster, region), region, change)) < 0) {
		if (sim_time(cluster->world) > deadline)
			fail_msg("a change of the members was not done: %s", status_name(result));
		sim_cluster_run(cluster, 50 * SIM_MS);
	}
}

void sim_cluster_change(struct sim_cluster *cluster, const struct region_change *change)
{
	sim_cluster_change_of(cluster, 1, change);
}

/* ---- Splits ----------------------------------------------------------------------------------------------------- */

static void on_split(struct raftkv_split *split, int result)
{
	struct members_call *call = container_of(split, struct members_call, split);

	call->result = result;
	call->is_done = true;
}

int sim_cluster_split_at(struct sim_cluster *cluster, uint32_t number, struct raftkv_split *split)
{
	struct sim_store *store = sim_cluster_store(cluster, number);
	struct members_call *call = calloc(1, sizeof *call);
	int result = -ETIMEDOUT;

	check(call);
	call->split = *split;
	call->split.loop = store->caller;
	call->split.done = on_split;
	raftkv_split(store->raftkv, &call->split);
	buf_unref(split->key);
	split->key = NULL;
	if (!sim_run(cluster->world, CALL_PATIENCE, is_members_call_done, call))
		return result;
	split->leader_store = call->split.leader_store;
	split->now = call->split.now;
	result = call->result;
	free(call);
	return result;
}

static bool begins_at(struct sim_cluster *cluster, uint32_t number, uint64_t region, const char *key)
{
	struct region range;
	bool is;

	if (raftkv_region_range(sim_cluster_store(cluster, number)->raftkv, region, &range) < 0)
		return false;
	is = slice_compare(buf_slice(range.start), slice_of(key, strlen(key))) == 0;
	region_close(&range);
	return is;
}

/* Whose outcome is unknown looks for the new region. The same id serves again: a leader that serves has applied what
 * earlier leaders proposed. */
void sim_cluster_split(struct sim_cluster *cluster, const char *key, uint64_t new_region)
{
	uint64_t deadline = sim_time(cluster->world) + PATIENCE;
	int result = STATUS_NOT_LEADER;

	for (;;) {
		struct raftkv_split split = {.new_region = new_region};
		uint32_t leader = find_leader(cluster, key, &split.region);

		if (leader > 0 && begins_at(cluster, leader, split.region, key))
			return;
		split.key = buf_copy(key, strlen(key));
		if (leader > 0)
			result = sim_cluster_split_at(cluster, leader, &split);
		else
			buf_unref(split.key);
		if (sim_time(cluster->world) > deadline)
			fail_msg("a region was not split: %s", status_name(result));
		sim_cluster_run(cluster, 20 * SIM_MS);
	}
}
