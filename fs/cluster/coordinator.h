/*
 * coordinator.h: what one store of a cluster does for all of it. Every store has a coordinator; the one on the store that leads
 * region 1 works, the others watch whether they lead.
 *
 * A new leader makes the root directory of a new filesystem, enters the first stores, and reads the records of sessions
 * and stores. Each session then has a full period; time without a leader does not count, nor does time in which this
 * process did not run. From then on it takes the mounts' heartbeats and the stores' reports (in memory alone), enters
 * stores that come or come back, does what administrators ask for (admin_request), ends sessions that were silent for
 * longer than a period or were closed (in the steps of op.h, which may all be repeated by the next leader), moves
 * replicas to where they are to be (placement.h), and gives back the space of truncated and removed files. One operation
 * at a time; what fails is tried again at the next tick.
 *
 * What has lost its last name stays for a while, as any mount may have it open. The coordinator asks all sessions about such
 * inodes, many at a time, in its answers to their heartbeats. A mount has those kept for itself that it has open
 * (OP_HOLD) and then says, with a heartbeat, that it has; when all have said so, or have ended, the grace of those inodes
 * ends (OP_GRACE_END). Who asks is not logged: a new leader asks anew.
 *
 * A cluster has one region so far: what goes to every region goes to region 1; and the regions that are looked after are
 * those that this store leads.
 *
 * All on one loop, but for coordinator_beat.
 */
#ifndef RAFTKV_FS_CLUSTER_COORDINATOR_H
#define RAFTKV_FS_CLUSTER_COORDINATOR_H

#include "fs/cluster/placement.h"
#include "fs/cluster/session_table.h"
#include "fs/cluster/store_table.h"
#include "proto/status.h"
#include "store/raftkv.h"

#define COORDINATOR_EXPIRY_MS 5000u /* the default */

struct coordinator;

struct coordinator_options {
	struct raftkv *raftkv; /* outlives the coordinator */
	struct env_loop *loop;
	const struct logger *logger;
	uint32_t expiry_ms; /* of a silent session; 0: the default */
	uint32_t replicas; /* wanted, as placement.h has it */
	/* The addresses of stores 1, 2, … as the cluster began: shared. */
	const char *const *stores;
	uint32_t store_count;
	/* What is on record of a store, each time that the records are read; may be NULL. */
	void (*found)(void *argument, const struct store_entry *entry);
	void *found_argument;
};

/* NULL: no memory. */
struct coordinator *coordinator_new(const struct coordinator_options *options);
void coordinator_free(struct coordinator *coordinator); /* not started, or stopped; may be NULL */
void coordinator_start(struct coordinator *coordinator);
/* Before the store stops, or while it does; `stopped` may come from inside the call. */
void coordinator_stop(struct coordinator *coordinator, void (*stopped)(void *argument), void *argument);

/* A session's sign of life; it has answered the notices up to `answered`. 0, and what it is asked (session_table.h; the
 * caller's reference); STATUS_NOT_LEADER: ask region 1's leader; STATUS_SESSION_UNKNOWN: it has ended. Any thread. */
int coordinator_beat(
	struct coordinator *coordinator, uint64_t session, uint64_t answered, struct session_notice *notice);

/* A store's sign of life. 0, and `*id` is its id; -EAGAIN: it is being entered, and should come again soon;
 * STATUS_NOT_LEADER; -ESTALE: it stays out, for it was lost or removed, or a later life of it has been here; -EEXIST: the
 * address is that of store `*id`; -ENOSPC: too many. */
int coordinator_report(struct coordinator *coordinator, const struct store_report *report, uint64_t *id);

/* ---- What administrators ask for ---- */

enum admin_kind {
	ADMIN_SET_STORE, /* its state, and its replacement */
	ADMIN_ADD_PEER, /* of a region on a store: a learner */
	ADMIN_PROMOTE_PEER, /* that learner to a voter, once it has caught up (-EAGAIN) */
	ADMIN_REMOVE_PEER,
	ADMIN_TRANSFER, /* the leadership to the store; what comes of it is seen later */
};

/* Embedded in its owner, and the coordinator's until `done`, which comes once, later or from inside a call. A refusal has a
 * sentence. STATUS_NOT_LEADER: ask region 1's leader. */
struct admin_request {
	enum admin_kind kind;
	uint64_t store;
	enum store_state state;
	uint64_t replacement;
	uint64_t region;
	bool is_forced; /* drains a store though there is no other for what it has */
	bool is_dry; /* says what would be refused, and does nothing */
	void (*done)(struct admin_request *request, const struct status *status);
	struct admin_request *next; /* the coordinator's */
};
void coordinator_take_admin(struct coordinator *coordinator, struct admin_request *request);

/* ---- Looking ---- */

/* A region that was looked after. */
struct coordinator_region {
	uint64_t id;
	struct placement_step step; /* the next one, as it was then */
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
	char host[64]; /* cut, as is the next */
	char mount_point[128];
	uint64_t opened_s; /* since 1970 */
};

/* The room for file data, in bytes. */
struct coordinator_room {
	uint64_t total;
	uint64_t free;
};
/* What region 1 can take, by what the stores of its voters last said: the least of the roomiest majority, for that is
 * what a write needs. False: this store does not keep the cluster, or has not heard of a majority yet. */
bool coordinator_room(struct coordinator *coordinator, struct coordinator_room *room);

/* What the coordinator knows, borrowed until the loop turns. False: this store does not keep the cluster, or not yet. */
struct coordinator_overview {
	uint64_t term;
	uint64_t since; /* env_now, when it began */
	const struct store_table *stores;
	const struct coordinator_region *regions;
	uint32_t region_count;
	const struct coordinator_session *sessions;
	uint32_t session_count;
};
bool coordinator_look(struct coordinator *coordinator, struct coordinator_overview *overview);

#endif
