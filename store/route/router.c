#include "store/route/router.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"

#define TABLE_SLOTS_FIRST 16

/* ---- Routes by id ---- */

static struct route_table *table_new(size_t slots)
{
	struct route_table *table = calloc(1, sizeof *table + slots * sizeof table->slots[0]);

	if (table)
		table->mask = slots - 1;
	return table;
}

static size_t slot_of(const struct route_table *table, uint64_t region)
{
	return (size_t)(region * UINT64_C(0x9e3779b97f4a7c15) >> 32) & table->mask;
}

static void table_put(struct route_table *table, struct route *route)
{
	size_t slot = slot_of(table, route->region);

	while (atomic_load_explicit(&table->slots[slot], memory_order_relaxed))
		slot = (slot + 1) & table->mask;
	atomic_store_explicit(&table->slots[slot], route, memory_order_release);
}

/* Keeps at least half of the slots empty. */
static int table_reserve(struct router *router)
{
	struct route_table *table = atomic_load(&router->table), *larger;

	if ((router->count + 1) * 2 <= table->mask + 1)
		return 0;
	larger = table_new((table->mask + 1) * 2);
	if (!larger)
		return -ENOMEM;
	larger->older = table;
	for (struct route *route = router->routes; route; route = route->next)
		table_put(larger, route);
	atomic_store(&router->table, larger);
	return 0;
}

struct route *router_find(const struct router *router, uint64_t region)
{
	const struct route_table *table = atomic_load_explicit(&router->table, memory_order_acquire);
	struct route *route;

	for (size_t slot = slot_of(table, region);; slot = (slot + 1) & table->mask) {
		route = atomic_load_explicit(&table->slots[slot], memory_order_acquire);
		if (!route || route->region == region)
			return route;
	}
}

void router_visit(const struct router *router, void (*visit)(struct route *route))
{
	const struct route_table *table = atomic_load_explicit(&router->table, memory_order_acquire);

	for (size_t slot = 0; table && slot <= table->mask; slot++) {
		struct route *route = atomic_load_explicit(&table->slots[slot], memory_order_acquire);

		if (route)
			visit(route);
	}
}

/* ---- Life ---- */

int router_init(struct router *router)
{
	struct route_table *table = table_new(TABLE_SLOTS_FIRST);
	int status;

	*router = (struct router){0};
	if (!table)
		return -ENOMEM;
	atomic_init(&router->table, table);
	status = route_changes_init(&router->changes);
	return status < 0 ? status : -pthread_rwlock_init(&router->lock, NULL);
}

static struct route *route_new(uint64_t region, struct peer *peer, struct shard *shard)
{
	struct route *route = calloc(1, sizeof *route);

	if (!route)
		return NULL;
	route->region = region;
	route->peer = peer;
	route->shard = shard;
	pthread_mutex_init(&route->sharing, NULL);
	return route;
}

static void route_free(struct route *route)
{
	check(atomic_load(&route->latest) == 0);
	buf_unref(route->start);
	buf_unref(route->end);
	pthread_mutex_destroy(&route->sharing);
	free(route);
}

void router_close(struct router *router)
{
	struct route_table *table = atomic_load(&router->table);

	while (router->routes) {
		struct route *route = router->routes;

		router->routes = route->next;
		route_free(route);
	}
	free(router->by_start);
	while (table) {
		struct route_table *older = table->older;

		free(table);
		table = older;
	}
	route_changes_close(&router->changes);
	pthread_rwlock_destroy(&router->lock);
}

static int insert(struct router *router, struct route *route)
{
	if (router_find(router, route->region))
		return STATUS_CORRUPT;
	if (table_reserve(router) < 0)
		return -ENOMEM;
	route->next = router->routes;
	router->routes = route;
	router->count++;
	table_put(atomic_load(&router->table), route);
	return 0;
}

int router_add(
	struct router *router, uint64_t region, struct peer *peer, struct shard *shard, struct route **out)
{
	struct route *route = route_new(region, peer, shard);
	int status;

