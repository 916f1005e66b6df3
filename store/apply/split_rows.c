#include "store/apply/split_rows.h"

#include "proto/plant.h"
#include "store/rows/slots.h"

/* ---- Local rows ------------------------------------------------------------------------------------------------- */

typedef int (*local_row_cb)(void *argument, struct slice key, struct slice row, struct slice value);

/* `key` is the engine's, `row` the layer's own. */
static int each_local(struct kv_engine *kv, uint64_t region, local_row_cb each, void *argument)
{
	struct kv_iterator *rows;
	struct key low, high;
	int status, result = 0;

	key_row(&low, region, KEY_LOCAL, (struct slice){0});
	key_row_bound(&high, region, KEY_LOCAL, (struct slice){0});
	status = kv->ops->iterator_new(kv, NULL, KV_TIER_ALL, key_slice(&low), key_slice(&high), &rows);
	if (status < 0)
		return status;
	for (status = kv->ops->seek(rows, key_slice(&low)); status == 0 && result == 0;) {
		struct slice key, value;

		kv->ops->row(rows, &key, &value);
		result = each(argument, key, key_row_inner(KEY_LOCAL, key), value);
		status = kv->ops->next(rows);
	}
	kv->ops->iterator_free(kv, rows);
	if (result < 0)
		return result;
	return status == STATUS_NOT_FOUND || result > 0 ? 0 : status;
}

struct dividing {
	struct kv_engine *kv;
	struct kv_batch *batch;
	struct evaluator *evaluator;
	uint64_t upper; /* region */
	struct slice at;
};

static enum split_fate fate_of(const struct dividing *dividing, struct slice row, struct slice *value)
{
	PLANT("split:slots_left", return SPLIT_STAYS);
	if (row.size > 0 && *(const uint8_t *)row.data < SLOTS_KEY_FIRST_FREE)
		return SPLIT_IS_COPIED;
	return dividing->evaluator->ops->split_fate(dividing->evaluator, row, dividing->at, value);
}

static int divide_row(void *argument, struct slice key, struct slice row, struct slice value)
{
	const struct dividing *dividing = argument;
	enum split_fate fate = fate_of(dividing, row, &value);
	struct key copy;

	if (fate == SPLIT_STAYS)
		return 0;
	key_row(&copy, dividing->upper, KEY_LOCAL, row);
	dividing->kv->ops->batch_put(dividing->batch, key_slice(&copy), value);
	if (fate == SPLIT_MOVES)
		dividing->kv->ops->batch_delete(dividing->batch, key);
	return 0;
}

int split_rows_put(struct kv_engine *kv, struct kv_batch *batch, struct evaluator *evaluator,
	const struct region *lower, const struct region *upper)
{
	const struct apply_state first = {REGION_FIRST_INDEX, REGION_FIRST_TERM};
	struct dividing dividing = {kv, batch, evaluator, upper->id, buf_slice(upper->start)};
	int status = region_state_look(kv, upper->id);

	/* Its rows come with the batch that has the split, so a region state is a sign of damage. */
	if (status != STATUS_NOT_FOUND)
		return status == 0 ? STATUS_CORRUPT : status;
	status = each_local(kv, lower->id, divide_row, &dividing);
	if (status == 0)
		status = region_state_put(kv, batch, lower);
	if (status == 0)
		status = region_state_put(kv, batch, upper);
	if (status == 0)
		apply_state_put(kv, batch, upper->id, &first);
	return status;
}

/* ---- Measuring -------------------------------------------------------------------------------------------------- */

struct measuring {
	uint64_t size, size_max;
};

static int measure_row(void *argument, struct slice key, struct slice row, struct slice value)
{
	struct measuring *measuring = argument;

	(void)row;
	measuring->size += key.size + value.size;
	return measuring->size > measuring->size_max;
}

int split_rows_measure(struct kv_engine *kv, uint64_t region, uint64_t size_max, bool *is_large)
{
	struct measuring measuring = {.size_max = size_max};
	int status = each_local(kv, region, measure_row, &measuring);

	*is_large = measuring.size > size_max;
	return status;
}
