/* Answers the changes of mounts. */
#include <errno.h>
#include <stdlib.h>

#include "fs/schema/op.h"
#include "fs/server/service_internal.h"
#include "fs/transact/transactions.h"
#include "proto/container.h"
#include "proto/plant.h"
#include "store/rows/slots.h"

#define REGISTRATION_TRIES_MAX 4u /* of one change */

struct service_write {
	struct service *service;
	struct rpc_request *request;
	struct transactions_change change;
	struct registration_wait wait;
	uint32_t tries; /* of the session's registration */
	bool pass_on;
	size_t payload_size;
	uint64_t dirid; /* of its first key */
};

static void service_write_answer(
	struct rpc_request *request, int status, uint64_t leader_store, struct slice bytes)
{
	Raftkv__WriteReply reply = RAFTKV__WRITE_REPLY__INIT;

	reply.status = status;
	reply.leader_store = leader_store;
	reply.reply.data = (uint8_t *)(uintptr_t)bytes.data;
	reply.reply.len = bytes.size;
	rpc_answer(request, &reply.base, NULL, 0);
}

static void service_write_free(struct service_write *written)
{
	written->service->payload_size -= written->payload_size;
	buf_unref(written->change.write.body);
	buf_unref(written->change.write.payload);
	free(written);
}

static int pass_on(const struct service_write *written)
{
	const struct raftkv_write *write = &written->change.write;
	Raftkv__WriteRequest message = RAFTKV__WRITE_REQUEST__INIT;

	message.region = write->region;
	message.epoch_version = write->epoch_version;
	message.session = write->session;
	message.slot = write->slot;
	message.sequence = write->sequence;
	message.is_retry = write->is_retry;
	message.asked = written->change.asked;
	message.body = (ProtobufCBinaryData){.len = write->body->size, .data = write->body->data};
	return service_pass_on(written->service, written->request, write->leader_store, FRAME_WRITE,
		&message.base, write->payload);
}

static void service_write_evaluate(struct service_write *written);
static void service_write_finish(struct service_write *written, int status, struct buf *reply);

static void on_session_registered(struct registration_wait *wait, int status)
{
	struct service_write *written = container_of(wait, struct service_write, wait);

	if (status == 0)
		service_write_evaluate(written);
	else
		service_write_finish(written, status, NULL);
}

/* Region 1 knows every session that there is. Any other region may not know it yet. False: `status` is the answer. */
static bool register_session(struct service_write *written, int *status)
{
	const struct raftkv_write *write = &written->change.write;

	if (*status != STATUS_SESSION_UNKNOWN || write->region == CLUSTER_REGION)
		return false;
	/* OP_PREPARE is for the session of another store's change. */
	written->wait = (struct registration_wait){.region = write->region,
		.session = written->change.age.session,
		.done = on_session_registered};
	*status = written->tries++ < REGISTRATION_TRIES_MAX
			  ? registrations_ask(written->service->options.registrations, &written->wait)
			  : STATUS_LIMIT;
	return *status == 0;
}

static void service_write_on_done(struct transactions_change *change, int status, struct buf *reply)
{
	struct service_write *written = container_of(change, struct service_write, change);

	if (!register_session(written, &status))
		service_write_finish(written, status, reply);
}

/* Perhaps again: nothing stays of the time before. */
static void service_write_evaluate(struct service_write *written)
{
	const struct raftkv_write *write = &written->change.write;

	written->change = (struct transactions_change){.asked = written->change.asked,
		.done = service_write_on_done,
		.write = {
			.region = write->region,
			.epoch_version = write->epoch_version,
			.session = write->session,
			.slot = write->slot,
			.sequence = write->sequence,
			.is_retry = write->is_retry,
			.is_urgent = write->is_urgent,
			.body = write->body,
			.payload = write->payload,
		}};
	transactions_write(written->service->options.transactions, &written->change);
}

static void note_load(const struct service_write *written)
{
	struct region_loads *loads = written->service->options.loads;

	if (loads)
		region_loads_note(loads, written->change.write.region, written->dirid,
			region_loads_cost_of_write(written->payload_size));
}

static void service_write_finish(struct service_write *written, int status, struct buf *reply)
{
	const struct raftkv_write *write = &written->change.write;
	bool is_passed_on = false;

	if (status == 0)
		note_load(written);
	if (status == STATUS_NOT_LEADER && written->pass_on) {
		status = pass_on(written);
		is_passed_on = status == 0;
	}
	if (!is_passed_on && !service_refuse_route(written->service, written->request, FRAME_WRITE,
				     write->region, status, write->leader_store))
		service_write_answer(written->request, status, write->leader_store, buf_slice(reply));
	service_write_free(written);
}

