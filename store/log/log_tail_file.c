#include "store/log/log_tail_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/codec.h"
#include "store/disk/checksum.h"
#include "store/log/log_records.h"

#define TAIL_MAGIC    0x4c544b52 /* "RKTL" */
#define TAIL_VERSION  1
#define FILE_SIZE_MAX (1u << 30) /* of a file that is read */

/* ---- Making ----------------------------------------------------------------------------------------------------- */

void log_tail_header_encode(uint8_t block[LOG_TAIL_HEADER_SIZE], uint64_t epoch)
{
	struct writer writer = writer_fixed(block + 8, 16);
	struct writer sum = writer_fixed(block, 8);

	memset(block, 0, LOG_TAIL_HEADER_SIZE);
	writer_u32le(&writer, TAIL_MAGIC);
	writer_u16le(&writer, TAIL_VERSION);
	writer_u16le(&writer, 0);
	writer_u64le(&writer, epoch);
	writer_u64le(&sum, checksum_of(block + 8, LOG_TAIL_HEADER_SIZE - 8, 0));
	check(writer.status == 0 && sum.status == 0);
}

static int fill(struct env_file *file, uint64_t size, uint64_t epoch)
{
	uint8_t block[LOG_TAIL_HEADER_SIZE];
	int status = env_file_truncate(file, 0);

	log_tail_header_encode(block, epoch);
	if (status == 0)
		status = env_file_allocate(file, 0, size);
	if (status == 0)
		status = env_file_write(file, 0, block, sizeof block);
	return status == 0 ? env_file_sync(file) : status;
}

int log_tail_file_make(
	struct env *env, const char *path, uint64_t size, uint64_t epoch, struct env_file **file)
{
	int status = env_file_open(env, path, ENV_OPEN_WRITE | ENV_OPEN_CREATE, file);

	if (status < 0)
		return status;
	status = fill(*file, size, epoch);
	if (status == 0)
		status = env_sync_parent(env, path);
	if (status < 0) {
		env_file_close(*file);
		log_tail_remove(env, path); /* what it held is in the log */
	}
	return status;
}

int log_tail_remove(struct env *env, const char *path)
{
	int status = env_unlink(env, path);

	if (status < 0)
		return status == -ENOENT ? 0 : status;
	return env_sync_parent(env, path);
}

/* ---- Records ---------------------------------------------------------------------------------------------------- */

uint64_t log_tail_record_size(const struct log_write *write)
{
	uint64_t size = LOG_TAIL_RECORD_HEADER + log_records_size_of_write(write);

	return (size + LOG_TAIL_ALIGNMENT - 1) / LOG_TAIL_ALIGNMENT * LOG_TAIL_ALIGNMENT;
}

struct encoding {
	uint8_t *bytes;
	size_t used;
	uint64_t epoch;
};

static int encode(void *argument, const struct log_record *record, const struct raft_entry *entry)
{
	struct encoding *encoding = argument;

	(void)entry;
	log_record_encode(encoding->bytes + encoding->used, record, encoding->epoch);
	encoding->used += log_record_size(record);
	return 0;
}

void log_tail_record_encode(uint8_t *bytes, uint64_t size, const struct log_write *write, uint64_t number,
	uint64_t durable, uint64_t epoch)
{
	struct encoding encoding = {.bytes = bytes, .used = LOG_TAIL_RECORD_HEADER, .epoch = epoch};
	struct writer writer = writer_fixed(bytes + 8, LOG_TAIL_RECORD_HEADER - 8);
	struct writer sum = writer_fixed(bytes, 8);

	log_records_of_write(write, encode, &encoding);
	memset(bytes + encoding.used, 0, size - encoding.used);
	writer_u64le(&writer, number);
	writer_u64le(&writer, durable);
	writer_u32le(&writer, (uint32_t)size);
	writer_u32le(&writer, (uint32_t)encoding.used);
	writer_u64le(&sum, checksum_of(bytes + 8, size - 8, epoch));
	check(writer.status == 0 && sum.status == 0);
}

/* ---- Reading ---------------------------------------------------------------------------------------------------- */

struct found {
	struct log_tail_record *items;
	size_t count;
	size_t capacity;
};

