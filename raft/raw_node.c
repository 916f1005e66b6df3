/* The calls of raft.h that feed a node: making it, time, hibernation, messages, requests, reports. */
#include "raft/raw_node.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/plant.h"
#include "raft/confchange.h"

#define MESSAGE_SIZE_DEFAULT	 (UINT64_C(1) << 20)
#define UNCOMMITTED_SIZE_DEFAULT (UINT64_C(64) << 20)
#define INFLIGHT_DEFAULT	 256
#define PENDING_READS_DEFAULT	 4096

/* ---- Making and freeing ----------------------------------------------------------------------------------------- */

static uint64_t or_default(uint64_t value, uint64_t otherwise)
{
	return value ? value : otherwise;
}

static int check_config(const struct raft_config *config, struct status *status)
{
	uint64_t message_size = or_default(config->message_size_max, MESSAGE_SIZE_DEFAULT);

	if (config->id == RAFT_NONE || config->id >= RAFT_LOCAL_APPLY_THREAD)
		return status_set(status, -EINVAL, "a raft node cannot have the id %lu", config->id);
	if (config->heartbeat_tick == 0 || config->election_tick <= config->heartbeat_tick)
		return status_set(
			status, -EINVAL, "the election timeout must be longer than the heartbeat's");
	if (config->election_tick > UINT32_MAX / 2)
		return status_set(status, -EINVAL, "the election timeout is too long");
	if (config->inflight_bytes_max && config->inflight_bytes_max < message_size)
		return status_set(status, -EINVAL, "the in-flight limit is below the size of one message");
	if (config->read_mode == RAFT_READ_LEASE_BASED && !config->check_quorum)
		return status_set(status, -EINVAL, "lease-based reads need check_quorum");
	return 0;
}

static void take_config(struct raft *raft, const struct raft_config *config)
{
	*raft = (struct raft){
		.id = config->id,
		.now = config->now,
		.random = config->seed ^ (config->id * 0x9e3779b97f4a7c15),
		.election_tick = config->election_tick,
		.heartbeat_tick = config->heartbeat_tick,
		.read_mode = config->read_mode,
		.pre_vote = config->pre_vote,
		.check_quorum = config->check_quorum,
		.step_down_on_removal = config->step_down_on_removal,
		.disable_proposal_forwarding = config->disable_proposal_forwarding,
		.delay_commit = config->delay_commit,
		.disable_conf_change_validation = config->disable_conf_change_validation,
		.message_size_max = or_default(config->message_size_max, MESSAGE_SIZE_DEFAULT),
		.uncommitted_size_max = or_default(config->uncommitted_size_max, UNCOMMITTED_SIZE_DEFAULT),
		.tracker.limits.count_max =
			(uint32_t)or_default(config->inflight_messages_max, INFLIGHT_DEFAULT),
		.tracker.limits.size_max = or_default(config->inflight_bytes_max, RAFT_NO_LIMIT),
		.logger = config->logger,
	};
	read_queue_init(&raft->reads, (uint32_t)or_default(config->pending_reads_max, PENDING_READS_DEFAULT));
}

/* Takes over the persisted hard state and applied index. The part of the log that was compacted is committed and applied
 * in any case (raft_log_init). */
static int restore_marks(
	struct raft *raft, const struct raft_hard_state *hard, uint64_t applied, struct status *status)
{
	struct raft_log *log = &raft->log;

	if (hard->commit > raft_log_last_index(log))
		return status_set(status, STATUS_CORRUPT, "%lu entries are committed but the log ends at %lu",
			hard->commit, raft_log_last_index(log));
	if (applied > raft_log_last_index(log))
		return status_set(status, STATUS_CORRUPT, "%lu entries are applied but the log ends at %lu",
			applied, raft_log_last_index(log));
	/* An applied entry is committed, even if the commit index was not durable yet: the apply thread may be ahead. */
	raft_log_commit_to(log, hard->commit > applied ? hard->commit : applied);
	if (applied > log->applied)
		raft_log_applied_to(log, applied, 0);
	raft->term = hard->term;
	raft->vote = hard->vote;
	return 0;
}

static int restore_state(struct raft *raft, const struct raft_config *config, struct raft_storage *storage,
	struct status *status)
{
	struct raft_hard_state hard = {0};
	struct raft_conf_state conf = {0};
	struct raft_conf_state restored = {0};
	uint64_t applying_size_max = or_default(config->committed_size_per_ready, raft->message_size_max);
	int rc = storage->initial_state(storage, &hard, &conf);

	if (!rc)
		rc = raft_log_init(&raft->log, storage, applying_size_max);
	if (rc) {
		status_set(status, rc, "the raft log cannot be read: %s", status_name(rc));
		goto done;
	}
	rc = confchange_restore(&conf, &restored, status);
	if (rc) {
		rc = rc == -ENOMEM ? rc : STATUS_CORRUPT;
		goto done;
	}
	rc = raft_switch_conf(raft, &restored, raft_log_last_index(&raft->log), true);
	if (!rc)
		rc = restore_marks(raft, &hard, config->applied, status);
done:
	raft_conf_state_close(&conf);
	raft_conf_state_close(&restored);
	return rc;
}

