/*
 * batch.h: the format of a segment: batches of records.
 *
 * A segment is a file of blocks of 4 KiB. A batch begins on a block and fills whole blocks: a header, consecutive
 * records (log_record.h), zeroes. Batches are without gaps from the segment's beginning. Their numbers grow by one
 * through all segments, so that a missing batch is detected. The last batch of a segment is followed by zeroes, by old
 * content of a recycled file, or by a batch that a crash tore.
 *
 *   batch   u64 checksum of all that follows, seeded with the segment's sequence · u32 magic · u16 version · u16 0 ·
 *           u64 segment · u64 number · u64 oldest · u32 offset · u32 size · u32 records_size · u32 record_count · u64 0
 *
 * All little endian.
 */
#ifndef RAFTKV_STORE_LOG_BATCH_H
#define RAFTKV_STORE_LOG_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "store/log/log_record.h"

#define LOG_BLOCK_SIZE	      4096
#define LOG_BATCH_HEADER_SIZE 64

struct log_batch {
	uint64_t segment; /* sequence of the batch's segment */
	uint64_t number; /* of the batch */
	uint64_t oldest; /* sequence of the first segment that was needed when the batch was written */
	uint32_t offset; /* in the segment */
	uint32_t size; /* of the whole batch: a multiple of LOG_BLOCK_SIZE */
	uint32_t records_size;
	uint32_t record_count;
};

/* Writes the header and checksum of a batch whose records are in place and whose tail is zeroed. */
void log_batch_seal(uint8_t *bytes, const struct log_batch *batch);
/* Reads the header, without verifying it. False: it cannot be the header of a batch of `segment` at `offset` that ends
 * within `segment_size`. */
bool log_batch_peek(const uint8_t *bytes, uint64_t segment, uint32_t offset, uint64_t segment_size,
	struct log_batch *batch);
/* Verifies a peeked batch; `bytes` holds all its `batch->size` bytes. STATUS_CORRUPT, -EPROTONOSUPPORT. */
int log_batch_verify(const uint8_t *bytes, const struct log_batch *batch);

#endif
