/*
 * Commands about nodes: adding them, restarting them, and showing their state.
 *
 *     add-nodes COUNT [voters=(…)] [learners=(…)] [index=] [content=] [setting=…]
 *     restart NODE [last=] [commit=] [applied=]    a crash; with arguments its disk has lost what came later
 *     compact NODE INDEX, raft-log NODE, raft-state, status NODE, state-machine NODE, log-level LEVEL
 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "tests/raft_scenarios/interaction.h"

/* ---- A node ---- */

static struct node *node_of_storage(struct raft_storage *storage)
{
	return (struct node *)((char *)storage - offsetof(struct node, memory.storage));
}

/* A follower that needs a snapshot is sent the newest. */
static int give_newest(struct raft_storage *storage, struct raft_snapshot *out)
{
	const struct raft_snapshot *newest = node_newest(node_of_storage(storage));

	return newest->index > 0 ? raft_snapshot_copy(out, newest) : STATUS_SNAPSHOT_UNAVAILABLE;
}

/* The configuration is part of what was applied. */
static int give_initial_state(
	struct raft_storage *storage, struct raft_hard_state *hard, struct raft_conf_state *conf)
{
	struct node *node = node_of_storage(storage);

	*hard = node->memory.hard_state;
	return raft_conf_state_copy(conf, &node_newest(node)->conf_state);
}

void node_record(struct node *node, struct raft_snapshot *snapshot)
{
	struct raft_snapshot *grown = realloc(node->history, (node->history_count + 1) * sizeof *grown);

	check(grown != NULL);
	node->history = grown;
	node->history[node->history_count++] = *snapshot;
	*snapshot = (struct raft_snapshot){0};
}

const struct raft_snapshot *node_newest(const struct node *node)
{
	return &node->history[node->history_count - 1];
}

int node_start(struct node *node, struct status *status)
{
	raw_node_free(node->raw);
	node->raw = NULL;
	queue_close(&node->append_work);
	queue_close(&node->apply_work);
	node->config.applied = node_newest(node)->index;
	return raw_node_new(&node->config, &node->memory.storage, &node->raw, status);
}

void node_free(struct node *node)
{
	raw_node_free(node->raw);
	queue_close(&node->append_work);
	queue_close(&node->apply_work);
	for (size_t i = 0; i < node->history_count; i++)
		raft_snapshot_close(&node->history[i]);
	free(node->history);
	memory_storage_close(&node->memory);
	free(node);
}

/* ---- add-nodes ---- */

static void read_ids(
	struct cluster *cluster, const struct command *command, const char *key, struct raft_ids *ids)
{
	const struct argument *argument = command_find(command, key);
	uint64_t id;

	for (size_t i = 0; argument && i < argument->value_count; i++) {
		if (!number_parse(argument->values[i], &id))
			cluster_fail(cluster, "not a node: %s", argument->values[i]);
		else
			check(raft_ids_insert(ids, id) == 0);
	}
}

/* The state that new nodes start from; index 0: they start empty. */
static void read_bootstrap(
	struct cluster *cluster, const struct command *command, struct raft_snapshot *bootstrap)
{
	const struct argument *content = command_find(command, "content");

	read_ids(cluster, command, "voters", &bootstrap->conf_state.voters);
	read_ids(cluster, command, "learners", &bootstrap->conf_state.learners);
	bootstrap->index = command_number(command, "index", 0);
	if (content && content->value_count == 1)
		bootstrap->data = buf_copy(content->values[0], strlen(content->values[0]));
	if ((bootstrap->conf_state.voters.count > 0 || bootstrap->conf_state.learners.count > 0 || content ||
		    bootstrap->index > 0) &&
		bootstrap->index <= 1)
		cluster_fail(cluster, "index must be specified as > 1 due to bootstrap");
	bootstrap->term = bootstrap->index > 0 ? 1 : 0;
}

static enum raft_read_mode read_mode(struct cluster *cluster, const struct command *command)
{
	const struct argument *argument = command_find(command, "read-only");
	const char *mode = argument && argument->value_count == 1 ? argument->values[0] : "safe";

	if (strcmp(mode, "lease-based") == 0)
		return RAFT_READ_LEASE_BASED;
	if (strcmp(mode, "safe") != 0)
		cluster_fail(cluster, "invalid read-only option \"%s\"", mode);
	return RAFT_READ_SAFE;
}