int raw_node_new(const struct raft_config *config, struct raft_storage *storage, struct raw_node **node,
	struct status *status)
{
	struct raw_node *fresh;
	struct raft *raft;
	int rc = check_config(config, status);

	if (rc)
		return rc;
	fresh = calloc(1, sizeof *fresh);
	if (!fresh)
		return status_set(status, -ENOMEM, "out of memory");
	raft = &fresh->raft;
	take_config(raft, config);
	rc = restore_state(raft, config, storage, status);
	if (rc) {
		raw_node_free(fresh);
		return rc;
	}
	raft_become_follower(raft, raft->term, RAFT_NONE);
	log_info(raft->logger,
		"newRaft %lx [term: %lu, commit: %lu, applied: %lu, lastindex: %lu, lastterm: %lu]", raft->id,
		raft->term, raft->log.committed, raft->log.applied, raft_log_last_index(&raft->log),
		raft->log.last_term);
	fresh->is_async = config->async_storage_writes;
	fresh->apply_unstable = config->apply_unstable;
	fresh->soft_state = raft_soft_state_of(raft);
	fresh->hard_state = raft_hard_state_of(raft);
	*node = fresh;
	return 0;
}

static void messages_close(struct raft_messages *messages)
{
	for (size_t i = 0; i < messages->count; i++)
		raft_message_close(&messages->items[i]);
	free(messages->items);
	*messages = (struct raft_messages){0};
}

void raw_node_free(struct raw_node *node)
{
	struct raft *raft;

	if (!node)
		return;
	raft = &node->raft;
	messages_close(&raft->messages);
	messages_close(&raft->after_append);
	messages_close(&node->advance.steps);
	for (size_t i = 0; i < raft->read_states.count; i++)
		buf_unref(raft->read_states.items[i].context);
	free(raft->read_states.items);
	read_queue_close(&raft->reads);
	tracker_close(&raft->tracker);
	raft_log_close(&raft->log);
	free(node);
}

/* ---- Time ------------------------------------------------------------------------------------------------------- */

int raw_node_tick(struct raw_node *node)
{
	return raft_tick_to(&node->raft, node->raft.now + 1);
}

int raw_node_tick_to(struct raw_node *node, uint64_t now)
{
	return raft_tick_to(&node->raft, now);
}

uint64_t raw_node_deadline(const struct raw_node *node)
{
	return raft_deadline(&node->raft);
}

bool raw_node_is_in_lease(const struct raw_node *node)
{
	return raft_is_in_lease(&node->raft);
}

static bool is_idle(const struct raw_node *node)
{
	const struct raft *raft = &node->raft;
	const struct raft_log *log = &raft->log;

	return log->unstable.count == 0 && !log->unstable.snapshot &&
	       log->applied == raft_log_last_index(log) && !node->advance.is_due && !raw_node_has_ready(node);
}

bool raw_node_can_hibernate(const struct raw_node *node)
{
	const struct raft *raft = &node->raft;

	if (raft->role != RAFT_LEADER || raft->lead_transferee != RAFT_NONE || raft->reads.count > 0 ||
		raft_conf_state_is_joint(&raft->tracker.conf))
		return false;
	return is_idle(node) && tracker_is_quorum_active(&raft->tracker) && !raw_node_has_unsent_commit(node);
}

static void trim(struct raw_node *node)
{
	struct raft *raft = &node->raft;

	if (raft->messages.count == 0)
		messages_close(&raft->messages);
	if (raft->after_append.count == 0)
		messages_close(&raft->after_append);
	if (!node->advance.is_due)
		messages_close(&node->advance.steps);
	if (raft->read_states.count == 0 && raft->reads.count == 0) {
		free(raft->read_states.items);
		raft->read_states = (struct raft_read_states){0};
		free(raft->reads.items);
		raft->reads.items = NULL;
		raft->reads.capacity = 0;
	}
	for (uint32_t i = 0; i < raft->tracker.count; i++)
		inflights_trim(&raft->tracker.items[i].inflights);
	unstable_trim(&raft->log.unstable);
}

void raw_node_hibernate(struct raw_node *node)
{
	if (node->raft.role == RAFT_LEADER && !raw_node_can_hibernate(node))
		return;
	node->raft.is_hibernating = true;
	trim(node);
}

void raw_node_wake(struct raw_node *node)
{
	raft_wake(&node->raft);
}

bool raw_node_is_hibernating(const struct raw_node *node)
{
	return node->raft.is_hibernating;
}

/* ---- Messages and requests -------------------------------------------------------------------------------------- */

