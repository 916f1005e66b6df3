/*
 * raft: the state of one replica and the functions that work on it. Private to raft/: others call raw_node.c.
 *
 *   step.c        a message: its term, then the handler for (role, type)
 *   election.c    roles, campaigns, votes
 *   transfer.c    leadership transfer, forgetting a leader
 *   proposal.c    appending to a leader's log, forwarding to it
 *   replicate.c   appends and heartbeats, commit; a follower's side of them
 *   follow.c      the leader's side of the responses
 *   snapshot.c    sending and restoring snapshots
 *   reads.c       ReadIndex
 *   membership.c  switching configurations
 *   local.c       responses of the storage threads: entries stable, snapshot stored, entries applied
 *   clock.c       ticks, deadlines, hibernation
 *   send.c        outgoing messages
 *   validate.c    refusing malformed messages
 *
 * The rules of the protocol stand beside the lines that keep them, cited as raft.h says ("Figure 2", "paper §n",
 * "Ongaro §n").
 *
 * Errors. A handler reserves memory and reads the storage before it changes anything, so that a call that failed may be
 * repeated. Sending appends is the exception, because the change that it follows stands: a peer whose append could not
 * be made is marked (`progress.must_resend`), and the next ready makes the append or returns the error.
 */
#ifndef RAFTKV_RAFT_CORE_H
#define RAFTKV_RAFT_CORE_H

#include "proto/logger.h"
#include "raft/log.h"
#include "raft/progress.h"
#include "raft/raft.h"
#include "raft/read_only.h"

struct raft {
	uint64_t id;
	uint64_t term;
	uint64_t vote;
	uint64_t leader;
	struct raft_log log;
	struct tracker tracker;

	enum raft_role role : 8;
	enum raft_read_mode read_mode : 8;
	bool pre_vote;
	bool check_quorum;
	bool step_down_on_removal;
	bool disable_proposal_forwarding;
	bool disable_conf_change_validation;
	bool delay_commit;
	bool is_hibernating;
	bool must_resend; /* some progress has it set */
	bool is_lease_suspect; /* a TimeoutNow was sent in this term: the lease no longer protects reads */

	/* Of a leader; 0 in other roles. */
	uint64_t lead_transferee;
	uint64_t term_first; /* index of the first entry of this leader's term */
	uint64_t pending_conf_index; /* no conf change may be proposed until this index is applied */
	uint64_t uncommitted_size; /* bytes of payload proposed and not yet applied */
	struct read_queue reads;

	/* In ticks; the time elapsed is `now` minus a base. */
	uint64_t now;
	uint64_t election_base;
	uint64_t heartbeat_base;
	uint32_t election_tick;
	uint32_t heartbeat_tick;
	uint32_t randomized_election_tick;
	uint64_t random;

	uint64_t message_size_max;
	uint64_t uncommitted_size_max;

	/* For the next ready. */
	struct raft_messages messages;
	struct raft_messages after_append; /* promises: sent once all that is unstable now is stable */
	struct raft_read_states read_states;
	const struct logger *logger;
};

enum raft_campaign { RAFT_CAMPAIGN_PRE_ELECTION, RAFT_CAMPAIGN_ELECTION, RAFT_CAMPAIGN_TRANSFER };
#define RAFT_TRANSFER_CONTEXT "CampaignTransfer" /* context of a vote that a transfer forces */

/* step.c */
int raft_step(struct raft *raft, const struct raft_message *message);

/* send.c */
/* Makes room for the most that one step sends, appends apart. 0 or -ENOMEM. */
int raft_reserve(struct raft *raft);
/* Queues `message`, which it takes, with `from` and `term` filled in. The caller has reserved room. */
void raft_send(struct raft *raft, struct raft_message message);
/* Queues the answer to a local read; takes `context`. Room was reserved when the read came. */
void raft_push_read_state(struct raft *raft, uint64_t index, struct buf *context, int status);

/* election.c */
void raft_become_follower(struct raft *raft, uint64_t term, uint64_t leader);
bool raft_is_promotable(const struct raft *raft);
int raft_hup(struct raft *raft, enum raft_campaign campaign);
int raft_on_vote(struct raft *raft, const struct raft_message *message);
int raft_on_vote_response(struct raft *raft, const struct raft_message *message);
int raft_on_timeout_now(struct raft *raft, const struct raft_message *message);
int raft_ignore_timeout_now(struct raft *raft, const struct raft_message *message);
void raft_check_quorum_active(struct raft *raft);
/* transfer.c */
int raft_on_transfer_leader(struct raft *raft, const struct raft_message *message);
int raft_forward_transfer(struct raft *raft, const struct raft_message *message);
void raft_continue_transfer(struct raft *raft, const struct progress *progress);
void raft_forget_leader(struct raft *raft);

/* proposal.c */
int raft_on_propose(struct raft *raft, const struct raft_message *message);
int raft_forward_proposal(struct raft *raft, const struct raft_message *message);
int raft_drop_proposal(struct raft *raft, const struct raft_message *message);
/* Appends `count` entries, stamped with the term, to the leader's log. 0, -ENOMEM or STATUS_PROPOSAL_DROPPED. */
int raft_append_own(struct raft *raft, const struct raft_entry *entries, size_t count);
void raft_reduce_uncommitted(struct raft *raft, uint64_t size);

/* replicate.c */
/* Sends the peer of `progress` the entries or the snapshot that it needs; false when it sent nothing. `if_empty`: send a
 * message without entries, too. */
