#include "fs/client/cluster_request.h"

#include "proto/check.h"
#include "proto/plant.h"

/* ---- Requests ---- */

static ProtobufCBinaryData binary(const struct buf *bytes)
{
	return (ProtobufCBinaryData){.len = bytes->size, .data = bytes->data};
}

static int send_read(struct cluster_request *request, struct rpc *rpc)
{
	Raftkv__ReadRequest message = RAFTKV__READ_REQUEST__INIT;

	message.region = request->region;
	message.epoch_version = request->epoch_version;
	message.from_follower = request->from_follower;
	message.pass_on = request->pass_on;
	message.question = binary(request->body);
	return rpc_call(rpc, &request->call, &message.base, NULL, 0);
}

static int send_change(struct cluster_request *request, struct rpc *rpc)
{
	Raftkv__WriteRequest message = RAFTKV__WRITE_REQUEST__INIT;

	message.region = request->region;
	message.epoch_version = request->epoch_version;
	message.pass_on = request->pass_on;
	message.body = binary(request->body);
	message.asked = request->asked;
	if (request->kind == CLUSTER_REQUEST_CHANGE) {
		check(request->has_slot);
		message.session = request->session;
		message.slot = request->slot;
		message.sequence = request->sequence;
		if (planted("fs:retry_renumbered"))
			message.sequence += request->attempts;
		message.is_retry = request->was_sent;
	}
	return rpc_call(rpc, &request->call, &message.base, &request->payload, request->payload ? 1 : 0);
}

static int send_beat(struct cluster_request *request, struct rpc *rpc)
{
	Raftkv__BeatRequest message = RAFTKV__BEAT_REQUEST__INIT;

	message.session = request->session;
	message.answers_notices = true;
	message.answered = request->answered;
	message.pass_on = request->pass_on;
	return rpc_call(rpc, &request->call, &message.base, NULL, 0);
}

static int send_routes(struct cluster_request *request, struct rpc *rpc)
{
	Raftkv__RoutesRequest message = RAFTKV__ROUTES_REQUEST__INIT;

	message.key = (ProtobufCBinaryData){.len = request->key.size, .data = request->key.bytes};
	message.limit = CLUSTER_ROUTES_MAX;
	return rpc_call(rpc, &request->call, &message.base, NULL, 0);
}

static int send_split(struct cluster_request *request, struct rpc *rpc)
{
	Raftkv__SplitRequest message = RAFTKV__SPLIT_REQUEST__INIT;

	message.key = (ProtobufCBinaryData){.len = request->key.size, .data = request->key.bytes};
	message.in_middle = request->in_middle;
	message.new_region = request->new_region;
	return rpc_call(rpc, &request->call, &message.base, NULL, 0);
}

static int send_region_step(struct cluster_request *request, struct rpc *rpc)
{
	return rpc_call(rpc, &request->call, &request->region_step->base, NULL, 0);
}

int cluster_request_send(struct cluster_request *request, struct rpc *rpc, uint64_t timeout, rpc_call_cb done)
{
	static const struct {
		uint16_t type;
		int (*send)(struct cluster_request *request, struct rpc *rpc);
	} kinds[] = {
		[CLUSTER_REQUEST_READ] = {FRAME_READ, send_read},
		[CLUSTER_REQUEST_CHANGE] = {FRAME_WRITE, send_change},
		[CLUSTER_REQUEST_SESSION] = {FRAME_WRITE, send_change},
		[CLUSTER_REQUEST_BEAT] = {FRAME_BEAT, send_beat},
		[CLUSTER_REQUEST_ROUTES] = {FRAME_ROUTES, send_routes},
		[CLUSTER_REQUEST_SPLIT] = {FRAME_SPLIT, send_split},
		[CLUSTER_REQUEST_REGION_STEP] = {FRAME_REGION_STEP, send_region_step},
	};

	request->call =
		(struct rpc_call){.type = kinds[request->kind].type, .timeout = timeout, .done = done};
	return kinds[request->kind].send(request, rpc);
}

/* ---- Answers ---- */

typedef void (*then_cb)(struct cluster_request *request, int status, const struct cluster_answer *answer);

