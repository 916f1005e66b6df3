/*
 * The overlay of a leader: what the entries that it has proposed and not yet applied do to rows and objects.
 *
 * Evaluations read through it, so that operations on one row pipeline (namespace.md § The overlay).
 * Later entries win: a row, and every unit of an object, is here at most once, with the index of the last entry that
 * changed it, and leaves when that entry has been applied *and is visible* in the KV engine. Rows are keyed as the KV
 * engine keys them (keys.h). On the peer's loop, or on a worker while the peer keeps its hands off.
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
	struct buf *owner; /* of `value`'s bytes; NULL: the row is deleted */
	struct slice value;
	size_t key_size; /* bytes */
	uint8_t key[];
};

/* A deleted range of rows. Rows put into it later are rows of the overlay; older ones were turned into deleted rows. */
struct overlay_range {
	struct overlay_range *newer;
	uint64_t index;
	struct buf *low;
	struct buf *high;
};

/* Units [first, end) of an object, written or unmapped by the entry at `index`. Those of one object never overlap. */
struct overlay_extent {
	RB_ENTRY(overlay_extent) links;
	struct overlay_extent *older, *newer; /* all extents by index */
	uint64_t index;
	uint64_t first;
	uint64_t end;
	struct buf *owner; /* of `bytes`; NULL: a hole */
	const uint8_t *bytes; /* of unit `first` */
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

/* Adds the mutations of an entry that `region` has just proposed (its index set, above every one before). 0 or
 * -ENOMEM: then the overlay is not to be used until it has been cleared. */
int overlay_add(struct overlay *overlay, uint64_t region, const struct raft_entry *entry);
/* Every entry up to `index` is visible. */
void overlay_retire(struct overlay *overlay, uint64_t index);
void overlay_clear(struct overlay *overlay);
bool overlay_is_empty(const struct overlay *overlay);

/* The row at `key`; NULL: the KV engine knows, unless overlay_hides. */
const struct overlay_row *overlay_find(const struct overlay *overlay, struct slice key);
/* The first row at or after `key`, deleted ones included. */
const struct overlay_row *overlay_seek(const struct overlay *overlay, struct slice key);
const struct overlay_row *overlay_next(const struct overlay_row *row);
/* The index of the entry that deleted a range with `key` in it, for a row that is not in the overlay; 0: none did. */
uint64_t overlay_hides(const struct overlay *overlay, struct slice key);

/* The first extent of `object` that ends after `unit`; NULL: none. */
const struct overlay_extent *overlay_extent_at(
	const struct overlay *overlay, struct slice object, uint64_t unit);
/* The next one of the same object. */
const struct overlay_extent *overlay_extent_next(const struct overlay_extent *extent);

#endif
