/*
 * engine_view.h: rows and objects of the KV engine and the block store. Both kinds of views (a snapshot, a leader's
 * overlay) read through it. Keys are the engine's (keys.h).
 */
#ifndef RAFTKV_STORE_ROWS_ENGINE_VIEW_H
#define RAFTKV_STORE_ROWS_ENGINE_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "store/blocks/blocks.h"
#include "store/rows/unit_cache.h"
#include "store/kv/view.h"

struct engine_view {
	struct kv_engine *kv;
	const struct kv_snapshot *snapshot; /* NULL: the newest state */
	struct blocks *blocks;
	bool may_block;
	struct unit_cache *units; /* filled by a view that may block, read by one that may not; NULL: none */
};

int engine_view_get(const struct engine_view *view, struct slice key, struct kv_value *value);
/* `row` gets engine keys. */
int engine_view_scan(
	const struct engine_view *view, struct slice low, struct slice high, view_row_cb row, void *argument);
/* As in view.h; `object` is the key of the layer above. */
int engine_view_read(
	const struct engine_view *view, struct slice object, uint64_t first, uint32_t count, void *bytes);
int engine_view_mapped(const struct engine_view *view, struct slice object, uint64_t first, uint64_t count,
	uint64_t *mapped);
int engine_view_next(
	const struct engine_view *view, struct slice object, uint64_t first, bool data, uint64_t *unit);

#endif
