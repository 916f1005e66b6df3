/* Filling a ready, the messages to the storage threads, and advancing. */
#include "raft/raw_node.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "raft/array.h"

static bool soft_state_equal(const struct raft_soft_state *a, const struct raft_soft_state *b)
{
	return a->leader == b->leader && a->role == b->role;
}

static bool hard_state_equal(const struct raft_hard_state *a, const struct raft_hard_state *b)
{
	return a->term == b->term && a->vote == b->vote && a->commit == b->commit;
}

/* With asynchronous writes an entry is handed out for apply only once it is stable here, because the apply thread may be
 * ahead of the append thread. In synchronous mode the caller appends before it applies. */
static bool may_apply_unstable(const struct raw_node *node)
{
	return !node->is_async || node->apply_unstable;
}

bool raw_node_has_ready(const struct raw_node *node)
{
	const struct raft *raft = &node->raft;
	struct raft_soft_state soft = raft_soft_state_of(raft);
	struct raft_hard_state hard = raft_hard_state_of(raft);
	size_t unstable;

	unstable_next_entries(&raft->log.unstable, &unstable);
	return raft->messages.count > 0 || raft->after_append.count > 0 || unstable > 0 ||
	       raft_log_has_next_committed(&raft->log, may_apply_unstable(node)) ||
	       !soft_state_equal(&soft, &node->soft_state) || !hard_state_equal(&hard, &node->hard_state) ||
	       unstable_next_snapshot(&raft->log.unstable) || raft->read_states.count > 0 ||
	       raft->reads.is_round_due || raft->must_resend;
}

/* ---- Messages to the storage threads ---------------------------------------------------------------------------- */

static int copy_snapshot(const struct raft_snapshot *from, struct raft_snapshot **to)
{
	int rc;

	if (from->index == 0)
		return 0;
	*to = calloc(1, sizeof **to);
	if (!*to)
		return -ENOMEM;
	rc = raft_snapshot_copy(*to, from);
	if (rc) {
		free(*to);
		*to = NULL;
	}
	return rc;
}

static bool needs_append(const struct raft *raft, const struct raft_ready *ready)
{
	return ready->entries.count > 0 || ready->has_hard_state || ready->snapshot.index > 0 ||
	       raft->after_append.count > 0;
}

/* As long as any entry is unstable every write gets a response, also one without entries: a response in a later term
 * than its write is ignored (raft_on_stable), and the first write of the new term makes up for it. */
static bool needs_append_response(const struct raft *raft, const struct raft_ready *ready)
{
	return raft->log.unstable.count > 0 || ready->snapshot.index > 0;
}

static struct raft_position stable_position(const struct raft *raft)
{
	return raft->log.unstable.count > 0 ? raft_log_last(&raft->log) : (struct raft_position){0};
}

/* Makes a MsgStorageAppend. Its first responses are left empty for take_responses to fill. */
static int make_append(const struct raft *raft, const struct raft_ready *ready, struct raft_message *message)
{
	size_t responses = raft->after_append.count;
	struct raft_message *response;
	int rc;

	*message = (struct raft_message){
		.type = RAFT_MSG_STORAGE_APPEND,
		.to = RAFT_LOCAL_APPEND_THREAD,
		.from = raft->id,
		.term = ready->hard_state.term,
		.vote = ready->hard_state.vote,
		.commit = ready->hard_state.commit,
	};
	rc = raft_entries_append(&message->entries, ready->entries.items, ready->entries.count);
	if (!rc)
		rc = copy_snapshot(&ready->snapshot, &message->snapshot);
	if (!rc)
		message->responses = calloc(responses + 1, sizeof *message->responses);
	if (!rc && !message->responses)
		rc = -ENOMEM;
	if (rc)
		return rc;
	message->response_count = responses;
	if (!needs_append_response(raft, ready))
		return 0;
	/* The last one, after the leader's own acknowledgement, so that a commit which rests on that can still read the
	 * entries here. */
	response = &message->responses[message->response_count++];
	*response = (struct raft_message){
		.type = RAFT_MSG_STORAGE_APPEND_RESP,
		.to = raft->id,
		.from = RAFT_LOCAL_APPEND_THREAD,
		.term = raft->term,
		.index = stable_position(raft).index,
		.log_term = stable_position(raft).term,
	};
	return copy_snapshot(&ready->snapshot, &response->snapshot);
}

