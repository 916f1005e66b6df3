/*
 * log_record.h: the bytes of a segment: batches of records.
 *
 * A segment is a file of blocks of 4 KiB. A batch begins on a block and fills whole blocks: a header, records one after
 * another, zeroes. Batches lie without gaps from the segment's beginning and count up by one through all segments, so
 * that a missing one shows. What follows the last batch of a segment is zeroes, remains of an earlier life of the
 * file, or a batch that a crash tore.
 *
 *   batch   u64 checksum of all that follows, seeded with the segment's sequence · u32 magic · u16 version · u16 0 ·
 *           u64 segment · u64 number · u64 oldest · u32 offset · u32 size · u32 records_size · u32 record_count · u64 0
 *   record  u8 version · u8 kind · u8 entry_type · u8 0 · u32 data_size · u32 beside_size · u32 payload_size ·
 *           u64 region · u64 index · u64 term · u32 checksum of the body · u32 checksum of these 44 bytes · data · beside
 *
 * All little endian. Both checksums of a record are seeded too, so bytes of an earlier life never pass as of this one.
 * The header's own checksum tells what a record was about when its body is damaged.
 */
#ifndef RAFTKV_STORE_LOG_LOG_RECORD_H
#define RAFTKV_STORE_LOG_LOG_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "store/log/log_engine.h"

#define LOG_BLOCK_SIZE	       4096
#define LOG_BATCH_HEADER_SIZE  64
#define LOG_RECORD_HEADER_SIZE 48

enum log_record_kind {
	LOG_RECORD_ENTRY = 1, /* index, term, data, beside; everything from its index on goes first */
	LOG_RECORD_MOVED_ENTRY, /* the same entry as in an older segment, now here; nothing else changes */
	LOG_RECORD_HARD_STATE, /* index: commit, term, data: vote */
	LOG_RECORD_BASE, /* entries up to index, which was of term, are released */
	LOG_RECORD_RESET, /* the log begins after index, which is of term; all entries go */
	LOG_RECORD_DESTROY, /* everything of the region goes */
	LOG_RECORD_MARK, /* data: name, beside: value; an empty value removes it */
};

struct log_record {
	enum log_record_kind kind;
	uint8_t entry_type;
	uint32_t payload_size;
	uint64_t region;
	uint64_t index;
	uint64_t term;
	struct slice data;
	struct slice beside;
};

struct log_batch {
	uint64_t segment; /* sequence of the segment it lies in */
	uint64_t number; /* of the batch */
	uint64_t oldest; /* sequence of the first segment that was still needed */
	uint32_t offset; /* in the segment */
	uint32_t size; /* of the whole batch: a multiple of LOG_BLOCK_SIZE */
	uint32_t records_size;
	uint32_t record_count;
};

static inline size_t log_record_size(const struct log_record *record)
{
	return LOG_RECORD_HEADER_SIZE + record->data.size + record->beside.size;
}

/* `to` has log_record_size() bytes. */
void log_record_encode(uint8_t *to, const struct log_record *record, uint64_t segment);
/* The record at the beginning of `bytes`, which its slices borrow. STATUS_CORRUPT; then, when `record->kind` is not 0,
 * the header is sound and only the body is not. -EPROTONOSUPPORT: sound, but of a newer version. */
int log_record_decode(struct slice bytes, uint64_t segment, struct log_record *record);

/* Writes the header and checksum over a batch whose records are in place and whose tail is zeroed. */
void log_batch_seal(uint8_t *bytes, const struct log_batch *batch);
/* What the header says, when it can be the header of a batch of `segment` at `offset` that ends by `segment_size`;
 * nothing is verified yet. */
bool log_batch_peek(const uint8_t *bytes, uint64_t segment, uint32_t offset, uint64_t segment_size,
	struct log_batch *batch);
/* Verifies a peeked batch of which all `batch->size` bytes are there. STATUS_CORRUPT, -EPROTONOSUPPORT. */
int log_batch_verify(const uint8_t *bytes, const struct log_batch *batch);

#endif
