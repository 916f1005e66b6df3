/*
 * rpc.h: the asking end of a link: requests with answers and time limits.
 *
 * Each request is a frame with a number of its own; its answer is a frame of the same type and number. A request that was
 * sent, and is not forgotten (rpc_forget), is called back exactly once: with its answer, with -ETIMEDOUT, or with
 * -ECONNRESET when the link has gone; in the last two cases nobody knows whether it was done. The answering end is
 * rpc_server.h.
 *
 * All on one loop. An rpc is freed by itself after `closed`.
 */
#ifndef RAFTKV_PROTO_RPC_H
#define RAFTKV_PROTO_RPC_H

#include <uthash.h>

#include "proto/link.h"

#define RPC_CALLS_MAX 1024u /* without an answer; then rpc_call says STATUS_LIMIT */

struct rpc;
struct rpc_call;

/* `answer`, borrowed, with status 0 alone. */
typedef void (*rpc_call_cb)(struct rpc_call *call, int status, const struct frame *answer);

struct rpc_call {
	/* The caller's, in: */
	uint16_t type; /* enum frame_type */
	uint64_t timeout; /* ns */
	rpc_call_cb done;
	/* The rpc's: */
	struct rpc *rpc;
	uint64_t id;
	struct env_timer timer;
	UT_hash_handle hh;
};

struct rpc_options {
	const struct link_self *self; /* outlives the rpc */
	struct env_loop *loop;
	const char *address;
	uint64_t receiver; /* the store that is to answer; 0: any */
	uint64_t session; /* of a mount; 0: none */
	/* Requests may be made from now on. */
	void (*opened)(void *argument, struct rpc *rpc, const Raftkv__HelloReply *reply);
	/* The last callback, after those of all calls. */
	void (*closed)(void *argument, struct rpc *rpc, const struct status *why);
	void *argument;
};

/* As link_connect. */
int rpc_connect(const struct rpc_options *options, struct rpc **rpc, struct status *status);
/* `head` and `attachments` as link_send's. 0: `done` will come, later. STATUS_LIMIT, -ENOTCONN, -ENOMEM: it will not, and
 * nothing was sent. */
int rpc_call(struct rpc *rpc, struct rpc_call *call, const ProtobufCMessage *head,
	struct buf *const *attachments, uint32_t attachment_count);
/* Nobody waits for the answer any more: `done` will not come. What was sent may be done all the same. */
void rpc_forget(struct rpc_call *call);
/* `closed` comes later; may be repeated. */
void rpc_close(struct rpc *rpc);

#endif