static int make_apply(const struct raft *raft, const struct raft_ready *ready, struct raft_message *message)
{
	const struct raft_entries *entries = &ready->committed_entries;
	int rc;

	*message = (struct raft_message){
		.type = RAFT_MSG_STORAGE_APPLY,
		.to = RAFT_LOCAL_APPLY_THREAD,
		.from = raft->id,
	};
	message->responses = calloc(1, sizeof *message->responses);
	if (!message->responses)
		return -ENOMEM;
	message->response_count = 1;
	message->responses[0] = (struct raft_message){
		.type = RAFT_MSG_STORAGE_APPLY_RESP,
		.to = raft->id,
		.from = RAFT_LOCAL_APPLY_THREAD,
	};
	rc = raft_entries_append(&message->entries, entries->items, entries->count);
	return rc ? rc : raft_entries_append(&message->responses[0].entries, entries->items, entries->count);
}

static void take_responses(struct raft *raft, struct raft_message *append)
{
	for (size_t i = 0; i < raft->after_append.count; i++)
		append->responses[i] = raft->after_append.items[i];
	raft->after_append.count = 0;
}

static int queue_storage_messages(struct raft *raft, const struct raft_ready *ready)
{
	struct raft_message append = {0};
	struct raft_message apply = {0};
	int rc = array_reserve(&raft->messages, 2);

	if (!rc && needs_append(raft, ready))
		rc = make_append(raft, ready, &append);
	if (!rc && ready->committed_entries.count > 0)
		rc = make_apply(raft, ready, &apply);
	if (rc) {
		raft_message_close(&append);
		raft_message_close(&apply);
		return rc;
	}
	if (append.to) {
		take_responses(raft, &append);
		raft->messages.items[raft->messages.count++] = append;
	}
	if (apply.to)
		raft->messages.items[raft->messages.count++] = apply;
	return 0;
}

/* ---- Advance ---------------------------------------------------------------------------------------------------- */

/* Promises to others are sent with the ready, after its write; those to this node are stepped by raw_node_advance. */
static int queue_responses(struct raw_node *node)
{
	struct raft *raft = &node->raft;
	struct raft_messages *steps = &node->advance.steps;
	size_t count = raft->after_append.count;
	int rc = array_reserve(&raft->messages, count);

	if (!rc)
		rc = array_reserve(steps, count);
	if (rc)
		return rc;
	for (size_t i = 0; i < count; i++) {
		struct raft_message *message = &raft->after_append.items[i];
		struct raft_messages *to = message->to == raft->id ? steps : &raft->messages;

		to->items[to->count++] = *message;
	}
	raft->after_append.count = 0;
	return 0;
}

static void prepare_advance(struct raw_node *node, const struct raft_ready *ready)
{
	struct raw_node_advance *advance = &node->advance;
	const struct raft *raft = &node->raft;

	advance->is_due = true;
	advance->steps_done = 0;
	advance->term = raft->term;
	advance->stable = stable_position(raft);
	advance->snapshot_index = ready->snapshot.index;
}

int raw_node_advance(struct raw_node *node)
{
	struct raw_node_advance *advance = &node->advance;
	struct raft *raft = &node->raft;
	int rc;

	check(!node->is_async);
	if (!advance->is_due)
		return 0;
	for (; advance->steps_done < advance->steps.count; advance->steps_done++) {
		rc = raft_step(raft, &advance->steps.items[advance->steps_done]);
		if (rc)
			return rc;
	}
	rc = raft_reserve(raft);
	if (rc)
		return rc;
	for (size_t i = 0; i < advance->steps.count; i++)
		raft_message_close(&advance->steps.items[i]);
	advance->steps.count = 0;
	advance->is_due = false;
	raft_on_stable(raft, advance->term, advance->stable, advance->snapshot_index);
	if (advance->applied_index)
		raft_on_applied(
			raft, advance->applied_index, advance->applied_size, advance->applied_payload_size);
	return 0;
}

