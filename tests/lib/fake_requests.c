#include "tests/lib/fake_requests.h"

#include "proto/check.h"

void fake_requests_ask(struct rpc_server *server, struct rpc_request *request, uint16_t type,
	struct slice head, struct buf *attachment)
{
	const struct frame frame = {.type = type,
		.request = 1,
		.head = head,
		.attachments = &attachment,
		.attachment_count = attachment ? 1 : 0};

	request->server = server;
	server->under_way++;
	for (uint32_t i = 0; i < server->handler_count; i++)
		if (server->handlers[i].type == type)
			request->refusal =
				server->handlers[i].handler(server->handlers[i].argument, request, &frame);
	check(request->refusal <= 0);
	if (request->refusal < 0) {
		check(!request->is_answered);
		server->under_way--;
	}
}

void fake_requests_close(struct rpc_request *request)
{
	buf_unref(request->head);
	buf_unref(request->data);
}

void rpc_server_handle(struct rpc_server *server, uint16_t type, rpc_handler_cb handler, void *argument)
{
	uint32_t i = server->handler_count++;

	server->handlers[i].type = type;
	server->handlers[i].handler = handler;
	server->handlers[i].argument = argument;
}

struct env_loop *rpc_request_loop(const struct rpc_request *request)
{
	return request->server->loop;
}

uint64_t rpc_request_session(const struct rpc_request *request)
{
	return request->session;
}

void rpc_answer(struct rpc_request *request, const ProtobufCMessage *head, struct buf *const *attachments,
	uint32_t attachment_count)
{
	check(!request->is_answered && attachment_count <= 1);
	request->is_answered = true;
	request->server->under_way--;
	request->head = buf_new(protobuf_c_message_get_packed_size(head));
	check(request->head != NULL);
	protobuf_c_message_pack(head, request->head->data);
	request->data = attachment_count > 0 ? buf_ref(attachments[0]) : NULL;
}
