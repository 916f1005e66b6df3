/*
 * requests.h: what is asked of a store, embedded in whoever asks: writes, reads, and changes and descriptions of a
 * region's members. raftkv.h has the calls.
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
/* `reply` (NULL on an error) is borrowed; share it to keep it. */
typedef void (*raftkv_write_cb)(struct raftkv_write *write, int status, struct buf *reply);

struct raftkv_write {
	/* The caller's, in: */
	uint64_t region;
	uint64_t epoch_version; /* the caller's idea; 0: do not compare */
	uint64_t session; /* 0: no exactly-once slot, for the store's own process */
	uint32_t slot;
	bool is_retry;
	uint64_t sequence;
	struct buf *body; /* shared; for the evaluator */
	struct buf *payload; /* shared; may be NULL */
	struct env_loop *loop;
	raftkv_write_cb done;
	/* Out, with an error: */
	uint64_t leader_store; /* STATUS_NOT_LEADER, STATUS_STALE_COMMAND: where the leader is; 0: unknown */
	struct region_epoch epoch; /* STATUS_EPOCH_NOT_MATCH: the region's, here */
	/* The store's: */
	struct env_mail mail;
	struct raftkv_write *next; /* in a queue */
	uint64_t begun; /* env_now */
	struct raftkv_write *joined; /* later copies of the same request that share its answer */
	struct peer *peer;
	struct evaluations *evaluations; /* that it was queued with */
	struct proposal proposal; /* while in the log */
	struct read_index_request confirm; /* while an answer that logs nothing is being confirmed */
	struct evaluation_task *evaluation; /* once a row was not in memory */
	size_t size; /* bytes proposed */
	struct buf *reply;
	int status;
};

/* ---- Reads ------------------------------------------------------------------------------------------------------ */

struct raftkv_snapshot; /* a consistent state of one region; refers to blocks: keep it briefly */

struct raftkv_read;
/* `snapshot` (NULL on an error) is the caller's: raftkv_snapshot_free. */
typedef void (*raftkv_read_cb)(struct raftkv_read *read, int status, struct raftkv_snapshot *snapshot);

struct raftkv_read {
	uint64_t region;
	uint64_t epoch_version;
	bool from_follower; /* a follower may answer, through a ReadIndex round with its leader */
	struct env_loop *loop;
	raftkv_read_cb done;
	/* Out, with an error, as a write's: */
	uint64_t leader_store;
	struct region_epoch epoch;
	/* The store's: */
	struct env_mail mail;
	struct peer *peer;
	struct read_index_request request;
	struct raftkv_snapshot *snapshot;
	int status;
};

/* Rows and objects of the snapshot. With `may_block` never STATUS_WOULD_BLOCK: for workers. The view lives as long as
 * the snapshot, which several threads may share. */
struct view *raftkv_snapshot_view(struct raftkv_snapshot *snapshot, bool may_block);
void raftkv_snapshot_free(struct raftkv_snapshot *snapshot); /* any thread */

/* ---- Members ---------------------------------------------------------------------------------------------------- */

/*
 * On the region's leader: proposes the change; `done` with 0 when it has been applied here. A change of several steps is
 * then in its joint phase, which ends by itself. The id of a replica that is added was never used in the region. A
 * replica that is added is made by the leader's first message; one that is removed destroys itself.
 *
 * STATUS_NOT_LEADER; STATUS_EPOCH_NOT_MATCH (the membership is another one by now); STATUS_CONF_CHANGE_INVALID (it makes
 * no sense, takes the vote or the leader's own replica away, or another change is under way); STATUS_REGION_NOT_FOUND;
 * STATUS_STALE_COMMAND (outcome unknown: look); STATUS_STOPPING.
 */
struct raftkv_change {
	uint64_t region;
	struct region_change change;
	struct env_loop *loop;
	void (*done)(struct raftkv_change *change, int status);
	/* Out: */
	uint64_t leader_store; /* STATUS_NOT_LEADER: where the leader is; 0: unknown */
	struct region_epoch epoch; /* the region's, here, then */
	/* The store's: */
	struct env_mail mail;
	struct peer *peer;
	struct proposal proposal;
	uint64_t conf_version;
	int status;
};

struct region_member {
	struct region_peer peer;
	/* Only the leader knows: */
	uint64_t match; /* the log up to here is there */
	bool is_active; /* heard of lately */
	bool is_in_snapshot; /* waits for one */
	bool wants_snapshot; /* and there is none that it could take: its disk is full, or it has lost what it had */
};

struct raftkv_region_status {
	uint64_t region;
	struct env_loop *loop;
	/* 0; STATUS_REGION_NOT_FOUND; STATUS_STOPPING. */
	void (*done)(struct raftkv_region_status *request, int status);
	/* Out, as this store's replica sees it: */
	struct region_epoch epoch;
	uint64_t replica; /* this one's id */
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
