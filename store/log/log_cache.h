/*
 * log_cache.h: the newest entries of all regions, in memory, under one limit of bytes.
 *
 * An entry is added when it becomes durable and leaves when it is truncated, released, or the oldest of all while the
 * cache is over its limit. Its place in the index points to it. Under the engine's lock; what leaves goes to `dropped`
 * first, because letting go of a buf may run its owner's code, which no lock may cover.
 */
#ifndef RAFTKV_STORE_LOG_LOG_CACHE_H
#define RAFTKV_STORE_LOG_LOG_CACHE_H

#include "raft/raft.h"

struct log_cached {
	struct log_cached *newer;
	struct log_cached *older;
	struct log_cached **owner; /* what points to it in the index; NULL once dropped */
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

/* Shares the entry's data, copies `beside`, and points `*owner` to it. Without memory, or for an entry larger than an
 * eighth of the limit, nothing is cached. */
void log_cache_add(struct log_cache *cache, const struct raft_entry *entry, struct slice beside,
	struct log_cached **owner);
/* `*owner` may be NULL; it is afterwards. */
void log_cache_drop(struct log_cache *cache, struct log_cached **owner);
/* `*owner` has moved in memory. */
static inline void log_cache_moved(struct log_cached **owner)
{
	if (*owner)
		(*owner)->owner = owner;
}

/* What was dropped, for log_cached_free_all without the lock. */
struct log_cached *log_cache_take_dropped(struct log_cache *cache);
void log_cached_free_all(struct log_cached *dropped);

#endif
