#include "tests/raft_chaos/node.h"

#include <stdlib.h>

#include "proto/check.h"
#include "tests/raft_chaos/cluster.h"

static void retry_later(struct node *node)
{
	event_set(node->cluster, &node->storage, node->cluster->now_us + 1000);
}

/* The messages that a leader may send before its own write is durable (Ongaro §10.2.1). */
static bool may_leave_early(const struct node *node, const struct raft_message *message)
{
	switch (message->type) {
	case RAFT_MSG_APP:
	case RAFT_MSG_HEARTBEAT:
	case RAFT_MSG_SNAP:
	case RAFT_MSG_TIMEOUT_NOW:
		return node->watch.role == RAFT_LEADER;
	default:
		return false;
	}
}

/* Sent messages are zeroed: they then have the type MsgHup, which is never sent. */
static void send_messages(struct node *node, bool early)
{
	for (size_t i = 0; i < node->ready.messages.count; i++) {
		struct raft_message *message = &node->ready.messages.items[i];

		if (message->type == RAFT_MSG_HUP || (early && !may_leave_early(node, message)))
			continue;
		network_send(node->cluster, node, message);
	}
}

static void answer_reads(struct node *node)
{
	for (size_t i = 0; i < node->ready.read_states.count; i++)
		client_on_read_state(node->cluster, node, &node->ready.read_states.items[i]);
}

static void write_ready(struct node *node)
{
	struct raft_ready *ready = &node->ready;
	struct disk_record record = {.has_hard = ready->has_hard_state, .hard = ready->hard_state};

	if (ready->snapshot.index > 0)
		node_restore_snapshot(node, &ready->snapshot, &record);
	model_on_append(node->cluster, node, &ready->entries);
	check(raft_entries_append(&record.entries, ready->entries.items, ready->entries.count) == 0);
	disk_write(&node->disk, &record);
}

static void advance(struct node *node)
{
	int status = raw_node_advance(node->raw);

	node_watch_status(node, "advance", status);
	if (status != 0) {
		node->phase = NODE_ADVANCING;
		retry_later(node);
		return;
	}
	node->phase = NODE_IDLE;
	raft_ready_clear(&node->ready);
	node_watch_calls(node);
}

/* Steps 4–7 of the contract. */
static void finish_ready(struct node *node)
{
	send_messages(node, false);
	if (node_crash_point(node))
		return;
	node_apply_entries(node, &node->ready.committed_entries);
	answer_reads(node);
	if (node_crash_point(node))
		return;
	advance(node);
}

static void handle_synchronously(struct node *node)
{
	struct cluster *cluster = node->cluster;
	uint64_t delay_us;

	if (cluster->profile.leader_sends_early)
		send_messages(node, true);
	write_ready(node);
	if (node_crash_point(node))
		return;
	if (node->ready.must_sync || node->ready.snapshot.index > 0) {
		delay_us = random_below(&cluster->random, cluster_storage_max_us(cluster, node) + 1);
		if (delay_us > 0) {
			node->phase = NODE_SYNCING;
			event_set(cluster, &node->storage, cluster->now_us + delay_us);
			return;
		}
		disk_sync(&node->disk, node->disk.count);
	}
	finish_ready(node);
}

/* MsgVote is sent when the term and vote that it rests on are durable, as the responses of the append are. */
static void hold_votes(struct node *node, struct raft_message *append)
{
	struct raft_messages *messages = &node->ready.messages;

	for (size_t i = 0; i < messages->count; i++) {
		if (messages->items[i].type != RAFT_MSG_VOTE)
			continue;
		append->responses = reallocarray(
			append->responses, append->response_count + 1, sizeof *append->responses);
		check(append->responses != NULL);
		append->responses[append->response_count++] = messages->items[i];
		messages->items[i] = (struct raft_message){0};
	}
}

static void handle_asynchronously(struct node *node)
{
	struct raft_messages *messages = &node->ready.messages;

	if (node->ready.snapshot.index > 0)
		node->snapshot_index = node->ready.snapshot.index;
	for (size_t i = 0; i < messages->count; i++)
		if (messages->items[i].to == RAFT_LOCAL_APPEND_THREAD)
			hold_votes(node, &messages->items[i]);
	for (size_t i = 0; i < messages->count; i++) {
		uint64_t to = messages->items[i].to;

		if (to == RAFT_LOCAL_APPEND_THREAD || to == RAFT_LOCAL_APPLY_THREAD)
			node_threads_post(node, &messages->items[i]);
		else if (messages->items[i].type != RAFT_MSG_HUP)
			network_send(node->cluster, node, &messages->items[i]);
	}
	answer_reads(node);
	raft_ready_clear(&node->ready);
	node_crash_point(node);
}

void node_handle_readies(struct node *node)
{
	while (node->raw && node->phase == NODE_IDLE && !node->cluster->has_failed &&
		raw_node_has_ready(node->raw)) {
		int status = raw_node_ready(node->raw, &node->ready);

		node_watch_status(node, "ready", status);
		if (status != 0) {
			retry_later(node);
			return;
		}
		node_watch_ready(node, &node->ready);
		if (node->cluster->profile.async)
			handle_asynchronously(node);
		else
			handle_synchronously(node);
	}
	if (node->raw && node->cluster->profile.async)
		node_watch_queue(node);
}

void node_on_storage(struct cluster *cluster, struct event *event)
{
	struct node *node = event_owner(event, struct node, storage);

	if (node->paused_until_us > cluster->now_us) {
		event_set(cluster, event, node->paused_until_us);
		return;
	}
	node_before_input(node);
	if (node->phase == NODE_SYNCING) {
		disk_sync(&node->disk, node->disk.count);
		node->phase = NODE_IDLE;
		finish_ready(node);
	} else if (node->phase == NODE_ADVANCING) {
		advance(node);
	}
	if (node->raw)
		node_after_input(node);
}
