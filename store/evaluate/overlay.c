#include "store/evaluate/overlay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "store/rows/rows.h"

/* ---- The two trees ---- */

static struct slice row_key(const struct overlay_row *row)
{
	return (struct slice){row->key, row->key_size};
}

static int compare_rows(struct overlay_row *a, struct overlay_row *b)
{
	return slice_compare(row_key(a), row_key(b));
}

static int compare_position(const struct overlay_extent *extent, struct slice object, uint64_t first)
{
	int order = slice_compare((struct slice){extent->object, extent->object_size}, object);

	if (order != 0)
		return order;
	return extent->first < first ? -1 : extent->first > first;
}

static int compare_extents(struct overlay_extent *a, struct overlay_extent *b)
{
	return compare_position(a, (struct slice){b->object, b->object_size}, b->first);
}

RB_GENERATE_STATIC(overlay_rows, overlay_row, links, compare_rows)
RB_GENERATE_STATIC(overlay_extents, overlay_extent, links, compare_extents)

/* ---- Lists by index ---- */

/* Removes a row from the list by index. */
static void unlist_row(struct overlay *overlay, struct overlay_row *row)
{
	if (row->older)
		row->older->newer = row->newer;
	else
		overlay->oldest_row = row->newer;
	if (row->newer)
		row->newer->older = row->older;
	else
		overlay->newest_row = row->older;
}

static void list_newest_row(struct overlay *overlay, struct overlay_row *row)
{
	row->older = overlay->newest_row;
	row->newer = NULL;
	if (row->older)
		row->older->newer = row;
	else
		overlay->oldest_row = row;
	overlay->newest_row = row;
}

static void unlist_extent(struct overlay *overlay, struct overlay_extent *extent)
{
	if (extent->older)
		extent->older->newer = extent->newer;
	else
		overlay->oldest_extent = extent->newer;
	if (extent->newer)
		extent->newer->older = extent->older;
	else
		overlay->newest_extent = extent->older;
}

/* Inserts the extent after `older`, which is in the list; NULL: as the newest. */
static void list_extent(struct overlay *overlay, struct overlay_extent *extent, struct overlay_extent *older)
{
	if (!older)
		older = overlay->newest_extent;
	extent->older = older;
	extent->newer = older ? older->newer : NULL;
	if (extent->newer)
		extent->newer->older = extent;
	else
		overlay->newest_extent = extent;
	if (older)
		older->newer = extent;
	else
		overlay->oldest_extent = extent;
}

/* ---- Rows ---- */

static const struct overlay_row *find_row(const struct overlay *overlay, struct slice key, bool exact)
{
	struct overlay_row *row = overlay->rows.rbh_root;
	struct overlay_row *after = NULL;

	while (row) {
		int order = slice_compare(key, row_key(row));

		if (order == 0)
			return row;
		if (order < 0)
			after = row;
		row = order < 0 ? RB_LEFT(row, links) : RB_RIGHT(row, links);
	}
	return exact ? NULL : after;
}

const struct overlay_row *overlay_find(const struct overlay *overlay, struct slice key)
{
	return find_row(overlay, key, true);
}

const struct overlay_row *overlay_seek(const struct overlay *overlay, struct slice key)
{
	return find_row(overlay, key, false);
}

const struct overlay_row *overlay_next(const struct overlay_row *row)
{
	return RB_NEXT(overlay_rows, NULL, (struct overlay_row *)row);
}

static void remove_row(struct overlay *overlay, struct overlay_row *row)
{
	RB_REMOVE(overlay_rows, &overlay->rows, row);
	unlist_row(overlay, row);
	buf_unref(row->owner);
	free(row);
}

/* `owner` (shared) NULL: the row is deleted. */
static int set_row(
	struct overlay *overlay, uint64_t index, struct slice key, struct buf *owner, struct slice value)
{
	struct overlay_row *row = (struct overlay_row *)overlay_find(overlay, key);

	if (row) {
		unlist_row(overlay, row);
		buf_unref(row->owner);
	} else {
		row = malloc(sizeof *row + key.size);
		if (!row)
			return -ENOMEM;
		row->key_size = key.size;
		memcpy(row->key, key.data, key.size);
		RB_INSERT(overlay_rows, &overlay->rows, row);
	}
	row->index = index;
	row->owner = buf_ref(owner);
	row->value = value;
	list_newest_row(overlay, row);
	return 0;
}

