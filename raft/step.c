/* One message: first its term decides who is out of date, then the handler of (role, type) takes it. */
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

/* The sender is ahead: this node follows, except that a pre-vote changes nobody's term. False: the message is done. */
static bool catch_up(struct raft *raft, const struct raft_message *message)
{
	if (is_vote_request(message) && !is_forced(message) && raft_is_in_lease(raft)) {
		/* There is a leader that answers (Ongaro §4.2.3): a node it does not hear from may not disturb it. */
		log_info(raft->logger, "%lx ignored %s from %lx at term %lu: lease is not expired", raft->id,
			raft_message_type_name(message->type), message->from, raft->term);
		return false;
	}
	/* A granted pre-vote names the term the campaign is about; only a rejection tells of a later one. */
	if (message->type == RAFT_MSG_PRE_VOTE ||
		(message->type == RAFT_MSG_PRE_VOTE_RESP && !message->reject))
		return true;
	log_info(raft->logger, "%lx [term: %lu] received a %s message with higher term from %lx [term: %lu]",
		raft->id, raft->term, raft_message_type_name(message->type), message->from, message->term);
	raft_become_follower(raft, message->term, is_from_leader(message) ? message->from : RAFT_NONE);
	return true;
}

/* A candidate of an earlier term that will not hear of this node's by itself: this node does not campaign, or asks
 * others when it does. It may need this vote and, while both campaign, never catch up. */
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
		/* A leader of an earlier term. This node's later term may come from a partition, and nobody lets it
		 * win an election or raise the others' term by asking, or it is a learner by now and does not ask:
		 * the answer tells the leader. */
		raft_send(raft, (struct raft_message){.type = RAFT_MSG_APP_RESP, .to = message->from});
		return 0;
	}
	if (message->type == RAFT_MSG_PRE_VOTE || is_unaware(raft, message)) {
		/* The candidate may have fewer entries in a lower term; with silence it would try forever. */
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
