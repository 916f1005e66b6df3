#include "proto/rpc_server.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/tally.h"

#define HANDLERS_MAX 16u

/* One client's link. */
struct client_link {
	struct rpc_server *server;
	struct client_link *next, **self; /* in the server's list */
	struct link *link; /* NULL: gone; its requests are still under way */
	uint64_t session;
	uint32_t requests; /* under way */
	size_t size; /* bytes of them */
	bool is_paused;
};

struct rpc_request {
	struct client_link *from;
	uint16_t type;
	uint64_t id;
	size_t size; /* bytes */
};

struct rpc_server {
	struct env_loop *loop;
	struct {
		uint16_t type;
		rpc_handler_cb handler;
		void *argument;
	} handlers[HANDLERS_MAX];
	uint32_t handler_count;
	struct client_link *links;
	uint32_t link_count;
	uint32_t paused_count;
	size_t size; /* bytes of requests under way */
	struct budget budget; /* of what is received and sent */
	struct tally endings;
	bool is_stopping;
	void (*stopped)(void *argument);
	void *stopped_argument;
};

/* ---- Links ---- */

static void finish_stop(struct rpc_server *server)
{
	if (!server->is_stopping || server->links)
		return;
	tally_stop(&server->endings);
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

/* ---- Back-pressure ---- */

/* Half of what is too much. */
static bool has_room(const struct client_link *from)
{
	return from->requests <= RPC_REQUESTS_MAX / 2 && from->size <= RPC_LINK_SIZE_MAX / 2 &&
	       from->server->size <= RPC_SIZE_MAX / 2;
}

static void pause_when_full(struct client_link *from)
{
	if (from->is_paused || (from->requests < RPC_REQUESTS_MAX && from->size < RPC_LINK_SIZE_MAX &&
				       from->server->size < RPC_SIZE_MAX))
		return;
	from->is_paused = true;
	from->server->paused_count++;
	link_pause(from->link);
}

static void go_on(struct client_link *from)
{
	if (!from->is_paused || (from->link && !has_room(from)))
		return;
	from->is_paused = false;
	from->server->paused_count--;
	if (from->link)
		link_resume(from->link);
}

static void count_request(struct client_link *from, const struct rpc_request *request)
{
	from->requests++;
	from->size += request->size;
	from->server->size += request->size;
}

/* One request less may let all go on. */
static void discount_request(struct client_link *from, const struct rpc_request *request)
{
	struct rpc_server *server = from->server;
	bool was_full = server->size > RPC_SIZE_MAX / 2;

	from->requests--;
	from->size -= request->size;
	server->size -= request->size;
	go_on(from);
	if (!was_full || server->size > RPC_SIZE_MAX / 2)
		return;
	for (struct client_link *other = server->links; other && server->paused_count > 0;
		other = other->next)
		go_on(other);
}

/* Whoever has the most answers waiting takes them the slowest. */
static void cut_slowest(struct rpc_server *server)
{
	struct client_link *slowest = NULL;
	struct status why = {0};

	for (struct client_link *from = server->links; from; from = from->next)
		if (from->link && (!slowest || link_queued(from->link) > link_queued(slowest->link)))
			slowest = from;
	status_set(&why, STATUS_LIMIT, "it does not take its answers, and memory for others runs short");
	if (slowest)
		link_close(slowest->link, &why);
}

/* ---- Requests that come ---- */

static int refuse(struct rpc_request *request)
{
	Raftkv__Refusal refusal = RAFTKV__REFUSAL__INIT;

	refusal.status = STATUS_UNSUPPORTED;
	rpc_answer(request, &refusal.base, NULL, 0);
	return 0;
}

static int hand_on(struct client_link *from, struct rpc_request *request, const struct frame *frame)
{
	struct rpc_server *server = from->server;

	for (uint32_t i = 0; i < server->handler_count; i++)
		if (server->handlers[i].type == frame->type)
			return server->handlers[i].handler(server->handlers[i].argument, request, frame);
	return frame->type >= FRAME_READ ? refuse(request) : STATUS_MALFORMED;
}

static size_t size_of(const struct frame *frame)
{
	size_t size = sizeof(struct rpc_request) + frame->head.size;

	for (uint32_t i = 0; i < frame->attachment_count; i++)
		size += frame->attachments[i]->size;
	return size;
}

static int on_received(void *argument, struct link *link, const struct frame *frame)
{
	struct client_link *from = argument;
	struct rpc_request *request;
	int status;

	(void)link;
	if (frame->request == 0)
		return STATUS_MALFORMED;
	request = malloc(sizeof *request);
	if (!request)
		return -ENOMEM;
	*request = (struct rpc_request){
		.from = from, .type = frame->type, .id = frame->request, .size = size_of(frame)};
	count_request(from, request);
	pause_when_full(from);
	status = hand_on(from, request, frame);
	if (status < 0) {
		discount_request(from, request);
		free(request);
	}
	return status;
}

static void on_closed(void *argument, struct link *link, const struct status *why)
{
	struct client_link *from = argument;

	(void)link;
	if (why->code < 0 && why->code != -ECONNRESET)
		tally_note(&from->server->endings, "session %" PRIu64 ": %s", from->session, why->text);
	from->link = NULL;
	go_on(from);
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
	link_set_budget(link, &server->budget);
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
	struct rpc_server *server = from->server;
	struct status why = {0};
	int status = 0;

	if (from->link)
		status = link_send(
			from->link, request->type, request->id, head, attachments, attachment_count);
	if (status < 0 && status != -ENOTCONN) {
		status_set(&why, status, "an answer could not be sent: %s", status_name(status));
		link_close(from->link, &why);
	}
	if (server->budget.sending > RPC_SENDING_SIZE_MAX)
		cut_slowest(server);
	discount_request(from, request);
	free(request);
	release_when_done(from);
}

/* ---- Life ---- */

struct rpc_server *rpc_server_new(struct env_loop *loop, const struct logger *logger)
{
	struct rpc_server *server = calloc(1, sizeof *server);

	if (server) {
		server->loop = loop;
		budget_init(&server->budget, RPC_SIZE_MAX);
		server->endings = (struct tally){.loop = loop,
			.logger = logger,
			.level = LOG_WARN,
			.what = "a client's connection ended"};
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