static int sound(int status)
{
	return status > 0 ? STATUS_MALFORMED : status;
}

static void read_read(struct cluster_request *request, const struct frame *frame, then_cb then)
{
	Raftkv__ReadReply *message = raftkv__read_reply__unpack(NULL, frame->head.size, frame->head.data);
	struct cluster_answer answer = {0};

	if (message) {
		answer.leader_store = message->leader_store;
		answer.bytes = slice_of(message->finding.data, message->finding.len);
		answer.data = frame->attachment_count > 0 ? frame->attachments[0] : NULL;
		answer.known = message->routes;
		answer.known_count = message->n_routes;
	}
	then(request, message ? sound(message->status) : STATUS_MALFORMED, &answer);
	raftkv__read_reply__free_unpacked(message, NULL);
}

static void read_change(struct cluster_request *request, const struct frame *frame, then_cb then)
{
	Raftkv__WriteReply *message = raftkv__write_reply__unpack(NULL, frame->head.size, frame->head.data);
	struct cluster_answer answer = {0};

	if (message) {
		answer.leader_store = message->leader_store;
		answer.bytes = slice_of(message->reply.data, message->reply.len);
		answer.known = message->routes;
		answer.known_count = message->n_routes;
	}
	then(request, message ? sound(message->status) : STATUS_MALFORMED, &answer);
	raftkv__write_reply__free_unpacked(message, NULL);
}

static void read_beat(struct cluster_request *request, const struct frame *frame, then_cb then)
{
	Raftkv__BeatReply *message = raftkv__beat_reply__unpack(NULL, frame->head.size, frame->head.data);
	struct cluster_answer answer = {0};

	if (message) {
		answer.leader_store = message->leader_store;
		answer.expiry_ms = message->expiry_ms;
		answer.notice = message->notice;
		answer.bytes = slice_of(message->nameless.data, message->nameless.len);
	}
	then(request, message ? sound(message->status) : STATUS_MALFORMED, &answer);
	raftkv__beat_reply__free_unpacked(message, NULL);
}

static void read_routes(struct cluster_request *request, const struct frame *frame, then_cb then)
{
	Raftkv__RoutesReply *message = raftkv__routes_reply__unpack(NULL, frame->head.size, frame->head.data);
	const struct cluster_answer answer = {.routes = message};

	then(request, message ? sound(message->status) : STATUS_MALFORMED, &answer);
	raftkv__routes_reply__free_unpacked(message, NULL);
}

static void read_split(struct cluster_request *request, const struct frame *frame, then_cb then)
{
	Raftkv__SplitReply *message = raftkv__split_reply__unpack(NULL, frame->head.size, frame->head.data);
	struct cluster_answer answer = {.split = message};

	if (message)
		answer.leader_store = message->leader_store;
	then(request, message ? sound(message->status) : STATUS_MALFORMED, &answer);
	raftkv__split_reply__free_unpacked(message, NULL);
}

static void read_region_step(struct cluster_request *request, const struct frame *frame, then_cb then)
{
	Raftkv__RegionStepReply *message =
		raftkv__region_step_reply__unpack(NULL, frame->head.size, frame->head.data);
	struct cluster_answer answer = {.region_step = message};

	if (message)
		answer.leader_store = message->leader_store;
	then(request, message ? sound(message->status) : STATUS_MALFORMED, &answer);
	raftkv__region_step_reply__free_unpacked(message, NULL);
}

void cluster_request_read_answer(struct cluster_request *request, const struct frame *frame, then_cb then)
{
	static void (*const kinds[])(
		struct cluster_request * request, const struct frame *frame, then_cb then) = {
		[CLUSTER_REQUEST_READ] = read_read,
		[CLUSTER_REQUEST_CHANGE] = read_change,
		[CLUSTER_REQUEST_SESSION] = read_change,
		[CLUSTER_REQUEST_BEAT] = read_beat,
		[CLUSTER_REQUEST_ROUTES] = read_routes,
		[CLUSTER_REQUEST_SPLIT] = read_split,
		[CLUSTER_REQUEST_REGION_STEP] = read_region_step,
	};

	kinds[request->kind](request, frame, then);
}
