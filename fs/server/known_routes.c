#include "fs/server/known_routes.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/container.h"

struct route_draft {
	struct region region; /* only its id, epoch and range */
	Raftkv__Route message;
	Raftkv__Epoch epoch;
	Raftkv__Replica *replicas;
	Raftkv__Replica **replica_pointers;
};

void known_routes_close(struct known_routes *known)
{
	for (uint32_t i = 0; i < known->count; i++) {
		region_close(&known->drafts[i].region);
		free(known->drafts[i].replicas);
		free(known->drafts[i].replica_pointers);
	}
	free(known->drafts);
	free(known->routes);
	buf_unref(known->next);
}

/* ---- The messages ---- */

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

static void known_routes_finish(struct known_routes *known)
{
	if (known->error == 0)
		known->routes = calloc(known->count + 1, sizeof(*known->routes));
	if (known->error == 0 && !known->routes)
		known->error = -ENOMEM;
	for (uint32_t i = 0; known->error == 0 && i < known->count; i++)
		known->routes[i] = finish_route(&known->drafts[i]);
	known->done(known, known->error);
}

/* ---- Members ---- */

/* Where the region was split after its range was noted, the range and this epoch do not belong together. */
static int take_members(struct route_draft *draft, const struct raftkv_region_status *status)
{
	uint32_t count = status->member_count;

	if (status->epoch.version != draft->region.epoch.version)
		return 0;
	draft->region.epoch = status->epoch;
	draft->message.leader_store = status->leader_store;
	draft->replicas = calloc(count + 1, sizeof *draft->replicas);
	draft->replica_pointers = calloc(count + 1, sizeof(*draft->replica_pointers));
	if (!draft->replicas || !draft->replica_pointers)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		Raftkv__Replica *replica = &draft->replicas[i];

		raftkv__replica__init(replica);
		replica->id = status->members[i].peer.id;
		replica->store = status->members[i].peer.store;
		replica->roles = status->members[i].peer.roles;
		draft->replica_pointers[i] = replica;
	}
	draft->message.n_replicas = count;
	return 0;
}

static void describe_next(struct known_routes *known);

static void on_described(struct raftkv_region_status *region, int status)
{
	struct known_routes *known = container_of(region, struct known_routes, status);

	if (status == 0)
		status = take_members(&known->drafts[known->described], region);
	if (status == -ENOMEM || status == STATUS_STOPPING)
		known->error = status;
	known->described++;
	describe_next(known);
}

static void describe_next(struct known_routes *known)
{
	if (known->described == known->count || known->error < 0) {
		known_routes_finish(known);
		return;
	}
	known->status = (struct raftkv_region_status){.region = known->drafts[known->described].region.id,
		.loop = known->loop,
		.done = on_described};
	raftkv_region_status(known->raftkv, &known->status);
}

/* ---- The regions ---- */

static bool known_routes_make_room(struct known_routes *known)
{
	uint32_t capacity = known->capacity == 0 ? 4 : known->capacity * 2;
	struct route_draft *drafts;

	if (known->count < known->capacity)
		return true;
	drafts = realloc(known->drafts, capacity * sizeof *drafts);
	if (!drafts)
		return false;
	known->drafts = drafts;
	known->capacity = capacity;
	return true;
}

static void add_region(void *argument, const struct region *region, uint64_t term)
{
	struct known_routes *known = argument;
	struct route_draft *draft;

	(void)term;
	if (known->error < 0)
		return;
	if (known->count == known->limit) {
		known->next = buf_ref(region->start);
		return;
	}
	if (!known_routes_make_room(known)) {
		known->error = -ENOMEM;
		return;
	}
	draft = &known->drafts[known->count++];
	*draft = (struct route_draft){.region = *region};
	raftkv__route__init(&draft->message);
	buf_ref(region->start);
	buf_ref(region->end);
}

/* One region more than the limit: it tells where the next page begins. */
void known_routes_from(struct known_routes *known, struct slice key)
{
	check(known->limit > 0);
	raftkv_each_region_from(known->raftkv, key, known->limit + 1, add_region, known);
	describe_next(known);
}

void known_routes_after(struct known_routes *known, uint64_t region)
{
	struct region range = {0};

	if (raftkv_region_range(known->raftkv, region, &range) < 0) {
		known_routes_finish(known);
		return;
	}
	known_routes_from(known, buf_slice(range.start));
	region_close(&range);
}
