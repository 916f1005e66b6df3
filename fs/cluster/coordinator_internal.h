/* The coordinator's struct and the functions that its files share (coordinator.h). */
#ifndef RAFTKV_FS_CLUSTER_COORDINATOR_INTERNAL_H
#define RAFTKV_FS_CLUSTER_COORDINATOR_INTERNAL_H

#include "fs/schema/ino_ranges.h"
#include "fs/client/dispatcher.h"
#include "fs/cluster/coordinator.h"
#include "fs/schema/op.h"
#include "fs/cluster/session_table.h"
#include "proto/container.h"
#include "proto/units.h"

#define REVIEW_NS (1000 * NS_PER_MS) /* between two readings of the records */

/* The records of sessions and stores, filled on a worker. */
struct review {
	uint64_t last; /* the session id that was drawn last */
	uint32_t session_count;
	struct coordinator_session sessions[SESSION_COUNT_MAX];
	uint32_t store_count;
	struct store_entry stores[STORE_COUNT_MAX];
	bool wants_nameless; /* in: read `nameless`, too */
	struct ino_ranges nameless; /* the first inodes of region 1 that have grace, as many as fit */
};

/* The registrations of a session, in their order. */
struct registrations {
	uint64_t session;
	uint32_t count;
	struct registration ranges[REGISTRATIONS_MAX];
};

/* The session that is being ended: coordinator_sessions.c. */
struct session_ending {
	uint64_t session; /* 0: none */
	uint64_t last; /* the session that was begun with last: the next one is looked for behind it */
	enum op_kind step; /* the next operation; 0: its registrations are to be read */
	struct registrations registrations;
	uint32_t index; /* of the registration whose regions are being asked */
	uint64_t dirid; /* `step` goes to the region that has it */
	uint64_t from; /* op_session_end.from */
	uint64_t pause_end; /* env_now; 0: no pause */
};

/* A request to the leader of a region, which may be on another store. */
struct coordinator_request {
	bool is_under_way;
	struct op op; /* its bytes stay until the answer */
	uint64_t term; /* of region 1, in which the request was made */
	struct cluster_request request;
};

/* The inodes whose grace is to end. The sessions are asked first; the grace ends after all have answered. */
struct grace {
	enum { GRACE_IDLE, GRACE_ASKING, GRACE_ENDING } state;
	uint64_t asked; /* env_now when the sessions were asked */
	uint32_t notices; /* sent in this term */
	struct ino_ranges reported; /* inodes of other regions that have grace, from the stores' reports */
	struct ino_ranges joined; /* scratch */
	struct ino_ranges inodes;
	struct ino_position position; /* of the first whose grace has not ended */
	uint32_t sent; /* inodes in the OP_GRACE_END under way */
	uint64_t first; /* the dirid of the first of them */
	uint8_t bytes[OP_GRACE_END_COUNT_MAX * sizeof(uint64_t)]; /* the inodes of that operation */
};

/* One reading of the status of each region, region after region. */
struct pass {
	bool is_running;
	bool is_whole; /* the status of every region could be read */
	uint32_t elsewhere; /* regions that this store has a replica of and does not lead */
	uint32_t count, capacity;
	struct coordinator_region *regions;
	uint32_t next; /* index of the region whose status is read next */
	uint64_t ended; /* env_now when the last pass ended; 0: the next one is due at once */
};

/* The split of a region (coordinator_split.c). */
struct splitting {
	enum {
		SPLITTING_NOTHING,
		SPLITTING_ASKS, /* whether the region may be split, and where */
		SPLITTING_NEEDS_ID,
		SPLITTING_DRAWS, /* the id, by the coordinator's operation */
		SPLITTING_SPLITS,
	} state;
	struct admin_request *request; /* that asked for it */
	struct cluster_request call; /* ASKS, SPLITS */
	struct admin_request own; /* where no administrator asks for it */
};

struct coordinator {
	struct coordinator_options options;
	struct env *env;
	struct session_table table;
	struct store_table stores;
	struct env_timer timer;
	uint64_t tick_ns;
	uint64_t ticked; /* env_now of the last tick */
	uint64_t term; /* in which this store leads region 1; 0: another store leads */
	uint64_t since; /* env_now when the coordinator saw that term begin */

	/* The work of this term. */
	uint32_t prepared; /* steps that are done: the root directory, then each of the first stores */
	uint64_t reviewed; /* env_now of the last reading of the records; 0: the next one is due at once */
	struct session_ending ending;
	struct registrations reading; /* filled by a worker */
	struct coordinator_request asked;
	struct grace *grace;

	/* Stores. */
	bool is_entering; /* `entrance` waits for OP_STORE_ENTER or for its answer */
	struct store_report entrance; /* of the store that is being entered */
	struct store_report refused; /* the last report whose store was refused */
	int refusal; /* why `refused` was, -errno; 0: none was in this term */
	struct admin_request *requests, **requests_end; /* the queue */
	struct admin_request *request; /* the one that is being carried out; NULL: none */
	struct pass pass, seen; /* the pass under way; the last one that ended */
	bool is_pass_stale, is_seen_stale; /* members have changed since that pass began */
	uint64_t step_region; /* the region of `step` */
	uint64_t step_conf_version; /* the conf_version that `step` was planned for */
	struct placement_step step; /* the step that is being taken */

