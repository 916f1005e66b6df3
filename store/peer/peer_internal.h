/*
 * peer_internal.h: shared by the files of a peer alone. On the peer's loop.
 *
 *   peer.c           its roles and its turn             peer_life.c         start and destruction of a replica
 *   peer_members.c   changes of the membership          peer_reads.c        reads
 *   peer_messages.c  messages to and from replicas      peer_snapshot.c     snapshots that are sent
 *   peer_refill.c    payloads for followers behind      peer_install.c      snapshots that are received
 *   peer_fetch.c     entries that are not in memory     peer_room.c         replicas without room on their disk
 *   peer_evaluations.c  the host of its evaluations
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

uint64_t peer_tick_now(const struct raftkv *raftkv);
/* Whether a lease that the replica promised before its restart may still hold. */
bool peer_is_quiet_voter(const struct peer *peer);
/* Advances raft's clock to now. STATUS_WOULD_BLOCK: a fetch is under way, retry after it. */
int peer_tick(struct peer *peer);
/* Records a new role or term, and ends the requests that depended on the old one. */
void peer_check_role(struct peer *peer);

/* ---- peer_evaluations.c ---- */

/* The evaluation_host of this peer. */
struct evaluation_host peer_evaluation_host(struct peer *peer);

/* ---- peer_life.c ---- */

/* The replica is leaving: takes the steps that are possible now. */
void peer_go_on_leaving(struct peer *peer);

/* ---- peer_reads.c ---- */

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
/* Asks the members whether this replica is still one of them, if no leader has been heard of for long. */
void peer_ask(struct peer *peer);
/* When peer_ask is due next (env_now); UINT64_MAX: never. */
uint64_t peer_ask_time(const struct peer *peer);

/* ---- peer_members.c ---- */

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
