/*
 * Commands that make a request to one node.
 *
 *     campaign NODE, forget-leader NODE, transfer-leadership from=NODE to=NODE
 *     propose NODE DATA
 *     propose-conf-change NODE [v1=true] [transition=auto|implicit|explicit], the steps as input: v1 l2 r3 u4
 *     read-index NODE CONTEXT
 *     tick NODE COUNT, tick-election NODE, tick-heartbeat NODE, set-randomized-election-timeout NODE timeout=TICKS
 *     report-unreachable NODE PEER, report-snapshot NODE PEER [failed=true]
 *     want-snapshot NODE PEER [over=true]
 *     hibernate NODE, wake NODE, deadline NODE
 */
#include <inttypes.h>
#include <string.h>

#include "proto/check.h"
#include "tests/raft_scenarios/interaction.h"
#include "tests/raft_scenarios/kinds.h"

/* Bare argument 1 as bytes. */
static struct buf *read_data(struct cluster *cluster, const struct command *command)
{
	struct buf *data;

	if (command->argument_count < 2 || command->arguments[1].value_count > 0) {
		cluster_fail(cluster, "expected a node and a word");
		return NULL;
	}
	data = buf_copy(command->arguments[1].key, strlen(command->arguments[1].key));
	check(data != NULL);
	return data;
}

static void run_propose(struct cluster *cluster, const struct command *command, struct slice input)
{
	struct node *node = cluster_node(cluster, command, 0);
	struct buf *data = read_data(cluster, command);

	(void)input;
	if (node && data)
		cluster_fail_status(cluster, raw_node_propose(node->raw, data));
	buf_unref(data);
}

static void run_read_index(struct cluster *cluster, const struct command *command, struct slice input)
{
	struct node *node = cluster_node(cluster, command, 0);
	struct buf *context = read_data(cluster, command);

	(void)input;
	if (node && context)
		cluster_fail_status(cluster, raw_node_read_index(node->raw, context));
	buf_unref(context);
}

static void read_transition(
	struct cluster *cluster, const struct command *command, struct raft_conf_change *change)
{
	static const char *const names[] = {"auto", "implicit", "explicit"}; /* in the order of the enum */
	const struct argument *argument = command_find(command, "transition");

	if (!argument || argument->value_count != 1)
		return;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(names[i], argument->values[0]) == 0) {
			change->transition = (enum raft_conf_change_transition)i;
			return;
		}
	}
	cluster_fail(cluster, "unknown transition %s", argument->values[0]);
}

static void run_propose_conf_change(
	struct cluster *cluster, const struct command *command, struct slice input)
{
	struct node *node = cluster_node(cluster, command, 0);
	bool v1 = command_flag(command, "v1");
	struct raft_conf_change change = {0};
	char error[128];

	read_transition(cluster, command, &change);
	if (!parse_conf_change(input, &change, error, sizeof error))
		cluster_fail(cluster, "%s", error);
	if (v1 && (change.step_count != 1 || change.transition != RAFT_TRANSITION_AUTO))
		cluster_fail(cluster, "v1 conf change can only have one operation and no transition");
	if (node && !cluster_has_failed(cluster))
		cluster_fail_status(cluster, raw_node_propose_conf_change(node->raw, &change, v1));
}

/* ---- Elections ---- */

static void run_campaign(struct cluster *cluster, const struct command *command, struct slice input)
{
	struct node *node = cluster_node(cluster, command, 0);

	(void)input;
	if (node)
		cluster_fail_status(cluster, raw_node_campaign(node->raw));
}

static void run_forget_leader(struct cluster *cluster, const struct command *command, struct slice input)
{
	struct node *node = cluster_node(cluster, command, 0);

	(void)input;
	if (node)
		cluster_fail_status(cluster, raw_node_forget_leader(node->raw));
}

/* A node that knows no leader drops the request; as in etcd, without an error. */
static void run_transfer(struct cluster *cluster, const struct command *command, struct slice input)
{
	uint64_t from = command_number(command, "from", 0), to = command_number(command, "to", 0);
	int error;

	(void)input;
	if (from == 0 || from > cluster->node_count || to == 0 || to > cluster->node_count) {
		cluster_fail(cluster, "expected valid \"from\" and \"to\" arguments");
		return;
	}
	error = raw_node_transfer_leader(cluster->nodes[from - 1]->raw, to);
	if (error != STATUS_NOT_LEADER)
		cluster_fail_status(cluster, error);
}

/* ---- Time ---- */

static void tick(struct cluster *cluster, struct node *node, uint64_t count)
{
	for (uint64_t i = 0; i < count && !cluster_has_failed(cluster); i++)
		cluster_fail_status(cluster, raw_node_tick(node->raw));
}

