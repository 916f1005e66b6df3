/*
 * log_record.h: one record of a raft log, and its format. The segment engine writes records into batches (batch.h), the
 * RocksDB engine one into each row.
 *
 *   record  u8 version · u8 kind · u8 entry_type · u8 0 · u32 data_size · u32 beside_size · u32 payload_size ·
 *           u64 region · u64 index · u64 term · u32 checksum of the body · u32 checksum of these 44 bytes ·
 *           data · beside
 *
 * All little endian. Both checksums are seeded with the sequence of the record's segment, so old content of a recycled
 * file is never valid. With its own checksum the header can be read even if the body is damaged.
 */
#ifndef RAFTKV_STORE_LOG_LOG_RECORD_H
#define RAFTKV_STORE_LOG_LOG_RECORD_H

#include <stdint.h>

#include "proto/buf.h"
#include "store/log/log_engine.h"

#define LOG_RECORD_HEADER_SIZE 48

enum log_record_kind {
	LOG_RECORD_ENTRY = 1, /* index, term, data, beside; drops all entries from its index on first */
	LOG_RECORD_MOVED_ENTRY, /* a copy of an entry of an older segment; only its position changes */
	LOG_RECORD_HARD_STATE, /* index: commit, term, data: vote */
	LOG_RECORD_BASE, /* entries up to index, whose term is `term`, are released */
	LOG_RECORD_RESET, /* the log begins after index, whose term is `term`; drops all entries */
	LOG_RECORD_DESTROY, /* drops everything of the region */
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
/* Decodes the record at the beginning of `bytes`, which its slices borrow. STATUS_CORRUPT: damaged; if `record->kind`
 * is then not 0, the header is valid and only the body is damaged. -EPROTONOSUPPORT: valid, but of a newer version. */
int log_record_decode(struct slice bytes, uint64_t segment, struct log_record *record);
/* The seed of checksums in that segment. */
uint64_t log_record_seed(uint64_t segment);

#endif
