#include "proto/rpc.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/container.h"

struct rpc {
	struct rpc_options options;
	struct link *link;
	struct rpc_call *calls; /* by id, in the order in which they were made */
	uint64_t last; /* id */
};

void rpc_forget(struct rpc_call *call)
{
	env_timer_stop(&call->timer);
	HASH_DEL(call->rpc->calls, call);
}

static void finish(struct rpc_call *call, int status, const struct frame *answer)
{
	rpc_forget(call);
	call->done(call, status, answer);
}

/* ---- The link ---- */

static void rpc_on_opened(void *argument, struct link *link, const Raftkv__HelloReply *reply)
{
	struct rpc *rpc = argument;

	(void)link;
	rpc->options.opened(rpc->options.argument, rpc, reply);
}

/* Drops the answer to a call that has timed out. */
static int rpc_on_received(void *argument, struct link *link, const struct frame *frame)
{
	struct rpc *rpc = argument;
	struct rpc_call *call;
	uint64_t id = frame->request;

	(void)link;
	if (id == 0 || id > rpc->last)
		return STATUS_MALFORMED;
	HASH_FIND(hh, rpc->calls, &id, sizeof id, call);
	if (!call)
		return 0;
	if (call->type != frame->type)
		return STATUS_MALFORMED;
	finish(call, 0, frame);
	return 0;
}

static void rpc_on_closed(void *argument, struct link *link, const struct status *why)
{
	struct rpc *rpc = argument;

	(void)link;
	rpc->link = NULL;
	while (rpc->calls)
		finish(rpc->calls, -ECONNRESET, NULL);
	rpc->options.closed(rpc->options.argument, rpc, why);
	free(rpc);
}

/* ---- Calls ---- */

static void rpc_on_timeout(struct env_timer *timer)
{
	finish(container_of(timer, struct rpc_call, timer), -ETIMEDOUT, NULL);
}

int rpc_call(struct rpc *rpc, struct rpc_call *call, const ProtobufCMessage *head,
	struct buf *const *attachments, uint32_t attachment_count)
{
	struct env *env = env_loop_env(rpc->options.loop);
	int status;

	if (!rpc->link)
		return -ENOTCONN;
	if (HASH_COUNT(rpc->calls) >= RPC_CALLS_MAX)
		return STATUS_LIMIT;
	status = link_send(rpc->link, call->type, rpc->last + 1, head, attachments, attachment_count);
	if (status < 0)
		return status;
	call->rpc = rpc;
	call->id = ++rpc->last;
	call->timer = (struct env_timer){0};
	HASH_ADD(hh, rpc->calls, id, sizeof call->id, call);
	env_timer_start(&call->timer, rpc->options.loop, env_now(env) + call->timeout, rpc_on_timeout);
	return 0;
}

/* ---- Life ---- */

int rpc_connect(const struct rpc_options *options, struct rpc **out, struct status *status)
{
	struct rpc *rpc = calloc(1, sizeof *rpc);
	const struct link_handlers handlers = {.argument = rpc,
		.opened = rpc_on_opened,
		.received = rpc_on_received,
		.closed = rpc_on_closed};
	Raftkv__Hello hello = RAFTKV__HELLO__INIT;
	int code;

	*out = NULL;
	if (!rpc)
		return status_set(status, -ENOMEM, "out of memory");
	rpc->options = *options;
	hello.role = RAFTKV__ROLE__CLIENT;
	hello.receiver = options->receiver;
	hello.session = options->session;
	code = link_connect(
		options->self, options->loop, options->address, &hello, &handlers, &rpc->link, status);
	if (code < 0)
		free(rpc);
	else
		*out = rpc;
	return code;
}

void rpc_close(struct rpc *rpc)
{
	if (rpc->link)
		link_close(rpc->link, NULL);
}
