/*
 * Idle regions sleep, and wake when they must (peer/hibernation.h, transport/liveness.h), on simulated machines: what they
 * say meanwhile, the lease, members that are behind, and the death of stores.
 */
#include <errno.h>
#include <string.h>

#include "store/raftkv.h"
#include "tests/lib/sim_cluster.h"
#include "tests/lib/test.h"
#include "tests/lib/test_evaluator.h"

#define SEEDS	 12
#define PATIENCE (60 * (uint64_t)SIM_S)
#define ELECTION (1500 * (uint64_t)SIM_MS) /* the shortest election timeout */

static uint64_t asleep_at(struct sim_cluster *cluster, uint32_t store)
{
	struct raftkv_stats stats = {0};

	if (sim_cluster_store(cluster, store)->raftkv)
		raftkv_stats(sim_cluster_store(cluster, store)->raftkv, &stats);
	return stats.asleep;
}

struct sleep_wait {
	struct sim_cluster *cluster;
	uint64_t regions;
};

static bool all_sleep(void *argument)
{
	const struct sleep_wait *wait = argument;

	for (uint32_t store = 1; store <= 3; store++)
		if (asleep_at(wait->cluster, store) != wait->regions)
			return false;
	return true;
}

static void await_sleep(struct sim_cluster *cluster, uint64_t regions)
{
	struct sleep_wait wait = {cluster, regions};

	if (!sim_run(cluster->world, PATIENCE, all_sleep, &wait))
		fail_msg("asleep: %llu, %llu and %llu of %llu replicas",
			(unsigned long long)asleep_at(cluster, 1), (unsigned long long)asleep_at(cluster, 2),
			(unsigned long long)asleep_at(cluster, 3), (unsigned long long)regions);
}

/* Three stores with one region, which sleeps; 1 leads it. */
static void begin_asleep(struct sim_cluster *cluster, uint64_t seed)
{
	sim_cluster_init(cluster, seed, 3, 0);
	sim_cluster_open_all(cluster);
	sim_cluster_write(cluster, test_op_put("a", "old"), NULL);
	sim_cluster_lead_from(cluster, 1, 1);
	await_sleep(cluster, 1);
}

static uint64_t term_at(struct sim_cluster *cluster, uint32_t store)
{
	struct raftkv_region_status status;

	assert_int_equal(sim_cluster_status_at(cluster, store, &status), 0);
	return status.term;
}

static uint64_t messages_sent(const struct sim_cluster *cluster)
{
	uint64_t count = 0;

	for (int type = 0; type < RAFT_MSG_TYPE_COUNT; type++)
		count += cluster->transport.sent[type];
	return count;
}

/* ---- Silence ---------------------------------------------------------------------------------------------------- */

static void idle_region_says_nothing(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct sim_cluster cluster;
		uint64_t sent, alive, term;

		begin_asleep(&cluster, seed);
		sim_cluster_run(&cluster, SIM_S);
		sent = messages_sent(&cluster);
		alive = cluster.transport.alive_sent;
		term = term_at(&cluster, 1);
		sim_cluster_run(&cluster, 600 * (uint64_t)SIM_S);
		assert_int_equal(messages_sent(&cluster), sent);
		assert_true(cluster.transport.alive_sent > alive);
		assert_int_equal(sim_cluster_leader(&cluster), 1);
		sim_cluster_write(&cluster, test_op_put("a", "new"), NULL);
		assert_int_equal(sim_cluster_leader(&cluster), 1);
		assert_int_equal(term_at(&cluster, 1), term);
		await_sleep(&cluster, 1);
		assert_string_equal(sim_cluster_read_at(&cluster, 3, "a", true).text, "new");
		await_sleep(&cluster, 1);
		assert_string_equal(sim_cluster_read_at(&cluster, 1, "a", false).text, "new");
		assert_int_equal(term_at(&cluster, 1), term);
		sim_cluster_close(&cluster);
	}
}

/* Nobody is told more often because there are more regions. */
static void regions_sleep_each_for_itself(void **state)
{
	struct sim_cluster cluster;
	uint64_t sent;

	(void)state;
	begin_asleep(&cluster, 1);
	sim_cluster_split(&cluster, "m", 2);
	await_sleep(&cluster, 2);
	sent = messages_sent(&cluster);
	sim_cluster_run(&cluster, 60 * (uint64_t)SIM_S);
	assert_int_equal(messages_sent(&cluster), sent);
	for (int i = 0; i < 20; i++) {
		sim_cluster_write_to(&cluster, "z", test_op_put("z", "1"), NULL);
		sim_cluster_run(&cluster, SIM_S);
		assert_true(asleep_at(&cluster, 1) == 1 && asleep_at(&cluster, 2) == 1);
	}
	await_sleep(&cluster, 2);
	sim_cluster_close(&cluster);
}

