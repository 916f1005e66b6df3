/*
 * Keys of the KV engine's one key space. The first byte is the kind of the row:
 *
 *   1 region        region state (region.h): range, epoch, peers
 *   2 region        apply state (region.h): the last applied entry
 *   3 region key    rows of the region alone (KEY_LOCAL)
 *   4 key           rows of the key space that regions divide (KEY_DATA)
 *   5 object row    extent maps of objects (extent_map.h), divided by regions as the rows are
 *
 * Regions and row numbers are big endian. Every key part has a definite end, so that rows of one kind sort by the next
 * part.
 */
#ifndef RAFTKV_STORE_ROWS_KEYS_H
#define RAFTKV_STORE_ROWS_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "store/rows/mutations.h"

/* A key of the KV engine, to be kept on a stack. */
struct key {
	size_t size; /* bytes */
	uint8_t bytes[MUTATIONS_KEY_MAX + 24];
};

static inline struct slice key_slice(const struct key *key)
{
	return (struct slice){key->bytes, key->size};
}

void key_region_state(struct key *key, uint64_t region);
void key_region_states(struct key *low, struct key *high); /* the range of all region states */
void key_apply_state(struct key *key, uint64_t region);

/* A row of the layer above. Its key is at most MUTATIONS_KEY_MAX bytes. */
void key_row(struct key *key, uint64_t region, enum key_space space, struct slice row);
/* The exclusive end of a scan up to `high`; with an empty `high`, past every row of the space. */
void key_row_bound(struct key *key, uint64_t region, enum key_space space, struct slice high);
/* The layer's own key inside an engine key of `space`; borrowed from it. */
struct slice key_row_inner(enum key_space space, struct slice key);

/* The prefix of an object's extent-map rows, which their row numbers follow; and the range of all extent-map rows. */
void key_object(struct key *key, struct slice object);
void key_objects(struct key *low, struct key *high);

/* Whether `key` is the key of an extent-map row. */
bool key_is_of_extents(struct slice key);

/* The region of a region-state key; 0: not such a key. */
uint64_t key_region_of(struct slice key);

#endif
