/*
 * rpc_server.h: the answering end of clients' links (rpc.h): it hands each request to whoever handles its type, and
 * carries the answer back.
 *
 * A request lives until it has been answered, whether or not its link still does. A client with RPC_REQUESTS_MAX requests
 * or RPC_LINK_SIZE_MAX bytes of them under way is not listened to until half of that has been answered, nor is anybody
 * while all clients together have RPC_SIZE_MAX. What they send meanwhile, in frames that are not complete, takes at most
 * as much again, and a read (256 KiB) for each link. One that does not take its answers is cut off: when LINK_QUEUE_SIZE_MAX
 * wait, or when RPC_SENDING_SIZE_MAX wait for all and none waits for more than it.
 *
 * A request of a type that nobody handles is a newer program's: its answer is a Refusal, STATUS_UNSUPPORTED.
 *
 * All on one loop, that of the links.
 */
#ifndef RAFTKV_PROTO_RPC_SERVER_H
#define RAFTKV_PROTO_RPC_SERVER_H

#include "proto/link.h"

#define RPC_REQUESTS_MAX     256u /* of one link, without an answer */
#define RPC_LINKS_MAX	     4096u
#define RPC_LINK_SIZE_MAX    (32u << 20) /* bytes of one link's requests, without an answer */
#define RPC_SIZE_MAX	     (128u << 20) /* of all links' */
#define RPC_SENDING_SIZE_MAX (256u << 20) /* bytes of answers that wait to be sent */

struct rpc_server;
struct rpc_request;

/* Takes the request, to answer it once, now or later; borrows the frame for the call. A negative status refuses both:
 * the link ends. */
typedef int (*rpc_handler_cb)(void *argument, struct rpc_request *request, const struct frame *frame);

/* NULL: no memory. */
struct rpc_server *rpc_server_new(struct env_loop *loop, const struct logger *logger);
void rpc_server_handle(struct rpc_server *server, uint16_t type, rpc_handler_cb handler, void *argument);
/* An acceptor_cb (acceptor.h), with the server as its argument. */
int rpc_server_greeted(void *server, struct link *link, const Raftkv__Hello *hello, struct status *refusal);

struct env_loop *rpc_request_loop(const struct rpc_request *request);
/* Of the mount that asks, by its hello; 0: none. */
uint64_t rpc_request_session(const struct rpc_request *request);
/* Frees the request. `head` and `attachments` as link_send's. */
void rpc_answer(struct rpc_request *request, const ProtobufCMessage *head, struct buf *const *attachments,
	uint32_t attachment_count);

/* Ends the links. `stopped` comes when every request has been answered; perhaps from inside the call. */
void rpc_server_stop(struct rpc_server *server, void (*stopped)(void *argument), void *argument);
void rpc_server_free(struct rpc_server *server); /* stopped, or never used; may be NULL */

#endif
