#include "store/evaluate/overlay_view.h"

#include <string.h>

#include "proto/check.h"

static struct overlay_view *view_of(struct view *base)
{
	return (struct overlay_view *)base; /* the first member */
}

static void see(struct overlay_view *view, uint64_t index)
{
	if (index > view->seen)
		view->seen = index;
}

/* ---- Rows ---- */

static void unref_owner(void *owner)
{
	buf_unref(owner);
}

static int overlay_view_get(
	struct view *base, enum key_space space, struct slice row_key, struct kv_value *value)
{
	struct overlay_view *view = view_of(base);
	const struct overlay_row *row;
	struct key key;
	int status = region_view_key(view->region, space, row_key, &key);
	uint64_t hidden;

	*value = (struct kv_value){0};
	if (status < 0)
		return status;
	row = overlay_find(view->overlay, key_slice(&key));
	if (row) {
		see(view, row->index);
		if (!row->owner)
			return STATUS_NOT_FOUND;
		*value = (struct kv_value){row->value, buf_ref(row->owner), unref_owner};
		return 0;
	}
	hidden = overlay_hides(view->overlay, key_slice(&key));
	see(view, hidden);
	return hidden ? STATUS_NOT_FOUND : engine_view_get(&view->engine, key_slice(&key), value);
}

/* Merges two ordered sequences: the overlay's rows and the engine's rows. */
struct merge {
	struct overlay_view *view;
	enum key_space space;
	const struct overlay_row *row; /* the overlay's next row */
	struct slice high;
	view_row_cb each;
	void *argument;
};

static struct slice key_of(const struct overlay_row *row)
{
	return (struct slice){row->key, row->key_size};
}

static bool has_row(const struct merge *merge)
{
	return merge->row && slice_compare(key_of(merge->row), merge->high) < 0;
}

/* Passes the overlay's next row to the callback. */
static int emit_row(struct merge *merge)
{
	const struct overlay_row *row = merge->row;

	merge->row = overlay_next(row);
	see(merge->view, row->index);
	if (!row->owner)
		return 0;
	return merge->each(merge->argument, key_row_inner(merge->space, key_of(row)), row->value);
}

static int on_engine_row(void *argument, struct slice key, struct slice value)
{
	struct merge *merge = argument;
	uint64_t hidden;
	int status = 0;

	while (status == 0 && has_row(merge)) {
		int order = slice_compare(key_of(merge->row), key);

		if (order > 0)
			break;
		status = emit_row(merge);
		if (order == 0)
			return status;
	}
	if (status != 0)
		return status;
	hidden = overlay_hides(merge->view->overlay, key);
	see(merge->view, hidden);
	return hidden ? 0 : merge->each(merge->argument, key_row_inner(merge->space, key), value);
}

static int overlay_view_scan(struct view *base, enum key_space space, struct slice low, struct slice high,
	view_row_cb row, void *argument)
{
	struct overlay_view *view = view_of(base);
	struct key from, to;
	struct merge merge = {.view = view, .space = space, .each = row, .argument = argument};
	int status = region_view_range(view->region, space, low, high, &from, &to);

	if (status < 0)
		return status;
	merge.row = overlay_seek(view->overlay, key_slice(&from));
	merge.high = key_slice(&to);
	status = engine_view_scan(&view->engine, key_slice(&from), key_slice(&to), on_engine_row, &merge);
	while (status == 0 && has_row(&merge))
		status = emit_row(&merge);
	return status;
}

/* ---- Objects ---- */

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* A range of units that is wholly in one extent of the overlay, or wholly outside of all extents. */
struct stretch {
	uint64_t end;
	const struct overlay_extent *extent; /* NULL: the engine has the units */
};

static struct stretch stretch_at(struct overlay_view *view, struct slice object, uint64_t unit, uint64_t end)
{
	const struct overlay_extent *extent = overlay_extent_at(view->overlay, object, unit);

	if (!extent || extent->first >= end)
		return (struct stretch){end, NULL};
	if (extent->first > unit)
		return (struct stretch){extent->first, NULL};
	see(view, extent->index);
	return (struct stretch){min_u64(extent->end, end), extent};
}

static int overlay_view_read(
	struct view *base, struct slice object, uint64_t first, uint32_t count, void *bytes)
{
	struct overlay_view *view = view_of(base);
	uint64_t end = first + count;
	uint8_t *to = bytes;
	int status = region_view_object(view->region, object);

	while (status == 0 && first < end) {
		struct stretch stretch = stretch_at(view, object, first, end);
		uint32_t units = (uint32_t)(stretch.end - first);
		size_t size = (size_t)units * BLOCK_UNIT_SIZE;

		if (!stretch.extent)
			status = engine_view_read(&view->engine, object, first, units, to);
		else if (stretch.extent->bytes)
			memcpy(to, stretch.extent->bytes + (first - stretch.extent->first) * BLOCK_UNIT_SIZE,
				size);
		else
			memset(to, 0, size);
		to += size;
		first = stretch.end;
	}
	return status;
}

static int overlay_view_mapped(
	struct view *base, struct slice object, uint64_t first, uint64_t count, uint64_t *out)
{
	struct overlay_view *view = view_of(base);
	uint64_t end = count > UINT64_MAX - first ? UINT64_MAX : first + count;
	int status = region_view_object(view->region, object);

	*out = 0;
	while (status == 0 && first < end) {
		struct stretch stretch = stretch_at(view, object, first, end);
		uint64_t units = 0;

		if (!stretch.extent)
			status =
				engine_view_mapped(&view->engine, object, first, stretch.end - first, &units);
		else if (stretch.extent->bytes)
			units = stretch.end - first;
		*out += units;
		first = stretch.end;
	}
	return status;
}

/* In a stretch of the overlay all units are mapped, or none is. */
static int overlay_view_next(
	struct view *base, struct slice object, uint64_t first, bool data, uint64_t *unit)
{
	struct overlay_view *view = view_of(base);
	int status = region_view_object(view->region, object);

	*unit = UINT64_MAX;
	while (status == 0 && first < UINT64_MAX) {
		struct stretch stretch = stretch_at(view, object, first, UINT64_MAX);

		*unit = first;
		if (stretch.extent && (stretch.extent->bytes != NULL) == data)
			return 0;
		if (!stretch.extent) {
			status = engine_view_next(&view->engine, object, first, data, unit);
			if (status == 0 && *unit < stretch.end)
				return 0;
		}
		first = stretch.end;
	}
	*unit = UINT64_MAX;
	return status;
}

static const struct view_ops operations = {
	overlay_view_get, overlay_view_scan, overlay_view_read, overlay_view_mapped, overlay_view_next};

void overlay_view_init(struct overlay_view *view, const struct overlay *overlay, const struct region *region,
	const struct engine_view *engine)
{
	*view = (struct overlay_view){
		.base = {&operations},
		.overlay = overlay,
		.region = region,
		.engine = *engine,
	};
}
