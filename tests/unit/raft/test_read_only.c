/* ReadIndex: which reads are answered and when, and that every read is answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "raft/read_only.h"
#include "tests/unit/raft/cluster.h"

static bool drop_all(void *argument, const struct raft_message *message)
{
	(void)message;
	return *(bool *)argument;
}

static void queue_counts_reads(void **state)
{
	struct read_queue queue;

	(void)state;
	read_queue_init(&queue, 3);
	assert_int_equal(read_queue_push(&queue, 0, 0, NULL), 0);
	assert_false(queue.is_round_due);
	assert_int_equal(read_queue_push(&queue, 2, 0, NULL), 0);
	assert_int_equal(read_queue_push(&queue, 3, 0, NULL), 0);
	assert_int_equal(read_queue_push(&queue, 4, 0, NULL), STATUS_LIMIT);
	read_queue_release(&queue, 7);
	assert_true(queue.is_round_due);
	assert_int_equal(read_queue_newest(&queue), 3);
	assert_int_equal(read_queue_pop(&queue).index, 7);
	assert_int_equal(read_queue_pop(&queue).from, 2);
	assert_int_equal(read_queue_newest(&queue), 3);
	read_queue_close(&queue);
}

static void leader_and_followers_read(void **state)
{
	struct raft_config config = cluster_config();
	struct cluster cluster;

	(void)state;
	cluster_init(&cluster, 3, &config);
	cluster_elect(&cluster, 1);
	assert_int_equal(cluster_propose(&cluster, 1, "x"), 0);
	cluster_settle(&cluster);
	assert_int_equal(cluster_read(&cluster, 1, 'a'), 0);
	assert_int_equal(cluster_read(&cluster, 3, 'b'), 0);
	assert_null(cluster_answer(&cluster, 1, 'a'));
	cluster_settle(&cluster);
	assert_int_equal(cluster_answer(&cluster, 1, 'a')->index, 2);
	assert_int_equal(cluster_answer(&cluster, 1, 'a')->status, 0);
	assert_int_equal(cluster_answer(&cluster, 3, 'b')->index, 2);
	cluster_close(&cluster);
}

static void one_round_confirms_all_before_it(void **state)
{
	struct raft_config config = cluster_config();
	struct raft_ready ready = {0};
	struct cluster cluster;

	(void)state;
	cluster_init(&cluster, 3, &config);
	cluster_elect(&cluster, 1);
	for (char name = 'a'; name <= 'z'; name++)
		assert_int_equal(cluster_read(&cluster, 1, name), 0);
	assert_int_equal(raw_node_ready(cluster_at(&cluster, 1), &ready), 0);
	assert_int_equal(ready.messages.count, 2); /* a heartbeat for each follower */
	for (size_t i = 0; i < ready.messages.count; i++)
		cluster_send(&cluster, &ready.messages.items[i]);
	assert_int_equal(raw_node_advance(cluster_at(&cluster, 1)), 0);
	raft_ready_close(&ready);
	cluster_settle(&cluster);
	assert_int_equal(cluster.nodes[0].reads.count, 26);
	cluster_close(&cluster);
}

static void no_read_without_a_quorum(void **state)
{
	struct raft_config config = cluster_config();
	struct cluster cluster;
	bool drop = false;

	(void)state;
	cluster_init(&cluster, 3, &config);
	cluster_elect(&cluster, 1);
	cluster.drop = drop_all;
	cluster.argument = &drop;
	drop = true;
	assert_int_equal(cluster_read(&cluster, 1, 'a'), 0);
	cluster_settle(&cluster);
	assert_null(cluster_answer(&cluster, 1, 'a'));
	drop = false; /* the next heartbeat carries the lost round */
	cluster_tick(&cluster);
	assert_non_null(cluster_answer(&cluster, 1, 'a'));
	cluster_close(&cluster);
}

static void reads_wait_for_the_first_commit_of_the_term(void **state)
{
	struct raft_config config = cluster_config();
	struct cluster cluster;

	(void)state;
	cluster_init(&cluster, 3, &config);
	assert_int_equal(cluster_read(&cluster, 1, 'z'), STATUS_NOT_LEADER);
	assert_int_equal(raw_node_campaign(cluster_at(&cluster, 1)), 0);
	while (cluster_status(&cluster, 1).soft_state.role != RAFT_LEADER) {
		for (unsigned id = 1; id <= 3; id++)
			cluster_handle_ready(&cluster, id);
		for (unsigned id = 1; id <= 3; id++)
			cluster_deliver(&cluster, id);
	}
	assert_int_equal(cluster_status(&cluster, 1).hard_state.commit, 0);
	assert_int_equal(cluster_read(&cluster, 1, 'a'), 0);
	cluster_settle(&cluster);
	assert_int_equal(cluster_answer(&cluster, 1, 'a')->index, 1);
	cluster_close(&cluster);
}

static void a_sole_voter_waits_for_it_too(void **state)
{
	struct raft_config config = cluster_config();
	struct cluster cluster;

	(void)state;
	cluster_init(&cluster, 1, &config);
	assert_int_equal(raw_node_campaign(cluster_at(&cluster, 1)), 0);
	cluster_handle_ready(&cluster, 1);
	assert_int_equal(cluster_status(&cluster, 1).soft_state.role, RAFT_LEADER);
	assert_int_equal(cluster_read(&cluster, 1, 'a'), 0);
	cluster_settle(&cluster);
	assert_int_equal(cluster_answer(&cluster, 1, 'a')->index, 1);
	assert_int_equal(cluster_read(&cluster, 1, 'b'), 0);
	cluster_settle(&cluster);
	assert_int_equal(cluster_answer(&cluster, 1, 'b')->index, 1);
	cluster_close(&cluster);
}

