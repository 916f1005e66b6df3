#include "fs/client/routes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/schema/keys.h"
#include "proto/check.h"
#include "proto/plant.h"
#include "proto/status.h"

#define EVICT_LOOKS_MAX 1024u

struct store_address {
	uint64_t store;
	char address[RECORD_ADDRESS_SIZE_MAX + 1];
};

RB_HEAD(start_tree, region_route);
RB_HEAD(region_tree, region_route);

struct routes {
	uint32_t count, max;
	struct start_tree by_start; /* none overlap */
	struct region_tree by_region;
	struct region_route *hand; /* that evict looks at next; NULL: the first one */
	uint32_t store_count;
	struct store_address *stores;
};

static struct slice start_of(const struct region_route *route)
{
	return slice_of(&route->stores[route->store_count], route->start_size);
}

/* Size 0: no bound. */
static struct slice end_of(const struct region_route *route)
{
	const uint8_t *bounds = (const uint8_t *)&route->stores[route->store_count];

	return slice_of(bounds + route->start_size, route->end_size);
}

static int compare_starts(const struct region_route *a, const struct region_route *b)
{
	return slice_compare(start_of(a), start_of(b));
}

static int compare_regions(const struct region_route *a, const struct region_route *b)
{
	return a->region < b->region ? -1 : a->region > b->region;
}

RB_GENERATE_STATIC(start_tree, region_route, by_start, compare_starts)
RB_GENERATE_STATIC(region_tree, region_route, by_region, compare_regions)

static struct region_route *route_next(struct region_route *route)
{
	return RB_NEXT(start_tree, NULL, route);
}

/* ---- Finding ---- */

/* The last region that begins at or before `key`. */
static struct region_route *find_at(struct routes *routes, struct slice key)
{
	struct region_route *route = RB_ROOT(&routes->by_start), *found = NULL;

	while (route) {
		bool is_after = slice_compare(start_of(route), key) > 0;

		if (!is_after)
			found = route;
		route = is_after ? RB_LEFT(route, by_start) : RB_RIGHT(route, by_start);
	}
	return found;
}

static bool ends_after(const struct region_route *route, struct slice key)
{
	return route->end_size == 0 || slice_compare(end_of(route), key) > 0;
}

static struct region_route *look_up(struct routes *routes, uint64_t region)
{
	struct region_route *route = RB_ROOT(&routes->by_region);

	while (route && route->region != region)
		route = region < route->region ? RB_LEFT(route, by_region) : RB_RIGHT(route, by_region);
	return route;
}

struct region_route *routes_find(struct routes *routes, struct slice key)
{
	struct region_route *route = find_at(routes, key);

	if (!route || !ends_after(route, key))
		return NULL;
	route->was_found = true;
	return route;
}

struct region_route *routes_find_region(struct routes *routes, uint64_t region)
{
	struct region_route *route = look_up(routes, region);

	if (route)
		route->was_found = true;
	return route;
}

