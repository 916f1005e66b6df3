/*
 * A node that crashes after any prefix of its storage work: with asynchronous writes, three nodes run the same script
 * of proposals, a membership change, a partition, changes of leader and compactions again and again; each time node 2
 * crashes one step of its append or apply thread later, loses what was not done, and starts again from its disk.
 * Afterwards all three have applied the same entries, and every one that was applied anywhere before the crash. The
 * two threads are independent: all of it is done once with either ahead of the other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "proto/check.h"
#include "raft/memory_storage.h"
#include "raft/raft.h"

#define PEERS	    3
#define CRASHING    2
#define CUT_OFF	    3
#define NEVER	    UINT64_MAX
#define APPLIED_MAX 64

/* A replica with its disk: the log in `memory`, the state machine in `applied` and `conf`. */
struct peer {
	struct memory_storage memory;
	struct raw_node *node;
	struct raft_messages append_work;
	struct raft_messages apply_work;
	char applied[APPLIED_MAX]; /* the first letters of the entries */
	uint64_t applied_index;
	struct raft_conf_state conf;
};

struct group {
	struct peer peers[PEERS + 1]; /* from 1 */
	struct raft_messages network;
	uint64_t steps; /* steps that the crashing node's threads have done */
	uint64_t crash_after; /* the number of steps before the crash */
	bool apply_first; /* the apply thread is ahead of the append thread */
	bool is_cut; /* node 3 is cut off */
	char applied_before[APPLIED_MAX]; /* the most that any node had applied at the crash */
};

static void push(struct raft_messages *queue, struct raft_message *message)
{
	queue->items = reallocarray(queue->items, queue->count + 1, sizeof *queue->items);
	check(queue->items != NULL);
	queue->items[queue->count++] = *message;
	*message = (struct raft_message){0};
}

static struct raft_message take_first(struct raft_messages *queue)
{
	struct raft_message first = queue->items[0];

	queue->count--;
	memmove(queue->items, queue->items + 1, queue->count * sizeof *queue->items);
	return first;
}

static void drop_all(struct raft_messages *queue)
{
	for (size_t i = 0; i < queue->count; i++)
		raft_message_close(&queue->items[i]);
	free(queue->items);
	*queue = (struct raft_messages){0};
}

/* ---- A peer ---- */

static int initial_state(
	struct raft_storage *storage, struct raft_hard_state *hard, struct raft_conf_state *conf)
{
	struct peer *peer = (struct peer *)storage; /* the storage is its first member */

	*hard = peer->memory.hard_state;
	return raft_conf_state_copy(conf, &peer->conf);
}

/* The newest state, as the data of a snapshot. */
static int snapshot(struct raft_storage *storage, struct raft_snapshot *out)
{
	struct peer *peer = (struct peer *)storage;

	out->index = peer->applied_index;
	out->data = buf_copy(peer->applied, sizeof peer->applied);
	check(out->data != NULL && raft_conf_state_copy(&out->conf_state, &peer->conf) == 0);
	return storage->term(storage, out->index, &out->term);
}

static void start(struct group *group, uint64_t id)
{
	struct peer *peer = &group->peers[id];
	struct raft_config config = {.id = id,
		.seed = id,
		.election_tick = 10,
		.heartbeat_tick = 1,
		.applied = peer->applied_index,
		.async_storage_writes = true};
	struct status status = {0};

	raw_node_free(peer->node);
	if (raw_node_new(&config, &peer->memory.storage, &peer->node, &status) != 0)
		fail_msg("node %lu does not start: %s", id, status.text);
}

static void apply_snapshot(struct peer *peer, const struct raft_snapshot *from)
{
	if (!from || from->index <= peer->applied_index)
		return;
	peer->applied_index = from->index;
	memcpy(peer->applied, from->data->data, sizeof peer->applied);
	check(raft_conf_state_copy(&peer->conf, &from->conf_state) == 0);
}

