#include "store/snapshot.h"

#include <stdlib.h>

#include "store/engine_view.h"
#include "store/keys.h"
#include "store/region_view.h"

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

static int get(struct view *base, enum key_space space, struct slice row, struct kv_value *value)
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

static int scan(struct view *base, enum key_space space, struct slice low, struct slice high, view_row_cb row,
	void *argument)
{
	struct engine_view engine = engine_of(base);
	struct inner_row inner = {space, row, argument};
	struct key from, to;
	int status = region_view_range(region_of(base), space, low, high, &from, &to);

	return status < 0 ? status
			  : engine_view_scan(&engine, key_slice(&from), key_slice(&to), on_row, &inner);
}

static int read(struct view *base, struct slice object, uint64_t first, uint32_t count, void *bytes)
{
	struct engine_view engine = engine_of(base);
	int status = region_view_object(region_of(base), object);

	return status < 0 ? status : engine_view_read(&engine, object, first, count, bytes);
}

static int mapped(struct view *base, struct slice object, uint64_t first, uint64_t count, uint64_t *units)
{
	struct engine_view engine = engine_of(base);
	int status = region_view_object(region_of(base), object);

	return status < 0 ? status : engine_view_mapped(&engine, object, first, count, units);
}

static int next(struct view *base, struct slice object, uint64_t first, bool data, uint64_t *unit)
{
	struct engine_view engine = engine_of(base);
	int status = region_view_object(region_of(base), object);

	return status < 0 ? status : engine_view_next(&engine, object, first, data, unit);
}

static const struct view_ops operations = {get, scan, read, mapped, next};

struct raftkv_snapshot *snapshot_new(
	struct kv_engine *engine, struct blocks *blocks, const struct region *region)
{
	struct raftkv_snapshot *snapshot = malloc(sizeof *snapshot);

	if (!snapshot)
		return NULL;
	*snapshot = (struct raftkv_snapshot){
		.engine = engine,
		.blocks = blocks,
		.region = {.id = region->id,
			.epoch = region->epoch,
			.start = buf_ref(region->start),
			.end = buf_ref(region->end)},
		.view = {{&operations}, snapshot, false},
		.blocking_view = {{&operations}, snapshot, true},
	};
	blocks_enter(blocks, &snapshot->reader);
	snapshot->kv = engine->ops->snapshot_new(engine);
	if (snapshot->kv)
		return snapshot;
	raftkv_snapshot_free(snapshot);
	return NULL;
}

struct view *raftkv_snapshot_view(struct raftkv_snapshot *snapshot, bool may_block)
{
	return may_block ? &snapshot->blocking_view.base : &snapshot->view.base;
}

void raftkv_snapshot_free(struct raftkv_snapshot *snapshot)
{
	if (!snapshot)
		return;
	if (snapshot->kv)
		snapshot->engine->ops->snapshot_free(snapshot->engine, snapshot->kv);
	blocks_leave(snapshot->blocks, &snapshot->reader);
	region_close(&snapshot->region);
	free(snapshot);
}
