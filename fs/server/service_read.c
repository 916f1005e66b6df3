/* Answers the reads of mounts. */
#include <errno.h>
#include <stdlib.h>

#include "fs/server/service_read.h"
#include "proto/container.h"

static void asked_free(struct asked *asked)
{
	if (asked->snapshot)
		raftkv_snapshot_free(asked->snapshot);
	buf_unref(asked->finding);
	buf_unref(asked->data);
	buf_unref(asked->bytes);
	service_intents_free(asked->intents);
	free(asked);
}

/* A check of the cluster is no load that a region should be split or moved for. */
static void note_load(const struct asked *asked)
{
	struct region_loads *loads = asked->service->options.loads;
	uint64_t size = buf_slice(asked->finding).size + buf_slice(asked->data).size;

	if (loads && asked->question.kind != QUESTION_PAGE)
		region_loads_note(loads, asked->read.region, fs_ino_dirid(asked->question.ino),
			region_loads_cost_of_read(size));
}

void service_read_finish(struct asked *asked, int status)
{
	Raftkv__ReadReply reply = RAFTKV__READ_REPLY__INIT;
	struct slice finding = buf_slice(asked->finding);

	reply.status = status;
	reply.leader_store = asked->read.leader_store;
	reply.finding.data = (uint8_t *)(uintptr_t)finding.data;
	reply.finding.len = finding.size;
	if (status == 0)
		note_load(asked);
	rpc_answer(asked->request, &reply.base, &asked->data, asked->data ? 1 : 0);
	asked_free(asked);
}

/* Region 1's own count is exact, if there is no other. */
static bool is_only_region(struct raftkv *raftkv)
{
	struct region range;
	bool is_only;

	if (raftkv_region_range(raftkv, CLUSTER_REGION, &range) < 0)
		return false;
	is_only = !range.end;
	region_close(&range);
	return is_only;
}

/* Answers QUESTION_SPACE with the cluster's room instead of this store's own. */
static int look_at_room(struct asked *asked, struct raftkv *raftkv, struct view *view, bool may_block)
{
	struct finding finding = {0};
	int status = question_answer(&asked->question, raftkv, view, may_block, &finding);

	finding.total_units = asked->room.total / FS_UNIT_SIZE;
	finding.free_units = asked->room.free / FS_UNIT_SIZE;
	if (!is_only_region(raftkv))
		finding.inodes = asked->room.inodes;
	return status == 0 ? finding_encode(&asked->question, &finding, &asked->finding) : status;
}

static int service_read_look(struct asked *asked, bool may_block)
{
	struct raftkv *raftkv = asked->service->options.raftkv;
	struct view *view = raftkv_snapshot_view(asked->snapshot, may_block);

	if (asked->has_room)
		return look_at_room(asked, raftkv, view, may_block);
	if (asked->question.kind == QUESTION_ATTEMPTS)
		return may_block ? service_attempts_fetch(asked, view) : service_attempts_look(asked, view);
	if (asked->question.kind == QUESTION_PAGE)
		return may_block ? service_page_look(asked, view) : STATUS_WOULD_BLOCK;
	if (asked->intents)
		view = service_intents_view(asked->intents, view);
	return question_reply(&asked->question, raftkv, view, may_block, &asked->finding, &asked->data);
}

static void service_read_on_look(struct asked *asked, int status)
{
	if (asked->intents)
		service_intents_on_look(asked, status);
	else if (status == STATUS_INTENTS)
		service_intents_begin(asked);
	else
		service_read_finish(asked, status);
}

static void on_worker(struct env_work *work)
{
	struct asked *asked = container_of(work, struct asked, work);

	asked->status = service_read_look(asked, true);
}

static void on_worker_done(struct env_work *work)
{
	struct asked *asked = container_of(work, struct asked, work);

	if (asked->question.kind == QUESTION_ATTEMPTS && asked->status == 0)
		service_read_look_now(asked);
	else
		service_read_on_look(asked, asked->status);
}

void service_read_look_now(struct asked *asked)
{
	int status;

	if (asked->question.kind == QUESTION_SPACE)
		asked->has_room = coordinator_room(asked->service->options.coordinator, &asked->room);
	status = service_read_look(asked, false);
	if (status == STATUS_WOULD_BLOCK)
		env_work_submit(asked->service->options.loop, &asked->work, on_worker, on_worker_done);
	else
		service_read_on_look(asked, status);
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
		service_read_look_now(asked);
	else if (service_refuse_route(asked->service, asked->request, FRAME_READ, read->region, status,
			 read->leader_store))
		asked_free(asked);
	else
		service_read_finish(asked, status);
}

void service_read_begin(struct asked *asked)
{
	struct raftkv *raftkv = asked->service->options.raftkv;
	struct raftkv_read *read = &asked->read;

	if (asked->question.kind == QUESTION_ATTEMPTS)
		service_attempts_prepare(asked);
	if (raftkv_local_snapshot(raftkv, read->region, read->epoch_version, &asked->snapshot) == 0)
		service_read_look_now(asked);
	else
		raftkv_async_snapshot(raftkv, read);
}

/* Questions that a follower cannot answer. */
static bool is_for_leader(enum question_kind kind)
{
	return kind == QUESTION_SPACE || kind == QUESTION_ROWS || kind == QUESTION_ATTEMPTS ||
	       kind == QUESTION_PAGE;
}

/* Stores ask these, for operations across regions, and administrators; no mount does. */
static bool is_of_stores(enum question_kind kind)
{
	return kind == QUESTION_ROWS || kind == QUESTION_ATTEMPTS || kind == QUESTION_PAGE;
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
		.from_follower = message->from_follower && !is_for_leader(asked->question.kind),
		.loop = service->options.loop,
		.done = service_read_on_snapshot};
	return asked;
}

/* Answers a question of a newer mount, or one that the link may not ask. */
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
	if (is_of_stores(asked->question.kind) && rpc_request_session(request) > 0) {
		asked_free(asked);
		return refuse(request, -EPERM);
	}
	asked->request = request;
	service_read_begin(asked);
	return 0;
}
