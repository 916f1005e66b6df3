/*
 * Where everything lies in the KV engine's one key space. The first byte says what a row is:
 *
 *   1 region        region state (region.h): range, epoch, peers
 *   2 region        apply state (region.h): how far the log has been applied
 *   3 region key    rows of the region alone (KEY_LOCAL)
 *   4 key           rows of the key space that regions divide (KEY_DATA)
 *   5 object row    extent maps of objects (extent_map.h), divided by regions as the rows are
 *
 * Regions and row numbers are big endian. Every key has a definite end, so that rows of one kind sort by what follows.
 */
#ifndef RAFTKV_STORE_ROWS_KEYS_H
#define RAFTKV_STORE_ROWS_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "store/rows/mutations.h"

/* A key as the KV engine sees it. Lives on stacks. */
struct key {
	size_t size; /* bytes */
	uint8_t bytes[MUTATIONS_KEY_MAX + 24];
};

static inline struct slice key_slice(const struct key *key)
{
	return (struct slice){key->bytes, key->size};
}

void key_region_state(struct key *key, uint64_t region);
void key_region_states(struct key *low, struct key *high); /* the range of all of them */
void key_apply_state(struct key *key, uint64_t region);

/* A row of the layer above. Its key is at most MUTATIONS_KEY_MAX bytes. */
void key_row(struct key *key, uint64_t region, enum key_space space, struct slice row);
/* The end of a scan up to `high`, or, when that is empty, past every row of the space. */
void key_row_bound(struct key *key, uint64_t region, enum key_space space, struct slice high);
/* The layer's own key inside an engine key of `space`; borrowed from it. */
struct slice key_row_inner(enum key_space space, struct slice key);

/* The prefix that the extent map's row numbers follow; of an object, or of all. */
void key_object(struct key *key, struct slice object);
void key_objects(struct key *low, struct key *high);

/* Whether it is the key of a row of an extent map. */
bool key_is_of_extents(struct slice key);

/* The region of a region-state key. 0: it is none. */
uint64_t key_region_of(struct slice key);

#endif
