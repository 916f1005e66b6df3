/* One message: first its term decides whether sender or receiver is out of date (paper §5.1), then the handler for
 * (role, type) takes it. */
#include "raft/core.h"

typedef int (*handle_cb)(struct raft *raft, const struct raft_message *message);

/* No entry: the message means nothing to a node in that role. */
static const handle_cb any_role[RAFT_MSG_TYPE_COUNT] = {
	[RAFT_MSG_VOTE] = raft_on_vote,
	[RAFT_MSG_PRE_VOTE] = raft_on_vote,
	[RAFT_MSG_READ_INDEX_RESP] = raft_on_read_index_response,
	[RAFT_MSG_STORAGE_APPEND_RESP] = raft_on_storage_append_response,
	[RAFT_MSG_STORAGE_APPLY_RESP] = raft_on_storage_apply_response,
};

static const handle_cb by_role[][RAFT_MSG_TYPE_COUNT] = {
	[RAFT_FOLLOWER] =
		{
			[RAFT_MSG_PROP] = raft_forward_proposal,
			[RAFT_MSG_APP] = raft_on_append,
			[RAFT_MSG_SNAP] = raft_on_snapshot,
			[RAFT_MSG_HEARTBEAT] = raft_on_heartbeat,
			[RAFT_MSG_TRANSFER_LEADER] = raft_forward_transfer,
			[RAFT_MSG_TIMEOUT_NOW] = raft_on_timeout_now,
			[RAFT_MSG_READ_INDEX] = raft_forward_read_index,
		},
	[RAFT_PRE_CANDIDATE] =
		{
			[RAFT_MSG_PROP] = raft_drop_proposal,
			[RAFT_MSG_APP] = raft_on_append,
			[RAFT_MSG_SNAP] = raft_on_snapshot,
			[RAFT_MSG_HEARTBEAT] = raft_on_heartbeat,
			[RAFT_MSG_PRE_VOTE_RESP] = raft_on_vote_response,
			[RAFT_MSG_TIMEOUT_NOW] = raft_ignore_timeout_now,
			[RAFT_MSG_READ_INDEX] = raft_refuse_read_index,
		},
	[RAFT_CANDIDATE] =
		{
			[RAFT_MSG_PROP] = raft_drop_proposal,
			[RAFT_MSG_APP] = raft_on_append,
			[RAFT_MSG_SNAP] = raft_on_snapshot,
			[RAFT_MSG_HEARTBEAT] = raft_on_heartbeat,
			[RAFT_MSG_VOTE_RESP] = raft_on_vote_response,
			[RAFT_MSG_TIMEOUT_NOW] = raft_ignore_timeout_now,
			[RAFT_MSG_READ_INDEX] = raft_refuse_read_index,
		},
	[RAFT_LEADER] =
		{
			[RAFT_MSG_PROP] = raft_on_propose,
			[RAFT_MSG_APP_RESP] = raft_on_append_response,
			[RAFT_MSG_HEARTBEAT_RESP] = raft_on_heartbeat_response,
			[RAFT_MSG_TRANSFER_LEADER] = raft_on_transfer_leader,
			[RAFT_MSG_READ_INDEX] = raft_on_read_index,
		},
};

static bool is_vote_request(const struct raft_message *message)
{
	return message->type == RAFT_MSG_VOTE || message->type == RAFT_MSG_PRE_VOTE;
}

static bool is_from_leader(const struct raft_message *message)
{
	return message->type == RAFT_MSG_APP || message->type == RAFT_MSG_HEARTBEAT ||
	       message->type == RAFT_MSG_SNAP;
}

static bool is_forced(const struct raft_message *message)
{
	return slice_compare(buf_slice(message->context),
		       slice_of(RAFT_TRANSFER_CONTEXT, sizeof RAFT_TRANSFER_CONTEXT - 1)) == 0;
}

