/*
 * rpc_server.h: the server's end of clients' links (rpc.h). It passes each request to the handler of its type, and sends
 * the answer back.
 *
 * A request lives until it has been answered, even if its link is closed before. The server stops reading from a client
 * that has RPC_REQUESTS_MAX requests or RPC_LINK_SIZE_MAX bytes of them under way, until half of that has been answered,
 * and from a client that sends while all clients together have RPC_SIZE_MAX under way. Incomplete frames take at most
 * RPC_SIZE_MAX more, and a read (256 KiB) for each link. The server closes the link of a client that does not read its
 * answers: when LINK_QUEUE_SIZE_MAX bytes are queued for it, or when RPC_SENDING_SIZE_MAX are queued for all clients and
 * none has more than this one.
 *
 * The answer to a request of a type without a handler, which is a newer program's, is a Refusal with STATUS_UNSUPPORTED.
 *
 * All calls and callbacks are on one loop, that of the links.
 */
#ifndef RAFTKV_PROTO_RPC_SERVER_H
#define RAFTKV_PROTO_RPC_SERVER_H

#include "proto/link.h"

#define RPC_REQUESTS_MAX     256u /* of one link, without an answer */
#define RPC_LINKS_MAX	     4096u
#define RPC_LINK_SIZE_MAX    (32u << 20) /* bytes of one link's requests without an answer */
#define RPC_SIZE_MAX	     (128u << 20) /* bytes of all links' requests without an answer */
#define RPC_SENDING_SIZE_MAX (256u << 20) /* bytes of answers that wait to be sent */

struct rpc_server;
struct rpc_request;

/* Takes the request and answers it once, now or later; borrows the frame for the call. A negative status refuses the
 * request, which is then the server's again, and ends the link. */
typedef int (*rpc_handler_cb)(void *argument, struct rpc_request *request, const struct frame *frame);

/* NULL: out of memory. */
struct rpc_server *rpc_server_new(struct env_loop *loop, const struct logger *logger);
/* Sets the handler of a frame type, before any client connects. */
void rpc_server_handle(struct rpc_server *server, uint16_t type, rpc_handler_cb handler, void *argument);
/* An acceptor_cb (acceptor.h), with the server as its argument. */
int rpc_server_greeted(void *server, struct link *link, const Raftkv__Hello *hello, struct status *refusal);

struct env_loop *rpc_request_loop(const struct rpc_request *request);
/* The session of the client's greeting; 0: none. */
uint64_t rpc_request_session(const struct rpc_request *request);
/* Answers and frees the request. `head` and `attachments` as in link_send. */
void rpc_answer(struct rpc_request *request, const ProtobufCMessage *head, struct buf *const *attachments,
	uint32_t attachment_count);

/* Closes the links. `stopped` comes when every link is closed and every request answered, perhaps from inside the call. */
void rpc_server_stop(struct rpc_server *server, void (*stopped)(void *argument), void *argument);
/* The server has stopped, or was never used. May be NULL. */
void rpc_server_free(struct rpc_server *server);

#endif
