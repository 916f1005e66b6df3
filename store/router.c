#include "store/router.h"

#include <errno.h>
#include <stdlib.h>

int router_init(struct router *router)
{
	*router = (struct router){0};
	return -pthread_rwlock_init(&router->lock, NULL);
}

static void route_free(struct route *route)
{
	buf_unref(route->start);
	buf_unref(route->end);
	free(route);
}

void router_close(struct router *router)
{
	for (size_t i = 0; i < router->count; i++) {
		struct route *route = router->by_start[i];

		HASH_DELETE(by_id, router->routes, route);
		route_free(route);
	}
	free(router->by_start);
	pthread_rwlock_destroy(&router->lock);
}

/* How many regions start at or below `key`. */
static size_t rank(const struct router *router, struct slice key)
{
	size_t low = 0, high = router->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (slice_compare(buf_slice(router->by_start[middle]->start), key) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int reserve(struct router *router)
{
	size_t capacity = router->capacity ? router->capacity * 2 : 16;
	struct route **by_start;

	if (router->count < router->capacity)
		return 0;
	by_start = realloc(router->by_start, capacity * sizeof *by_start);
	if (!by_start)
		return -ENOMEM;
	router->by_start = by_start;
	router->capacity = capacity;
	return 0;
}

static struct route *find(struct router *router, uint64_t region)
{
	struct route *route;

	HASH_FIND(by_id, router->routes, &region, sizeof region, route);
	return route;
}

static int insert(struct router *router, struct route *route)
{
	size_t place = rank(router, buf_slice(route->start));

	if (find(router, route->region))
		return STATUS_CORRUPT;
	if (place > 0 &&
		slice_compare(buf_slice(router->by_start[place - 1]->start), buf_slice(route->start)) == 0)
		return STATUS_CORRUPT;
	if (reserve(router) < 0)
		return -ENOMEM;
	for (size_t i = router->count; i > place; i--)
		router->by_start[i] = router->by_start[i - 1];
	router->by_start[place] = route;
	router->count++;
	HASH_ADD(by_id, router->routes, region, sizeof route->region, route);
	return 0;
}

int router_add(struct router *router, const struct region *region, struct shard *shard, struct route **out)
{
	struct route *route = calloc(1, sizeof *route);
	int status;

	if (!route)
		return -ENOMEM;
	route->region = region->id;
	route->shard = shard;
	route->start = buf_ref(region->start);
	route->end = buf_ref(region->end);
	route->epoch = region->epoch;
	pthread_rwlock_wrlock(&router->lock);
	status = insert(router, route);
	pthread_rwlock_unlock(&router->lock);
	if (status < 0) {
		route_free(route);
		return status;
	}
	*out = route;
	return 0;
}

struct route *router_find(struct router *router, uint64_t region)
{
	struct route *route;

	pthread_rwlock_rdlock(&router->lock);
	route = find(router, region);
	pthread_rwlock_unlock(&router->lock);
	return route;
}

struct route *router_find_range(struct router *router, uint64_t id, struct region *region)
{
	struct route *route;

	pthread_rwlock_rdlock(&router->lock);
	route = find(router, id);
	if (route)
		*region = (struct region){
			.id = id,
			.epoch = route->epoch,
			.start = buf_ref(route->start),
			.end = buf_ref(route->end),
		};
	pthread_rwlock_unlock(&router->lock);
	return route;
}

struct route *router_find_key(struct router *router, struct slice key, struct region_epoch *epoch)
{
	struct route *route = NULL;
	size_t place;

	pthread_rwlock_rdlock(&router->lock);
	place = rank(router, key);
	if (place > 0)
		route = router->by_start[place - 1];
	if (route && route->end && slice_compare(key, buf_slice(route->end)) >= 0)
		route = NULL;
	if (route)
		*epoch = route->epoch;
	pthread_rwlock_unlock(&router->lock);
	return route;
}

void router_each(struct router *router, void (*each)(void *argument, struct route *route), void *argument)
{
	pthread_rwlock_rdlock(&router->lock);
	for (size_t i = 0; i < router->count; i++)
		each(argument, router->by_start[i]);
	pthread_rwlock_unlock(&router->lock);
}
