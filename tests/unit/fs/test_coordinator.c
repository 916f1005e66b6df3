/* fs/coordinator: three simulated stores with a coordinator each: what a new cluster is given, and which sessions end when. */
#include "fs/cluster/coordinator.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fs/eval/eval.h"
#include "fs/schema/ino_ranges.h"
#include "fs/schema/op.h"
#include "fs/schema/read.h"
#include "proto/check.h"
#include "tests/lib/sim_cluster.h"
#include "tests/lib/test.h"

#define STORES	 3u
#define PATIENCE (30 * (uint64_t)SIM_S)
#define EXPIRY	 (COORDINATOR_EXPIRY_MS * (uint64_t)SIM_MS)

static const char *const addresses[STORES] = {"a:7420", "b:7420", "c:7420"};

struct kept {
	struct sim_cluster cluster;
	struct coordinator *coordinators[STORES];
	bool is_stopped;
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
		.store_count = STORES});
	assert_non_null(kept->coordinators[number]);
	coordinator_start(kept->coordinators[number]);
}

static struct kept *kept_new(uint64_t seed)
{
	struct kept *kept = calloc(1, sizeof *kept);

	assert_non_null(kept);
	sim_cluster_init(&kept->cluster, seed, STORES, 0);
	for (uint32_t i = 0; i < STORES; i++)
		kept->cluster.stores[i].options.evaluator = eval_evaluator();
	for (uint32_t i = 0; i < STORES; i++)
		start(kept, i);
	return kept;
}

static void on_stopped(void *argument)
{
	((struct kept *)argument)->is_stopped = true;
}

static bool is_stopped(void *argument)
{
	return ((const struct kept *)argument)->is_stopped;
}

