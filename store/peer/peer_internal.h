/*
 * peer_internal.h: shared by the files of a peer alone. On the peer's loop.
 *
 *   peer.c           its roles and its turn             peer_life.c         start and destruction of a replica
 *   peer_members.c   changes of the membership          peer_reads.c        reads
 *   peer_messages.c  messages to and from replicas      peer_snapshot.c     snapshots that are sent
 *   peer_refill.c    payloads for followers behind      peer_install.c      snapshots that are received
 *   peer_fetch.c     entries that are not in memory     peer_room.c         replicas without room on their disk
 *   peer_evaluations.c  the host of its evaluations     peer_split.c        splits of its region
 *   peer_half.c      the replica that a split makes     peer_durable.c      applied state made durable
 *   hibernation.c    replicas of idle regions sleep     campaign.c          turns to campaign
 */
#ifndef RAFTKV_STORE_PEER_PEER_INTERNAL_H
#define RAFTKV_STORE_PEER_PEER_INTERNAL_H

#include "store/peer/store.h"

static inline struct raftkv *peer_store(const struct peer *peer)
{
	return peer->shard->raftkv;
}

static inline struct engines *peer_engines(const struct peer *peer)
{
	return &peer->shard->raftkv->engines;
}

/* Whether this is the region's only replica. Only an entry of its own log can add another. */
static inline bool peer_is_alone(const struct peer *peer)
{
	return peer->region.peer_count == 1 && region_is_sole_voter(&peer->region, peer->id);
}

/* Whether it still applies what it knew to be committed when it started. A split among it has begun the log of another
 * region, which must get its rows before this log may go. */
static inline bool peer_is_replaying(const struct peer *peer)
{
	return peer->applied.index < peer->replay_index;
}

uint64_t peer_tick_now(const struct raftkv *raftkv);
/* An entry has been appended to the leader's log: fills in `proposal`, and queues it. Returns the entry's index. */
uint64_t peer_push_proposal(struct peer *peer, struct proposal *proposal, proposal_cb finish);
/* Whether a lease that the replica promised before its restart may still hold. */
bool peer_is_quiet_voter(const struct peer *peer);
/* Advances raft's clock to now. STATUS_WOULD_BLOCK: a fetch is under way, retry after it. */
int peer_tick(struct peer *peer);
/* Records a new role or term, and ends the requests that depended on the old one. */
void peer_check_role(struct peer *peer);

/* ---- peer_evaluations.c ---- */

/* The evaluation_host of this peer. */
struct evaluation_host peer_evaluation_host(struct peer *peer);

/* Whether the lease may be renewed. */
bool peer_may_renew(const struct peer *peer);
/* Whether its store led the region that it was split off, an election timeout ago at most. */
bool peer_led_parent(const struct peer *peer);
/* Whether this replica campaigns because of that. */
bool peer_expects_to_lead(const struct peer *peer);
/* Whether requests wait here although nobody leads. */
bool peer_may_wait(const struct peer *peer);
/* When it campaigns next (env_now). */
uint64_t peer_campaign_time(const struct peer *peer);

/* ---- peer_split.c ---- */

/* Cuts the next task off a MsgStorageApply: entries from position `*begin` on, up to a split; or a split alone. Moves
 * `*begin` behind it. NULL: out of memory. */
struct apply_task *peer_cut(struct peer *peer, struct raft_message *message, size_t *begin);
/* Hands the task to the apply thread, behind splits that are under way. Takes it. */
void peer_submit(struct peer *peer, struct apply_task *task);
/* A split has been applied or refused. Takes the task's halves. */
void peer_on_split(struct peer *peer, struct apply_task *task);
/* The store stops: drops the tasks that wait. */
void peer_split_stop(struct peer *peer);
void peer_split_close(struct peer *peer);

/* ---- peer_half.c ---- */

/* The new region's side of a split. The parent's loop owns it, but from half_prepare to `prepared`, and from half_start
 * or half_abandon on, the loop of the new region's shard does. */
struct split_half {
	struct env_mail mail;
	struct peer *parent;
	uint64_t region; /* the new one */
	uint64_t id; /* of the replica here */
	void (*prepared)(struct split_half *half);
	int status;
	/* Once prepared: */
	struct peer *peer; /* of the new region */
	bool is_gone; /* the replica was removed already: its rows are to be cleared */
	bool is_fresh; /* the region had nothing in the log: the replica has promised nothing */
	/* Set for half_start: */
	struct region region_state;
	bool leads; /* this store led the parent when it applied the split */
	/* Work under way: */
	struct raft_hard_state hard_state;
	uint8_t value[TOMBSTONE_SIZE];
	struct log_mark mark;
	struct log_write write;
	struct env_work work;
};

/* Begins the log of the new region, durably. Then `prepared` is called on the parent's loop: status 0, STATUS_STOPPING,
 * or an error that the store cannot go on with. */
