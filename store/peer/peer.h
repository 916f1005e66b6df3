/*
 * Peer: one replica of one region, on its shard's loop.
 *
 * It owns the raw_node (`raft_group`), the ReadIndexQueue (`pending_reads`), the ProposalQueue (`proposals`), the
 * lease, the evaluations with their overlay (evaluate.h), and the appends on their way to the log (append.h).
 *
 *  - Requests are queued and the peer marks itself dirty; its shard then calls peer_process once for all of them:
 *    evaluate and propose, send reads, handle Readys. Completions of the log and of apply come through peer_on_….
 *  - A leader serves (evaluates, uses its lease) once it has applied an entry of its own term and until it steps down.
 *    A step-down answers every waiting request and drops the overlay.
 *  - `applied` never exceeds the index that is visible in the KV engine.
 */
#ifndef RAFTKV_STORE_PEER_PEER_H
#define RAFTKV_STORE_PEER_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/heap.h"
#include "raft/raft.h"
#include "store/peer/append.h"
#include "store/peer/campaign.h"
#include "store/apply/apply.h"
#include "store/evaluate/evaluate.h"
#include "store/peer/hibernation.h"
#include "store/peer/lease.h"
#include "store/peer/peer_storage.h"
#include "store/queues/queues.h"
#include "store/requests.h"
#include "store/transport/transport.h"
#include "store/rows/rows.h"

struct shard;
struct route;
struct peer_refill; /* peer_refill.c */
struct peer_install; /* peer_install.c */
struct peer_durable; /* peer_durable.c */
struct split_half; /* peer_internal.h */
struct snapshot_source;
struct snapshot_stage;

#define PEER_UNKNOWN_MAX 8
#define PEER_REMOVED_MAX 8
#define READ_RETRY_MS	 500

/* A snapshot for another replica that is not sent yet. */
struct peer_sending {
	struct snapshot_source *source; /* NULL: none */
	uint64_t made; /* env_now */
	uint64_t pause_until; /* after a failure */
	uint32_t failures; /* in a row */
	bool is_making; /* on a worker */
	bool is_measured; /* the next source is measured, because a receiver had no room */
};

/* Replicas that were removed from the region, and when they may be told (peer_members.c). */
struct removals {
	uint64_t settled_version; /* removals up to this conf_version may be told */
	/* Of a leader: */
	struct region_peer gone[PEER_REMOVED_MAX]; /* to be told; who does not fit in asks again */
	uint32_t gone_count;
	struct proposal settling; /* an empty entry */
	bool is_settling; /* it is not applied yet */
	uint64_t settling_version; /* the conf_version when it was proposed */
};

struct peer {
	struct shard *shard;
	struct route *route;
	struct region region;
	uint64_t id; /* in the Raft group */
	struct apply_state applied;
	struct apply_region apply; /* the apply thread's */

	struct peer_storage storage;
	struct raw_node *raft_group;
	struct read_index_queue pending_reads;
	struct proposal_queue proposals;
	struct lease lease;
	bool is_renewal_due; /* a reader found the lease half over */
	struct evaluations evaluations;
	struct append_queue appends;

	uint64_t term;
	enum raft_role role;
	uint64_t shared_index; /* every replica has the log up to here; computed by the leader */
	uint32_t applies_in_flight; /* also those held behind a split */
	struct apply_task *splitting; /* the split whose new region's log is being begun */
	struct apply_task *held; /* tasks behind it, in order */
	struct split_half *half; /* of the split that is being applied */
	uint32_t splits_committed; /* handed to apply, and not applied: meanwhile the lease is not renewed */
	uint32_t splits_measured; /* on workers */
	/* The last split, and the last membership change, that this leader has proposed; 0: none. */
	uint64_t split_index, change_index;
	struct removals removals;
	uint64_t replay_index; /* what was known to be committed when it started; 0: nothing */
	bool is_split_over; /* the store stops: `splitting` will not be applied */
	bool is_fetching; /* a worker reads entries from the log */
	struct peer_refill *refills; /* MsgApp messages that wait for payloads, in order */
	bool is_refilling; /* a worker fills the first of them */
	struct peer_sending sending;
	struct peer_install *install; /* the install of a snapshot; NULL: none */
	bool is_empty; /* its state is lost or given up: it needs a snapshot */
	struct apply_state empty_end; /* at most the end of the state it had */
	/* Senders of messages that are not among the region's peers as this replica knows them. */
	struct region_peer unknown[PEER_UNKNOWN_MAX];
	uint32_t unknown_count;
	/* Until this time a restarted voter grants no vote: it may have promised a lease before the restart. */
	uint64_t quiet_until;
	bool wants_to_lead; /* a sole voter that has not campaigned yet */
	/* Of a replica that a split made (peer_split.c), env_now; 0: not so. Until leads_until it campaigns, and
	 * requests wait for it. Until waits_until it votes for such a replica alone. */
	uint64_t leads_until, waits_until;
	uint64_t campaigned; /* env_now: when it last did */
	bool is_awaited; /* a split makes this replica: no message does */
	struct split_half *awaiting; /* waits for the end of the replica that is here */
	bool is_leaving; /* removed, or being emptied: every request has been answered */
	bool is_emptied; /* it gives up its state, but stays a member */
	bool is_dissolving; /* it ends, and its term and vote stay */
	bool is_departing; /* its tombstone is being written, or its rows are being cleared */
	bool is_clearing; /* rows or log of a split's replica that does not start */
	struct peer_durable *durable; /* what was applied is being made durable; NULL: not so */
	/* env_now: when this leader tells its followers the commit index, if no append has by then; 0: they were told. */
	uint64_t commit_due;
	struct hibernation hibernation;
	struct campaign campaign;
	uint64_t leader_heard; /* env_now: when a leader was last heard of */
	uint64_t asked; /* env_now: when it last asked whether it is still a member */
	/* Of a replica that a message made, and that knows no membership: the newest conf_version in which a leader has
	 * sent it something. 0: none has. */
	uint64_t member_version;