static int delete_range(struct overlay *overlay, uint64_t index, struct slice low, struct slice high)
{
	const struct overlay_row *row = overlay_seek(overlay, low);
	struct overlay_range *range = calloc(1, sizeof *range);

	if (!range)
		return -ENOMEM;
	range->index = index;
	range->low = buf_copy(low.data, low.size);
	range->high = buf_copy(high.data, high.size);
	if (overlay->newest_range)
		overlay->newest_range->newer = range;
	else
		overlay->oldest_range = range;
	overlay->newest_range = range;
	if (!range->low || !range->high)
		return -ENOMEM;
	for (; row && slice_compare(row_key(row), high) < 0; row = overlay_next(row)) {
		int status = set_row(overlay, index, row_key(row), NULL, (struct slice){0});

		check(status == 0); /* the row is there: nothing is allocated */
	}
	return 0;
}

static void remove_oldest_range(struct overlay *overlay)
{
	struct overlay_range *range = overlay->oldest_range;

	overlay->oldest_range = range->newer;
	if (!overlay->oldest_range)
		overlay->newest_range = NULL;
	buf_unref(range->low);
	buf_unref(range->high);
	free(range);
}

uint64_t overlay_hides(const struct overlay *overlay, struct slice key)
{
	uint64_t index = 0;

	for (const struct overlay_range *range = overlay->oldest_range; range; range = range->newer)
		if (slice_compare(buf_slice(range->low), key) <= 0 &&
			slice_compare(key, buf_slice(range->high)) < 0)
			index = range->index;
	return index;
}

/* ---- Extents of objects ---- */

static struct slice object_of(const struct overlay_extent *extent)
{
	return (struct slice){extent->object, extent->object_size};
}

const struct overlay_extent *overlay_extent_next(const struct overlay_extent *extent)
{
	const struct overlay_extent *next = RB_NEXT(overlay_extents, NULL, (struct overlay_extent *)extent);

	return next && slice_compare(object_of(next), object_of(extent)) == 0 ? next : NULL;
}

const struct overlay_extent *overlay_extent_at(
	const struct overlay *overlay, struct slice object, uint64_t unit)
{
	struct overlay_extent *extent = overlay->extents.rbh_root;
	struct overlay_extent *found = NULL;

	while (extent) {
		int order = slice_compare(object_of(extent), object);
		bool is_before = order < 0 || (order == 0 && extent->end <= unit);

		if (!is_before)
			found = extent;
		extent = is_before ? RB_RIGHT(extent, links) : RB_LEFT(extent, links);
	}
	return found && slice_compare(object_of(found), object) == 0 ? found : NULL;
}

static struct overlay_extent *new_extent(struct slice object, uint64_t first, uint64_t end)
{
	struct overlay_extent *extent = calloc(1, sizeof *extent + object.size);

	if (!extent)
		return NULL;
	extent->first = first;
	extent->end = end;
	extent->object_size = object.size;
	memcpy(extent->object, object.data, object.size);
	return extent;
}

static void remove_extent(struct overlay *overlay, struct overlay_extent *extent)
{
	RB_REMOVE(overlay_extents, &overlay->extents, extent);
	unlist_extent(overlay, extent);
	buf_unref(extent->owner);
	free(extent);
}

/* Moves an extent's start forward. Its place in the tree stays valid. */
static void trim_head(struct overlay_extent *extent, uint64_t first)
{
	if (extent->bytes)
		extent->bytes += (first - extent->first) * BLOCK_UNIT_SIZE;
	extent->first = first;
}

/* Leaves [first, cut) in `extent` and makes an extent of [from, end). */
static int split_extent(struct overlay *overlay, struct overlay_extent *extent, uint64_t cut, uint64_t from)
{
	struct overlay_extent *tail = new_extent(object_of(extent), extent->first, extent->end);

	if (!tail)
		return -ENOMEM;
	tail->index = extent->index;
	tail->owner = buf_ref(extent->owner);
	tail->bytes = extent->bytes;
	trim_head(tail, from);
	extent->end = cut;
	RB_INSERT(overlay_extents, &overlay->extents, tail);
	list_extent(overlay, tail, extent);
	return 0;
}

