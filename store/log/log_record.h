/*
 * log_record.h: one record of a raft log, and its bytes: what both engines write, one after another in the batches of a
 * segment (batch.h), or one in a row of RocksDB.
 *
 *   record  u8 version · u8 kind · u8 entry_type · u8 0 · u32 data_size · u32 beside_size · u32 payload_size ·
 *           u64 region · u64 index · u64 term · u32 checksum of the body · u32 checksum of these 44 bytes · data · beside
 *
 * All little endian. Both checksums are seeded with the sequence of the segment that the record lies in, so bytes of an
 * earlier life never pass as of this one. The header's own checksum tells what a record was about when its body is
 * damaged.
 */
#ifndef RAFTKV_STORE_LOG_LOG_RECORD_H
#define RAFTKV_STORE_LOG_LOG_RECORD_H

#include <stdint.h>

#include "proto/buf.h"
#include "store/log/log_engine.h"

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

static inline size_t log_record_size(const struct log_record *record)
{
	return LOG_RECORD_HEADER_SIZE + record->data.size + record->beside.size;
}

/* `to` has log_record_size() bytes. */
void log_record_encode(uint8_t *to, const struct log_record *record, uint64_t segment);
/* The record at the beginning of `bytes`, which its slices borrow. STATUS_CORRUPT; then, when `record->kind` is not 0,
 * the header is sound and only the body is not. -EPROTONOSUPPORT: sound, but of a newer version. */
int log_record_decode(struct slice bytes, uint64_t segment, struct log_record *record);
/* Of checksums of what lies in that segment. */
uint64_t log_record_seed(uint64_t segment);

#endif
