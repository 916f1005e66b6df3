/* Changes of a region's members on simulated machines: who leads, who is added, and what is left of who goes. */
#include "store/raftkv.h"

#include <errno.h>
#include <string.h>

#include "tests/lib/sim_cluster.h"
#include "tests/lib/test.h"
#include "tests/lib/test_evaluator.h"

static const struct region_change remove_3 = {.steps = {{RAFT_REMOVE_NODE, 3, 0}}, .step_count = 1};
static const struct region_change add_4_at_3 = {.steps = {{RAFT_ADD_LEARNER, 4, 3}}, .step_count = 1};

static void begin(struct sim_cluster *cluster, uint64_t seed, uint32_t joiners)
{
	sim_cluster_init(cluster, seed, 3, joiners);
	sim_cluster_open_all(cluster);
	sim_cluster_write(cluster, test_op_put("a", "1"), NULL);
}

static struct raftkv_region_status status_at(struct sim_cluster *cluster, uint32_t store)
{
	struct raftkv_region_status status;

	assert_int_equal(sim_cluster_status_at(cluster, store, &status), 0);
	return status;
}

static uint8_t roles_of(struct sim_cluster *cluster, uint32_t store, uint64_t replica)
{
	struct raftkv_region_status status = status_at(cluster, store);

	for (uint32_t i = 0; i < status.member_count; i++)
		if (status.members[i].peer.id == replica)
			return status.members[i].peer.roles;
	return 0;
}

/* Hands the leadership to that store, however often it takes. */
static void lead_from(struct sim_cluster *cluster, uint32_t store)
{
	for (int i = 0; i < 100; i++) {
		uint32_t leader = sim_cluster_await_leader(cluster);

		if (leader == store)
			return;
		assert_int_equal(
			raftkv_transfer_leader(sim_cluster_store(cluster, leader)->raftkv, 1, store), 0);
		sim_cluster_run(cluster, SIM_S);
	}
	fail_msg("store %u does not get the leadership", store);
}

static bool is_gone(struct sim_cluster *cluster, uint32_t store)
{
	struct raftkv_region_status status;

	return sim_cluster_status_at(cluster, store, &status) == STATUS_REGION_NOT_FOUND;
}

/* Waits, for as long as a replica may need to find out that it is not wanted. */
static void await_gone(struct sim_cluster *cluster, uint32_t store)
{
	for (int i = 0; i < 60 && !is_gone(cluster, store); i++)
		sim_cluster_run(cluster, SIM_S);
	assert_true(is_gone(cluster, store));
	sim_cluster_run(cluster, SIM_S);
}

static void assert_nothing_left(struct sim_cluster *cluster, uint32_t store)
{
	struct raftkv *raftkv = sim_cluster_store(cluster, store)->raftkv;
	struct raftkv_stats stats;

	sim_cluster_run(cluster, 5 * (uint64_t)SIM_S);
	raftkv_stats(raftkv, &stats);
	assert_int_equal(stats.regions, 0);
	assert_int_equal(stats.blocks.used_units, 0);
}

static struct buf *units(uint32_t count)
{
	struct buf *buf = buf_new((size_t)count * BLOCK_UNIT_SIZE);

	memset(buf->data, 'x', buf->size);
	return buf;
}

/* ---- Tests ------------------------------------------------------------------------------------------------------ */

static void leadership_moves_to_each_store(void **state)
{
	struct sim_cluster cluster;

	(void)state;
	begin(&cluster, 1, 0);
	for (uint32_t store = 1; store <= 3; store++) {
		lead_from(&cluster, store);
		sim_cluster_write(&cluster, test_op_append("a", "x"), NULL);
		assert_int_equal(status_at(&cluster, store).leader_store, store);
		assert_true(status_at(&cluster, store).is_serving);
	}
	sim_cluster_close(&cluster);
}

