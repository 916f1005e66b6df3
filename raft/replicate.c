/* Replication (paper §5.3, Ongaro §3.5): a leader's appends and heartbeats, and a follower's responses to them. */
#include "raft/core.h"

#include "proto/plant.h"
#include "raft/number.h"

static bool is_outside_log(int rc)
{
	return rc == STATUS_COMPACTED || rc == STATUS_UNAVAILABLE;
}

/* Makes room for the message and for its place among the in-flight ones. */
static int reserve_append(struct raft *raft, struct progress *progress)
{
	int rc = raft_reserve(raft);

	return rc || progress->state != RAFT_PROGRESS_REPLICATE ? rc
								: inflights_reserve(&progress->inflights);
}

/* Figure 2, leaders: if last log index >= nextIndex, send AppendEntries with the entries from nextIndex on (paper §5.3),
 * or, when the log does not go back so far, a snapshot (paper §7). 0 with `*sent`, or the error that kept a due append
 * from being made. */
static int try_send_append(struct raft *raft, struct progress *progress, bool if_empty, bool *sent)
{
	struct raft_message message = {
		.type = RAFT_MSG_APP,
		.to = progress->id,
		.index = progress->next - 1,
		.commit = raft_told_commit(raft),
	};
	uint64_t size = 0;
	int rc;

	*sent = false;
	if (progress_is_paused(progress))
		return 0;
	if (progress->wants_snapshot)
		return raft_send_snapshot(raft, progress, sent);
	rc = raft_log_term(&raft->log, message.index, &message.log_term);
	if (is_outside_log(rc))
		return raft_send_snapshot(raft, progress, sent);
	/* When too much is in flight an append without entries is still sent: the response to it tells whether the others
	 * were lost. */
	if (!rc && (progress->state != RAFT_PROGRESS_REPLICATE ||
			   !inflights_is_full(&progress->inflights, &raft->tracker.limits)))
		rc = raft_log_entries(&raft->log, progress->next, raft->message_size_max, &message.entries);
	if (!if_empty && message.entries.count == 0 && (rc == 0 || is_outside_log(rc)))
		return 0;
	if (is_outside_log(rc))
		return raft_send_snapshot(raft, progress, sent);
	if (!rc)
		rc = reserve_append(raft, progress);
	if (rc) {
		raft_entries_close(&message.entries);
		return rc;
	}
	for (size_t i = 0; i < message.entries.count; i++)
		size += raft_entry_payload_size(&message.entries.items[i]);
	progress_sent_entries(progress, message.entries.count, size, &raft->tracker.limits);
	progress->sent_commit = message.commit;
	*sent = true;
	raft_send(raft, message);
	return 0;
}

bool raft_send_append(struct raft *raft, struct progress *progress, bool if_empty)
{
	bool sent;
	int rc = try_send_append(raft, progress, if_empty, &sent);

	if (rc) {
		log_warn(raft->logger, "%lx could not make an append for %lx: %s", raft->id, progress->id,
			status_name(rc));
		progress->must_resend = true;
		raft->must_resend = true;
	}
	return sent;
}

int raft_resend(struct raft *raft)
{
	int result = 0;

	if (!raft->must_resend)
		return 0;
	for (uint32_t i = 0; i < raft->tracker.count; i++) {
		struct progress *progress = &raft->tracker.items[i];
		bool sent;
		int rc;

		if (!progress->must_resend)
			continue;
		rc = try_send_append(raft, progress, true, &sent);
		progress->must_resend = rc != 0;
		if (rc)
			result = rc;
	}
	raft->must_resend = result != 0;
	return result;
}

void raft_broadcast_append(struct raft *raft)
{
	for (uint32_t i = 0; i < raft->tracker.count; i++)
		if (raft->tracker.items[i].id != raft->id)
			raft_send_append(raft, &raft->tracker.items[i], true);
}

bool raft_has_unsent_commit(const struct raft *raft, const struct progress *progress)
{
	return progress->id != raft->id && !progress_is_paused(progress) && !progress->wants_snapshot &&
	       progress_can_bump_commit(progress, raft_told_commit(raft));
}

/* A member that a change removes must not learn of it before the others know durably that it is committed: it would be
 * gone, and after a power failure they would need its vote. Until this leader has applied the change, it tells nobody
 * what is committed past its applied index; then it sends nothing to the removed member any more. */
uint64_t raft_told_commit(const struct raft *raft)
{
	bool is_pending = raft->log.applied < raft->pending_conf_index;

	if (!raft->delay_commit || !is_pending || !tracker_is_voter(&raft->tracker, raft->id))
		return raft->log.committed;
	return min_u64(raft->log.committed, raft->log.applied);
}

