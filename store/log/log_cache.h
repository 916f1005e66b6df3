/*
 * log_cache.h: the newest entries of all regions in memory, up to one limit of bytes.
 *
 * An entry is added when it becomes durable. It is dropped when it is truncated or released, or when it is the oldest
 * of all and the cache is over its limit. The entry's position in the index points to it. All calls under the engine's
 * lock, except log_cached_free_all: dropped entries go to `dropped` first, because releasing a buf may run its owner's
 * code, which must not run under the lock.
 */
#ifndef RAFTKV_STORE_LOG_LOG_CACHE_H
#define RAFTKV_STORE_LOG_LOG_CACHE_H

#include "raft/raft.h"

struct log_cached {
	struct log_cached *newer;
	struct log_cached *older;
	struct log_cached **owner; /* the pointer to it in the index; NULL once dropped */
	struct buf *data;
	struct buf *beside;
	uint32_t payload_size;
	enum raft_entry_type type;
	size_t charge; /* bytes */
};

struct log_cache {
	uint64_t size_max; /* bytes */
	uint64_t size;
	struct log_cached *newest;
	struct log_cached *oldest;
	struct log_cached *dropped; /* linked by `older` */
};

/* Shares the entry's data, copies `beside`, and points `*owner` to it. Out of memory, or with an entry larger than an
 * eighth of the limit, nothing is cached. */
void log_cache_add(struct log_cache *cache, const struct raft_entry *entry, struct slice beside,
	struct log_cached **owner);
/* Drops the entry at `*owner`, if any, and sets `*owner` to NULL. */
void log_cache_drop(struct log_cache *cache, struct log_cached **owner);
/* To be called when the pointer to the entry has moved in memory to `owner`. */
static inline void log_cache_moved(struct log_cached **owner)
{
	if (*owner)
		(*owner)->owner = owner;
}

/* Takes the dropped entries, which log_cached_free_all frees without the lock. */
struct log_cached *log_cache_take_dropped(struct log_cache *cache);
void log_cached_free_all(struct log_cached *dropped);

#endif