static void voter_becomes_a_learner_and_a_voter_again(void **state)
{
	const struct region_change demote = {.steps = {{RAFT_ADD_LEARNER, 3, 3}}, .step_count = 1};
	const struct region_change promote = {.steps = {{RAFT_ADD_VOTER, 3, 3}}, .step_count = 1};
	struct sim_cluster cluster;

	(void)state;
	begin(&cluster, 2, 0);
	lead_from(&cluster, 1);
	sim_cluster_change(&cluster, &demote);
	sim_cluster_run(&cluster, SIM_S);
	for (uint32_t store = 1; store <= 3; store++)
		assert_int_equal(roles_of(&cluster, store, 3), REGION_LEARNER);
	sim_cluster_write(&cluster, test_op_put("a", "2"), NULL);
	sim_store_crash(sim_cluster_store(&cluster, 3));
	sim_cluster_open(&cluster, 3);
	sim_cluster_change(&cluster, &promote);
	sim_cluster_run(&cluster, 3 * (uint64_t)SIM_S);
	for (uint32_t store = 1; store <= 3; store++)
		assert_int_equal(roles_of(&cluster, store, 3), REGION_VOTER);
	assert_int_equal(status_at(&cluster, 3).epoch.conf_version, 3);
	/* Now it votes: with store 2 away, it is needed. */
	sim_store_kill(sim_cluster_store(&cluster, 2));
	sim_cluster_write(&cluster, test_op_put("a", "3"), NULL);
	sim_cluster_close(&cluster);
}

static void removed_replica_leaves_nothing(void **state)
{
	struct sim_cluster cluster;

	(void)state;
	begin(&cluster, 3, 0);
	lead_from(&cluster, 1);
	sim_cluster_write(&cluster, test_op_write("large", 0), units(40));
	sim_cluster_write(&cluster, test_op_write("small", 0), units(2));
	sim_cluster_change(&cluster, &remove_3);
	await_gone(&cluster, 3);
	assert_nothing_left(&cluster, 3);
	assert_int_equal(sim_cluster_read_at(&cluster, 3, "a", true).status, STATUS_REGION_NOT_FOUND);
	assert_int_equal(sim_cluster_write_at(&cluster, 3, test_op_put("a", "2"), NULL).status,
		STATUS_REGION_NOT_FOUND);
	sim_store_crash(sim_cluster_store(&cluster, 3));
	sim_cluster_open(&cluster, 3);
	assert_nothing_left(&cluster, 3);
	sim_cluster_write(&cluster, test_op_put("a", "2"), NULL);
	sim_cluster_close(&cluster);
}

static void power_loss_does_not_keep_a_removed_replica(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 40; seed++) {
		struct sim_cluster cluster;
		struct sim_store *store;

		begin(&cluster, 100 + seed, 0);
		store = sim_cluster_store(&cluster, 3);
		lead_from(&cluster, 1);
		sim_cluster_write(&cluster, test_op_write("large", 0), units(40));
		sim_cluster_change(&cluster, &remove_3);
		sim_node_crash_after(store->node, seed / 4);
		sim_cluster_run(&cluster, sim_random(cluster.world, 100) * SIM_MS);
		sim_store_crash(store);
		sim_cluster_open(&cluster, 3);
		await_gone(&cluster, 3);
		assert_nothing_left(&cluster, 3);
		sim_cluster_close(&cluster);
	}
}

/* A commit index alone is not durable: whoever stays may need the vote of who goes, until it knows durably that it does
 * not. */
