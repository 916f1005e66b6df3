/*
 * peer_internal.h: what the files of a peer share, and nobody else. On the peer's loop.
 *
 *   peer.c           its roles and its turn                    peer_life.c         how a replica comes and goes
 *   peer_members.c   changes of the membership                 peer_reads.c        reads
 *   peer_messages.c  what it says to other replicas, and hears of them
 *   peer_refill.c    payloads for those that are behind        peer_snapshot.c     snapshots for those further behind
 *   peer_install.c   a snapshot that came                      peer_room.c         one that finds no room
 *   peer_fetch.c     entries that are not in memory            peer_evaluations.c  what it does for its evaluations
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

/* The only replica there is. Others may be on their way to it only through its own log. */
static inline bool peer_is_alone(const struct peer *peer)
{
	return peer->region.peer_count == 1 && region_is_sole_voter(&peer->region, peer->id);
}

uint64_t peer_tick_now(const struct raftkv *raftkv);
/* The replica may have promised a lease before it was restarted, which may still hold. */
bool peer_is_quiet_voter(const struct peer *peer);
/* Moves raft to the present. STATUS_WOULD_BLOCK: a fetch is under way, try again after it. */
int peer_tick(struct peer *peer);
/* Takes note of a new role or term, and answers what rested on the old one. */
void peer_check_role(struct peer *peer);

/* ---- peer_evaluations.c ---- */

/* The peer, as its evaluations see it. */
struct evaluation_host peer_evaluation_host(struct peer *peer);

/* ---- peer_life.c ---- */

/* The replica is leaving: does what may be done now. */
void peer_go_on_leaving(struct peer *peer);

/* ---- peer_reads.c ---- */

/* Sends what was asked since the last turn, and asks again for what was not answered. */
void peer_send_reads(struct peer *peer);
void peer_on_read_state(struct peer *peer, const struct raft_read_state *state);
/* Gives the reads whose index has been applied what they wait for. */
void peer_serve_reads(struct peer *peer);

/* ---- peer_messages.c ---- */

/* Sends what may leave at once, and moves what may not into the responses of the log write it waits for. */
void peer_send_messages(struct peer *peer, struct raft_ready *ready);

/* Sends it now; a peer without a transport, or to a replica that nobody knows, sends nothing. */
void peer_send(struct peer *peer, const struct raft_message *message);

/* Tells a replica that it is a member no more. */
void peer_send_tombstone(struct peer *peer, const struct region_peer *to);
/* Asks the members whether this replica is one of them, when no leader has been heard of for long. */
void peer_ask(struct peer *peer);
/* When to do so; UINT64_MAX: it need not. */
uint64_t peer_ask_time(const struct peer *peer);

/* ---- peer_members.c ---- */

/* A membership change has been applied to the rows. */
void peer_on_change(struct peer *peer, const struct raft_entry *entry);

/* ---- peer_refill.c ---- */

/* Takes a message whose entries lack their payloads, or that must not overtake one such; false: it may be sent now. */
bool peer_send_refilled(struct peer *peer, struct raft_message *message);
void peer_refills_close(struct peer *peer);

/* ---- peer_snapshot.c ---- */

/* Makes what raft has asked for, and drops what it does not want any more. */
void peer_go_on_sending(struct peer *peer);
/* MsgSnap: sends what was made for it. */
void peer_send_snapshot(
	struct peer *peer, const struct peer_envelope *envelope, const struct raft_message *message);
void peer_sending_close(struct peer *peer);

/* ---- peer_room.c ---- */

/* It has been given more than finds room here, for a while. */
bool peer_is_stuck(const struct peer *peer);
/* The log is of no use to it. */
bool peer_wants_snapshot(const struct peer *peer);
/* A follower of this leader says whether the log is of use to it. */
void peer_hear_wish(struct peer *peer, const struct peer_envelope *envelope);
/* Whether the region can do without replica `id`: a majority without it is there and has the log up to `index`. */
bool peer_is_dispensable(const struct peer *peer, uint64_t id, uint64_t index);
/* A MsgSnap has found no room, and would in the place of what is here. */
void peer_make_room(
	struct peer *peer, const struct peer_envelope *envelope, const struct raft_message *message);

/* ---- peer_install.c ---- */

/* Steps MsgSnap, and keeps the stage, which is taken, if raft wants it. */
void peer_install_begin(struct peer *peer, const struct raft_message *message, struct snapshot_stage *stage);
/* The replica is leaving: gives the stage up, unless it is being installed. */
void peer_install_cancel(struct peer *peer);
/* Frees what is not running. */
void peer_install_close(struct peer *peer);

/* ---- peer_fetch.c ---- */

/* Begins to fetch what the last call to raft found missing, unless a fetch is under way. */
void peer_fetch(struct peer *peer);

#endif