static void apply_entry(struct peer *peer, const struct raft_entry *entry)
{
	struct raft_conf_change change;
	size_t length = strlen(peer->applied);

	assert_int_equal(entry->index, peer->applied_index + 1);
	peer->applied_index = entry->index;
	if (entry->type != RAFT_ENTRY_NORMAL) {
		assert_int_equal(raft_conf_change_decode(entry, &change), 0);
		assert_int_equal(raw_node_apply_conf_change(peer->node, &change, &peer->conf), 0);
	} else if (entry->data) {
		assert_true(length + 1 < APPLIED_MAX);
		peer->applied[length] = *(const char *)entry->data->data;
	}
}

static void note_crash(struct group *group)
{
	for (uint64_t id = 1; id <= PEERS; id++)
		if (strlen(group->peers[id].applied) > strlen(group->applied_before))
			memcpy(group->applied_before, group->peers[id].applied, APPLIED_MAX);
}

/* The process's memory is lost; the messages that it sent are still delivered. */
static void crash(struct group *group)
{
	struct peer *peer = &group->peers[CRASHING];
	struct raft_messages kept = {0};

	note_crash(group);
	drop_all(&peer->append_work);
	drop_all(&peer->apply_work);
	for (size_t i = 0; i < group->network.count; i++) {
		struct raft_message *message = &group->network.items[i];

		if (message->to == CRASHING && (message->from == CRASHING || message->from > PEERS))
			raft_message_close(message);
		else
			push(&kept, message);
	}
	free(group->network.items);
	group->network = kept;
	start(group, CRASHING);
}

/* Does the next work of the thread that is ahead, or else of the other one; false when there is none. */
static bool do_work(struct group *group, struct peer *peer)
{
	bool is_apply = peer->apply_work.count > 0 && (group->apply_first || peer->append_work.count == 0);
	struct raft_message message;

	if (peer->append_work.count == 0 && peer->apply_work.count == 0)
		return false;
	message = take_first(is_apply ? &peer->apply_work : &peer->append_work);
	if (is_apply) {
		for (size_t i = 0; i < message.entries.count; i++)
			apply_entry(peer, &message.entries.items[i]);
	} else {
		assert_int_equal(memory_storage_save_message(&peer->memory, &message), 0);
		apply_snapshot(peer, message.snapshot);
	}
	for (size_t i = 0; i < message.response_count; i++)
		push(&group->network, &message.responses[i]);
	message.response_count = 0;
	raft_message_close(&message);
	if (peer == &group->peers[CRASHING] && ++group->steps == group->crash_after)
		crash(group);
	return true;
}

static bool handle_ready(struct group *group, struct peer *peer)
{
	struct raft_ready ready = {0};

	if (!raw_node_has_ready(peer->node))
		return false;
	assert_int_equal(raw_node_ready(peer->node, &ready), 0);
	for (size_t i = 0; i < ready.messages.count; i++) {
		struct raft_message *message = &ready.messages.items[i];

		if (message->to == RAFT_LOCAL_APPEND_THREAD)
			push(&peer->append_work, message);
		else if (message->to == RAFT_LOCAL_APPLY_THREAD)
			push(&peer->apply_work, message);
		else
			push(&group->network, message);
	}
	raft_ready_close(&ready);
	return true;
}

static bool crosses_cut(const struct raft_message *message)
{
	return message->from <= PEERS && (message->from == CUT_OFF) != (message->to == CUT_OFF);
}

static bool deliver_one(struct group *group)
{
	struct raft_message message;

	if (group->network.count == 0)
		return false;
	message = take_first(&group->network);
	if (!group->is_cut || !crosses_cut(&message))
		raw_node_step(group->peers[message.to].node, &message);
	raft_message_close(&message);
	return true;
}

/* Messages come before work, so that work is queued and a crash loses several pieces of it. */
static void settle(struct group *group)
{
	for (bool busy = true; busy;) {
		busy = false;
		for (uint64_t id = 1; id <= PEERS; id++)
			busy |= handle_ready(group, &group->peers[id]);
		busy |= deliver_one(group);
		for (uint64_t id = 1; id <= PEERS && !busy; id++)
			busy = do_work(group, &group->peers[id]);
	}
}

/* ---- The script ---- */

static void propose(struct group *group, uint64_t id, const char *letters)
{
	for (; *letters; letters++) {
		struct buf *data = buf_copy(letters, 1);

		check(data != NULL);
		raw_node_propose(
			group->peers[id].node, data); /* may be dropped: the leader may have crashed */
		buf_unref(data);
	}
	settle(group);
}

