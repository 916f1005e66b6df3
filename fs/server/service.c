#include "fs/server/service.h"

#include <errno.h>
#include <stdlib.h>

#include "fs/server/service_internal.h"
#include "proto/container.h"
#include "store/raftkv.h"

/* ---- Heartbeats ---- */

/* A heartbeat at a store that does not coordinate the cluster, while region 1's leader is looked up. */
struct beat {
	struct service *service;
	struct rpc_request *request;
	struct raftkv_region_status region;
	uint64_t session, answered;
	bool pass_on;
};

static void answer_beat(struct service *service, struct rpc_request *request, int status,
	uint64_t leader_store, const struct session_notice *notice)
{
	Raftkv__BeatReply reply = RAFTKV__BEAT_REPLY__INIT;

	reply.status = status;
	reply.leader_store = leader_store;
	reply.expiry_ms = service->options.expiry_ms;
	reply.notice = notice->number;
	if (notice->number > 0)
		reply.nameless =
			(ProtobufCBinaryData){.len = notice->inodes->size, .data = notice->inodes->data};
	rpc_answer(request, &reply.base, NULL, 0);
}

static int pass_beat_on(const struct beat *beat, uint64_t leader)
{
	Raftkv__BeatRequest message = RAFTKV__BEAT_REQUEST__INIT;

	message.session = beat->session;
	message.answers_notices = beat->answered < UINT64_MAX;
	message.answered = message.answers_notices ? beat->answered : 0;
	return service_pass_on(beat->service, beat->request, leader, FRAME_BEAT, &message.base, NULL);
}

static void on_leader(struct raftkv_region_status *region, int status)
{
	struct beat *beat = container_of(region, struct beat, region);
	uint64_t leader = status == 0 ? region->leader_store : 0;

	status = beat->pass_on ? pass_beat_on(beat, leader) : STATUS_NOT_LEADER;
	if (status < 0)
		answer_beat(beat->service, beat->request, status, leader, &(struct session_notice){0});
	free(beat);
}

static int find_leader(struct service *service, struct rpc_request *request, uint64_t session,
	uint64_t answered, bool pass_on)
{
	struct beat *beat = calloc(1, sizeof *beat);

	if (!beat)
		return -ENOMEM;
	beat->service = service;
	beat->request = request;
	beat->session = session;
	beat->answered = answered;
	beat->pass_on = pass_on;
	beat->region.region = CLUSTER_REGION;
	beat->region.loop = service->options.loop;
	beat->region.done = on_leader;
	raftkv_region_status(service->options.raftkv, &beat->region);
	return 0;
}

int service_on_beat(void *argument, struct rpc_request *request, const struct frame *frame)
{
	struct service *service = argument;
	Raftkv__BeatRequest *message = raftkv__beat_request__unpack(NULL, frame->head.size, frame->head.data);
	uint64_t session = message ? message->session : 0;
	uint64_t answered = message && message->answers_notices ? message->answered : UINT64_MAX;
	bool pass_on = message && message->pass_on;
	struct session_notice notice = {0};
	int status;

	raftkv__beat_request__free_unpacked(message, NULL);
	if (session == 0 || frame->attachment_count > 0)
		return STATUS_MALFORMED;
	if (session != rpc_request_session(request)) {
		answer_beat(service, request, -EPERM, 0, &notice);
		return 0;
	}
	status = coordinator_beat(service->options.coordinator, session, answered, &notice);
	if (status == STATUS_NOT_LEADER)
		return find_leader(service, request, session, answered, pass_on);
	answer_beat(service, request, status, 0, &notice);
	buf_unref(notice.inodes);
	return 0;
}

/* ---- To the leader ---- */

int service_pass_on(struct service *service, struct rpc_request *request, uint64_t leader, uint16_t type,
	const ProtobufCMessage *message, struct buf *payload)
{
	const char *address = leader > 0 ? store_addresses_address(service->addresses, leader) : NULL;

	if (!address || leader == service->options.self->store)
		return STATUS_NOT_LEADER;
	return relay_pass(service->relay, request, leader, address, type, message, payload);
}

/* ---- Life ---- */

struct service *service_new(const struct service_options *options, struct rpc_server *server)
{
	struct service *service = calloc(1, sizeof *service);

	if (!service)
		return NULL;
	service->options = *options;
	service->addresses = store_addresses_new(options->raftkv, options->loop, options->list);
	service->relay = relay_new(options->self, options->loop);
	if (!service->addresses || !service->relay) {
		service_free(service);
		return NULL;
	}
	rpc_server_handle(server, FRAME_READ, service_on_read, service);
	rpc_server_handle(server, FRAME_WRITE, service_on_write, service);
	rpc_server_handle(server, FRAME_BEAT, service_on_beat, service);
	rpc_server_handle(server, FRAME_ROUTES, service_on_routes, service);
	return service;
}

struct store_addresses *service_addresses(const struct service *service)
{
	return service->addresses;
}

static void on_relay_stopped(void *argument)
{
	struct service *service = argument;

	store_addresses_stop(service->addresses, service->stopped, service->stopped_argument);
}

void service_stop(struct service *service, void (*stopped)(void *argument), void *argument)
{
	service->stopped = stopped;
	service->stopped_argument = argument;
	relay_stop(service->relay, on_relay_stopped, service);
}

void service_free(struct service *service)
{
	if (!service)
		return;
	relay_free(service->relay);
	store_addresses_free(service->addresses);
	free(service);
}
