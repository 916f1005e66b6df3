/*
 * log_index.h: where everything that is needed of every region lies.
 *
 * The index is a function of the stream of records: recovery and the writer change it through log_index_apply alone,
 * so that what is in memory is what a restart would find. The exception is a release, which is in memory at once and in
 * the stream (LOG_RECORD_BASE) only before the segment that holds released entries is recycled.
 *
 * While recovering, the stream's beginning may be gone: entries of a recycled segment appear later, as moved ones, and
 * what was released has no base yet. So there the array of a region may have holes and begin anywhere;
 * log_index_finish checks that none are left. Memory for a region without entries is under 400 bytes, for one with up
 * to 8 entries under 700.
 */
#ifndef RAFTKV_STORE_LOG_LOG_INDEX_H
#define RAFTKV_STORE_LOG_LOG_INDEX_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "raft/raft.h"
#include "store/log/log_cache.h"
#include "store/log/log_record.h"

struct log_position {
	uint64_t term;
	uint32_t segment; /* sequence; 0: a hole (while recovering only) */
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
	uint64_t base_index; /* the last entry that was released or covered by a snapshot */
	uint64_t base_term;
	uint32_t base_segment; /* of the record that says so; 0: none, or an older base */
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
	/* The writer's: the log's bounds once all of batch `admitted_batch` is durable; refused writes whose owners do
	 * not know yet. */
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
	/* The engine's, which may be NULL: entries' records of so many bytes more (or less) are needed in the segment. */
	void (*on_live)(void *argument, uint32_t segment, int64_t size);
	void *on_live_argument;
	struct log_cache *cache;
	bool recovering;
	bool lossy; /* recovering a damaged log: what does not fit damages its region, not the log */
	uint64_t hole_max; /* entries that may be missing between two while recovering */
	uint64_t batch; /* number of the batch being applied */
};

void log_index_close(struct log_index *index);

struct log_region *log_index_find(const struct log_index *index, uint64_t region); /* NULL */
/* Is anything kept of it? Regions are also there while their first write is on its way. */
bool log_region_exists(const struct log_region *region);
/* Makes the region if there is none. NULL: out of memory. */
struct log_region *log_index_get(struct log_index *index, uint64_t region);
void log_index_remove(struct log_index *index, struct log_region *region);

/* Takes in one durable record at its place. `*position` (may be NULL) is set to that of an entry, else NULL; good until
 * the next change. -ENOMEM; STATUS_CORRUPT: no writer leaves such a record here. */
int log_index_apply(struct log_index *index, const struct log_record *record, uint32_t segment,
	uint32_t offset, struct log_position **position);
/* Ends recovery. STATUS_CORRUPT and the region: its log has a hole. A lossy index marks it damaged instead. */
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
