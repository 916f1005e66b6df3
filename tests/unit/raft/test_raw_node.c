/* The core as a whole: elections, replication, membership, snapshots, restarts, memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "tests/unit/raft/cluster.h"

static bool drop_to(void *argument, const struct raft_message *message)
{
	return message->to == *(uint64_t *)argument || message->from == *(uint64_t *)argument;
}

static void elects_and_replicates(void **state)
{
	struct raft_config config = cluster_config();
	struct cluster cluster;

	(void)state;
	cluster_init(&cluster, 3, &config);
	cluster_elect(&cluster, 1);
	assert_int_equal(cluster_status(&cluster, 1).soft_state.role, RAFT_LEADER);
	assert_int_equal(cluster_status(&cluster, 3).soft_state.leader, 1);
	assert_int_equal(cluster_propose(&cluster, 1, "a"), 0);
	assert_int_equal(cluster_propose(&cluster, 2, "b"), 0); /* forwarded */
	cluster_settle(&cluster);
	for (unsigned id = 1; id <= 3; id++) {
		assert_int_equal(cluster.nodes[id - 1].applied, 3);
		assert_int_equal(cluster.nodes[id - 1].applied_count, 2);
	}
	cluster_close(&cluster);
}

static void elects_by_ticking(void **state)
{
	struct raft_config config = cluster_config();
	struct cluster cluster;
	unsigned leaders = 0;

	(void)state;
	config.pre_vote = true;
	config.check_quorum = true;
	cluster_init(&cluster, 3, &config);
	for (unsigned i = 0; i < 40; i++)
		cluster_tick(&cluster);
	for (unsigned id = 1; id <= 3; id++)
		leaders += cluster_status(&cluster, id).soft_state.role == RAFT_LEADER;
	assert_int_equal(leaders, 1);
	cluster_close(&cluster);
}

static void leader_without_quorum_steps_down(void **state)
{
	struct raft_config config = cluster_config();
	struct cluster cluster;
	uint64_t cut = 1;

	(void)state;
	config.check_quorum = true;
	cluster_init(&cluster, 3, &config);
	cluster_elect(&cluster, 1);
	cluster.drop = drop_to;
	cluster.argument = &cut;
	for (unsigned i = 0; i < 25; i++) {
		assert_int_equal(raw_node_tick(cluster_at(&cluster, 1)), 0);
		cluster_settle(&cluster);
		if (i == 5)
			assert_int_equal(cluster_status(&cluster, 1).soft_state.role, RAFT_LEADER);
		if (cluster_status(&cluster, 1).soft_state.role == RAFT_FOLLOWER)
			break;
	}
	assert_int_not_equal(cluster_status(&cluster, 1).soft_state.role, RAFT_LEADER);
	cluster_close(&cluster);
}

/* Figure 8 of the Raft paper: an entry of an earlier term on a majority is not committed by counting. */
static void old_term_is_not_committed_by_counting(void **state)
{
	struct raft_config config = cluster_config();
	struct cluster cluster;
	uint64_t cut = 3;

	(void)state;
	cluster_init(&cluster, 3, &config);
	for (unsigned id = 1; id <= 2; id++) { /* both have an uncommitted entry of term 1 */
		struct raft_entry entry = {.index = 1, .term = 1};
		struct raft_hard_state hard = {.term = 1};

		raw_node_free(cluster_at(&cluster, id));
		assert_int_equal(memory_storage_append(&cluster.nodes[id - 1].memory, &entry, 1), 0);
		memory_storage_set_hard_state(&cluster.nodes[id - 1].memory, &hard);
		cluster_start(&cluster, id);
	}
	cluster.drop = drop_to;
	cluster.argument = &cut;
	assert_int_equal(raw_node_campaign(cluster_at(&cluster, 1)), 0);
	while (cluster_status(&cluster, 1).soft_state.role != RAFT_LEADER) {
		cluster_handle_ready(&cluster, 1);
		cluster_handle_ready(&cluster, 2);
		cluster_deliver(&cluster, 2);
		cluster_deliver(&cluster, 1);
	}
	/* An acknowledgement of the old entry alone commits nothing. */
	assert_int_equal(
		raw_node_step(cluster_at(&cluster, 1),
			&(struct raft_message){
				.type = RAFT_MSG_APP_RESP, .from = 2, .to = 1, .term = 2, .index = 1}),
		0);
	assert_int_equal(cluster_status(&cluster, 1).hard_state.commit, 0);
	cluster_settle(&cluster);
	assert_int_equal(cluster_status(&cluster, 1).hard_state.commit, 2);
	cluster_close(&cluster);
}

