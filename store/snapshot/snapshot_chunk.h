/*
 * snapshot_chunk.h: a region's snapshot as it travels: a head, which rides in MsgSnap, and chunks. Pure: encoding and
 * decoding; snapshot_source.h makes chunks, snapshot_sink.h takes them in.
 *
 * The content is logical: rows as the layer above wrote them, and rows of extent maps whose addresses count units of the
 * chunk, which the receiver puts into extents of its own. A chunk is
 *
 *	units     unit_count × 4 KiB, first, so that they keep the alignment of the bytes that the network gave
 *	records   (u8 kind, key, value)*        keys and values with varint lengths, ascending by (kind, key)
 *	footer    u32 magic  u32 number  u32 unit_count  u32 flags  u64 checksum                       little endian
 *
 * The checksum covers records and footer and is seeded with that of the chunk before, the first with the stream's own
 * number: chunks that are missing, doubled, out of order or of another stream are found. Units have the checksums of
 * their rows, which are verified when they are read, and again before they are written.
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

#define SNAPSHOT_UNITS_MAX    256u /* of a chunk: 1 MiB */
#define SNAPSHOT_RECORDS_SIZE (1u << 20) /* bytes of records from which a chunk is full */
static_assert(SNAPSHOT_CHUNK_SIZE_MAX == SNAPSHOT_UNITS_MAX * BLOCK_UNIT_SIZE + SNAPSHOT_RECORDS_SIZE +
						 MUTATIONS_SIZE_MAX + (64u << 10),
	"a row that is added to a chunk that is not full yet fits into it");

/* ---- Head ------------------------------------------------------------------------------------------------------- */

struct snapshot_head {
	uint64_t stream; /* drawn by the sender; the first chunk's seed */
	struct region region; /* as of the snapshot's index */
};

int snapshot_head_encode(const struct snapshot_head *head, struct buf **bytes); /* 0 or -ENOMEM */
/* The caller's to close (its region). 0, -ENOMEM, STATUS_CORRUPT, or -EPROTO: of another version. */
int snapshot_head_decode(struct slice bytes, struct snapshot_head *head);

/* ---- Chunks ----------------------------------------------------------------------------------------------------- */

enum snapshot_kind {
	SNAPSHOT_LOCAL = 1, /* a row of KEY_LOCAL */
	SNAPSHOT_DATA, /* of KEY_DATA */
	SNAPSHOT_EXTENTS, /* of an extent map: key_object's bytes and the row's number; addresses are units + 1 */
};

#define SNAPSHOT_KEY_MAX (MUTATIONS_KEY_MAX + 8) /* bytes */

struct snapshot_record {
	enum snapshot_kind kind;
	struct slice key; /* without what the engine puts before it; borrowed, as is the value */
	struct slice value;
};

/* Where a stream stands: at the end of a chunk, on both sides. */
struct snapshot_chain {
	uint64_t checksum; /* begins as the stream's number */
	uint32_t number; /* of the next chunk */
	bool is_last; /* it has ended */
	/* Of the last record. */
	uint8_t kind;
	size_t key_size;
	uint8_t key[SNAPSHOT_KEY_MAX];
};

/* A chunk that is being made. */
struct snapshot_writer {
	struct buf *units; /* room for the largest chunk */
	uint32_t unit_count;
	struct writer records;
};

int snapshot_writer_init(struct snapshot_writer *writer); /* 0 or -ENOMEM */
void snapshot_writer_close(struct snapshot_writer *writer);
bool snapshot_writer_is_full(const struct snapshot_writer *writer, uint32_t units);
/* Where the next units go, which count once they are added. */
void *snapshot_writer_units(const struct snapshot_writer *writer);
void snapshot_writer_add(
	struct snapshot_writer *writer, const struct snapshot_record *record, uint32_t units);
/* Ends the chunk, the caller's reference, and the writer. 0, -ENOMEM, or STATUS_LIMIT: a row is too large. */
int snapshot_writer_take(
	struct snapshot_writer *writer, struct snapshot_chain *chain, bool is_last, struct buf **chunk);

/* A chunk that came. Borrows its bytes. */
struct snapshot_reader {
	struct snapshot_chain *chain;
	struct reader records;
	const uint8_t *units;
	uint32_t unit_count;
	uint32_t units_used; /* by the records so far */
};

/* Moves the chain. 0; STATUS_MALFORMED: not what follows. */
int snapshot_reader_init(struct snapshot_reader *reader, struct snapshot_chain *chain, struct slice chunk);
/* 0; STATUS_NOT_FOUND: that was all; STATUS_MALFORMED: no correct sender makes such. `row` is filled for
 * SNAPSHOT_EXTENTS alone; its units lie in the chunk and have their checksums. */
int snapshot_reader_next(
	struct snapshot_reader *reader, struct snapshot_record *record, struct extent_row *row);

#endif
