/*
 * unit_cache.h: units that a worker has read for a parked evaluation, by address. The evaluation is a reader of the
 * block store meanwhile, so no address changes its content.
 */
#ifndef RAFTKV_STORE_ROWS_UNIT_CACHE_H
#define RAFTKV_STORE_ROWS_UNIT_CACHE_H

#include <stdint.h>

#define UNIT_CACHE_MAX 1024 /* units; further ones are not kept */

struct unit_cache_entry;

/* Zero is empty. One thread at a time. */
struct unit_cache {
	struct unit_cache_entry *entries; /* hash */
};

const void *unit_cache_find(const struct unit_cache *cache, uint64_t address); /* NULL: not here */
void unit_cache_add(struct unit_cache *cache, uint64_t address, const void *unit);
void unit_cache_close(struct unit_cache *cache);

#endif
