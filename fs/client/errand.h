/*
 * errand.h: one request of a remote client on its way through the cluster: where it goes, what it carries, and how often
 * it had to be sent. A courier (courier.h) runs errands; whoever makes one embeds it and gets it back with `done`.
 *
 * At any time an errand waits for one thing: a slot, routes, its turn on a link, an answer, or the end of a rest before
 * it is sent again.
 */
#ifndef RAFTKV_FS_CLIENT_ERRAND_H
#define RAFTKV_FS_CLIENT_ERRAND_H

#include "fs/schema/keys.h"
#include "proto/rpc.h"

struct courier;
struct store_link;
struct errand;

enum errand_kind {
	ERRAND_READ, /* `body`: a question (question.h) */
	ERRAND_CHANGE, /* `body`: an op; with a slot of the session */
	ERRAND_SESSION, /* the same, without session or slot: OP_SESSION_OPEN, OP_SESSION_CLOSE */
	ERRAND_BEAT, /* of `session` */
	ERRAND_ROUTES, /* the courier's own */
};

enum errand_state {
	ERRAND_NEEDS_SLOT = 1, /* in the slots' queue */
	ERRAND_NEEDS_ROUTES,
	ERRAND_QUEUED, /* on a link, in its queue */
	ERRAND_SENT,
	ERRAND_RESTING,
};

/* Borrowed for the call of `done`. */
struct errand_answer {
	uint64_t leader_store;
	uint32_t expiry_ms; /* BEAT */
	uint64_t notice; /* BEAT: number; 0: none. Its inodes are the bytes */
	struct slice bytes; /* READ: the finding; CHANGE, SESSION: the op_reply; BEAT: ino_ranges.h */
	struct buf *data; /* READ: what travelled beside; may be NULL */
	const Raftkv__RoutesReply *routes;
};

struct errand {
	/* Its maker's, in: */
	enum errand_kind kind;
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
	 * over its limit; or what courier_give_up said. The last two, and an error after a retry: nobody knows whether it
	 * was done.
	 */
	void (*done)(struct errand *errand, int status, const struct errand_answer *answer);
	/* The courier's: */
	struct courier *courier;
	struct errand *prev, *next; /* of all of its errands */
	struct errand *queue_prev, *queue_next; /* in the queue of what it waits for */
	enum errand_state state;
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
int errand_send(struct errand *errand, struct rpc *rpc, uint64_t timeout, rpc_call_cb done);
/* What came back, to `then`: the store's status, or STATUS_MALFORMED. */
void errand_read_answer(struct errand *errand, const struct frame *frame,
	void (*then)(struct errand *errand, int status, const struct errand_answer *answer));

#endif
