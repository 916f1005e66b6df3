/* Names of messages and roles; copying and dropping snapshots, messages and readies. */
#include "raft/raft.h"

#include <stdlib.h>
#include <string.h>

const char *raft_message_type_name(enum raft_message_type type)
{
	static const char *const names[] = {
		[RAFT_MSG_HUP] = "MsgHup",
		[RAFT_MSG_BEAT] = "MsgBeat",
		[RAFT_MSG_PROP] = "MsgProp",
		[RAFT_MSG_APP] = "MsgApp",
		[RAFT_MSG_APP_RESP] = "MsgAppResp",
		[RAFT_MSG_VOTE] = "MsgVote",
		[RAFT_MSG_VOTE_RESP] = "MsgVoteResp",
		[RAFT_MSG_SNAP] = "MsgSnap",
		[RAFT_MSG_HEARTBEAT] = "MsgHeartbeat",
		[RAFT_MSG_HEARTBEAT_RESP] = "MsgHeartbeatResp",
		[RAFT_MSG_UNREACHABLE] = "MsgUnreachable",
		[RAFT_MSG_SNAP_STATUS] = "MsgSnapStatus",
		[RAFT_MSG_CHECK_QUORUM] = "MsgCheckQuorum",
		[RAFT_MSG_TRANSFER_LEADER] = "MsgTransferLeader",
		[RAFT_MSG_TIMEOUT_NOW] = "MsgTimeoutNow",
		[RAFT_MSG_READ_INDEX] = "MsgReadIndex",
		[RAFT_MSG_READ_INDEX_RESP] = "MsgReadIndexResp",
		[RAFT_MSG_PRE_VOTE] = "MsgPreVote",
		[RAFT_MSG_PRE_VOTE_RESP] = "MsgPreVoteResp",
		[RAFT_MSG_STORAGE_APPEND] = "MsgStorageAppend",
		[RAFT_MSG_STORAGE_APPEND_RESP] = "MsgStorageAppendResp",
		[RAFT_MSG_STORAGE_APPLY] = "MsgStorageApply",
		[RAFT_MSG_STORAGE_APPLY_RESP] = "MsgStorageApplyResp",
		[RAFT_MSG_FORGET_LEADER] = "MsgForgetLeader",
	};

	return (unsigned)type < RAFT_MSG_TYPE_COUNT ? names[type] : "MsgUnknown";
}

const char *raft_role_name(enum raft_role role)
{
	static const char *const names[] = {
		[RAFT_FOLLOWER] = "StateFollower",
		[RAFT_CANDIDATE] = "StateCandidate",
		[RAFT_LEADER] = "StateLeader",
		[RAFT_PRE_CANDIDATE] = "StatePreCandidate",
	};

	return names[role];
}

int raft_snapshot_copy(struct raft_snapshot *to, const struct raft_snapshot *from)
{
	struct raft_snapshot copy = {.index = from->index, .term = from->term};
	int rc = raft_conf_state_copy(&copy.conf_state, &from->conf_state);

	if (rc)
		return rc;
	copy.data = buf_ref(from->data);
	raft_snapshot_close(to);
	*to = copy;
	return 0;
}

void raft_snapshot_close(struct raft_snapshot *snapshot)
{
	raft_conf_state_close(&snapshot->conf_state);
	buf_unref(snapshot->data);
	*snapshot = (struct raft_snapshot){0};
}

void raft_message_close(struct raft_message *message)
{
	raft_entries_close(&message->entries);
	if (message->snapshot)
		raft_snapshot_close(message->snapshot);
	free(message->snapshot);
	buf_unref(message->context);
	/* Responses are one level deep: a response has none of its own. */
	for (size_t i = 0; i < message->response_count; i++)
		raft_message_close(&message->responses[i]);
	free(message->responses);
	memset(message, 0, sizeof *message);
}

void raft_ready_clear(struct raft_ready *ready)
{
	for (size_t i = 0; i < ready->messages.count; i++)
		raft_message_close(&ready->messages.items[i]);
	for (size_t i = 0; i < ready->read_states.count; i++)
		buf_unref(ready->read_states.items[i].context);
	ready->messages.count = 0;
	ready->read_states.count = 0;
	raft_entries_truncate(&ready->entries, 0);
	raft_entries_truncate(&ready->committed_entries, 0);
	raft_snapshot_close(&ready->snapshot);
	ready->has_soft_state = false;
	ready->has_hard_state = false;
	ready->must_sync = false;
	ready->soft_state = (struct raft_soft_state){0};
	ready->hard_state = (struct raft_hard_state){0};
}

void raft_ready_close(struct raft_ready *ready)
{
	raft_ready_clear(ready);
	free(ready->messages.items);
	free(ready->read_states.items);
	raft_entries_close(&ready->entries);
	raft_entries_close(&ready->committed_entries);
	*ready = (struct raft_ready){0};
}