static void power_failure_of_all_leaves_no_region_without_a_leader(void **state)
{
	const struct region_change remove_2 = {.steps = {{RAFT_REMOVE_NODE, 2, 0}}, .step_count = 1};

	(void)state;
	for (uint64_t delay_ms = 0; delay_ms < 40; delay_ms++) {
		struct sim_cluster cluster;

		sim_cluster_init(&cluster, 200 + delay_ms, 2, 0);
		sim_cluster_open_all(&cluster);
		lead_from(&cluster, 1);
		sim_cluster_change(&cluster, &remove_2);
		sim_cluster_run(&cluster, delay_ms * SIM_MS);
		for (uint32_t store = 1; store <= 2; store++)
			sim_store_crash(sim_cluster_store(&cluster, store));
		sim_cluster_open_all(&cluster);
		sim_cluster_write(&cluster, test_op_put("a", "1"), NULL);
		await_gone(&cluster, 2);
		sim_cluster_close(&cluster);
	}
}

/* As one may, whose store was down when its region was split off: another one that has no leader asks it. */
static void replica_that_is_missing_for_a_quorum_is_made(void **state)
{
	struct sim_cluster cluster;

	(void)state;
	sim_cluster_init(&cluster, 8, 3, 0);
	sim_cluster_store(&cluster, 2)->options.is_joining = true;
	for (uint32_t store = 1; store <= 2; store++)
		sim_cluster_open(&cluster, store);
	assert_true(is_gone(&cluster, 2));
	sim_cluster_write(&cluster, test_op_put("a", "1"), NULL);
	sim_cluster_run(&cluster, SIM_S);
	assert_int_equal(status_at(&cluster, 2).replica, 2);
	sim_cluster_close(&cluster);
}

/* Nobody speaks to it any more: it asks. */
static void replica_removed_while_away_finds_out(void **state)
{
	const struct region_change demote = {.steps = {{RAFT_ADD_LEARNER, 3, 3}}, .step_count = 1};

	(void)state;
	for (int is_learner = 0; is_learner <= 1; is_learner++) {
		struct sim_cluster cluster;

		begin(&cluster, 4, 0);
		lead_from(&cluster, 1);
		if (is_learner)
			sim_cluster_change(&cluster, &demote);
		sim_cluster_run(&cluster, SIM_S);
		sim_cluster_cut(&cluster, 3, true);
		sim_cluster_change(&cluster, &remove_3);
		sim_cluster_run(&cluster, SIM_S);
		assert_false(is_gone(&cluster, 3));
		sim_cluster_cut(&cluster, 3, false);
		await_gone(&cluster, 3);
		sim_cluster_close(&cluster);
	}
}

static void late_message_does_not_bring_a_replica_back(void **state)
{
	struct raft_message message = {.type = RAFT_MSG_HEARTBEAT, .from = 1, .to = 3};
	struct peer_envelope envelope = {
		.region = 1, .from = {.id = 1, .store = 1}, .to = {.id = 3, .store = 3}};
	struct sim_cluster cluster;
	struct raft_message copy;

	(void)state;
	begin(&cluster, 5, 0);
	lead_from(&cluster, 1);
	message.term = status_at(&cluster, 1).term;
	envelope.epoch = status_at(&cluster, 1).epoch;
	sim_cluster_change(&cluster, &remove_3);
	await_gone(&cluster, 3);
	for (int i = 0; i < 2; i++) {
		copy = message;
		raftkv_step(sim_cluster_store(&cluster, 3)->raftkv, &envelope, &copy);
		sim_cluster_run(&cluster, SIM_S);
		assert_true(is_gone(&cluster, 3));
		sim_store_crash(sim_cluster_store(&cluster, 3));
		sim_cluster_open(&cluster, 3);
	}
	/* The next one, with a new id, is welcome. */
	sim_cluster_change(&cluster, &add_4_at_3);
	sim_cluster_run(&cluster, SIM_S);
	assert_int_equal(status_at(&cluster, 3).replica, 4);
	sim_store_crash(sim_cluster_store(&cluster, 3));
	sim_cluster_open(&cluster, 3);
	sim_cluster_run(&cluster, SIM_S);
	assert_int_equal(status_at(&cluster, 3).replica, 4);
	sim_cluster_close(&cluster);
}

