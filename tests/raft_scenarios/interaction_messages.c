/*
 * Commands about messages between nodes.
 *
 *     deliver-msgs NODE… [drop=(NODE, …)] [type=MsgApp] [repeat=true]    repeat: they stay queued and arrive again
 *     hold-msgs NODE… [type=MsgApp]    messages to the nodes are held back
 *     release-msgs    messages that were held back are queued after the others
 *     send-snapshot FROM TO
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "tests/raft_scenarios/interaction.h"

void queue_push(struct raft_messages *queue, struct raft_message *message)
{
	if (queue->count == queue->capacity) {
		size_t capacity = queue->capacity * 2 + 8;
		struct raft_message *items = realloc(queue->items, capacity * sizeof *items);

		check(items != NULL);
		queue->items = items;
		queue->capacity = capacity;
	}
	queue->items[queue->count++] = *message;
	*message = (struct raft_message){0};
}

struct raft_message queue_take(struct raft_messages *queue, size_t position)
{
	struct raft_message message = queue->items[position];

	queue->count--;
	memmove(&queue->items[position], &queue->items[position + 1],
		(queue->count - position) * sizeof *queue->items);
	return message;
}

void queue_close(struct raft_messages *queue)
{
	for (size_t i = 0; i < queue->count; i++)
		raft_message_close(&queue->items[i]);
	free(queue->items);
	*queue = (struct raft_messages){0};
}

static bool is_local_thread(uint64_t id)
{
	return id == RAFT_LOCAL_APPEND_THREAD || id == RAFT_LOCAL_APPLY_THREAD;
}

bool message_is_local(const struct raft_message *message)
{
	return message->from == message->to || is_local_thread(message->from) || is_local_thread(message->to);
}

void print_message(struct cluster *cluster, const struct raft_message *message)
{
	raft_describe_message(cluster_out(cluster), "", message);
	fputc('\n', cluster_out(cluster));
}

/* ---- deliver-msgs ---- */

struct filter {
	uint64_t to;
	const char *type; /* NULL: any */
	bool drop;
	bool repeat;
};

/* A node's messages to itself are never lost. */
static bool filter_matches(const struct filter *filter, const struct raft_message *message)
{
	if (message->to != filter->to || (filter->drop && message_is_local(message)))
		return false;
	return !filter->type || strcmp(filter->type, raft_message_type_name(message->type)) == 0;
}

static void deliver_one(struct cluster *cluster, const struct filter *filter, struct raft_message *message)
{
	int error;

	if (filter->drop)
		fputs("dropped: ", cluster_out(cluster));
	print_message(cluster, message);
	if (filter->drop)
		return;
	check(filter->to <= cluster->node_count);
	error = raw_node_step(cluster->nodes[filter->to - 1]->raw, message);
	if (error != 0)
		fprintf(cluster_out(cluster), "%s\n", cluster_status_text(error));
}

/* Takes the matching messages out of the queue first, because a delivery may add to it. */
static size_t deliver(struct cluster *cluster, const struct filter *filter)
{
	struct raft_messages taken = {0};
	size_t count;

	for (size_t i = 0; i < cluster->messages.count;) {
		struct raft_message message;

		if (!filter_matches(filter, &cluster->messages.items[i])) {
			i++;
			continue;
		}
		message = queue_take(&cluster->messages, i);
		queue_push(&taken, &message);
	}
	for (size_t i = 0; i < taken.count; i++) {
		deliver_one(cluster, filter, &taken.items[i]);
		if (filter->repeat)
			queue_push(&cluster->messages, &taken.items[i]);
	}
	count = taken.count;
	queue_close(&taken);
	return count;
}

static bool is_deliverable(const struct cluster *cluster, uint64_t id)
{
	return id > 0 && id <= cluster->node_count && cluster->nodes[id - 1]->raw;
}

static size_t deliver_or_drop(
	struct cluster *cluster, const struct filter *like, const char *target, bool drop)
{
	struct filter filter = *like;

