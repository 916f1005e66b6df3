/* What raft.h shows of a node's state. */
#include "raft/raw_node.h"

void raw_node_status(const struct raw_node *node, struct raft_status *status)
{
	const struct raft *raft = &node->raft;

	*status = (struct raft_status){
		.id = raft->id,
		.hard_state = raft_hard_state_of(raft),
		.soft_state = raft_soft_state_of(raft),
		.applied = raft->log.applied,
		.last_index = raft_log_last_index(&raft->log),
		.lead_transferee = raft->lead_transferee,
		.commit_term_first = raft->term_first,
	};
	/* raft.h: 0 stands for a storage that could not tell. */
	if (raft_log_first_index(&raft->log, &status->first_index))
		status->first_index = 0;
}

bool raw_node_progress(const struct raw_node *node, uint64_t peer, struct raft_progress_status *status)
{
	const struct raft *raft = &node->raft;
	const struct progress *progress = tracker_find(&raft->tracker, peer);

	if (raft->role != RAFT_LEADER || !progress)
		return false;
	*status = (struct raft_progress_status){
		.id = progress->id,
		.state = progress->state,
		.is_learner = progress->is_learner,
		.recent_active = progress->recent_active,
		.msg_app_flow_paused = progress_is_paused(progress),
		.match = progress->match,
		.next = progress->next,
		.pending_snapshot = progress->pending_snapshot,
		.inflight_messages = progress->inflights.count,
		.inflight_bytes = progress->inflights.size,
		.wants_snapshot = progress->wants_snapshot,
		.is_inflight_full = inflights_is_full(&progress->inflights, &raft->tracker.limits),
	};
	return true;
}

const struct raft_conf_state *raw_node_conf_state(const struct raw_node *node)
{
	return &node->raft.tracker.conf;
}

int raw_node_term(const struct raw_node *node, uint64_t index, uint64_t *term)
{
	return raft_log_term(&node->raft.log, index, term);
}

size_t raw_node_memory(const struct raw_node *node)
{
	const struct raft *raft = &node->raft;

	return sizeof *node + tracker_memory(&raft->tracker) +
	       raft->log.unstable.capacity * sizeof(struct raft_entry) +
	       (raft->messages.capacity + raft->after_append.capacity + node->advance.steps.capacity) *
		       sizeof(struct raft_message) +
	       raft->read_states.capacity * sizeof(struct raft_read_state) +
	       raft->reads.capacity * sizeof(struct read_request);
}