static void run_tick(struct cluster *cluster, const struct command *command, struct slice input)
{
	struct node *node = cluster_node(cluster, command, 0);
	uint64_t count;

	(void)input;
	if (command->argument_count != 2 || !number_parse(command->arguments[1].key, &count))
		cluster_fail(cluster, "how many ticks?");
	else if (node)
		tick(cluster, node, count);
}

static void run_tick_election(struct cluster *cluster, const struct command *command, struct slice input)
{
	struct node *node = cluster_node(cluster, command, 0);

	(void)input;
	if (node)
		tick(cluster, node, node->config.election_tick);
}

static void run_tick_heartbeat(struct cluster *cluster, const struct command *command, struct slice input)
{
	struct node *node = cluster_node(cluster, command, 0);

	(void)input;
	if (node)
		tick(cluster, node, node->config.heartbeat_tick);
}

static void run_set_timeout(struct cluster *cluster, const struct command *command, struct slice input)
{
	struct node *node = cluster_node(cluster, command, 0);
	uint64_t ticks = command_number(command, "timeout", 0);

	(void)input;
	if (ticks == 0 || ticks > UINT32_MAX)
		cluster_fail(cluster, "expected a timeout");
	else if (node)
		raw_node_set_election_timeout(node->raw, (uint32_t)ticks);
}

static void run_hibernate(struct cluster *cluster, const struct command *command, struct slice input)
{
	struct node *node = cluster_node(cluster, command, 0);
	struct raft_status status;

	(void)input;
	if (!node)
		return;
	raw_node_status(node->raw, &status);
	if (status.soft_state.role == RAFT_LEADER && !raw_node_can_hibernate(node->raw))
		cluster_fail(cluster, "cannot hibernate now");
	else
		raw_node_hibernate(node->raw);
}

static void run_send_commit(struct cluster *cluster, const struct command *command, struct slice input)
{
	struct node *node = cluster_node(cluster, command, 0);

	(void)input;
	if (node)
		raw_node_send_commit(node->raw);
}

static void run_wake(struct cluster *cluster, const struct command *command, struct slice input)
{
	struct node *node = cluster_node(cluster, command, 0);

	(void)input;
	if (node)
		raw_node_wake(node->raw);
}

static void run_deadline(struct cluster *cluster, const struct command *command, struct slice input)
{
	struct node *node = cluster_node(cluster, command, 0);
	uint64_t deadline;

	(void)input;
	if (!node)
		return;
	deadline = raw_node_deadline(node->raw);
	if (deadline == RAFT_NEVER)
		fprintf(cluster_out(cluster), "never\n");
	else
		fprintf(cluster_out(cluster), "at tick %" PRIu64 "\n", deadline);
}

/* ---- Reports ---- */

static void run_report_unreachable(struct cluster *cluster, const struct command *command, struct slice input)
{
	struct node *nodes[NODES_MAX];
	size_t count = cluster_nodes(cluster, command, nodes);

	(void)input;
	if (count != 2)
		cluster_fail(cluster,
			"must specify exactly two node indexes: node on which to report, and reported node");
	else
		cluster_fail_status(cluster, raw_node_report_unreachable(nodes[0]->raw, nodes[1]->id));
}

static void run_report_snapshot(struct cluster *cluster, const struct command *command, struct slice input)
{
	struct node *nodes[NODES_MAX];
	size_t count = cluster_nodes(cluster, command, nodes);

	(void)input;
	if (count != 2)
		cluster_fail(cluster, "must specify exactly two nodes");
	else
		cluster_fail_status(cluster, raw_node_report_snapshot(nodes[0]->raw, nodes[1]->id,
						     command_flag(command, "failed")));
}

static void run_want_snapshot(struct cluster *cluster, const struct command *command, struct slice input)
{
	struct node *nodes[NODES_MAX];
	size_t count = cluster_nodes(cluster, command, nodes);

	(void)input;
	if (count != 2)
		cluster_fail(cluster, "must specify exactly two nodes");
	else
		cluster_fail_status(cluster,
			raw_node_want_snapshot(nodes[0]->raw, nodes[1]->id, !command_flag(command, "over")));
}

const struct interaction_command request_commands[] = {
	{"campaign", run_campaign},
	{"deadline", run_deadline},
	{"forget-leader", run_forget_leader},
	{"hibernate", run_hibernate},
	{"propose", run_propose},
	{"propose-conf-change", run_propose_conf_change},
	{"read-index", run_read_index},
	{"report-snapshot", run_report_snapshot},
	{"report-unreachable", run_report_unreachable},
	{"send-commit", run_send_commit},
	{"set-randomized-election-timeout", run_set_timeout},
	{"tick", run_tick},
	{"tick-election", run_tick_election},
	{"tick-heartbeat", run_tick_heartbeat},
	{"transfer-leadership", run_transfer},
	{"wake", run_wake},
	{"want-snapshot", run_want_snapshot},
	{0},
};
