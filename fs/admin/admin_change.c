/* Hands administrators' changes to the coordinator, and answers them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/admin/admin_internal.h"
#include "proto/container.h"
#include "proto/version.h"

struct admin_call {
	struct admin_request change;
	uint64_t *regions; /* that it names; NULL: none */
	struct admin *admin;
	struct rpc_request *request;
};

static void call_free(struct admin_call *call)
{
	if (call)
		free(call->regions);
	free(call);
}

static void send_on(struct admin *admin, struct rpc_request *request, struct admin_leader leader)
{
	Raftkv__AdminReply reply = RAFTKV__ADMIN_REPLY__INIT;

	(void)admin;
	reply.status = STATUS_NOT_LEADER;
	reply.leader_store = leader.store;
	reply.leader_address = leader.address;
	rpc_answer(request, &reply.base, NULL, 0);
}

static void on_made(struct admin_request *change, const struct status *status)
{
	struct admin_call *call = container_of(change, struct admin_call, change);
	struct admin *admin = call->admin;
	struct rpc_request *request = call->request;
	Raftkv__AdminReply reply = RAFTKV__ADMIN_REPLY__INIT;

	if (status->code == STATUS_NOT_LEADER && admin_find_leader(admin, request, send_on) == 0) {
		call_free(call);
		return;
	}
	reply.status = status->code;
	reply.sentence = (char *)(uintptr_t)status->text;
	if (change->kind == ADMIN_SPLIT) {
		reply.region = change->region;
		reply.new_region = change->new_region;
		reply.key = (ProtobufCBinaryData){.len = change->key.size, .data = change->key.bytes};
	}
	rpc_answer(request, &reply.base, NULL, 0);
	call_free(call);
}

/* Answers a change of a newer program. */
static int refuse(struct rpc_request *request)
{
	Raftkv__AdminReply reply = RAFTKV__ADMIN_REPLY__INIT;
	struct status why = {0};

	reply.status = status_set(&why, STATUS_UNSUPPORTED,
		"the store that coordinates the cluster is older (version %s) and does not know this change",
		RAFTKV_VERSION);
	reply.sentence = why.text;
	rpc_answer(request, &reply.base, NULL, 0);
	return 0;
}

static bool is_known(const Raftkv__AdminRequest *message)
{
	return message->kind <= ADMIN_SCATTER && message->state <= STORE_LOST &&
	       message->setting < SETTING_END;
}

/* In the middle, the key is any of the region: the empty one is of the first. */
static bool read_key(const Raftkv__AdminRequest *message, struct admin_request *change)
{
	if (message->key.len > FS_KEY_SIZE_MAX || (message->key.len == 0 && !message->in_middle))
		return false;
	change->key.size = (uint16_t)message->key.len;
	if (message->key.len > 0)
		memcpy(change->key.bytes, message->key.data, message->key.len);
	return true;
}

/* In their order, each once. Without memory the link ends, as with a malformed request. */
static bool read_regions(const Raftkv__AdminRequest *message, struct admin_call *call)
{
	size_t count = message->n_regions;

	if (count == 0)
		return true;
	if (count > COORDINATOR_SCATTER_MAX)
		return false;
	for (size_t i = 0; i < count; i++)
		if (message->regions[i] <= (i > 0 ? message->regions[i - 1] : 0))
			return false;
	call->regions = malloc(count * sizeof *call->regions);
	if (!call->regions)
		return false;
	memcpy(call->regions, message->regions, count * sizeof *call->regions);
	call->change.regions = call->regions;
	call->change.region_count = (uint32_t)count;
	return true;
}

static bool read_change(const Raftkv__AdminRequest *message, struct admin_call *call)
{
	struct admin_request *change = &call->change;

	*change = (struct admin_request){.kind = (enum admin_kind)message->kind,
		.store = message->store,
		.state = (enum store_state)message->state,
		.replacement = message->replacement,
		.region = message->region,
		.is_forced = message->is_forced,
		.is_dry = message->is_dry,
		.in_middle = message->in_middle,
		.setting = (enum cluster_setting)message->setting,
		.is_set = message->is_set,
		.value = message->value,
		.done = on_made};
	if (message->kind == ADMIN_SPLIT)
		return read_key(message, change);
	if (message->kind == ADMIN_SCATTER)
		return read_regions(message, call);
	if (message->kind == ADMIN_SET_CLUSTER)
		return message->setting > 0;
	return message->store > 0 && (message->kind != ADMIN_SET_STORE || message->state >= STORE_UP);
}

int admin_on_change(void *argument, struct rpc_request *request, const struct frame *frame)
{
	Raftkv__AdminRequest *message =
		raftkv__admin_request__unpack(NULL, frame->head.size, frame->head.data);
	struct admin_call *call = message ? calloc(1, sizeof *call) : NULL;
	bool is_newer = message && !is_known(message);
	bool is_good = call && frame->attachment_count == 0 && read_change(message, call);
	int status = message && !call ? -ENOMEM : STATUS_MALFORMED;

	raftkv__admin_request__free_unpacked(message, NULL);
	if (!is_good || is_newer) {
		call_free(call);
		return is_newer ? refuse(request) : status;
	}
	call->admin = argument;
	call->request = request;
	coordinator_take_admin(call->admin->options.coordinator, &call->change);
	return 0;
}
