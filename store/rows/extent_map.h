/*
 * extent_map.h: one row of an object's extent map. It maps 64 units (256 KiB): the address and checksum of each, and
 * the entry that wrote it. Pure: decoding and encoding; extents.h edits rows. Called by apply, by reads and at start.
 *
 * A row is a version byte and then its runs in the order of the units. A run is units that are adjacent in the object
 * and in the block store and were written by one entry:
 *
 *	head      u8      bits 0–5 count - 1; bit 6: a gap byte follows; bit 7: a region follows
 *	gap       u8      holes before the run (absent: 0)
 *	region    varint  (absent: the previous run's, at first 0)
 *	address   zigzag  varint, less the end of the previous run, at first less 0
 *	index     zigzag  varint, less the previous run's, at first less 0
 *	checksums u32le × count
 *
 * Each row has exactly one encoding, and decoding refuses every other. A row that maps nothing is not stored. A random
 * overwrite of 4 KiB rewrites one row of at most about 900 bytes.
 *
 * Only committed entries become rows, and region and index identify a committed entry, so no term is kept.
 */
#ifndef RAFTKV_STORE_ROWS_EXTENT_MAP_H
#define RAFTKV_STORE_ROWS_EXTENT_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "store/blocks/blocks.h"

#define EXTENT_ROW_UNITS    64u
#define EXTENT_ROW_SIZE_MAX (1 + EXTENT_ROW_UNITS * 36) /* bytes */
#define EXTENT_HOLE	    UINT64_MAX
#define EXTENT_ADDRESS_MAX  ((uint64_t)1 << 52) /* units: 16 EiB */

struct extent_unit {
	uint64_t address; /* unit of the block store; never 0, where a header is; EXTENT_HOLE: not mapped */
	uint64_t region; /* of the entry that wrote it */
	uint64_t index;
	uint32_t checksum;
};

struct extent_row {
	struct extent_unit units[EXTENT_ROW_UNITS];
};

/* All holes. */
void extent_row_clear(struct extent_row *row);
/* 0 or STATUS_CORRUPT; on an error the row is undefined. */
int extent_row_decode(struct slice bytes, struct extent_row *row);
/* `*bytes` is NULL for a row that maps nothing. 0 or -ENOMEM. */
int extent_row_encode(const struct extent_row *row, struct buf **bytes);

#endif
