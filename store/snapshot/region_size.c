#include "store/snapshot/region_size.h"

void region_rows(const struct region *region, enum snapshot_kind kind, struct key *low, struct key *high)
{
	enum key_space space = kind == SNAPSHOT_LOCAL ? KEY_LOCAL : KEY_DATA;
	struct slice start = kind == SNAPSHOT_LOCAL ? (struct slice){0} : buf_slice(region->start);
	struct slice end = kind == SNAPSHOT_LOCAL ? (struct slice){0} : buf_slice(region->end);
	struct key first;

	if (kind != SNAPSHOT_EXTENTS) {
		key_row(low, region->id, space, start);
		key_row_bound(high, region->id, space, end);
		return;
	}
	key_objects(&first, high);
	key_object(low, start);
	if (end.size > 0)
		key_object(high, end);
}

static int add_extent(void *argument, struct block_extent extent)
{
	struct region_size *size = argument;

	size->unit_count += extent.count;
	return 0;
}

static int add_row(
	struct kv_engine *kv, struct kv_iterator *rows, enum snapshot_kind kind, struct region_size *size)
{
	struct extent_row row;
	struct slice key, value;
	int status = 0;

	kv->ops->row(rows, &key, &value);
	size->rows_size += key.size + value.size;
	if (kind == SNAPSHOT_EXTENTS)
		status = extent_row_decode(value, &row);
	if (status == 0 && kind == SNAPSHOT_EXTENTS)
		status = extent_row_each(&row, add_extent, size);
	return status;
}

static int measure_kind(struct kv_engine *kv, struct kv_snapshot *snapshot, const struct region *region,
	enum snapshot_kind kind, struct region_size *size)
{
	struct kv_iterator *rows;
	struct key low, high;
	int status;

	region_rows(region, kind, &low, &high);
	status = kv->ops->iterator_new(kv, snapshot, KV_TIER_ALL, key_slice(&low), key_slice(&high), &rows);
	if (status < 0)
		return status;
	status = kv->ops->seek(rows, key_slice(&low));
	while (status == 0) {
		status = add_row(kv, rows, kind, size);
		if (status == 0)
			status = kv->ops->next(rows);
	}
	kv->ops->iterator_free(kv, rows);
	return status == STATUS_NOT_FOUND ? 0 : status;
}

int region_measure(struct kv_engine *kv, struct kv_snapshot *snapshot, const struct region *region,
	struct region_size *size)
{
	int status = 0;

	*size = (struct region_size){0};
	for (int kind = SNAPSHOT_LOCAL; kind <= SNAPSHOT_EXTENTS && status == 0; kind++)
		status = measure_kind(kv, snapshot, region, (enum snapshot_kind)kind, size);
	return status;
}