/* ---- Ready ------------------------------------------------------------------------------------------------------ */

/* Does what may fail; on an error the node has not changed. */
static int fill(struct raw_node *node, struct raft_ready *ready)
{
	struct raft *raft = &node->raft;
	const struct raft_snapshot *snapshot = unstable_next_snapshot(&raft->log.unstable);
	struct raft_soft_state soft = raft_soft_state_of(raft);
	struct raft_hard_state hard = raft_hard_state_of(raft);
	const struct raft_entry *entries;
	size_t count;
	int rc = raft_log_next_committed(&raft->log, may_apply_unstable(node), &ready->committed_entries);

	if (rc)
		return rc;
	entries = unstable_next_entries(&raft->log.unstable, &count);
	rc = count ? raft_entries_append(&ready->entries, entries, count) : 0;
	if (!rc && snapshot)
		rc = raft_snapshot_copy(&ready->snapshot, snapshot);
	if (!rc)
		rc = array_reserve(&ready->read_states, raft->read_states.count);
	if (rc)
		return rc;
	ready->has_soft_state = !soft_state_equal(&soft, &node->soft_state);
	ready->has_hard_state = !hard_state_equal(&hard, &node->hard_state);
	if (ready->has_soft_state)
		ready->soft_state = soft;
	if (ready->has_hard_state)
		ready->hard_state = hard;
	ready->must_sync =
		count > 0 || hard.term != node->hard_state.term || hard.vote != node->hard_state.vote;
	return node->is_async ? queue_storage_messages(raft, ready) : queue_responses(node);
}

static void accept_committed(struct raw_node *node, const struct raft_entries *entries)
{
	struct raw_node_advance *advance = &node->advance;

	advance->applied_index = 0;
	advance->applied_size = 0;
	advance->applied_payload_size = 0;
	if (entries->count == 0)
		return;
	for (size_t i = 0; i < entries->count; i++) {
		advance->applied_size += raft_entry_size(&entries->items[i]);
		advance->applied_payload_size += raft_entry_payload_size(&entries->items[i]);
	}
	advance->applied_index = entries->items[entries->count - 1].index;
	raft_log_accept_applying(
		&node->raft.log, advance->applied_index, advance->applied_size, may_apply_unstable(node));
}

static void accept(struct raw_node *node, struct raft_ready *ready)
{
	struct raft *raft = &node->raft;
	struct raft_messages messages = ready->messages;

	ready->messages = raft->messages;
	raft->messages = messages;
	for (size_t i = 0; i < raft->read_states.count; i++)
		ready->read_states.items[ready->read_states.count++] = raft->read_states.items[i];
	raft->read_states.count = 0;
	if (ready->has_soft_state)
		node->soft_state = ready->soft_state;
	if (ready->has_hard_state)
		node->hard_state = ready->hard_state;
	if (!node->is_async)
		prepare_advance(node, ready);
	unstable_accept(&raft->log.unstable);
	accept_committed(node, &ready->committed_entries);
}

int raw_node_ready(struct raw_node *node, struct raft_ready *ready)
{
	struct raft *raft = &node->raft;
	int rc;

	check(!node->advance.is_due);
	rc = raft_reserve(raft);
	if (!rc)
		rc = raft_resend(raft);
	if (!rc)
		rc = raft_flush_reads(raft);
	if (rc)
		return rc;
	rc = fill(node, ready);
	if (rc) {
		raft_ready_clear(ready);
		return rc;
	}
	accept(node, ready);
	return 0;
}