/* ---- What has changed ------------------------------------------------------------------------------------------- */

struct changed {
	uint32_t count;
	uint64_t region, term; /* of the last one */
};

static void note_changed(void *argument, const struct region *region, uint64_t term)
{
	struct changed *changed = argument;

	changed->count++;
	changed->region = region->id;
	changed->term = term;
}

/* The regions at the store that have changed since the last call. */
static struct changed look(struct sim_cluster *cluster, uint32_t store, uint64_t *since)
{
	struct changed changed = {0};

	*since = raftkv_each_changed_region(
		sim_cluster_store(cluster, store)->raftkv, *since, note_changed, &changed);
	return changed;
}

static void expect_one_changed(
	struct sim_cluster *cluster, uint64_t since[4], uint64_t region, uint32_t leader)
{
	for (uint32_t store = 1; store <= 3; store++) {
		struct changed changed = look(cluster, store, &since[store]);

		assert_int_equal(changed.count, 1);
		assert_int_equal(changed.region, region);
		assert_int_equal(changed.term > 0, store == leader);
	}
}

static void a_region_that_is_written_or_led_anew_has_changed(void **state)
{
	struct sim_cluster cluster;
	uint64_t since[4] = {0};

	(void)state;
	begin_asleep(&cluster, 3);
	sim_cluster_split(&cluster, "m", 2);
	await_sleep(&cluster, 2);
	for (uint32_t store = 1; store <= 3; store++)
		assert_int_equal(look(&cluster, store, &since[store]).count, 2);
	sim_cluster_run(&cluster, 60 * (uint64_t)SIM_S);
	for (uint32_t store = 1; store <= 3; store++)
		assert_int_equal(look(&cluster, store, &since[store]).count, 0);
	sim_cluster_write(&cluster, test_op_put("a", "new"), NULL);
	await_sleep(&cluster, 2);
	expect_one_changed(&cluster, since, 1, 1);
	sim_cluster_lead_from(&cluster, 1, 2);
	await_sleep(&cluster, 2);
	expect_one_changed(&cluster, since, 1, 2);
	sim_cluster_close(&cluster);
}

/* The leader's lease lasts while somebody reads. */
static void readers_keep_it_awake(void **state)
{
	struct sim_cluster cluster;

	(void)state;
	begin_asleep(&cluster, 2);
	for (int i = 0; i < 200; i++) {
		sim_cluster_run(&cluster, 100 * SIM_MS);
		assert_int_equal(sim_cluster_read_at(&cluster, 1, "a", false).status, 0);
		assert_true(i < 1 || asleep_at(&cluster, 1) == 0);
	}
	sim_cluster_close(&cluster);
}

static void it_may_be_turned_off(void **state)
{
	struct sim_cluster cluster;

	(void)state;
	sim_cluster_init(&cluster, 3, 3, 0);
	for (uint32_t store = 1; store <= 3; store++)
		sim_cluster_store(&cluster, store)->options.hibernation_is_off = true;
	sim_cluster_open_all(&cluster);
	sim_cluster_write(&cluster, test_op_put("a", "old"), NULL);
	sim_cluster_run(&cluster, 30 * (uint64_t)SIM_S);
	for (uint32_t store = 1; store <= 3; store++)
		assert_int_equal(asleep_at(&cluster, store), 0);
	sim_cluster_close(&cluster);
}

/* ---- The lease -------------------------------------------------------------------------------------------------- */

static bool another_leads(void *argument)
{
	return sim_cluster_leader(argument) > 1;
}

/* The machine of the leader that sleeps stands still. When it goes on, the first read comes before anything else. */
static void leader_that_slept_too_long_reads_nothing(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct raftkv_snapshot *snapshot = NULL;
		struct sim_cluster cluster;

		begin_asleep(&cluster, 20 + seed);
		sim_node_pause(sim_cluster_store(&cluster, 1)->node, 20 * (uint64_t)SIM_S);
		assert_true(sim_run(cluster.world, 10 * (uint64_t)SIM_S, another_leads, &cluster));
		sim_cluster_write(&cluster, test_op_put("a", "new"), NULL);
		assert_int_equal(asleep_at(&cluster, 1), 1);
		assert_int_equal(
			raftkv_local_snapshot(sim_cluster_store(&cluster, 1)->raftkv, 1, 0, &snapshot),
			STATUS_WOULD_BLOCK);
		sim_cluster_run(&cluster, 20 * (uint64_t)SIM_S);
		await_sleep(&cluster, 1);
		sim_cluster_close(&cluster);
	}
}

