/*
 * The overlay of a leader: the effects of its proposed, unapplied entries on rows and objects.
 *
 * Evaluations read through it, so that operations on one row pipeline (namespace.md § The overlay).
 * A later entry overrides earlier ones: each row, and each unit of an object, is here at most once, with the index of
 * the last entry that changed it. It is removed when that entry has been applied *and is visible* in the KV engine.
 * Rows have the KV engine's keys (keys.h). On the peer's loop, or on a worker while the peer does not touch it.
 */
#ifndef RAFTKV_STORE_EVALUATE_OVERLAY_H
#define RAFTKV_STORE_EVALUATE_OVERLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv/tree.h>

#include "proto/buf.h"
#include "raft/raft.h"

/* One row, changed by the entry at `index`. */
struct overlay_row {
	RB_ENTRY(overlay_row) links;
	struct overlay_row *older, *newer; /* all rows by index */
	uint64_t index;
	struct buf *owner; /* owns `value`'s bytes; NULL: the row is deleted */
	struct slice value;
	size_t key_size; /* bytes */
	uint8_t key[];
};

/* A deleted range of rows. Rows put into it later are rows of the overlay; older rows of the overlay in it were turned
 * into deleted rows. */
struct overlay_range {
	struct overlay_range *newer;
	uint64_t index;
	struct buf *low;
	struct buf *high;
};

/* Units [first, end) of an object, written or unmapped by the entry at `index`. Extents of one object never overlap. */
struct overlay_extent {
	RB_ENTRY(overlay_extent) links;
	struct overlay_extent *older, *newer; /* all extents by index */
	uint64_t index;
	uint64_t first;
	uint64_t end;
	struct buf *owner; /* owns `bytes`; NULL: a hole */
	const uint8_t *bytes; /* content, from unit `first` on */
	size_t object_size; /* bytes */
	uint8_t object[];
};

RB_HEAD(overlay_rows, overlay_row);
RB_HEAD(overlay_extents, overlay_extent);

/* Zero is the empty overlay. */
struct overlay {
	struct overlay_rows rows;
	struct overlay_extents extents;
	struct overlay_row *oldest_row, *newest_row;
	struct overlay_extent *oldest_extent, *newest_extent;
	struct overlay_range *oldest_range, *newest_range;
	uint64_t last_index; /* of the newest entry here; 0: empty */
};

/* Adds the mutations of an entry that `region` has just proposed. Its index is set and above all earlier ones. 0, or
 * -ENOMEM: then the overlay must be cleared before it is used again. */
int overlay_add(struct overlay *overlay, uint64_t region, const struct raft_entry *entry);
/* Every entry up to `index` is visible: removes their effects. */
void overlay_retire(struct overlay *overlay, uint64_t index);
void overlay_clear(struct overlay *overlay);
bool overlay_is_empty(const struct overlay *overlay);

/* The row at `key`; NULL: the KV engine's row counts, unless overlay_hides says that it is deleted. */
const struct overlay_row *overlay_find(const struct overlay *overlay, struct slice key);
/* The first row at or after `key`, deleted ones included. */
const struct overlay_row *overlay_seek(const struct overlay *overlay, struct slice key);
const struct overlay_row *overlay_next(const struct overlay_row *row);
/* For a row that is not in the overlay: the index of the entry that deleted a range with `key` in it; 0: none. */
uint64_t overlay_hides(const struct overlay *overlay, struct slice key);

/* The first extent of `object` that ends after `unit`; NULL: none. */
const struct overlay_extent *overlay_extent_at(
	const struct overlay *overlay, struct slice object, uint64_t unit);
/* The next one of the same object. */
const struct overlay_extent *overlay_extent_next(const struct overlay_extent *extent);

#endif
