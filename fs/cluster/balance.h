/*
 * balance.h: which region is to go from which store to which. A pure scheduler over a region_table and the stores: no
 * I/O, no clock, no random numbers. The coordinator (coordinator.h) owns it; all on its loop.
 *
 * The work is divided. A balance sees all regions as they were last reported and chooses goals. placement.h sees one
 * region as its leader describes it now, and makes the next step towards the goal. So:
 *
 *   1. balance_next yields operations. Each is under way from then on, and counts against the limits.
 *   2. For each the caller asks the region's leader for the members, calls placement_next with the operation's goal,
 *      and carries the step out. It repeats that until PLACEMENT_REST (the goal is reached) or PLACEMENT_STUCK.
 *   3. It puts a report that shows the end into the table, then calls balance_end. What the table says of a region
 *      without an operation is taken to be true.
 *
 * The caller ends an operation that takes too long. It asks only when every store that is alive has ended a full report
 * (region_table_store.has_reported). Operations are not logged: a new leader of region 1 begins without any, and what
 * an earlier one left is completed or removed.
 *
 * What is chosen, in this order (enum balance_reason). A region has one operation at a time.
 *   - Repair: a voter too few; a voter on a store that is lost, removed, dead, or draining and silent. A store is dead
 *     when it is not alive and has been silent for dead_after_ns.
 *   - Surplus: a voter too many, or a learner that nobody waits for.
 *   - Domain: one replica moves so that the region's stores differ more. Two stores differ at the first label that both
 *     have and that is not the same; the earlier label counts 100 times as much; a region counts the pairs of its
 *     voters.
 *   - Drain: a draining store loses its leaders, then its replicas, to its replacement where one is named.
 *   - Scatter: replicas and leaders of some regions, or of all, are spread over the stores by their number, because an
 *     administrator asks for it (balance_scatter). It ends by itself.
 *   - Bytes: replicas move where the bytes of regions, relative to the capacity, are more than BALANCE_BYTES_START
 *     percent from the mean, until they are at most BALANCE_BYTES_STOP percent from it.
 *   - Lead: the leader moves from a full store; and where the load of a store's leaders is more than BALANCE_LOAD_START
 *     percent from the mean, until BALANCE_LOAD_STOP. To a voter that is up and has caught up.
 *
 * Always:
 *   - No store has two replicas of a region. A new one goes to a store that is up, alive, not full and has room.
 *   - Nobody moves so that a region's stores differ less, except for repair and drain.
 *   - A move for bytes leaves the source with as much as the target, or more. One for load leaves the target with less than
 *     the source had, by a quarter of the region's load at least; one of a scatter leaves the source with as many as the
 *     target, or more. So each one brings the stores closer together, and while regions stay as they are, moves end.
 *   - While regions are scattered, they do not move for bytes or load.
 *   - A voter is removed only together with its successor's promotion, or where one is too many.
 *   - The voters that are alive are a majority before and after. A region whose leader is unknown or silent, or that
 *     is in a joint configuration, is let alone. With a replica down, only that replica leaves, or one is added.
 *   - Region 1 is repaired like any, and else goes last: it leaves a draining store as the last replica there, and moves
 *     for another reason only when no other region does. Its leader does not move for load.
 */
#ifndef RAFTKV_FS_CLUSTER_BALANCE_H
#define RAFTKV_FS_CLUSTER_BALANCE_H

#include "fs/cluster/labels.h"
#include "fs/cluster/placement.h"
#include "fs/cluster/region_table.h"

#define BALANCE_LABELS	       LABELS_MAX
#define BALANCE_OPERATIONS_MAX 1024u /* under way, or resting after a failure; no more are yielded at it */
#define BALANCE_BYTES_START    5u /* percent */
#define BALANCE_BYTES_STOP     3u
#define BALANCE_LOAD_START     20u
#define BALANCE_LOAD_STOP      10u
#define BALANCE_LEADER_US      100u /* of CPU per second, that each leader counts on top of its region's load */
#define BALANCE_BUSY_US	       20000u /* of CPU per second: where stores have less on average, leaders count alone */
#define BALANCE_ROOM_PART      10u /* a move leaves this part of the target's capacity free */