static void votes_once_a_term(void **state)
{
	struct raft_config config = cluster_config();
	struct raft_message vote = {.type = RAFT_MSG_VOTE, .from = 2, .to = 1, .term = 3};
	struct cluster cluster;
	struct raft_ready ready = {0};

	(void)state;
	cluster_init(&cluster, 3, &config);
	assert_int_equal(raw_node_step(cluster_at(&cluster, 1), &vote), 0);
	vote.from = 3;
	assert_int_equal(raw_node_step(cluster_at(&cluster, 1), &vote), 0);
	assert_int_equal(raw_node_ready(cluster_at(&cluster, 1), &ready), 0);
	assert_true(ready.must_sync);
	assert_int_equal(ready.hard_state.vote, 2);
	assert_int_equal(ready.messages.count, 2);
	assert_false(ready.messages.items[0].reject);
	assert_true(ready.messages.items[1].reject);
	raft_ready_close(&ready);
	cluster_close(&cluster);
}

static void changes_members_through_a_joint_phase(void **state)
{
	struct raft_config config = cluster_config();
	struct raft_conf_change change = {
		.steps = {{RAFT_ADD_LEARNER, 2}, {RAFT_REMOVE_NODE, 3}},
		.step_count = 2,
	};
	struct cluster cluster;

	(void)state;
	cluster_init(&cluster, 3, &config);
	cluster_elect(&cluster, 1);
	assert_int_equal(raw_node_propose_conf_change(cluster_at(&cluster, 1), &change, false), 0);
	cluster_settle(&cluster);
	for (unsigned id = 1; id <= 2; id++) {
		const struct raft_conf_state *conf = raw_node_conf_state(cluster_at(&cluster, id));

		assert_int_equal(conf->voters.count, 1);
		assert_int_equal(conf->voters_outgoing.count, 0);
		assert_int_equal(conf->learners.count, 1);
		assert_false(conf->auto_leave);
	}
	cluster_close(&cluster);
}

static void removed_leader_steps_down(void **state)
{
	struct raft_config config = cluster_config();
	struct raft_conf_change change = {.steps = {{RAFT_REMOVE_NODE, 1}}, .step_count = 1};
	struct cluster cluster;

	(void)state;
	config.step_down_on_removal = true;
	cluster_init(&cluster, 3, &config);
	cluster_elect(&cluster, 1);
	assert_int_equal(raw_node_propose_conf_change(cluster_at(&cluster, 1), &change, true), 0);
	cluster_settle(&cluster);
	assert_int_equal(cluster_status(&cluster, 1).soft_state.role, RAFT_FOLLOWER);
	assert_int_equal(cluster_propose(&cluster, 1, "x"), STATUS_PROPOSAL_DROPPED);
	cluster_close(&cluster);
}

static void transfers_leadership(void **state)
{
	struct raft_config config = cluster_config();
	struct cluster cluster;

	(void)state;
	config.pre_vote = true;
	config.check_quorum = true;
	cluster_init(&cluster, 3, &config);
	cluster_elect(&cluster, 1);
	assert_int_equal(raw_node_transfer_leader(cluster_at(&cluster, 2), 3), 0);
	cluster_settle(&cluster);
	assert_int_equal(cluster_status(&cluster, 3).soft_state.role, RAFT_LEADER);
	assert_int_equal(cluster_status(&cluster, 1).soft_state.leader, 3);
	cluster_close(&cluster);
}

static void lagging_follower_gets_a_snapshot(void **state)
{
	struct raft_config config = cluster_config();
	struct cluster cluster;
	struct raft_conf_state conf = {0};
	uint64_t cut = 3;

	(void)state;
	cluster_init(&cluster, 3, &config);
	cluster_elect(&cluster, 1);
	cluster.drop = drop_to;
	cluster.argument = &cut;
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(cluster_propose(&cluster, 1, "x"), 0);
		cluster_settle(&cluster);
	}
	assert_int_equal(raft_conf_state_copy(&conf, raw_node_conf_state(cluster_at(&cluster, 1))), 0);
	assert_int_equal(memory_storage_create_snapshot(&cluster.nodes[0].memory, 15, &conf, NULL), 0);
	assert_int_equal(memory_storage_compact(&cluster.nodes[0].memory, 15), 0);
	raft_conf_state_close(&conf);
	cut = 0;
	for (unsigned i = 0; i < 5; i++)
		cluster_tick(&cluster);
	assert_int_equal(cluster.nodes[2].applied, 21);
	assert_int_equal(cluster.nodes[2].memory.compacted_index, 15);
	cluster_close(&cluster);
}

static void restarts_where_it_was(void **state)
{
	struct raft_config config = cluster_config();
	struct cluster cluster;

	(void)state;
	cluster_init(&cluster, 3, &config);
	cluster_elect(&cluster, 1);
	assert_int_equal(cluster_propose(&cluster, 1, "x"), 0);
	cluster_settle(&cluster);
	for (unsigned id = 1; id <= 3; id++) {
		raw_node_free(cluster_at(&cluster, id));
		cluster_start(&cluster, id);
		assert_int_equal(cluster_status(&cluster, id).hard_state.term, 1);
		assert_int_equal(cluster_status(&cluster, id).hard_state.commit, 2);
		assert_int_equal(cluster_status(&cluster, id).soft_state.leader, RAFT_NONE);
	}
	cluster_elect(&cluster, 2);
	assert_int_equal(cluster_propose(&cluster, 2, "y"), 0);
	cluster_settle(&cluster);
	assert_int_equal(cluster.nodes[0].applied, 4);
	cluster_close(&cluster);
}

