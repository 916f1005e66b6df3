/* Roles and elections (paper §5.2, Ongaro §3.4; PreVote: Ongaro §9.6; CheckQuorum: Ongaro §6.2). */
#include "raft/core.h"

#include <errno.h>
#include <string.h>

#include "proto/check.h"
#include "proto/plant.h"

/* What every change of role or term has in common. */
static void reset(struct raft *raft, uint64_t term)
{
	/* The vote belongs to the term: within one term it is never taken back (Figure 2: votedFor). */
	if (raft->term != term) {
		raft->term = term;
		raft->vote = RAFT_NONE;
	}
	raft->leader = RAFT_NONE;
	raft->election_base = raft->now;
	raft->heartbeat_base = raft->now;
	raft_reset_election_timeout(raft);
	raft->lead_transferee = RAFT_NONE;
	raft->is_lease_suspect = false;
	raft->must_resend = false;
	raft->pending_conf_index = 0;
	raft->uncommitted_size = 0;
	raft->term_first = 0;
	tracker_reset(&raft->tracker, raft->id, raft_log_last_index(&raft->log));
	raft_abort_reads(raft);
}

void raft_become_follower(struct raft *raft, uint64_t term, uint64_t leader)
{
	reset(raft, term);
	raft->leader = leader;
	raft->role = RAFT_FOLLOWER;
	log_info(raft->logger, "%lx became follower at term %lu", raft->id, raft->term);
}

/* Figure 2, candidates: increment the term, vote for self, reset the election timer (paper §5.2). */
static void become_candidate(struct raft *raft)
{
	check(raft->role != RAFT_LEADER);
	reset(raft, raft->term + 1);
	raft->vote = raft->id;
	raft->role = RAFT_CANDIDATE;
	log_info(raft->logger, "%lx became candidate at term %lu", raft->id, raft->term);
}

/* Neither the term nor the vote changes until a quorum has said that it would elect this node, so that a node which
 * cannot win does not depose a leader by its term (Ongaro §9.6). */
static void become_pre_candidate(struct raft *raft)
{
	check(raft->role != RAFT_LEADER);
	tracker_reset_votes(&raft->tracker);
	raft->leader = RAFT_NONE;
	raft->role = RAFT_PRE_CANDIDATE;
	log_info(raft->logger, "%lx became pre-candidate at term %lu", raft->id, raft->term);
}

static int become_leader(struct raft *raft)
{
	struct progress *self;
	int rc = unstable_reserve(&raft->log.unstable, 1);

	if (rc)
		return rc;
	check(raft->role == RAFT_CANDIDATE);
	reset(raft, raft->term);
	raft->leader = raft->id;
	raft->role = RAFT_LEADER;
	self = tracker_find(&raft->tracker, raft->id);
	check(self != NULL);
	progress_become_replicate(self);
	self->recent_active = true;
	/* At most one conf change may be under way (Ongaro §4.1), and the log may end with one that is not committed:
	 * this leader takes none before all that it found in its log is applied. */
	raft->pending_conf_index = raft_log_last_index(&raft->log);
	/* A blank entry commits what earlier terms left in the log, and tells the leader which entries are committed:
	 * before it is, no read may be served (paper §8, Ongaro §6.4). */
	raft->term_first = raft_log_last_index(&raft->log) + 1;
	rc = raft_append_own(raft, &(struct raft_entry){.type = RAFT_ENTRY_NORMAL}, 1);
	check(rc == 0);
	log_info(raft->logger, "%lx became leader at term %lu", raft->id, raft->term);
	return 0;
}

/* Learners do not campaign, nor does a node whose log is a snapshot that is not stored yet. */
bool raft_is_promotable(const struct raft *raft)
{
	return tracker_is_voter(&raft->tracker, raft->id) && !raft->log.unstable.snapshot;
}

static void request_votes(struct raft *raft, enum raft_message_type type, uint64_t term, struct buf *context)
{
	struct raft_position last = raft_log_last(&raft->log);

	for (uint32_t i = 0; i < raft->tracker.count; i++) {
		const struct progress *peer = &raft->tracker.items[i];
		struct raft_message message = {.type = type, .to = peer->id, .term = term};

		if (peer->is_learner)
			continue;
		if (peer->id == raft->id) {
			/* The node's own vote counts only once it is durable (Figure 2: votedFor is stable before any
			 * response): it is sent like a voter's response and waits as one. */
			message.type = type == RAFT_MSG_VOTE ? RAFT_MSG_VOTE_RESP : RAFT_MSG_PRE_VOTE_RESP;
		} else {
			log_info(raft->logger,
				"%lx [logterm: %lu, index: %lu] sent %s request to %lx at term %lu", raft->id,
				last.term, last.index, raft_message_type_name(type), peer->id, raft->term);
			message.index = last.index;
			message.log_term = last.term;
			message.context = buf_ref(context);
		}
		raft_send(raft, message);
	}
}

static int campaign(struct raft *raft, enum raft_campaign kind)
{
	struct buf *context = NULL;

	if (kind == RAFT_CAMPAIGN_TRANSFER) {
		context = buf_copy(RAFT_TRANSFER_CONTEXT, strlen(RAFT_TRANSFER_CONTEXT));
		if (!context)
			return -ENOMEM;
	}
	if (kind == RAFT_CAMPAIGN_PRE_ELECTION) {
		become_pre_candidate(raft);
		request_votes(raft, RAFT_MSG_PRE_VOTE, raft->term + 1, NULL);
	} else {
		become_candidate(raft);
		request_votes(raft, RAFT_MSG_VOTE, raft->term, context);
	}
	buf_unref(context);
	return 0;
}

