/*
 * rpc_server.h: the answering end of clients' links (rpc.h): it hands each request to whoever handles its type, and
 * carries the answer back.
 *
 * A request lives until it has been answered, whether or not its link still does. A client with RPC_REQUESTS_MAX requests
 * under way is not listened to until one of them has been answered; one that does not take its answers is cut off.
 *
 * All on one loop, that of the links.
 */
#ifndef RAFTKV_PROTO_RPC_SERVER_H
#define RAFTKV_PROTO_RPC_SERVER_H

#include "proto/link.h"

#define RPC_REQUESTS_MAX 256u /* of one link, without an answer */
#define RPC_LINKS_MAX	 4096u

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
