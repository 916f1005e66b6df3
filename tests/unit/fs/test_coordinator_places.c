/*
 * fs/coordinator: simulated stores with a coordinator each, which report and may crash: while files are made, a store is drained,
 * or lost and replaced; no operation is lost or done twice, and the replicas end up where they are to be. Leaders are evened
 * out.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/eval/eval.h"
#include "fs/cluster/coordinator.h"
#include "fs/schema/op.h"
#include "proto/container.h"
#include "tests/lib/sim_cluster.h"
#include "tests/lib/test.h"

#define STORES	 4u /* the last one has nothing at first */
#define VOTERS	 3u
#define REGIONS	 7u /* where there are several */
#define PATIENCE (60 * (uint64_t)SIM_S)

static const char *const addresses[STORES] = {"a:7420", "b:7420", "c:7420", "d:7420"};

struct kept {
	struct sim_cluster cluster;
	struct coordinator *coordinators[STORES];
	uint64_t free[STORES]; /* bytes that the stores say are free */
	uint64_t regions[STORES]; /* that they say they have; 0: as it is */
	uint32_t made; /* files */
	bool is_stopped;
	bool is_made; /* the request, with this: */
	struct status outcome;
};

/* ---- Life ---- */

static void start(struct kept *kept, uint32_t number)
{
	struct sim_store *store = &kept->cluster.stores[number];

	sim_cluster_open(&kept->cluster, number + 1);
	kept->coordinators[number] = coordinator_new(&(struct coordinator_options){.raftkv = store->raftkv,
		.loop = store->caller,
		.logger = &store->logger,
		.stores = addresses,
		.store_count = number < VOTERS ? VOTERS : 0});
	assert_non_null(kept->coordinators[number]);
	coordinator_start(kept->coordinators[number]);
}

static struct kept *kept_new_with(uint64_t seed, uint32_t regions)
{
	struct kept *kept = calloc(1, sizeof *kept);

	assert_non_null(kept);
	sim_cluster_init(&kept->cluster, seed, VOTERS, STORES - VOTERS);
	for (uint32_t i = 0; i < STORES; i++) {
		kept->cluster.stores[i].options.evaluator = eval_evaluator();
		kept->cluster.stores[i].options.initial_regions = regions;
	}
	for (uint32_t i = 0; i < STORES; i++)
		start(kept, i);
	return kept;
}

static struct kept *kept_new(uint64_t seed)
{
	return kept_new_with(seed, 1);
}

static void crash(struct kept *kept, uint32_t number)
{
	sim_store_crash(&kept->cluster.stores[number]);
	coordinator_free(kept->coordinators[number]);
	kept->coordinators[number] = NULL;
}

static void on_stopped(void *argument)
{
	((struct kept *)argument)->is_stopped = true;
}

static bool is_stopped(void *argument)
{
	return ((const struct kept *)argument)->is_stopped;
}

static void kept_free(struct kept *kept)
{
	for (uint32_t i = 0; i < STORES; i++) {
		if (!kept->coordinators[i])
			continue;
		kept->is_stopped = false;
		coordinator_stop(kept->coordinators[i], on_stopped, kept);
		assert_true(sim_run(kept->cluster.world, PATIENCE, is_stopped, kept));
		sim_store_stop(&kept->cluster.stores[i]);
		coordinator_free(kept->coordinators[i]);
	}
	sim_cluster_close(&kept->cluster);
	free(kept);
}

/* ---- Reports ---- */

static void report_one(struct kept *kept, uint32_t number)
{
	struct ident ident = raftkv_ident(kept->cluster.stores[number].raftkv);
	struct store_report report = {.store = number + 1,
		.incarnation = ident.incarnation,
		.directory_id = ident.directory_id,
		.stats = {.space_total = 100,
			.space_available = 90,
			.data_total = 1000 + number,
			.data_free = kept->free[number]}};
	struct raftkv_stats stats;
	uint64_t id;

	raftkv_stats(kept->cluster.stores[number].raftkv, &stats);
	report.stats.leaders = stats.leaders;
	report.stats.regions = kept->regions[number] > 0 ? kept->regions[number] : stats.regions;
	strcpy(report.address, addresses[number]);
	for (uint32_t i = 0; i < STORES; i++)
		if (kept->coordinators[i])
			coordinator_report(kept->coordinators[i], &report, &id);
}

