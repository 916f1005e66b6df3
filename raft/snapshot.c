/* Snapshots (paper §7, Ongaro §5): sending one to a peer that needs entries which the log no longer has, and taking one
 * over. */
#include "raft/core.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/plant.h"
#include "raft/confchange.h"

int raft_send_snapshot(struct raft *raft, struct progress *progress, bool *sent)
{
	struct raft_snapshot *snapshot;
	int rc;

	*sent = false;
	if (!progress->recent_active) {
		log_debug(raft->logger, "ignore sending snapshot to %lx since it is not recently active",
			progress->id);
		return 0;
	}
	rc = raft_reserve(raft);
	if (rc)
		return rc;
	snapshot = calloc(1, sizeof *snapshot);
	if (!snapshot)
		return -ENOMEM;
	rc = raft_log_snapshot(&raft->log, snapshot);
	if (rc || snapshot->index == 0) {
		raft_snapshot_close(snapshot);
		free(snapshot);
		if (rc && rc != STATUS_SNAPSHOT_UNAVAILABLE)
			return rc;
		log_debug(raft->logger,
			"%lx failed to send snapshot to %lx because snapshot is temporarily unavailable",
			raft->id, progress->id);
		return 0;
	}
	log_debug(raft->logger, "%lx [commit: %lu] sent snapshot[index: %lu, term: %lu] to %lx", raft->id,
		raft->log.committed, snapshot->index, snapshot->term, progress->id);
	progress_become_snapshot(progress, snapshot->index);
	*sent = true;
	raft_send(
		raft, (struct raft_message){.type = RAFT_MSG_SNAP, .to = progress->id, .snapshot = snapshot});
	return 0;
}

static bool is_member(const struct raft_conf_state *conf, uint64_t id)
{
	return raft_ids_has(&conf->voters, id) || raft_ids_has(&conf->learners, id) ||
	       raft_ids_has(&conf->voters_outgoing, id);
}

/* `conf` is the snapshot's, and taken. */
static int restore_conf(struct raft *raft, struct raft_conf_state *conf, uint64_t index)
{
	if (planted("raft:snapshot_forgets_conf"))
		return 0;
	return raft_switch_conf(raft, conf, index, true);
}

/* Replaces log and configuration by those of the snapshot. */
static int restore(struct raft *raft, const struct raft_snapshot *from)
{
	struct raft_snapshot *snapshot = calloc(1, sizeof *snapshot);
	struct raft_conf_state conf = {0};
	int rc = snapshot ? raft_snapshot_copy(snapshot, from) : -ENOMEM;

	if (!rc)
		rc = confchange_restore(&from->conf_state, &conf, NULL);
	if (!rc)
		rc = restore_conf(raft, &conf, from->index);
	raft_conf_state_close(&conf);
	if (rc) {
		if (snapshot)
			raft_snapshot_close(snapshot);
		free(snapshot);
		return rc;
	}
	raft_log_restore(&raft->log, snapshot);
	return 0;
}

/* Whether to take over the snapshot. It may be old, not meant for this node, or hold a prefix of this node's log: then
 * the log after it stays, and the prefix is committed (paper §7). */
static int is_wanted(struct raft *raft, const struct raft_snapshot *snapshot, bool *is_new)
{
	struct raft_position position = {.index = snapshot->index, .term = snapshot->term};
	bool matches, is_changing;
	int rc;

	*is_new = false;
	if (snapshot->index <= raft->log.committed)
		return 0;
	if (!is_member(&snapshot->conf_state, raft->id)) {
		log_warn(raft->logger, "%lx attempted to restore snapshot but it is not in the ConfState",
			raft->id);
		return 0;
	}
	rc = raft_log_matches(&raft->log, position, &matches);
	if (rc)
		return rc;
	if (matches) {
		log_info(raft->logger, "%lx fast-forwarded commit to snapshot [index: %lu, term: %lu]",
			raft->id, snapshot->index, snapshot->term);
		raft_log_commit_to(&raft->log, snapshot->index);
		return 0;
	}
	/* The caller still has conf changes to apply that were handed out. They change the configuration that they follow;
	 * applied to the snapshot's they would give a wrong one. The leader sends a snapshot again. */
	rc = raft_log_has_unapplied_conf_change(&raft->log, raft->log.applying, &is_changing);
	if (rc)
		return rc;
	if (planted("raft:snapshot_overtakes_conf"))
		is_changing = false;
	if (is_changing)
		log_info(raft->logger,
			"%lx ignores snapshot [index: %lu, term: %lu] while it applies configuration changes",
			raft->id, snapshot->index, snapshot->term);
	*is_new = !is_changing;
	return 0;
}

/* MsgSnap: `snapshot` replaces the log. */
int raft_on_snapshot(struct raft *raft, const struct raft_message *message)
{
	const struct raft_snapshot *snapshot = message->snapshot;
	bool is_new;
	int rc;

	raft_follow(raft, message);
	rc = is_wanted(raft, snapshot, &is_new);
	if (!rc && is_new)
		rc = restore(raft, snapshot);
	if (rc)
		return rc;
	log_info(raft->logger, "%lx [commit: %lu] %s snapshot [index: %lu, term: %lu]", raft->id,
		raft->log.committed, is_new ? "restored" : "ignored", snapshot->index, snapshot->term);
	raft_send(
		raft, (struct raft_message){
			      .type = RAFT_MSG_APP_RESP, .to = message->from, .index = raft->log.committed});
	return 0;
}
