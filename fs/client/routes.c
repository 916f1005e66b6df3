#include "fs/client/routes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/plant.h"
#include "proto/status.h"

struct store_address {
	uint64_t store;
	char address[RECORD_ADDRESS_SIZE_MAX + 1];
};

struct routes {
	uint32_t count, capacity;
	struct region_route **regions; /* ordered by `start`; none overlap */
	uint32_t store_count;
	struct store_address *stores;
};

static void route_free(struct region_route *route)
{
	if (!route)
		return;
	buf_unref(route->start);
	buf_unref(route->end);
	free(route);
}

/* ---- Finding ---- */

/* The first region that begins after `key`. */
static uint32_t find_after(const struct routes *routes, struct slice key)
{
	uint32_t low = 0, high = routes->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (slice_compare(buf_slice(routes->regions[middle]->start), key) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct region_route *routes_find(struct routes *routes, struct slice key)
{
	uint32_t after = find_after(routes, key);
	struct region_route *route = after > 0 ? routes->regions[after - 1] : NULL;

	return route && (!route->end || slice_compare(key, buf_slice(route->end)) < 0) ? route : NULL;
}

struct region_route *routes_find_region(struct routes *routes, uint64_t region)
{
	for (uint32_t i = 0; i < routes->count; i++)
		if (routes->regions[i]->region == region)
			return routes->regions[i];
	return NULL;
}

const char *routes_address(const struct routes *routes, uint64_t store)
{
	for (uint32_t i = 0; i < routes->store_count; i++)
		if (routes->stores[i].store == store)
			return routes->stores[i].address;
	return NULL;
}

uint32_t routes_store_count(const struct routes *routes)
{
	return routes->store_count;
}

uint64_t routes_store(const struct routes *routes, uint32_t index)
{
	check(index < routes->store_count);
	return routes->stores[index].store;
}

/* ---- Taking regions ---- */

static bool overlap(const struct region_route *a, const struct region_route *b)
{
	return (!a->end || slice_compare(buf_slice(b->start), buf_slice(a->end)) < 0) &&
	       (!b->end || slice_compare(buf_slice(a->start), buf_slice(b->end)) < 0);
}

static bool routes_is_older(const struct region_route *a, const struct region_route *b)
{
	return a->epoch.version < b->epoch.version ||
	       (a->epoch.version == b->epoch.version && a->epoch.conf_version < b->epoch.conf_version);
}

/* Does it overlap a newer region? */
static bool is_outdated(const struct routes *routes, const struct region_route *route)
{
	for (uint32_t i = 0; i < routes->count; i++)
		if (overlap(routes->regions[i], route) && routes_is_older(route, routes->regions[i]))
			return true;
	return false;
}

static void remove_overlapped(struct routes *routes, struct region_route *route)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < routes->count; i++) {
		struct region_route *old = routes->regions[i];

		if (old->region == route->region && route->leader == 0)
			route->leader = old->leader;
		if (old->region == route->region || overlap(old, route))
			route_free(old);
		else
			routes->regions[kept++] = old;
	}
	routes->count = kept;
}

/* Takes the route. */
static int insert(struct routes *routes, struct region_route *route)
{
	bool is_old = is_outdated(routes, route);
	uint32_t at;

	if (planted("fs:old_routes_taken"))
		is_old = false;
	if (is_old) {
		route_free(route);
		return 0;
	}
	remove_overlapped(routes, route);
	if (routes->count == routes->capacity) {
		uint32_t capacity = routes->capacity == 0 ? 16 : routes->capacity * 2;
		struct region_route **regions =
			capacity > ROUTES_REGIONS_MAX ? NULL
						      : realloc(routes->regions, capacity * sizeof(*regions));

		if (!regions) {
			route_free(route);
			return -ENOMEM;
		}
		routes->regions = regions;
		routes->capacity = capacity;
	}
	at = find_after(routes, buf_slice(route->start));
	memmove(&routes->regions[at + 1], &routes->regions[at],
		(routes->count - at) * sizeof(*routes->regions));
	routes->regions[at] = route;
	routes->count++;
	return 0;
}

static int copy_bound(const ProtobufCBinaryData *from, struct buf **to)
{
	*to = from->len > 0 ? buf_copy(from->data, from->len) : NULL;
	return from->len > 0 && !*to ? -ENOMEM : 0;
}

/* Learners are left out: they cannot lead, and are not asked. */
static void add_voters(struct region_route *route, const Raftkv__Route *message)
{
	for (size_t i = 0; i < message->n_replicas; i++)
		if (message->replicas[i]->roles & (REGION_VOTER | REGION_VOTER_OUTGOING))
			route->stores[route->store_count++] = message->replicas[i]->store;
}

static int take_region(struct routes *routes, const Raftkv__Route *message)
{
	struct region_route *route = calloc(1, sizeof *route);

	if (!route)
		return -ENOMEM;
	route->region = message->region;
	route->epoch.version = message->epoch->version;
	route->epoch.conf_version = message->epoch->conf_version;
	route->leader = message->leader_store;
	add_voters(route, message);
	if (copy_bound(&message->start, &route->start) < 0 || copy_bound(&message->end, &route->end) < 0) {
		route_free(route);
		return -ENOMEM;
	}
	return insert(routes, route);
}

static bool is_sound_route(const Raftkv__Route *route)
{
	return route->region > 0 && route->epoch && route->n_replicas <= REGION_PEERS_MAX &&
	       (route->end.len == 0 || slice_compare(slice_of(route->start.data, route->start.len),
					       slice_of(route->end.data, route->end.len)) < 0);
}

static bool is_sound(const Raftkv__RoutesReply *reply)
{
	for (size_t i = 0; i < reply->n_routes; i++)
		if (!is_sound_route(reply->routes[i]))
			return false;
	for (size_t i = 0; i < reply->n_stores; i++)
		if (reply->stores[i]->store == 0 ||
			strlen(reply->stores[i]->address) > RECORD_ADDRESS_SIZE_MAX)
			return false;
	return reply->n_stores <= STORE_COUNT_MAX;
}

static int routes_take_stores(struct routes *routes, const Raftkv__RoutesReply *reply)
{
	struct store_address *stores = calloc(reply->n_stores + 1, sizeof *stores);

	if (!stores)
		return -ENOMEM;
	for (size_t i = 0; i < reply->n_stores; i++) {
		stores[i].store = reply->stores[i]->store;
		strcpy(stores[i].address, reply->stores[i]->address);
	}
	free(routes->stores);
	routes->stores = stores;
	routes->store_count = (uint32_t)reply->n_stores;
	return 0;
}

int routes_take(struct routes *routes, const Raftkv__RoutesReply *reply)
{
	int status = is_sound(reply) ? 0 : STATUS_MALFORMED;

	if (status == 0 && reply->n_stores > 0)
		status = routes_take_stores(routes, reply);
	for (size_t i = 0; i < reply->n_routes && status == 0; i++)
		if (reply->routes[i]->n_replicas > 0)
			status = take_region(routes, reply->routes[i]);
	return status;
}

/* ---- Life ---- */

struct routes *routes_new(void)
{
	return calloc(1, sizeof(struct routes));
}

void routes_free(struct routes *routes)
{
	if (!routes)
		return;
	for (uint32_t i = 0; i < routes->count; i++)
		route_free(routes->regions[i]);
	free(routes->regions);
	free(routes->stores);
	free(routes);
}
