/*
 * coordinator.h: the work that one store does for the whole cluster. Every store has a coordinator. The coordinator of
 * the store that leads region 1 works; the others check at each tick whether their store leads.
 *
 * A new leader makes the root directory of a new filesystem, enters the first stores, and reads the records of sessions
 * and stores. Each session then has a full period. Time without a leader does not count, nor does time in which this
 * process did not run. From then on the coordinator
 *
 *  - takes the mounts' heartbeats and the stores' reports, in memory alone;
 *  - enters stores that are new or have restarted;
 *  - carries out administrators' requests (admin_request);
 *  - ends sessions that were closed or were silent for longer than a period, in the steps of op.h; the next leader may
 *    repeat each of them;
 *  - takes the stores' reports of the regions that they lead (region_table.h), and places all regions: balance.h chooses
 *    what is to move, and placement.h the steps, which each region's leader takes (region_step.h).
 *
 * It has one operation of region 1 under way at a time, and one of another region beside it, and tries a failed one again
 * at the next tick.
 *
 * An inode that has lost its last name stays for a grace period, as any mount may have it open. The coordinator asks
 * all sessions about such inodes, many at a time, in its answers to their heartbeats. A mount holds the ones that it
 * has open (OP_HOLD) and confirms that with a heartbeat. When every session has confirmed or ended, the grace of those
 * inodes ends (OP_GRACE_END). The notices are not logged: a new leader asks again.
 *
 * It places only once every store that is alive has told all regions that it leads. Steps of many regions are under way
 * at a time, beside its operations.
 *
 * It splits regions that any store leads, for administrators and where the store reports that one is over its size or too
 * busy: it draws the new region's id and asks the region's leader. A split is not one of its operations: one at a time is
 * under way beside them.
 *
 * All on one loop, except coordinator_beat.
 */
#ifndef RAFTKV_FS_CLUSTER_COORDINATOR_H
#define RAFTKV_FS_CLUSTER_COORDINATOR_H

#include "fs/client/dispatcher.h"
#include "fs/cluster/balance.h"
#include "fs/cluster/placement.h"
#include "fs/cluster/region_table.h"
#include "fs/cluster/session_table.h"
#include "fs/cluster/store_table.h"
#include "proto/status.h"
#include "store/raftkv.h"

#define COORDINATOR_EXPIRY_MS	5000u /* the default */
#define COORDINATOR_DEAD_S	600u /* the default */
#define COORDINATOR_STORE_MOVES 4u /* the default */
#define COORDINATOR_SCATTER_MAX 65536u /* regions that a request may name */

struct coordinator;

struct coordinator_options {
	struct raftkv *raftkv; /* outlives the coordinator */
	struct env_loop *loop;
	/* Reaches the leader of any region; on the same loop; outlives the coordinator. NULL: there is only region 1, and
	 * ADMIN_SPLIT never comes. */
	struct dispatcher *peers;
	const struct logger *logger;
	uint32_t expiry_ms; /* of a silent session; 0: the default */
	uint32_t replicas; /* placement.replicas */
	uint32_t dead_after_s; /* a store that is silent for so long is dead (balance.h); 0: the default */
	uint32_t store_moves; /* balance_options.moves_per_store; 0: the default */
	/* The addresses of stores 1, 2, … of the initial cluster: shared. */
	const char *const *stores;
	uint32_t store_count;
	/* Called for each store on record, each time that the records have been read; may be NULL. */
	void (*found)(void *argument, const struct store_entry *entry);
	void *found_argument;
};

/* NULL: no memory. */
struct coordinator *coordinator_new(const struct coordinator_options *options);
void coordinator_free(struct coordinator *coordinator); /* not started, or stopped; may be NULL */
void coordinator_start(struct coordinator *coordinator);
/* Before the store stops, or while it does; `stopped` may come from inside the call. */
void coordinator_stop(struct coordinator *coordinator, void (*stopped)(void *argument), void *argument);

/* A heartbeat of a session that has answered the notices up to `answered`. 0, and `notice` is the one to answer
 * (session_table.h; the caller's reference); STATUS_NOT_LEADER: ask region 1's leader; STATUS_SESSION_UNKNOWN: the
 * session is ending or has ended. Any thread. */
int coordinator_beat(
	struct coordinator *coordinator, uint64_t session, uint64_t answered, struct session_notice *notice);

/* A store's report, whose regions are taken, too, if they are for this coordinator's term. 0, and `*id` is its id;
 * -EAGAIN: the store is not entered yet, and should report again soon; STATUS_NOT_LEADER; -ESTALE: the store was lost or
 * removed, a greater incarnation is on record, or another directory; -EEXIST: the address is that of store `*id`;
 * -ENOSPC: too many stores. */
