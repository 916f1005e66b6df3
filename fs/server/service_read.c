/* Answers the reads of mounts. */
#include <errno.h>
#include <stdlib.h>

#include "fs/schema/question.h"
#include "fs/server/service_internal.h"
#include "proto/container.h"

struct asked {
	struct service *service;
	struct rpc_request *request;
	struct buf *bytes; /* that the question borrows from */
	struct question question;
	struct raftkv_read read;
	struct raftkv_snapshot *snapshot;
	bool pass_on;
	bool has_room; /* QUESTION_SPACE: the coordinator knows `room` */
	struct coordinator_room room;
	struct env_work work;
	int status;
	struct buf *finding, *data;
};

static void asked_free(struct asked *asked)
{
	if (asked->snapshot)
		raftkv_snapshot_free(asked->snapshot);
	buf_unref(asked->finding);
	buf_unref(asked->data);
	buf_unref(asked->bytes);
	free(asked);
}

static void service_read_finish(struct asked *asked, int status)
{
	Raftkv__ReadReply reply = RAFTKV__READ_REPLY__INIT;
	struct slice finding = buf_slice(asked->finding);

	reply.status = status;
	reply.leader_store = asked->read.leader_store;
	reply.finding.data = (uint8_t *)(uintptr_t)finding.data;
	reply.finding.len = finding.size;
	rpc_answer(asked->request, &reply.base, &asked->data, asked->data ? 1 : 0);
	asked_free(asked);
}

/* Answers QUESTION_SPACE with the cluster's room instead of this store's own. */
static int look_at_room(struct asked *asked, struct raftkv *raftkv, struct view *view, bool may_block)
{
	struct finding finding = {0};
	int status = question_answer(&asked->question, raftkv, view, may_block, &finding);

	finding.total_units = asked->room.total / FS_UNIT_SIZE;
	finding.free_units = asked->room.free / FS_UNIT_SIZE;
	return status == 0 ? finding_encode(&asked->question, &finding, &asked->finding) : status;
}

static int service_read_look(struct asked *asked, bool may_block)
{
	struct raftkv *raftkv = asked->service->options.raftkv;
	struct view *view = raftkv_snapshot_view(asked->snapshot, may_block);

	if (asked->has_room)
		return look_at_room(asked, raftkv, view, may_block);
	return question_reply(&asked->question, raftkv, view, may_block, &asked->finding, &asked->data);
}

static void on_worker(struct env_work *work)
{
	struct asked *asked = container_of(work, struct asked, work);

	asked->status = service_read_look(asked, true);
}

static void on_worker_done(struct env_work *work)
{
	struct asked *asked = container_of(work, struct asked, work);

	service_read_finish(asked, asked->status);
}

static void look_now(struct asked *asked)
{
	int status;

	if (asked->question.kind == QUESTION_SPACE)
		asked->has_room = coordinator_room(asked->service->options.coordinator, &asked->room);
	status = service_read_look(asked, false);
	if (status == STATUS_WOULD_BLOCK)
		env_work_submit(asked->service->options.loop, &asked->work, on_worker, on_worker_done);
	else
		service_read_finish(asked, status);
}

static int pass_on(const struct asked *asked)
{
	Raftkv__ReadRequest message = RAFTKV__READ_REQUEST__INIT;

	message.region = asked->read.region;
	message.epoch_version = asked->read.epoch_version;
	message.question = (ProtobufCBinaryData){.len = asked->bytes->size, .data = asked->bytes->data};
	return service_pass_on(
		asked->service, asked->request, asked->read.leader_store, FRAME_READ, &message.base, NULL);
}

static void service_read_on_snapshot(struct raftkv_read *read, int status, struct raftkv_snapshot *snapshot)
{
	struct asked *asked = container_of(read, struct asked, read);

	asked->snapshot = snapshot;
	if (status == STATUS_NOT_LEADER && asked->pass_on) {
		status = pass_on(asked);
		if (status == 0) {
			asked_free(asked);
			return;
		}
	}
	if (status == 0)
		look_now(asked);
	else if (service_refuse_route(asked->service, asked->request, FRAME_READ, read->region, status,
			 read->leader_store))
		asked_free(asked);
	else
		service_read_finish(asked, status);
}

static void service_read_begin(struct asked *asked)
{
	struct raftkv *raftkv = asked->service->options.raftkv;
	struct raftkv_read *read = &asked->read;

	if (raftkv_local_snapshot(raftkv, read->region, read->epoch_version, &asked->snapshot) == 0)
		look_now(asked);
	else
		raftkv_async_snapshot(raftkv, read);
}

/* NULL: `status` says why. */
static struct asked *make(struct service *service, const Raftkv__ReadRequest *message, int *status)
{
	struct asked *asked = calloc(1, sizeof *asked);

	*status = -ENOMEM;
	if (!asked)
		return NULL;
	asked->bytes = buf_copy(message->question.data, message->question.len);
	if (asked->bytes)
		*status = question_decode(buf_slice(asked->bytes), &asked->question);
	if (*status < 0) {
		buf_unref(asked->bytes);
		free(asked);
		return NULL;
	}
	asked->service = service;
	asked->pass_on = message->pass_on;
	asked->read = (struct raftkv_read){.region = message->region,
		.epoch_version = message->epoch_version,
		.from_follower = message->from_follower && asked->question.kind != QUESTION_SPACE,
		.loop = service->options.loop,
		.done = service_read_on_snapshot};
	return asked;
}

/* Answers a question of a newer mount. */
static int refuse(struct rpc_request *request, int status)
{
	Raftkv__ReadReply reply = RAFTKV__READ_REPLY__INIT;

	reply.status = status;
	rpc_answer(request, &reply.base, NULL, 0);
	return 0;
}

int service_on_read(void *argument, struct rpc_request *request, const struct frame *frame)
{
	Raftkv__ReadRequest *message = raftkv__read_request__unpack(NULL, frame->head.size, frame->head.data);
	struct asked *asked = NULL;
	int status = STATUS_MALFORMED;

	if (message && message->region > 0 && frame->attachment_count == 0)
		asked = make(argument, message, &status);
	raftkv__read_request__free_unpacked(message, NULL);
	if (!asked)
		return status == STATUS_UNSUPPORTED ? refuse(request, status) : status;
	asked->request = request;
	service_read_begin(asked);
	return 0;
}