/* Operations on files, which mounts may ask for; the others are the coordinator's. */
static bool is_of_files(enum op_kind kind)
{
	return kind >= OP_MAKE && kind <= OP_RELEASE;
}

/* What one store asks of another: the steps of an operation across regions, and of a session's life. */
static bool is_between_stores(enum op_kind kind)
{
	return kind == OP_PREPARE || kind == OP_RESOLVE || kind == OP_SESSION_REGISTER ||
	       kind == OP_SESSION_FORGET || kind == OP_SESSION_END || kind == OP_GRACE_END;
}

/* A change with a session must have the link's session. A change without a session has no slot that would detect a
 * repetition, so only operations are allowed that may be applied twice, or are sent once. A session may be closed by its
 * own link, or by an administrator, whose link has no session; nor has a store's. */
static bool is_allowed(
	const struct rpc_request *request, const Raftkv__WriteRequest *message, const struct op *op)
{
	uint64_t own = rpc_request_session(request);
	bool is_own = message->session == own;

	if (planted("fs:session_of_another"))
		is_own = true;
	if (message->session > 0)
		return is_own && slots_are_of(message->session) && message->sequence > 0 &&
		       is_of_files(op->kind);
	if (op->kind == OP_SESSION_CLOSE)
		return own == 0 || op->session_end.session == own;
	if (is_between_stores(op->kind))
		return own == 0;
	return op->kind == OP_SESSION_OPEN;
}

/* A write must have a payload, any other operation must not. */
static bool has_sound_payload(const struct frame *frame, const struct op *op)
{
	if (op->kind != OP_WRITE)
		return frame->attachment_count == 0;
	return frame->attachment_count == 1 && frame->attachments[0]->size > 0 &&
	       frame->attachments[0]->size <= OP_WRITE_SIZE_MAX;
}

/* Takes the bytes out of the message without a copy. */
static struct buf *take_body(Raftkv__WriteRequest *message)
{
	struct buf *body = buf_wrap(message->body.data, message->body.len, free, message->body.data);

	if (body)
		message->body = (ProtobufCBinaryData){0};
	return body;
}

static int service_write_begin(struct service *service, struct rpc_request *request,
	Raftkv__WriteRequest *message, const struct op *op, struct buf *payload)
{
	struct fs_key key = op_key(op); /* the operation borrows from the body */
	struct service_write *written = calloc(1, sizeof *written);
	struct buf *body = written ? take_body(message) : NULL;

	if (!body) {
		free(written);
		return -ENOMEM;
	}
	written->service = service;
	written->request = request;
	written->pass_on = message->pass_on;
	written->payload_size = payload ? payload->size : 0;
	written->dirid = fs_key_get_dirid(fs_key_slice(&key));
	written->change.asked = message->asked;
	written->change.write = (struct raftkv_write){
		.region = message->region,
		.epoch_version = message->epoch_version,
		.session = message->session,
		.slot = message->slot,
		.sequence = message->sequence,
		.is_retry = message->is_retry,
		.is_urgent = op->kind == OP_RESOLVE,
		.body = body,
		.payload = buf_ref(payload),
	};
	service->payload_size += written->payload_size;
	service_write_evaluate(written);
	return 0;
}

static int service_write_take(struct service *service, struct rpc_request *request,
	Raftkv__WriteRequest *message, const struct frame *frame)
{
	struct buf *payload = frame->attachment_count > 0 ? frame->attachments[0] : NULL;
	struct op op;
	int status = op_decode(slice_of(message->body.data, message->body.len), &op);

	if (status == STATUS_UNSUPPORTED) { /* the mount is newer than this store */
		service_write_answer(request, status, 0, (struct slice){0});
		return 0;
	}
	if (status < 0 || !has_sound_payload(frame, &op))
		return STATUS_MALFORMED;
	if (!is_allowed(request, message, &op))
		service_write_answer(request, -EPERM, 0, (struct slice){0});
	else if (service->payload_size + (payload ? payload->size : 0) > SERVICE_PAYLOAD_SIZE_MAX)
		service_write_answer(request, STATUS_LIMIT, 0, (struct slice){0});
	else
		return service_write_begin(service, request, message, &op, payload);
	return 0;
}

int service_on_write(void *argument, struct rpc_request *request, const struct frame *frame)
{
	Raftkv__WriteRequest *message =
		raftkv__write_request__unpack(NULL, frame->head.size, frame->head.data);
	int status = STATUS_MALFORMED;

	if (message && message->region > 0)
		status = service_write_take(argument, request, message, frame);
	raftkv__write_request__free_unpacked(message, NULL);
	return status;
}
