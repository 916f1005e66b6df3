/*
 * cluster: a few nodes over memory storages and a network that is a queue, for the core's unit tests and its bench.
 * Everything is done in the caller's thread, in the order of node ids; a callback says which messages are dropped.
 */
#ifndef RAFTKV_TESTS_UNIT_RAFT_CLUSTER_H
#define RAFTKV_TESTS_UNIT_RAFT_CLUSTER_H

#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "raft/memory_storage.h"
#include "raft/raft.h"

#define CLUSTER_MAX 5

typedef bool (*cluster_drop_cb)(void *argument, const struct raft_message *message);

struct cluster_node {
	struct memory_storage memory;
	struct raw_node *node;
	struct raft_ready ready;
	struct raft_messages inbox;
	struct raft_read_states reads; /* every answer to a read */
	uint64_t applied;
	uint64_t applied_count; /* normal entries with data */
};

struct cluster {
	struct cluster_node nodes[CLUSTER_MAX]; /* id i is nodes[i - 1] */
	unsigned count;
	struct raft_config config; /* of every node, except for its id */
	cluster_drop_cb drop;
	void *argument;
	int fault; /* an error that a test injects: a call that returns it is repeated */
	unsigned faults; /* how often it was returned */
};

/* Whether to repeat the call that returned `rc`. */
static inline bool cluster_is_fault(struct cluster *cluster, int rc)
{
	if (rc == 0 || rc != cluster->fault)
		return false;
	cluster->faults++;
	return true;
}

static inline struct raft_config cluster_config(void)
{
	return (struct raft_config){.seed = 1, .election_tick = 10, .heartbeat_tick = 1};
}

static inline void cluster_start(struct cluster *cluster, unsigned id)
{
	struct cluster_node *node = &cluster->nodes[id - 1];

	cluster->config.id = id;
	cluster->config.applied = node->applied;
	check(raw_node_new(&cluster->config, &node->memory.storage, &node->node, NULL) == 0);
}

/* Makes `count` voters that have nothing but their configuration. */
static inline void cluster_init(struct cluster *cluster, unsigned count, const struct raft_config *config)
{
	*cluster = (struct cluster){.count = count, .config = *config};
	for (unsigned id = 1; id <= count; id++) {
		struct memory_storage *memory = &cluster->nodes[id - 1].memory;

		memory_storage_init(memory);
		for (unsigned voter = 1; voter <= count; voter++)
			check(raft_ids_insert(&memory->snapshot.conf_state.voters, voter) == 0);
		cluster_start(cluster, id);
	}
}

static inline void cluster_clear_inbox(struct cluster_node *node)
{
	for (size_t i = 0; i < node->inbox.count; i++)
		raft_message_close(&node->inbox.items[i]);
	node->inbox.count = 0;
}

static inline void cluster_close(struct cluster *cluster)
{
	for (unsigned i = 0; i < cluster->count; i++) {
		struct cluster_node *node = &cluster->nodes[i];

		raw_node_free(node->node);
		raft_ready_close(&node->ready);
		cluster_clear_inbox(node);
		free(node->inbox.items);
		for (size_t j = 0; j < node->reads.count; j++)
			buf_unref(node->reads.items[j].context);
		free(node->reads.items);
		memory_storage_close(&node->memory);
	}
}

static inline struct raw_node *cluster_at(struct cluster *cluster, unsigned id)
{
	return cluster->nodes[id - 1].node;
}

/* Takes the message. */
static inline void cluster_send(struct cluster *cluster, struct raft_message *message)
{
	struct raft_messages *inbox;

	if (message->to == 0 || message->to > cluster->count ||
		(cluster->drop && cluster->drop(cluster->argument, message))) {
		raft_message_close(message);
		return;
	}
	inbox = &cluster->nodes[message->to - 1].inbox;
	if (inbox->count == inbox->capacity) {
		inbox->capacity = inbox->capacity ? inbox->capacity * 2 : 16;
		inbox->items = realloc(inbox->items, inbox->capacity * sizeof *inbox->items);
		check(inbox->items != NULL);
	}
	inbox->items[inbox->count++] = *message;
	memset(message, 0, sizeof *message);
}

static inline void cluster_apply(struct cluster_node *node, const struct raft_entry *entry)
{
	struct raft_conf_change change;

	check(entry->index == node->applied + 1);
	node->applied = entry->index;
	if (entry->type == RAFT_ENTRY_NORMAL) {
		node->applied_count += entry->data != NULL;
		return;
	}
	check(raft_conf_change_decode(entry, &change) == 0);
	check(raw_node_apply_conf_change(node->node, &change, &node->memory.snapshot.conf_state) == 0);
}

