/*
 * fake_requests.h: rpc_server.h without links: a test makes requests to handlers and gets their answers. A program that
 * calls fake_requests_ask is linked with these functions instead of those of proto/rpc_server.c.
 */
#ifndef RAFTKV_TESTS_LIB_FAKE_REQUESTS_H
#define RAFTKV_TESTS_LIB_FAKE_REQUESTS_H

#include "proto/rpc_server.h"

struct rpc_server {
	struct env_loop *loop;
	struct {
		uint16_t type;
		rpc_handler_cb handler;
		void *argument;
	} handlers[16];
	uint32_t handler_count;
	uint32_t under_way;
};

/* One request, the test's; the link's session is its. */
struct rpc_request {
	struct rpc_server *server;
	uint64_t session;
	int refusal; /* what the handler returned */
	bool is_answered;
	struct buf *head; /* of the answer */
	struct buf *data; /* the answer's attachment; NULL: none */
};

void fake_requests_ask(struct rpc_server *server, struct rpc_request *request, uint16_t type,
	struct slice head, struct buf *attachment);
void fake_requests_close(struct rpc_request *request);

#endif
