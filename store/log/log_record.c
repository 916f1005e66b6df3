#include "store/log/log_record.h"

#include <errno.h>
#include <string.h>

#include "proto/check.h"
#include "proto/codec.h"
#include "proto/plant.h"
#include "store/disk/checksum.h"

#define RECORD_VERSION 1

uint64_t log_record_seed(uint64_t segment)
{
	PLANT("log:stale_accepted", segment = 0);
	return segment;
}

static uint32_t sum32(const void *bytes, size_t size, uint64_t segment)
{
	return (uint32_t)checksum_of(bytes, size, log_record_seed(segment));
}

void log_record_encode(uint8_t *to, const struct log_record *record, uint64_t segment)
{
	uint8_t *body = to + LOG_RECORD_HEADER_SIZE;
	struct writer writer = writer_fixed(to, LOG_RECORD_HEADER_SIZE);

	check(record->data.size <= UINT32_MAX && record->beside.size <= UINT32_MAX);
	if (record->data.size > 0)
		memcpy(body, record->data.data, record->data.size);
	if (record->beside.size > 0)
		memcpy(body + record->data.size, record->beside.data, record->beside.size);
	writer_u8(&writer, RECORD_VERSION);
	writer_u8(&writer, (uint8_t)record->kind);
	writer_u8(&writer, record->entry_type);
	writer_u8(&writer, 0);
	writer_u32le(&writer, (uint32_t)record->data.size);
	writer_u32le(&writer, (uint32_t)record->beside.size);
	writer_u32le(&writer, record->payload_size);
	writer_u64le(&writer, record->region);
	writer_u64le(&writer, record->index);
	writer_u64le(&writer, record->term);
	writer_u32le(&writer, sum32(body, record->data.size + record->beside.size, segment));
	writer_u32le(&writer, sum32(to, LOG_RECORD_HEADER_SIZE - 4, segment));
	check(writer.status == 0);
}

static bool record_is_well_formed(const struct log_record *record)
{
	switch (record->kind) {
	case LOG_RECORD_ENTRY:
	case LOG_RECORD_MOVED_ENTRY:
		return record->index > 0 && record->index < UINT64_MAX &&
		       record->entry_type <= RAFT_ENTRY_CONF_CHANGE_V2;
	case LOG_RECORD_HARD_STATE:
		return record->data.size == 8 && record->beside.size == 0;
	case LOG_RECORD_BASE:
	case LOG_RECORD_RESET:
		return record->index < UINT64_MAX && record->data.size == 0 && record->beside.size == 0;
	case LOG_RECORD_DESTROY:
		return record->data.size == 0 && record->beside.size == 0;
	case LOG_RECORD_MARK:
		return record->data.size > 0 && record->data.size <= LOG_MARK_NAME_MAX &&
		       !memchr(record->data.data, 0, record->data.size);
	}
	return false;
}

int log_record_decode(struct slice bytes, uint64_t segment, struct log_record *record)
{
	struct reader reader = reader_of(bytes);
	uint8_t version, reserved;
	uint32_t data_size, beside_size, body_sum, header_sum;

	*record = (struct log_record){0};
	version = reader_u8(&reader);
	uint8_t kind = reader_u8(&reader);
	record->entry_type = reader_u8(&reader);
	reserved = reader_u8(&reader);
	data_size = reader_u32le(&reader);
	beside_size = reader_u32le(&reader);
	record->payload_size = reader_u32le(&reader);
	record->region = reader_u64le(&reader);
	record->index = reader_u64le(&reader);
	record->term = reader_u64le(&reader);
	body_sum = reader_u32le(&reader);
	header_sum = reader_u32le(&reader);
	if (reader.status < 0 || header_sum != sum32(bytes.data, LOG_RECORD_HEADER_SIZE - 4, segment))
		return STATUS_CORRUPT;
	if (version > RECORD_VERSION)
		return -EPROTONOSUPPORT;
	record->data = reader_bytes(&reader, data_size);
	record->beside = reader_bytes(&reader, beside_size);
	if (version != RECORD_VERSION || reserved != 0 || reader.status < 0)
		return STATUS_CORRUPT;
	record->kind = kind;
	if (body_sum != sum32((const uint8_t *)bytes.data + LOG_RECORD_HEADER_SIZE,
				(size_t)data_size + beside_size, segment))
		return STATUS_CORRUPT;
	return record_is_well_formed(record) ? 0 : STATUS_CORRUPT;
}