	if (!route)
		return -ENOMEM;
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

/* ---- Routes by range ---- */

/* The number of regions that start at or below `key`. */
static size_t rank(const struct router *router, struct slice key)
{
	size_t low = 0, high = router->placed_count;

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

	if (router->placed_count < router->capacity)
		return 0;
	by_start = realloc(router->by_start, capacity * sizeof *by_start);
	if (!by_start)
		return -ENOMEM;
	router->by_start = by_start;
	router->capacity = capacity;
	return 0;
}

static void take_out(struct router *router, struct route *route)
{
	size_t place = 0;

	while (place < router->placed_count && router->by_start[place] != route)
		place++;
	if (place == router->placed_count)
		return;
	router->placed_count--;
	for (; place < router->placed_count; place++)
		router->by_start[place] = router->by_start[place + 1];
}

/* Whether the range overlaps no other route. Sets the index in by_start at which it belongs. */
static bool is_free(
	const struct router *router, const struct route *route, const struct region *region, size_t *place)
{
	struct slice start = buf_slice(region->start), end = buf_slice(region->end);

	*place = 0;
	for (size_t i = 0; i < router->placed_count; i++) {
		const struct route *other = router->by_start[i];
		struct slice other_end = buf_slice(other->end);
		bool is_below = other->end && slice_compare(other_end, start) <= 0;
		bool is_above = region->end && slice_compare(end, buf_slice(other->start)) <= 0;

		if (other == route)
			continue;
		if (!is_below && !is_above)
			return false;
		*place += is_below;
	}
	return true;
}

static int set_range(struct router *router, struct route *route, const struct region *region)
{
	size_t place;

	if (!is_free(router, route, region, &place))
		return STATUS_CORRUPT;
	if (reserve(router) < 0)
		return -ENOMEM;
	take_out(router, route);
	for (size_t i = router->placed_count; i > place; i--)
		router->by_start[i] = router->by_start[i - 1];
	router->by_start[place] = route;
	router->placed_count++;
	buf_unref(route->start);
	buf_unref(route->end);
	route->start = buf_ref(region->start);
	route->end = buf_ref(region->end);
	route->epoch = region->epoch;
	route_changes_note(&router->changes, route);
	return 0;
}

int router_place(struct router *router, struct route *route, const struct region *region)
{
	int status;

	pthread_rwlock_wrlock(&router->lock);
	status = set_range(router, route, region);
	pthread_rwlock_unlock(&router->lock);
	return status;
}

int router_split(struct router *router, struct route *lower, const struct region *lower_region,
	struct route *upper, const struct region *upper_region)
{
	int status;

	pthread_rwlock_wrlock(&router->lock);
	status = set_range(router, lower, lower_region);
	if (status == 0)
		status = set_range(router, upper, upper_region);
	pthread_rwlock_unlock(&router->lock);
	return status;
}

int router_look(struct router *router, const struct region *region)
{
	const struct route *route = router_find(router, region->id);
	size_t place;
	bool is;

	pthread_rwlock_rdlock(&router->lock);
	is = is_free(router, route, region, &place);
	pthread_rwlock_unlock(&router->lock);
	return is ? 0 : STATUS_CORRUPT;
}

void router_remove(struct router *router, struct route *route)
{
	pthread_rwlock_wrlock(&router->lock);
	take_out(router, route);
	route->epoch = (struct region_epoch){0};
	route_changes_note(&router->changes, route);
	pthread_rwlock_unlock(&router->lock);
}

void router_set_epoch(struct router *router, struct route *route, struct region_epoch epoch)
{
	pthread_rwlock_wrlock(&router->lock);
	route->epoch = epoch;
	route_changes_note(&router->changes, route);
	pthread_rwlock_unlock(&router->lock);
}

void router_range(struct router *router, const struct route *route, struct region *region)
{
	pthread_rwlock_rdlock(&router->lock);
	*region = (struct region){
		.id = route->region,
		.epoch = route->epoch,
		.start = buf_ref(route->start),
		.end = buf_ref(route->end),
	};
	pthread_rwlock_unlock(&router->lock);
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
	for (size_t i = 0; i < router->placed_count; i++)
		each(argument, router->by_start[i]);
	pthread_rwlock_unlock(&router->lock);
}

void router_each_from(struct router *router, struct slice key, uint32_t limit,
	void (*each)(void *argument, struct route *route), void *argument)
{
	const struct route *before;
	size_t place;

	pthread_rwlock_rdlock(&router->lock);
	place = rank(router, key);
	before = place > 0 ? router->by_start[place - 1] : NULL;
	if (before && (!before->end || slice_compare(key, buf_slice(before->end)) < 0))
		place--;
	for (; place < router->placed_count && limit > 0; place++, limit--)
		each(argument, router->by_start[place]);
	pthread_rwlock_unlock(&router->lock);
}

uint64_t router_look_changed(struct router *router, uint64_t since,
	void (*each)(void *argument, struct route *route), void *argument)
{
	uint64_t next;

	pthread_rwlock_rdlock(&router->lock);
	next = route_changes_look(&router->changes, since, each, argument);
	pthread_rwlock_unlock(&router->lock);
	return next;
}
