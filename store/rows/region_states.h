/*
 * region_states.h: the two state rows of a region (region.h) in the KV engine: the region state and the apply state.
 *
 * Reads go to `snapshot` (NULL: the present state) at `tier`. They return 0, STATUS_NOT_FOUND, STATUS_CORRUPT, -ENOMEM or
 * the engine's error.
 */
#ifndef RAFTKV_STORE_ROWS_REGION_STATES_H
#define RAFTKV_STORE_ROWS_REGION_STATES_H

#include "store/kv/kv_engine.h"
#include "store/rows/region.h"

/* 0 or -ENOMEM. */
int region_state_put(struct kv_engine *kv, struct kv_batch *batch, const struct region *region);
void apply_state_put(
	struct kv_engine *kv, struct kv_batch *batch, uint64_t region, const struct apply_state *state);

/* The caller closes the region. */
int region_state_get(struct kv_engine *kv, const struct kv_snapshot *snapshot, enum kv_tier tier, uint64_t id,
	struct region *region);
int apply_state_get(struct kv_engine *kv, const struct kv_snapshot *snapshot, enum kv_tier tier,
	uint64_t region, struct apply_state *state);
/* Whether the present state has a region state, which is not decoded: 0, STATUS_NOT_FOUND or the engine's error. */
int region_state_look(struct kv_engine *kv, uint64_t id);

#endif
