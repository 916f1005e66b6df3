/*
 * unit_cache.h: units that a worker has read for a parked evaluation, by address. While the evaluation stands among the
 * block store's readers no address changes its content, so what was read stays true.
 */
#ifndef RAFTKV_STORE_ROWS_UNIT_CACHE_H
#define RAFTKV_STORE_ROWS_UNIT_CACHE_H

#include <stdint.h>

#define UNIT_CACHE_MAX 1024 /* units; what does not fit is not kept */

struct unit_cache_entry;

/* Zero is empty. One thread at a time. */
struct unit_cache {
	struct unit_cache_entry *entries; /* hash */
};

const void *unit_cache_find(const struct unit_cache *cache, uint64_t address); /* NULL: not here */
void unit_cache_add(struct unit_cache *cache, uint64_t address, const void *unit);
void unit_cache_close(struct unit_cache *cache);

#endif