struct balance_store {
	uint64_t id;
	enum store_state state;
	uint64_t replacement; /* the store that is to get its replicas; 0: any */
	bool is_alive; /* it reported lately (store_entry_is_alive) */
	bool is_full;
	uint64_t silent_ns; /* since its last report */
	uint64_t capacity, used; /* bytes of its disk; capacity 0: unknown, gets no replicas */
	uint32_t labels
		[BALANCE_LABELS]; /* its failure domains, from the widest, as numbers; 0: not labelled */
};

struct balance_options {
	uint32_t replicas; /* wanted; 0: as for placement.replicas */
	/* At a time, on each store, separately: replicas that leave it (if it is alive), that its leaders send, that come. */
	uint32_t moves_per_store;
	uint32_t transfers_per_store; /* likewise: leaders that leave, that come */
	uint64_t dead_after_ns;
	uint64_t rest_ns; /* for which a region rests after an operation that failed */
	uint32_t scan_max; /* regions that a call looks at; the next one goes on. 0: all */
};

enum balance_reason {
	BALANCE_REPAIR,
	BALANCE_SURPLUS,
	BALANCE_DOMAIN,
	BALANCE_DRAIN,
	BALANCE_SCATTER,
	BALANCE_BYTES,
	BALANCE_LEAD,
	BALANCE_REASONS,
};

struct balance_operation {
	uint64_t region;
	struct placement_goal goal;
	enum balance_reason reason;
	uint64_t sender; /* the store that led when the operation was chosen */
	uint64_t bytes; /* that are copied */
	uint64_t rests_until; /* 0: it is under way */
};

struct balance;

struct balance *balance_new(const struct balance_options *options); /* NULL: out of memory */
void balance_free(struct balance *balance);
void balance_set_options(struct balance *balance, const struct balance_options *options);
/* Forgets the operations: this store does not lead region 1 any more. */
void balance_reset(struct balance *balance);

/* Fills at most `max` new operations; returns how many. `stores`, at most STORE_COUNT_MAX, in the order of their ids. A
 * replica on a store that is not among them stays, and counts as down. */
uint32_t balance_next(struct balance *balance, const struct region_table *table,
	const struct balance_store *stores, uint32_t store_count, uint64_t now,
	struct balance_operation *operations, uint32_t max);

/* The region's operation has ended; not reached: the region rests. */
void balance_end(struct balance *balance, uint64_t region, bool is_reached, uint64_t now);

/* Spreads the replicas of these regions over the stores so that each store has as many as another, or one more or less,
 * where failure domains, room and limits allow; and then their leaders, but not region 1's. `regions`: ids, in their order;
 * without any, all that are in the table, or come. It ends when nothing is left to move, or at `until` (env_now). Another
 * scatter takes the place of one that has not ended. 0 or -ENOMEM. */
int balance_scatter(struct balance *balance, const uint64_t *regions, uint32_t count, uint64_t until);
bool balance_is_scattering(const struct balance *balance);
bool balance_is_scattered(const struct balance *balance, uint64_t region); /* is the region among them? */
/* Replicas and leaders that are above a store's even part, as of the last balance_next: at most so many moves are left. */
uint32_t balance_scatter_left(const struct balance *balance);

/* The operation that is under way; NULL: none. Valid until the next call that takes a balance that is not const. */
const struct balance_operation *balance_find(const struct balance *balance, uint64_t region);
uint32_t balance_count(const struct balance *balance); /* of those under way */
/* The last call has looked at all regions and would move none, and nothing moves or rests: the next one finds the same,
 * unless a region, a store or an option changes. */
bool balance_is_settled(const struct balance *balance);
/* Bytes that a store has beyond its share of the capacity, more than BALANCE_BYTES_START and two regions of its mean size
 * explain; zeroes: none has. */
struct balance_excess {
	uint64_t store;
	uint64_t bytes;
};
/* The largest one, by the last balance_next. */
struct balance_excess balance_excess(const struct balance *balance);
/* Replicas looked at and pairs of stores compared so far, for tests: what the calls cost. */
uint64_t balance_work(const struct balance *balance);

#endif
