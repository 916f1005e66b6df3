#include "fs/client/errand.h"

#include "proto/check.h"
#include "proto/plant.h"

/* ---- There ---- */

static ProtobufCBinaryData binary(const struct buf *bytes)
{
	return (ProtobufCBinaryData){.len = bytes->size, .data = bytes->data};
}

static int send_read(struct errand *errand, struct rpc *rpc)
{
	Raftkv__ReadRequest message = RAFTKV__READ_REQUEST__INIT;

	message.region = errand->region;
	message.epoch_version = errand->epoch_version;
	message.from_follower = errand->from_follower;
	message.pass_on = errand->pass_on;
	message.question = binary(errand->body);
	return rpc_call(rpc, &errand->call, &message.base, NULL, 0);
}

static int send_change(struct errand *errand, struct rpc *rpc)
{
	Raftkv__WriteRequest message = RAFTKV__WRITE_REQUEST__INIT;

	message.region = errand->region;
	message.epoch_version = errand->epoch_version;
	message.pass_on = errand->pass_on;
	message.body = binary(errand->body);
	if (errand->kind == ERRAND_CHANGE) {
		check(errand->has_slot);
		message.session = errand->session;
		message.slot = errand->slot;
		message.sequence = errand->sequence + (planted("fs:retry_renumbered") ? errand->attempts : 0);
		message.is_retry = errand->was_sent;
	}
	return rpc_call(rpc, &errand->call, &message.base, &errand->payload, errand->payload ? 1 : 0);
}

static int send_beat(struct errand *errand, struct rpc *rpc)
{
	Raftkv__BeatRequest message = RAFTKV__BEAT_REQUEST__INIT;

	message.session = errand->session;
	message.answers_notices = true;
	message.answered = errand->answered;
	message.pass_on = errand->pass_on;
	return rpc_call(rpc, &errand->call, &message.base, NULL, 0);
}

static int send_routes(struct errand *errand, struct rpc *rpc)
{
	Raftkv__RoutesRequest message = RAFTKV__ROUTES_REQUEST__INIT;

	return rpc_call(rpc, &errand->call, &message.base, NULL, 0);
}

int errand_send(struct errand *errand, struct rpc *rpc, uint64_t timeout, rpc_call_cb done)
{
	static const struct {
		uint16_t type;
		int (*send)(struct errand *errand, struct rpc *rpc);
	} kinds[] = {
		[ERRAND_READ] = {FRAME_READ, send_read},
		[ERRAND_CHANGE] = {FRAME_WRITE, send_change},
		[ERRAND_SESSION] = {FRAME_WRITE, send_change},
		[ERRAND_BEAT] = {FRAME_BEAT, send_beat},
		[ERRAND_ROUTES] = {FRAME_ROUTES, send_routes},
	};

	errand->call = (struct rpc_call){.type = kinds[errand->kind].type, .timeout = timeout, .done = done};
	return kinds[errand->kind].send(errand, rpc);
}

/* ---- And back ---- */

typedef void (*then_cb)(struct errand *errand, int status, const struct errand_answer *answer);

static int sound(int status)
{
	return status > 0 ? STATUS_MALFORMED : status;
}

static void read_read(struct errand *errand, const struct frame *frame, then_cb then)
{
	Raftkv__ReadReply *message = raftkv__read_reply__unpack(NULL, frame->head.size, frame->head.data);
	struct errand_answer answer = {0};

	if (message) {
		answer.leader_store = message->leader_store;
		answer.bytes = slice_of(message->finding.data, message->finding.len);
		answer.data = frame->attachment_count > 0 ? frame->attachments[0] : NULL;
	}
	then(errand, message ? sound(message->status) : STATUS_MALFORMED, &answer);
	raftkv__read_reply__free_unpacked(message, NULL);
}

static void read_change(struct errand *errand, const struct frame *frame, then_cb then)
{
	Raftkv__WriteReply *message = raftkv__write_reply__unpack(NULL, frame->head.size, frame->head.data);
	struct errand_answer answer = {0};

	if (message) {
		answer.leader_store = message->leader_store;
		answer.bytes = slice_of(message->reply.data, message->reply.len);
	}
	then(errand, message ? sound(message->status) : STATUS_MALFORMED, &answer);
	raftkv__write_reply__free_unpacked(message, NULL);
}

static void read_beat(struct errand *errand, const struct frame *frame, then_cb then)
{
	Raftkv__BeatReply *message = raftkv__beat_reply__unpack(NULL, frame->head.size, frame->head.data);
	struct errand_answer answer = {0};

	if (message) {
		answer.leader_store = message->leader_store;
		answer.expiry_ms = message->expiry_ms;
		answer.notice = message->notice;
		answer.bytes = slice_of(message->nameless.data, message->nameless.len);
	}
	then(errand, message ? sound(message->status) : STATUS_MALFORMED, &answer);
	raftkv__beat_reply__free_unpacked(message, NULL);
}

static void read_routes(struct errand *errand, const struct frame *frame, then_cb then)
{
	Raftkv__RoutesReply *message = raftkv__routes_reply__unpack(NULL, frame->head.size, frame->head.data);
	const struct errand_answer answer = {.routes = message};

	then(errand, message ? sound(message->status) : STATUS_MALFORMED, &answer);
	raftkv__routes_reply__free_unpacked(message, NULL);
}

void errand_read_answer(struct errand *errand, const struct frame *frame, then_cb then)
{
	static void (*const kinds[])(struct errand * errand, const struct frame *frame, then_cb then) = {
		[ERRAND_READ] = read_read,
		[ERRAND_CHANGE] = read_change,
		[ERRAND_SESSION] = read_change,
		[ERRAND_BEAT] = read_beat,
		[ERRAND_ROUTES] = read_routes,
	};

	kinds[errand->kind](errand, frame, then);
}
