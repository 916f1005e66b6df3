#include "store/snapshot/tombstone.h"

#include "proto/codec.h"

#define MARK_NAME "tombstone"

int tombstone_read(struct log_engine *log, uint64_t region, uint64_t *id)
{
	struct reader reader;
	struct buf *value;
	int status = log->ops->mark(log, region, MARK_NAME, &value);

	*id = 0;
	if (status == STATUS_NOT_FOUND)
		return 0;
	if (status < 0)
		return status;
	reader = reader_of(buf_slice(value));
	*id = reader_u64le(&reader);
	buf_unref(value);
	return reader_finish(&reader) == 0 ? 0 : STATUS_CORRUPT;
}

struct log_mark tombstone_mark(uint64_t id, uint8_t bytes[TOMBSTONE_SIZE])
{
	struct writer writer = writer_fixed(bytes, TOMBSTONE_SIZE);

	writer_u64le(&writer, id);
	return (struct log_mark){MARK_NAME, writer_written(&writer)};
}
