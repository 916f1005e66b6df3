#include "store/log/batch.h"

#include <errno.h>

#include "proto/check.h"
#include "proto/codec.h"
#include "proto/plant.h"
#include "store/disk/checksum.h"

#define BATCH_MAGIC   0x474c4b52 /* "RKLG" */
#define BATCH_VERSION 1

static uint64_t batch_sum(const uint8_t *bytes, const struct log_batch *batch)
{
	return checksum_of(bytes + 8, batch->size - 8, log_record_seed(batch->segment));
}

void log_batch_seal(uint8_t *bytes, const struct log_batch *batch)
{
	struct writer writer = writer_fixed(bytes + 8, LOG_BATCH_HEADER_SIZE - 8);
	struct writer sum = writer_fixed(bytes, 8);

	writer_u32le(&writer, BATCH_MAGIC);
	writer_u16le(&writer, BATCH_VERSION);
	writer_u16le(&writer, 0);
	writer_u64le(&writer, batch->segment);
	writer_u64le(&writer, batch->number);
	writer_u64le(&writer, batch->oldest);
	writer_u32le(&writer, batch->offset);
	writer_u32le(&writer, batch->size);
	writer_u32le(&writer, batch->records_size);
	writer_u32le(&writer, batch->record_count);
	writer_u64le(&writer, 0);
	writer_u64le(&sum, batch_sum(bytes, batch));
	check(writer.status == 0 && sum.status == 0);
}

bool log_batch_peek(const uint8_t *bytes, uint64_t segment, uint32_t offset, uint64_t segment_size,
	struct log_batch *batch)
{
	struct reader reader = reader_of(slice_of(bytes + 8, LOG_BATCH_HEADER_SIZE - 8));

	if (reader_u32le(&reader) != BATCH_MAGIC)
		return false;
	reader_u32le(&reader); /* the version is checked after the checksum */
	batch->segment = reader_u64le(&reader);
	batch->number = reader_u64le(&reader);
	batch->oldest = reader_u64le(&reader);
	batch->offset = reader_u32le(&reader);
	batch->size = reader_u32le(&reader);
	batch->records_size = reader_u32le(&reader);
	batch->record_count = reader_u32le(&reader);
	PLANT("log:stale_accepted", segment = batch->segment);
	if (batch->segment != segment)
		return false;
	return batch->offset == offset && batch->size > 0 && batch->size % LOG_BLOCK_SIZE == 0 &&
	       batch->size <= segment_size - offset &&
	       batch->records_size <= batch->size - LOG_BATCH_HEADER_SIZE;
}

int log_batch_verify(const uint8_t *bytes, const struct log_batch *batch)
{
	struct reader reader = reader_of(slice_of(bytes, batch->size));
	uint64_t sum = reader_u64le(&reader);

	PLANT("log:checksum_skipped", sum = batch_sum(bytes, batch));
	if (sum != batch_sum(bytes, batch))
		return STATUS_CORRUPT;
	reader_u32le(&reader);
	return reader_u16le(&reader) > BATCH_VERSION ? -EPROTONOSUPPORT : 0;
}