int raw_node_step(struct raw_node *node, const struct raft_message *message)
{
	int rc = raft_validate(&node->raft, message, node->is_async);

	if (rc)
		return rc;
	if (message->from < RAFT_LOCAL_APPLY_THREAD)
		raft_wake(&node->raft);
	return raft_step(&node->raft, message);
}

int raw_node_campaign(struct raw_node *node)
{
	struct raft *raft = &node->raft;
	int rc = raft_reserve(raft);

	if (rc)
		return rc;
	raft_wake(raft);
	return raft_hup(raft, raft->pre_vote ? RAFT_CAMPAIGN_PRE_ELECTION : RAFT_CAMPAIGN_ELECTION);
}

int raw_node_propose(struct raw_node *node, struct buf *data)
{
	return raw_node_propose_entries(
		node, &(struct raft_entry){.type = RAFT_ENTRY_NORMAL, .data = data}, 1);
}

int raw_node_propose_entries(struct raw_node *node, const struct raft_entry *entries, size_t count)
{
	/* The message borrows the entries: raft_step changes no message. */
	struct raft_message message = {
		.type = RAFT_MSG_PROP,
		.from = node->raft.id,
		.entries = {.items = (struct raft_entry *)entries, .count = count},
	};
	int rc = raft_validate_proposal(entries, count);

	if (rc)
		return rc;
	raft_wake(&node->raft);
	return raft_step(&node->raft, &message);
}

int raw_node_propose_conf_change(struct raw_node *node, const struct raft_conf_change *change, bool v1)
{
	struct raft_entry entry = {.type = v1 ? RAFT_ENTRY_CONF_CHANGE : RAFT_ENTRY_CONF_CHANGE_V2};
	int rc = raft_conf_change_encode(change, v1, &entry.data);

	if (rc)
		return rc;
	rc = raw_node_propose_entries(node, &entry, 1);
	buf_unref(entry.data);
	return rc;
}

int raw_node_apply_conf_change(
	struct raw_node *node, const struct raft_conf_change *change, struct raft_conf_state *conf)
{
	struct raft_conf_state next = {0};
	int rc = 0;

	if (conf) { /* computed first, so that a failed copy changes nothing */
		rc = confchange_apply(&node->raft.tracker.conf, change, &next, NULL);
		if (rc)
			return rc;
	}
	rc = raft_apply_conf_change(&node->raft, change);
	if (rc || !conf) {
		raft_conf_state_close(&next);
		return rc;
	}
	raft_conf_state_close(conf);
	*conf = next;
	return 0;
}

int raw_node_read_index(struct raw_node *node, struct buf *context)
{
	struct raft *raft = &node->raft;
	int rc;

	if (raft->leader == RAFT_NONE)
		return STATUS_NOT_LEADER;
	rc = raft_reserve(raft);
	if (rc)
		return rc;
	raft_wake(raft);
	if (raft->role == RAFT_LEADER)
		return raft_take_read(raft, RAFT_NONE, context);
	raft_send(
		raft, (struct raft_message){
			      .type = RAFT_MSG_READ_INDEX, .to = raft->leader, .context = buf_ref(context)});
	return 0;
}

bool raw_node_has_unsent_commit(const struct raw_node *node)
{
	const struct tracker *tracker = &node->raft.tracker;

	if (node->raft.role != RAFT_LEADER)
		return false;
	for (uint32_t i = 0; i < tracker->count; i++)
		if (raft_has_unsent_commit(&node->raft, &tracker->items[i]))
			return true;
	return false;
}

void raw_node_send_commit(struct raw_node *node)
{
	struct tracker *tracker = &node->raft.tracker;

	if (node->raft.role != RAFT_LEADER)
		return;
	for (uint32_t i = 0; i < tracker->count; i++)
		if (raft_has_unsent_commit(&node->raft, &tracker->items[i]))
			raft_send_append(&node->raft, &tracker->items[i], true);
}

int raw_node_transfer_leader(struct raw_node *node, uint64_t transferee)
{
	struct raft_message message = {.type = RAFT_MSG_TRANSFER_LEADER, .from = transferee};

	if (node->raft.leader == RAFT_NONE)
		return STATUS_NOT_LEADER;
	raft_wake(&node->raft);
	return raft_step(&node->raft, &message);
}

int raw_node_forget_leader(struct raw_node *node)
{
	raft_forget_leader(&node->raft);
	return 0;
}

int raw_node_report_unreachable(struct raw_node *node, uint64_t peer)
{
	raft_on_unreachable(&node->raft, peer);
	return 0;
}

int raw_node_report_snapshot(struct raw_node *node, uint64_t peer, bool failed)
{
	raft_on_snapshot_status(&node->raft, peer, failed);
	return 0;
}

int raw_node_want_snapshot(struct raw_node *node, uint64_t peer, bool is_wanted)
{
	raft_on_snapshot_wanted(&node->raft, peer, is_wanted);
	return 0;
}

void raw_node_set_election_timeout(struct raw_node *node, uint32_t ticks)
{
	node->raft.randomized_election_tick = ticks;
}