static void tick_all(struct group *group, unsigned ticks)
{
	for (unsigned i = 0; i < ticks; i++) {
		for (uint64_t id = 1; id <= PEERS; id++)
			assert_int_equal(raw_node_tick(group->peers[id].node), 0);
		settle(group);
	}
}

static void demote_and_promote(struct group *group, uint64_t leader, uint64_t node)
{
	struct raft_conf_change change = {.steps = {{RAFT_ADD_LEARNER, node}}, .step_count = 1};

	raw_node_propose_conf_change(group->peers[leader].node, &change, false);
	settle(group);
	change.steps[0].type = RAFT_ADD_VOTER;
	raw_node_propose_conf_change(group->peers[leader].node, &change, false);
	settle(group);
}

static void compact(struct peer *peer)
{
	if (peer->applied_index > peer->memory.compacted_index)
		assert_int_equal(memory_storage_compact(&peer->memory, peer->applied_index), 0);
}

static void run_script(struct group *group)
{
	raw_node_campaign(group->peers[1].node);
	settle(group);
	propose(group, 1, "abc");
	demote_and_promote(group, 1, 3);
	group->is_cut = true;
	propose(group, 1, "def");
	group->is_cut = false;
	raw_node_campaign(group->peers[CUT_OFF].node); /* nodes that have `def` refuse it */
	settle(group);
	raw_node_campaign(group->peers[CRASHING].node);
	settle(group);
	propose(group, CRASHING, "ghi");
	compact(&group->peers[CRASHING]);
	raw_node_campaign(group->peers[3].node);
	settle(group);
	propose(group, 3, "jkl");
	compact(&group->peers[3]);
	tick_all(group, 60);
}

static void group_init(struct group *group, uint64_t crash_after, bool apply_first)
{
	*group = (struct group){.crash_after = crash_after, .apply_first = apply_first};
	for (uint64_t id = 1; id <= PEERS; id++) {
		struct peer *peer = &group->peers[id];

		memory_storage_init(&peer->memory);
		peer->memory.storage.initial_state = initial_state;
		peer->memory.storage.snapshot = snapshot;
		for (uint64_t voter = 1; voter <= PEERS; voter++)
			check(raft_ids_insert(&peer->conf.voters, voter) == 0);
		start(group, id);
	}
}

static void group_close(struct group *group)
{
	drop_all(&group->network);
	for (uint64_t id = 1; id <= PEERS; id++) {
		struct peer *peer = &group->peers[id];

		drop_all(&peer->append_work);
		drop_all(&peer->apply_work);
		raw_node_free(peer->node);
		raft_conf_state_close(&peer->conf);
		memory_storage_close(&peer->memory);
	}
}

static uint64_t steps_without_crash(bool apply_first)
{
	struct group group;

	group_init(&group, NEVER, apply_first);
	run_script(&group);
	assert_string_equal(group.peers[1].applied, "abcdefghijkl");
	assert_string_equal(group.peers[CRASHING].applied, "abcdefghijkl");
	assert_string_equal(group.peers[3].applied, "abcdefghijkl");
	group_close(&group);
	return group.steps;
}

static void crash_at_every_step(bool apply_first)
{
	uint64_t steps = steps_without_crash(apply_first);

	assert_true(steps > 20);
	for (uint64_t after = 1; after <= steps; after++) {
		struct group group;

		group_init(&group, after, apply_first);
		run_script(&group);
		assert_true(group.steps >= after);
		for (uint64_t id = 1; id <= PEERS; id++) {
			const struct peer *peer = &group.peers[id];

			assert_string_equal(peer->applied, group.peers[1].applied);
			assert_memory_equal(
				peer->applied, group.applied_before, strlen(group.applied_before));
			assert_true(raft_conf_state_equal(&peer->conf, &group.peers[1].conf));
		}
		group_close(&group);
	}
}

static void survives_with_the_append_thread_ahead(void **state)
{
	(void)state;
	crash_at_every_step(false);
}

static void survives_with_the_apply_thread_ahead(void **state)
{
	(void)state;
	crash_at_every_step(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(survives_with_the_append_thread_ahead),
		cmocka_unit_test(survives_with_the_apply_thread_ahead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
