/*
 * rpc.h: the client's end of a link: requests with answers and time limits. The server's end is rpc_server.h.
 *
 * Each request is a frame with a number of its own; its answer is a frame of the same type and number. A request that was
 * sent is called back exactly once, unless rpc_forget is called: with its answer, with -ETIMEDOUT, or with -ECONNRESET
 * when the link is closed. After the two errors it is not known whether the request was carried out.
 *
 * All calls and callbacks are on one loop. An rpc frees itself after `closed`.
 */
#ifndef RAFTKV_PROTO_RPC_H
#define RAFTKV_PROTO_RPC_H

#include "proto/hash.h"
#include "proto/link.h"

#define RPC_CALLS_MAX 1024u /* calls without an answer; then rpc_call returns STATUS_LIMIT */

struct rpc;
struct rpc_call;

/* `answer` is borrowed for the call; NULL unless `status` is 0. */
typedef void (*rpc_call_cb)(struct rpc_call *call, int status, const struct frame *answer);

struct rpc_call {
	/* Set by the caller: */
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
	uint64_t receiver; /* the store that must answer; 0: any */
	uint64_t session; /* of a mount; 0: none */
	/* Requests may be made from now on. */
	void (*opened)(void *argument, struct rpc *rpc, const Raftkv__HelloReply *reply);
	/* The last callback, after those of all calls. `why` as link_handlers.closed has it. */
	void (*closed)(void *argument, struct rpc *rpc, const struct status *why);
	void *argument;
};

/* As link_connect. */
int rpc_connect(const struct rpc_options *options, struct rpc **rpc, struct status *status);
/* Sends a request; `head` and `attachments` as in link_send. 0: `done` will come, later. STATUS_LIMIT, -ENOTCONN,
 * -ENOMEM: nothing was sent, and `done` will not come. */
int rpc_call(struct rpc *rpc, struct rpc_call *call, const ProtobufCMessage *head,
	struct buf *const *attachments, uint32_t attachment_count);
/* The caller waits for the answer no longer: `done` will not come. The request may still be carried out. */
void rpc_forget(struct rpc_call *call);
/* `closed` comes later; may be repeated. */
void rpc_close(struct rpc *rpc);

#endif
