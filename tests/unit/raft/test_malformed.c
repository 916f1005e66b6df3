/* Messages that no correct node sends are refused and change nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/raft/cluster.h"

/* Node 1 leads 2 and 3 in term 1 with entries 1 and 2; everything is committed. */
static void open_cluster(struct cluster *cluster, bool is_async)
{
	struct raft_config config = cluster_config();

	cluster_init(cluster, 3, &config);
	cluster_elect(cluster, 1);
	assert_int_equal(cluster_propose(cluster, 1, "x"), 0);
	cluster_settle(cluster);
	if (!is_async)
		return;
	raw_node_free(cluster_at(cluster, 2));
	cluster->config.async_storage_writes = true;
	cluster_start(cluster, 2);
}

static void refuse(struct cluster *cluster, unsigned id, const struct raft_message *message, int expected)
{
	struct raft_status before = cluster_status(cluster, id);
	struct raft_status after;

	assert_int_equal(raw_node_step(cluster_at(cluster, id), message), expected);
	after = cluster_status(cluster, id);
	assert_true(cluster_same_status(&before, &after));
	assert_false(raw_node_has_ready(cluster_at(cluster, id)));
}

static void types_and_addresses(void **state)
{
	struct cluster cluster;

	(void)state;
	open_cluster(&cluster, false);
	for (int type = -1; type <= RAFT_MSG_TYPE_COUNT + 1; type++) {
		struct raft_message message = {
			.type = (enum raft_message_type)type, .from = 2, .to = 1, .term = 1};

		switch (type) {
		case RAFT_MSG_HUP:
		case RAFT_MSG_BEAT:
		case RAFT_MSG_UNREACHABLE:
		case RAFT_MSG_SNAP_STATUS:
		case RAFT_MSG_CHECK_QUORUM:
		case RAFT_MSG_STORAGE_APPEND:
		case RAFT_MSG_STORAGE_APPEND_RESP:
		case RAFT_MSG_STORAGE_APPLY:
		case RAFT_MSG_STORAGE_APPLY_RESP:
		case RAFT_MSG_FORGET_LEADER:
			refuse(&cluster, 1, &message, STATUS_STEP_LOCAL);
			break;
		case -1:
		case RAFT_MSG_TYPE_COUNT:
		case RAFT_MSG_TYPE_COUNT + 1:
			refuse(&cluster, 1, &message, STATUS_MALFORMED);
			break;
		case RAFT_MSG_TRANSFER_LEADER: /* `from` names a node, which need not be the sender */
			break;
		default:
			message.to = 2; /* meant for another node */
			refuse(&cluster, 1, &message, STATUS_MALFORMED);
			message.to = 1;
			message.from = 1; /* its own */
			refuse(&cluster, 1, &message, STATUS_MALFORMED);
			message.from = RAFT_NONE;
			refuse(&cluster, 1, &message, STATUS_MALFORMED);
			message.from = RAFT_LOCAL_APPEND_THREAD;
			refuse(&cluster, 1, &message, STATUS_MALFORMED);
		}
	}
	cluster_close(&cluster);
}

static void answers_of_strangers(void **state)
{
	static const enum raft_message_type types[] = {RAFT_MSG_APP_RESP, RAFT_MSG_VOTE_RESP,
		RAFT_MSG_HEARTBEAT_RESP, RAFT_MSG_READ_INDEX_RESP, RAFT_MSG_PRE_VOTE_RESP};
	struct cluster cluster;

	(void)state;
	open_cluster(&cluster, false);
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		refuse(&cluster, 1, &(struct raft_message){.type = types[i], .from = 9, .to = 1, .term = 7},
			STATUS_STEP_UNKNOWN_PEER);
	cluster_close(&cluster);
}

static void numbers_out_of_range(void **state)
{
	static const struct raft_message cases[] = {
		{.type = RAFT_MSG_APP, .term = 0},
		{.type = RAFT_MSG_VOTE, .term = UINT64_MAX},
		{.type = RAFT_MSG_VOTE, .term = 2, .index = UINT64_MAX},
		{.type = RAFT_MSG_HEARTBEAT, .term = 1, .commit = 3}, /* more than this node has */
		{.type = RAFT_MSG_HEARTBEAT, .term = 9, .commit = UINT64_MAX},
		{.type = RAFT_MSG_APP, .term = 1, .index = UINT64_MAX},
		{.type = RAFT_MSG_APP, .term = 1, .log_term = 2},
		{.type = RAFT_MSG_APP, .term = 1, .log_term = 1, .index = 2, .commit = UINT64_MAX},
		{.type = RAFT_MSG_SNAP, .term = 9},
		{.type = RAFT_MSG_PROP, .term = 0},
		{.type = RAFT_MSG_PROP, .term = 1},
		{.type = RAFT_MSG_READ_INDEX, .term = 1},
	};
	struct cluster cluster;

	(void)state;
	open_cluster(&cluster, false);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct raft_message message = cases[i];

		message.from = 1;
		message.to = 2;
		refuse(&cluster, 2, &message, STATUS_MALFORMED);
	}
	refuse(&cluster, 1,
		&(struct raft_message){.type = RAFT_MSG_APP_RESP, .from = 2, .to = 1, .term = 1, .index = 3},
		STATUS_MALFORMED); /* acknowledges what the leader does not have */
	cluster_close(&cluster);
}

