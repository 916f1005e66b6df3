#include "store/rows/extents.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/codec.h"
#include "proto/hash.h"

#define UNIT_END (UINT64_MAX - EXTENT_ROW_UNITS) /* no row starts beyond it */

/* ---- Rows ---- */

void extent_row_key(struct key *key, const struct key *object, uint64_t unit)
{
	struct writer writer = writer_fixed(key->bytes, sizeof key->bytes);

	writer_bytes(&writer, object->bytes, object->size);
	writer_u64be(&writer, unit / EXTENT_ROW_UNITS);
	check(writer.status == 0);
	key->size = writer.size;
}

int extent_row_first(struct slice key, uint64_t *unit)
{
	struct reader reader;
	uint64_t number;

	if (key.size < 9)
		return STATUS_CORRUPT;
	reader = reader_of(slice_of((const uint8_t *)key.data + key.size - 8, 8));
	number = reader_u64be(&reader);
	*unit = number * EXTENT_ROW_UNITS;
	return number <= UINT64_MAX / EXTENT_ROW_UNITS ? 0 : STATUS_CORRUPT;
}

/* ---- Walking ---- */

/* Merges adjacent units. */
int extent_row_each(
	const struct extent_row *row, int (*each)(void *argument, struct block_extent extent), void *argument)
{
	int status = 0;

	for (uint32_t i = 0; i < EXTENT_ROW_UNITS && status == 0;) {
		struct block_extent extent = {row->units[i].address, 1};

		i++;
		if (extent.address == EXTENT_HOLE)
			continue;
		for (; i < EXTENT_ROW_UNITS && row->units[i].address == extent.address + extent.count; i++)
			extent.count++;
		status = each(argument, extent);
	}
	return status;
}

int extent_rows_each(struct kv_engine *kv, struct kv_iterator *rows, struct slice low,
	int (*each)(void *argument, struct block_extent extent), void *argument)
{
	struct extent_row row;
	int status = kv->ops->seek(rows, low);

	while (status == 0) {
		struct slice key, value;

		kv->ops->row(rows, &key, &value);
		status = extent_row_decode(value, &row);
		if (status == 0)
			status = extent_row_each(&row, each, argument);
		if (status == 0)
			status = kv->ops->next(rows);
	}
	return status == STATUS_NOT_FOUND ? 0 : status;
}

/* ---- Edits ---- */

struct extent_edit {
	UT_hash_handle hh;
	uint64_t first; /* unit */
	struct extent_row row;
	size_t key_size; /* bytes */
	uint8_t key[];
};

static struct slice edit_key(const struct extent_edit *edit)
{
	return (struct slice){edit->key, edit->key_size};
}

static struct extent_edit *find_edit(const struct extent_edits *edits, struct slice key)
{
	struct extent_edit *edit;

	HASH_FIND(hh, edits->rows, key.data, key.size, edit);
	return edit;
}

/* `value` is the engine's row; empty: the engine has none. */
static int add_edit(
	struct extent_edits *edits, struct slice key, struct slice value, struct extent_edit **out)
{
	struct extent_edit *edit = malloc(sizeof *edit + key.size);
	int status = 0;

	if (!edit)
		return -ENOMEM;
	edit->key_size = key.size;
	memcpy(edit->key, key.data, key.size);
	extent_row_clear(&edit->row);
	if (value.size > 0)
		status = extent_row_decode(value, &edit->row);
	if (status == 0)
		status = extent_row_first(key, &edit->first);
	if (status < 0) {
		free(edit);
		return status;
	}
	HASH_ADD_KEYPTR(hh, edits->rows, edit->key, edit->key_size, edit);
	*out = edit;
	return 0;
}

static int load_edit(struct extent_edits *edits, struct kv_engine *kv, enum kv_tier tier, struct slice key,
	struct extent_edit **edit)
{
	struct kv_value value = {0};
	int status;

	*edit = find_edit(edits, key);
	if (*edit)
		return 0;
	status = kv->ops->get(kv, NULL, tier, key, &value);
	if (status == 0 || status == STATUS_NOT_FOUND)
		status = add_edit(edits, key, value.data, edit);
	kv_value_close(&value);
	return status;
}

static int push_freed(struct extent_edits *edits, uint64_t address)
{
	struct block_extent *last = edits->freed_count > 0 ? &edits->freed[edits->freed_count - 1] : NULL;

	if (last && last->address + last->count == address) {
		last->count++;
		return 0;
	}
	if (edits->freed_count == edits->freed_capacity) {
		size_t capacity = edits->freed_capacity ? edits->freed_capacity * 2 : 16;
		struct block_extent *freed = realloc(edits->freed, capacity * sizeof *freed);

		if (!freed)
			return -ENOMEM;
		edits->freed = freed;
		edits->freed_capacity = capacity;
	}
	edits->freed[edits->freed_count++] = (struct block_extent){address, 1};
	return 0;
}

