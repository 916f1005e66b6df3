/*
 * split_rows.h: the rows that a split changes, for the KV batch of its entry: the states of both halves, and the local
 * rows that the new region gets. The rows of KEY_DATA and the extent maps stay where they are.
 *
 *   sessions and slots (slots.h)     both halves have them, so that a retry finds its answer wherever its key lies
 *   other rows of KEY_LOCAL          as the evaluator says (evaluator.h, split_fate)
 */
#ifndef RAFTKV_STORE_APPLY_SPLIT_ROWS_H
#define RAFTKV_STORE_APPLY_SPLIT_ROWS_H

#include "store/engines.h"
#include "store/evaluate/evaluator.h"
#include "store/rows/rows.h"

/* Adds the rows to `batch`. Everything that the region's log had before the split must be visible in `kv`. Blocks. 0,
 * -ENOMEM, the engine's error; STATUS_CORRUPT: the new region has rows already. */
int split_rows_put(struct kv_engine *kv, struct kv_batch *batch, struct evaluator *evaluator,
	const struct region *lower, const struct region *upper);
/* Sets `*is_large` if the region's local rows take more than `size_max` bytes. Blocks. */
int split_rows_measure(struct kv_engine *kv, uint64_t region, uint64_t size_max, bool *is_large);

#endif