uint32_t routes_count(const struct routes *routes)
{
	return routes->count;
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

/* ---- Removing ---- */

static void remove_route(struct routes *routes, struct region_route *route)
{
	if (routes->hand == route)
		routes->hand = route_next(route);
	RB_REMOVE(start_tree, &routes->by_start, route);
	RB_REMOVE(region_tree, &routes->by_region, route);
	routes->count--;
	free(route);
}

/* Removes a route that was not found since the last look at it. Each call looks at the next ones, in their order, and at
 * no more than EVICT_LOOKS_MAX, whatever was found. */
static void evict(struct routes *routes)
{
	struct region_route *route;

	for (uint32_t looks = 0; looks < EVICT_LOOKS_MAX; looks++) {
		route = routes->hand ? routes->hand : RB_MIN(start_tree, &routes->by_start);
		if (!route->was_found)
			break;
		route->was_found = false;
		routes->hand = route_next(route);
	}
	remove_route(routes, route);
}

/* ---- Taking regions ---- */

static bool routes_is_older(const struct region_route *a, const struct region_route *b)
{
	return a->epoch.version < b->epoch.version ||
	       (a->epoch.version == b->epoch.version && a->epoch.conf_version < b->epoch.conf_version);
}

/* The first known region that overlaps the route, or that begins after it ends; NULL: none. */
static struct region_route *first_overlapped(struct routes *routes, const struct region_route *route)
{
	struct region_route *at = find_at(routes, start_of(route));

	if (!at)
		return RB_MIN(start_tree, &routes->by_start);
	return ends_after(at, start_of(route)) ? at : route_next(at);
}

/* Does it overlap a newer region, or is a newer state of its own region known? */
static bool is_outdated(struct routes *routes, const struct region_route *route)
{
	const struct region_route *same = look_up(routes, route->region);
	struct region_route *old = first_overlapped(routes, route);

	if (same && routes_is_older(route, same))
		return true;
	for (; old && ends_after(route, start_of(old)); old = route_next(old))
		if (routes_is_older(route, old))
			return true;
	return false;
}

static void remove_overlapped(struct routes *routes, struct region_route *route)
{
	struct region_route *old = look_up(routes, route->region), *next;

	if (old && route->leader == 0)
		route->leader = old->leader;
	if (old)
		remove_route(routes, old);
	for (old = first_overlapped(routes, route); old && ends_after(route, start_of(old)); old = next) {
		next = route_next(old);
		remove_route(routes, old);
	}
}

/* Takes the route. */
static void insert(struct routes *routes, struct region_route *route)
{
	bool is_old = is_outdated(routes, route);

	if (planted("fs:old_routes_taken"))
		is_old = false;
	if (is_old) {
		free(route);
		return;
	}
	remove_overlapped(routes, route);
	if (routes->count == routes->max)
		evict(routes);
	RB_INSERT(start_tree, &routes->by_start, route);
	RB_INSERT(region_tree, &routes->by_region, route);
	routes->count++;
}

/* Learners are left out: they cannot lead, and are not asked. */
static bool is_voter(const Raftkv__Replica *replica)
{
	return replica->roles & (REGION_VOTER | REGION_VOTER_OUTGOING);
}

static struct region_route *route_new(const Raftkv__Route *message)
{
	size_t voters = 0, bounds = message->start.len + message->end.len;
	struct region_route *route;

	for (size_t i = 0; i < message->n_replicas; i++)
		voters += is_voter(message->replicas[i]);
	route = calloc(1, sizeof *route + voters * sizeof route->stores[0] + bounds);
	if (!route)
		return NULL;
	for (size_t i = 0; i < message->n_replicas; i++)
		if (is_voter(message->replicas[i]))
			route->stores[route->store_count++].store = message->replicas[i]->store;
	return route;
}

static int take_region(struct routes *routes, const Raftkv__Route *message)
{
	struct region_route *route = route_new(message);
	uint8_t *bounds;

	if (!route)
		return -ENOMEM;
	route->region = message->region;
	route->epoch.version = message->epoch->version;
	route->epoch.conf_version = message->epoch->conf_version;
	route->leader = message->leader_store;
	route->was_found = true; /* what is learnt is about to be looked for */
	route->start_size = (uint16_t)message->start.len;
	route->end_size = (uint16_t)message->end.len;
	bounds = (uint8_t *)&route->stores[route->store_count];
	if (route->start_size > 0)
		memcpy(bounds, message->start.data, route->start_size);
	if (route->end_size > 0)
		memcpy(bounds + route->start_size, message->end.data, route->end_size);
	insert(routes, route);
	return 0;
}

static bool is_sound_route(const Raftkv__Route *route)
{
	return route->region > 0 && route->epoch && route->n_replicas <= REGION_PEERS_MAX &&
	       route->start.len <= FS_KEY_SIZE_MAX && route->end.len <= FS_KEY_SIZE_MAX &&
	       (route->end.len == 0 || slice_compare(slice_of(route->start.data, route->start.len),
					       slice_of(route->end.data, route->end.len)) < 0);
}

static bool are_sound_routes(Raftkv__Route *const *regions, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!is_sound_route(regions[i]))
			return false;
	return true;
}

static int take_sound_regions(struct routes *routes, Raftkv__Route *const *regions, size_t count)
{
	int status = 0;

	for (size_t i = 0; i < count && status == 0; i++)
		if (regions[i]->n_replicas > 0)
			status = take_region(routes, regions[i]);
	return status;
}

int routes_take_regions(struct routes *routes, Raftkv__Route *const *regions, size_t count)
{
	if (!are_sound_routes(regions, count))
		return STATUS_MALFORMED;
	return take_sound_regions(routes, regions, count);
}

/* ---- Taking a whole answer ---- */

static bool is_sound(const Raftkv__RoutesReply *reply)
{
	for (size_t i = 0; i < reply->n_stores; i++)
		if (reply->stores[i]->store == 0 ||
			strlen(reply->stores[i]->address) > RECORD_ADDRESS_SIZE_MAX)
			return false;
	return reply->n_stores <= STORE_COUNT_MAX && are_sound_routes(reply->routes, reply->n_routes);
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
	if (status == 0)
		status = take_sound_regions(routes, reply->routes, reply->n_routes);
	return status;
}

/* ---- Life ---- */

struct routes *routes_new(uint32_t regions_max)
{
	struct routes *routes = calloc(1, sizeof *routes);

	check(regions_max > 0);
	if (routes)
		routes->max = regions_max;
	return routes;
}

void routes_free(struct routes *routes)
{
	struct region_route *route;

	if (!routes)
		return;
	while ((route = RB_ROOT(&routes->by_start)))
		remove_route(routes, route);
	free(routes->stores);
	free(routes);
}
