#include "store/route/route_snapshot.h"

#include <stdlib.h>

#include "proto/check.h"
#include "proto/plant.h"
#include "store/rows/rows.h"

static const struct snapshot_view *view_of(struct view *base)
{
	return (const struct snapshot_view *)base; /* the first member */
}

static const struct region *region_of(struct view *base)
{
	return &view_of(base)->snapshot->region;
}

static struct engine_view engine_of(struct view *base)
{
	const struct snapshot_view *view = view_of(base);

	return (struct engine_view){
		.kv = view->snapshot->engine,
		.snapshot = view->snapshot->kv,
		.blocks = view->snapshot->blocks,
		.may_block = view->may_block,
	};
}

static int snapshot_view_get(
	struct view *base, enum key_space space, struct slice row, struct kv_value *value)
{
	struct engine_view engine = engine_of(base);
	struct key key;
	int status = region_view_key(region_of(base), space, row, &key);

	*value = (struct kv_value){0};
	return status < 0 ? status : engine_view_get(&engine, key_slice(&key), value);
}

struct inner_row {
	enum key_space space;
	view_row_cb row;
	void *argument;
};

static int on_row(void *argument, struct slice key, struct slice value)
{
	const struct inner_row *inner = argument;

	return inner->row(inner->argument, key_row_inner(inner->space, key), value);
}

static int snapshot_view_scan(struct view *base, enum key_space space, struct slice low, struct slice high,
	view_row_cb row, void *argument)
{
	struct engine_view engine = engine_of(base);
	struct inner_row inner = {space, row, argument};
	struct key from, to;
	int status = region_view_range(region_of(base), space, low, high, &from, &to);

	return status < 0 ? status
			  : engine_view_scan(&engine, key_slice(&from), key_slice(&to), on_row, &inner);
}

static int snapshot_view_read(
	struct view *base, struct slice object, uint64_t first, uint32_t count, void *bytes)
{
	struct engine_view engine = engine_of(base);
	int status = region_view_object(region_of(base), object);

	return status < 0 ? status : engine_view_read(&engine, object, first, count, bytes);
}

static int snapshot_view_mapped(
	struct view *base, struct slice object, uint64_t first, uint64_t count, uint64_t *units)
{
	struct engine_view engine = engine_of(base);
	int status = region_view_object(region_of(base), object);

	return status < 0 ? status : engine_view_mapped(&engine, object, first, count, units);
}

static int snapshot_view_next(
	struct view *base, struct slice object, uint64_t first, bool data, uint64_t *unit)
{
	struct engine_view engine = engine_of(base);
	int status = region_view_object(region_of(base), object);

	return status < 0 ? status : engine_view_next(&engine, object, first, data, unit);
}

static const struct view_ops operations = {
	snapshot_view_get, snapshot_view_scan, snapshot_view_read, snapshot_view_mapped, snapshot_view_next};

/* ---- References ---- */

/*
 * route->latest is the address of the shared snapshot with the number of references given out in its low bits, so that
 * one atomic operation finds the snapshot and holds it (split reference counts: Williams, C++ Concurrency in Action,
 * §7.2.4). The snapshot's own count starts at TAKEN_MAX; when it is forgotten, the references that were not given out
 * are subtracted.
 */
#define TAKEN_BITS 16
#define TAKEN_MAX  ((UINT64_C(1) << TAKEN_BITS) - 1)

static struct raftkv_snapshot *snapshot_in(uint64_t latest)
{
	return (struct raftkv_snapshot *)(uintptr_t)(latest >> TAKEN_BITS);
}

static uint64_t with_one_taken(const struct raftkv_snapshot *snapshot)
{
	uint64_t latest = (uint64_t)(uintptr_t)snapshot << TAKEN_BITS;

	check(snapshot_in(latest) == snapshot);
	return latest | 1;
}

static void snapshot_close(struct raftkv_snapshot *snapshot)
{
	if (snapshot->kv)
		snapshot->engine->ops->snapshot_free(snapshot->engine, snapshot->kv);
	blocks_leave(snapshot->blocks, &snapshot->reader);
	region_close(&snapshot->region);
	free(snapshot);
}

static void put(struct raftkv_snapshot *snapshot, uint64_t references)
{
	if (atomic_fetch_sub_explicit(&snapshot->refs, references, memory_order_acq_rel) == references)
		snapshot_close(snapshot);
}

void raftkv_snapshot_free(struct raftkv_snapshot *snapshot)
{
	if (snapshot)
		put(snapshot, 1);
}

/* ---- Sharing ---- */

static struct raftkv_snapshot *route_snapshot_new(
	struct engines *engines, struct router *router, const struct route *route)
{
	struct raftkv_snapshot *snapshot = malloc(sizeof *snapshot);

	if (!snapshot)
		return NULL;
	*snapshot = (struct raftkv_snapshot){
		.engine = engines->kv,
		.blocks = engines->blocks,
		.refs = TAKEN_MAX,
		.view = {{&operations}, snapshot, false},
		.blocking_view = {{&operations}, snapshot, true},
	};
	router_range(router, route, &snapshot->region);
	blocks_enter(snapshot->blocks, &snapshot->reader);
	snapshot->kv = snapshot->engine->ops->snapshot_new(snapshot->engine);
	if (snapshot->kv)
		return snapshot;
	snapshot_close(snapshot);
	return NULL;
}

/* NULL: there is none, or it has given out all its references. */
static struct raftkv_snapshot *route_snapshot_take(struct route *route)
{
	uint64_t latest = atomic_load_explicit(&route->latest, memory_order_relaxed);

	do {
		if (latest == 0 || (latest & TAKEN_MAX) == TAKEN_MAX)
			return NULL;
	} while (!atomic_compare_exchange_weak(&route->latest, &latest, latest + 1));
	return snapshot_in(latest);
}

static void forget(struct route *route)
{
	uint64_t latest = atomic_exchange(&route->latest, 0);

	if (latest != 0 && (latest & TAKEN_MAX) < TAKEN_MAX)
		put(snapshot_in(latest), TAKEN_MAX - (latest & TAKEN_MAX));
}

/* A new snapshot is made under the lock, so that a change that becomes visible after it was made forgets it. */
struct raftkv_snapshot *route_snapshot_get(
	struct engines *engines, struct router *router, struct route *route)
{
	struct raftkv_snapshot *snapshot = route_snapshot_take(route);

	if (snapshot)
		return snapshot;
	pthread_mutex_lock(&route->sharing);
	snapshot = route_snapshot_take(route);
	if (!snapshot) {
		forget(route);
		snapshot = route_snapshot_new(engines, router, route);
		if (snapshot)
			atomic_store(&route->latest, with_one_taken(snapshot));
	}
	pthread_mutex_unlock(&route->sharing);
	return snapshot;
}

void route_snapshot_forget(struct route *route)
{
	PLANT("store:snapshot_kept", return );
	pthread_mutex_lock(&route->sharing);
	forget(route);
	pthread_mutex_unlock(&route->sharing);
}

struct view *raftkv_snapshot_view(struct raftkv_snapshot *snapshot, bool may_block)
{
	return may_block ? &snapshot->blocking_view.base : &snapshot->view.base;
}
