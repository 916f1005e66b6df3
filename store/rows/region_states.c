#include "store/rows/region_states.h"

#include "store/rows/keys.h"

int region_state_put(struct kv_engine *kv, struct kv_batch *batch, const struct region *region)
{
	struct buf *row = NULL;
	struct key key;
	int status = region_encode(region, &row);

	if (status < 0)
		return status;
	key_region_state(&key, region->id);
	kv->ops->batch_put(batch, key_slice(&key), buf_slice(row));
	buf_unref(row);
	return 0;
}

void apply_state_put(
	struct kv_engine *kv, struct kv_batch *batch, uint64_t region, const struct apply_state *state)
{
	uint8_t row[APPLY_STATE_SIZE];
	struct key key;

	key_apply_state(&key, region);
	apply_state_encode(state, row);
	kv->ops->batch_put(batch, key_slice(&key), slice_of(row, sizeof row));
}

int region_state_get(struct kv_engine *kv, const struct kv_snapshot *snapshot, enum kv_tier tier, uint64_t id,
	struct region *region)
{
	struct kv_value value = {0};
	struct key key;
	int status;

	key_region_state(&key, id);
	status = kv->ops->get(kv, snapshot, tier, key_slice(&key), &value);
	if (status == 0)
		status = region_decode(value.data, region);
	kv_value_close(&value);
	return status;
}

int apply_state_get(struct kv_engine *kv, const struct kv_snapshot *snapshot, enum kv_tier tier,
	uint64_t region, struct apply_state *state)
{
	struct kv_value value = {0};
	struct key key;
	int status;

	key_apply_state(&key, region);
	status = kv->ops->get(kv, snapshot, tier, key_slice(&key), &value);
	if (status == 0)
		status = apply_state_decode(value.data, state);
	kv_value_close(&value);
	return status;
}

int region_state_look(struct kv_engine *kv, uint64_t id)
{
	struct kv_value value = {0};
	struct key key;
	int status;

	key_region_state(&key, id);
	status = kv->ops->get(kv, NULL, KV_TIER_ALL, key_slice(&key), &value);
	kv_value_close(&value);
	return status;
}
