/* Time: nodes that are called only at their deadlines do the same as nodes ticked one by one. Hibernation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/raft/cluster.h"

/* Loses messages by a number that both clusters draw in the same way. */
struct weather {
	uint64_t random;
	unsigned lost_in_16;
};

static bool drop_some(void *argument, const struct raft_message *message)
{
	struct weather *weather = argument;

	(void)message;
	weather->random = weather->random * 6364136223846793005u + 1442695040888963407u;
	return weather->random >> 60 < weather->lost_in_16;
}

/* Moves the nodes to `now` that are due or have a ready. */
static void move_to(struct cluster *cluster, uint64_t now)
{
	for (unsigned id = 1; id <= cluster->count; id++) {
		struct raw_node *node = cluster_at(cluster, id);

		if (raw_node_deadline(node) <= now || cluster->nodes[id - 1].inbox.count > 0)
			assert_int_equal(raw_node_tick_to(node, now), 0);
	}
}

static void settle_at(struct cluster *cluster, uint64_t now)
{
	bool busy = true;

	while (busy) {
		busy = false;
		for (unsigned id = 1; id <= cluster->count; id++)
			busy |= cluster_handle_ready(cluster, id);
		move_to(cluster, now);
		for (unsigned id = 1; id <= cluster->count; id++)
			busy |= cluster_deliver(cluster, id);
	}
}

static void compare(struct cluster *ticked, struct cluster *driven)
{
	for (unsigned id = 1; id <= 3; id++) {
		struct raft_status a = cluster_status(ticked, id);
		struct raft_status b = cluster_status(driven, id);

		assert_true(cluster_same_status(&a, &b));
	}
}

static void run_both(bool pre_vote, bool check_quorum, uint64_t seed)
{
	struct weather weather_a = {.random = seed, .lost_in_16 = 7};
	struct weather weather_b = weather_a;
	struct raft_config config = cluster_config();
	struct cluster ticked, driven;

	config.seed = seed;
	config.heartbeat_tick = 3;
	config.pre_vote = pre_vote;
	config.check_quorum = check_quorum;
	cluster_init(&ticked, 3, &config);
	cluster_init(&driven, 3, &config);
	ticked.drop = drop_some;
	ticked.argument = &weather_a;
	driven.drop = drop_some;
	driven.argument = &weather_b;
	for (uint64_t now = 1; now <= 1000; now++) {
		cluster_tick(&ticked);
		move_to(&driven, now);
		settle_at(&driven, now);
		compare(&ticked, &driven);
		if (now % 97 == 0) { /* a transfer, which may be lost and then times out */
			for (unsigned id = 1; id <= 3; id++) {
				assert_int_equal(raw_node_tick_to(cluster_at(&driven, id), now), 0);
				raw_node_transfer_leader(cluster_at(&ticked, id), 1 + now % 3);
				raw_node_transfer_leader(cluster_at(&driven, id), 1 + now % 3);
			}
		}
	}
	assert_true(cluster_status(&ticked, 1).hard_state.commit > 0);
	cluster_close(&ticked);
	cluster_close(&driven);
}

static void deadlines_equal_ticks(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++)
		run_both(seed & 1, seed & 2, seed);
}

static void a_node_that_cannot_campaign_waits_for_ever(void **state)
{
	struct raft_config config = cluster_config();
	struct memory_storage memory;
	struct raw_node *node;

	(void)state;
	config.id = 4;
	memory_storage_init(&memory);
	assert_int_equal(raw_node_new(&config, &memory.storage, &node, NULL), 0);
	assert_int_equal(raw_node_deadline(node), RAFT_NEVER);
	assert_int_equal(raw_node_tick_to(node, 1000), 0);
	assert_false(raw_node_has_ready(node));
	raw_node_free(node);
	memory_storage_close(&memory);
}

static bool drop_to_3(void *argument, const struct raft_message *message)
{
	return *(bool *)argument && message->to == 3;
}