static void crash(struct kept *kept, uint32_t number)
{
	sim_store_crash(&kept->cluster.stores[number]);
	coordinator_free(kept->coordinators[number]);
	kept->coordinators[number] = NULL;
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

static void pass(struct kept *kept, uint64_t duration)
{
	sim_cluster_run(&kept->cluster, duration);
}

/* ---- Operations ---- */

struct call {
	struct raftkv_write write;
	struct raftkv_read read;
	struct op_reply reply;
	struct raftkv_snapshot *snapshot;
	int status;
	bool is_done;
};

static bool is_done(void *argument)
{
	return ((const struct call *)argument)->is_done;
}

static void on_written(struct raftkv_write *write, int status, struct buf *bytes)
{
	struct call *call = container_of(write, struct call, write);

	call->status = status == 0 ? op_reply_decode(buf_slice(bytes), &call->reply) : status;
	call->is_done = true;
}

static void on_snapshot(struct raftkv_read *read, int status, struct raftkv_snapshot *snapshot)
{
	struct call *call = container_of(read, struct call, read);

	call->status = status;
	call->snapshot = snapshot;
	call->is_done = true;
}

/* Asks the leader, again until it answers. */
static struct op_reply run(struct kept *kept, const struct op *op, uint64_t session)
{
	struct call call = {.status = STATUS_NOT_LEADER};

	for (int i = 0; i < 100 && call.status < 0; i++) {
		struct sim_store *store =
			sim_cluster_store(&kept->cluster, sim_cluster_await_leader(&kept->cluster));

		call = (struct call){.write = {.region = CLUSTER_REGION,
					     .session = session,
					     .slot = 0,
					     .sequence = 1,
					     .loop = store->caller,
					     .done = on_written}};
		assert_int_equal(op_encode(op, &call.write.body), 0);
		raftkv_async_write(store->raftkv, &call.write);
		assert_true(sim_run(kept->cluster.world, PATIENCE, is_done, &call));
		buf_unref(call.write.body);
		if (call.status == STATUS_SESSION_UNKNOWN)
			call.reply.error = call.status;
		if (call.status == STATUS_SESSION_UNKNOWN)
			break;
		pass(kept, call.status < 0 ? 50 * SIM_MS : 0);
	}
	return call.reply;
}

static uint64_t open_session(struct kept *kept)
{
	const struct op op = {.kind = OP_SESSION_OPEN, .session_open = {.pid = 1}};
	struct op_reply reply = run(kept, &op, 0);

	assert_int_equal(reply.error, 0);
	return reply.id;
}

static struct raftkv_snapshot *look(struct kept *kept)
{
	struct sim_store *store = sim_cluster_store(&kept->cluster, sim_cluster_await_leader(&kept->cluster));
	struct call call = {.read = {.region = CLUSTER_REGION, .loop = store->caller, .done = on_snapshot}};

	raftkv_async_snapshot(store->raftkv, &call.read);
	assert_true(sim_run(kept->cluster.world, PATIENCE, is_done, &call));
	assert_int_equal(call.status, 0);
	return call.snapshot;
}

static bool has_row(struct kept *kept, struct fs_key key)
{
	struct raftkv_snapshot *snapshot = look(kept);
	struct kv_value row = {0};
	int status = view_get(raftkv_snapshot_view(snapshot, true), KEY_LOCAL, fs_key_slice(&key), &row);

	assert_true(status == 0 || status == STATUS_NOT_FOUND);
	kv_value_close(&row);
	raftkv_snapshot_free(snapshot);
	return status == 0;
}

static bool holds_anything(struct kept *kept)
{
	struct raftkv_snapshot *snapshot = look(kept);
	uint64_t session;
	int status = read_holder(raftkv_snapshot_view(snapshot, true), 0, &session);

	raftkv_snapshot_free(snapshot);
	assert_true(status == 0 || status == -ENOENT);
	return status == 0;
}

/* `*number` and `*inodes` (may be NULL): what it is asked. */
static int beat_and_answer(struct kept *kept, uint32_t store, uint64_t session, uint64_t answered,
	uint64_t *number, struct ino_ranges *inodes)
{
	struct session_notice notice;
	int status = coordinator_beat(kept->coordinators[store - 1], session, answered, &notice);

	*number = notice.number;
	if (notice.number > 0 && inodes)
		assert_int_equal(ino_ranges_decode(buf_slice(notice.inodes), inodes), 0);
	buf_unref(notice.inodes);
	return status;
}

static int beat_at(struct kept *kept, uint32_t store, uint64_t session)
{
	uint64_t number;

	return beat_and_answer(kept, store, session, 0, &number, NULL);
}

static int beat(struct kept *kept, uint64_t session)
{
	return beat_at(kept, sim_cluster_await_leader(&kept->cluster), session);
}

/* A sign of life each second. */
static void stay_alive(struct kept *kept, uint64_t session, uint32_t seconds)
{
	for (uint32_t i = 0; i < seconds; i++) {
		int status = beat(kept, session);

		assert_true(status == 0 || status == STATUS_NOT_LEADER);
		pass(kept, SIM_S);
	}
}

/* ---- Cases ---- */

static void new_cluster_is_given_its_root_and_its_stores(void **state)
{
	struct kept *kept = kept_new(1);
	struct raftkv_snapshot *snapshot;
	struct attributes attributes;

	(void)state;
	sim_cluster_await_leader(&kept->cluster);
	pass(kept, 5 * (uint64_t)SIM_S);
	snapshot = look(kept);
	assert_int_equal(read_attributes(raftkv_snapshot_view(snapshot, true), FS_ROOT_INO, &attributes), 0);
	assert_true(S_ISDIR(attributes.mode));
	raftkv_snapshot_free(snapshot);
	for (uint32_t store = 1; store <= STORES; store++)
		assert_true(has_row(kept, fs_key_store(store)));
	assert_false(has_row(kept, fs_key_store(STORES + 1)));
	kept_free(kept);
}

static void silent_session_is_ended_with_what_it_held(void **state)
{
	const struct op hold = {.kind = OP_HOLD, .hold.ino = FS_ROOT_INO};
	struct kept *kept = kept_new(2);
	uint64_t silent, alive;

	(void)state;
	silent = open_session(kept);
	alive = open_session(kept);
	pass(kept, SIM_S);
	assert_int_equal(run(kept, &hold, silent).error, 0);
	assert_true(holds_anything(kept));
	stay_alive(kept, alive, 4);
	assert_true(has_row(kept, fs_key_session(silent)));
	stay_alive(kept, alive, 4);
	assert_false(has_row(kept, fs_key_session(silent)));
	assert_true(has_row(kept, fs_key_session(alive)));
	assert_false(holds_anything(kept));
	assert_int_equal(beat(kept, silent), STATUS_SESSION_UNKNOWN);
	assert_int_equal(run(kept, &hold, silent).error, STATUS_SESSION_UNKNOWN);
	kept_free(kept);
}

static void closed_session_is_ended_at_once(void **state)
{
	struct kept *kept = kept_new(3);
	uint64_t session;

	(void)state;
	session = open_session(kept);
	pass(kept, 2 * (uint64_t)SIM_S);
	run(kept, &(struct op){.kind = OP_SESSION_CLOSE, .session_end.session = session}, 0);
	pass(kept, 2 * (uint64_t)SIM_S);
	assert_false(has_row(kept, fs_key_session(session)));
	kept_free(kept);
}

static void only_the_leader_takes_beats(void **state)
{
	struct kept *kept = kept_new(4);
	uint64_t session;
	uint32_t leader;

	(void)state;
	session = open_session(kept);
	pass(kept, 2 * (uint64_t)SIM_S);
	leader = sim_cluster_await_leader(&kept->cluster);
	for (uint32_t i = 0; i < STORES; i++)
		assert_int_equal(beat_at(kept, i + 1, session), i + 1 == leader ? 0 : STATUS_NOT_LEADER);
	kept_free(kept);
}

/* Each leader falls when the session has been silent for most of its period. */
static void new_leader_grants_a_full_period(void **state)
{
	struct kept *kept = kept_new(5);
	uint64_t session;

	(void)state;
	session = open_session(kept);
	for (int i = 0; i < 4; i++) {
		uint32_t leader = sim_cluster_await_leader(&kept->cluster);

		pass(kept, 2 * (uint64_t)SIM_S);
		crash(kept, leader - 1);
		sim_cluster_await_leader(&kept->cluster);
		pass(kept, EXPIRY - SIM_S);
		assert_true(has_row(kept, fs_key_session(session)));
		start(kept, leader - 1);
		stay_alive(kept, session, 1);
	}
	pass(kept, EXPIRY + 2 * (uint64_t)SIM_S);
	assert_false(has_row(kept, fs_key_session(session)));
	kept_free(kept);
}

static void time_without_a_leader_does_not_count(void **state)
{
	struct kept *kept = kept_new(6);
	uint64_t session;

	(void)state;
	session = open_session(kept);
	pass(kept, 2 * (uint64_t)SIM_S);
	for (uint32_t store = 1; store <= STORES; store++)
		sim_cluster_cut(&kept->cluster, store, true);
	pass(kept, 4 * EXPIRY);
	for (uint32_t i = 0; i < STORES; i++)
		assert_int_equal(beat_at(kept, i + 1, session), STATUS_NOT_LEADER);
	for (uint32_t store = 1; store <= STORES; store++)
		sim_cluster_cut(&kept->cluster, store, false);
	sim_cluster_await_leader(&kept->cluster);
	pass(kept, EXPIRY / 2);
	stay_alive(kept, session, 2);
	assert_true(has_row(kept, fs_key_session(session)));
	kept_free(kept);
}

static void half_ended_session_is_ended_by_the_next_leader(void **state)
{
	(void)state;
	for (uint64_t seed = 10; seed < 20; seed++) {
		struct kept *kept = kept_new(seed);
		uint64_t session = open_session(kept);
		uint32_t leader;

		run(kept, &(struct op){.kind = OP_HOLD, .hold.ino = FS_ROOT_INO}, session);
		run(kept, &(struct op){.kind = OP_SESSION_CLOSE, .session_end.session = session}, 0);
		pass(kept, (seed - 10) * 5 * SIM_MS);
		leader = sim_cluster_await_leader(&kept->cluster);
		crash(kept, leader - 1);
		sim_cluster_await_leader(&kept->cluster);
		pass(kept, 3 * (uint64_t)SIM_S);
		assert_false(has_row(kept, fs_key_session(session)));
		assert_false(holds_anything(kept));
		kept_free(kept);
	}
}

/* ---- What has lost its last name ---- */

static const struct op make_file = {.kind = OP_MAKE,
	.make = {.parent = FS_ROOT_INO, .name = {"f", 1}, .mode = S_IFREG | 0644, .exclusive = true}};
static const struct op remove_file = {.kind = OP_UNLINK, .remove = {.parent = FS_ROOT_INO, .name = {"f", 1}}};

/* run gives every operation of a session the same sequence. */
static uint64_t make_and_remove(struct kept *kept, uint64_t session)
{
	uint64_t ino = run(kept, &make_file, 0).attributes.ino;

	assert_true(ino > 0);
	run(kept, &remove_file, session);
	return ino;
}

static bool is_there(struct kept *kept, uint64_t ino)
{
	struct raftkv_snapshot *snapshot = look(kept);
	struct attributes attributes;
	int status = read_attributes(raftkv_snapshot_view(snapshot, true), ino, &attributes);

	raftkv_snapshot_free(snapshot);
	return status == 0;
}

/* Beats, with the answer, until the coordinator asks about the inode: the notice. */
static uint64_t await_notice(struct kept *kept, uint64_t session, uint64_t answered, uint64_t ino)
{
	struct ino_ranges *inodes = calloc(1, sizeof *inodes);
	uint64_t number = 0;

	assert_non_null(inodes);
	for (int i = 0; i < 100 && number == 0; i++) {
		beat_and_answer(
			kept, sim_cluster_await_leader(&kept->cluster), session, answered, &number, inodes);
		if (number > 0)
			assert_true(ino_ranges_has(inodes, ino));
		else
			pass(kept, 100 * SIM_MS);
	}
	assert_true(number > 0);
	free(inodes);
	return number;
}

static void answer(struct kept *kept, uint64_t session, uint64_t notice)
{
	uint64_t number;

	assert_int_equal(beat_and_answer(kept, sim_cluster_await_leader(&kept->cluster), session, notice,
				 &number, NULL),
		0);
	assert_int_equal(number, 0);
}

static void what_is_removed_goes_when_all_have_answered(void **state)
{
	struct kept *kept = kept_new(30);
	uint64_t one = open_session(kept), two = open_session(kept), ino, notice;

	(void)state;
	pass(kept, 2 * (uint64_t)SIM_S);
	ino = make_and_remove(kept, one);
	notice = await_notice(kept, one, 0, ino);
	assert_int_equal(await_notice(kept, two, 0, ino), notice);
	answer(kept, one, notice);
	for (int i = 0; i < 4; i++) {
		beat(kept, two);
		pass(kept, SIM_S);
		beat(kept, one);
		assert_true(is_there(kept, ino));
	}
	answer(kept, two, notice);
	pass(kept, SIM_S);
	assert_false(is_there(kept, ino));
	kept_free(kept);
}

static void who_answers_by_a_hold_keeps_it(void **state)
{
	struct kept *kept = kept_new(31);
	uint64_t one = open_session(kept), two = open_session(kept), ino, notice;

	(void)state;
	pass(kept, 2 * (uint64_t)SIM_S);
	ino = make_and_remove(kept, one);
	notice = await_notice(kept, two, 0, ino);
	run(kept, &(struct op){.kind = OP_HOLD, .hold.ino = ino}, two);
	answer(kept, two, notice);
	answer(kept, one, notice);
	stay_alive(kept, two, 4);
	assert_true(is_there(kept, ino));
	pass(kept, EXPIRY + 2 * (uint64_t)SIM_S); /* its session ends */
	assert_false(is_there(kept, ino));
	kept_free(kept);
}

static void who_dies_need_not_answer(void **state)
{
	struct kept *kept = kept_new(32);
	uint64_t one = open_session(kept), ino, notice;

	(void)state;
	open_session(kept);
	pass(kept, 2 * (uint64_t)SIM_S);
	ino = make_and_remove(kept, one);
	notice = await_notice(kept, one, 0, ino);
	for (int i = 0; i < 8; i++) {
		answer(kept, one, notice);
		pass(kept, SIM_S);
	}
	assert_false(is_there(kept, ino));
	kept_free(kept);
}

static void the_next_leader_asks_anew(void **state)
{
	struct kept *kept = kept_new(33);
	uint64_t one = open_session(kept), two = open_session(kept), ino, notice, next;
	uint32_t leader;

	(void)state;
	pass(kept, 2 * (uint64_t)SIM_S);
	ino = make_and_remove(kept, one);
	notice = await_notice(kept, one, 0, ino);
	answer(kept, one, notice);
	leader = sim_cluster_await_leader(&kept->cluster);
	crash(kept, leader - 1);
	next = await_notice(kept, one, notice, ino);
	assert_true(next > notice);
	assert_int_equal(await_notice(kept, two, notice, ino), next);
	answer(kept, one, next);
	answer(kept, two, next);
	pass(kept, 2 * (uint64_t)SIM_S);
	assert_false(is_there(kept, ino));
	start(kept, leader - 1);
	kept_free(kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_cluster_is_given_its_root_and_its_stores),
		cmocka_unit_test(silent_session_is_ended_with_what_it_held),
		cmocka_unit_test(closed_session_is_ended_at_once),
		cmocka_unit_test(only_the_leader_takes_beats),
		cmocka_unit_test(new_leader_grants_a_full_period),
		cmocka_unit_test(time_without_a_leader_does_not_count),
		cmocka_unit_test(half_ended_session_is_ended_by_the_next_leader),
		cmocka_unit_test(what_is_removed_goes_when_all_have_answered),
		cmocka_unit_test(who_answers_by_a_hold_keeps_it),
		cmocka_unit_test(who_dies_need_not_answer),
		cmocka_unit_test(the_next_leader_asks_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
