/* Switching to another configuration (paper §6, Ongaro §4). It is in force from when it is applied, as in etcd-io/raft,
 * not from when it is appended. */
#include "raft/core.h"

#include "raft/confchange.h"
#include "raft/describe.h"

static void log_switch(const struct raft *raft)
{
	char text[512];

	if (!raft->logger || raft->logger->level > LOG_INFO)
		return;
	raft_describe_config_in(text, sizeof text, &raft->tracker.conf);
	log_info(raft->logger, "%lx switched to configuration %s", raft->id, text);
}

/* A smaller quorum may have acknowledged more, and new members need the log. */
static void act_as_leader(struct raft *raft)
{
	if (raft_maybe_commit(raft)) {
		raft_broadcast_append(raft);
	} else {
		for (uint32_t i = 0; i < raft->tracker.count; i++)
			if (raft->tracker.items[i].id != raft->id)
				raft_send_append(raft, &raft->tracker.items[i], false);
	}
	raft_confirm_reads(raft);
	if (raft->lead_transferee != RAFT_NONE && !tracker_is_voter(&raft->tracker, raft->lead_transferee))
		raft->lead_transferee = RAFT_NONE;
}

int raft_switch_conf(struct raft *raft, struct raft_conf_state *conf, uint64_t next, bool is_restore)
{
	const struct progress *self;
	int rc = is_restore ? tracker_restore_conf(&raft->tracker, conf, next)
			    : tracker_set_conf(&raft->tracker, conf, next);

	if (rc)
		return rc;
	log_switch(raft);
	if (raft->role != RAFT_LEADER)
		return 0;
	/* A leader that is no longer a voter leads on, without counting itself, until another one does; or steps down at
	 * once if so configured (Ongaro §4.2.2). */
	self = tracker_find(&raft->tracker, raft->id);
	if (!self || self->is_learner) {
		if (!raft->step_down_on_removal)
			return 0;
		/* The others learn of it now, or they would need the vote of a node that is gone. */
		if (raft->delay_commit)
			raft_broadcast_append(raft);
		raft_become_follower(raft, raft->term, RAFT_NONE);
		return 0;
	}
	if (raft->tracker.conf.voters.count > 0)
		act_as_leader(raft);
	return 0;
}

int raft_apply_conf_change(struct raft *raft, const struct raft_conf_change *change)
{
	struct raft_conf_state conf = {0};
	struct status status = {0};
	int rc = raft_reserve(raft);

	if (!rc)
		rc = confchange_apply(&raft->tracker.conf, change, &conf, &status);
	if (!rc)
		rc = raft_switch_conf(raft, &conf, raft_log_last_index(&raft->log), false);
	else
		log_warn(raft->logger, "%lx conf change refused: %s", raft->id, status.text);
	raft_conf_state_close(&conf);
	return rc;
}