bool raft_send_append(struct raft *raft, struct progress *progress, bool if_empty);
void raft_broadcast_append(struct raft *raft);
/* After the commit index has advanced. */
void raft_announce_commit(struct raft *raft);
/* The commit index that this leader tells others. */
uint64_t raft_told_commit(const struct raft *raft);
/* Whether the commit index would be news for the peer, and nothing keeps it from being sent. */
bool raft_has_unsent_commit(const struct raft *raft, const struct progress *progress);
/* `context` comes from raft_read_context and may be NULL. */
void raft_broadcast_heartbeat(struct raft *raft, struct buf *context);
/* Makes the appends that failed before. 0, or the error with which one failed again. */
int raft_resend(struct raft *raft);
/* Commits what a quorum has acknowledged. Returns whether the commit index moved. */
bool raft_maybe_commit(struct raft *raft);
/* Follows the sender of `message` as the leader of this term. */
void raft_follow(struct raft *raft, const struct raft_message *message);
int raft_on_append(struct raft *raft, const struct raft_message *message);
int raft_on_heartbeat(struct raft *raft, const struct raft_message *message);

/* follow.c */
int raft_on_append_response(struct raft *raft, const struct raft_message *message);
int raft_on_heartbeat_response(struct raft *raft, const struct raft_message *message);
void raft_on_unreachable(struct raft *raft, uint64_t peer);
void raft_on_snapshot_status(struct raft *raft, uint64_t peer, bool failed);
void raft_on_snapshot_wanted(struct raft *raft, uint64_t peer, bool is_wanted);

/* snapshot.c */
/* 0 with `*sent`, -ENOMEM, or the storage's error. A snapshot that is still being made is no error. */
int raft_send_snapshot(struct raft *raft, struct progress *progress, bool *sent);
int raft_on_snapshot(struct raft *raft, const struct raft_message *message);

/* reads.c */
/* On the leader: answers or queues a read of this node (`from` RAFT_NONE) or of a follower. Shares `context`. 0, -ENOMEM
 * or STATUS_LIMIT. */
int raft_take_read(struct raft *raft, uint64_t from, struct buf *context);
int raft_on_read_index(struct raft *raft, const struct raft_message *message);
int raft_forward_read_index(struct raft *raft, const struct raft_message *message);
int raft_refuse_read_index(struct raft *raft, const struct raft_message *message);
int raft_on_read_index_response(struct raft *raft, const struct raft_message *message);
bool raft_has_committed_in_term(const struct raft *raft);
/* After a commit: lets reads go on that waited for the first commit of the term. */
void raft_release_reads(struct raft *raft);
/* Answers the reads that a quorum has confirmed. */
void raft_confirm_reads(struct raft *raft);
/* Sends a round of heartbeats if reads came after the last one. 0 or -ENOMEM. */
int raft_flush_reads(struct raft *raft);
/* The context of the next heartbeats, which names the newest read to confirm; the caller unrefs it. NULL: there is no
 * read, or no memory. */
struct buf *raft_read_context(struct raft *raft);
/* The round that a heartbeat's context names; 0: none. */
uint64_t raft_read_round_of(const struct buf *context);
/* Finishes every waiting read with STATUS_STALE_COMMAND: this node leads no longer. */
void raft_abort_reads(struct raft *raft);

/* membership.c */
/* Switches to `conf`, which it takes; a leader acts on it. `next` as in tracker_set_conf. `is_restore`: forget what is
 * known of the members. 0, or -ENOMEM: nothing changed. */
int raft_switch_conf(struct raft *raft, struct raft_conf_state *conf, uint64_t next, bool is_restore);
int raft_apply_conf_change(struct raft *raft, const struct raft_conf_change *change);

/* local.c */
/* The entries that were handed out up to `stable` (index 0: no entries) and the snapshot at `snapshot_index` (0: none)
 * are durable. `term` is the one in which the write was issued. */
void raft_on_stable(struct raft *raft, uint64_t term, struct raft_position stable, uint64_t snapshot_index);
/* The entries up to `index` are applied; `size` and `payload_size` are their bytes. */
void raft_on_applied(struct raft *raft, uint64_t index, uint64_t size, uint64_t payload_size);
/* Proposes to leave a joint configuration that is left automatically, once everything up to it is applied. A leadership
 * transfer makes the proposal fail: call this with every applied entry, and when a transfer is given up. */
void raft_leave_joint(struct raft *raft);
int raft_on_storage_append_response(struct raft *raft, const struct raft_message *message);
int raft_on_storage_apply_response(struct raft *raft, const struct raft_message *message);

/* clock.c */
int raft_tick_to(struct raft *raft, uint64_t now);
uint64_t raft_deadline(const struct raft *raft);
void raft_wake(struct raft *raft);
/* Whether this node heard from its leader, or leads, within an election timeout while CheckQuorum is on. */
bool raft_is_in_lease(const struct raft *raft);
void raft_reset_election_timeout(struct raft *raft);

/* validate.c */
/* 0, STATUS_MALFORMED, STATUS_STEP_LOCAL or STATUS_STEP_UNKNOWN_PEER. */
int raft_validate(const struct raft *raft, const struct raft_message *message, bool is_async);
/* 0, or STATUS_MALFORMED: no entries, an unknown type, or a conf change that cannot be decoded. */
int raft_validate_proposal(const struct raft_entry *entries, size_t count);

#endif
