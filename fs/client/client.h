/*
 * client.h: how a mount reaches its filesystem: changes through raftkv_async_write, questions through snapshots, of a
 * store in this process (client_new) or of a cluster (remote.h).
 *
 * A call carries one operation (op.h) until it has an answer: it finds the region, retries with back-off while there is
 * no leader or no room, and turns what can not be retried into an errno. A read has a question (question.h) answered: at
 * once on the calling thread when the store is here, the leader's lease valid and all rows in memory; else after a round
 * or on a worker.
 *
 * Requests are embedded in their owners and belong to the client until `done` begins. They are small: what one needs on
 * its way to a region is allocated by the client while it is under way, and for a read only once it has to wait. Callbacks
 * come on the loop named in the request; `done` of a read may come from inside client_read.
 */
#ifndef RAFTKV_FS_CLIENT_CLIENT_H
#define RAFTKV_FS_CLIENT_CLIENT_H

#include "fs/schema/op.h"
#include "fs/schema/question.h"
#include "store/raftkv.h"

#define CLIENT_PATIENCE_MS 1000u /* what has waited for less is not given up */

struct client;

struct client_options {
	struct raftkv *raftkv; /* shares; outlives the client */
	const struct logger *logger;
	uint64_t
		session; /* of this mount: SLOTS_OWN and what tells it from earlier ones; 0: it holds nothing */
};

/* Of a store in this process. */
int client_new(const struct client_options *options, struct client **client);
void client_free(struct client *client); /* no request is left; may be NULL */
uint64_t client_session(const struct client *client); /* 0: none, or none just now */
struct raftkv *client_raftkv(const struct client *client); /* NULL: it is elsewhere */

/* ---- Changes ---- */

struct client_call;
/* `error`: the operation's -errno, or -EIO, -ENOSPC, -ENOMEM when it could not be decided; -ETIMEDOUT: nobody knows
 * whether it was done. `reply` is then as far as the operation filled it in. */
typedef void (*client_call_cb)(struct client_call *call, int error, const struct op_reply *reply);

struct client_call {
	/* The caller's, in: */
	struct env_loop *loop; /* must be the calling one */
	client_call_cb done;
	/* The client's: */
	struct client *client;
	union {
		struct local_call *local;
		struct remote_call *remote;
	};
};

/* `op` is borrowed for the call, `payload` (may be NULL) shared. -ENOMEM, -EINVAL, -ENAMETOOLONG, -E2BIG: no callback
 * will come; else `done` comes, perhaps from inside the call. */
int client_call(struct client *client, struct client_call *call, const struct op *op, struct buf *payload);

/* ---- Reads ---- */

struct client_read;

struct client_read {
	/* The caller's, in: */
	struct env_loop *loop; /* must be the calling one */
	struct question question; /* what it borrows stays until `done` */
	/* The caller's, until `done`: filled on the loop or on a worker, perhaps more than once. */
	struct finding *finding;
	/* `error`: 0 or -errno; -ENOMEM too. */
	void (*done)(struct client_read *read, int error);
	/* The client's: */
	struct client *client;
	union {
		struct local_read *local; /* NULL: it has not had to wait */
		struct remote_read *remote;
	};
};

void client_read(struct client *client, struct client_read *read);

/* ---- Giving up ---- */

/* For a caller that is being killed. On the request's loop, before its `done`. True: it has waited for longer than
 * CLIENT_PATIENCE_MS for a store that does not answer; `done` has come, inside the call, with -EINTR; a change may be done
 * all the same, then or later. False: the answer is on its way, or may still come quickly; ask again later. */
bool client_give_up_call(struct client_call *call);
bool client_give_up_read(struct client_read *read);

#endif
