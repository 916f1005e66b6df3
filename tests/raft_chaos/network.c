#include "tests/raft_chaos/network.h"

#include <stdlib.h>

#include "proto/check.h"
#include "tests/raft_chaos/cluster.h"

struct parcel {
	struct event event;
	struct raft_message message;
};

/* What a transport reports to the sender later. */
struct report {
	struct event event;
	uint64_t sender;
	uint64_t incarnation;
	uint64_t peer;
	bool is_snapshot;
	bool has_failed;
};

static void copy_message(struct raft_message *to, const struct raft_message *from)
{
	*to = *from;
	to->entries = (struct raft_entries){0};
	check(raft_entries_append(&to->entries, from->entries.items, from->entries.count) == 0);
	buf_ref(to->context);
	if (from->snapshot) {
		to->snapshot = calloc(1, sizeof *to->snapshot);
		check(to->snapshot != NULL);
		check(raft_snapshot_copy(to->snapshot, from->snapshot) == 0);
	}
	check(from->responses == NULL);
}

static void discard_report(struct cluster *cluster, struct event *event)
{
	(void)cluster;
	free(event_owner(event, struct report, event));
}

static void fire_report(struct cluster *cluster, struct event *event)
{
	struct report *report = event_owner(event, struct report, event);
	struct node *node = &cluster->nodes[report->sender];

	if (node->raw && node->incarnation == report->incarnation) {
		node_before_input(node);
		if (report->is_snapshot)
			raw_node_report_snapshot(node->raw, report->peer, report->has_failed);
		else
			raw_node_report_unreachable(node->raw, report->peer);
		node_after_input(node);
	}
	free(report);
}

static void report_later(
	struct cluster *cluster, struct node *sender, const struct raft_message *message, bool has_failed)
{
	bool is_snapshot = message->type == RAFT_MSG_SNAP;
	struct report *report;

	if (!is_snapshot && !(has_failed && random_chance(&cluster->random, 200)))
		return;
	report = malloc(sizeof *report);
	check(report != NULL);
	*report = (struct report){
		.event = {.fire = fire_report, .discard = discard_report},
		.sender = sender->id,
		.incarnation = sender->incarnation,
		.peer = message->to,
		.is_snapshot = is_snapshot,
		.has_failed = has_failed,
	};
	event_set(cluster, &report->event, cluster->now_us + random_between(&cluster->random, 1000, 30000));
}

static void discard_parcel(struct cluster *cluster, struct event *event)
{
	struct parcel *parcel = event_owner(event, struct parcel, event);

	(void)cluster;
	raft_message_close(&parcel->message);
	free(parcel);
}

static void deliver(struct cluster *cluster, struct event *event)
{
	struct parcel *parcel = event_owner(event, struct parcel, event);
	struct node *node = &cluster->nodes[parcel->message.to];
	uint64_t resume_us = node->paused_until_us;

	if (resume_us > cluster->now_us) {
		event_set(cluster, event, resume_us);
		return;
	}
	if (node->raw)
		node_receive(node, &parcel->message);
	discard_parcel(cluster, event);
}

static void post(struct cluster *cluster, struct raft_message *message)
{
	const struct profile *profile = &cluster->profile;
	struct parcel *parcel = malloc(sizeof *parcel);
	uint64_t delay_us = random_between(&cluster->random, 200, profile->delay_max_us);

	check(parcel != NULL);
	if (!cluster->is_healing && random_chance(&cluster->random, profile->slow_permille))
		delay_us += random_below(&cluster->random, profile->slow_max_us);
	*parcel = (struct parcel){
		.event = {.fire = deliver, .discard = discard_parcel},
		.message = *message,
	};
	*message = (struct raft_message){0};
	event_set(cluster, &parcel->event, cluster->now_us + delay_us);
}

static bool is_lost(struct cluster *cluster, const struct node *from, const struct raft_message *message)
{
	if (message->to == 0 || message->to > cluster->profile.nodes || !cluster->nodes[message->to].raw)
		return true;
	if (mask_has(cluster->network.cut_to[from->id], message->to))
		return true;
	if (message->entries.count > 0 && mask_has(cluster->network.large_lost_to, message->to))
		return true;
	return !cluster->is_healing && random_chance(&cluster->random, cluster->profile.loss_permille);
}

static bool is_forwarded(const struct raft_message *message)
{
	return message->type == RAFT_MSG_PROP || message->type == RAFT_MSG_READ_INDEX ||
	       message->type == RAFT_MSG_TRANSFER_LEADER;
}

void network_send(struct cluster *cluster, struct node *from, struct raft_message *message)
{
	bool lost;

	trace_add(&cluster->trace, cluster->now_us, from->id, raft_message_type_name(message->type),
		message->to, message->term, message->index);
	if (message->from != from->id && !is_forwarded(message))
		cluster_fail(cluster, "node %d sends in the name of another", (int)from->id);
	model_on_send(cluster, from, message);
	lost = is_lost(cluster, from, message);
	report_later(cluster, from, message, lost);
	if (lost) {
		cluster->stats.lost_messages++;
		raft_message_close(message);
		*message = (struct raft_message){0};
		return;
	}
	if (!cluster->is_healing && random_chance(&cluster->random, cluster->profile.duplicate_permille)) {
		struct raft_message copy;

		copy_message(&copy, message);
		post(cluster, &copy);
	}
	post(cluster, message);
}

void network_heal(struct cluster *cluster)
{
	for (uint64_t id = 0; id <= NODES_MAX; id++)
		cluster->network.cut_to[id] = 0;
	cluster->network.large_lost_to = 0;
}