int raft_hup(struct raft *raft, enum raft_campaign kind)
{
	bool is_changing;
	int rc;

	if (raft->role == RAFT_LEADER) {
		log_debug(raft->logger, "%lx ignoring MsgHup because already leader", raft->id);
		return 0;
	}
	if (!raft_is_promotable(raft)) {
		log_warn(raft->logger, "%lx is unpromotable and can not campaign", raft->id);
		return 0;
	}
	/* A configuration takes effect here when it is applied. A node that has yet to apply a committed one would count
	 * votes by a configuration that others have left. */
	rc = raft_log_has_unapplied_conf_change(&raft->log, raft->log.committed, &is_changing);
	if (rc)
		return rc;
	if (is_changing) {
		log_warn(raft->logger,
			"%lx cannot campaign at term %lu since there are still pending configuration changes "
			"to apply",
			raft->id, raft->term);
		return 0;
	}
	log_info(raft->logger, "%lx is starting a new election at term %lu", raft->id, raft->term);
	return campaign(raft, kind);
}

/* Figure 2, RequestVote 2, first half: votedFor is null or the candidate (paper §5.2). A node that already follows a
 * leader of this term has no use for a vote. A pre-vote for a later term is no vote: several may be granted. */
static bool may_vote(const struct raft *raft, const struct raft_message *message)
{
	if (planted("raft:vote_twice"))
		return true;
	return raft->vote == message->from || (raft->vote == RAFT_NONE && raft->leader == RAFT_NONE) ||
	       (message->type == RAFT_MSG_PRE_VOTE && message->term > raft->term);
}

/* MsgVote, MsgPreVote: index and log_term are those of the candidate's last entry. Learners vote as well: one may have
 * been promoted and not have applied it yet. */
int raft_on_vote(struct raft *raft, const struct raft_message *message)
{
	struct raft_position last = {.index = message->index, .term = message->log_term};
	bool grant = may_vote(raft, message) && raft_log_is_up_to_date(&raft->log, last);

	log_info(raft->logger,
		"%lx [logterm: %lu, index: %lu, vote: %lx] %s %s %s %lx [logterm: %lu, index: %lu] at term "
		"%lu",
		raft->id, raft->log.last_term, raft_log_last_index(&raft->log), raft->vote,
		grant ? "cast" : "rejected", raft_message_type_name(message->type), grant ? "for" : "from",
		message->from, last.term, last.index, raft->term);
	/* A grant names the candidate's term. That of a pre-vote is ahead of this node's, and the candidate would ignore
	 * a grant in an earlier term. */
	raft_send(raft,
		(struct raft_message){
			.type = message->type == RAFT_MSG_VOTE ? RAFT_MSG_VOTE_RESP : RAFT_MSG_PRE_VOTE_RESP,
			.to = message->from,
			.term = grant ? message->term : raft->term,
			.reject = !grant,
		});
	if (grant && message->type == RAFT_MSG_VOTE) {
		/* Figure 2, followers: granting a vote resets the election timeout. A pre-vote does not: it must not keep
		 * this node from campaigning. */
		raft->election_base = raft->now;
		raft->vote = message->from;
	}
	return 0;
}

/* MsgVoteResp of a candidate, MsgPreVoteResp of a pre-candidate. */
int raft_on_vote_response(struct raft *raft, const struct raft_message *message)
{
	const char *name = raft_message_type_name(message->type);
	uint32_t granted, rejected;
	enum quorum_result result;
	int rc;

	log_info(raft->logger, "%lx received %s%s from %lx at term %lu", raft->id, name,
		message->reject ? " rejection" : "", message->from, raft->term);
	tracker_record_vote(&raft->tracker, message->from, !message->reject);
	result = tracker_tally(&raft->tracker, &granted, &rejected);
	log_info(raft->logger, "%lx has received %u %s votes and %u vote rejections", raft->id, granted, name,
		rejected);
	if (result == QUORUM_LOST)
		raft_become_follower(raft, raft->term, RAFT_NONE);
	if (result != QUORUM_WON)
		return 0;
	if (raft->role == RAFT_PRE_CANDIDATE)
		return campaign(raft, RAFT_CAMPAIGN_ELECTION);
	/* Figure 2, candidates: votes of a majority make a leader. Leaders: it sends AppendEntries at once, to keep others
	 * from campaigning (paper §5.2); here with the blank entry. */
	rc = become_leader(raft);
	if (rc == 0)
		raft_broadcast_append(raft);
	return rc;
}

static bool is_quorum_active(const struct raft *raft)
{
	if (planted("raft:check_quorum_no_step_down"))
		return true;
	return tracker_is_quorum_active(&raft->tracker);
}

/* CheckQuorum: a leader steps down if an election timeout elapses in which no quorum answered it, so that its clients
 * look for another leader (Ongaro §6.2). */
void raft_check_quorum_active(struct raft *raft)
{
	if (!is_quorum_active(raft)) {
		log_warn(raft->logger, "%lx stepped down to follower since quorum is not active", raft->id);
		raft_become_follower(raft, raft->term, RAFT_NONE);
	}
	for (uint32_t i = 0; i < raft->tracker.count; i++)
		if (raft->tracker.items[i].id != raft->id)
			raft->tracker.items[i].recent_active = false;
}