/* A replica takes the place of another in one change, through a joint phase that ends by itself. */
static void members_are_exchanged_at_once(void **state)
{
	const struct region_change exchange = {
		.steps = {{RAFT_REMOVE_NODE, 3, 0}, {RAFT_ADD_LEARNER, 4, 4}, {RAFT_ADD_LEARNER, 2, 2}},
		.step_count = 3};
	struct sim_cluster cluster;

	(void)state;
	begin(&cluster, 6, 1);
	lead_from(&cluster, 1);
	sim_cluster_change(&cluster, &exchange);
	await_gone(&cluster, 3);
	assert_int_equal(roles_of(&cluster, 1, 1), REGION_VOTER);
	assert_int_equal(roles_of(&cluster, 1, 2), REGION_LEARNER);
	assert_int_equal(roles_of(&cluster, 1, 3), 0);
	assert_int_equal(roles_of(&cluster, 1, 4), REGION_LEARNER);
	assert_int_equal(status_at(&cluster, 1).epoch.conf_version, 3);
	assert_int_equal(status_at(&cluster, 4).replica, 4);
	sim_cluster_write(&cluster, test_op_put("a", "2"), NULL);
	sim_cluster_close(&cluster);
}

static void changes_that_make_no_sense_are_refused(void **state)
{
	const struct region_change refused[] = {
		{.steps = {{RAFT_REMOVE_NODE, 9, 0}}, .step_count = 1}, /* nobody */
		{.steps = {{RAFT_REMOVE_NODE, 1, 0}}, .step_count = 1}, /* the leader itself */
		{.steps = {{RAFT_ADD_LEARNER, 1, 1}}, .step_count = 1},
		{.steps = {{RAFT_ADD_VOTER, 4, 3}}, .step_count = 1}, /* a second replica on a store */
		{.steps = {{RAFT_ADD_VOTER, 3, 4}}, .step_count = 1}, /* a replica that moves */
		{.steps = {{RAFT_ADD_VOTER, 4, 4}, {RAFT_ADD_LEARNER, 4, 4}}, .step_count = 2},
		{.steps = {{RAFT_ADD_VOTER, 4, 4}, {RAFT_ADD_VOTER, 5, 4}}, .step_count = 2},
		{.step_count = 0}, /* there is no joint phase to leave */
	};
	struct region_change stale = remove_3;
	struct sim_cluster cluster;

	(void)state;
	begin(&cluster, 7, 1);
	lead_from(&cluster, 1);
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		assert_int_equal(sim_cluster_change_at(&cluster, 1, &refused[i]), STATUS_CONF_CHANGE_INVALID);
	stale.conf_version = 2;
	assert_int_equal(sim_cluster_change_at(&cluster, 1, &stale), STATUS_EPOCH_NOT_MATCH);
	assert_int_equal(sim_cluster_change_at(&cluster, 2, &remove_3), STATUS_NOT_LEADER);
	assert_int_equal(sim_cluster_change_at(&cluster, 4, &remove_3), STATUS_REGION_NOT_FOUND);
	assert_int_equal(status_at(&cluster, 1).epoch.conf_version, 1);
	assert_int_equal(status_at(&cluster, 1).member_count, 3);
	sim_cluster_close(&cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leadership_moves_to_each_store),
		cmocka_unit_test(voter_becomes_a_learner_and_a_voter_again),
		cmocka_unit_test(removed_replica_leaves_nothing),
		cmocka_unit_test(power_loss_does_not_keep_a_removed_replica),
		cmocka_unit_test(power_failure_of_all_leaves_no_region_without_a_leader),
		cmocka_unit_test(replica_that_is_missing_for_a_quorum_is_made),
		cmocka_unit_test(replica_removed_while_away_finds_out),
		cmocka_unit_test(late_message_does_not_bring_a_replica_back),
		cmocka_unit_test(members_are_exchanged_at_once),
		cmocka_unit_test(changes_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
