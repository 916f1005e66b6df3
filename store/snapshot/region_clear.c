#include "store/snapshot/region_clear.h"

#include <errno.h>

static void object_range(const struct region *region, struct key *low, struct key *high)
{
	struct key first;

	key_objects(&first, high);
	key_object(low, buf_slice(region->start));
	if (region->end)
		key_object(high, buf_slice(region->end));
}

static void delete_space(struct kv_engine *kv, struct kv_batch *batch, const struct region *region,
	enum key_space space, struct slice start, struct slice end)
{
	struct key low, high;

	key_row(&low, region->id, space, start);
	key_row_bound(&high, region->id, space, end);
	kv->ops->batch_delete_range(batch, key_slice(&low), key_slice(&high));
}

int region_clear_rows(struct kv_engine *kv, const struct region *region)
{
	struct kv_batch *batch = kv->ops->batch_new(kv);
	struct key low, high;
	int status;

	if (!batch)
		return -ENOMEM;
	delete_space(kv, batch, region, KEY_LOCAL, (struct slice){0}, (struct slice){0});
	delete_space(kv, batch, region, KEY_DATA, buf_slice(region->start), buf_slice(region->end));
	object_range(region, &low, &high);
	kv->ops->batch_delete_range(batch, key_slice(&low), key_slice(&high));
	key_apply_state(&low, region->id);
	kv->ops->batch_delete(batch, key_slice(&low));
	key_region_state(&low, region->id);
	kv->ops->batch_delete(batch, key_slice(&low));
	status = kv->ops->write(kv, batch);
	kv->ops->batch_free(batch);
	return status;
}

static int free_extent(void *argument, struct block_extent extent)
{
	struct kv_flush *flush = argument;

	blocks_free(flush->engines->blocks, extent, kv_flush_mark(flush));
	return 0;
}

int region_clear(struct engines *engines, struct kv_flush *flush, const struct region *region)
{
	struct kv_engine *kv = engines->kv;
	struct kv_iterator *objects;
	struct key low, high;
	int status;

	/* The iterator keeps seeing the rows that are deleted under it. */
	object_range(region, &low, &high);
	status = kv->ops->iterator_new(kv, NULL, KV_TIER_ALL, key_slice(&low), key_slice(&high), &objects);
	if (status < 0)
		return status;
	status = region_clear_rows(kv, region);
	if (status == 0)
		status = extent_rows_each(kv, objects, key_slice(&low), free_extent, flush);
	kv->ops->iterator_free(kv, objects);
	kv_flush_request(flush);
	return status;
}