static inline void cluster_keep_reads(struct cluster_node *node)
{
	struct raft_read_states *from = &node->ready.read_states;

	if (from->count == 0)
		return;
	node->reads.items =
		realloc(node->reads.items, (node->reads.count + from->count) * sizeof *from->items);
	check(node->reads.items != NULL);
	memcpy(node->reads.items + node->reads.count, from->items, from->count * sizeof *from->items);
	node->reads.count += from->count;
	from->count = 0;
}

/* Handles one ready of node `id` to its end; false when there was none. */
static inline bool cluster_handle_ready(struct cluster *cluster, unsigned id)
{
	struct cluster_node *node = &cluster->nodes[id - 1];
	int rc;

	if (!node->node || !raw_node_has_ready(node->node))
		return false;
	do
		rc = raw_node_ready(node->node, &node->ready);
	while (cluster_is_fault(cluster, rc));
	check(rc == 0);
	check(memory_storage_save_ready(&node->memory, &node->ready) == 0);
	for (size_t i = 0; i < node->ready.messages.count; i++)
		cluster_send(cluster, &node->ready.messages.items[i]);
	if (node->ready.snapshot.index)
		node->applied = node->ready.snapshot.index;
	for (size_t i = 0; i < node->ready.committed_entries.count; i++)
		cluster_apply(node, &node->ready.committed_entries.items[i]);
	cluster_keep_reads(node);
	do
		rc = raw_node_advance(node->node);
	while (cluster_is_fault(cluster, rc));
	check(rc == 0);
	raft_ready_clear(&node->ready);
	return true;
}

/* Steps the messages that wait for node `id`; false when there were none. */
static inline bool cluster_deliver(struct cluster *cluster, unsigned id)
{
	struct cluster_node *node = &cluster->nodes[id - 1];
	struct raft_messages batch = node->inbox;

	if (batch.count == 0)
		return false;
	node->inbox = (struct raft_messages){0};
	for (size_t i = 0; i < batch.count; i++) {
		while (node->node && cluster_is_fault(cluster, raw_node_step(node->node, &batch.items[i])))
			continue;
		raft_message_close(&batch.items[i]);
	}
	if (node->inbox.items) {
		free(batch.items);
	} else {
		batch.count = 0;
		node->inbox = batch;
	}
	return true;
}

/* Runs until no node has anything to do. */
static inline void cluster_settle(struct cluster *cluster)
{
	bool busy = true;

	while (busy) {
		busy = false;
		for (unsigned id = 1; id <= cluster->count; id++)
			busy |= cluster_handle_ready(cluster, id);
		for (unsigned id = 1; id <= cluster->count; id++)
			busy |= cluster_deliver(cluster, id);
	}
}

static inline void cluster_tick(struct cluster *cluster)
{
	for (unsigned id = 1; id <= cluster->count; id++)
		if (cluster->nodes[id - 1].node)
			check(raw_node_tick(cluster->nodes[id - 1].node) == 0);
	cluster_settle(cluster);
}

static inline void cluster_elect(struct cluster *cluster, unsigned id)
{
	int rc;

	do
		rc = raw_node_campaign(cluster_at(cluster, id));
	while (cluster_is_fault(cluster, rc));
	check(rc == 0);
	cluster_settle(cluster);
}

static inline struct raft_status cluster_status(struct cluster *cluster, unsigned id)
{
	struct raft_status status;

	raw_node_status(cluster_at(cluster, id), &status);
	return status;
}

static inline bool cluster_same_status(const struct raft_status *a, const struct raft_status *b)
{
	return a->hard_state.term == b->hard_state.term && a->hard_state.vote == b->hard_state.vote &&
	       a->hard_state.commit == b->hard_state.commit && a->soft_state.leader == b->soft_state.leader &&
	       a->soft_state.role == b->soft_state.role && a->applied == b->applied &&
	       a->first_index == b->first_index && a->last_index == b->last_index &&
	       a->lead_transferee == b->lead_transferee && a->commit_term_first == b->commit_term_first;
}

static inline int cluster_propose(struct cluster *cluster, unsigned id, const char *text)
{
	struct buf *data = buf_copy(text, strlen(text));
	int rc = raw_node_propose(cluster_at(cluster, id), data);

	buf_unref(data);
	return rc;
}

/* Asks for a read with the one-letter context `name`. */
static inline int cluster_read(struct cluster *cluster, unsigned id, char name)
{
	struct buf *context = buf_copy(&name, 1);
	int rc = raw_node_read_index(cluster_at(cluster, id), context);

	buf_unref(context);
	return rc;
}

/* The answer to read `name` that node `id` got, or NULL. */
static inline const struct raft_read_state *cluster_answer(struct cluster *cluster, unsigned id, char name)
{
	struct raft_read_states *reads = &cluster->nodes[id - 1].reads;

	for (size_t i = 0; i < reads->count; i++)
		if (*(const char *)reads->items[i].context->data == name)
			return &reads->items[i];
	return NULL;
}

#endif
