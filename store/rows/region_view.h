/*
 * region_view.h: translates keys of the layer above to the engine's keys, and refuses those outside of the region. Used
 * by both kinds of views.
 */
#ifndef RAFTKV_STORE_ROWS_REGION_VIEW_H
#define RAFTKV_STORE_ROWS_REGION_VIEW_H

#include "store/rows/keys.h"
#include "store/rows/region.h"

/* 0, or STATUS_KEY_NOT_IN_REGION; STATUS_MALFORMED for a key that is too long. */
int region_view_key(const struct region *region, enum key_space space, struct slice row, struct key *key);
/* The part of [low, high) that lies in the region; an empty `high` is no bound. `low` must be in the region. */
int region_view_range(const struct region *region, enum key_space space, struct slice low, struct slice high,
	struct key *from, struct key *to);
int region_view_object(const struct region *region, struct slice object);

#endif
