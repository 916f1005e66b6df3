/*
 * cluster_request.h: one request of a remote client to the cluster: its content, its destination, and its attempts. A
 * dispatcher (dispatcher.h) runs it. Its maker embeds it and gets it back with `done`.
 *
 * At any time a request waits for one thing: a slot, routes, its turn on a link, an answer, or the end of the pause
 * before the next attempt.
 */
#ifndef RAFTKV_FS_CLIENT_CLUSTER_REQUEST_H
#define RAFTKV_FS_CLIENT_CLUSTER_REQUEST_H

#include "fs/schema/keys.h"
#include "proto/rpc.h"

#define CLUSTER_ROUTES_MAX 256u /* regions that are asked for at once */

struct dispatcher;
struct store_link;
struct cluster_request;

enum cluster_request_kind {
	CLUSTER_REQUEST_READ, /* `body`: a question (question.h) */
	CLUSTER_REQUEST_CHANGE, /* `body`: an op (op.h); takes a slot of the session */
	CLUSTER_REQUEST_SESSION, /* `body`: an op that takes no slot: one of sessions, or between stores */
	CLUSTER_REQUEST_BEAT, /* a heartbeat of `session` */
	CLUSTER_REQUEST_ROUTES, /* only the dispatcher makes these */
	CLUSTER_REQUEST_SPLIT, /* of the region that has `key` */
	/* `region_step`, for the store at `address` and no other one: any answer ends it. It may arrive twice. */
	CLUSTER_REQUEST_REGION_STEP,
};

enum cluster_request_state {
	CLUSTER_REQUEST_NEEDS_SLOT = 1, /* in the queue of the slot_pool */
	CLUSTER_REQUEST_NEEDS_ROUTES,
	CLUSTER_REQUEST_QUEUED, /* in the queue of a link */
	CLUSTER_REQUEST_SENT,
	CLUSTER_REQUEST_RESTING,
};

/* Borrowed for the call of `done`. */
struct cluster_answer {
	uint64_t leader_store;
	uint32_t expiry_ms; /* BEAT */
	uint64_t notice; /* BEAT: the notice's number; 0: none */
	/* READ: the finding; CHANGE, SESSION: the op_reply; BEAT: the inodes of the notice (ino_ranges.h). */
	struct slice bytes;
	struct buf *data; /* READ: the attachment of the reply; may be NULL */
	const Raftkv__RoutesReply *routes; /* ROUTES */
	const Raftkv__SplitReply *split; /* SPLIT; NULL with an error that no store has answered */
	const Raftkv__RegionStepReply
		*region_step; /* REGION_STEP; NULL with an error that no store has answered */
	/* READ, CHANGE, SESSION: what the store knows, where the request was sent by an old route. */
	Raftkv__Route **known;
	size_t known_count;
};

struct cluster_request {
	/* Its maker's, in: */
	enum cluster_request_kind kind;
	struct fs_key key; /* in the region that the request goes to or (ROUTES) asks for; size 0: region 1 */
	struct buf *body; /* stays until `done` */
	struct buf *payload; /* stays until `done`; may be NULL */
	size_t weight; /* bytes that it moves in either direction (STORE_LINK_WEIGHT_MAX) */
	uint64_t session; /* BEAT */
	bool is_for_leader; /* READ: a follower cannot answer it */
	/* SESSION: it must not be applied after its end. So it ends with an error as soon as a store may have it, and
	 * does not answer; then none has it but that one. */
	bool is_once;
	/* Others wait for its answer, which waits for nothing: it goes before those that fill the link (store_links.h). */
	bool is_urgent;
	uint64_t answered; /* BEAT: number of the last notice that was answered */
	bool in_middle; /* SPLIT: the leader chooses where, and nothing is done */
	uint64_t new_region; /* SPLIT: 0: nothing is done */
	const Raftkv__RegionStepRequest *region_step; /* REGION_STEP: stays until `done` */
	const char *address; /* REGION_STEP: of the store `to_store`; stays until `done` */
	uint64_t to_store;
	uint64_t limit; /* ns from dispatcher_run until it ends with -ETIMEDOUT; 0: no limit */
	/*
	 * Called once. 0: with the answer; -errno: from the store; STATUS_SESSION_UNKNOWN: the session has ended;
	 * -ETIMEDOUT: over its limit; or the status given to dispatcher_give_up. After the last two, and after an error
	 * that follows a retry, it is unknown whether a change was applied.
	 */
	void (*done)(struct cluster_request *request, int status, const struct cluster_answer *answer);
	/* The dispatcher's: */
	struct dispatcher *dispatcher;
	struct cluster_request *prev, *next; /* in the list of the dispatcher's requests */
	struct cluster_request *queue_prev, *queue_next; /* in the queue of the slot_pool or of a link */
	enum cluster_request_state state;
	uint64_t begun; /* env_now at dispatcher_run */
	uint64_t asked; /* env_wall at dispatcher_run */
	uint32_t attempts; /* that failed and were followed by a pause */
	uint32_t timeouts; /* attempts that ended without an answer in time */
	uint32_t hints; /* answers that named the leader and were followed at once, since the last pause */
	uint32_t turn; /* counts attempts, to take the replicas in turn */
	bool was_sent; /* so the next attempt is a retry */
	bool has_slot;
	uint32_t slot;
	uint64_t sequence;
	uint64_t region; /* that it goes to; 0: not known yet */
	uint64_t epoch_version; /* of that region's route */
	uint64_t store; /* that it is sent to */
	bool from_follower; /* a follower may answer it */
	bool pass_on; /* `store` is to pass it on to the leader */
	uint64_t sent; /* env_now of the last attempt */
	struct store_link *link; /* QUEUED, SENT */
	struct rpc_call call;
	struct env_timer rest; /* the pause before the next attempt */
	struct env_timer end; /* of `limit` */
};

/* Sends the request over an open link. Returns what rpc_call returns. */
int cluster_request_send(
	struct cluster_request *request, struct rpc *rpc, uint64_t timeout, rpc_call_cb done);
/* Decodes the answer for `then`. `status`: the store's, or STATUS_MALFORMED. */
void cluster_request_read_answer(struct cluster_request *request, const struct frame *frame,
	void (*then)(struct cluster_request *request, int status, const struct cluster_answer *answer));

#endif
