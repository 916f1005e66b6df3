/* Refuses messages that no correct sender makes, before they change anything: bytes from a network are not trusted. */
#include "raft/core.h"

#include "raft/confchange.h"

#define INDEX_MAX (UINT64_MAX / 4) /* of indexes and terms, so that sums of a few cannot overflow */

enum origin {
	FROM_NOBODY, /* local: it is never stepped as a message */
	FROM_PEER,
	FROM_PEER_OR_SELF, /* the append thread delivers the node's promises to itself */
	FROM_ANYBODY, /* `from` names a member, which need not be the sender */
	FROM_APPEND_THREAD,
	FROM_APPLY_THREAD,
};

static const struct rule {
	enum origin origin;
	bool has_term;
	bool is_response; /* refused from a node that is no member */
} rules[RAFT_MSG_TYPE_COUNT] = {
	[RAFT_MSG_PROP] = {FROM_PEER, false, false},
	[RAFT_MSG_APP] = {FROM_PEER, true, false},
	[RAFT_MSG_APP_RESP] = {FROM_PEER_OR_SELF, true, true},
	[RAFT_MSG_VOTE] = {FROM_PEER, true, false},
	[RAFT_MSG_VOTE_RESP] = {FROM_PEER_OR_SELF, true, true},
	[RAFT_MSG_SNAP] = {FROM_PEER, true, false},
	[RAFT_MSG_HEARTBEAT] = {FROM_PEER, true, false},
	[RAFT_MSG_HEARTBEAT_RESP] = {FROM_PEER, true, true},
	[RAFT_MSG_TRANSFER_LEADER] = {FROM_ANYBODY, true, false},
	[RAFT_MSG_TIMEOUT_NOW] = {FROM_PEER, true, false},
	[RAFT_MSG_READ_INDEX] = {FROM_PEER, false, false},
	[RAFT_MSG_READ_INDEX_RESP] = {FROM_PEER, true, true},
	[RAFT_MSG_PRE_VOTE] = {FROM_PEER, true, false},
	[RAFT_MSG_PRE_VOTE_RESP] = {FROM_PEER_OR_SELF, true, true},
	[RAFT_MSG_STORAGE_APPEND_RESP] = {FROM_APPEND_THREAD, true, false},
	[RAFT_MSG_STORAGE_APPLY_RESP] = {FROM_APPLY_THREAD, false, false},
};

static int check_origin(const struct raft *raft, const struct raft_message *message, bool is_async)
{
	const struct rule *rule = &rules[message->type];
	bool is_thread =
		message->from == RAFT_LOCAL_APPEND_THREAD || message->from == RAFT_LOCAL_APPLY_THREAD;

	switch (rule->origin) {
	case FROM_NOBODY:
		return STATUS_STEP_LOCAL;
	case FROM_APPEND_THREAD:
		return is_async && message->from == RAFT_LOCAL_APPEND_THREAD ? 0 : STATUS_STEP_LOCAL;
	case FROM_APPLY_THREAD:
		return is_async && message->from == RAFT_LOCAL_APPLY_THREAD ? 0 : STATUS_STEP_LOCAL;
	case FROM_PEER:
		if (message->from == raft->id)
			return STATUS_MALFORMED;
		break;
	case FROM_PEER_OR_SELF:
		if (message->from == raft->id && !is_async)
			return STATUS_MALFORMED;
		break;
	case FROM_ANYBODY:
		break;
	}
	if (message->from == RAFT_NONE || is_thread)
		return STATUS_MALFORMED;
	if (rule->is_response && !tracker_find(&raft->tracker, message->from))
		return STATUS_STEP_UNKNOWN_PEER;
	return 0;
}

/* Refuses numbers that no log reaches, and a term where there is none or none where there is one. */
static int check_numbers(const struct raft_message *message)
{
	if (message->index > INDEX_MAX || message->commit > INDEX_MAX || message->reject_hint > INDEX_MAX ||
		message->term > INDEX_MAX || message->log_term > INDEX_MAX)
		return STATUS_MALFORMED;
	return rules[message->type].has_term == (message->term > 0) ? 0 : STATUS_MALFORMED;
}