/* Time passes, and whoever lives says so. */
static void pass(struct kept *kept, uint64_t duration)
{
	uint64_t end = sim_time(kept->cluster.world) + duration;

	while (sim_time(kept->cluster.world) < end) {
		for (uint32_t i = 0; i < STORES; i++)
			if (kept->coordinators[i])
				report_one(kept, i);
		sim_cluster_run(&kept->cluster, 200 * SIM_MS);
	}
}

/* ---- Operations ---- */

struct call {
	struct raftkv_write write;
	struct op_reply reply;
	int status;
	bool is_done;
};

static void on_written(struct raftkv_write *write, int status, struct buf *bytes)
{
	struct call *call = container_of(write, struct call, write);

	call->status = status == 0 ? op_reply_decode(buf_slice(bytes), &call->reply) : status;
	call->is_done = true;
}

static bool is_done(void *argument)
{
	return ((const struct call *)argument)->is_done;
}

/* Once: 0 or the operation's errno; a status when nobody knows. */
static int try_op(struct kept *kept, const struct op *op)
{
	uint32_t leader = sim_cluster_await_leader(&kept->cluster);
	struct sim_store *store = sim_cluster_store(&kept->cluster, leader);
	struct call *call = calloc(1, sizeof *call);
	int status = STATUS_STALE_COMMAND;

	assert_non_null(call);
	call->write =
		(struct raftkv_write){.region = CLUSTER_REGION, .loop = store->caller, .done = on_written};
	assert_int_equal(op_encode(op, &call->write.body), 0);
	raftkv_async_write(store->raftkv, &call->write);
	assert_true(sim_run(kept->cluster.world, PATIENCE, is_done, call));
	status = call->status < 0 ? call->status : call->reply.error;
	buf_unref(call->write.body);
	free(call);
	return status;
}

static struct op make_op(uint32_t number, char name[16])
{
	size_t size = (size_t)snprintf(name, 16, "f%u", number);

	return (struct op){.kind = OP_MAKE,
		.make = {.parent = FS_ROOT_INO,
			.name = slice_of(name, size),
			.mode = S_IFREG | 0644,
			.exclusive = true}};
}

/* Without a slot a retry may find the file there: it was made by the attempt before, and by no other. */
static void make_file(struct kept *kept)
{
	char name[16];
	struct op op = make_op(kept->made++, name);
	int status = try_op(kept, &op);
	bool is_retry = false;

	for (int i = 0; i < 200 && status < -4095; i++) {
		pass(kept, 200 * SIM_MS);
		is_retry = true;
		status = try_op(kept, &op);
	}
	assert_true(status == 0 || (is_retry && status == -EEXIST));
}

/* ---- Admin requests ---- */

static void on_request(struct admin_request *request, const struct status *status)
{
	struct kept *kept = (struct kept *)(uintptr_t)request->region;

	kept->is_made = true;
	kept->outcome = *status;
}

static int set_store(struct kept *kept, uint64_t store, enum store_state state)
{
	struct admin_request request = {.kind = ADMIN_SET_STORE,
		.store = store,
		.state = state,
		.region = (uint64_t)(uintptr_t)kept, /* no region is asked for */
		.done = on_request};

	for (int i = 0; i < 50; i++) {
		kept->is_made = false;
		coordinator_take_admin(
			kept->coordinators[sim_cluster_await_leader(&kept->cluster) - 1], &request);
		for (int k = 0; k < 100 && !kept->is_made; k++)
			pass(kept, 200 * SIM_MS);
		assert_true(kept->is_made);
		if (kept->outcome.code != STATUS_NOT_LEADER && kept->outcome.code != -EAGAIN)
			break;
		pass(kept, 200 * SIM_MS);
	}
	return kept->outcome.code;
}

