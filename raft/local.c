/* What this node's storage has done, as raw_node_advance or the responses of the storage threads say. */
#include "raft/core.h"

#include "proto/plant.h"

void raft_leave_joint(struct raft *raft)
{
	struct raft_entry leave = {.type = RAFT_ENTRY_CONF_CHANGE_V2};
	struct raft_message message = {.type = RAFT_MSG_PROP, .entries = {.items = &leave, .count = 1}};

	if (!raft->tracker.conf.auto_leave || raft->role != RAFT_LEADER ||
		raft->log.applied < raft->pending_conf_index)
		return;
	if (raft_reserve(raft) == 0 && raft_on_propose(raft, &message) == 0)
		log_info(raft->logger, "%lx initiating automatic transition out of joint configuration",
			raft->id);
}

static void applied_to(struct raft *raft, uint64_t index, uint64_t size)
{
	raft_log_applied_to(&raft->log, index > raft->log.applied ? index : raft->log.applied, size);
	raft_leave_joint(raft);
}

void raft_on_stable(struct raft *raft, uint64_t term, struct raft_position stable, uint64_t snapshot_index)
{
	bool is_of_term = term == raft->term;

	if (planted("raft:stale_async_ack"))
		is_of_term = true;
	/* A write issued in an earlier term may have been followed by one that replaced its entries, and that by a third
	 * with the same entries again (the ABA case of asynchronous storage writes in etcd-io/raft): entries that match
	 * do not prove that the last write is durable. A snapshot is committed, whatever the term of its write. */
	if (stable.index > 0 && is_of_term)
		unstable_stable_to(&raft->log.unstable, stable.index, stable.term);
	if (snapshot_index > 0) {
		unstable_stable_snapshot_to(&raft->log.unstable, snapshot_index);
		applied_to(raft, snapshot_index, 0);
	}
}

void raft_on_applied(struct raft *raft, uint64_t index, uint64_t size, uint64_t payload_size)
{
	applied_to(raft, index, size);
	raft_reduce_uncommitted(raft, payload_size);
}

/* MsgStorageAppendResp: (index, log_term) is the last entry that is stable; `snapshot` is stored. */
int raft_on_storage_append_response(struct raft *raft, const struct raft_message *message)
{
	struct raft_position stable = {.index = message->index, .term = message->log_term};

	raft_on_stable(raft, message->term, stable, message->snapshot ? message->snapshot->index : 0);
	return 0;
}

/* MsgStorageApplyResp: `entries` have been applied. */
int raft_on_storage_apply_response(struct raft *raft, const struct raft_message *message)
{
	uint64_t size = 0;
	uint64_t payload_size = 0;

	if (message->entries.count == 0)
		return 0;
	for (size_t i = 0; i < message->entries.count; i++) {
		size += raft_entry_size(&message->entries.items[i]);
		payload_size += raft_entry_payload_size(&message->entries.items[i]);
	}
	raft_on_applied(raft, message->entries.items[message->entries.count - 1].index, size, payload_size);
	return 0;
}