void half_prepare(struct raftkv *raftkv, struct split_half *half);
/* To be called before the router gets the new range. */
void half_hold(struct split_half *half);
/* The router has the new range: starts the replica, or clears its rows. Takes the half. */
void half_start(struct split_half *half);
/* The split was refused: the log that was begun for it goes. Takes the half. */
void half_abandon(struct split_half *half);
/* On the new region's peer, whose replica has ended: goes on with a half that waits for that. */
void half_go_on(struct peer *peer);
/* The store stops: ends that wait. */
void half_stop(struct peer *peer);

/* ---- peer_durable.c ---- */

/* Whether splits that this store has applied may not be durable yet. */
bool peer_has_unflushed_splits(const struct peer *peer);
/* Makes everything that was applied durable: small payloads, then rows. Then calls `done` on the loop; with -ENOMEM from
 * inside the call. Counts as work of the peer until `done`. */
void peer_make_durable(struct peer *peer, void (*done)(struct peer *peer, int status));

/* ---- peer_life.c ---- */

/* Ends a replica without rows, whose term and vote stay in the log. Then calls half_go_on. */
void peer_dissolve(struct peer *peer);

/* The replica is leaving: takes the steps that are possible now. */
void peer_go_on_leaving(struct peer *peer);

/* ---- peer_reads.c ---- */

/* Whether raft knows a leader. */
bool peer_has_leader(const struct peer *peer);
/* Sends a ReadIndex request for the reads that came since the last turn, and repeats unanswered requests. */
void peer_send_reads(struct peer *peer);
void peer_on_read_state(struct peer *peer, const struct raft_read_state *state);
/* Ends the reads whose read index has been applied. */
void peer_serve_reads(struct peer *peer);

/* ---- peer_messages.c ---- */

/* Sends the messages that may leave at once. Moves the others into the responses of the log write that they depend
 * on. */
void peer_send_messages(struct peer *peer, struct raft_ready *ready);

/* Sends it now. Without a transport, or to an unknown replica, nothing is sent. */
void peer_send(struct peer *peer, const struct raft_message *message);

/* Tells a replica that it was removed from the region. */
void peer_send_tombstone(struct peer *peer, const struct region_peer *to);
/* Sends an empty message with a word of hibernation.h. */
void peer_send_word(struct peer *peer, const struct region_peer *to, enum peer_word word, uint64_t round,
	const struct raft_message *message);
/* Asks the members whether this replica is still one of them, if no leader has been heard of for long. */
void peer_ask(struct peer *peer);
/* When peer_ask is due next (env_now); UINT64_MAX: never. */
uint64_t peer_ask_time(const struct peer *peer);

/* ---- peer_members.c ---- */

/* Tells a replica that it was removed from the region, as soon as it may know. */
void peer_tell_removed(struct peer *peer, const struct region_peer *gone);
/* Goes on with removals that nobody was told of yet. */
void peer_settle_removals(struct peer *peer);
/* The entry's membership change has been applied to the rows. */
void peer_on_change(struct peer *peer, const struct raft_entry *entry);

/* ---- peer_refill.c ---- */

/* Takes a message whose entries lack payloads, or which must not overtake such a message. False: it may be sent now. */
bool peer_send_refilled(struct peer *peer, struct raft_message *message);
void peer_refills_close(struct peer *peer);

/* ---- peer_snapshot.c ---- */

/* Starts a snapshot source if raft has asked for one, and drops a source that raft no longer wants. */
void peer_go_on_sending(struct peer *peer);
/* Sends a MsgSnap with the source that was made for it. */
void peer_send_snapshot(
	struct peer *peer, const struct peer_envelope *envelope, const struct raft_message *message);
void peer_sending_close(struct peer *peer);

/* ---- peer_room.c ---- */

/* Whether appends have found no room for STUCK_MS. */
bool peer_is_stuck(const struct peer *peer);
/* Whether the log cannot serve this replica: it is empty or stuck. */
bool peer_wants_snapshot(const struct peer *peer);
/* Handles the envelope's wants_snapshot, from a follower of this leader. */
void peer_hear_wish(struct peer *peer, const struct peer_envelope *envelope);
/* Whether the region can do without replica `id`: a majority without it is active and has the log up to `index`. */
bool peer_is_dispensable(const struct peer *peer, uint64_t id, uint64_t index);
/* A MsgSnap has found no room beside the replica's state: empties the replica if the region can do without it. */
void peer_make_room(
	struct peer *peer, const struct peer_envelope *envelope, const struct raft_message *message);

/* ---- peer_install.c ---- */

/* Steps MsgSnap. The stage is taken: kept if raft accepts the snapshot, discarded otherwise. */
void peer_install_begin(struct peer *peer, const struct raft_message *message, struct snapshot_stage *stage);
/* The replica is leaving: discards the stage, unless it is being installed. */
void peer_install_cancel(struct peer *peer);
/* Frees the install, which is not running. */
void peer_install_close(struct peer *peer);

/* ---- peer_fetch.c ---- */

/* Begins to fetch the entries that the last call to raft found missing, unless a fetch is under way. */
void peer_fetch(struct peer *peer);

#endif
