#include "fs/server/relay.h"

#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "proto/container.h"
#include "proto/plant.h"
#include "proto/units.h"

struct relay_link {
	struct relay *relay;
	struct relay_link *prev, *next;
	uint64_t session, store;
	struct rpc *rpc;
	bool is_open;
	uint64_t used; /* env_now of the last request */
	struct env_timer timer; /* first RELAY_CONNECT_MS, until it must be open; then RELAY_IDLE_MS */
	uint32_t count; /* of requests without an answer */
};

struct relay {
	const struct link_self *self;
	struct env_loop *loop;
	struct env *env;
	struct relay_link *links;
	uint32_t link_count;
	void (*stopped)(void *argument); /* NULL: relay_stop was not called */
	void *stopped_argument;
};

struct relayed {
	struct relay_link *link;
	struct rpc_request *request;
	struct rpc_call call;
};

/* ---- Answers ---- */

static const ProtobufCMessageDescriptor *reply_descriptor(uint16_t type)
{
	switch (type) {
	case FRAME_READ:
		return &raftkv__read_reply__descriptor;
	case FRAME_WRITE:
		return &raftkv__write_reply__descriptor;
	default:
		return &raftkv__beat_reply__descriptor;
	}
}

static void *field_of(ProtobufCMessage *reply, const char *name)
{
	return (uint8_t *)reply +
	       protobuf_c_message_descriptor_get_field_by_name(reply->descriptor, name)->offset;
}

static void relay_answer(const struct relayed *relayed, ProtobufCMessage *reply, const struct frame *frame)
{
	int32_t *status = field_of(reply, "status");
	uint64_t *leader = field_of(reply, "leader_store");

	if (*status != STATUS_NOT_LEADER)
		*leader = relayed->link->store;
	rpc_answer(relayed->request, reply, frame->attachments, frame->attachment_count);
}

static void answer_nothing(const struct relayed *relayed)
{
	union {
		ProtobufCMessage base;
		Raftkv__ReadReply read;
		Raftkv__WriteReply write;
		Raftkv__BeatReply beat;
	} reply;

	protobuf_c_message_init(reply_descriptor(relayed->call.type), &reply);
	*(int32_t *)field_of(&reply.base, "status") = STATUS_NOT_READY;
	rpc_answer(relayed->request, &reply.base, NULL, 0);
}

static void relay_on_done(struct rpc_call *call, int status, const struct frame *frame)
{
	struct relayed *relayed = container_of(call, struct relayed, call);
	ProtobufCMessage *reply = NULL;

	if (status == 0)
		reply = protobuf_c_message_unpack(
			reply_descriptor(call->type), NULL, frame->head.size, frame->head.data);
	if (reply)
		relay_answer(relayed, reply, frame);
	else
		answer_nothing(relayed);
	protobuf_c_message_free_unpacked(reply, NULL);
	relayed->link->count--;
	free(relayed);
}

/* ---- Links ---- */

static void relay_on_timer(struct env_timer *timer)
{
	struct relay_link *link = container_of(timer, struct relay_link, timer);
	struct relay *relay = link->relay;
	uint64_t idle_at = link->used + RELAY_IDLE_MS * NS_PER_MS;

	if (link->is_open && link->count > 0)
		idle_at = env_now(relay->env) + RELAY_IDLE_MS * NS_PER_MS;
	if (link->is_open && env_now(relay->env) < idle_at)
		env_timer_start(&link->timer, relay->loop, idle_at, relay_on_timer);
	else
		rpc_close(link->rpc);
}

static void relay_on_opened(void *argument, struct rpc *rpc, const Raftkv__HelloReply *reply)
{
	struct relay_link *link = argument;

	(void)rpc, (void)reply;
	link->is_open = true;
	env_timer_stop(&link->timer);
	relay_on_timer(&link->timer);
}

static void link_free(struct relay_link *link)
{
	struct relay *relay = link->relay;

	env_timer_stop(&link->timer);
	DL_DELETE(relay->links, link);
	relay->link_count--;
	free(link);
	if (relay->stopped && !relay->links)
		relay->stopped(relay->stopped_argument);
}

static void relay_on_closed(void *argument, struct rpc *rpc, const struct status *why)
{
	(void)rpc, (void)why;
	link_free(argument);
}

static struct relay_link *relay_find(const struct relay *relay, uint64_t session, uint64_t store)
{
	struct relay_link *link;

	for (link = relay->links; link; link = link->next)
		if (link->session == session && link->store == store)
			return link;
	return NULL;
}

static int connect_to(struct relay *relay, uint64_t session, uint64_t store, const char *address)
{
	struct relay_link *link = calloc(1, sizeof *link);
	struct rpc_options options = {.self = relay->self,
		.loop = relay->loop,
		.address = address,
		.receiver = store,
		.session = session,
		.opened = relay_on_opened,
		.closed = relay_on_closed,
		.argument = link};
	struct status why = {0};

	if (planted("fs:relay_without_session"))
		options.session = 0;
	if (!link)
		return -ENOMEM;
	*link = (struct relay_link){
		.relay = relay, .session = session, .store = store, .used = env_now(relay->env)};
	if (rpc_connect(&options, &link->rpc, &why) < 0) {
		free(link);
		return STATUS_NOT_READY;
	}
	DL_APPEND(relay->links, link);
	relay->link_count++;
	env_timer_start(&link->timer, relay->loop, link->used + RELAY_CONNECT_MS * NS_PER_MS, relay_on_timer);
	return STATUS_NOT_READY;
}

/* ---- Passing on ---- */

static int send(struct relay_link *link, struct rpc_request *request, uint16_t type,
	const ProtobufCMessage *message, struct buf *payload)
{
	struct relayed *relayed = calloc(1, sizeof *relayed);
	int status;

	if (!relayed)
		return -ENOMEM;
	*relayed = (struct relayed){.link = link,
		.request = request,
		.call = {.type = type, .timeout = RELAY_TIMEOUT_MS * NS_PER_MS, .done = relay_on_done}};
	status = rpc_call(link->rpc, &relayed->call, message, &payload, payload ? 1 : 0);
	if (status < 0) {
		free(relayed);
		return status == -ENOTCONN ? STATUS_NOT_READY : status;
	}
	link->count++;
	link->used = env_now(link->relay->env);
	return 0;
}

int relay_pass(struct relay *relay, struct rpc_request *request, uint64_t store, const char *address,
	uint16_t type, const ProtobufCMessage *message, struct buf *payload)
{
	uint64_t session = rpc_request_session(request);
	struct relay_link *link = relay_find(relay, session, store);

	if (relay->stopped)
		return STATUS_STOPPING;
	if (link)
		return link->is_open ? send(link, request, type, message, payload) : STATUS_NOT_READY;
	return relay->link_count < RELAY_LINKS_MAX ? connect_to(relay, session, store, address)
						   : STATUS_LIMIT;
}

/* ---- Life ---- */

struct relay *relay_new(const struct link_self *self, struct env_loop *loop)
{
	struct relay *relay = calloc(1, sizeof *relay);

	if (relay)
		*relay = (struct relay){.self = self, .loop = loop, .env = env_loop_env(loop)};
	return relay;
}

void relay_stop(struct relay *relay, void (*stopped)(void *argument), void *argument)
{
	struct relay_link *link;

	relay->stopped = stopped;
	relay->stopped_argument = argument;
	for (link = relay->links; link; link = link->next)
		rpc_close(link->rpc);
	if (!relay->links)
		stopped(argument);
}

void relay_free(struct relay *relay)
{
	free(relay);
}
