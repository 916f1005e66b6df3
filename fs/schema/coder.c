#include "fs/schema/coder.h"

#include "fs/schema/op.h"
#include "proto/status.h"
#include "proto/units.h"

void coder_check(struct coder *coder, bool holds)
{
	if (holds)
		return;
	coder->is_bad = true;
	if (coder->reader)
		reader_fail(coder->reader);
}

void coder_known(struct coder *coder, bool holds)
{
	if (holds || (coder->reader && coder->reader->status < 0))
		return;
	coder->is_bad = true;
	coder->is_unsupported = true;
}

void coder_version(struct coder *coder, uint8_t version, uint8_t highest)
{
	coder_u8(coder, &version);
	coder_check(coder, version > 0);
	coder_known(coder, version <= highest);
}

int coder_finish(const struct coder *coder)
{
	return coder->is_unsupported ? STATUS_UNSUPPORTED : coder->reader->status;
}

void coder_u8(struct coder *coder, uint8_t *value)
{
	if (coder->reader)
		*value = reader_u8(coder->reader);
	else
		writer_u8(coder->writer, *value);
}

void coder_u64(struct coder *coder, uint64_t *value)
{
	if (coder->reader)
		*value = reader_varint(coder->reader);
	else
		writer_varint(coder->writer, *value);
}

void coder_u32(struct coder *coder, uint32_t *value)
{
	uint64_t wide = *value;

	coder_u64(coder, &wide);
	coder_check(coder, wide <= UINT32_MAX);
	*value = (uint32_t)wide;
}

void coder_fixed(struct coder *coder, uint64_t *value)
{
	if (coder->reader)
		*value = reader_u64le(coder->reader);
	else
		writer_u64le(coder->writer, *value);
}

void coder_bool(struct coder *coder, bool *value)
{
	uint8_t byte = coder->reader ? 0 : *value;

	coder_u8(coder, &byte);
	coder_check(coder, byte <= 1);
	*value = byte == 1;
}

void coder_late_u32(struct coder *coder, uint32_t *value)
{
	if (coder->reader && !reader_has_more(coder->reader)) {
		*value = 0;
		return;
	}
	if (coder->writer && *value == 0) {
		coder->late_zeros++;
		return;
	}
	for (; coder->late_zeros > 0; coder->late_zeros--)
		writer_varint(coder->writer, 0);
	coder_u32(coder, value);
}

void coder_slice(struct coder *coder, struct slice *bytes, size_t size_max)
{
	if (coder->reader)
		*bytes = reader_slice(coder->reader);
	else
		writer_slice(coder->writer, *bytes);
	coder_check(coder, bytes->size <= size_max);
}

void coder_name(struct coder *coder, struct slice *name)
{
	coder_slice(coder, name, FS_NAME_SIZE_MAX);
	coder_check(coder, op_check_name(*name) == 0);
}

void coder_time(struct coder *coder, struct fs_time *time)
{
	uint64_t seconds = (uint64_t)time->seconds;

	coder_fixed(coder, &seconds);
	time->seconds = (int64_t)seconds;
	coder_u32(coder, &time->nanoseconds);
	coder_check(coder, time->nanoseconds < NS_PER_S);
}