/* The leader that sleeps is cut off. Others lead and write; it must not answer from what it has. */
static void leader_that_sleeps_has_no_lease(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct raftkv_snapshot *snapshot = NULL;
		struct sim_cluster cluster;

		begin_asleep(&cluster, seed);
		sim_cluster_cut(&cluster, 1, true);
		sim_cluster_run(&cluster, 20 * (uint64_t)SIM_S);
		assert_true(sim_cluster_leader(&cluster) > 1);
		sim_cluster_write(&cluster, test_op_put("a", "new"), NULL);
		assert_int_equal(
			raftkv_local_snapshot(sim_cluster_store(&cluster, 1)->raftkv, 1, 0, &snapshot),
			STATUS_WOULD_BLOCK);
		assert_int_not_equal(sim_cluster_read_at(&cluster, 1, "a", false).status, 0);
		sim_cluster_cut(&cluster, 1, false);
		await_sleep(&cluster, 1);
		sim_cluster_close(&cluster);
	}
}

/* ---- Members that are behind ------------------------------------------------------------------------------------ */

static bool third_gets_no_entries(
	void *argument, const struct peer_envelope *envelope, const struct raft_message *message)
{
	(void)argument;
	return envelope->to.store != 3 || message->type != RAFT_MSG_APP || message->entries.count == 0;
}

static bool third_does_not_say_that_it_is_alive(
	void *argument, const struct peer_envelope *envelope, const struct raft_message *message)
{
	(void)argument;
	(void)message;
	return envelope->region > 0 || envelope->from.store != 3;
}

/* As a store of an older version does. */
static void member_that_answers_is_not_dead(void **state)
{
	struct sim_cluster cluster;

	(void)state;
	sim_cluster_init(&cluster, 6, 3, 0);
	cluster.transport.filter = third_does_not_say_that_it_is_alive;
	sim_cluster_open_all(&cluster);
	sim_cluster_write(&cluster, test_op_put("a", "old"), NULL);
	sim_cluster_lead_from(&cluster, 1, 1);
	for (int i = 0; i < 30; i++) {
		sim_cluster_run(&cluster, SIM_S);
		assert_int_equal(asleep_at(&cluster, 1), 0);
	}
	cluster.transport.filter = NULL;
	await_sleep(&cluster, 1);
	sim_cluster_close(&cluster);
}

/* Its leader sleeps meanwhile, and wakes when it is back, so that it gets the entries. */
static void region_sleeps_without_a_dead_member(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct sim_cluster cluster;

		begin_asleep(&cluster, 70 + seed);
		sim_store_kill(sim_cluster_store(&cluster, 3));
		sim_cluster_write(&cluster, test_op_put("a", "new"), NULL);
		sim_cluster_run(&cluster, 30 * (uint64_t)SIM_S);
		assert_true(asleep_at(&cluster, 1) == 1 && asleep_at(&cluster, 2) == 1);
		sim_cluster_open(&cluster, 3);
		await_sleep(&cluster, 1);
		assert_int_equal(sim_cluster_leader(&cluster), 1);
		assert_string_equal(sim_cluster_read_at(&cluster, 3, "a", true).text, "new");
		sim_cluster_close(&cluster);
	}
}

static bool has_all(void *argument)
{
	struct sim_cluster *cluster = argument;
	struct raftkv_region_status first, third;

	return sim_cluster_status_at(cluster, 1, &first) == 0 &&
	       sim_cluster_status_at(cluster, 3, &third) == 0 && third.applied == first.last_index;
}

static void region_with_a_member_behind_stays_awake(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct sim_cluster cluster;

		begin_asleep(&cluster, seed);
		cluster.transport.filter = third_gets_no_entries;
		sim_cluster_write(&cluster, test_op_put("a", "new"), NULL);
		for (int i = 0; i < 30; i++) {
			sim_cluster_run(&cluster, SIM_S);
			assert_int_equal(asleep_at(&cluster, 1), 0);
		}
		cluster.transport.filter = NULL;
		for (int i = 0; i < 10 && !has_all(&cluster); i++)
			sim_cluster_run(&cluster, SIM_S);
		assert_true(has_all(&cluster));
		await_sleep(&cluster, 1);
		sim_cluster_close(&cluster);
	}
}

