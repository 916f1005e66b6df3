/*
 * overlay_view.h: the view of a leader's evaluation: the overlay over the KV engine.
 *
 * `seen` is the highest index of the entries whose effects the evaluation has seen. An answer that logs nothing waits
 * until that index is applied.
 */
#ifndef RAFTKV_STORE_EVALUATE_OVERLAY_VIEW_H
#define RAFTKV_STORE_EVALUATE_OVERLAY_VIEW_H

#include "store/rows/rows.h"
#include "store/evaluate/overlay.h"

struct overlay_view {
	struct view base;
	const struct overlay *overlay;
	const struct region *region;
	struct engine_view engine;
	uint64_t seen;
};

void overlay_view_init(struct overlay_view *view, const struct overlay *overlay, const struct region *region,
	const struct engine_view *engine);

#endif
