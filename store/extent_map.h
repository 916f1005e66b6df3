/*
 * extent_map.h: one row of an object's extent map: where 64 units (256 KiB) of it lie, their checksums, and the entry
 * that wrote each. Pure: decoding, editing, encoding. Called by apply, by reads and by snapshots.
 *
 * A row is, in order of its units, a version byte and then for each run (units that follow each other in the object and
 * in the block store, written by one entry):
 *
 *	head      u8      bits 0–5 count - 1; bit 6: a gap byte follows; bit 7: a region follows
 *	gap       u8      holes before the run (absent: 0)
 *	region    varint  (absent: the previous run's, at first 0)
 *	address   zigzag  varint, less the end of the previous run, at first less 0
 *	index     zigzag  varint, less the previous run's, at first less 0
 *	checksums u32le × count
 *
 * There is one encoding of a row, and decoding refuses every other; a row that maps nothing does not exist. A random
 * overwrite of 4 KiB rewrites one row of at most about 900 bytes.
 *
 * Only committed entries become rows, and of those region and index name one: no term is kept.
 */
#ifndef RAFTKV_STORE_EXTENT_MAP_H
#define RAFTKV_STORE_EXTENT_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "store/blocks.h"

#define EXTENT_MAP_UNITS       64u /* of one row */
#define EXTENT_MAP_ADDRESS_MAX ((uint64_t)1 << 52) /* units: 16 EiB */
#define EXTENT_MAP_SIZE_MAX    (1 + EXTENT_MAP_UNITS * 36) /* bytes of an encoded row */

struct extent_origin {
	uint64_t region;
	uint64_t index;
};

struct extent_map_unit {
	uint64_t address; /* units of the block store; 0, which is a header there: a hole */
	struct extent_origin origin;
	uint32_t checksum;
};

/* Zero maps nothing. */
struct extent_map {
	struct extent_map_unit units[EXTENT_MAP_UNITS];
};

/* 0 or STATUS_CORRUPT, and then the map is undefined. */
int extent_map_decode(struct slice bytes, struct extent_map *map);
/* Into EXTENT_MAP_SIZE_MAX bytes; the size, 0 for a map of nothing: the row is then deleted. */
size_t extent_map_encode(const struct extent_map *map, uint8_t *bytes);

/* Called with each extent, or part of one, that an edit takes out of the map. */
typedef void (*extent_map_replaced_cb)(void *argument, struct block_extent extent);

/* Maps units [first, first + extent.count) to `extent`; `checksums` has one for each. */
void extent_map_set(struct extent_map *map, uint32_t first, struct block_extent extent,
	struct extent_origin origin, const uint32_t *checksums, extent_map_replaced_cb replaced,
	void *argument);
void extent_map_unset(struct extent_map *map, uint32_t first, uint32_t count, extent_map_replaced_cb replaced,
	void *argument);

/* Units that lie together, or holes. */
struct extent_map_run {
	uint32_t first;
	uint32_t count;
	bool is_hole;
	struct block_extent extent; /* of a run */
	struct extent_origin origin; /* of a run */
};

/* The run or the holes at unit `first` < EXTENT_MAP_UNITS, up to their end; the next begins at first + count. */
struct extent_map_run extent_map_run_at(const struct extent_map *map, uint32_t first);

/* The key of a row is the object's prefix and the row's number, big endian. */
#define EXTENT_MAP_KEY_SUFFIX 8 /* bytes */
void extent_map_key_suffix(
	uint64_t unit, uint8_t suffix[EXTENT_MAP_KEY_SUFFIX]); /* `unit`: any of the row's */
/* The first unit of the row at `key`. STATUS_CORRUPT: it is no key of a row. */
int extent_map_key_unit(struct slice key, uint64_t *unit);

#endif
