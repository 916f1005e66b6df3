/* Answers with the regions that this store knows, and their stores. */
#include <errno.h>
#include <stdlib.h>

#include "fs/server/service_internal.h"
#include "proto/container.h"
#include "store/raftkv.h"

struct route_draft {
	struct region region; /* only its id, epoch and range */
	Raftkv__Route message;
	Raftkv__Epoch epoch;
	Raftkv__Replica *replicas;
	Raftkv__Replica **replica_pointers;
};

/* An answer that is being made: first the regions, then the members of one region after the other. */
struct map {
	struct service *service;
	struct rpc_request *request;
	uint32_t count, capacity;
	struct route_draft *drafts;
	uint32_t described; /* drafts whose members are known */
	struct raftkv_region_status region;
	int status;
	uint32_t store_count;
	Raftkv__StoreAddress stores[STORE_COUNT_MAX];
};

static void map_free(struct map *map)
{
	for (uint32_t i = 0; i < map->count; i++) {
		buf_unref(map->drafts[i].region.start);
		buf_unref(map->drafts[i].region.end);
		free(map->drafts[i].replicas);
		free(map->drafts[i].replica_pointers);
	}
	free(map->drafts);
	free(map);
}

/* ---- The answer ---- */

static void add_store(void *argument, uint64_t store, const char *address)
{
	struct map *map = argument;
	Raftkv__StoreAddress *message = &map->stores[map->store_count++];

	raftkv__store_address__init(message);
	message->store = store;
	message->address = (char *)(uintptr_t)address;
}

static ProtobufCBinaryData bound(const struct buf *key)
{
	struct slice bytes = buf_slice(key);

	return (ProtobufCBinaryData){.len = bytes.size, .data = (uint8_t *)(uintptr_t)bytes.data};
}

static Raftkv__Route *finish_route(struct route_draft *draft)
{
	Raftkv__Route *message = &draft->message;

	raftkv__epoch__init(&draft->epoch);
	draft->epoch.version = draft->region.epoch.version;
	draft->epoch.conf_version = draft->region.epoch.conf_version;
	message->region = draft->region.id;
	message->epoch = &draft->epoch;
	message->start = bound(draft->region.start);
	message->end = bound(draft->region.end);
	message->replicas = draft->replica_pointers;
	return message;
}

static void service_routes_answer(struct map *map)
{
	Raftkv__RoutesReply reply = RAFTKV__ROUTES_REPLY__INIT;
	Raftkv__Route **routes = calloc(map->count + 1, sizeof(*routes));
	Raftkv__StoreAddress *stores[STORE_COUNT_MAX];

	reply.status = routes ? map->status : -ENOMEM;
	if (reply.status == 0) {
		store_addresses_each(map->service->addresses, add_store, map);
		for (uint32_t i = 0; i < map->count; i++)
			routes[i] = finish_route(&map->drafts[i]);
		for (uint32_t i = 0; i < map->store_count; i++)
			stores[i] = &map->stores[i];
		reply.n_routes = map->count;
		reply.routes = routes;
		reply.n_stores = map->store_count;
		reply.stores = stores;
	}
	rpc_answer(map->request, &reply.base, NULL, 0);
	free(routes);
	map_free(map);
}

/* ---- Members ---- */

static int take_members(struct route_draft *draft, const struct raftkv_region_status *region)
{
	uint32_t count = region->member_count;

	draft->region.epoch = region->epoch;
	draft->message.leader_store = region->leader_store;
	draft->replicas = calloc(count + 1, sizeof *draft->replicas);
	draft->replica_pointers = calloc(count + 1, sizeof(*draft->replica_pointers));
	if (!draft->replicas || !draft->replica_pointers)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		Raftkv__Replica *replica = &draft->replicas[i];

		raftkv__replica__init(replica);
		replica->id = region->members[i].peer.id;
		replica->store = region->members[i].peer.store;
		replica->roles = region->members[i].peer.roles;
		draft->replica_pointers[i] = replica;
	}
	draft->message.n_replicas = count;
	return 0;
}

static void describe_next(struct map *map);

/* A region that was removed meanwhile stays in the answer, without replicas. */
static void on_described(struct raftkv_region_status *region, int status)
{
	struct map *map = container_of(region, struct map, region);

	if (status == 0)
		status = take_members(&map->drafts[map->described], region);
	if (status == -ENOMEM || status == STATUS_STOPPING)
		map->status = status;
	map->described++;
	describe_next(map);
}

static void describe_next(struct map *map)
{
	if (map->described == map->count || map->status < 0) {
		service_routes_answer(map);
		return;
	}
	map->region = (struct raftkv_region_status){.region = map->drafts[map->described].region.id,
		.loop = map->service->options.loop,
		.done = on_described};
	raftkv_region_status(map->service->options.raftkv, &map->region);
}

/* ---- The regions ---- */

static bool service_routes_make_room(struct map *map)
{
	uint32_t capacity = map->capacity == 0 ? 16 : map->capacity * 2;
	struct route_draft *drafts;

	if (map->count < map->capacity)
		return true;
	drafts = realloc(map->drafts, capacity * sizeof *drafts);
	if (!drafts)
		return false;
	map->drafts = drafts;
	map->capacity = capacity;
	return true;
}

/* Regions beyond SERVICE_ROUTES_MAX are left out. */
static void add_region(void *argument, const struct region *region, uint64_t term)
{
	struct map *map = argument;
	struct route_draft *draft;

	(void)term;
	if (map->count == SERVICE_ROUTES_MAX || map->status < 0)
		return;
	if (!service_routes_make_room(map)) {
		map->status = -ENOMEM;
		return;
	}
	draft = &map->drafts[map->count++];
	*draft = (struct route_draft){.region = *region};
	raftkv__route__init(&draft->message);
	buf_ref(region->start);
	buf_ref(region->end);
}

int service_on_routes(void *argument, struct rpc_request *request, const struct frame *frame)
{
	struct service *service = argument;
	Raftkv__RoutesRequest *message =
		raftkv__routes_request__unpack(NULL, frame->head.size, frame->head.data);
	struct map *map;

	if (!message || frame->attachment_count > 0) {
		raftkv__routes_request__free_unpacked(message, NULL);
		return STATUS_MALFORMED;
	}
	raftkv__routes_request__free_unpacked(message, NULL);
	map = calloc(1, sizeof *map);
	if (!map)
		return -ENOMEM;
	map->service = service;
	map->request = request;
	raftkv_each_region(service->options.raftkv, add_region, map);
	describe_next(map);
	return 0;
}
