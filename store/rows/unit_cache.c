#include "store/rows/unit_cache.h"

#include <stdlib.h>
#include <string.h>

#include "proto/hash.h"
#include "store/blocks/blocks.h"

struct unit_cache_entry {
	UT_hash_handle hh;
	uint64_t address;
	uint8_t bytes[BLOCK_UNIT_SIZE];
};

const void *unit_cache_find(const struct unit_cache *cache, uint64_t address)
{
	struct unit_cache_entry *entry;

	HASH_FIND(hh, cache->entries, &address, sizeof address, entry);
	return entry ? entry->bytes : NULL;
}

void unit_cache_add(struct unit_cache *cache, uint64_t address, const void *unit)
{
	struct unit_cache_entry *entry;

	if (unit_cache_find(cache, address) || HASH_COUNT(cache->entries) >= UNIT_CACHE_MAX)
		return;
	entry = malloc(sizeof *entry);
	if (!entry)
		return;
	entry->address = address;
	memcpy(entry->bytes, unit, BLOCK_UNIT_SIZE);
	HASH_ADD(hh, cache->entries, address, sizeof entry->address, entry);
}

void unit_cache_close(struct unit_cache *cache)
{
	struct unit_cache_entry *entry, *next;

	HASH_ITER (hh, cache->entries, entry, next) {
		HASH_DELETE(hh, cache->entries, entry);
		free(entry);
	}
}