	filter.drop = drop;
	if (!number_parse(target, &filter.to) || (!drop && !is_deliverable(cluster, filter.to))) {
		cluster_fail(cluster, "no such node: %s", target);
		return 0;
	}
	return deliver(cluster, &filter);
}

static struct filter read_filter(struct cluster *cluster, const struct command *command)
{
	const struct argument *type = command_find(command, "type");
	struct filter filter = {.repeat = command_flag(command, "repeat")};
	bool known = false;

	if (!type || type->value_count != 1)
		return filter;
	filter.type = type->values[0];
	for (enum raft_message_type i = RAFT_MSG_HUP; i < RAFT_MSG_TYPE_COUNT; i++)
		known |= strcmp(raft_message_type_name(i), filter.type) == 0;
	if (!known)
		cluster_fail(cluster, "unknown message type %s", filter.type);
	return filter;
}

static void run_deliver(struct cluster *cluster, const struct command *command, struct slice input)
{
	struct filter filter = read_filter(cluster, command);
	size_t count = 0;

	(void)input;
	for (size_t i = 0; i < command->argument_count && !cluster_has_failed(cluster); i++) {
		const struct argument *argument = &command->arguments[i];

		if (argument->value_count == 0)
			count += deliver_or_drop(cluster, &filter, argument->key, false);
		for (size_t j = 0; strcmp(argument->key, "drop") == 0 && j < argument->value_count; j++)
			count += deliver_or_drop(cluster, &filter, argument->values[j], true);
	}
	if (count == 0)
		fputs("no messages\n", cluster_out(cluster));
}

void deliver_all(struct cluster *cluster, struct node *node)
{
	struct filter filter = {.to = node->id};

	deliver(cluster, &filter);
}

bool has_messages(const struct cluster *cluster, const struct node *node)
{
	for (size_t i = 0; i < cluster->messages.count; i++)
		if (cluster->messages.items[i].to == node->id)
			return true;
	return false;
}

/* ---- Late messages ---- */

static void run_hold(struct cluster *cluster, const struct command *command, struct slice input)
{
	struct filter filter = read_filter(cluster, command);
	struct node *nodes[NODES_MAX];
	size_t count = cluster_nodes(cluster, command, nodes);

	(void)input;
	filter.drop = true; /* messages of a node to itself are not held back either */
	for (size_t n = 0; n < count; n++) {
		filter.to = nodes[n]->id;
		for (size_t i = 0; i < cluster->messages.count;) {
			struct raft_message message;

			if (!filter_matches(&filter, &cluster->messages.items[i])) {
				i++;
				continue;
			}
			message = queue_take(&cluster->messages, i);
			fputs("held: ", cluster_out(cluster));
			print_message(cluster, &message);
			queue_push(&cluster->held, &message);
		}
	}
}

static void run_release(struct cluster *cluster, const struct command *command, struct slice input)
{
	(void)command;
	(void)input;
	for (size_t i = 0; i < cluster->held.count; i++) {
		print_message(cluster, &cluster->held.items[i]);
		queue_push(&cluster->messages, &cluster->held.items[i]);
	}
	cluster->held.count = 0;
}

static void run_send_snapshot(struct cluster *cluster, const struct command *command, struct slice input)
{
	struct node *from = cluster_node(cluster, command, 0), *to = cluster_node(cluster, command, 1);
	struct raft_message message = {.type = RAFT_MSG_SNAP};
	struct raft_status status;

	(void)input;
	if (!from || !to)
		return;
	raw_node_status(from->raw, &status);
	message.from = from->id;
	message.to = to->id;
	message.term = status.hard_state.term;
	message.snapshot = calloc(1, sizeof *message.snapshot);
	check(message.snapshot != NULL);
	check(raft_snapshot_copy(message.snapshot, node_newest(from)) == 0);
	raft_describe_message(cluster_out(cluster), "", &message);
	queue_push(&cluster->messages, &message);
}

const struct interaction_command message_commands[] = {
	{"deliver-msgs", run_deliver},
	{"hold-msgs", run_hold},
	{"release-msgs", run_release},
	{"send-snapshot", run_send_snapshot},
	{0},
};
