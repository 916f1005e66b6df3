/*
 * log_index.h: the positions of all needed records of every region.
 *
 * The index is a function of the stream of records: recovery and the writer change it through log_index_apply alone,
 * so that memory equals the state that a restart would find. The exception is a release: it is in memory at once, and
 * in the stream (LOG_RECORD_BASE) only before the segment that holds the released entries is recycled.
 *
 * During recovery the stream's beginning may be missing: entries of a recycled segment come later, as moved ones, and
 * released entries have no base yet. So the array of a region may then have holes and begin at any index;
 * log_index_finish checks that no holes are left. Memory for a region without entries is under 400 bytes, for one with
 * up to 8 entries under 700.
 */
#ifndef RAFTKV_STORE_LOG_LOG_INDEX_H
#define RAFTKV_STORE_LOG_LOG_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/hash.h"
#include "raft/raft.h"
#include "store/log/log_cache.h"
#include "store/log/log_record.h"

struct log_position {
	uint64_t term;
	uint32_t segment; /* sequence; 0: a hole (during recovery only) */
	uint32_t offset;
	uint32_t size; /* of the record */
	struct log_cached *cached;
};

struct log_region_mark {
	struct log_region_mark *next;
	struct buf *value;
	uint32_t segment;
	char name[LOG_MARK_NAME_MAX + 1];
};

struct log_region {
	UT_hash_handle hh;
	uint64_t id;
	uint64_t base_index; /* the last entry that was released or is covered by a snapshot */
	uint64_t base_term;
	uint32_t base_segment; /* of the base's record; 0: none, or only that of an older base */
	uint32_t hard_state_segment; /* 0: no hard state */
	struct raft_hard_state hard_state;
	struct log_region_mark *marks;
	/* Positions [head, head + count) of the array are entries [first, first + count). */
	struct log_position *positions;
	uint32_t head;
	uint32_t count;
	uint32_t capacity;
	bool damaged;
	uint64_t first;
	/* The writer's. admitted_base and admitted_last are the log's bounds once batch `admitted_batch` is durable.
	 * `refusals` counts refused writes whose `done` has not begun; they get `refusal`. */
	uint64_t admitted_base;
	uint64_t admitted_last;
	uint64_t admitted_batch;
	uint32_t refusals;
	int refusal;
	uint64_t destroyed_batch; /* recovery's: the batch of the last destroy */
};

struct log_index {
	struct log_region *regions; /* by id */
	uint64_t live_size; /* bytes of all entries' records */
	/* Set by the engine; may be NULL. The segment's live bytes have changed by `size`. */
	void (*on_live)(void *argument, uint32_t segment, int64_t size);
	void *on_live_argument;
	struct log_cache *cache;
	bool recovering;
	bool lossy; /* recovering a damaged log: an inconsistent record damages its region only */
	uint64_t hole_max; /* during recovery: the most entries that may be missing between two */
	uint64_t batch; /* number of the batch being applied */
};

void log_index_close(struct log_index *index);

struct log_region *log_index_find(const struct log_index *index, uint64_t region); /* NULL */
/* Whether anything of the region is kept. A region is also in the index while its first write is in flight. */
bool log_region_exists(const struct log_region *region);
/* Makes the region if there is none. NULL: out of memory. */
struct log_region *log_index_get(struct log_index *index, uint64_t region);
void log_index_remove(struct log_index *index, struct log_region *region);

/* Applies one durable record at its position. Sets `*position` (`position` may be NULL) to the entry's position, or to
 * NULL; valid until the next change. -ENOMEM; STATUS_CORRUPT: no writer puts such a record here. */
int log_index_apply(struct log_index *index, const struct log_record *record, uint32_t segment,
	uint32_t offset, struct log_position **position);
/* Ends recovery. STATUS_CORRUPT, and the region: its log has a hole. A lossy index marks the region damaged instead. */
int log_index_finish(struct log_index *index, uint64_t *region);

/* STATUS_UNAVAILABLE: past the last. */
int log_index_release(struct log_index *index, struct log_region *region, uint64_t to);

static inline uint64_t log_region_last(const struct log_region *region)
{
	return region->count > 0 ? region->first + region->count - 1 : region->base_index;
}

static inline struct log_position *log_region_position(const struct log_region *region, uint64_t index)
{
	return &region->positions[region->head + (index - region->first)];
}

struct log_region_mark *log_region_mark(const struct log_region *region, struct slice name); /* NULL */

#endif