static bool has_members(struct kept *kept, uint32_t gone)
{
	struct raftkv_region_status status;
	uint32_t leader = sim_cluster_await_leader(&kept->cluster), voters = 0;

	if (sim_cluster_status_at(&kept->cluster, leader, &status) != 0)
		return false;
	for (uint32_t i = 0; i < status.member_count; i++) {
		if (status.members[i].peer.store == gone || status.members[i].peer.roles != REGION_VOTER)
			return false;
		voters++;
	}
	return voters == VOTERS;
}

/* Files are made until the store has nothing left, and all of them are there at the end. */
static void work_until_gone(struct kept *kept, uint32_t gone)
{
	for (int i = 0; i < 300 && !has_members(kept, gone); i++) {
		make_file(kept);
		pass(kept, 50 * SIM_MS);
	}
	assert_true(has_members(kept, gone));
	for (uint32_t i = 0; i < kept->made; i++) {
		char name[16];
		struct op op = make_op(i, name);
		int status = try_op(kept, &op);

		for (int k = 0; k < 50 && status < -4095; k++) {
			pass(kept, 200 * SIM_MS);
			status = try_op(kept, &op);
		}
		assert_int_equal(status, -EEXIST);
	}
}

/* ---- Cases ---- */

static void begin(struct kept *kept)
{
	sim_cluster_await_leader(&kept->cluster);
	pass(kept, 3 * (uint64_t)SIM_S);
	for (uint32_t i = 0; i < 10; i++)
		make_file(kept);
}

/* Each of the first three, whether it leads or not. */
static void a_drained_store_is_left(void **state)
{
	(void)state;
	for (uint32_t store = 1; store <= VOTERS; store++) {
		struct kept *kept = kept_new(store);

		begin(kept);
		assert_int_equal(set_store(kept, store, STORE_REMOVED), -EBUSY);
		assert_int_equal(set_store(kept, store, STORE_DRAINING), 0);
		work_until_gone(kept, store);
		pass(kept, 2 * (uint64_t)SIM_S);
		assert_int_equal(set_store(kept, store, STORE_REMOVED), 0);
		pass(kept, 2 * (uint64_t)SIM_S);
		kept_free(kept);
	}
}

static void a_drain_goes_on_under_the_next_leader(void **state)
{
	(void)state;
	for (uint64_t seed = 10; seed < 16; seed++) {
		struct kept *kept = kept_new(seed);
		uint32_t leader;

		begin(kept);
		leader = sim_cluster_await_leader(&kept->cluster);
		assert_int_equal(set_store(kept, leader % VOTERS + 1, STORE_DRAINING), 0);
		pass(kept, (seed - 10) * 200 * SIM_MS);
		crash(kept, sim_cluster_await_leader(&kept->cluster) - 1);
		for (uint32_t i = 0; i < STORES; i++)
			if (!kept->coordinators[i])
				start(kept, i);
		work_until_gone(kept, leader % VOTERS + 1);
		kept_free(kept);
	}
}

static void a_lost_store_is_replaced(void **state)
{
	struct kept *kept = kept_new(20);
	uint32_t lost;

	(void)state;
	begin(kept);
	lost = sim_cluster_await_leader(&kept->cluster) % VOTERS + 1;
	assert_int_equal(set_store(kept, lost, STORE_LOST), -EBUSY); /* it is alive */
	crash(kept, lost - 1);
	pass(kept, 20 * (uint64_t)SIM_S);
	assert_false(has_members(kept, lost)); /* nobody said so */
	assert_int_equal(set_store(kept, lost, STORE_LOST), 0);
	work_until_gone(kept, lost);
	pass(kept, 3 * (uint64_t)SIM_S);
	assert_int_equal(set_store(kept, lost, STORE_UP), -ENOENT); /* it was removed by itself */
	start(kept, lost - 1);
	pass(kept, 3 * (uint64_t)SIM_S);
	assert_true(has_members(kept, lost));
	kept_free(kept);
}

static void without_a_spare_a_drain_is_refused(void **state)
{
	struct kept *kept = kept_new(30);

	(void)state;
	crash(kept, STORES - 1);
	begin(kept);
	assert_int_equal(set_store(kept, 2, STORE_DRAINING), -EBUSY);
	kept_free(kept);
}

