/*
 * requests.h: the requests of a store: writes, reads, and changes and descriptions of a region's members. Each is
 * embedded in its owner. raftkv.h has the calls.
 *
 * A request belongs to the store from its call until `done` begins, which comes exactly once, on the loop named in the
 * request.
 */
#ifndef RAFTKV_STORE_REQUESTS_H
#define RAFTKV_STORE_REQUESTS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/env.h"
#include "store/queues/queues.h"
#include "store/rows/region_change.h"

struct evaluation_task; /* evaluate_internal.h */
struct evaluations; /* evaluate.h */
struct peer; /* peer.h */
struct view; /* view.h */

/* ---- Writes ----------------------------------------------------------------------------------------------------- */

struct raftkv_write;
/* `reply` (NULL on an error other than STATUS_INCOMPLETE) is borrowed; share it to keep it. */
typedef void (*raftkv_write_cb)(struct raftkv_write *write, int status, struct buf *reply);

struct raftkv_write {
	/* The caller's, in: */
	uint64_t region;
	uint64_t epoch_version; /* the epoch version that the caller knows; 0: not compared */
	uint64_t session; /* 0: no exactly-once slot, for the store's own process */
	uint32_t slot;
	bool is_retry;
	/* Others wait for it: it is evaluated before all that is not, whatever holds those up, and room for it was
	 * found before. */
	bool is_urgent;
	uint64_t sequence;
	struct buf *body; /* shared; for the evaluator */
	struct buf *payload; /* shared; may be NULL */
	struct env_loop *loop;
	raftkv_write_cb done;
	/* Out, with an error: */
	/* With STATUS_NOT_LEADER, STATUS_STALE_COMMAND: the leader's store; 0: unknown. */
	uint64_t leader_store;
	struct region_epoch epoch; /* with STATUS_EPOCH_NOT_MATCH: the region's epoch on this store */
	/* The store's: */
	struct env_mail mail;
	struct raftkv_write *next; /* in a queue */
	uint64_t begun; /* env_now */
	struct raftkv_write *joined; /* later copies of the same request that share its answer */
	struct peer *peer;
	struct evaluations *evaluations; /* the queue that has it */
	struct proposal proposal; /* used while the entry is in the log */
	struct read_index_request confirm; /* used while an answer that logs nothing is being confirmed */
	struct evaluation_task *evaluation; /* set while parked for a row that was not in memory */
	size_t size; /* bytes proposed */
	struct buf *reply;
	int status;
};

/* ---- Reads ------------------------------------------------------------------------------------------------------ */

/* A consistent state of one region; it keeps extents from reuse, so hold it briefly. */
struct raftkv_snapshot;

struct raftkv_read;
/* `snapshot` (NULL on an error) belongs to the caller, who frees it with raftkv_snapshot_free. */
typedef void (*raftkv_read_cb)(struct raftkv_read *read, int status, struct raftkv_snapshot *snapshot);

struct raftkv_read {
	uint64_t region;
	uint64_t epoch_version;
	bool from_follower; /* a follower may answer, through a ReadIndex round with its leader */
	struct env_loop *loop;
	raftkv_read_cb done;
	/* Out, with an error, as in raftkv_write: */
	uint64_t leader_store;
	struct region_epoch epoch;
	/* The store's: */
	struct env_mail mail;
	struct peer *peer;
	struct read_index_request request;
	struct raftkv_snapshot *snapshot;
	int status;
};

/* Rows and objects of the snapshot. With `may_block` (on workers only) it never returns STATUS_WOULD_BLOCK. The view
 * lives as long as the snapshot, which several threads may share. */
struct view *raftkv_snapshot_view(struct raftkv_snapshot *snapshot, bool may_block);
void raftkv_snapshot_free(struct raftkv_snapshot *snapshot); /* any thread */

/* ---- Members ---------------------------------------------------------------------------------------------------- */

/*
 * Proposes a membership change on the region's leader. `done` gets 0 when the change has been applied here; a change of
 * several steps is then in its joint phase, which ends by itself. An added replica must have an id that was never used
 * in the region; the leader's first message creates it. A removed replica destroys itself.
 *
 * STATUS_NOT_LEADER; STATUS_EPOCH_NOT_MATCH (the membership has changed since); STATUS_CONF_CHANGE_INVALID (the change
 * is invalid, removes the leader's own vote or replica, or another change is under way); STATUS_REGION_NOT_FOUND;
 * STATUS_STALE_COMMAND (outcome unknown: ask raftkv_region_status); STATUS_LIMIT (busy: retry); STATUS_STOPPING.
 */
struct raftkv_change {
	uint64_t region;
	struct region_change change;
	struct env_loop *loop;
	void (*done)(struct raftkv_change *change, int status);
	/* Out: */
	uint64_t leader_store; /* with STATUS_NOT_LEADER: the leader's store; 0: unknown */
	struct region_epoch epoch; /* the region's epoch on this store when the request ended */
	/* The store's: */
	struct env_mail mail;
	struct peer *peer;
	struct proposal proposal;
	uint64_t conf_version;
	int status;
};

/*
 * Splits the region in two at `key`, on the region's leader. `done` gets 0 when both halves are there on this store.
 *
 * STATUS_NOT_LEADER; STATUS_EPOCH_NOT_MATCH (the region is not as `epoch` says); STATUS_KEY_NOT_IN_REGION (`key` is not
 * inside the region's range); -EINVAL (no region may begin at `key`); STATUS_CONF_CHANGE_INVALID (its membership is
 * changing); -EFBIG (its local rows exceed RAFTKV_SPLIT_LOCAL_MAX); STATUS_LIMIT (busy, or another split is under way:
 * retry); STATUS_REGION_NOT_FOUND; STATUS_STALE_COMMAND (outcome unknown: look for the new region); STATUS_STOPPING.
 */
#define RAFTKV_SPLIT_LOCAL_MAX (64u << 20) /* bytes of KEY_LOCAL rows, which are copied while it is applied */

struct raftkv_split {
	uint64_t region;
	struct region_epoch epoch; /* zeroes: the present one */
	uint64_t new_region; /* an id that no region has had */
	struct buf *key; /* shared */
	struct env_loop *loop;
	void (*done)(struct raftkv_split *split, int status);
	/* Out: */
	uint64_t leader_store; /* with STATUS_NOT_LEADER: the leader's store; 0: unknown */
	struct region_epoch now; /* the region's epoch on this store when the request ended */
	/* The store's: */
	struct env_mail mail;
	struct env_work work;
	struct peer *peer;
	struct proposal proposal;
	bool is_large;
	int status;
};

struct region_member {
	struct region_peer peer;
	/* Filled in by the leader alone: */
	uint64_t match; /* highest log index known to be on the replica */
	bool is_active; /* a message from it came lately */
	bool is_in_snapshot; /* the leader sends it a snapshot */
	bool wants_snapshot; /* the log cannot serve it: its disk is full, or its state is lost */
};

struct raftkv_region_status {
	uint64_t region;
	struct env_loop *loop;
	/* 0; STATUS_REGION_NOT_FOUND; STATUS_STOPPING. */
	void (*done)(struct raftkv_region_status *request, int status);
	/* Out, as this store's replica knows it: */
	struct region_epoch epoch;
	uint64_t replica; /* id of the replica on this store */
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

#endif
