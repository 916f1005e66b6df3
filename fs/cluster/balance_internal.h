/* The struct of balance.h and the functions that its files share. */
#ifndef RAFTKV_FS_CLUSTER_BALANCE_INTERNAL_H
#define RAFTKV_FS_CLUSTER_BALANCE_INTERNAL_H

#include "fs/cluster/balance.h"

#define BALANCE_CANDIDATES 256u /* regions of a call, for each reason */

/* A store in a call of balance_next. */
struct store_view {
	/* Kept from call to call: */
	uint64_t id;
	bool is_over, is_under; /* in bytes: from BALANCE_BYTES_START until BALANCE_BYTES_STOP */
	bool is_over_load, is_under_load;

	/* Of this call: */
	const struct balance_store *given;
	bool is_alive; /* and neither lost nor removed */
	bool is_gone; /* lost, removed or dead: its replicas are made anew */
	bool is_leaving; /* gone or draining */
	bool may_take; /* a new replica, its limits apart */
	bool may_lead; /* without being asked to leave again */
	bool is_source; /* of moves for bytes */
	uint32_t replicas; /* that the table counts */
	uint64_t bytes; /* of its replicas, when the operations under way have ended */
	double ratio; /* bytes to capacity */
	uint64_t region_bytes; /* mean */
	uint64_t room; /* for new replicas */
	uint64_t load; /* of its leaders */
	uint32_t leaving, sending, coming; /* moves under way */
	uint32_t handing, taking; /* transfers under way */
	uint32_t scatter_replicas,
		scatter_leaders; /* of the regions that are scattered, when the operations have ended */
};

/* A region in a call. */
struct region_view {
	const struct region_entry *entry;
	const struct region_replica *replicas;
	struct store_view *leader;
	struct store_view *learner; /* a live store with a learner; NULL: none */
	uint64_t stray; /* the store of a learner; 0: none */
	uint32_t voters, alive, wanted;
	bool has_down;
};

/* Regions that are being scattered: balance_scatter.c. */
struct balance_scatter {
	bool is_on;
	uint64_t *regions; /* in their order; NULL: all */
	uint32_t count;
	uint64_t until; /* env_now */
	uint32_t cursor; /* the next one to be looked at */
	uint32_t passed; /* looked at in a row that need no move */
	uint32_t left; /* balance_scatter_left */
};

struct balance {
	struct balance_options options;
	struct balance_scatter scatter;
	uint32_t operation_count, under_way;
	struct balance_operation operations[BALANCE_OPERATIONS_MAX]; /* by region */
	uint32_t cursor; /* position in the table where the next call begins */
	uint32_t passed; /* regions looked at since the last move for bytes */
	uint64_t work;
	bool is_settled; /* balance_is_settled, after the last call */

	/* The call under way. */
	const struct region_table *table;
	struct store_view stores[STORE_COUNT_MAX], former[STORE_COUNT_MAX]; /* by id */
	uint32_t store_count, former_count;
	uint32_t up_count; /* stores in that state */
	uint16_t by_position
		[REGION_TABLE_STORES_MAX]; /* of the table: 1 + index in `stores`; 0: not among them */
	uint64_t best[REGION_PEERS_MAX + 1]; /* how much the stores of so many voters may differ */
	double mean_ratio;
	uint64_t mean_load;
	bool is_busy; /* the load of regions counts */
	bool has_target; /* a store may take a replica, and is below its limits */
	bool has_under_load;
	uint32_t candidates[BALANCE_REASONS][BALANCE_CANDIDATES]; /* positions in the table */
	uint32_t candidate_counts[BALANCE_REASONS];
	uint32_t first_region; /* 1 + the position of region 1 if it could move; 0: not */
};

/* What the leader of the region counts on its store. */
uint64_t balance_load_of(const struct balance *balance, const struct region_entry *entry);

/* balance_stores.c: fills in the stores of a call, and what the operations under way mean for them. */
void balance_view_stores(struct balance *balance, const struct balance_store *stores, uint32_t count);
struct store_view *balance_find_store(struct balance *balance, uint64_t id); /* NULL: not among them */
/* Counts an operation of the entry against the limits and in the sums. */
void balance_count_operation(struct balance *balance, const struct balance_operation *operation);
/* How much two stores differ. */
uint64_t balance_difference(struct balance *balance, const struct store_view *a, const struct store_view *b);
bool balance_may_send(const struct balance *balance, const struct store_view *store);
bool balance_may_get(const struct balance *balance, const struct store_view *store);

/* balance.c. Is an operation of the region under way, or does it rest after one? */
bool balance_has_operation(const struct balance *balance, uint64_t region);

/* balance_scatter.c. */
/* Offers the operations that the scatter is for; `take` returns false when there may be no more. */
void balance_scatter_next(struct balance *balance, uint64_t now,
	bool (*take)(void *argument, const struct balance_operation *operation), void *argument);
void balance_scatter_end(struct balance *balance);

/* balance_choose.c: parts of its choices. */
struct store_view *balance_view_at(struct balance *balance, const struct region_replica *replica);
bool balance_is_free_to_leave(
	struct balance *balance, const struct region_view *view, const struct region_replica *replica);
bool balance_has_replica(
	struct balance *balance, const struct region_view *view, const struct store_view *store);
bool balance_can_lead(const struct region_replica *replica, const struct store_view *store);
/* How much the stores of the voters differ without `from` (NULL: none leaves); how much `store` would add. */
uint64_t balance_differences_without(
	struct balance *balance, const struct region_view *view, const struct store_view *from);
uint64_t balance_differences_of(struct balance *balance, const struct region_view *view,
	const struct store_view *from, const struct store_view *store);
/* False: a limit keeps it from being. */
bool balance_set_move(struct balance *balance, const struct region_view *view,
	const struct region_replica *from, const struct store_view *to, struct balance_operation *operation);
bool balance_set_transfer(struct balance *balance, const struct region_view *view,
	const struct store_view *to, struct balance_operation *operation);

/* Has it all its voters and nobody else, and is none of them down? What is not settled is to be repaired first. */
bool balance_region_is_settled(const struct region_view *view);

/* False: the region is to be let alone. */
bool balance_view_region(struct balance *balance, const struct region_entry *entry, struct region_view *view);
/* May there be an operation for this reason? Cheap: balance_choose has the last word. */
bool balance_may_want(struct balance *balance, const struct region_view *view, enum balance_reason reason);
/* False: no operation is possible. */
bool balance_choose(struct balance *balance, const struct region_view *view, enum balance_reason reason,
	struct balance_operation *operation);

#endif