static int add(struct found *found, const struct log_tail_record *record)
{
	if (found->count == found->capacity) {
		size_t more = found->capacity > 0 ? found->capacity * 2 : 64;
		struct log_tail_record *items = realloc(found->items, more * sizeof *items);

		if (!items)
			return -ENOMEM;
		found->items = items;
		found->capacity = more;
	}
	found->items[found->count++] = *record;
	return 0;
}

/* The size of the record at the beginning of the bytes; 0: there is no valid one. */
static size_t decode(struct slice bytes, uint64_t epoch, struct log_tail_record *record)
{
	struct reader reader = reader_of(bytes);
	uint64_t sum = reader_u64le(&reader);
	uint32_t size, used;

	*record = (struct log_tail_record){.epoch = epoch};
	record->number = reader_u64le(&reader);
	record->durable = reader_u64le(&reader);
	size = reader_u32le(&reader);
	used = reader_u32le(&reader);
	if (reader.status < 0 || record->number == 0 || size > bytes.size || size % LOG_TAIL_ALIGNMENT > 0 ||
		used > size || used < LOG_TAIL_RECORD_HEADER)
		return 0;
	if (sum != checksum_of((const uint8_t *)bytes.data + 8, size - 8, epoch))
		return 0;
	record->records =
		slice_of((const uint8_t *)bytes.data + LOG_TAIL_RECORD_HEADER, used - LOG_TAIL_RECORD_HEADER);
	return size;
}

static int find_records(const uint8_t *bytes, size_t size, uint64_t epoch, struct found *found)
{
	size_t at = LOG_TAIL_HEADER_SIZE;
	int status = 0;

	while (at + LOG_TAIL_RECORD_HEADER <= size && status == 0) {
		struct log_tail_record record;
		size_t length = decode(slice_of(bytes + at, size - at), epoch, &record);

		if (length > 0)
			status = add(found, &record);
		at += length > 0 ? length : LOG_TAIL_ALIGNMENT;
	}
	return status;
}

static int compare(const void *a, const void *b)
{
	const struct log_tail_record *left = a, *right = b;

	return left->number < right->number ? -1 : left->number > right->number;
}

/* 1: a valid header; 0: none, as a crash may leave it while the file is made. */
static int decode_header(const uint8_t *bytes, size_t size, uint64_t *epoch)
{
	struct reader reader = reader_of(slice_of(bytes, size));
	uint64_t sum = reader_u64le(&reader);
	uint16_t version;

	if (size < LOG_TAIL_HEADER_SIZE || reader_u32le(&reader) != TAIL_MAGIC ||
		sum != checksum_of(bytes + 8, LOG_TAIL_HEADER_SIZE - 8, 0))
		return 0;
	version = reader_u16le(&reader);
	reader_u16le(&reader);
	*epoch = reader_u64le(&reader);
	return version > TAIL_VERSION ? -EPROTONOSUPPORT : 1;
}

static int read_whole(struct env_file *file, uint8_t **bytes, size_t *size)
{
	uint64_t length = 0;
	int status = env_file_size(file, &length);

	*bytes = NULL;
	*size = 0;
	if (status < 0 || length == 0)
		return status;
	if (length > FILE_SIZE_MAX)
		return STATUS_CORRUPT;
	*bytes = malloc(length);
	if (!*bytes)
		return -ENOMEM;
	*size = length;
	return env_file_read(file, 0, *bytes, length);
}

static int each_record(const uint8_t *bytes, size_t size,
	int (*each)(void *argument, const struct log_tail_record *record), void *argument)
{
	struct found found = {0};
	uint64_t epoch = 0;
	int status = decode_header(bytes, size, &epoch);

	if (status > 0)
		status = find_records(bytes, size, epoch, &found);
	if (found.count > 0)
		qsort(found.items, found.count, sizeof *found.items, compare);
	for (size_t i = 0; i < found.count && status == 0; i++)
		status = each(argument, &found.items[i]);
	free(found.items);
	return status;
}

int log_tail_read(struct env *env, const char *path,
	int (*each)(void *argument, const struct log_tail_record *record), void *argument)
{
	struct env_file *file;
	uint8_t *bytes;
	size_t size;
	int status = env_file_open(env, path, ENV_OPEN_READ, &file);

	if (status < 0)
		return status == -ENOENT ? 0 : status;
	status = read_whole(file, &bytes, &size);
	env_file_close(file);
	if (status == 0 && bytes)
		status = each_record(bytes, size, each, argument);
	free(bytes);
	return status;
}
