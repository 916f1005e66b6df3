/* The coordinator's struct and the functions that its files share (coordinator.h). */
#ifndef RAFTKV_FS_CLUSTER_COORDINATOR_INTERNAL_H
#define RAFTKV_FS_CLUSTER_COORDINATOR_INTERNAL_H

#include "fs/schema/ino_ranges.h"
#include "fs/cluster/balance.h"
#include "fs/client/dispatcher.h"
#include "fs/cluster/coordinator.h"
#include "fs/cluster/imbalance.h"
#include "fs/cluster/region_step.h"
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
	struct cluster_settings settings;
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

#define REGION_MOVES_MAX 64u /* at a time */
#define HELD_MAX	 16u

/* A region that is being placed (coordinator_moves.c): its leader describes it, and takes a step, until it is done. */
struct region_move {
	struct coordinator *coordinator;
	enum {
		MOVE_FREE,
		MOVE_RESTS, /* until `due` */
		MOVE_ASKS, /* for the description */
		MOVE_NEEDS_ID,
		MOVE_DRAWS, /* the replica's id, by the coordinator's operation */
		MOVE_STEPS,
	} state;
	bool is_dropped; /* nobody waits for it: it ends with its request */
	struct admin_request *request; /* the one step that an administrator asked for; NULL: `goal` */
	struct placement_goal goal;
	uint64_t begun; /* env_now */
	uint64_t heard; /* env_now of its leader's last answer */
	uint64_t due; /* env_now */
	uint64_t store; /* that is asked */
	uint32_t refusals; /* of steps, since the last one that was taken */
	struct coordinator_region region;
	struct placement_step step;

	/* The request under way, here or to another store. */
	struct region_step here;
	struct cluster_request call;
	Raftkv__RegionStepRequest message;
	Raftkv__Epoch epoch;
	char address[RECORD_ADDRESS_SIZE_MAX + 1];
};

/* All regions, and what is done to place them. */
struct places {
	struct region_table table;
	struct balance *balance;
	struct imbalance imbalance;
	uint64_t looked; /* env_now when it was looked whether the balance is to be asked; 0: not yet */
	uint64_t asked; /* env_now when the balance was asked last, of a table and stores like these: */
	uint64_t asked_version; /* region_table.version */
	uint64_t asked_stores; /* digest_of_stores */
	struct region_move moves[REGION_MOVES_MAX];
	/* Regions whose members an administrator changes: what has no vote there waits for the next request. */
	struct {
		uint64_t region, until;
	} held[HELD_MAX];
	uint32_t next_held;
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
	struct cluster_settings settings; /* that are set */
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
	struct places *places;

	struct splitting splitting;

	/* The request under way. */
	bool is_busy; /* there is one */
	struct op op; /* the operation that was asked for last */
	uint64_t op_term; /* in which the request was made; an answer in a later term is not used */
	struct raftkv_write write;
	struct raftkv_read read;
	struct raftkv_snapshot *snapshot;
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

/* coordinator_settings.c. The value in force. */
uint64_t coordinator_setting(const struct coordinator *coordinator, enum cluster_setting setting);
/* Gives the balance those in force. */
void coordinator_use_settings(struct coordinator *coordinator);
/* Those that are set, as they were read. */
void coordinator_take_settings(struct coordinator *coordinator, const struct cluster_settings *settings);
/* Takes the administrator's request. */
void coordinator_make_setting(struct coordinator *coordinator, struct admin_request *request);

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
void coordinator_split_wished(struct coordinator *coordinator, uint64_t dirid);
bool coordinator_draw_region(struct coordinator *coordinator);
void coordinator_on_drawn(struct coordinator *coordinator, uint64_t number);
/* The operation under way failed: nothing happens, unless it draws an id. */
void coordinator_on_undrawn(struct coordinator *coordinator, const struct status *status);
/* Ends what waits for an id or for another store. */
void coordinator_drop_split(struct coordinator *coordinator, int code);

/* coordinator_regions.c: what is known of the regions. */
void coordinator_take_regions(struct coordinator *coordinator, const struct store_report *report);
/* Has every store that is alive told all regions that it leads? */
bool coordinator_is_ready(struct coordinator *coordinator);
/* 0, or -EAGAIN: it is not. */
int coordinator_check_ready(struct coordinator *coordinator, struct status *status);
/* And is every replica on such a store one of a known region, so that no region is unknown that can be? */
bool coordinator_is_whole(struct coordinator *coordinator);
/* Fills in store_entry.replicas. */
void coordinator_count_replicas(struct coordinator *coordinator);

/* coordinator_places.c. */
bool coordinator_place(struct coordinator *coordinator);
/* The input of placement.h: the region's members and all stores. It borrows `stores`, which has room for
 * STORE_COUNT_MAX. */
struct placement coordinator_placement(struct coordinator *coordinator,
	const struct coordinator_region *region, struct placement_store *stores);
void coordinator_hold(struct coordinator *coordinator, uint64_t region);
/* Takes the request. */
void coordinator_begin_scatter(struct coordinator *coordinator, struct admin_request *request);

/* coordinator_moves.c. */
/* Begins what the balance chose; false: there is no room for it, or the region's leader is not known. */
bool coordinator_begin_move(struct coordinator *coordinator, const struct balance_operation *operation);
/* Takes the administrator's request, which changes a region's members. */
void coordinator_begin_change(struct coordinator *coordinator, struct admin_request *request);
uint32_t coordinator_free_moves(const struct coordinator *coordinator);
const struct region_move *coordinator_find_move(const struct coordinator *coordinator, uint64_t region);
/* Goes on with those that have rested. True: the coordinator's operation is under way. */
bool coordinator_move_on(struct coordinator *coordinator);
void coordinator_on_allocated(struct coordinator *coordinator, uint64_t id);
/* The operation under way failed: nothing happens, unless it draws a replica's id. */
void coordinator_on_unallocated(struct coordinator *coordinator);
void coordinator_drop_moves(struct coordinator *coordinator, int code);
bool coordinator_has_moves(const struct coordinator *coordinator); /* whose requests are under way */

/* coordinator_admin.c: the step that the request asks for, of a region as its leader describes it. 0, or the refusal. */
int coordinator_plan(struct coordinator *coordinator, const struct admin_request *request,
	const struct coordinator_region *region, struct placement_step *step, struct status *status);

#endif
