/* region_size.h: the key ranges of a region's rows in the KV engine, and the region's size. */
#ifndef RAFTKV_STORE_SNAPSHOT_REGION_SIZE_H
#define RAFTKV_STORE_SNAPSHOT_REGION_SIZE_H

#include <stdint.h>

#include "store/rows/rows.h"
#include "store/snapshot/snapshot_chunk.h"

struct region_size {
	uint64_t unit_count; /* units that its rows map */
	uint64_t rows_size; /* bytes of keys and values */
};

/* Sets [low, high) to the engine's keys of the region's rows of one kind. */
void region_rows(const struct region *region, enum snapshot_kind kind, struct key *low, struct key *high);

/* Counts by reading every row, of `snapshot` or, if it is NULL, of the present state. Blocks: a worker. 0,
 * STATUS_CORRUPT, or the engine's error. */
int region_measure(struct kv_engine *kv, struct kv_snapshot *snapshot, const struct region *region,
	struct region_size *size);

#endif
