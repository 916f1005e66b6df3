/*
 * Commands that do the work of a node's caller: handle a Ready, work as its append and apply threads, and `stabilize`,
 * which does all of this until nothing is left to do.
 *
 *     process-ready NODE…, process-append-thread NODE…, process-apply-thread NODE…
 *     stabilize [NODE…] [log-level=LEVEL]
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "tests/raft_scenarios/interaction.h"

#define ROUNDS_MAX 1000 /* of one `stabilize` */

/* ---- The state machine ---- */

static int apply_conf_change(
	struct node *node, const struct raft_entry *entry, struct slice *update, struct raft_conf_state *conf)
{
	struct raft_conf_change change;
	int error = raft_conf_change_decode(entry, &change);

	if (error != 0)
		return error;
	*update = change.context;
	return raw_node_apply_conf_change(node->raw, &change, conf);
}

/* The state after an entry is the state before it, followed by the entry's bytes. */
static struct buf *appended(struct slice before, struct slice update)
{
	struct buf *after = buf_new(before.size + update.size);

	check(after != NULL);
	if (before.size > 0)
		memcpy(after->data, before.data, before.size);
	if (update.size > 0)
		memcpy((char *)after->data + before.size, update.data, update.size);
	return after;
}

static int apply_entry(struct node *node, const struct raft_entry *entry)
{
	struct raft_snapshot after = {.index = entry->index, .term = entry->term};
	struct slice update = buf_slice(entry->data);
	int error = raft_conf_state_copy(&after.conf_state, &node_newest(node)->conf_state);

	if (error == 0 && entry->type != RAFT_ENTRY_NORMAL)
		error = apply_conf_change(node, entry, &update, &after.conf_state);
	if (error != 0) {
		raft_snapshot_close(&after);
		return error;
	}
	after.data = appended(buf_slice(node_newest(node)->data), update);
	node_record(node, &after);
	return 0;
}

static int apply(struct node *node, const struct raft_entries *entries)
{
	int error = 0;

	for (size_t i = 0; error == 0 && i < entries->count; i++)
		error = apply_entry(node, &entries->items[i]);
	return error;
}

static int apply_snapshot(struct node *node, const struct raft_snapshot *snapshot)
{
	struct raft_snapshot copy = {0};
	int error;

	if (!snapshot || snapshot->index == 0)
		return 0;
	error = raft_snapshot_copy(&copy, snapshot);
	if (error == 0)
		node_record(node, &copy);
	return error;
}

/* ---- One Ready ---- */

static int persist_and_apply(struct node *node, const struct raft_ready *ready)
{
	int error = memory_storage_save_ready(&node->memory, ready);

	if (error == 0)
		error = apply_snapshot(node, &ready->snapshot);
	return error != 0 ? error : apply(node, &ready->committed_entries);
}

static void send_messages(struct cluster *cluster, struct node *node, struct raft_messages *messages)
{
	for (size_t i = 0; i < messages->count; i++) {
		struct raft_message *message = &messages->items[i];

		if (message->to == RAFT_LOCAL_APPEND_THREAD)
			queue_push(&node->append_work, message);
		else if (message->to == RAFT_LOCAL_APPLY_THREAD)
			queue_push(&node->apply_work, message);
		else
			queue_push(&cluster->messages, message);
	}
}

static void process_ready(struct cluster *cluster, struct node *node)
{
	struct raft_ready ready = {0};
	int error = raw_node_ready(node->raw, &ready);

	if (error == 0) {
		raft_describe_ready(cluster_out(cluster), &ready);
		if (!node->config.async_storage_writes)
			error = persist_and_apply(node, &ready);
	}
	if (error == 0) {
		send_messages(cluster, node, &ready.messages);
		if (!node->config.async_storage_writes)
			error = raw_node_advance(node->raw);
	}
	cluster_fail_status(cluster, error);
	raft_ready_close(&ready);
}

/* ---- The local threads ---- */

static void print_and_send_responses(struct cluster *cluster, struct raft_message *message)
{
	fputs("Responses:\n", cluster_out(cluster));
	for (size_t i = 0; i < message->response_count; i++) {
		print_message(cluster, &message->responses[i]);
		queue_push(&cluster->messages, &message->responses[i]);
	}
	free(message->responses);
	message->responses = NULL;
	message->response_count = 0;
}

/* Work is printed without the responses of its message. */
static void print_work(struct cluster *cluster, const struct raft_message *message)
{
	struct raft_message shown = *message;

	shown.responses = NULL;
	shown.response_count = 0;
	fputs("Processing:\n", cluster_out(cluster));
	print_message(cluster, &shown);
}

static int persist_work(struct node *node, const struct raft_message *message)
{
	int error = memory_storage_save_message(&node->memory, message);

	return error != 0 ? error : apply_snapshot(node, message->snapshot);
}

static int apply_work(struct node *node, const struct raft_message *message)
{
	return apply(node, &message->entries);
}