/* No limits unless given; an election timeout of three ticks. */
static struct raft_config read_config(struct cluster *cluster, const struct command *command)
{
	return (struct raft_config){
		.election_tick = 3,
		.heartbeat_tick = 1,
		.async_storage_writes = command_flag(command, "async-storage-writes"),
		.pre_vote = command_flag(command, "prevote"),
		.check_quorum = command_flag(command, "checkquorum"),
		.step_down_on_removal = command_flag(command, "step-down-on-removal"),
		.disable_proposal_forwarding = command_flag(command, "disable-proposal-forwarding"),
		.disable_conf_change_validation = command_flag(command, "disable-conf-change-validation"),
		.delay_commit = command_flag(command, "delay-commit"),
		.read_mode = read_mode(cluster, command),
		.message_size_max = command_number(command, "max-size-per-msg", RAFT_NO_LIMIT),
		.committed_size_per_ready = command_number(command, "max-committed-size-per-ready", 0),
		.uncommitted_size_max = command_number(command, "max-uncommitted-size", RAFT_NO_LIMIT),
		.inflight_messages_max = (uint32_t)command_number(command, "inflight", INT32_MAX),
		.inflight_bytes_max = command_number(command, "max-inflight-bytes", 0),
		.pending_reads_max = (uint32_t)command_number(command, "max-pending-reads", 0),
		.logger = &cluster->logger,
	};
}

static void add_node(
	struct cluster *cluster, const struct raft_config *config, const struct raft_snapshot *bootstrap)
{
	struct node *node = calloc(1, sizeof *node);
	struct raft_snapshot first = {0};
	struct status status = {0};
	int error = 0;

	check(node != NULL && cluster->node_count < NODES_MAX);
	memory_storage_init(&node->memory);
	node->memory.storage.snapshot = give_newest;
	node->memory.storage.initial_state = give_initial_state;
	node->id = cluster->node_count + 1;
	node->config = *config;
	node->config.id = node->id;
	node->config.seed = node->id;
	check(raft_snapshot_copy(&first, bootstrap) == 0);
	node_record(node, &first);
	if (bootstrap->index > 0)
		error = memory_storage_apply_snapshot(&node->memory, bootstrap);
	if (error == 0)
		error = node_start(node, &status);
	if (error != 0) {
		cluster_fail(cluster, "%s", status.text[0] ? status.text : cluster_status_text(error));
		node_free(node);
		return;
	}
	cluster->nodes[cluster->node_count++] = node;
}

static void run_add_nodes(struct cluster *cluster, const struct command *command, struct slice input)
{
	struct raft_config config = read_config(cluster, command);
	struct raft_snapshot bootstrap = {0};
	uint64_t count = 0;

	(void)input;
	read_bootstrap(cluster, command, &bootstrap);
	if (command->argument_count == 0 || !number_parse(command->arguments[0].key, &count))
		cluster_fail(cluster, "how many nodes?");
	for (uint64_t i = 0; i < count && !cluster_has_failed(cluster); i++)
		add_node(cluster, &config, &bootstrap);
	raft_snapshot_close(&bootstrap);
}

/* ---- restart ---- */

/* Responses of the node's own threads are lost with the process. */
static void drop_local_messages(struct cluster *cluster, const struct node *node)
{
	for (size_t i = cluster->messages.count; i-- > 0;) {
		const struct raft_message *message = &cluster->messages.items[i];

		if (message->to == node->id && message_is_local(message)) {
			struct raft_message dropped = queue_take(&cluster->messages, i);

			raft_message_close(&dropped);
		}
	}
}

/* Makes the disk forget the log after `last`, a commit index above `commit`, and the states after `applied`. */
static void lose(struct node *node, uint64_t last, uint64_t commit, uint64_t applied)
{
	struct memory_storage *memory = &node->memory;

	if (last >= memory->compacted_index && last - memory->compacted_index < memory->entries.count)
		raft_entries_truncate(&memory->entries, (size_t)(last - memory->compacted_index));
	if (commit < memory->hard_state.commit)
		memory->hard_state.commit = commit;
	while (node->history_count > 1 && node_newest(node)->index > applied)
		raft_snapshot_close(&node->history[--node->history_count]);
}

static void run_restart(struct cluster *cluster, const struct command *command, struct slice input)
{
	struct node *nodes[NODES_MAX];
	size_t count = cluster_nodes(cluster, command, nodes);
	struct status status = {0};

	(void)input;
	for (size_t i = 0; i < count; i++) {
		int error;

		drop_local_messages(cluster, nodes[i]);
		lose(nodes[i], command_number(command, "last", UINT64_MAX),
			command_number(command, "commit", UINT64_MAX),
			command_number(command, "applied", UINT64_MAX));
		error = node_start(nodes[i], &status);
		if (error != 0)
			cluster_fail(cluster, "%s: %s", cluster_status_text(error), status.text);
	}
}

