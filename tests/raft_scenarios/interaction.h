/*
 * interaction: a group of nodes driven by commands, with a trace of everything that happens.
 *
 * A `cluster` holds the nodes, the messages between them and the text of the current step. Nothing happens by itself:
 * messages are queued until a command delivers them, and a command handles a node's Ready and each piece of work of its
 * append and apply threads. The state machine appends the entries that it applies. Its states after each entry are the
 * node's `history`; a follower that needs a snapshot is sent the newest.
 *
 * At log level `none` a step gives no output except errors.
 */
#ifndef RAFTKV_TESTS_INTERACTION_H
#define RAFTKV_TESTS_INTERACTION_H

#include <stdio.h>

#include "raft/describe.h"
#include "raft/memory_storage.h"
#include "raft/raft.h"
#include "tests/raft_scenarios/datadriven.h"

#define NODES_MAX 16

enum level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR, LEVEL_FATAL, LEVEL_NONE };

struct node {
	uint64_t id;
	struct raft_config config;
	struct memory_storage memory;
	struct raw_node *raw; /* NULL: it could not be restarted */
	struct raft_messages append_work;
	struct raft_messages apply_work;
	struct raft_snapshot *history; /* the state machine after each entry it applied */
	size_t history_count;
};

struct cluster {
	struct node *nodes[NODES_MAX]; /* node i + 1 is at i */
	size_t node_count;
	struct raft_messages messages; /* sent and not delivered, oldest first */
	struct raft_messages held; /* held back by hold-msgs */
	struct logger logger;
	enum level level;
	FILE *out; /* of the step, or of the block that is being indented */
	FILE *nowhere;
	char error[320]; /* of the step; empty: none */
};

/* ---- The step's output (interaction.c) ---- */

/* The stream to print to; at log level `none` it discards the text. */
FILE *cluster_out(struct cluster *cluster);
/* Ends the step with an error, which is printed at any log level. The first one counts. */
void cluster_fail(struct cluster *cluster, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for a status, in etcd's words. */
void cluster_fail_status(struct cluster *cluster, int status);
bool cluster_has_failed(const struct cluster *cluster);
const char *cluster_status_text(int status);
void cluster_use_level(struct cluster *cluster, enum level level);
void cluster_set_level(struct cluster *cluster, const char *name);

/* Text that is printed between the two is indented by two blanks. */
struct indent {
	FILE *outer;
	char *text;
	size_t size;
};
void cluster_indent(struct cluster *cluster, struct indent *indent);
void cluster_outdent(struct cluster *cluster, struct indent *indent);

/* ---- Arguments (interaction.c) ---- */

/* The node that bare argument `position` names, counted among the bare ones; NULL after cluster_fail. */
struct node *cluster_node(struct cluster *cluster, const struct command *command, size_t position);
/* All nodes that bare arguments name, in their order; returns how many. */
size_t cluster_nodes(struct cluster *cluster, const struct command *command, struct node *nodes[NODES_MAX]);

/* ---- Nodes (interaction_nodes.c) ---- */

void node_free(struct node *node);
/* Starts the node from what its storage holds; the state of the process is lost. */
int node_start(struct node *node, struct status *status);
/* Records the state machine's state. Takes `snapshot`. */
void node_record(struct node *node, struct raft_snapshot *snapshot);
const struct raft_snapshot *node_newest(const struct node *node);

/* ---- Queues of messages (interaction_messages.c) ---- */

void queue_push(struct raft_messages *queue, struct raft_message *message); /* takes it */
struct raft_message queue_take(struct raft_messages *queue, size_t position);
void queue_close(struct raft_messages *queue);
bool message_is_local(const struct raft_message *message);
void print_message(struct cluster *cluster, const struct raft_message *message);
/* Delivers all messages that wait for `node`. */
void deliver_all(struct cluster *cluster, struct node *node);
bool has_messages(const struct cluster *cluster, const struct node *node);

/* ---- Families of commands, one file each ---- */

struct interaction_command {
	const char *name;
	void (*run)(struct cluster *cluster, const struct command *command, struct slice input);
};

extern const struct interaction_command node_commands[]; /* each ends with a NULL name */
extern const struct interaction_command message_commands[];
extern const struct interaction_command ready_commands[];
extern const struct interaction_command request_commands[];

#endif