static void losing_the_lead_ends_every_read(void **state)
{
	struct raft_config config = cluster_config();
	struct cluster cluster;
	bool drop = false;

	(void)state;
	cluster_init(&cluster, 3, &config);
	cluster_elect(&cluster, 1);
	cluster.drop = drop_all;
	cluster.argument = &drop;
	assert_int_equal(cluster_read(&cluster, 2, 'b'), 0);
	cluster_handle_ready(&cluster, 2);
	cluster_deliver(&cluster, 1);
	drop = true;
	assert_int_equal(cluster_read(&cluster, 1, 'a'), 0);
	cluster_settle(&cluster);
	drop = false;
	assert_int_equal(raw_node_campaign(cluster_at(&cluster, 3)), 0);
	cluster_settle(&cluster);
	assert_int_equal(cluster_answer(&cluster, 1, 'a')->status, STATUS_STALE_COMMAND);
	assert_int_equal(cluster_answer(&cluster, 2, 'b')->status, STATUS_STALE_COMMAND);
	cluster_close(&cluster);
}

static void waiting_reads_are_limited(void **state)
{
	struct raft_config config = cluster_config();
	struct cluster cluster;
	bool drop = true;

	(void)state;
	config.pending_reads_max = 2;
	cluster_init(&cluster, 3, &config);
	cluster_elect(&cluster, 1);
	cluster.drop = drop_all;
	cluster.argument = &drop;
	assert_int_equal(cluster_read(&cluster, 1, 'a'), 0);
	assert_int_equal(cluster_read(&cluster, 1, 'b'), 0);
	assert_int_equal(cluster_read(&cluster, 1, 'c'), STATUS_LIMIT);
	drop = false;
	assert_int_equal(cluster_read(&cluster, 2, 'd'), 0);
	cluster_handle_ready(&cluster, 2);
	cluster_deliver(&cluster, 1); /* there is no room for it: it is refused, not lost */
	cluster_settle(&cluster);
	assert_int_equal(cluster_answer(&cluster, 2, 'd')->status, STATUS_STALE_COMMAND);
	assert_int_equal(cluster_answer(&cluster, 1, 'b')->status, 0);
	cluster_close(&cluster);
}

static void leases_answer_at_once_unless_a_transfer_is_under_way(void **state)
{
	struct raft_config config = cluster_config();
	struct cluster cluster;
	bool drop = false;

	(void)state;
	config.check_quorum = true;
	config.read_mode = RAFT_READ_LEASE_BASED;
	cluster_init(&cluster, 3, &config);
	cluster_elect(&cluster, 1);
	cluster.drop = drop_all;
	cluster.argument = &drop;
	drop = true;
	assert_int_equal(cluster_read(&cluster, 1, 'a'), 0);
	cluster_settle(&cluster);
	assert_int_equal(cluster_answer(&cluster, 1, 'a')->index, 1);
	assert_int_equal(raw_node_transfer_leader(cluster_at(&cluster, 1), 2), 0);
	assert_int_equal(cluster_read(&cluster, 1, 'b'), 0);
	cluster_settle(&cluster);
	assert_null(cluster_answer(&cluster, 1, 'b'));
	cluster_close(&cluster);
}

static void late_and_repeated_answers_do_no_harm(void **state)
{
	struct raft_config config = cluster_config();
	struct buf *context = buf_copy("a", 1);
	struct raft_message answer = {.type = RAFT_MSG_READ_INDEX_RESP,
		.from = 1,
		.to = 2,
		.term = 1,
		.index = 1,
		.context = context};
	struct cluster cluster;

	(void)state;
	cluster_init(&cluster, 3, &config);
	cluster_elect(&cluster, 1);
	cluster_elect(&cluster, 2); /* it leads now */
	assert_int_equal(raw_node_step(cluster_at(&cluster, 2), &answer), 0);
	assert_int_equal(raw_node_step(cluster_at(&cluster, 2), &answer), 0);
	cluster_settle(&cluster);
	assert_int_equal(cluster.nodes[1].reads.count, 2);
	assert_int_equal(cluster_answer(&cluster, 2, 'a')->status, STATUS_STALE_COMMAND);
	assert_int_equal(cluster_status(&cluster, 2).soft_state.role, RAFT_LEADER);
	cluster_close(&cluster);
	buf_unref(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queue_counts_reads),
		cmocka_unit_test(leader_and_followers_read),
		cmocka_unit_test(one_round_confirms_all_before_it),
		cmocka_unit_test(no_read_without_a_quorum),
		cmocka_unit_test(reads_wait_for_the_first_commit_of_the_term),
		cmocka_unit_test(a_sole_voter_waits_for_it_too),
		cmocka_unit_test(losing_the_lead_ends_every_read),
		cmocka_unit_test(waiting_reads_are_limited),
		cmocka_unit_test(leases_answer_at_once_unless_a_transfer_is_under_way),
		cmocka_unit_test(late_and_repeated_answers_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
