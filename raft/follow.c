/* The leader's side of replication: followers' acknowledgements and rejections, heartbeat responses, lost messages. */
#include "raft/core.h"

/* Figure 2, leaders: after a failed AppendEntries decrement nextIndex and retry (paper §5.3). The append after `index`
 * was rejected; the follower's guess of the last matching entry is (reject_hint, log_term). */
static int on_rejected(struct raft *raft, struct progress *progress, const struct raft_message *message)
{
	struct raft_position guess = {.index = message->reject_hint, .term = message->log_term};

	log_debug(raft->logger,
		"%lx received MsgAppResp(rejected, hint: (index %lu, term %lu)) from %lx for index %lu",
		raft->id, message->reject_hint, message->log_term, message->from, message->index);
	/* Terms never fall along a log: no entry of the follower up to the guess is of a later term than the guess, so
	 * nextIndex can skip all of the leader's that are. */
	if (guess.term > 0) {
		int rc = raft_log_find_conflict(&raft->log, guess, &guess);

		if (rc)
			return rc;
	}
	progress->recent_active = true;
	if (!progress_decrease(progress, message->index, guess.index))
		return 0;
	if (progress->state == RAFT_PROGRESS_REPLICATE)
		progress_become_probe(progress);
	raft_send_append(raft, progress, true);
	return 0;
}

/* Moves a peer whose log was found to match, or whose snapshot arrived, to pipelining. */
static void update_state(struct raft *raft, struct progress *progress, uint64_t acked, uint64_t first_index)
{
	if (progress->state == RAFT_PROGRESS_PROBE) {
		progress_become_replicate(progress);
	} else if (progress->state == RAFT_PROGRESS_SNAPSHOT && progress->match + 1 >= first_index) {
		/* Whichever snapshot it was, the leader's log continues it. */
		log_debug(raft->logger,
			"%lx recovered from needing snapshot, resumed sending replication messages to %lx",
			raft->id, progress->id);
		progress_become_probe(progress);
		progress_become_replicate(progress);
	} else if (progress->state == RAFT_PROGRESS_REPLICATE) {
		inflights_free_to(&progress->inflights, acked);
	}
}

/* Figure 2, leaders: after a successful AppendEntries update nextIndex and matchIndex (paper §5.3). The follower has
 * stored everything up to `index`. */
static int on_accepted(struct raft *raft, struct progress *progress, uint64_t index)
{
	uint64_t first_index = 0;

	if (progress->state == RAFT_PROGRESS_SNAPSHOT) {
		int rc = raft_log_first_index(&raft->log, &first_index);

		if (rc)
			return rc;
	}
	progress->recent_active = true;
	if (!progress_update(progress, index) &&
		!(progress->match == index && progress->state == RAFT_PROGRESS_PROBE))
		return 0;
	update_state(raft, progress, index, first_index);
	if (raft_maybe_commit(raft))
		raft_announce_commit(raft);
	else if (!raft->delay_commit && progress->id != raft->id &&
		 progress_can_bump_commit(progress, raft->log.committed))
		raft_send_append(raft, progress, true);
	/* The in-flight limits may have room for several more now. */
	if (progress->id != raft->id)
		while (raft_send_append(raft, progress, false))
			continue;
	raft_continue_transfer(raft, progress);
	return 0;
}

int raft_on_append_response(struct raft *raft, const struct raft_message *message)
{
	struct progress *progress = tracker_find(&raft->tracker, message->from);

	if (!progress)
		return 0;
	if (message->reject)
		return on_rejected(raft, progress, message);
	return on_accepted(raft, progress, message->index);
}

/* MsgHeartbeatResp: `context` names the round of reads that the follower confirms. */
int raft_on_heartbeat_response(struct raft *raft, const struct raft_message *message)
{
	struct progress *progress = tracker_find(&raft->tracker, message->from);
	uint64_t round;

	if (!progress)
		return 0;
	progress->recent_active = true;
	progress->is_paused = false;
	/* An append may have been lost: send one again. A peer that matches but is probed, because it could not be
	 * reached, gets an empty one, and the response to it ends the probing. */
	if (progress->match < raft_log_last_index(&raft->log) || progress->state == RAFT_PROGRESS_PROBE)
		raft_send_append(raft, progress, true);
	round = raft_read_round_of(message->context);
	if (round > progress->read_round && round <= read_queue_newest(&raft->reads)) {
		progress->read_round = round;
		raft_confirm_reads(raft);
	}
	return 0;
}

void raft_on_unreachable(struct raft *raft, uint64_t peer)
{
	struct progress *progress = raft->role == RAFT_LEADER ? tracker_find(&raft->tracker, peer) : NULL;

	if (!progress)
		return;
	/* The appends that were pipelined to it are probably lost. */
	if (progress->state == RAFT_PROGRESS_REPLICATE)
		progress_become_probe(progress);
	log_debug(
		raft->logger, "%lx failed to send message to %lx because it is unreachable", raft->id, peer);
}

void raft_on_snapshot_status(struct raft *raft, uint64_t peer, bool failed)
{
	struct progress *progress = raft->role == RAFT_LEADER ? tracker_find(&raft->tracker, peer) : NULL;

	if (!progress || progress->state != RAFT_PROGRESS_SNAPSHOT)
		return;
	if (failed)
		progress->pending_snapshot = 0;
	progress_become_probe(progress);
	log_debug(raft->logger, "%lx snapshot %s, resumed sending replication messages to %lx", raft->id,
		failed ? "failed" : "succeeded", peer);
	/* The peer's acknowledgement of the snapshot ends the pause, or after a failure its response to a heartbeat. */
	progress->is_paused = true;
}

void raft_on_snapshot_wanted(struct raft *raft, uint64_t peer, bool is_wanted)
{
	struct progress *progress = raft->role == RAFT_LEADER ? tracker_find(&raft->tracker, peer) : NULL;

	if (!progress || peer == raft->id || progress->wants_snapshot == is_wanted)
		return;
	log_debug(
		raft->logger, "%lx wants %s", peer, is_wanted ? "a snapshot instead of the log" : "the log");
	if (progress->state == RAFT_PROGRESS_REPLICATE)
		progress_become_probe(progress);
	progress->wants_snapshot = is_wanted;
	if (progress->state == RAFT_PROGRESS_SNAPSHOT)
		return;
	progress->is_paused = false;
	raft_send_append(raft, progress, true);
}
