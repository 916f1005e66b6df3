/* Tells mounts of regions and their stores: when they ask, and when a request was sent by an old route. */
#include <errno.h>
#include <stdlib.h>

#include "fs/server/known_routes.h"
#include "fs/server/service_internal.h"
#include "proto/container.h"

#define REFUSAL_ROUTES 4u /* in an answer to a request that was sent by an old route */

/* ---- RoutesRequest ---- */

/* An answer that is being made. */
struct map {
	struct service *service;
	struct rpc_request *request;
	struct known_routes known;
	uint32_t store_count;
	Raftkv__StoreAddress stores[STORE_COUNT_MAX];
};

static void add_store(void *argument, uint64_t store, const char *address)
{
	struct map *map = argument;
	Raftkv__StoreAddress *message = &map->stores[map->store_count++];

	raftkv__store_address__init(message);
	message->store = store;
	message->address = (char *)(uintptr_t)address;
}

static void fill_reply(struct map *map, Raftkv__RoutesReply *reply, Raftkv__StoreAddress **stores)
{
	struct slice next = buf_slice(map->known.next);

	store_addresses_each(map->service->addresses, add_store, map);
	for (uint32_t i = 0; i < map->store_count; i++)
		stores[i] = &map->stores[i];
	reply->n_routes = map->known.count;
	reply->routes = map->known.routes;
	reply->n_stores = map->store_count;
	reply->stores = stores;
	reply->next = (ProtobufCBinaryData){.len = next.size, .data = (uint8_t *)(uintptr_t)next.data};
}

static void service_routes_answer(struct known_routes *known, int status)
{
	struct map *map = container_of(known, struct map, known);
	Raftkv__RoutesReply reply = RAFTKV__ROUTES_REPLY__INIT;
	Raftkv__StoreAddress *stores[STORE_COUNT_MAX];

	reply.status = status;
	if (status == 0)
		fill_reply(map, &reply, stores);
	rpc_answer(map->request, &reply.base, NULL, 0);
	known_routes_close(known);
	free(map);
}

static int service_routes_begin(
	struct service *service, struct rpc_request *request, const Raftkv__RoutesRequest *message)
{
	bool is_limited = message->limit > 0 && message->limit < SERVICE_ROUTES_MAX;
	struct map *map = calloc(1, sizeof *map);

	if (!map)
		return -ENOMEM;
	map->service = service;
	map->request = request;
	map->known = (struct known_routes){.raftkv = service->options.raftkv,
		.loop = service->options.loop,
		.limit = is_limited ? message->limit : SERVICE_ROUTES_MAX,
		.done = service_routes_answer};
	known_routes_from(&map->known, slice_of(message->key.data, message->key.len));
	return 0;
}

int service_on_routes(void *argument, struct rpc_request *request, const struct frame *frame)
{
	Raftkv__RoutesRequest *message =
		raftkv__routes_request__unpack(NULL, frame->head.size, frame->head.data);
	int status = STATUS_MALFORMED;

	if (message && frame->attachment_count == 0)
		status = service_routes_begin(argument, request, message);
	raftkv__routes_request__free_unpacked(message, NULL);
	return status;
}

/* ---- Refusals ---- */

/* An answer to a request that was sent by an old route. */
struct refusal {
	struct rpc_request *request;
	uint16_t type; /* of the request */
	int status;
	uint64_t leader_store;
	struct known_routes known;
};

static void refuse_read(const struct refusal *refusal)
{
	Raftkv__ReadReply reply = RAFTKV__READ_REPLY__INIT;

	reply.status = refusal->status;
	reply.leader_store = refusal->leader_store;
	reply.n_routes = refusal->known.routes ? refusal->known.count : 0;
	reply.routes = refusal->known.routes;
	rpc_answer(refusal->request, &reply.base, NULL, 0);
}

static void refuse_write(const struct refusal *refusal)
{
	Raftkv__WriteReply reply = RAFTKV__WRITE_REPLY__INIT;

	reply.status = refusal->status;
	reply.leader_store = refusal->leader_store;
	reply.n_routes = refusal->known.routes ? refusal->known.count : 0;
	reply.routes = refusal->known.routes;
	rpc_answer(refusal->request, &reply.base, NULL, 0);
}

/* Where the routes could not be collected, it says only that the route is another one. */
static void on_collected(struct known_routes *known, int status)
{
	struct refusal *refusal = container_of(known, struct refusal, known);

	(void)status;
	if (refusal->type == FRAME_READ)
		refuse_read(refusal);
	else
		refuse_write(refusal);
	known_routes_close(known);
	free(refusal);
}

bool service_refuse_route(struct service *service, struct rpc_request *request, uint16_t type,
	uint64_t region, int status, uint64_t leader_store)
{
	bool is_of_route = status == STATUS_EPOCH_NOT_MATCH || status == STATUS_REGION_NOT_FOUND;
	struct refusal *refusal = is_of_route ? calloc(1, sizeof *refusal) : NULL;

	if (!refusal)
		return false;
	*refusal = (struct refusal){.request = request,
		.type = type,
		.status = status,
		.leader_store = leader_store,
		.known = {.raftkv = service->options.raftkv,
			.loop = service->options.loop,
			.limit = REFUSAL_ROUTES,
			.done = on_collected}};
	known_routes_after(&refusal->known, region);
	return true;
}
