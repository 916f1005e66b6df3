#include "store/rows/engine_view.h"

#include <string.h>

#include "store/rows/extents.h"
#include "store/rows/keys.h"

#define BATCH_UNITS 256 /* units looked up at a time */
/* Units of one read that does not wait. A larger read goes to a worker and does not hold up the loop. */
#define INLINE_UNITS_MAX 16

static enum kv_tier tier_of(const struct engine_view *view)
{
	return view->may_block ? KV_TIER_ALL : KV_TIER_CACHE;
}

/* ---- Rows ---- */

int engine_view_get(const struct engine_view *view, struct slice key, struct kv_value *value)
{
	return view->kv->ops->get(view->kv, view->snapshot, tier_of(view), key, value);
}

int engine_view_scan(
	const struct engine_view *view, struct slice low, struct slice high, view_row_cb row, void *argument)
{
	struct kv_engine *kv = view->kv;
	struct kv_iterator *iterator;
	int status;

	if (slice_compare(low, high) >= 0)
		return 0;
	status = kv->ops->iterator_new(kv, view->snapshot, tier_of(view), low, high, &iterator);
	if (status < 0)
		return status;
	for (status = kv->ops->seek(iterator, low); status == 0; status = kv->ops->next(iterator)) {
		struct slice key, value;

		kv->ops->row(iterator, &key, &value);
		status = row(argument, key, value);
		if (status != 0)
			break;
	}
	kv->ops->iterator_free(kv, iterator);
	return status == STATUS_NOT_FOUND ? 0 : status;
}

/* ---- Units ---- */

static int check_units(const struct extent_unit *units, uint32_t count, const uint8_t *bytes)
{
	for (uint32_t i = 0; i < count; i++)
		if (blocks_checksum(bytes + (size_t)i * BLOCK_UNIT_SIZE) != units[i].checksum)
			return STATUS_CORRUPT;
	return 0;
}

/* Reads from the units that a worker has read before, one by one. */
static int read_kept(
	const struct engine_view *view, const struct extent_unit *units, uint32_t count, uint8_t *bytes)
{
	for (uint32_t i = 0; i < count; i++) {
		const void *unit = view->units ? unit_cache_find(view->units, units[i].address) : NULL;

		if (!unit)
			return STATUS_WOULD_BLOCK;
		memcpy(bytes + (size_t)i * BLOCK_UNIT_SIZE, unit, BLOCK_UNIT_SIZE);
	}
	return 0;
}

/* Reads without waiting for the disk. */
static int read_from_memory(
	const struct engine_view *view, const struct extent_unit *units, uint32_t count, uint8_t *bytes)
{
	struct block_extent extent = {units[0].address, count};
	int status = read_kept(view, units, count, bytes);

	if (status == STATUS_WOULD_BLOCK && count <= INLINE_UNITS_MAX)
		status = blocks_read_cached(view->blocks, extent, 0, bytes, count);
	return status;
}

/* Reads `count` units that are adjacent on the disk. */
static int read_run(
	const struct engine_view *view, const struct extent_unit *units, uint32_t count, uint8_t *bytes)
{
	struct block_extent extent = {units[0].address, count};
	int status = view->may_block ? blocks_read_now(view->blocks, extent, 0, bytes, count)
				     : read_from_memory(view, units, count, bytes);

	if (status == 0)
		status = check_units(units, count, bytes);
	for (uint32_t i = 0; i < count && status == 0 && view->may_block && view->units; i++)
		unit_cache_add(view->units, units[i].address, bytes + (size_t)i * BLOCK_UNIT_SIZE);
	return status;
}

static int read_units(
	const struct engine_view *view, const struct extent_unit *units, uint32_t count, uint8_t *bytes)
{
	int status = 0;

	while (count > 0 && status == 0) {
		uint32_t run = 1;

		if (units[0].address == EXTENT_HOLE) {
			memset(bytes, 0, BLOCK_UNIT_SIZE);
		} else {
			while (run < count && units[run].address == units[0].address + run)
				run++;
			status = read_run(view, units, run, bytes);
		}
		units += run;
		count -= run;
		bytes += (size_t)run * BLOCK_UNIT_SIZE;
	}
	return status;
}

/* Looks up `count` units of one row. */
static int units_of_row(const struct engine_view *view, const struct key *prefix, uint64_t first,
	uint32_t count, struct extent_unit *units)
{
	struct kv_value value = {0};
	struct extent_row row;
	struct key key;
	int status;

	extent_row_key(&key, prefix, first);
	status = engine_view_get(view, key_slice(&key), &value);
	if (status == STATUS_NOT_FOUND)
		extent_row_clear(&row);
	else if (status == 0)
		status = extent_row_decode(value.data, &row);
	kv_value_close(&value);
	if (status < 0 && status != STATUS_NOT_FOUND)
		return status;
	memcpy(units, &row.units[first % EXTENT_ROW_UNITS], count * sizeof *units);
	return 0;
}

