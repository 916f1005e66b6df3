/*
 * campaign.h: replicas whose region has no leader take turns to campaign.
 *
 * An election costs some ten messages and three writes of the log. If ten thousand regions elect at once, the votes come
 * after the candidates have timed out, and no election ends. So at most CAMPAIGNS_MAX replicas of a shard campaign at
 * once. The others wait asleep, and in nearly all cases another store's candidate is their leader before their turn.
 *
 *  1. A replica campaigns only in its turn. It wants one when its store starts, when its election timeout has passed, and
 *     when it sleeps and the store of its leader is no longer alive, or is in another incarnation (liveness.h).
 *  2. A member whose store is not known to be dead, and which the region's id chooses, is the first to campaign. The others
 *     do so a randomized election timeout later, should it not have been elected. So of many regions each store leads a
 *     part, and two candidates of one region are rare. Where the replicas were awake, the first may lack entries that
 *     others have: they wait a randomized heartbeat interval only.
 *  3. A turn ends when there is a leader, or after an election timeout. Then the replica wants another one, a randomized
 *     election timeout later: regions that cannot elect keep nobody else from it for longer than that.
 *  4. A replica that is asked comes before those that are not. If it is not the first of its region, it says
 *     PEER_WORD_WAKE to the others, which counts as being asked. So a request leads to an election at once.
 *  5. A replica that wants a turn forgets its leader, so that it votes for others, but not before an election timeout has
 *     passed since it heard of it, by Raft's clock. So no lease and no vote depends on turns or on liveness.
 *  6. Any message ends the waiting: Raft wakes, and its election timeout counts from then.
 *
 * A sole voter, a replica that a split has made (peer_half.c) and one that is told to by its leader (MsgTimeoutNow)
 * campaign at once. All calls on the peer's loop.
 */
#ifndef RAFTKV_STORE_PEER_CAMPAIGN_H
#define RAFTKV_STORE_PEER_CAMPAIGN_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/heap.h"

#define CAMPAIGNS_MAX 128u /* turns of a shard at once */

struct peer;

enum campaign_state {
	CAMPAIGN_NONE, /* it wants no turn */
	CAMPAIGN_WANTED, /* it sleeps until `due` */
	CAMPAIGN_QUEUED, /* it sleeps until others' turns have ended */
	CAMPAIGN_GRANTED, /* its turn begins as soon as it is processed */
	CAMPAIGN_UNDER_WAY, /* until `due` */
};

/* A replica's. */
struct campaign {
	enum campaign_state state;
	uint64_t due; /* env_now */
	bool is_first; /* of its region */
	bool is_asked;
	bool has_failed; /* a turn, since there was a leader */
	struct heap_node place; /* in campaigns.queue */
};

/* A shard's. */
struct campaigns {
	struct heap queue; /* asked ones first, then in the order of `due` */
	uint32_t count; /* granted or under way */
};

void campaigns_close(struct campaigns *campaigns);

/* Whether the replica waits, asleep, for its turn. */
bool campaign_is_awaited(const struct peer *peer);
/* The store has opened. */
void campaign_on_start(struct peer *peer);
/* The replica sleeps, and the store of its leader is gone. False: it is no voter, and never campaigns. */
bool campaign_on_lost(struct peer *peer);
/* Raft's clock is about to move to tick `now`: if the election timeout will have passed, the replica waits for its turn
 * first. */
void campaign_on_tick(struct peer *peer, uint64_t now);
/* A replica that waits is asked for something, by a client or by another member. */
void campaign_on_asked(struct peer *peer, bool is_by_member);
/* Raft has woken, or the replica leaves. */
void campaign_end(struct peer *peer);
/* Within the peer's turn: does what is due. */
void campaign_go_on(struct peer *peer);
/* When that is next (env_now); UINT64_MAX: never. */
uint64_t campaign_time(const struct peer *peer);

#endif
