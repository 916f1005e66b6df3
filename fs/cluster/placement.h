/*
 * placement.h: where the replicas of a region are to be, and which step leads there. Pure: the same stores, members and
 * requests give the same step. Who leads region 1 asks again after each step (coordinator.h), so that no plan can grow stale.
 *
 * A region has as many voters as are wanted, or as there are stores for them. A store that is draining loses its
 * leaders, then its replicas; one whose disk is full, its leaders; one that was lost, its replicas. A replica goes when its successor has caught up, in one
 * joint change with the successor's promotion; without a successor only where there are voters enough. No step is made
 * after which those that were heard of lately would not be a majority. A store that is merely silent keeps what it has:
 * who wants it replaced says so.
 */
#ifndef RAFTKV_FS_CLUSTER_PLACEMENT_H
#define RAFTKV_FS_CLUSTER_PLACEMENT_H

#include "fs/schema/records.h"
#include "store/raftkv.h"

#define PLACEMENT_REPLICAS 3u /* unless told otherwise */
#define PLACEMENT_LAG	   256u /* entries that a learner may be behind when it is promoted */

struct placement_store {
	uint64_t id;
	enum store_state state;
	uint64_t replacement; /* that is to get its replicas; 0: any */
	bool is_alive; /* heard of lately */
	bool is_full; /* takes no more, and leads only where no other could */
	uint32_t regions, leaders;
};

struct placement {
	const struct placement_store *stores; /* on record */
	uint32_t store_count;
	uint32_t replicas; /* wanted; 0: as many as there are, but PLACEMENT_REPLICAS at least */
	/* The region, as its leader sees it: */
	const struct region_member *members;
	uint32_t member_count;
	uint64_t leader; /* replica */
	uint64_t last_index;
};

enum placement_kind {
	PLACEMENT_REST, /* all is as it should be */
	PLACEMENT_WAIT, /* a change is under way, or a learner catches up */
	PLACEMENT_STUCK, /* something is to be done, and there is no store for it, or no majority left after it */
	PLACEMENT_ADD, /* a learner on `store` */
	PLACEMENT_PROMOTE, /* `replica` on `store`, a learner that has caught up; `leaving`, unless 0, goes */
	PLACEMENT_REMOVE, /* `leaving` */
	PLACEMENT_TRANSFER, /* the leadership to `store` */
};

struct placement_step {
	enum placement_kind kind;
	uint64_t store;
	uint64_t replica;
	uint64_t leaving; /* replica */
};

struct placement_step placement_next(const struct placement *placement);

/* Is the member so far that it can have a vote? */
bool placement_has_caught_up(const struct placement *placement, const struct region_member *member);
/* Would those that were heard of be a majority without `leaving`, and with `coming`? Replicas; 0: nobody. */
bool placement_is_safe(const struct placement *placement, uint64_t leaving, uint64_t coming);
/* Could another store take over what that one has? */
bool placement_has_spare(const struct placement *placement, uint64_t store);

#endif
