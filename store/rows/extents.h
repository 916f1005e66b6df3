/*
 * extents.h: the extent maps of objects in the KV engine (extent_map.h has the format of a row).
 *
 * `extent_edits` collects the changes of one batch: each row is read once, edited in memory, and put into the batch at
 * the end. Extents that the edits unmap are collected in `freed`, to be freed once the batch is visible.
 */
#ifndef RAFTKV_STORE_ROWS_EXTENTS_H
#define RAFTKV_STORE_ROWS_EXTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "store/rows/extent_map.h"
#include "store/rows/keys.h"

/* The row that maps `unit` of the object whose key_object is `object`. */
void extent_row_key(struct key *key, const struct key *object, uint64_t unit);
/* The first unit that the row at `key` maps. STATUS_CORRUPT: not the key of such a row. */
int extent_row_first(struct slice key, uint64_t *unit);

/* Calls `each` for each run of units that the row maps; a nonzero return ends the walk and is returned. */
int extent_row_each(const struct extent_row *row, int (*each)(void *argument, struct block_extent extent),
	void *argument);
/* Calls `each` for each run of units that the extent-map rows from `low` on map; a nonzero return ends the walk and is
 * returned. Blocks. 0, STATUS_CORRUPT, or the engine's error. */
int extent_rows_each(struct kv_engine *kv, struct kv_iterator *rows, struct slice low,
	int (*each)(void *argument, struct block_extent extent), void *argument);

struct extent_edit; /* one row */

/* Zero is empty. */
struct extent_edits {
	struct extent_edit *rows; /* hash by key */
	struct block_extent *freed;
	size_t freed_count;
	size_t freed_capacity;
};

/* Maps units [first, first + count) to `extents`, in order. Blocks. 0, -ENOMEM, STATUS_CORRUPT, the engine's error. */
int extent_edits_write(struct extent_edits *edits, struct kv_engine *kv, struct slice object, uint64_t first,
	uint32_t count, const struct block_extent *extents, const uint8_t *checksums, uint64_t region,
	uint64_t index);
/* Loads the rows of units [first, first + count) that are in memory, so that extent_edits_write does not block.
 * STATUS_WOULD_BLOCK: one is not; otherwise as extent_edits_write. */
int extent_edits_prefetch(struct extent_edits *edits, struct kv_engine *kv, struct slice object,
	uint64_t first, uint32_t count);
/* Unmaps units [first, first + count); a count past the end is limited. Blocks. */
int extent_edits_unmap(struct extent_edits *edits, struct kv_engine *kv, struct slice object, uint64_t first,
	uint64_t count);
/* Puts the rows into the batch. */
int extent_edits_finish(struct extent_edits *edits, struct kv_engine *kv, struct kv_batch *batch);
void extent_edits_clear(struct extent_edits *edits);

#endif
