/* What the files of the coordinator share (coordinator.h). */
#ifndef RAFTKV_FS_CLUSTER_COORDINATOR_INTERNAL_H
#define RAFTKV_FS_CLUSTER_COORDINATOR_INTERNAL_H

#include "fs/schema/ino_ranges.h"
#include "fs/cluster/coordinator.h"
#include "fs/schema/op.h"
#include "fs/cluster/session_table.h"
#include "fs/reclaim_pace.h"
#include "proto/container.h"
#include "proto/units.h"

#define REVIEW_NS (1000 * NS_PER_MS) /* the records are read this often */

/* What the records say, as a worker has read them. */
struct review {
	uint64_t last; /* id of a session */
	uint32_t session_count;
	struct coordinator_session sessions[SESSION_COUNT_MAX];
	uint32_t store_count;
	struct store_entry stores[STORE_COUNT_MAX];
	bool wants_nameless; /* in: they are to be read, too */
	struct ino_ranges nameless; /* the first of those that have grace */
};

/* The inodes whose grace is to end: first the sessions are asked, then it ends. */
struct grace {
	enum { GRACE_IDLE, GRACE_ASKING, GRACE_ENDING } state;
	uint64_t asked; /* env_now */
	uint32_t notices; /* of this term */
	struct ino_ranges inodes;
	uint32_t range, offset; /* of the first whose grace has not ended */
	uint32_t sent; /* of them, in the operation that is on its way */
	uint8_t bytes[OP_GRACE_END_COUNT_MAX * sizeof(uint64_t)]; /* its inodes */
};

/* A look at each region, one after the other. */
struct pass {
	bool is_running;
	bool is_whole; /* no region was left out */
	uint32_t count, capacity;
	struct coordinator_region *regions;
	uint32_t next; /* that is looked at */
	uint64_t ended; /* env_now */
};

struct coordinator {
	struct coordinator_options options;
	struct env *env;
	struct session_table table;
	struct store_table stores;
	struct env_timer timer;
	uint64_t tick_ns;
	uint64_t ticked; /* env_now */
	uint64_t term; /* of the leadership; 0: another store leads */
	uint64_t since; /* env_now: when it began */

	/* The work of this term. */
	uint32_t prepared; /* steps: the root, then each of the first stores */
	uint64_t reviewed; /* env_now; 0: not yet in this term */
	uint64_t ending; /* the session that is being ended, and */
	enum op_kind end_step; /* what it needs next, */
	uint64_t end_from; /* from this inode on */
	struct reclaim_pace reclaiming;
	struct grace *grace;

	/* Stores. */
	bool is_entering; /* `entrance` is to be entered, */
	struct store_report entrance;
	struct store_report refused; /* the last one that was, with this: */
	int refusal;
	struct admin_request *requests, **requests_end;
	struct admin_request *request; /* that is being made */
	struct pass pass, seen; /* that goes on; the last one that ended */
	bool is_pass_stale, is_seen_stale; /* members have changed since it looked */
	uint64_t step_region; /* whose step is being made, */
	uint64_t step_conf_version; /* for this membership */
	struct placement_step step;

	/* What is on its way. */
	bool is_busy;
	struct op op;
	uint64_t op_term; /* in which it was asked: a later one knows nothing of it */
	struct raftkv_write write;
	struct raftkv_read read;
	struct raftkv_snapshot *snapshot;
	struct raftkv_region_status region;
	struct raftkv_change change;
	struct env_work work;
	struct review *review, *reviewing; /* the last one; the one that is being read */
	int review_status;

	bool is_stopping;
	void (*stopped)(void *argument);
	void *stopped_argument;
};

/* coordinator.c. What goes on is told by is_busy; its end calls coordinator_go_on. */
void coordinator_run(struct coordinator *coordinator, const struct op *op);
/* Nothing is on its way any more: goes on, or ends. */
void coordinator_go_on(struct coordinator *coordinator);

/* coordinator_records.c: reads the records. */
void coordinator_review(struct coordinator *coordinator);

/* coordinator_sessions.c. False: there is nothing to do. */
bool coordinator_end_sessions(struct coordinator *coordinator);
void coordinator_on_session_step(
	struct coordinator *coordinator, const struct op *op, const struct op_reply *reply);

/* coordinator_grace.c. */
void coordinator_begin_grace(struct coordinator *coordinator); /* the records have been read */
bool coordinator_end_grace(struct coordinator *coordinator);
void coordinator_on_grace_ended(struct coordinator *coordinator);

/* coordinator_room.c: how much this store holds when another one reports. */
void coordinator_note_use(struct coordinator *coordinator, struct store_entry *entry);

/* coordinator_stores.c. */
bool coordinator_enter_store(struct coordinator *coordinator);
void coordinator_on_entered(struct coordinator *coordinator, int error, uint64_t id);

/* coordinator_admin.c. */
bool coordinator_make_admin(struct coordinator *coordinator);
void coordinator_finish_admin(
	struct coordinator *coordinator, const struct status *status); /* if one is being made */
void coordinator_drop_admin(struct coordinator *coordinator, int code);

/* coordinator_places.c. */
bool coordinator_place(struct coordinator *coordinator);
/* Makes `coordinator->step`. */
void coordinator_take_step(struct coordinator *coordinator);
void coordinator_on_allocated(struct coordinator *coordinator, uint64_t id);
/* The region's membership and the stores, for placement.h; `stores` has room for STORE_COUNT_MAX. */
struct placement coordinator_placement(struct coordinator *coordinator,
	const struct coordinator_region *region, struct placement_store *stores);

#endif
