/*
 * snapshot_chunk.h: the format of a region's snapshot between stores: a head, which MsgSnap carries, and chunks. Pure:
 * encoding and decoding; snapshot_source.h makes chunks, snapshot_sink.h receives them.
 *
 * The content is logical: rows as the layer above wrote them, and rows of extent maps whose addresses are units of the
 * chunk. The receiver writes these units to extents of its own. A chunk is
 *
 *	units     unit_count × 4 KiB, first, so that they keep the alignment of the bytes that the network gave
 *	records   (u8 kind, key, value)*        keys and values with varint lengths, ascending by (kind, key)
 *	footer    u32 magic  u32 number  u32 unit_count  u32 flags  u64 checksum                       little endian
 *
 * The checksum covers records and footer. Its seed is the checksum of the chunk before; the seed of the first is the
 * stream's number. So a chunk that is missing, repeated, out of order or of another stream is detected. The rows hold
 * the units' checksums, which the sender verifies when it reads the units and the receiver before it writes them.
 */
#ifndef RAFTKV_STORE_SNAPSHOT_SNAPSHOT_CHUNK_H
#define RAFTKV_STORE_SNAPSHOT_SNAPSHOT_CHUNK_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/codec.h"
#include "store/rows/extent_map.h"
#include "store/rows/rows.h"
#include "store/transport/transport.h"

#define SNAPSHOT_UNITS_MAX    256u /* units of a chunk: 1 MiB */
#define SNAPSHOT_RECORDS_SIZE (1u << 20) /* bytes of records from which a chunk is full */
static_assert(SNAPSHOT_CHUNK_SIZE_MAX == SNAPSHOT_UNITS_MAX * BLOCK_UNIT_SIZE + SNAPSHOT_RECORDS_SIZE +
						 MUTATIONS_SIZE_MAX + (64u << 10),
	"a row that is added to a chunk that is not full yet fits into it");

/* ---- Head ------------------------------------------------------------------------------------------------------- */

struct snapshot_head {
	uint64_t stream; /* random, chosen by the sender; the first chunk's seed */
	struct region region; /* as of the snapshot's index */
};

int snapshot_head_encode(const struct snapshot_head *head, struct buf **bytes); /* 0 or -ENOMEM */
/* The caller closes the head's region. 0, -ENOMEM, STATUS_CORRUPT, or -EPROTO: of another version. */
int snapshot_head_decode(struct slice bytes, struct snapshot_head *head);

/* ---- Chunks ----------------------------------------------------------------------------------------------------- */

enum snapshot_kind {
	SNAPSHOT_LOCAL = 1, /* rows of KEY_LOCAL */
	SNAPSHOT_DATA, /* rows of KEY_DATA */
	/* Rows of an extent map: key_object's bytes and the row's number; an address is the chunk's unit + 1. */
	SNAPSHOT_EXTENTS,
};

#define SNAPSHOT_KEY_MAX (MUTATIONS_KEY_MAX + 8) /* bytes */

struct snapshot_record {
	enum snapshot_kind kind;
	struct slice key; /* without the engine's prefix; borrowed, as is the value */
	struct slice value;
};

/* The state of a stream at the end of a chunk, for sender and receiver. */
struct snapshot_chain {
	uint64_t checksum; /* of the last chunk; at first the stream's number */
	uint32_t number; /* of the next chunk */
	bool is_last; /* the last chunk has been read or written */
	/* Of the last record. */
	uint8_t kind;
	size_t key_size;
	uint8_t key[SNAPSHOT_KEY_MAX];
};

/* A chunk under construction. */
struct snapshot_writer {
	struct buf *units; /* room for the largest chunk */
	uint32_t unit_count;
	struct writer records;
};

int snapshot_writer_init(struct snapshot_writer *writer); /* 0 or -ENOMEM */
void snapshot_writer_close(struct snapshot_writer *writer);
bool snapshot_writer_is_full(const struct snapshot_writer *writer, uint32_t units);
/* Where the caller writes the next units. They count once snapshot_writer_add has added them. */
void *snapshot_writer_units(const struct snapshot_writer *writer);
void snapshot_writer_add(
	struct snapshot_writer *writer, const struct snapshot_record *record, uint32_t units);
/* Ends the chunk, of which the caller gets a reference, and closes the writer. 0, -ENOMEM, or STATUS_LIMIT: a row is
 * too large. */
int snapshot_writer_take(
	struct snapshot_writer *writer, struct snapshot_chain *chain, bool is_last, struct buf **chunk);

/* A received chunk. Borrows its bytes. */
struct snapshot_reader {
	struct snapshot_chain *chain;
	struct reader records;
	const uint8_t *units;
	uint32_t unit_count;
	uint32_t units_used; /* by the records so far */
};

/* Verifies the chunk and advances the chain. 0; STATUS_MALFORMED: not the chunk that follows. */
int snapshot_reader_init(struct snapshot_reader *reader, struct snapshot_chain *chain, struct slice chunk);
/* 0; STATUS_NOT_FOUND: the end; STATUS_MALFORMED: no correct sender makes such a record. `row` is filled for
 * SNAPSHOT_EXTENTS alone: its units are verified to lie in the chunk and to match their checksums. */
int snapshot_reader_next(
	struct snapshot_reader *reader, struct snapshot_record *record, struct extent_row *row);

#endif