/* ---- Words that are lost, or late ------------------------------------------------------------------------------- */

static bool third_does_not_say_that_it_sleeps(
	void *argument, const struct peer_envelope *envelope, const struct raft_message *message)
{
	(void)argument;
	(void)message;
	return envelope->from.store != 3 || envelope->word != PEER_WORD_ASLEEP;
}

static bool third_is_not_told_to_sleep(
	void *argument, const struct peer_envelope *envelope, const struct raft_message *message)
{
	(void)argument;
	(void)message;
	return envelope->to.store != 3 || envelope->word != PEER_WORD_SLEEP;
}

static void lost_word_changes_nothing(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct sim_cluster cluster;
		uint64_t term;

		begin_asleep(&cluster, seed);
		term = term_at(&cluster, 1);
		cluster.transport.filter =
			seed % 2 == 0 ? third_does_not_say_that_it_sleeps : third_is_not_told_to_sleep;
		sim_cluster_write(&cluster, test_op_put("a", "new"), NULL);
		for (int i = 0; i < 20; i++) {
			sim_cluster_run(&cluster, SIM_S);
			assert_int_equal(asleep_at(&cluster, 1), 0);
			assert_int_equal(term_at(&cluster, 1), term);
		}
		cluster.transport.filter = NULL;
		await_sleep(&cluster, 1);
		assert_int_equal(term_at(&cluster, 3), term);
		sim_cluster_close(&cluster);
	}
}

struct heartbeat {
	struct peer_envelope envelope;
	struct raft_message message;
};

static bool keep_heartbeat(
	void *argument, const struct peer_envelope *envelope, const struct raft_message *message)
{
	struct heartbeat *kept = argument;

	if (message->type == RAFT_MSG_HEARTBEAT && envelope->to.store == 3)
		*kept = (struct heartbeat){*envelope, {.type = RAFT_MSG_HEARTBEAT,
							      .to = message->to,
							      .from = message->from,
							      .term = message->term,
							      .commit = message->commit}};
	return true;
}

/* A heartbeat comes when all sleep, and wakes one of them alone. Its leader is there, and remains the leader. */
static void one_that_wakes_alone_deposes_nobody(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct heartbeat late = {0};
		struct sim_cluster cluster;
		uint64_t term;

		begin_asleep(&cluster, seed);
		cluster.transport.filter = keep_heartbeat;
		cluster.transport.filter_argument = &late;
		sim_cluster_write(&cluster, test_op_put("a", "new"), NULL);
		await_sleep(&cluster, 1);
		cluster.transport.filter = NULL;
		term = term_at(&cluster, 1);
		assert_int_equal(late.message.term, term);
		raftkv_step(sim_cluster_store(&cluster, 3)->raftkv, &late.envelope, &late.message);
		sim_cluster_run(&cluster, 30 * (uint64_t)SIM_S);
		assert_int_equal(sim_cluster_leader(&cluster), 1);
		assert_int_equal(term_at(&cluster, 3), term);
		await_sleep(&cluster, 1);
		sim_cluster_close(&cluster);
	}
}

static bool first_and_third_are_cut(
	void *argument, const struct peer_envelope *envelope, const struct raft_message *message)
{
	(void)argument;
	(void)message;
	return envelope->from.store + envelope->to.store != 4; /* 1 and 3, since nobody writes to itself */
}

static void leader_stays_that_one_member_does_not_hear(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct sim_cluster cluster;
		uint64_t term;

		begin_asleep(&cluster, seed);
		term = term_at(&cluster, 1);
		cluster.transport.filter = first_and_third_are_cut;
		sim_cluster_run(&cluster, 30 * (uint64_t)SIM_S);
		assert_int_equal(sim_cluster_leader(&cluster), 1);
		assert_int_equal(term_at(&cluster, 1), term);
		sim_cluster_write(&cluster, test_op_put("a", "new"), NULL);
		assert_int_equal(term_at(&cluster, 1), term);
		cluster.transport.filter = NULL;
		await_sleep(&cluster, 1);
		sim_cluster_close(&cluster);
	}
}

/* ---- The death of stores ---------------------------------------------------------------------------------------- */

static bool somebody_leads(void *argument)
{
	return sim_cluster_leader(argument) > 0;
}

static void death_of_the_leader_is_noticed(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct sim_cluster cluster;

		begin_asleep(&cluster, seed);
		sim_cluster_run(&cluster, seed * 100 * SIM_MS);
		sim_store_kill(sim_cluster_store(&cluster, 1));
		assert_true(sim_run(cluster.world, 10 * (uint64_t)SIM_S, somebody_leads, &cluster));
		sim_cluster_open(&cluster, 1);
		await_sleep(&cluster, 1);
		sim_cluster_close(&cluster);
	}
}

