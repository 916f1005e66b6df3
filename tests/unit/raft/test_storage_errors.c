/* A storage that fails once, at every call in turn: the error comes back, nothing is lost, and after the call was made
 * again everything is as if it had not failed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "tests/unit/raft/cluster.h"

/* Passes calls on to a memory storage, except for the one that fails. */
struct faulty {
	struct raft_storage storage; /* first */
	struct raft_storage *behind;
	unsigned calls;
	unsigned fail_at;
};

static struct raft_storage *pass(struct raft_storage *storage)
{
	struct faulty *faulty = (struct faulty *)storage;

	return ++faulty->calls == faulty->fail_at ? NULL : faulty->behind;
}

static int initial_state(
	struct raft_storage *storage, struct raft_hard_state *hard, struct raft_conf_state *conf)
{
	struct raft_storage *behind = pass(storage);

	return behind ? behind->initial_state(behind, hard, conf) : -EIO;
}

static int entries(struct raft_storage *storage, uint64_t low, uint64_t high, uint64_t size_max,
	struct raft_entries *out)
{
	struct raft_storage *behind = pass(storage);

	return behind ? behind->entries(behind, low, high, size_max, out) : -EIO;
}

static int term(struct raft_storage *storage, uint64_t index, uint64_t *out)
{
	struct raft_storage *behind = pass(storage);

	return behind ? behind->term(behind, index, out) : -EIO;
}

static int first_index(struct raft_storage *storage, uint64_t *out)
{
	struct raft_storage *behind = pass(storage);

	return behind ? behind->first_index(behind, out) : -EIO;
}

static int last_index(struct raft_storage *storage, uint64_t *out)
{
	struct raft_storage *behind = pass(storage);

	return behind ? behind->last_index(behind, out) : -EIO;
}

static int snapshot(struct raft_storage *storage, struct raft_snapshot *out)
{
	struct raft_storage *behind = pass(storage);

	return behind ? behind->snapshot(behind, out) : -EIO;
}

static bool drop_to(void *argument, const struct raft_message *message)
{
	return message->to == *(uint64_t *)argument;
}

static void propose(struct cluster *cluster, unsigned id, unsigned count)
{
	while (count-- > 0)
		assert_int_equal(cluster_propose(cluster, id, "x"), 0);
	cluster_settle(cluster);
}

static void tick(struct cluster *cluster, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		for (unsigned id = 1; id <= cluster->count; id++) {
			struct raw_node *node = cluster_at(cluster, id);

			while (cluster_is_fault(cluster, raw_node_tick(node)))
				continue;
		}
		cluster_settle(cluster);
	}
}

/* Node 1 reads through `faulty`: it leads, lags behind for some peers, sends a snapshot, is deposed while it has a tail of
 * its own, and follows. Returns the last term. */
static uint64_t play(struct faulty *faulty)
{
	struct raft_config config = cluster_config();
	struct cluster cluster;
	uint64_t cut = 3;
	uint64_t end;

	config.message_size_max = 20;
	cluster_init(&cluster, 3, &config);
	cluster.fault = -EIO;
	faulty->behind = &cluster.nodes[0].memory.storage;
	raw_node_free(cluster_at(&cluster, 1));
	cluster.config.id = 1;
	while (cluster_is_fault(
		&cluster, raw_node_new(&cluster.config, &faulty->storage, &cluster.nodes[0].node, NULL)))
		continue;
	cluster_elect(&cluster, 1);
	propose(&cluster, 1, 5);
	cluster.drop = drop_to;
	cluster.argument = &cut;
	propose(&cluster, 1, 10); /* node 3 misses them, and later gets some from the log */
	cut = 0;
	tick(&cluster, 3);
	cut = 3;
	propose(&cluster, 1, 10); /* and some in a snapshot */
	assert_int_equal(memory_storage_create_snapshot(&cluster.nodes[0].memory, 20, NULL, NULL), 0);
	assert_int_equal(memory_storage_compact(&cluster.nodes[0].memory, 20), 0);
	cut = 0;
	tick(&cluster, 12);
	assert_int_equal(cluster.nodes[2].applied, 26);
	cut = 1;
	assert_int_equal(cluster_propose(&cluster, 1, "never committed"), 0);
	cluster_handle_ready(&cluster, 1);
	for (unsigned id = 2; id <= 3; id++)
		cluster_clear_inbox(&cluster.nodes[id - 1]);
	cluster_elect(&cluster, 2);
	propose(&cluster, 2, 3);
	cut = 0;
	tick(&cluster, 3);
	cluster_elect(&cluster, 1);
	propose(&cluster, 1, 1);
	tick(&cluster, 2);
	assert_true(cluster.faults <= 1);
	end = cluster_status(&cluster, 1).hard_state.term;
	for (unsigned id = 1; id <= 3; id++) {
		assert_int_equal(cluster.nodes[id - 1].applied, 32);
		assert_int_equal(cluster_status(&cluster, id).hard_state.term, end);
	}
	assert_int_equal(cluster_status(&cluster, 1).soft_state.role, RAFT_LEADER);
	cluster_close(&cluster);
	return end;
}

static void every_call_may_fail_once(void **state)
{
	struct faulty faulty = {
		.storage = {initial_state, entries, term, first_index, last_index, snapshot},
	};
	uint64_t end = play(&faulty);
	unsigned calls = faulty.calls;

	(void)state;
	assert_true(calls > 20);
	for (unsigned fail_at = 1; fail_at <= calls; fail_at++) {
		faulty.calls = 0;
		faulty.fail_at = fail_at;
		assert_int_equal(play(&faulty), end);
		assert_true(faulty.calls >= fail_at);
	}
}

/* With a disk that keeps failing the leader serves the peers that it can, and returns the error. */
static void a_lasting_error_comes_from_ready(void **state)
{
	struct faulty faulty = {
		.storage = {initial_state, entries, term, first_index, last_index, snapshot},
	};
	struct raft_config config = cluster_config();
	struct raft_ready ready = {0};
	struct cluster cluster;
	uint64_t cut = 3;

	(void)state;
	cluster_init(&cluster, 3, &config);
	faulty.behind = &cluster.nodes[0].memory.storage;
	raw_node_free(cluster_at(&cluster, 1));
	cluster.config.id = 1;
	assert_int_equal(raw_node_new(&cluster.config, &faulty.storage, &cluster.nodes[0].node, NULL), 0);
	cluster_elect(&cluster, 1);
	cluster.drop = drop_to;
	cluster.argument = &cut;
	propose(&cluster, 1, 4);
	assert_int_equal(raw_node_report_unreachable(cluster_at(&cluster, 1), 3), 0);
	for (unsigned i = 0; i < 3; i++) {
		faulty.fail_at = faulty.calls + 1;
		assert_int_equal(
			raw_node_step(cluster_at(&cluster, 1),
				&(struct raft_message){
					.type = RAFT_MSG_HEARTBEAT_RESP, .from = 3, .to = 1, .term = 1}),
			0);
		assert_true(raw_node_has_ready(cluster_at(&cluster, 1)));
		faulty.fail_at = faulty.calls + 1;
		assert_int_equal(raw_node_ready(cluster_at(&cluster, 1), &ready), -EIO);
		assert_int_equal(ready.messages.count, 0);
	}
	cut = 0;
	cluster_settle(&cluster);
	assert_int_equal(cluster.nodes[2].applied, 5);
	raft_ready_close(&ready);
	cluster_close(&cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_may_fail_once),
		cmocka_unit_test(a_lasting_error_comes_from_ready),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