static void only_a_quiet_group_hibernates(void **state)
{
	struct raft_config config = cluster_config();
	struct cluster cluster;
	bool drop = false;

	(void)state;
	cluster_init(&cluster, 3, &config);
	cluster_elect(&cluster, 1);
	cluster.drop = drop_to_3;
	cluster.argument = &drop;
	assert_true(raw_node_can_hibernate(cluster_at(&cluster, 1)));
	assert_false(raw_node_can_hibernate(cluster_at(&cluster, 2)));
	drop = true;
	assert_int_equal(cluster_propose(&cluster, 1, "x"), 0);
	assert_false(raw_node_can_hibernate(cluster_at(&cluster, 1)));
	raw_node_hibernate(cluster_at(&cluster, 1));
	assert_false(raw_node_is_hibernating(cluster_at(&cluster, 1)));
	cluster_settle(&cluster);
	assert_true(raw_node_can_hibernate(cluster_at(&cluster, 1))); /* node 3 lacks it, a quorum has it */
	cluster_close(&cluster);
}

static bool drop_all(void *argument, const struct raft_message *message)
{
	(void)message;
	return *(bool *)argument;
}

static void no_quorum_keeps_a_leader_awake(void **state)
{
	struct raft_config config = cluster_config();
	struct cluster cluster;
	bool drop = true;

	(void)state;
	config.check_quorum = true;
	cluster_init(&cluster, 3, &config);
	cluster_elect(&cluster, 1);
	assert_true(raw_node_can_hibernate(cluster_at(&cluster, 1)));
	cluster.drop = drop_all;
	cluster.argument = &drop;
	for (uint32_t i = 0; i <= config.election_tick; i++) {
		assert_int_equal(raw_node_tick(cluster_at(&cluster, 1)), 0);
		cluster_settle(&cluster);
	}
	assert_int_equal(cluster_status(&cluster, 1).soft_state.role, RAFT_LEADER);
	assert_false(raw_node_can_hibernate(cluster_at(&cluster, 1)));
	cluster_close(&cluster);
}

static void sleeps_until_something_comes(void **state)
{
	struct raft_config config = cluster_config();
	struct cluster cluster;

	(void)state;
	config.check_quorum = true;
	cluster_init(&cluster, 3, &config);
	cluster_elect(&cluster, 1);
	for (unsigned id = 1; id <= 3; id++) {
		raw_node_hibernate(cluster_at(&cluster, id));
		assert_int_equal(raw_node_deadline(cluster_at(&cluster, id)), RAFT_NEVER);
		assert_int_equal(raw_node_tick_to(cluster_at(&cluster, id), 5000), 0);
		assert_false(raw_node_has_ready(cluster_at(&cluster, id)));
	}
	assert_int_equal(cluster_propose(&cluster, 1, "x"), 0);
	cluster_settle(&cluster);
	for (unsigned id = 1; id <= 3; id++) {
		assert_false(raw_node_is_hibernating(cluster_at(&cluster, id)));
		assert_true(raw_node_deadline(cluster_at(&cluster, id)) > 5000);
		assert_true(raw_node_deadline(cluster_at(&cluster, id)) <= 5020);
	}
	cluster_close(&cluster);
}

/* No heartbeat came while it slept: a woken follower refuses votes for a full election timeout. */
static void waking_gives_a_full_timeout(void **state)
{
	struct raft_message vote = {
		.type = RAFT_MSG_VOTE, .from = 3, .to = 2, .term = 9, .index = 99, .log_term = 8};
	struct raft_config config = cluster_config();
	struct cluster cluster;

	(void)state;
	config.check_quorum = true;
	cluster_init(&cluster, 3, &config);
	cluster_elect(&cluster, 1);
	raw_node_hibernate(cluster_at(&cluster, 2));
	assert_int_equal(raw_node_tick_to(cluster_at(&cluster, 2), 5000), 0);
	assert_int_equal(raw_node_step(cluster_at(&cluster, 2), &vote), 0);
	assert_false(raw_node_is_hibernating(cluster_at(&cluster, 2)));
	assert_int_equal(cluster_status(&cluster, 2).hard_state.term, 1);
	assert_true(raw_node_deadline(cluster_at(&cluster, 2)) >= 5010);
	assert_int_equal(raw_node_tick_to(cluster_at(&cluster, 2), 5009), 0);
	assert_int_equal(raw_node_step(cluster_at(&cluster, 2), &vote), 0);
	assert_int_equal(cluster_status(&cluster, 2).hard_state.term, 1);
	cluster_close(&cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deadlines_equal_ticks),
		cmocka_unit_test(a_node_that_cannot_campaign_waits_for_ever),
		cmocka_unit_test(only_a_quiet_group_hibernates),
		cmocka_unit_test(no_quorum_keeps_a_leader_awake),
		cmocka_unit_test(sleeps_until_something_comes),
		cmocka_unit_test(waking_gives_a_full_timeout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