/* The sender is ahead. False: the message is ignored. */
static bool catch_up(struct raft *raft, const struct raft_message *message)
{
	if (is_vote_request(message) && !is_forced(message) && raft_is_in_lease(raft)) {
		/* A server that heard from its leader within an election timeout neither grants a vote nor updates its
		 * term, so that a removed or partitioned node cannot depose the leader (Ongaro §4.2.3). A leadership
		 * transfer overrides this (Ongaro §3.10): the leader itself has asked for it. */
		log_info(raft->logger, "%lx ignored %s from %lx at term %lu: lease is not expired", raft->id,
			raft_message_type_name(message->type), message->from, raft->term);
		return false;
	}
	/* A pre-vote and its grant name the term that the candidate would campaign in, and change no term (Ongaro
	 * §9.6). Only a rejection carries a term that exists. */
	if (message->type == RAFT_MSG_PRE_VOTE ||
		(message->type == RAFT_MSG_PRE_VOTE_RESP && !message->reject))
		return true;
	/* Figure 2, all servers: a request or response with a later term makes a follower of this node (paper §5.1). */
	log_info(raft->logger, "%lx [term: %lu] received a %s message with higher term from %lx [term: %lu]",
		raft->id, raft->term, raft_message_type_name(message->type), message->from, message->term);
	raft_become_follower(raft, message->term, is_from_leader(message) ? message->from : RAFT_NONE);
	return true;
}

/* Whether the sender is a candidate of an earlier term that this node's own campaigns would not inform, because this
 * node does not campaign or does not count the candidate among the voters. If the candidate needs this vote, neither of
 * them could ever be elected. */
static bool is_unaware(const struct raft *raft, const struct raft_message *message)
{
	return message->type == RAFT_MSG_VOTE &&
	       (!raft_is_promotable(raft) || !tracker_is_voter(&raft->tracker, message->from));
}

/* The sender is behind. */
static int answer_stale(struct raft *raft, const struct raft_message *message)
{
	bool may_be_stuck = raft->check_quorum || raft->pre_vote || !raft_is_promotable(raft);

	if (may_be_stuck && (message->type == RAFT_MSG_HEARTBEAT || message->type == RAFT_MSG_APP)) {
		/* A leader of an earlier term. Figure 2, AppendEntries 1, replies false with the current term; any
		 * response serves, as its term makes the leader step down. Without it a node that came back from a
		 * partition with a later term would be stuck when CheckQuorum or PreVote keep its campaigns from
		 * raising the others' term, or when it is a learner by now. */
		raft_send(raft, (struct raft_message){.type = RAFT_MSG_APP_RESP, .to = message->from});
		return 0;
	}
	if (message->type == RAFT_MSG_PRE_VOTE || is_unaware(raft, message)) {
		/* Figure 2, RequestVote 1: false, with the current term. A candidate whose log is behind and that got
		 * no answer would try forever. */
		raft_send(raft, (struct raft_message){
					.type = message->type == RAFT_MSG_VOTE ? RAFT_MSG_VOTE_RESP
									       : RAFT_MSG_PRE_VOTE_RESP,
					.to = message->from,
					.term = raft->term,
					.reject = true,
				});
		return 0;
	}
	if (message->type == RAFT_MSG_STORAGE_APPEND_RESP)
		return raft_on_storage_append_response(raft, message);
	if (message->type == RAFT_MSG_READ_INDEX_RESP)
		return raft_on_read_index_response(raft, message);
	log_info(raft->logger, "%lx [term: %lu] ignored a %s message with lower term from %lx [term: %lu]",
		raft->id, raft->term, raft_message_type_name(message->type), message->from, message->term);
	return 0;
}

int raft_step(struct raft *raft, const struct raft_message *message)
{
	handle_cb handle;
	int rc = raft_reserve(raft);

	if (rc)
		return rc;
	if (message->term > raft->term && !catch_up(raft, message))
		return 0;
	if (message->term > 0 && message->term < raft->term)
		return answer_stale(raft, message);
	handle = any_role[message->type];
	if (!handle)
		handle = by_role[raft->role][message->type];
	return handle ? handle(raft, message) : 0;
}