	struct heap_node deadline; /* the shard's */
	struct peer *next_dirty; /* the shard's */
	bool is_dirty;
	struct peer *next; /* the shard's list */
};

/* Makes a peer without a replica and adds it to the shard. 0, -ENOMEM, or STATUS_CORRUPT: there is one already. On the
 * shard's loop, or before it runs. */
int peer_new(struct shard *shard, uint64_t region, struct peer **peer);
/* Starts replica `id` from the state in the engines. `region` is taken. A region without peers means that the replica
 * knows only its id and waits for a snapshot. `may_have_promised`: it may have promised a lease before. An error leaves
 * the store unusable. */
int peer_start(struct peer *peer, struct region *region, uint64_t id, const struct apply_state *applied,
	bool may_have_promised, struct status *status);
/* The replica was removed from its region: ends its requests, then destroys it. */
void peer_destroy(struct peer *peer);
/* The replica gives up its log and rows and is empty afterwards. */
void peer_empty(struct peer *peer);
/* Frees everything, answering nothing. May be NULL. */
void peer_free(struct peer *peer);

uint64_t peer_election_ns(const struct peer *peer); /* the shortest election timeout */
/* Whether the peer has a replica that is not leaving. */
static inline bool peer_is_here(const struct peer *peer)
{
	return peer->raft_group && !peer->is_leaving;
}

/* A split has given this store a range, and the mail that starts its replica is on its way: a request waits for it. */
bool peer_is_starting(const struct peer *peer);
void peer_write(struct peer *peer, struct raftkv_write *write); /* takes */
void peer_read(struct peer *peer, struct raftkv_read *read); /* takes */
/* A message from another store. */
void peer_step(struct peer *peer, const struct peer_envelope *envelope, const struct raft_message *message);
/* A MsgSnap with its durable stage, which is taken. */
void peer_step_snapshot(struct peer *peer, const struct peer_envelope *envelope,
	const struct raft_message *message, struct snapshot_stage *stage);
/* A transport's reports: messages to replica `to` did not arrive; a snapshot to it arrived (status 0) or failed. */
void peer_report_unreachable(struct peer *peer, uint64_t to);
void peer_report_snapshot(struct peer *peer, uint64_t to, int status);
/* Discards an unwanted stage, on a worker. */
void peer_discard_stage(struct shard *shard, struct snapshot_stage *stage);

/* Mails the result to the change's loop. */
void peer_change_finish(struct raftkv_change *change, int status);
void peer_change(struct peer *peer, struct raftkv_change *change); /* takes */
void peer_transfer(struct peer *peer, uint64_t store);
/* Mails the result to the request's loop. */
void peer_split_finish(struct raftkv_split *split, int status);
void peer_split(struct peer *peer, struct raftkv_split *split); /* takes */
int peer_describe(const struct peer *peer, struct raftkv_region_status *out);

/* Installs the snapshot of the first append, then calls append_on_installed. False: it cannot begin yet. */
bool peer_install_start(
	struct peer *peer, const struct raft_snapshot *snapshot, const struct raft_hard_state *hard_state);

/* The store has opened: timeouts count from now. */
void peer_begin(struct peer *peer);
/* Does all due work. The shard calls it for a dirty peer and when the peer's deadline has passed. */
void peer_process(struct peer *peer);
/* The time (env_now) at which the peer must be processed next; UINT64_MAX: never. */
uint64_t peer_deadline(const struct peer *peer);
/* Delivers the responses of a log write or an apply: steps those for this replica, sends the others. */
void peer_respond(struct peer *peer, struct raft_message *responses, size_t count);
/* The task's entries are visible. Takes the task. */
void peer_on_applied(struct peer *peer, struct apply_task *task);

/* The leader's store; 0: unknown. */
uint64_t peer_leader_store(const struct peer *peer);
/* Whether the peer leads and has applied an entry of its term: it may evaluate and use its lease. */
bool peer_is_serving(const struct peer *peer);
/* If it leads, asks a quorum to renew the lease. */
void peer_renew_lease(struct peer *peer);
/* Joins the next ReadIndex round; `request->done` is called later. */
void peer_confirm(struct peer *peer, struct read_index_request *request);
/* Publishes the peer's state in the route (router.h). */
void peer_publish(struct peer *peer);
/* The store stops: answers every waiting request. */
void peer_stop(struct peer *peer);
/* Whether no work of the peer is on another thread. */
bool peer_is_quiet(const struct peer *peer);

#endif
