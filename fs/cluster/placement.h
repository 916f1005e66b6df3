/*
 * placement.h: on which stores a region's replicas belong, and the next step towards that. A pure function: the same
 * stores and members give the same step. The coordinator asks again after each step (coordinator.h), so that no plan
 * can grow stale. The coordinator gives every region that it moves a goal; without one it asks only whether a region that
 * rests is stuck.
 *
 * A region has as many voters as are wanted, or as there are stores for them. A draining store loses its leaders, then
 * its replicas. A store whose disk is full loses its leaders. A lost store loses its replicas. A replica is removed
 * when its successor has caught up, in one joint change with the successor's promotion; without a successor it is
 * removed only where enough voters stay. No step is taken after which the active voters would not be a majority. A
 * store that is merely silent keeps its replicas until an administrator drains it or declares it lost.
 *
 * With a goal (balance.h chooses them) the steps lead there and nowhere else: the learner is added to the goal's store,
 * catches up, and gets its vote in one change with the removal of the replica that leaves. Who leads on the store that
 * is left hands over first, once the learner has caught up. Without a replica on the goal's store no other is removed
 * unless enough voters stay. PLACEMENT_REST: the goal is reached. PLACEMENT_STUCK: it is to be given up.
 */
#ifndef RAFTKV_FS_CLUSTER_PLACEMENT_H
#define RAFTKV_FS_CLUSTER_PLACEMENT_H

#include "fs/schema/records.h"
#include "store/raftkv.h"

#define PLACEMENT_REPLICAS 3u /* the least, where placement.replicas is 0 */
#define PLACEMENT_LAG	   256u /* entries that a learner may be behind when it is promoted */

struct placement_store {
	uint64_t id;
	enum store_state state;
	uint64_t replacement; /* the store that is to get its replicas; 0: any */
	bool is_alive; /* it reported lately (store_entry_is_alive) */
	bool is_full; /* gets no replicas, and leads only where no other store can */
	uint32_t regions, leaders;
};

enum placement_goal_kind {
	PLACEMENT_GOAL_NONE, /* what this header says of regions without a goal */
	PLACEMENT_GOAL_MOVE, /* a voter on `to` (0: none is added), no replica on `from` (0: none is removed) */
	PLACEMENT_GOAL_LEAD, /* the leader on `to` */
};

struct placement_goal {
	enum placement_goal_kind kind;
	uint64_t from, to; /* stores */
};

struct placement {
	const struct placement_store *stores; /* on record */
	uint32_t store_count;
	uint32_t replicas; /* wanted; 0: as many voters as there are, but PLACEMENT_REPLICAS at least */
	/* The region, from its leader: */
	const struct region_member *members;
	uint32_t member_count;
	uint64_t leader; /* replica */
	uint64_t last_index;
	struct placement_goal goal;
};

enum placement_kind {
	PLACEMENT_REST, /* nothing is to be done */
	PLACEMENT_WAIT, /* a joint change is under way, or a learner has not caught up */
	PLACEMENT_STUCK, /* a step is needed, but no store can take it, or it would leave no majority */
	PLACEMENT_ADD, /* add a learner on `store` */
	PLACEMENT_PROMOTE, /* promote the learner `replica` on `store`, and remove `leaving` unless it is 0 */
	PLACEMENT_REMOVE, /* remove `leaving` from `store` */
	PLACEMENT_TRANSFER, /* transfer the leadership to `store` */
};

struct placement_step {
	enum placement_kind kind;
	uint64_t store;
	uint64_t replica;
	uint64_t leaving; /* replica */
};

struct placement_step placement_next(const struct placement *placement);

/* Is the member at most PLACEMENT_LAG entries behind, and active, so that it can have a vote? */
bool placement_has_caught_up(const struct placement *placement, const struct region_member *member);
/* The voters that a region should have: `replicas` (as in struct placement) or as many as `stores`, which are up. */
uint32_t placement_wanted(uint32_t replicas, uint32_t voters, uint32_t stores);
/* Would the active voters be a majority without the replica `leaving` and with the replica `coming`? 0: none. */
bool placement_is_safe(const struct placement *placement, uint64_t leaving, uint64_t coming);
/* Can a store other than `store` take a new replica of the region? */
bool placement_has_spare(const struct placement *placement, uint64_t store);

#endif
