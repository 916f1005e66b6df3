/*
 * cluster_request.h: one request of a remote client on its way through the cluster: where it goes, what it carries, and how often
 * it had to be sent. A dispatcher (dispatcher.h) runs requests; whoever makes one embeds it and gets it back with `done`.
 *
 * At any time a request waits for one thing: a slot, routes, its turn on a link, an answer, or the end of a rest before
 * it is sent again.
 */
#ifndef RAFTKV_FS_CLIENT_CLUSTER_REQUEST_H
#define RAFTKV_FS_CLIENT_CLUSTER_REQUEST_H

#include "fs/schema/keys.h"
#include "proto/rpc.h"

struct dispatcher;
struct store_link;
struct cluster_request;

enum cluster_request_kind {
	CLUSTER_REQUEST_READ, /* `body`: a question (question.h) */
	CLUSTER_REQUEST_CHANGE, /* `body`: an op; with a slot of the session */
	CLUSTER_REQUEST_SESSION, /* the same, without session or slot: OP_SESSION_OPEN, OP_SESSION_CLOSE */
	CLUSTER_REQUEST_BEAT, /* of `session` */
	CLUSTER_REQUEST_ROUTES, /* the dispatcher's own */
};

enum cluster_request_state {
	CLUSTER_REQUEST_NEEDS_SLOT = 1, /* in the slots' queue */
	CLUSTER_REQUEST_NEEDS_ROUTES,
	CLUSTER_REQUEST_QUEUED, /* on a link, in its queue */
	CLUSTER_REQUEST_SENT,
	CLUSTER_REQUEST_RESTING,
};

/* Borrowed for the call of `done`. */
struct cluster_answer {
	uint64_t leader_store;
	uint32_t expiry_ms; /* BEAT */
	uint64_t notice; /* BEAT: number; 0: none. Its inodes are the bytes */
	struct slice bytes; /* READ: the finding; CHANGE, SESSION: the op_reply; BEAT: ino_ranges.h */
	struct buf *data; /* READ: what travelled beside; may be NULL */
	const Raftkv__RoutesReply *routes;
};

struct cluster_request {
	/* Its maker's, in: */
	enum cluster_request_kind kind;
	struct fs_key key; /* says which region; size 0: region 1 */
	struct buf *body; /* stays until `done`, as does the payload */
	struct buf *payload; /* may be NULL */
	size_t weight; /* bytes that it moves, one way or the other: more than a link may carry at once wait */
	uint64_t session; /* BEAT */
	bool is_for_leader; /* READ: no follower knows the answer */
	uint64_t answered; /* BEAT: the last notice that was */
	uint64_t limit; /* ns; 0: it may take as long as it takes */
	/*
	 * Once: 0 with the answer; -errno of the store's; STATUS_SESSION_UNKNOWN: refused, and so will all be; -ETIMEDOUT:
	 * over its limit; or what dispatcher_give_up said. The last two, and an error after a retry: nobody knows whether it
	 * was done.
	 */
	void (*done)(struct cluster_request *request, int status, const struct cluster_answer *answer);
	/* The dispatcher's: */
	struct dispatcher *dispatcher;
	struct cluster_request *prev, *next; /* of all of its requests */
	struct cluster_request *queue_prev, *queue_next; /* in the queue of what it waits for */
	enum cluster_request_state state;
	uint64_t begun; /* env_now */
	uint32_t attempts; /* that were not the last */
	uint32_t timeouts; /* of attempts */
	uint32_t hints; /* one after the other that were followed at once */
	uint32_t turn; /* among the replicas, while nobody knows the leader */
	bool was_sent; /* so that another attempt is a retry */
	bool has_slot;
	uint32_t slot;
	uint64_t sequence;
	uint64_t region; /* that it goes to, and where it is asked for; 0: not yet */
	uint64_t epoch_version;
	uint64_t store;
	bool from_follower;
	bool pass_on; /* by that store, to the leader */
	uint64_t sent; /* env_now */
	struct store_link *link; /* QUEUED, SENT */
	struct rpc_call call;
	struct env_timer rest;
	struct env_timer end;
};

/* Sends it over a link that is open; as rpc_call. */
int cluster_request_send(
	struct cluster_request *request, struct rpc *rpc, uint64_t timeout, rpc_call_cb done);
/* What came back, to `then`: the store's status, or STATUS_MALFORMED. */
void cluster_request_read_answer(struct cluster_request *request, const struct frame *frame,
	void (*then)(struct cluster_request *request, int status, const struct cluster_answer *answer));

#endif