	struct splitting splitting;

	/* The request under way. */
	bool is_busy; /* there is one */
	struct op op; /* the operation that was asked for last */
	uint64_t op_term; /* in which the request was made; an answer in a later term is not used */
	struct raftkv_write write;
	struct raftkv_read read;
	struct raftkv_snapshot *snapshot;
	struct raftkv_region_status region;
	struct raftkv_change change;
	struct env_work work;
	void (*look)(struct coordinator *coordinator, struct view *view); /* on a worker */
	void (*looked)(struct coordinator *coordinator);
	struct review *review, *reviewing; /* the last one; the one that a worker fills */
	int look_status;

	bool is_stopping;
	void (*stopped)(void *argument);
	void *stopped_argument;
};

/* coordinator.c. Sends the operation to region 1 and sets is_busy until the answer. coordinator_go_on follows a
 * success, the next tick a failure. */
void coordinator_run(struct coordinator *coordinator, const struct op *op);
/* The same for the region that has the dirid, beside all that is under way: while asked.is_under_way is set there may be
 * no other. So what waits for a region that nobody leads keeps nothing else from being done. */
void coordinator_ask(struct coordinator *coordinator, const struct op *op, uint64_t dirid);
/* Unless a request is under way: starts the next one, or calls `stopped` when stopping. */
void coordinator_go_on(struct coordinator *coordinator);

/* coordinator_records.c: reads the records. */
void coordinator_review(struct coordinator *coordinator);
/* Reads region 1, and sets is_busy meanwhile: `look` on a worker, which sets look_status; then `looked`, unless the term
 * has ended or the reading failed. coordinator_go_on follows a success, the next tick a failure. */
void coordinator_read(struct coordinator *coordinator,
	void (*look)(struct coordinator *coordinator, struct view *view),
	void (*looked)(struct coordinator *coordinator));

/* coordinator_sessions.c. False: there is nothing to do. */
bool coordinator_end_sessions(struct coordinator *coordinator);
void coordinator_on_session_step(
	struct coordinator *coordinator, const struct op *op, const struct op_reply *reply);
/* A step in another region has failed: another session comes first. */
void coordinator_on_session_stuck(struct coordinator *coordinator);
/* A step waits for an operation across regions (STATUS_INCOMPLETE): all else comes first, and another session. */
void coordinator_on_session_waiting(struct coordinator *coordinator);

/* coordinator_grace.c. coordinator_begin_grace is called after each reading of the records. coordinator_note_nameless
 * takes those of a store's report. */
void coordinator_note_nameless(struct coordinator *coordinator, const struct ino_ranges *nameless);
void coordinator_begin_grace(struct coordinator *coordinator);
bool coordinator_end_grace(struct coordinator *coordinator);
void coordinator_on_grace_ended(struct coordinator *coordinator, const struct op_reply *reply);

/* coordinator_room.c: notes how much file data this store holds when `entry`'s store reports. */
void coordinator_note_use(struct coordinator *coordinator, struct store_entry *entry);

/* coordinator_stores.c. */
bool coordinator_enter_store(struct coordinator *coordinator);
void coordinator_on_entered(struct coordinator *coordinator, int error, uint64_t id);

/* coordinator_admin.c. coordinator_finish_admin does nothing where no request is being carried out. */
bool coordinator_make_admin(struct coordinator *coordinator);
void coordinator_finish_admin(struct coordinator *coordinator, const struct status *status);
void coordinator_drop_admin(struct coordinator *coordinator, int code);

/* coordinator_split.c. coordinator_begin_split takes the request. */
void coordinator_begin_split(struct coordinator *coordinator, struct admin_request *request);
/* A store wishes that its region is split there: does so, unless another split is under way. */
void coordinator_split_oversize(struct coordinator *coordinator, uint64_t dirid);
bool coordinator_draw_region(struct coordinator *coordinator);
void coordinator_on_drawn(struct coordinator *coordinator, uint64_t number);
/* The operation under way failed: nothing happens, unless it draws an id. */
void coordinator_on_undrawn(struct coordinator *coordinator, const struct status *status);
/* Ends what waits for an id or for another store. */
void coordinator_drop_split(struct coordinator *coordinator, int code);

/* coordinator_places.c. */
bool coordinator_place(struct coordinator *coordinator);
/* Takes `coordinator->step`. */
void coordinator_take_step(struct coordinator *coordinator);
void coordinator_on_allocated(struct coordinator *coordinator, uint64_t id);
/* The input of placement.h: the region's members and all stores. It borrows `stores`, which has room for
 * STORE_COUNT_MAX. */
struct placement coordinator_placement(struct coordinator *coordinator,
	const struct coordinator_region *region, struct placement_store *stores);

#endif
