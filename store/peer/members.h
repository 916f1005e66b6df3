/*
 * members.h: the replicas of a region, for whoever administers a cluster: to look at them, to add and remove some, and to
 * move the leadership. Calls may be made on any thread; callbacks come on the loop named in the request, which is
 * embedded in its owner and belongs to the store until `done` begins.
 */
#ifndef RAFTKV_STORE_PEER_MEMBERS_H
#define RAFTKV_STORE_PEER_MEMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/env.h"
#include "raft/raft.h"
#include "store/queues/proposals.h"
#include "store/rows/region.h"
#include "store/rows/region_change.h"

struct raftkv;
struct peer;

/* ---- Changing --------------------------------------------------------------------------------------------------- */

/*
 * On the region's leader: proposes the change; `done` with 0 when it has been applied here. A change of several steps is
 * then in its joint phase, which ends by itself. The id of a replica that is added was never used in the region. A
 * replica that is added is made by the leader's first message; one that is removed destroys itself.
 *
 * STATUS_NOT_LEADER; STATUS_EPOCH_NOT_MATCH (the membership is another one by now); STATUS_CONF_CHANGE_INVALID (it makes
 * no sense, takes the vote or the leader's own replica away, or another change is under way); STATUS_REGION_NOT_FOUND;
 * STATUS_STALE_COMMAND (outcome unknown: look); STATUS_STOPPING.
 */
struct raftkv_change {
	uint64_t region;
	struct region_change change;
	struct env_loop *loop;
	void (*done)(struct raftkv_change *change, int status);
	/* Out: */
	uint64_t leader_store; /* STATUS_NOT_LEADER: where the leader is; 0: unknown */
	struct region_epoch epoch; /* the region's, here, then */
	/* The store's: */
	struct env_mail mail;
	struct peer *peer;
	struct proposal proposal;
	uint64_t conf_version;
	int status;
};
void raftkv_change_peers(struct raftkv *raftkv, struct raftkv_change *change);
/* For the peer: hands the result to the change's loop. */
void members_finish_change(struct raftkv_change *change, int status);

/* Asks the region's leader, if it is here, to hand over to the voter on that store. What comes of it is seen in the
 * region's status. 0, STATUS_REGION_NOT_FOUND, -ENOMEM. */
int raftkv_transfer_leader(struct raftkv *raftkv, uint64_t region, uint64_t store);

/* ---- Looking ---------------------------------------------------------------------------------------------------- */

struct region_member {
	struct region_peer peer;
	/* Only the leader knows: */
	uint64_t match; /* the log up to here is there */
	bool is_active; /* heard of lately */
	bool is_in_snapshot; /* waits for one */
	bool wants_snapshot; /* and there is none that it could take: its disk is full, or it has lost what it had */
};

struct raftkv_region_status {
	uint64_t region;
	struct env_loop *loop;
	/* 0; STATUS_REGION_NOT_FOUND; STATUS_STOPPING. */
	void (*done)(struct raftkv_region_status *request, int status);
	/* Out, as this store's replica sees it: */
	struct region_epoch epoch;
	uint64_t replica; /* this one's id */
	enum raft_role role;
	bool is_serving; /* leads, and may evaluate */
	uint64_t term;
	uint64_t leader; /* replica; RAFT_NONE: unknown */
	uint64_t leader_store; /* 0: unknown */
	uint64_t first_index; /* of its log */
	uint64_t last_index;
	uint64_t commit;
	uint64_t applied;
	uint32_t member_count;
	struct region_member members[REGION_PEERS_MAX];
	/* The store's: */
	struct env_mail mail;
	struct peer *peer;
	int status;
};
void raftkv_region_status(struct raftkv *raftkv, struct raftkv_region_status *request);

#endif