static void refuses_a_state_no_node_leaves(void **state)
{
	struct raft_config config = cluster_config();
	struct memory_storage memory;
	struct raw_node *node;
	struct status status;

	(void)state;
	config.id = 1;
	memory_storage_init(&memory);
	memory_storage_set_hard_state(&memory, &(struct raft_hard_state){.term = 1, .commit = 5});
	assert_int_equal(raw_node_new(&config, &memory.storage, &node, &status), STATUS_CORRUPT);
	assert_string_not_equal(status.text, "");
	memory_storage_set_hard_state(&memory, &(struct raft_hard_state){.term = 1});
	config.applied = 3;
	assert_int_equal(raw_node_new(&config, &memory.storage, &node, &status), STATUS_CORRUPT);
	config.election_tick = 1;
	assert_int_equal(raw_node_new(&config, &memory.storage, &node, &status), -EINVAL);
	memory_storage_close(&memory);
}

static void uncommitted_tail_is_limited(void **state)
{
	struct raft_config config = cluster_config();
	struct cluster cluster;
	uint64_t cut = 1;

	(void)state;
	config.uncommitted_size_max = 10;
	cluster_init(&cluster, 3, &config);
	cluster_elect(&cluster, 1);
	cluster.drop = drop_to;
	cluster.argument = &cut;
	assert_int_equal(cluster_propose(&cluster, 1, "a first one may be of any size"), 0);
	assert_int_equal(cluster_propose(&cluster, 1, "x"), STATUS_PROPOSAL_DROPPED);
	cut = 0;
	for (unsigned i = 0; i < 3; i++)
		cluster_tick(&cluster);
	assert_int_equal(cluster_propose(&cluster, 1, "x"), 0);
	cluster_close(&cluster);
}

static void committed_entries_come_in_pages(void **state)
{
	struct raft_config config = cluster_config();
	struct raft_ready ready = {0};
	struct cluster cluster;

	(void)state;
	config.committed_size_per_ready = 30; /* an entry with 8 bytes of data counts 16 */
	cluster_init(&cluster, 1, &config);
	cluster_elect(&cluster, 1);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(cluster_propose(&cluster, 1, "12345678"), 0);
	assert_int_equal(raw_node_ready(cluster_at(&cluster, 1), &ready), 0);
	assert_int_equal(memory_storage_save_ready(&cluster.nodes[0].memory, &ready), 0);
	assert_int_equal(raw_node_advance(cluster_at(&cluster, 1)), 0);
	raft_ready_clear(&ready);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(raw_node_ready(cluster_at(&cluster, 1), &ready), 0);
		assert_int_equal(ready.committed_entries.count, 1);
		assert_int_equal(raft_entry_size(&ready.committed_entries.items[0]), 16);
		assert_int_equal(raw_node_advance(cluster_at(&cluster, 1)), 0);
		raft_ready_clear(&ready);
	}
	assert_false(raw_node_has_ready(cluster_at(&cluster, 1)));
	raft_ready_close(&ready);
	cluster_close(&cluster);
}

static void idle_replica_is_small(void **state)
{
	struct raft_config config = cluster_config();
	struct cluster cluster;

	(void)state;
	cluster_init(&cluster, 3, &config);
	for (unsigned id = 1; id <= 3; id++)
		assert_true(raw_node_memory(cluster_at(&cluster, id)) <= 1024);
	cluster_elect(&cluster, 1);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(cluster_propose(&cluster, 1, "x"), 0);
	cluster_settle(&cluster);
	for (unsigned i = 0; i < 2; i++)
		cluster_tick(&cluster);
	for (unsigned id = 1; id <= 3; id++) {
		raw_node_hibernate(cluster_at(&cluster, id));
		assert_true(raw_node_is_hibernating(cluster_at(&cluster, id)));
		assert_true(raw_node_memory(cluster_at(&cluster, id)) <= 1024);
	}
	cluster_close(&cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elects_and_replicates),
		cmocka_unit_test(elects_by_ticking),
		cmocka_unit_test(leader_without_quorum_steps_down),
		cmocka_unit_test(old_term_is_not_committed_by_counting),
		cmocka_unit_test(votes_once_a_term),
		cmocka_unit_test(changes_members_through_a_joint_phase),
		cmocka_unit_test(removed_leader_steps_down),
		cmocka_unit_test(transfers_leadership),
		cmocka_unit_test(lagging_follower_gets_a_snapshot),
		cmocka_unit_test(restarts_where_it_was),
		cmocka_unit_test(refuses_a_state_no_node_leaves),
		cmocka_unit_test(uncommitted_tail_is_limited),
		cmocka_unit_test(committed_entries_come_in_pages),
		cmocka_unit_test(idle_replica_is_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
