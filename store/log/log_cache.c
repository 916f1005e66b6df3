#include "store/log/log_cache.h"

#include <stdlib.h>

static void unlink_one(struct log_cache *cache, struct log_cached *cached)
{
	if (cached->newer)
		cached->newer->older = cached->older;
	else
		cache->newest = cached->older;
	if (cached->older)
		cached->older->newer = cached->newer;
	else
		cache->oldest = cached->newer;
	cache->size -= cached->charge;
}

void log_cache_drop(struct log_cache *cache, struct log_cached **owner)
{
	struct log_cached *cached = *owner;

	if (!cached)
		return;
	*owner = NULL;
	cached->owner = NULL;
	unlink_one(cache, cached);
	cached->older = cache->dropped;
	cache->dropped = cached;
}

void log_cache_add(struct log_cache *cache, const struct raft_entry *entry, struct slice beside,
	struct log_cached **owner)
{
	struct log_cached *cached;
	size_t charge = sizeof(*cached) + buf_slice(entry->data).size + beside.size;

	log_cache_drop(cache, owner);
	if (charge > cache->size_max / 8)
		return;
	cached = calloc(1, sizeof(*cached));
	if (!cached)
		return;
	if (beside.size > 0 && !(cached->beside = buf_copy(beside.data, beside.size))) {
		free(cached);
		return;
	}
	cached->data = buf_ref(entry->data);
	cached->payload_size = entry->payload_size;
	cached->type = entry->type;
	cached->charge = charge;
	cached->owner = owner;
	cached->older = cache->newest;
	if (cache->newest)
		cache->newest->newer = cached;
	else
		cache->oldest = cached;
	cache->newest = cached;
	cache->size += charge;
	*owner = cached;
	while (cache->size > cache->size_max)
		log_cache_drop(cache, cache->oldest->owner);
}

struct log_cached *log_cache_take_dropped(struct log_cache *cache)
{
	struct log_cached *dropped = cache->dropped;

	cache->dropped = NULL;
	return dropped;
}

void log_cached_free_all(struct log_cached *dropped)
{
	while (dropped) {
		struct log_cached *next = dropped->older;

		buf_unref(dropped->data);
		buf_unref(dropped->beside);
		free(dropped);
		dropped = next;
	}
}