int coordinator_report(struct coordinator *coordinator, const struct store_report *report, uint64_t *id);

/* ---- Administrators' requests ---- */

enum admin_kind {
	ADMIN_SET_STORE, /* sets a store's state and replacement */
	ADMIN_ADD_PEER, /* adds a learner of the region on the store */
	ADMIN_PROMOTE_PEER, /* makes that learner a voter; -EAGAIN: it has not caught up */
	ADMIN_REMOVE_PEER,
	ADMIN_TRANSFER, /* starts a leadership transfer to the store; `done` does not wait for its end */
	ADMIN_SPLIT, /* splits a region, whichever store leads it */
	ADMIN_SET_CLUSTER, /* sets a setting of the cluster, or goes back to the stores' own */
	ADMIN_SCATTER, /* begins to spread regions over the stores (balance_scatter); `done` does not wait for its end */
};

/* Embedded in its owner; the coordinator's until `done`, which is called once, later or from inside
 * coordinator_take_admin. A refusal has a sentence. STATUS_NOT_LEADER: ask region 1's leader. -EAGAIN: ask again soon.
 * STATUS_STALE_COMMAND, of ADMIN_SPLIT alone: whether it was done is unknown, and asking again for the same key is safe. */
struct admin_request {
	enum admin_kind kind;
	uint64_t store;
	enum store_state state;
	uint64_t replacement;
	uint64_t region;
	/* ADMIN_SET_CLUSTER: */
	enum cluster_setting setting;
	bool is_set;
	uint64_t value; /* if is_set */
	bool is_forced; /* drains a store even if no other store can take its replicas */
	bool is_dry; /* checks the request and does nothing */
	/* ADMIN_SPLIT: where the new region begins; in_middle: any key of the region, and the store that leads it chooses
	 * where. Out: where it was split, or would be. */
	struct fs_key key;
	bool in_middle;
	/* ADMIN_SCATTER: ids, in their order, COORDINATOR_SCATTER_MAX at most; none: all regions. */
	const uint64_t *regions;
	uint32_t region_count;
	/* Out, of ADMIN_SPLIT: `region` was split, or would be. */
	uint64_t new_region; /* 0: none was made */
	void (*done)(struct admin_request *request, const struct status *status);
	struct admin_request *next; /* the coordinator's */
};
void coordinator_take_admin(struct coordinator *coordinator, struct admin_request *request);

/* ---- Status ---- */

/* A region, as its leader described it. */
struct coordinator_region {
	uint64_t id;
	struct region_epoch epoch;
	uint64_t leader; /* replica */
	uint64_t last_index;
	uint32_t member_count;
	struct region_member members[REGION_PEERS_MAX];
};

struct coordinator_session {
	uint64_t id;
	enum session_state state;
	uint32_t pid;
	char host[64]; /* truncated if longer */
	char mount_point[128]; /* truncated if longer */
	uint64_t opened_s; /* since 1970 */
};

/* The room for file data, in bytes. */
struct coordinator_room {
	uint64_t total;
	uint64_t free;
	uint64_t inodes; /* how many there are, by the last reports of the stores; 0: unknown */
};
/* The file data that the cluster can take, from the last reports of the stores. Where the regions are on no more stores
 * than region 1 has voters: the least free room in the majority of its voters that have most, as a write needs a
 * majority. Else the room of all stores that have regions, divided by that number of voters. False: this store does not
 * coordinate the cluster, or a majority has not reported yet. */
bool coordinator_room(struct coordinator *coordinator, struct coordinator_room *room);

/* Borrowed until the loop's next event. False: this store does not coordinate the cluster, or has not read the records
 * yet. */
struct coordinator_overview {
	uint64_t term;
	uint64_t since; /* env_now when the coordinator saw that term begin */
	const struct store_table *stores;
	const struct region_table *regions;
	const struct coordinator_session *sessions;
	uint32_t session_count;
	/* Those in force, and whether an administrator has set them. */
	struct cluster_settings settings;
	struct balance_excess excess;
	uint64_t excess_age; /* ns for which it has not shrunk (imbalance.h) */
	bool is_scattering; /* regions are being spread, for an administrator */
	uint32_t scatter_left; /* balance_scatter_left */
	bool is_partial; /* a store that may be alive has not told its regions, or has replicas of others */
};
bool coordinator_look(struct coordinator *coordinator, struct coordinator_overview *overview);
/* Calls `each` for each region whose placement does not rest: PLACEMENT_STUCK: it is to leave a store, or has too few
 * voters, and no store can take it. `max` at most. Where this store does not coordinate the cluster there are none. */
void coordinator_each_step(struct coordinator *coordinator, uint32_t max,
	void (*each)(void *argument, uint64_t region, enum placement_kind step), void *argument);

#endif