static void room_is_what_a_majority_has(void **state)
{
	struct kept *kept = kept_new(40);
	struct coordinator_room room;
	uint32_t leader;

	(void)state;
	kept->free[0] = 500;
	kept->free[1] = 3;
	kept->free[2] = 400;
	begin(kept);
	for (uint32_t i = 0; i < STORES; i++)
		assert_int_equal(coordinator_room(kept->coordinators[i], &room),
			i + 1 == sim_cluster_await_leader(&kept->cluster));
	leader = sim_cluster_await_leader(&kept->cluster);
	assert_true(coordinator_room(kept->coordinators[leader - 1], &room));
	assert_int_equal(room.free, 400); /* two of three; the full one is not asked */
	assert_int_equal(room.total, 1002);
	kept->free[0] = 2;
	pass(kept, 2 * (uint64_t)SIM_S);
	assert_true(coordinator_room(kept->coordinators[leader - 1], &room));
	assert_int_equal(room.free, 3);
	kept_free(kept);
}

static void room_of_more_stores_is_their_sum(void **state)
{
	struct kept *kept = kept_new(41);
	struct coordinator_room room;
	uint32_t leader;

	(void)state;
	for (uint32_t i = 0; i < STORES; i++)
		kept->free[i] = 300 + 3 * i;
	begin(kept);
	leader = sim_cluster_await_leader(&kept->cluster);
	assert_true(coordinator_room(kept->coordinators[leader - 1], &room));
	assert_int_equal(room.free, 303);
	kept->regions[STORES - 1] = 1;
	pass(kept, 2 * (uint64_t)SIM_S);
	assert_true(coordinator_room(kept->coordinators[leader - 1], &room));
	assert_int_equal(room.free, (300 + 303 + 306 + 309) / VOTERS);
	assert_int_equal(room.total, (1000 + 1001 + 1002 + 1003) / VOTERS);
	kept_free(kept);
}

/* The coordinator's store leads all regions at first. None goes to and fro, and region 1 stays where it is. */
static void leaders_are_evened_out_and_stay(void **state)
{
	uint32_t counts[STORES + 1] = {0};
	uint64_t terms[REGIONS + 1];
	struct kept *kept = kept_new_with(50, REGIONS);
	struct raftkv_region_status status;

	(void)state;
	for (uint64_t region = 1; region <= REGIONS; region++)
		sim_cluster_lead_from(&kept->cluster, region, 1);
	pass(kept, 10 * (uint64_t)SIM_S);
	for (uint64_t region = 1; region <= REGIONS; region++) {
		uint32_t leader = sim_cluster_await_leader_of(&kept->cluster, region);

		assert_int_equal(sim_cluster_status_of(&kept->cluster, leader, region, &status), 0);
		terms[region] = status.term;
		counts[leader]++;
		assert_true(region > 1 || leader == 1);
	}
	for (uint32_t store = 1; store <= VOTERS; store++)
		assert_in_range(counts[store], REGIONS / VOTERS, REGIONS / VOTERS + 1);
	pass(kept, 10 * (uint64_t)SIM_S);
	for (uint64_t region = 1; region <= REGIONS; region++) {
		uint32_t leader = sim_cluster_await_leader_of(&kept->cluster, region);

		assert_int_equal(sim_cluster_status_of(&kept->cluster, leader, region, &status), 0);
		assert_int_equal(status.term, terms[region]);
	}
	assert_int_equal(set_store(kept, 2, STORE_DRAINING), -EBUSY);
	assert_non_null(strstr(kept->outcome.text, "regions are led by other stores"));
	kept_free(kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_drained_store_is_left),
		cmocka_unit_test(a_drain_goes_on_under_the_next_leader),
		cmocka_unit_test(a_lost_store_is_replaced),
		cmocka_unit_test(without_a_spare_a_drain_is_refused),
		cmocka_unit_test(room_is_what_a_majority_has),
		cmocka_unit_test(room_of_more_stores_is_their_sum),
		cmocka_unit_test(leaders_are_evened_out_and_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
