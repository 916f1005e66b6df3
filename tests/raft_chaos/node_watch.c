#include "tests/raft_chaos/node.h"

#include <errno.h>
#include <inttypes.h>

#include "tests/raft_chaos/cluster.h"

/* A leader checks its quorum once per election timeout, so the last message may be nearly two timeouts old. */
static uint64_t patience(const struct node *node)
{
	return 2u * node->cluster->profile.election_tick + 2;
}

void node_watch_be_lenient(struct node *node)
{
	node->watch.lenient_until_tick = node->ticks + patience(node);
}

void node_watch_start(struct node *node)
{
	node->watch = (struct node_watch){
		.term = node->disk.live.hard.term,
		.commit = node->disk.live.compacted, /* an earlier process committed these */
		.conf = conf_mask_of(raw_node_conf_state(node->raw)),
	};
}

static void watch_hard_state(struct node *node, const struct raft_status *status)
{
	struct cluster *cluster = node->cluster;
	uint64_t commit = status->hard_state.commit;

	if (status->hard_state.term < node->watch.term)
		cluster_fail(cluster, "node %" PRIu64 ": term goes back from %" PRIu64 " to %" PRIu64,
			node->id, node->watch.term, status->hard_state.term);
	if (commit < node->watch.commit)
		cluster_fail(cluster, "node %" PRIu64 ": commit goes back from %" PRIu64 " to %" PRIu64,
			node->id, node->watch.commit, commit);
	if (status->applied > commit || commit > status->last_index)
		cluster_fail(cluster,
			"node %" PRIu64 ": applied %" PRIu64 ", commit %" PRIu64 ", last index %" PRIu64,
			node->id, status->applied, commit, status->last_index);
	if (commit > node->watch.commit)
		model_on_commit(cluster, node, node->watch.commit, status);
	node->watch.term = status->hard_state.term;
	node->watch.commit = commit;
}

void node_status(struct node *node, struct raft_status *status)
{
	uint32_t failing_reads = node->disk.failing_reads;

	node->disk.failing_reads = 0;
	raw_node_status(node->raw, status);
	node->disk.failing_reads = failing_reads;
}

void node_watch_calls(struct node *node)
{
	struct raft_status status;
	struct conf_mask conf;

	if (!node->raw)
		return;
	node_status(node, &status);
	watch_hard_state(node, &status);
	conf = conf_mask_of(raw_node_conf_state(node->raw));
	if (status.soft_state.role == RAFT_LEADER) {
		model_on_leader(node->cluster, node, status.hard_state.term);
		if (node->watch.role != RAFT_LEADER || !conf_mask_equal(&conf, &node->watch.conf) ||
			raw_node_is_hibernating(node->raw) || node->disk.has_failed_read)
			node_watch_be_lenient(node);
	}
	node->disk.has_failed_read = false;
	node->watch.role = status.soft_state.role;
	node->watch.conf = conf;
}

/* With CheckQuorum, a leader that no quorum answers must have stepped down. */
void node_watch_tick(struct node *node)
{
	const struct node_watch *watch = &node->watch;
	uint8_t heard = (uint8_t)(1u << node->id);

	if (!node->cluster->profile.check_quorum || watch->role != RAFT_LEADER ||
		node->ticks <= watch->lenient_until_tick)
		return;
	for (uint64_t id = 1; id <= NODES_MAX; id++)
		if (watch->heard_tick[id] + patience(node) >= node->ticks)
			heard = (uint8_t)(heard | 1u << id);
	if (!conf_mask_is_quorum(&watch->conf, heard))
		cluster_fail(node->cluster,
			"node %" PRIu64 " still leads term %" PRIu64
			" though only mask %x was heard of lately",
			node->id, watch->term, heard);
}

void node_watch_heard(struct node *node, uint64_t peer)
{
	if (peer <= NODES_MAX)
		node->watch.heard_tick[peer] = node->ticks;
}

static void watch_entries(struct node *node, const struct raft_entries *entries, const char *what)
{
	for (size_t i = 1; i < entries->count; i++)
		if (entries->items[i].index != entries->items[i - 1].index + 1 ||
			entries->items[i].term < entries->items[i - 1].term)
			cluster_fail(node->cluster, "node %" PRIu64 ": %s are not in order at %" PRIu64,
				node->id, what, entries->items[i].index);
}

void node_watch_ready(struct node *node, const struct raft_ready *ready)
{
	const struct raft_hard_state *hard = &node->disk.live.hard;

	watch_entries(node, &ready->entries, "entries");
	watch_entries(node, &ready->committed_entries, "committed entries");
	if (node->cluster->profile.async)
		return; /* writes under way are not in `live` yet */
	if (ready->has_hard_state &&
		(ready->hard_state.term < hard->term || ready->hard_state.commit < hard->commit))
		cluster_fail(node->cluster, "node %" PRIu64 ": hard state goes back", node->id);
	if (!ready->must_sync &&
		(ready->entries.count > 0 ||
			(ready->has_hard_state && (ready->hard_state.term != hard->term ||
							  ready->hard_state.vote != hard->vote))))
		cluster_fail(node->cluster, "node %" PRIu64 ": must_sync is missing", node->id);
}

/* The term that the disk will hold at `index` once the append thread has done all that is queued. */
static uint64_t term_to_come(const struct node *node, uint64_t index)
{
	for (size_t i = node->append.queue.count; i-- > 0;) {
		const struct raft_message *message = &node->append.queue.items[i];
		const struct raft_entries *entries = &message->entries;

		if (entries->count > 0 && index >= entries->items[0].index) {
			if (index - entries->items[0].index >= entries->count)
				return 0;
			return entries->items[index - entries->items[0].index].term;
		}
		if (message->snapshot)
			return index == message->snapshot->index ? message->snapshot->term : 0;
	}
	return disk_image_term(&node->disk.live, index);
}

void node_watch_queue(struct node *node)
{
	const struct raft_messages *queue = &node->append.queue;
	uint32_t failing_reads = node->disk.failing_reads;
	struct raft_status status;

	node_status(node, &status);
	node->disk.failing_reads = 0;
	for (size_t i = 0; i < queue->count && !raw_node_has_ready(node->raw); i++) {
		uint64_t index =
			queue->items[i].entries.count > 0 ? queue->items[i].entries.items[0].index : 0;
		uint64_t term = 0;

		if (index >= status.first_index && index <= status.last_index &&
			raw_node_term(node->raw, index, &term) == 0 && term != term_to_come(node, index))
			cluster_fail(node->cluster,
				"node %" PRIu64 " takes entry %" PRIu64 "/%" PRIu64
				" for durable, but the disk will hold term %" PRIu64,
				node->id, term, index, term_to_come(node, index));
	}
	node->disk.failing_reads = failing_reads;
}

void node_watch_status(struct node *node, const char *call, int status)
{
	switch (status) {
	case 0:
	case STATUS_PROPOSAL_DROPPED:
	case STATUS_STEP_UNKNOWN_PEER:
	case STATUS_NOT_LEADER:
	case STATUS_LIMIT:
		return;
	case -EIO:
		if (node->disk.has_failed_read)
			return;
		/* fallthrough */
	default:
		cluster_fail(node->cluster, "node %" PRIu64 ": %s returned %s", node->id, call,
			status_name(status));
	}
}