/* Votes and the first entry take a little after the timeout. */
static void first_request_after_a_death_elects(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct sim_cluster cluster;
		struct sim_answer answer;

		begin_asleep(&cluster, 50 + seed);
		sim_store_kill(sim_cluster_store(&cluster, 1));
		if (seed % 2 == 0)
			answer = sim_cluster_write_at(&cluster, 2, test_op_put("a", "new"), NULL);
		else
			answer = sim_cluster_read_at(&cluster, 2, "a", false);
		assert_int_equal(answer.status, STATUS_NOT_LEADER);
		assert_true(sim_run(cluster.world, 2 * ELECTION + 200 * SIM_MS, somebody_leads, &cluster));
		sim_cluster_close(&cluster);
	}
}

/* A store that is back before anybody has missed it. */
static void store_that_restarts_finds_its_group_awake(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		uint32_t store = 1 + (uint32_t)seed % 3;
		struct sim_cluster cluster;
		uint64_t term;

		begin_asleep(&cluster, seed);
		term = term_at(&cluster, 1);
		sim_store_crash(sim_cluster_store(&cluster, store));
		sim_cluster_open(&cluster, store);
		assert_true(sim_run(cluster.world, 10 * (uint64_t)SIM_S, somebody_leads, &cluster));
		await_sleep(&cluster, 1);
		assert_true(store == 1 || term_at(&cluster, 1) == term);
		sim_cluster_write(&cluster, test_op_put("a", "new"), NULL);
		await_sleep(&cluster, 1);
		sim_cluster_close(&cluster);
	}
}

/* All of them lose power at once, and nobody remembers that he slept. */
static void group_that_lost_power_comes_back(void **state)
{
	struct sim_cluster cluster;

	(void)state;
	begin_asleep(&cluster, 4);
	for (uint32_t store = 1; store <= 3; store++)
		sim_store_crash(sim_cluster_store(&cluster, store));
	sim_cluster_open_all(&cluster);
	sim_cluster_await_leader(&cluster);
	await_sleep(&cluster, 1);
	sim_cluster_close(&cluster);
}

/* ---- Administration --------------------------------------------------------------------------------------------- */

static void handover_and_changes_wake_it(void **state)
{
	struct region_change change = {.step_count = 1, .steps = {{.type = RAFT_REMOVE_NODE, .replica = 3}}};
	struct sleep_wait wait;
	struct sim_cluster cluster;

	(void)state;
	begin_asleep(&cluster, 5);
	wait = (struct sleep_wait){&cluster, 1};
	sim_cluster_lead_from(&cluster, 1, 2);
	await_sleep(&cluster, 1);
	assert_int_equal(sim_cluster_leader(&cluster), 2);
	sim_cluster_change(&cluster, &change);
	assert_false(sim_run(cluster.world, 30 * (uint64_t)SIM_S, all_sleep, &wait));
	assert_true(asleep_at(&cluster, 1) == 1 && asleep_at(&cluster, 2) == 1);
	assert_int_equal(asleep_at(&cluster, 3), 0);
	sim_cluster_close(&cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idle_region_says_nothing),
		cmocka_unit_test(regions_sleep_each_for_itself),
		cmocka_unit_test(a_region_that_is_written_or_led_anew_has_changed),
		cmocka_unit_test(readers_keep_it_awake),
		cmocka_unit_test(it_may_be_turned_off),
		cmocka_unit_test(leader_that_sleeps_has_no_lease),
		cmocka_unit_test(leader_that_slept_too_long_reads_nothing),
		cmocka_unit_test(region_with_a_member_behind_stays_awake),
		cmocka_unit_test(member_that_answers_is_not_dead),
		cmocka_unit_test(region_sleeps_without_a_dead_member),
		cmocka_unit_test(lost_word_changes_nothing),
		cmocka_unit_test(one_that_wakes_alone_deposes_nobody),
		cmocka_unit_test(leader_stays_that_one_member_does_not_hear),
		cmocka_unit_test(death_of_the_leader_is_noticed),
		cmocka_unit_test(first_request_after_a_death_elects),
		cmocka_unit_test(store_that_restarts_finds_its_group_awake),
		cmocka_unit_test(group_that_lost_power_comes_back),
		cmocka_unit_test(handover_and_changes_wake_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
