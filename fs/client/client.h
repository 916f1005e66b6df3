/*
 * client.h: how a mount reaches its filesystem, in a store in this process (client_new) or in a cluster (remote.h). A
 * store in this process gets changes through raftkv_async_write and answers questions from snapshots.
 *
 * A call carries one operation (op.h) until it has an answer. It finds the region, retries with back-off while there is
 * no leader or no room, and turns an error that cannot be retried into an errno. A read gets a question (question.h)
 * answered. The answer comes at once on the calling thread when the store is in this process, the leader's lease is
 * valid and all rows are in memory; else it comes after a round of heartbeats or from a worker.
 *
 * Requests are embedded in their owners and belong to the client until `done` begins. They are small: the client
 * allocates the rest of their state while they are under way, for a read only once it has to wait. Callbacks come on
 * the loop named in the request; `done` of a read may come from inside client_read.
 */
#ifndef RAFTKV_FS_CLIENT_CLIENT_H
#define RAFTKV_FS_CLIENT_CLIENT_H

#include "fs/schema/op.h"
#include "fs/schema/question.h"
#include "store/raftkv.h"

#define CLIENT_PATIENCE_MS 1000u /* a request that has waited for less is not given up */

struct client;

struct client_options {
	struct raftkv *raftkv; /* shares; outlives the client */
	const struct logger *logger;
	/* Of this mount: SLOTS_OWN and a number that no earlier mount had; 0: the mount holds nothing. */
	uint64_t session;
};

/* A client of a store in this process. -ENOMEM. */
int client_new(const struct client_options *options, struct client **client);
void client_free(struct client *client); /* no request is left; may be NULL */
uint64_t client_session(const struct client *client); /* 0: none at present */
struct raftkv *client_raftkv(const struct client *client); /* NULL: the store is not in this process */

/* ---- Changes ---- */

struct client_call;
/* `error`: 0 or the operation's -errno; -EIO, -ENOSPC, -ENOMEM: it failed before it had one; -ETIMEDOUT: it is unknown
 * whether it was applied. `reply` has the fields that the operation filled in. */
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

/* `op` is borrowed for the call, `payload` (may be NULL) shared. 0: `done` comes, perhaps from inside the call.
 * -ENOMEM, -EINVAL, -ENAMETOOLONG, -E2BIG: no callback will come. */
int client_call(struct client *client, struct client_call *call, const struct op *op, struct buf *payload);

/* ---- Reads ---- */

struct client_read;

struct client_read {
	/* The caller's, in: */
	struct env_loop *loop; /* must be the calling one */
	struct question question; /* its borrowed bytes stay until `done` */
	/* Stays until `done`: filled on the loop or on a worker, perhaps more than once. */
	struct finding *finding;
	/* `error`: 0 or -errno, which may be -ENOMEM. */
	void (*done)(struct client_read *read, int error);
	/* The client's: */
	struct client *client;
	union {
		struct local_read *local; /* NULL: the read has not had to wait */
		struct remote_read *remote;
	};
};

void client_read(struct client *client, struct client_read *read);

/* ---- What is durable -------------------------------------------------------------------------------------------- */

/* Waits until all changes that were answered before the call are durable. On the loop `sync->loop`. False: they are, and
 * `done` will not come. */
bool client_sync(struct client *client, struct raftkv_sync *sync);

/* ---- Giving up ---- */

/* For a request whose process is being killed. On the request's loop, before its `done`. True: it has waited for longer
 * than CLIENT_PATIENCE_MS for a store that does not answer, and `done` has come, inside the call, with -EINTR; a change
 * may be applied all the same. False: the answer may still come soon; try again later. */
bool client_give_up_call(struct client_call *call);
bool client_give_up_read(struct client_read *read);

#endif
