/*
 * Peer: one replica of one region, on its shard's loop.
 *
 * It owns the raw_node (`raft_group`) and what hangs on it: the ReadIndexQueue (`pending_reads`), the ProposalQueue
 * (`proposals`), the lease, the overlay, the evaluations (evaluate.h), the appends on their way to the log (append.h).
 *
 *  - Requests are queued and the peer marks itself dirty; its shard then calls peer_process once for all of them:
 *    evaluate and propose, send reads, handle Readys. Completions of the log and of apply come through peer_on_….
 *  - A leader serves (evaluates, grants leases) from when it has applied an entry of its own term until it steps down;
 *    then everything that waits is answered and the overlay is dropped.
 *  - `applied` never runs ahead of what is visible in the KV engine.
 */
#ifndef RAFTKV_STORE_PEER_PEER_H
#define RAFTKV_STORE_PEER_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/heap.h"
#include "raft/raft.h"
#include "store/peer/append.h"
#include "store/apply/apply.h"
#include "store/evaluate/evaluate.h"
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
struct snapshot_source;
struct snapshot_stage;

#define PEER_UNKNOWN_MAX 8
#define READ_RETRY_MS	 500

/* A snapshot for another replica, made and not sent yet. */
struct peer_sending {
	struct snapshot_source *source; /* NULL: there is none */
	uint64_t made; /* env_now */
	uint64_t pause_until; /* after a failure */
	uint32_t failures; /* in a row */
	bool is_making; /* on a worker */
	bool is_measured; /* the next one is: somebody had no room */
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
	bool is_renewal_due; /* reads keep coming, and the lease is half over */
	struct evaluations evaluations;
	struct append_queue appends;

	uint64_t term;
	enum raft_role role;
	uint64_t shared_index; /* every replica has the log up to here, as a leader said or found */
	uint32_t applies_in_flight;
	bool is_fetching; /* entries, on a worker */
	struct peer_refill *refills; /* appends that wait for payloads, in order */
	bool is_refilling; /* the first of them, on a worker */
	struct peer_sending sending;
	struct peer_install *install; /* of a snapshot that raft has taken; NULL: none */
	bool is_empty; /* it lost what it had, or gave it up, and needs a snapshot */
	struct apply_state empty_end; /* where what it had ended, at most */
	/* Replicas that spoke to this one and are not in its idea of the region. */
	struct region_peer unknown[PEER_UNKNOWN_MAX];
	uint32_t unknown_count;
	/* A restarted voter may have promised a lease: until then it helps nobody to lead. */
	uint64_t quiet_until;
	bool wants_to_lead; /* a sole voter that has not campaigned yet */
	bool is_leaving; /* removed, or to be empty: everything is answered */
	bool is_emptied; /* it gives up what it has, and stays */
	bool is_departing; /* its tombstone is being written, or its rows are being cleared */
	uint64_t leader_heard; /* env_now: when a leader was last heard of */
	uint64_t asked; /* env_now: when it last asked whether it is still wanted */

	struct heap_node deadline; /* the shard's */
	struct peer *next_dirty; /* the shard's */
	bool is_dirty;
	struct peer *next; /* the shard's list */
};

/* Makes the place for a region's replica, without one, and gives it to the shard. 0, -ENOMEM, or STATUS_CORRUPT: there
 * is one already. On the shard's loop, or before it runs. */
int peer_new(struct shard *shard, uint64_t region, struct peer **peer);
/* Starts replica `id` from what the engines hold. `region` is taken; without peers, the replica knows nothing yet: it
 * waits for a snapshot. An error leaves the store unusable. */
int peer_start(struct peer *peer, struct region *region, uint64_t id, const struct apply_state *applied,
	struct status *status);
/* The replica was removed from its region: it answers everything and goes. */
void peer_destroy(struct peer *peer);
/* The replica gives up log and rows, and is empty afterwards. */
void peer_empty(struct peer *peer);
/* Frees everything, answering nothing. May be NULL. */
void peer_free(struct peer *peer);

/* There is a replica, and it is not leaving. */
static inline bool peer_is_here(const struct peer *peer)
{
	return peer->raft_group && !peer->is_leaving;
}

void peer_write(struct peer *peer, struct raftkv_write *write); /* takes */
void peer_read(struct peer *peer, struct raftkv_read *read); /* takes */
/* A message from another store. */
void peer_step(struct peer *peer, const struct peer_envelope *envelope, const struct raft_message *message);
/* With MsgSnap, its stage, which is durable and taken. */
void peer_step_snapshot(struct peer *peer, const struct peer_envelope *envelope,
	const struct raft_message *message, struct snapshot_stage *stage);
/* Messages to that replica did not arrive; a snapshot that was sent to it did, or did not. */
void peer_report_unreachable(struct peer *peer, uint64_t to);
void peer_report_snapshot(struct peer *peer, uint64_t to, int status); /* 0: it arrived */
/* Gives up a stage that nobody wants. */
void peer_discard_stage(struct shard *shard, struct snapshot_stage *stage);

/* Hands the result to the change's loop. */
void peer_change_finish(struct raftkv_change *change, int status);
void peer_change(struct peer *peer, struct raftkv_change *change); /* takes */
void peer_transfer(struct peer *peer, uint64_t store);
int peer_describe(const struct peer *peer, struct raftkv_region_status *out);

/* The first append brings this snapshot: installs it, and calls append_on_installed. False: not yet. */
bool peer_install_start(
	struct peer *peer, const struct raft_snapshot *snapshot, const struct raft_hard_state *hard_state);

/* Opening is over: waiting begins. */
void peer_begin(struct peer *peer);
/* Does whatever is due. The shard calls it for a dirty peer, and when its deadline has come. */
void peer_process(struct peer *peer);
/* When raft wants to hear from the clock; UINT64_MAX: never. */
uint64_t peer_deadline(const struct peer *peer);
/* Gives a response of a log write or an apply to this group, or sends it to its peer. */
void peer_respond(struct peer *peer, struct raft_message *responses, size_t count);
/* A task is visible. Takes it. */
void peer_on_applied(struct peer *peer, struct apply_task *task);

/* The store where the leader is, as far as is known; 0: it is not. */
uint64_t peer_leader_store(const struct peer *peer);
/* Leading, and everything before this term applied: may evaluate and grant leases. */
bool peer_is_serving(const struct peer *peer);
/* Asks the others for a longer lease, if it leads. */
void peer_renew_lease(struct peer *peer);
/* Joins the next ReadIndex round; `request->done` comes later. */
void peer_confirm(struct peer *peer, struct read_index_request *request);
/* Tells other threads what they may do. */
void peer_publish(struct peer *peer);
/* Answers everything that waits; the store is going down. */
void peer_stop(struct peer *peer);
/* Nothing of it is on any other thread. */
bool peer_is_quiet(const struct peer *peer);

#endif
