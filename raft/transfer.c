/* Leadership transfer (Ongaro §3.10) and forgetting a leader. */
#include "raft/core.h"

static void send_timeout_now(struct raft *raft, uint64_t to)
{
	/* The transferee campaigns without waiting for an election timeout, and the forced vote overrides the followers'
	 * leases: from now on another leader may be elected at any moment (Ongaro §6.4.1). */
	raft->is_lease_suspect = true;
	raft_send(raft, (struct raft_message){.type = RAFT_MSG_TIMEOUT_NOW, .to = to});
}

/* MsgTransferLeader on the leader: `from` is the transferee. Ongaro §3.10: the leader stops taking proposals
 * (raft_on_propose), brings the transferee's log up to its own, sends it TimeoutNow, and takes proposals again if the
 * transfer has not succeeded after an election timeout (clock.c). */
int raft_on_transfer_leader(struct raft *raft, const struct raft_message *message)
{
	struct progress *target = tracker_find(&raft->tracker, message->from);

	if (!target) {
		log_debug(raft->logger, "%lx no progress available for %lx", raft->id, message->from);
		return 0;
	}
	if (target->is_learner) {
		log_debug(raft->logger, "%lx is learner. Ignored transferring leadership", raft->id);
		return 0;
	}
	if (raft->lead_transferee == target->id) {
		log_info(raft->logger,
			"%lx [term %lu] transfer leadership to %lx is in progress, ignores request to same "
			"node %lx",
			raft->id, raft->term, target->id, target->id);
		return 0;
	}
	if (raft->lead_transferee != RAFT_NONE)
		log_info(raft->logger, "%lx [term %lu] abort previous transferring leadership to %lx",
			raft->id, raft->term, raft->lead_transferee);
	raft->lead_transferee = RAFT_NONE;
	if (target->id == raft->id) {
		log_debug(raft->logger, "%lx is already leader. Ignored transferring leadership to self",
			raft->id);
		raft_leave_joint(raft);
		return 0;
	}
	log_info(raft->logger, "%lx [term %lu] starts to transfer leadership to %lx", raft->id, raft->term,
		target->id);
	raft->lead_transferee = target->id;
	raft->election_base = raft->now; /* the transfer has one election timeout from now */
	if (target->match == raft_log_last_index(&raft->log)) {
		send_timeout_now(raft, target->id);
		log_info(raft->logger,
			"%lx sends MsgTimeoutNow to %lx immediately as %lx already has up-to-date log",
			raft->id, target->id, target->id);
	} else {
		raft_send_append(raft, target, true);
	}
	return 0;
}

/* MsgTransferLeader on a follower is forwarded to its leader; `from` stays the transferee. */
int raft_forward_transfer(struct raft *raft, const struct raft_message *message)
{
	if (raft->leader == RAFT_NONE) {
		log_info(raft->logger, "%lx no leader at term %lu; dropping leader transfer msg", raft->id,
			raft->term);
		return 0;
	}
	raft_send(raft, (struct raft_message){
				.type = RAFT_MSG_TRANSFER_LEADER, .to = raft->leader, .from = message->from});
	return 0;
}

/* TimeoutNow waits until the transferee has the whole log: with less it could not win (Ongaro §3.10). */
void raft_continue_transfer(struct raft *raft, const struct progress *progress)
{
	if (raft->lead_transferee != progress->id || progress->match != raft_log_last_index(&raft->log))
		return;
	log_info(raft->logger, "%lx sent MsgTimeoutNow to %lx after received MsgAppResp", raft->id,
		progress->id);
	send_timeout_now(raft, progress->id);
}

/* MsgTimeoutNow on a follower: the leader asks it to take over. It campaigns without a pre-vote, which followers that
 * hear from the leader would refuse. */
int raft_on_timeout_now(struct raft *raft, const struct raft_message *message)
{
	log_info(raft->logger,
		"%lx [term %lu] received MsgTimeoutNow from %lx and starts an election to get leadership.",
		raft->id, raft->term, message->from);
	return raft_hup(raft, RAFT_CAMPAIGN_TRANSFER);
}

int raft_ignore_timeout_now(struct raft *raft, const struct raft_message *message)
{
	log_debug(raft->logger, "%lx [term %lu state %s] ignored MsgTimeoutNow from %lx", raft->id,
		raft->term, raft_role_name(raft->role), message->from);
	return 0;
}

/* Not with leases: a follower that forgets its leader may vote before the lease that it supports has expired. */
void raft_forget_leader(struct raft *raft)
{
	if (raft->role != RAFT_FOLLOWER)
		return;
	if (raft->read_mode == RAFT_READ_LEASE_BASED) {
		log_error(raft->logger, "ignoring MsgForgetLeader due to ReadOnlyLeaseBased");
		return;
	}
	if (raft->leader == RAFT_NONE)
		return;
	log_info(raft->logger, "%lx forgetting leader %lx at term %lu", raft->id, raft->leader, raft->term);
	raft->leader = RAFT_NONE;
}