void raft_announce_commit(struct raft *raft)
{
	if (!raft->delay_commit)
		raft_broadcast_append(raft);
}

void raft_broadcast_heartbeat(struct raft *raft, struct buf *context)
{
	for (uint32_t i = 0; i < raft->tracker.count; i++) {
		struct progress *progress = &raft->tracker.items[i];
		/* A heartbeat carries no prevLogIndex to check the follower's log against: it must not commit more than
		 * the follower is known to match. */
		uint64_t commit = min_u64(progress->match, raft_told_commit(raft));

		if (progress->id == raft->id)
			continue;
		raft_send(raft, (struct raft_message){
					.type = RAFT_MSG_HEARTBEAT,
					.to = progress->id,
					.commit = commit,
					.context = buf_ref(context),
				});
		progress->sent_commit = commit;
	}
}

/* Figure 2, leaders: log[N].term == currentTerm. An entry of an earlier term on a majority may still be overwritten;
 * it is committed by one of this term that follows it (paper §5.4.2, Ongaro §3.6.2). */
static bool may_commit_by_counting(const struct raft *raft, uint64_t index)
{
	if (planted("raft:commit_old_term"))
		return true;
	return index >= raft->term_first;
}

/* Figure 2, leaders: the highest N > commitIndex with matchIndex >= N on a majority is committed (paper §5.3, §5.4). The
 * leader's own matchIndex counts what it has stored, so that it may commit entries which it has not yet stored itself
 * (Ongaro §10.2.1). */
bool raft_maybe_commit(struct raft *raft)
{
	uint64_t index = tracker_committed(&raft->tracker);

	if (index <= raft->log.committed || index > raft_log_last_index(&raft->log))
		return false;
	if (!may_commit_by_counting(raft, index))
		return false;
	raft_log_commit_to(&raft->log, index);
	raft_release_reads(raft);
	return true;
}

/* ---- The follower's side ---------------------------------------------------------------------------------------- */

/* Figure 2, candidates: a message of a new leader makes a follower. Followers: it resets the election timeout (paper
 * §5.2). */
void raft_follow(struct raft *raft, const struct raft_message *message)
{
	if (raft->role != RAFT_FOLLOWER) {
		raft_become_follower(raft, message->term, message->from);
		return;
	}
	raft->election_base = raft->now;
	raft->leader = message->from;
}

/* Figure 2, AppendEntries 2: reply false if the log has no entry at prevLogIndex whose term is prevLogTerm (paper §5.3).
 * The hint is the last entry that may match, so that the leader does not go back one entry at a time. */
static int reject_append(struct raft *raft, const struct raft_message *message)
{
	struct raft_position guess = {
		.index = min_u64(message->index, raft_log_last_index(&raft->log)), .term = message->log_term};
	int rc = raft_log_find_conflict(&raft->log, guess, &guess);

	if (rc)
		return rc;
	log_debug(raft->logger, "%lx rejected MsgApp [logterm: %lu, index: %lu] from %lx", raft->id,
		message->log_term, message->index, message->from);
	raft_send(raft, (struct raft_message){
				.type = RAFT_MSG_APP_RESP,
				.to = message->from,
				.index = message->index,
				.reject = true,
				.reject_hint = guess.index,
				.log_term = guess.term,
			});
	return 0;
}

/* MsgApp: `entries` follow the entry (index, log_term), prevLogIndex and prevLogTerm of Figure 2; `commit` is the
 * leader's. An append before the commit index is old: all up to there matches by Leader Completeness, and the response
 * says so. */
int raft_on_append(struct raft *raft, const struct raft_message *message)
{
	struct raft_position previous = {.index = message->index, .term = message->log_term};
	uint64_t last = raft->log.committed;
	bool matches = true;
	int rc = 0;

	raft_follow(raft, message);
	if (message->index >= raft->log.committed)
		rc = raft_log_append_after(
			&raft->log, previous, &message->entries, message->commit, &last, &matches);
	if (rc)
		return rc;
	if (!matches)
		return reject_append(raft, message);
	raft_send(raft, (struct raft_message){.type = RAFT_MSG_APP_RESP, .to = message->from, .index = last});
	return 0;
}

/* MsgHeartbeat: `commit` is at most what this node has acknowledged; `context` is sent back unchanged. */
int raft_on_heartbeat(struct raft *raft, const struct raft_message *message)
{
	raft_follow(raft, message);
	raft_log_commit_to(&raft->log, message->commit);
	raft_send(raft, (struct raft_message){
				.type = RAFT_MSG_HEARTBEAT_RESP,
				.to = message->from,
				.context = buf_ref(message->context),
			});
	return 0;
}
