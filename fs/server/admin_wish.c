/* A wish of an administrator, on its way to the keeper and back. */
#include <errno.h>
#include <stdlib.h>

#include "fs/server/admin_internal.h"
#include "proto/container.h"

struct admin_call {
	struct keeper_wish wish;
	struct admin *admin;
	struct rpc_request *request;
};

static void send_on(struct admin *admin, struct rpc_request *request, struct admin_leader leader)
{
	Raftkv__WishReply reply = RAFTKV__WISH_REPLY__INIT;

	(void)admin;
	reply.status = STATUS_NOT_LEADER;
	reply.leader_store = leader.store;
	reply.leader_address = leader.address;
	rpc_answer(request, &reply.base, NULL, 0);
}

static void on_made(struct keeper_wish *wish, const struct status *status)
{
	struct admin_call *call = container_of(wish, struct admin_call, wish);
	struct admin *admin = call->admin;
	struct rpc_request *request = call->request;
	Raftkv__WishReply reply = RAFTKV__WISH_REPLY__INIT;

	free(call);
	if (status->code == STATUS_NOT_LEADER && admin_find_leader(admin, request, send_on) == 0)
		return;
	reply.status = status->code;
	reply.sentence = (char *)(uintptr_t)status->text;
	rpc_answer(request, &reply.base, NULL, 0);
}

static bool read_wish(const Raftkv__WishRequest *message, struct keeper_wish *wish)
{
	*wish = (struct keeper_wish){.kind = (enum keeper_wish_kind)message->kind,
		.store = message->store,
		.state = (enum store_state)message->state,
		.heir = message->heir,
		.region = message->region,
		.is_forced = message->is_forced,
		.is_dry = message->is_dry,
		.done = on_made};
	return message->kind <= KEEPER_TRANSFER && message->store > 0 &&
	       (message->kind != KEEPER_SET_STORE ||
		       (message->state >= STORE_UP && message->state <= STORE_LOST));
}

int admin_on_wish(void *argument, struct rpc_request *request, const struct frame *frame)
{
	Raftkv__WishRequest *message = raftkv__wish_request__unpack(NULL, frame->head.size, frame->head.data);
	struct admin_call *call = message ? calloc(1, sizeof *call) : NULL;
	bool is_good = call && frame->attachment_count == 0 && read_wish(message, &call->wish);
	int status = message && !call ? -ENOMEM : STATUS_MALFORMED;

	raftkv__wish_request__free_unpacked(message, NULL);
	if (!is_good) {
		free(call);
		return status;
	}
	call->admin = argument;
	call->request = request;
	keeper_make(call->admin->options.keeper, &call->wish);
	return 0;
}