/* ---- Looking at nodes ---- */

static void print_log(struct cluster *cluster, struct node *node)
{
	struct raft_storage *storage = &node->memory.storage;
	struct raft_entries entries = {0};
	uint64_t first = 0, last = 0;
	int error = storage->first_index(storage, &first);

	if (error == 0)
		error = storage->last_index(storage, &last);
	if (error == 0 && last < first) {
		fprintf(cluster_out(cluster), "log is empty: first index=%" PRIu64 ", last index=%" PRIu64,
			first, last);
		return;
	}
	if (error == 0)
		error = storage->entries(storage, first, last + 1, RAFT_NO_LIMIT, &entries);
	cluster_fail_status(cluster, error);
	raft_describe_entries(cluster_out(cluster), &entries);
	raft_entries_close(&entries);
}

static void run_raft_log(struct cluster *cluster, const struct command *command, struct slice input)
{
	struct node *node = cluster_node(cluster, command, 0);

	(void)input;
	if (node)
		print_log(cluster, node);
}

static void run_compact(struct cluster *cluster, const struct command *command, struct slice input)
{
	struct node *node = cluster_node(cluster, command, 0);
	uint64_t index;
	int error;

	(void)input;
	if (!node)
		return;
	if (command->argument_count < 2 || !number_parse(command->arguments[1].key, &index)) {
		cluster_fail(cluster, "compact to which index?");
		return;
	}
	error = memory_storage_compact(&node->memory, index);
	cluster_fail_status(cluster, error);
	if (error == 0)
		print_log(cluster, node);
}

static void run_raft_state(struct cluster *cluster, const struct command *command, struct slice input)
{
	(void)command;
	(void)input;
	for (size_t i = 0; i < cluster->node_count; i++) {
		const struct node *node = cluster->nodes[i];
		const struct raft_conf_state *conf;
		struct raft_status status;
		bool voter;

		if (!node->raw)
			continue;
		conf = raw_node_conf_state(node->raw);
		voter = raft_ids_has(&conf->voters, node->id) ||
			raft_ids_has(&conf->voters_outgoing, node->id);
		raw_node_status(node->raw, &status);
		fprintf(cluster_out(cluster), "%" PRIu64 ": %s %s Term:%" PRIu64 " Lead:%" PRIu64 "\n",
			node->id, raft_role_name(status.soft_state.role), voter ? "(Voter)" : "(Non-Voter)",
			status.hard_state.term, status.soft_state.leader);
	}
}

static void run_status(struct cluster *cluster, const struct command *command, struct slice input)
{
	struct node *node = cluster_node(cluster, command, 0);
	FILE *out = cluster_out(cluster);

	(void)input;
	for (uint64_t id = 1; node && id <= 2 * NODES_MAX; id++) {
		struct raft_progress_status progress;

		if (!raw_node_progress(node->raw, id, &progress))
			continue;
		fprintf(out, "%" PRIu64 ": ", id);
		raft_describe_progress(out, &progress);
		fputc('\n', out);
	}
}

static void run_state_machine(struct cluster *cluster, const struct command *command, struct slice input)
{
	struct node *node = cluster_node(cluster, command, 0);
	struct slice content;

	(void)input;
	if (!node)
		return;
	content = buf_slice(node_newest(node)->data);
	fprintf(cluster_out(cluster), "%" PRIu64 "/%" PRIu64 " \"%.*s\"\n", node_newest(node)->term,
		node_newest(node)->index, (int)content.size, (const char *)content.data);
}

static void run_log_level(struct cluster *cluster, const struct command *command, struct slice input)
{
	(void)input;
	cluster_set_level(cluster, command->argument_count > 0 ? command->arguments[0].key : "");
}

/* A place for a debugger's breakpoint. */
static void run_breakpoint(struct cluster *cluster, const struct command *command, struct slice input)
{
	(void)cluster;
	(void)command;
	(void)input;
}

const struct interaction_command node_commands[] = {
	{"_breakpoint", run_breakpoint},
	{"add-nodes", run_add_nodes},
	{"compact", run_compact},
	{"log-level", run_log_level},
	{"raft-log", run_raft_log},
	{"raft-state", run_raft_state},
	{"restart", run_restart},
	{"state-machine", run_state_machine},
	{"status", run_status},
	{0},
};
