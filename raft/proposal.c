/* Proposals: appended to the leader's log, or forwarded to the leader. */
#include "raft/core.h"

#include "proto/check.h"

/* Counts `size` bytes; false when that exceeds the limit. One proposal always fits when nothing is counted, and entries
 * without data always fit: a new leader's blank entry, and the one that leaves a joint configuration. */
static bool grow_uncommitted(struct raft *raft, uint64_t size)
{
	if (raft->uncommitted_size > 0 && size > 0 &&
		(raft->uncommitted_size + size > raft->uncommitted_size_max))
		return false;
	raft->uncommitted_size += size;
	return true;
}

void raft_reduce_uncommitted(struct raft *raft, uint64_t size)
{
	raft->uncommitted_size -= size < raft->uncommitted_size ? size : raft->uncommitted_size;
}

int raft_append_own(struct raft *raft, const struct raft_entry *entries, size_t count)
{
	uint64_t first = raft_log_last_index(&raft->log) + 1;
	uint64_t size = 0;
	int rc = unstable_reserve(&raft->log.unstable, count);

	if (rc)
		return rc;
	for (size_t i = 0; i < count; i++)
		size += raft_entry_payload_size(&entries[i]);
	if (!grow_uncommitted(raft, size)) {
		log_warn(raft->logger,
			"%lx appending new entries to log would exceed uncommitted entry size limit; "
			"dropping proposal",
			raft->id);
		return STATUS_PROPOSAL_DROPPED;
	}
	for (size_t i = 0; i < count; i++) {
		struct raft_entry entry = entries[i];

		entry.term = raft->term;
		entry.index = first + i;
		rc = raft_log_append(&raft->log, &entry, 1);
		check(rc == 0);
	}
	/* The leader's own acknowledgement waits until the entries are durable, while the followers write them at the same
	 * time (Ongaro §10.2.1). */
	raft_send(raft,
		(struct raft_message){.type = RAFT_MSG_APP_RESP, .to = raft->id, .index = first + count - 1});
	return 0;
}

/* The reason why the conf change in `entry` may not be appended now; NULL: it may. One change at a time: the next one
 * waits until the last is applied (Ongaro §4.1). A joint configuration can only be left (Ongaro §4.3). */
static const char *refusal(const struct raft *raft, const struct raft_entry *entry)
{
	struct raft_conf_change change;
	bool is_joint = raft->tracker.conf.voters_outgoing.count > 0;
	bool is_leave;

	if (raft_conf_change_decode(entry, &change))
		return "it cannot be decoded";
	is_leave = change.step_count == 0;
	if (raft->disable_conf_change_validation)
		return NULL;
	if (raft->pending_conf_index > raft->log.applied)
		return "possible unapplied conf change";
	if (is_joint && !is_leave)
		return "must transition out of joint config first";
	if (!is_joint && is_leave)
		return "not in joint state; refusing empty conf change";
	return NULL;
}

/* Replaces conf changes that may not be made now by empty entries, and notes the index of a change that may. */
static void admit_conf_changes(struct raft *raft, struct raft_entries *entries)
{
	for (size_t i = 0; i < entries->count; i++) {
		struct raft_entry *entry = &entries->items[i];
		const char *reason;

		if (entry->type == RAFT_ENTRY_NORMAL)
			continue;
		reason = refusal(raft, entry);
		if (!reason) {
			raft->pending_conf_index = raft_log_last_index(&raft->log) + i + 1;
			continue;
		}
		log_info(raft->logger, "%lx ignoring conf change: %s", raft->id, reason);
		buf_unref(entry->data);
		buf_unref(entry->payload);
		*entry = (struct raft_entry){.type = RAFT_ENTRY_NORMAL};
	}
}

static bool has_conf_change(const struct raft_entries *entries)
{
	for (size_t i = 0; i < entries->count; i++)
		if (entries->items[i].type != RAFT_ENTRY_NORMAL)
			return true;
	return false;
}

static int append_admitted(struct raft *raft, const struct raft_entries *entries)
{
	uint64_t pending_before = raft->pending_conf_index;
	struct raft_entries admitted = {0};
	int rc;

	if (!has_conf_change(entries))
		return raft_append_own(raft, entries->items, entries->count);
	rc = raft_entries_append(&admitted, entries->items, entries->count);
	if (rc)
		return rc;
	admit_conf_changes(raft, &admitted);
	rc = raft_append_own(raft, admitted.items, admitted.count);
	if (rc)
		raft->pending_conf_index = pending_before;
	raft_entries_close(&admitted);
	return rc;
}

/* Figure 2, leaders: append a client's command to the log (paper §5.3). MsgProp on the leader: `entries` to append; their
 * terms and indexes are ignored. */
int raft_on_propose(struct raft *raft, const struct raft_message *message)
{
	int rc;

	if (!tracker_find(&raft->tracker, raft->id))
		return STATUS_PROPOSAL_DROPPED; /* it was removed, and leads until another node does (Ongaro §4.2.2) */
	/* The transferee must catch up with the log: it stays as it is meanwhile (Ongaro §3.10). */
	if (raft->lead_transferee != RAFT_NONE) {
		log_debug(raft->logger,
			"%lx [term %lu] transfer leadership to %lx is in progress; dropping proposal",
			raft->id, raft->term, raft->lead_transferee);
		return STATUS_PROPOSAL_DROPPED;
	}
	rc = append_admitted(raft, &message->entries);
	if (rc == 0)
		raft_broadcast_append(raft);
	return rc;
}

int raft_forward_proposal(struct raft *raft, const struct raft_message *message)
{
	struct raft_message forward = {.type = RAFT_MSG_PROP, .to = raft->leader, .from = message->from};
	int rc;

	if (raft->leader == RAFT_NONE)
		return raft_drop_proposal(raft, message);
	if (raft->disable_proposal_forwarding || raft->leader == message->from) {
		log_info(raft->logger, "%lx not forwarding to leader %lx at term %lu; dropping proposal",
			raft->id, raft->leader, raft->term);
		return STATUS_PROPOSAL_DROPPED;
	}
	rc = raft_entries_append(&forward.entries, message->entries.items, message->entries.count);
	if (rc == 0)
		raft_send(raft, forward);
	return rc;
}

int raft_drop_proposal(struct raft *raft, const struct raft_message *message)
{
	(void)message;
	log_info(raft->logger, "%lx no leader at term %lu; dropping proposal", raft->id, raft->term);
	return STATUS_PROPOSAL_DROPPED;
}