static bool is_entry_type(enum raft_entry_type type)
{
	return type == RAFT_ENTRY_NORMAL || type == RAFT_ENTRY_CONF_CHANGE ||
	       type == RAFT_ENTRY_CONF_CHANGE_V2;
}

/* The entries follow (index, log_term) without a gap, their terms never fall, and none is later than the leader's. */
static int check_append(const struct raft_message *message)
{
	uint64_t term = message->log_term;

	if (term > message->term)
		return STATUS_MALFORMED;
	for (size_t i = 0; i < message->entries.count; i++) {
		const struct raft_entry *entry = &message->entries.items[i];

		if (entry->index != message->index + 1 + i || entry->term < term ||
			entry->term > message->term || entry->term == 0 || !is_entry_type(entry->type))
			return STATUS_MALFORMED;
		term = entry->term;
	}
	return 0;
}

static int check_snapshot(const struct raft_message *message)
{
	const struct raft_snapshot *snapshot = message->snapshot;

	if (!snapshot || snapshot->index == 0 || snapshot->index > INDEX_MAX || snapshot->term == 0 ||
		snapshot->term > message->term || snapshot->conf_state.voters.count == 0)
		return STATUS_MALFORMED;
	return confchange_check(&snapshot->conf_state, NULL) ? STATUS_MALFORMED : 0;
}

int raft_validate_proposal(const struct raft_entry *entries, size_t count)
{
	struct raft_conf_change change;

	if (count == 0)
		return STATUS_MALFORMED;
	for (size_t i = 0; i < count; i++) {
		if (!is_entry_type(entries[i].type))
			return STATUS_MALFORMED;
		if (entries[i].type != RAFT_ENTRY_NORMAL && raft_conf_change_decode(&entries[i], &change))
			return STATUS_MALFORMED;
	}
	return 0;
}

/* A heartbeat commits, and a follower acknowledges, only entries that the receiver has. */
static int check_known(const struct raft *raft, const struct raft_message *message)
{
	uint64_t last = raft_log_last_index(&raft->log);

	if (message->type == RAFT_MSG_HEARTBEAT && message->term >= raft->term && message->commit > last)
		return STATUS_MALFORMED;
	if (message->type == RAFT_MSG_APP_RESP && message->term == raft->term && raft->role == RAFT_LEADER &&
		!message->reject && message->index > last)
		return STATUS_MALFORMED;
	return 0;
}

/* The storage threads respond only to what they were given. */
static int check_storage_response(const struct raft *raft, const struct raft_message *message)
{
	const struct raft_entries *entries = &message->entries;

	if (message->type == RAFT_MSG_STORAGE_APPLY_RESP && entries->count > 0 &&
		entries->items[entries->count - 1].index > raft->log.applying)
		return STATUS_MALFORMED;
	if (message->type == RAFT_MSG_STORAGE_APPEND_RESP &&
		(message->term > raft->term ||
			(message->snapshot && message->snapshot->index > raft->log.committed)))
		return STATUS_MALFORMED;
	return 0;
}

int raft_validate(const struct raft *raft, const struct raft_message *message, bool is_async)
{
	int rc;

	if ((unsigned)message->type >= RAFT_MSG_TYPE_COUNT || message->to != raft->id)
		return STATUS_MALFORMED;
	rc = check_origin(raft, message, is_async);
	if (!rc)
		rc = check_numbers(message);
	if (!rc)
		rc = check_known(raft, message);
	if (rc)
		return rc;
	switch (message->type) {
	case RAFT_MSG_APP:
		return check_append(message);
	case RAFT_MSG_SNAP:
		return check_snapshot(message);
	case RAFT_MSG_PROP:
		return raft_validate_proposal(message->entries.items, message->entries.count);
	case RAFT_MSG_STORAGE_APPEND_RESP:
	case RAFT_MSG_STORAGE_APPLY_RESP:
		return check_storage_response(raft, message);
	default:
		return 0;
	}
}