static int replace_unit(struct extent_edits *edits, struct extent_unit *unit, struct extent_unit with)
{
	int status = unit->address == EXTENT_HOLE ? 0 : push_freed(edits, unit->address);

	*unit = with;
	return status;
}

/* The address of unit `offset` of a list of extents. */
static uint64_t address_in(const struct block_extent *extents, uint32_t offset)
{
	while (offset >= extents->count) {
		offset -= extents->count;
		extents++;
	}
	return extents->address + offset;
}

int extent_edits_write(struct extent_edits *edits, struct kv_engine *kv, struct slice object, uint64_t first,
	uint32_t count, const struct block_extent *extents, const uint8_t *checksums, uint64_t region,
	uint64_t index)
{
	struct extent_edit *edit = NULL;
	struct key prefix, key;
	int status = 0;

	key_object(&prefix, object);
	for (uint32_t i = 0; i < count && status == 0; i++) {
		struct reader reader = reader_of(slice_of(checksums + (size_t)i * 4, 4));
		struct extent_unit unit = {
			.address = address_in(extents, i),
			.region = region,
			.index = index,
			.checksum = reader_u32le(&reader),
		};

		if (!edit || (first + i) % EXTENT_ROW_UNITS == 0) {
			extent_row_key(&key, &prefix, first + i);
			status = load_edit(edits, kv, KV_TIER_ALL, key_slice(&key), &edit);
		}
		if (status == 0)
			status = replace_unit(edits, &edit->row.units[(first + i) % EXTENT_ROW_UNITS], unit);
	}
	return status;
}

int extent_edits_prefetch(
	struct extent_edits *edits, struct kv_engine *kv, struct slice object, uint64_t first, uint32_t count)
{
	uint64_t unit = first - first % EXTENT_ROW_UNITS;
	struct extent_edit *edit;
	struct key prefix, key;
	int status = 0;

	key_object(&prefix, object);
	for (; unit < first + count && status == 0; unit += EXTENT_ROW_UNITS) {
		extent_row_key(&key, &prefix, unit);
		status = load_edit(edits, kv, KV_TIER_CACHE, key_slice(&key), &edit);
	}
	return status;
}

/* Loads the engine's rows in [low, high). */
static int load_range(struct extent_edits *edits, struct kv_engine *kv, struct slice low, struct slice high)
{
	struct kv_iterator *iterator;
	struct extent_edit *edit;
	int status = kv->ops->iterator_new(kv, NULL, KV_TIER_ALL, low, high, &iterator);

	if (status < 0)
		return status;
	for (status = kv->ops->seek(iterator, low); status == 0; status = kv->ops->next(iterator)) {
		struct slice key, value;

		kv->ops->row(iterator, &key, &value);
		if (key.size != low.size || find_edit(edits, key))
			continue;
		status = add_edit(edits, key, value, &edit);
		if (status < 0)
			break;
	}
	kv->ops->iterator_free(kv, iterator);
	return status == STATUS_NOT_FOUND ? 0 : status;
}

int extent_edits_unmap(
	struct extent_edits *edits, struct kv_engine *kv, struct slice object, uint64_t first, uint64_t count)
{
	uint64_t end = first > UNIT_END || count > UNIT_END - first ? UNIT_END : first + count;
	struct extent_edit *edit, *next;
	struct key prefix, low, high;
	int status;

	if (first >= end)
		return 0;
	key_object(&prefix, object);
	extent_row_key(&low, &prefix, first);
	extent_row_key(&high, &prefix, end + EXTENT_ROW_UNITS - 1);
	status = load_range(edits, kv, key_slice(&low), key_slice(&high));
	HASH_ITER (hh, edits->rows, edit, next) {
		struct slice key = edit_key(edit);

		if (key.size != low.size || slice_compare(key, key_slice(&low)) < 0 ||
			slice_compare(key, key_slice(&high)) >= 0)
			continue;
		for (uint32_t i = 0; i < EXTENT_ROW_UNITS && status == 0; i++)
			if (edit->first + i >= first && edit->first + i < end)
				status = replace_unit(edits, &edit->row.units[i],
					(struct extent_unit){.address = EXTENT_HOLE});
	}
	return status;
}

int extent_edits_finish(struct extent_edits *edits, struct kv_engine *kv, struct kv_batch *batch)
{
	struct extent_edit *edit, *next;

	HASH_ITER (hh, edits->rows, edit, next) {
		struct buf *bytes;
		int status = extent_row_encode(&edit->row, &bytes);

		if (status < 0)
			return status;
		if (bytes)
			kv->ops->batch_put(batch, edit_key(edit), buf_slice(bytes));
		else
			kv->ops->batch_delete(batch, edit_key(edit));
		buf_unref(bytes);
	}
	return 0;
}

void extent_edits_clear(struct extent_edits *edits)
{
	struct extent_edit *edit, *next;

	HASH_ITER (hh, edits->rows, edit, next) {
		HASH_DELETE(hh, edits->rows, edit);
		free(edit);
	}
	free(edits->freed);
	*edits = (struct extent_edits){0};
}