static void entries_out_of_order(void **state)
{
	static const struct raft_entry cases[][2] = {
		{{.index = 4, .term = 1}, {.index = 5, .term = 1}}, /* a gap before them */
		{{.index = 3, .term = 1}, {.index = 5, .term = 1}}, /* a gap between them */
		{{.index = 3, .term = 1}, {.index = 3, .term = 1}},
		{{.index = 3, .term = 4}, {.index = 4, .term = 3}}, /* terms fall */
		{{.index = 3, .term = 0}, {.index = 4, .term = 1}},
		{{.index = 3, .term = 4}, {.index = 4, .term = 6}}, /* later than the leader's term */
		{{.index = 3, .term = 4}, {.index = 4, .term = 4, .type = (enum raft_entry_type)7}},
	};
	struct cluster cluster;

	(void)state;
	open_cluster(&cluster, false);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct raft_entry items[2] = {cases[i][0], cases[i][1]};
		struct raft_message message = {
			.type = RAFT_MSG_APP,
			.from = 3,
			.to = 2,
			.term = 5,
			.log_term = 1,
			.index = 2,
			.entries = {.items = items, .count = 2},
		};

		refuse(&cluster, 2, &message, STATUS_MALFORMED);
	}
	cluster_close(&cluster);
}

static void snapshots_that_cannot_be(void **state)
{
	struct raft_snapshot snapshot = {.index = 9, .term = 1};
	struct raft_message message = {
		.type = RAFT_MSG_SNAP, .from = 1, .to = 2, .term = 1, .snapshot = &snapshot};
	struct cluster cluster;

	(void)state;
	open_cluster(&cluster, false);
	refuse(&cluster, 2, &message, STATUS_MALFORMED); /* no voters */
	assert_int_equal(raft_ids_insert(&snapshot.conf_state.voters, 2), 0);
	assert_int_equal(raft_ids_insert(&snapshot.conf_state.learners, 2), 0);
	refuse(&cluster, 2, &message, STATUS_MALFORMED); /* a node twice */
	raft_ids_remove(&snapshot.conf_state.learners, 2);
	snapshot.term = 2; /* a term that has not begun */
	refuse(&cluster, 2, &message, STATUS_MALFORMED);
	snapshot.term = 1;
	snapshot.index = 0;
	refuse(&cluster, 2, &message, STATUS_MALFORMED);
	raft_conf_state_close(&snapshot.conf_state);
	cluster_close(&cluster);
}

static void proposals_that_cannot_be_decoded(void **state)
{
	struct buf *noise = buf_copy("\xff\xff\xff", 3);
	struct raft_entry entry = {.type = RAFT_ENTRY_CONF_CHANGE_V2, .data = noise};
	struct raft_message message = {
		.type = RAFT_MSG_PROP, .from = 2, .to = 1, .entries = {.items = &entry, .count = 1}};
	struct cluster cluster;

	(void)state;
	open_cluster(&cluster, false);
	refuse(&cluster, 1, &message, STATUS_MALFORMED);
	entry.type = (enum raft_entry_type)9;
	refuse(&cluster, 1, &message, STATUS_MALFORMED);
	assert_int_equal(raw_node_propose_entries(cluster_at(&cluster, 1), &entry, 1), STATUS_MALFORMED);
	cluster_close(&cluster);
	buf_unref(noise);
}

static void storage_threads_that_say_too_much(void **state)
{
	struct raft_entry entry = {.index = 7, .term = 1};
	struct raft_snapshot snapshot = {.index = 7, .term = 1};
	struct cluster cluster;

	(void)state;
	open_cluster(&cluster, true);
	refuse(&cluster, 2,
		&(struct raft_message){.type = RAFT_MSG_STORAGE_APPLY_RESP,
			.from = RAFT_LOCAL_APPLY_THREAD,
			.to = 2,
			.entries = {.items = &entry, .count = 1}},
		STATUS_MALFORMED);
	refuse(&cluster, 2,
		&(struct raft_message){.type = RAFT_MSG_STORAGE_APPEND_RESP,
			.from = RAFT_LOCAL_APPEND_THREAD,
			.to = 2,
			.term = 1,
			.snapshot = &snapshot},
		STATUS_MALFORMED);
	refuse(&cluster, 2,
		&(struct raft_message){.type = RAFT_MSG_STORAGE_APPEND_RESP,
			.from = RAFT_LOCAL_APPEND_THREAD,
			.to = 2,
			.term = 8},
		STATUS_MALFORMED);
	refuse(&cluster, 2,
		&(struct raft_message){.type = RAFT_MSG_STORAGE_APPEND_RESP,
			.from = RAFT_LOCAL_APPLY_THREAD,
			.to = 2,
			.term = 1},
		STATUS_STEP_LOCAL);
	cluster_close(&cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_and_addresses),
		cmocka_unit_test(answers_of_strangers),
		cmocka_unit_test(numbers_out_of_range),
		cmocka_unit_test(entries_out_of_order),
		cmocka_unit_test(snapshots_that_cannot_be),
		cmocka_unit_test(proposals_that_cannot_be_decoded),
		cmocka_unit_test(storage_threads_that_say_too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
