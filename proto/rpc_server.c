#include "proto/rpc_server.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "proto/check.h"

#define HANDLERS_MAX 16u

/* One client's link. */
struct client_link {
	struct rpc_server *server;
	struct client_link *next, **self; /* in the server's list */
	struct link *link; /* NULL: gone; its requests are still under way */
	uint64_t session;
	uint32_t requests; /* under way */
	bool is_paused;
};

struct rpc_request {
	struct client_link *from;
	uint16_t type;
	uint64_t id;
};

struct rpc_server {
	struct env_loop *loop;
	const struct logger *logger;
	struct {
		uint16_t type;
		rpc_handler_cb handler;
		void *argument;
	} handlers[HANDLERS_MAX];
	uint32_t handler_count;
	struct client_link *links;
	uint32_t link_count;
	bool is_stopping;
	void (*stopped)(void *argument);
	void *stopped_argument;
};

/* ---- Links ---- */

static void finish_stop(struct rpc_server *server)
{
	if (server->is_stopping && !server->links)
		server->stopped(server->stopped_argument);
}

static void release_when_done(struct client_link *from)
{
	struct rpc_server *server = from->server;

	if (from->link || from->requests > 0)
		return;
	*from->self = from->next;
	if (from->next)
		from->next->self = from->self;
	free(from);
	server->link_count--;
	finish_stop(server);
}

static int hand_on(struct client_link *from, struct rpc_request *request, const struct frame *frame)
{
	struct rpc_server *server = from->server;

	for (uint32_t i = 0; i < server->handler_count; i++)
		if (server->handlers[i].type == frame->type)
			return server->handlers[i].handler(server->handlers[i].argument, request, frame);
	return STATUS_MALFORMED;
}

static int on_received(void *argument, struct link *link, const struct frame *frame)
{
	struct client_link *from = argument;
	struct rpc_request *request;
	int status;

	if (frame->request == 0)
		return STATUS_MALFORMED;
	request = malloc(sizeof *request);
	if (!request)
		return -ENOMEM;
	*request = (struct rpc_request){.from = from, .type = frame->type, .id = frame->request};
	if (++from->requests == RPC_REQUESTS_MAX && !from->is_paused) {
		from->is_paused = true;
		link_pause(link);
	}
	status = hand_on(from, request, frame);
	if (status < 0) {
		from->requests--;
		free(request);
	}
	return status;
}

static void on_closed(void *argument, struct link *link, const struct status *why)
{
	struct client_link *from = argument;

	(void)link;
	if (why->code < 0 && why->code != -ECONNRESET)
		log_warn(from->server->logger,
			"msg=\"a client's connection ended\" session=%" PRIu64 " reason=\"%s\"",
			from->session, why->text);
	from->link = NULL;
	release_when_done(from);
}

int rpc_server_greeted(void *argument, struct link *link, const Raftkv__Hello *hello, struct status *refusal)
{
	struct rpc_server *server = argument;
	struct client_link *from;
	struct link_handlers handlers = {.received = on_received, .closed = on_closed};

	if (server->is_stopping || server->link_count >= RPC_LINKS_MAX)
		return status_set(refusal, -EBUSY,
			server->is_stopping ? "the store is going down" : "too many clients are connected");
	from = calloc(1, sizeof *from);
	if (!from)
		return status_set(refusal, -ENOMEM, "out of memory");
	*from = (struct client_link){.server = server,
		.next = server->links,
		.self = &server->links,
		.link = link,
		.session = hello->session};
	if (from->next)
		from->next->self = &from->next;
	server->links = from;
	server->link_count++;
	handlers.argument = from;
	link_adopt(link, &handlers);
	return 0;
}

/* ---- Requests ---- */

struct env_loop *rpc_request_loop(const struct rpc_request *request)
{
	return request->from->server->loop;
}

uint64_t rpc_request_session(const struct rpc_request *request)
{
	return request->from->session;
}

void rpc_answer(struct rpc_request *request, const ProtobufCMessage *head, struct buf *const *attachments,
	uint32_t attachment_count)
{
	struct client_link *from = request->from;
	struct status why = {0};
	int status = 0;

	if (from->link)
		status = link_send(
			from->link, request->type, request->id, head, attachments, attachment_count);
	if (status < 0 && status != -ENOTCONN) {
		status_set(&why, status, "an answer could not be sent: %s", status_name(status));
		link_close(from->link, &why);
	}
	free(request);
	from->requests--;
	if (from->is_paused && from->link && from->requests <= RPC_REQUESTS_MAX / 2) {
		from->is_paused = false;
		link_resume(from->link);
	}
	release_when_done(from);
}

/* ---- Life ---- */

struct rpc_server *rpc_server_new(struct env_loop *loop, const struct logger *logger)
{
	struct rpc_server *server = calloc(1, sizeof *server);

	if (server) {
		server->loop = loop;
		server->logger = logger;
	}
	return server;
}

void rpc_server_handle(struct rpc_server *server, uint16_t type, rpc_handler_cb handler, void *argument)
{
	uint32_t i = server->handler_count++;

	check(i < HANDLERS_MAX);
	server->handlers[i].type = type;
	server->handlers[i].handler = handler;
	server->handlers[i].argument = argument;
}

void rpc_server_stop(struct rpc_server *server, void (*stopped)(void *argument), void *argument)
{
	server->is_stopping = true;
	server->stopped = stopped;
	server->stopped_argument = argument;
	for (struct client_link *from = server->links; from; from = from->next)
		if (from->link)
			link_close(from->link, NULL);
	finish_stop(server);
}

void rpc_server_free(struct rpc_server *server)
{
	free(server);
}