/* Removes [first, end) of the object from all extents that overlap it. */
static int carve(struct overlay *overlay, struct slice object, uint64_t first, uint64_t end)
{
	struct overlay_extent *extent;

	while ((extent = (struct overlay_extent *)overlay_extent_at(overlay, object, first)) != NULL &&
		extent->first < end) {
		if (extent->first < first && extent->end > end)
			return split_extent(overlay, extent, first, end);
		if (extent->first < first)
			extent->end = first;
		else if (extent->end > end)
			trim_head(extent, end);
		else
			remove_extent(overlay, extent);
	}
	return 0;
}

static int set_extent(struct overlay *overlay, const struct mutation *mutation, uint64_t index,
	struct buf *owner, const uint8_t *bytes)
{
	uint64_t end = mutation->count > UINT64_MAX - mutation->first ? UINT64_MAX
								      : mutation->first + mutation->count;
	struct overlay_extent *extent;

	if (mutation->first == end)
		return 0;
	extent = new_extent(mutation->key, mutation->first, end);
	if (!extent || carve(overlay, mutation->key, mutation->first, end) < 0) {
		free(extent);
		return -ENOMEM;
	}
	extent->index = index;
	extent->owner = buf_ref(owner);
	extent->bytes = bytes;
	RB_INSERT(overlay_extents, &overlay->extents, extent);
	list_extent(overlay, extent, NULL);
	return 0;
}

/* ---- Entries ---- */

struct addition {
	struct overlay *overlay;
	uint64_t region;
	const struct raft_entry *entry;
};

static int add_mutation(void *argument, const struct mutation *mutation)
{
	struct addition *addition = argument;
	struct overlay *overlay = addition->overlay;
	const struct raft_entry *entry = addition->entry;
	struct key key, high;

	switch (mutation->kind) {
	case MUTATION_PUT:
		key_row(&key, addition->region, mutation->space, mutation->key);
		return set_row(overlay, entry->index, key_slice(&key), entry->data, mutation->value);
	case MUTATION_DELETE:
		key_row(&key, addition->region, mutation->space, mutation->key);
		return set_row(overlay, entry->index, key_slice(&key), NULL, (struct slice){0});
	case MUTATION_DELETE_RANGE:
		key_row(&key, addition->region, mutation->space, mutation->key);
		key_row(&high, addition->region, mutation->space, mutation->high);
		return delete_range(overlay, entry->index, key_slice(&key), key_slice(&high));
	case MUTATION_WRITE:
		if (mutation->is_beside)
			return set_extent(
				overlay, mutation, entry->index, entry->payload, entry->payload->data);
		return set_extent(overlay, mutation, entry->index, entry->data, mutation->payload.data);
	case MUTATION_UNMAP:
		return set_extent(overlay, mutation, entry->index, NULL, NULL);
	}
	return STATUS_CORRUPT;
}

int overlay_add(struct overlay *overlay, uint64_t region, const struct raft_entry *entry)
{
	struct addition addition = {.overlay = overlay, .region = region, .entry = entry};
	uint64_t epoch_version;

	check(entry->index > overlay->last_index);
	overlay->last_index = entry->index;
	return mutations_each(entry, &epoch_version, add_mutation, &addition);
}

void overlay_retire(struct overlay *overlay, uint64_t index)
{
	while (overlay->oldest_row && overlay->oldest_row->index <= index)
		remove_row(overlay, overlay->oldest_row);
	while (overlay->oldest_extent && overlay->oldest_extent->index <= index)
		remove_extent(overlay, overlay->oldest_extent);
	while (overlay->oldest_range && overlay->oldest_range->index <= index)
		remove_oldest_range(overlay);
	if (overlay->last_index <= index)
		overlay->last_index = 0;
}

void overlay_clear(struct overlay *overlay)
{
	overlay_retire(overlay, UINT64_MAX);
}

bool overlay_is_empty(const struct overlay *overlay)
{
	return overlay->last_index == 0;
}