static int find_units(const struct engine_view *view, const struct key *prefix, uint64_t first,
	uint32_t count, struct extent_unit *units)
{
	int status = 0;

	while (count > 0 && status == 0) {
		uint32_t room = EXTENT_ROW_UNITS - (uint32_t)(first % EXTENT_ROW_UNITS);
		uint32_t found = count < room ? count : room;

		status = units_of_row(view, prefix, first, found, units);
		first += found;
		count -= found;
		units += found;
	}
	return status;
}

/* Looks up many rows at a time, so that units that are adjacent on the disk are read together. */
int engine_view_read(
	const struct engine_view *view, struct slice object, uint64_t first, uint32_t count, void *bytes)
{
	struct extent_unit units[BATCH_UNITS];
	uint8_t *to = bytes;
	struct key prefix;
	int status = 0;

	if (count > INLINE_UNITS_MAX && !view->may_block && !view->units)
		return STATUS_WOULD_BLOCK;
	key_object(&prefix, object);
	while (count > 0 && status == 0) {
		uint32_t batch = count < BATCH_UNITS ? count : BATCH_UNITS;

		status = find_units(view, &prefix, first, batch, units);
		if (status == 0)
			status = read_units(view, units, batch, to);
		first += batch;
		count -= batch;
		to += (size_t)batch * BLOCK_UNIT_SIZE;
	}
	return status;
}

/* ---- Maps ---- */

struct map_walk {
	size_t key_size; /* bytes of the prefix of the object's rows */
	uint64_t first;
	uint64_t end;
	uint64_t mapped; /* so far */
	bool data; /* for `next`: whether a mapped unit is searched for */
	uint64_t found;
};

static int walk(const struct engine_view *view, struct slice object, struct map_walk *map, view_row_cb each)
{
	struct key prefix, low, high;
	uint64_t last = map->end - 1;

	key_object(&prefix, object);
	extent_row_key(&low, &prefix, map->first);
	extent_row_key(&high, &prefix, last);
	high.bytes[high.size++] = 0; /* just past the last row */
	map->key_size = low.size;
	return engine_view_scan(view, key_slice(&low), key_slice(&high), each, map);
}

static int decode_row(const struct map_walk *map, struct slice key, struct slice value, uint64_t *first,
	struct extent_row *row)
{
	int status = extent_row_first(key, first);

	return status < 0 || key.size != map->key_size ? STATUS_CORRUPT : extent_row_decode(value, row);
}

static int count_row(void *argument, struct slice key, struct slice value)
{
	struct map_walk *map = argument;
	struct extent_row row;
	uint64_t first;
	int status = decode_row(map, key, value, &first, &row);

	for (uint32_t i = 0; i < EXTENT_ROW_UNITS && status == 0; i++)
		if (first + i >= map->first && first + i < map->end && row.units[i].address != EXTENT_HOLE)
			map->mapped++;
	return status;
}

int engine_view_mapped(
	const struct engine_view *view, struct slice object, uint64_t first, uint64_t count, uint64_t *mapped)
{
	struct map_walk map = {.first = first};
	int status;

	*mapped = 0;
	if (count == 0)
		return 0;
	map.end = count > UINT64_MAX - first ? UINT64_MAX : first + count;
	status = walk(view, object, &map, count_row);
	*mapped = map.mapped;
	return status;
}

/* `map->first` is the first unit not yet examined. Units between rows are a hole. */
static int find_in_row(void *argument, struct slice key, struct slice value)
{
	struct map_walk *map = argument;
	struct extent_row row;
	uint64_t first;
	int status = decode_row(map, key, value, &first, &row);

	if (status < 0)
		return status;
	if (!map->data && first > map->first) {
		map->found = map->first;
		return 1;
	}
	for (uint32_t i = 0; i < EXTENT_ROW_UNITS; i++) {
		if (first + i < map->first || (row.units[i].address != EXTENT_HOLE) != map->data)
			continue;
		map->found = first + i;
		return 1;
	}
	map->first = first + EXTENT_ROW_UNITS;
	return 0;
}

int engine_view_next(
	const struct engine_view *view, struct slice object, uint64_t first, bool data, uint64_t *unit)
{
	struct map_walk map = {.first = first, .end = UINT64_MAX, .data = data, .found = UINT64_MAX};
	int status = walk(view, object, &map, find_in_row);

	*unit = map.found;
	if (status == 0 && !data)
		*unit = map.first;
	return status < 0 ? status : 0;
}