static void process_work(struct cluster *cluster, struct node *node, struct raft_messages *work,
	int (*handle)(struct node *node, const struct raft_message *message))
{
	struct raft_message message = queue_take(work, 0);
	int error;

	print_work(cluster, &message);
	error = handle(node, &message);
	cluster_fail_status(cluster, error);
	if (error == 0)
		print_and_send_responses(cluster, &message);
	raft_message_close(&message);
}

static void process_append(struct cluster *cluster, struct node *node)
{
	if (node->append_work.count == 0)
		fputs("no append work to perform", cluster_out(cluster));
	else
		process_work(cluster, node, &node->append_work, persist_work);
}

static void process_apply(struct cluster *cluster, struct node *node)
{
	if (node->apply_work.count == 0)
		fputs("no apply work to perform", cluster_out(cluster));
	else
		process_work(cluster, node, &node->apply_work, apply_work);
}

/* ---- Commands ---- */

typedef void (*process_cb)(struct cluster *cluster, struct node *node);

static void process_indented(struct cluster *cluster, struct node *node, const char *what, process_cb process)
{
	struct indent indent;

	if (what)
		fprintf(cluster_out(cluster), "> %" PRIu64 " %s\n", node->id, what);
	cluster_indent(cluster, &indent);
	process(cluster, node);
	cluster_outdent(cluster, &indent);
}

/* With several nodes each one gets a heading. */
static void process_each(
	struct cluster *cluster, const struct command *command, const char *what, process_cb process)
{
	struct node *nodes[NODES_MAX];
	size_t count = cluster_nodes(cluster, command, nodes);

	for (size_t i = 0; i < count && !cluster_has_failed(cluster); i++) {
		if (!nodes[i]->raw)
			cluster_fail(cluster, "node %" PRIu64 " is down", nodes[i]->id);
		else if (count > 1)
			process_indented(cluster, nodes[i], what, process);
		else
			process(cluster, nodes[i]);
	}
}

static void run_process_ready(struct cluster *cluster, const struct command *command, struct slice input)
{
	(void)input;
	process_each(cluster, command, "handling Ready", process_ready);
}

static void run_process_append(struct cluster *cluster, const struct command *command, struct slice input)
{
	(void)input;
	process_each(cluster, command, "processing append thread", process_append);
}

static void run_process_apply(struct cluster *cluster, const struct command *command, struct slice input)
{
	(void)input;
	process_each(cluster, command, "processing apply thread", process_apply);
}

static bool has_ready(const struct cluster *cluster, const struct node *node)
{
	(void)cluster;
	return raw_node_has_ready(node->raw);
}

static bool has_append_work(const struct cluster *cluster, const struct node *node)
{
	(void)cluster;
	return node->append_work.count > 0;
}

static bool has_apply_work(const struct cluster *cluster, const struct node *node)
{
	(void)cluster;
	return node->apply_work.count > 0;
}

struct phase {
	const char *what;
	bool (*has_work)(const struct cluster *cluster, const struct node *node);
	process_cb process;
	bool drains; /* goes on until the node's queue is empty, under one heading */
};

/* The parts of a round of `stabilize`; each is done for all nodes before the next one. */
static const struct phase phases[] = {
	{"handling Ready", has_ready, process_ready, false},
	{"receiving messages", has_messages, deliver_all, false},
	{"processing append thread", has_append_work, process_append, true},
	{"processing apply thread", has_apply_work, process_apply, true},
};

static bool run_phase(struct cluster *cluster, const struct phase *phase, struct node *node)
{
	const char *what = phase->what;

	if (!node->raw || !phase->has_work(cluster, node))
		return false;
	do {
		process_indented(cluster, node, what, phase->process);
		what = NULL;
	} while (phase->drains && phase->has_work(cluster, node) && !cluster_has_failed(cluster));
	return true;
}

static void stabilize(struct cluster *cluster, struct node *const nodes[], size_t count)
{
	bool busy = true;

	for (int round = 0; busy; round++) {
		busy = false;
		if (round == ROUNDS_MAX)
			cluster_fail(cluster, "not stable after %d rounds", ROUNDS_MAX);
		for (size_t p = 0; p < sizeof phases / sizeof *phases; p++) {
			for (size_t i = 0; i < count; i++) {
				busy |= run_phase(cluster, &phases[p], nodes[i]);
				if (cluster_has_failed(cluster))
					return;
			}
		}
	}
}

static void run_stabilize(struct cluster *cluster, const struct command *command, struct slice input)
{
	const struct argument *level = command_find(command, "log-level");
	enum level before = cluster->level;
	struct node *nodes[NODES_MAX];
	size_t count = cluster_nodes(cluster, command, nodes);

	(void)input;
	if (level && level->value_count == 1)
		cluster_set_level(cluster, level->values[0]);
	if (cluster_has_failed(cluster))
		return;
	if (count > 0)
		stabilize(cluster, nodes, count);
	else
		stabilize(cluster, cluster->nodes, cluster->node_count);
	cluster_use_level(cluster, before);
}

const struct interaction_command ready_commands[] = {
	{"process-ready", run_process_ready},
	{"process-append-thread", run_process_append},
	{"process-apply-thread", run_process_apply},
	{"stabilize", run_stabilize},
	{0},
};
