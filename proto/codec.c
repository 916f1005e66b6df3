#include "proto/codec.h"

#include <errno.h>
#include <string.h>

#include "proto/check.h"
#include "proto/status.h"

#define WRITER_SIZE_FIRST 64 /* bytes of a growing writer's first allocation */

/* ---- Reading ---- */

struct reader reader_of(struct slice bytes)
{
	return (struct reader){.data = bytes.data, .size = bytes.size};
}

void reader_fail(struct reader *reader)
{
	reader->size = 0;
	reader->status = STATUS_MALFORMED;
}

bool reader_has_more(const struct reader *reader)
{
	return reader->size > 0;
}

int reader_finish(const struct reader *reader)
{
	return reader->size > 0 ? STATUS_MALFORMED : reader->status;
}

struct slice reader_bytes(struct reader *reader, size_t size)
{
	struct slice bytes = {reader->data, size};

	if (size > reader->size) {
		reader_fail(reader);
		return (struct slice){0};
	}
	if (size == 0)
		return (struct slice){0};
	reader->data += size;
	reader->size -= size;
	return bytes;
}

struct slice reader_slice(struct reader *reader)
{
	uint64_t size = reader_varint(reader);

	if (size > reader->size) {
		reader_fail(reader);
		return (struct slice){0};
	}
	return reader_bytes(reader, (size_t)size);
}

uint8_t reader_u8(struct reader *reader)
{
	struct slice bytes = reader_bytes(reader, 1);

	return bytes.size > 0 ? *(const uint8_t *)bytes.data : 0;
}

static uint64_t read_little(struct reader *reader, size_t size)
{
	struct slice bytes = reader_bytes(reader, size);
	uint64_t value = 0;

	for (size_t i = 0; i < bytes.size; i++)
		value |= (uint64_t)((const uint8_t *)bytes.data)[i] << (8 * i);
	return value;
}

static uint64_t read_big(struct reader *reader, size_t size)
{
	struct slice bytes = reader_bytes(reader, size);
	uint64_t value = 0;

	for (size_t i = 0; i < bytes.size; i++)
		value = value << 8 | ((const uint8_t *)bytes.data)[i];
	return value;
}

uint16_t reader_u16le(struct reader *reader)
{
	return (uint16_t)read_little(reader, sizeof(uint16_t));
}

uint32_t reader_u32le(struct reader *reader)
{
	return (uint32_t)read_little(reader, sizeof(uint32_t));
}

uint64_t reader_u64le(struct reader *reader)
{
	return read_little(reader, sizeof(uint64_t));
}

uint16_t reader_u16be(struct reader *reader)
{
	return (uint16_t)read_big(reader, sizeof(uint16_t));
}

uint32_t reader_u32be(struct reader *reader)
{
	return (uint32_t)read_big(reader, sizeof(uint32_t));
}

uint64_t reader_u64be(struct reader *reader)
{
	return read_big(reader, sizeof(uint64_t));
}

uint64_t reader_varint(struct reader *reader)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte = reader_u8(reader);

		if (shift == 63 && byte > 1)
			break;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return reader->status == 0 ? value : 0;
	}
	reader_fail(reader);
	return 0;
}

/* ---- Writing ---- */

struct writer writer_growing(size_t size_max)
{
	return (struct writer){.size_max = size_max};
}

struct writer writer_fixed(void *data, size_t size)
{
	return (struct writer){.data = data, .capacity = size, .size_max = size};
}

/* Makes room for `size` more bytes, which the limit allows. */
static bool writer_grow(struct writer *writer, size_t size)
{
	size_t capacity = writer->capacity < WRITER_SIZE_FIRST ? WRITER_SIZE_FIRST : writer->capacity;
	struct buf *buf;

	while (capacity < writer->size + size && capacity <= writer->size_max / 2)
		capacity *= 2;
	if (capacity < writer->size + size || capacity > writer->size_max)
		capacity = writer->size_max;
	buf = buf_new(capacity);
	if (!buf) {
		writer->status = -ENOMEM;
		return false;
	}
	if (writer->size > 0)
		memcpy(buf->data, writer->data, writer->size);
	buf_unref(writer->buf);
	writer->buf = buf;
	writer->data = buf->data;
	writer->capacity = capacity;
	return true;
}

uint8_t *writer_reserve(struct writer *writer, size_t size)
{
	uint8_t *room;

	if (writer->status != 0)
		return NULL;
	if (size > writer->size_max - writer->size) {
		writer->status = STATUS_LIMIT;
		return NULL;
	}
	if (size > writer->capacity - writer->size && !writer_grow(writer, size))
		return NULL;
	room = writer->data + writer->size;
	writer->size += size;
	return room;
}

void writer_u8(struct writer *writer, uint8_t value)
{
	uint8_t *room = writer_reserve(writer, 1);

	if (room)
		*room = value;
}

static void store_little(uint8_t *room, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		room[i] = (uint8_t)(value >> (8 * i));
}

static void write_little(struct writer *writer, uint64_t value, size_t size)
{
	uint8_t *room = writer_reserve(writer, size);

	if (room)
		store_little(room, value, size);
}

static void write_big(struct writer *writer, uint64_t value, size_t size)
{
	uint8_t *room = writer_reserve(writer, size);

	for (size_t i = 0; room && i < size; i++)
		room[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
}

void writer_u16le(struct writer *writer, uint16_t value)
{
	write_little(writer, value, sizeof value);
}

void writer_u32le(struct writer *writer, uint32_t value)
{
	write_little(writer, value, sizeof value);
}

void writer_u64le(struct writer *writer, uint64_t value)
{
	write_little(writer, value, sizeof value);
}

void writer_u16be(struct writer *writer, uint16_t value)
{
	write_big(writer, value, sizeof value);
}

void writer_u32be(struct writer *writer, uint32_t value)
{
	write_big(writer, value, sizeof value);
}

void writer_u64be(struct writer *writer, uint64_t value)
{
	write_big(writer, value, sizeof value);
}

void writer_varint(struct writer *writer, uint64_t value)
{
	uint8_t *room = writer_reserve(writer, codec_varint_size(value));

	if (!room)
		return;
	for (; value >= 0x80; value >>= 7)
		*room++ = (uint8_t)(value | 0x80);
	*room = (uint8_t)value;
}

void writer_bytes(struct writer *writer, const void *data, size_t size)
{
	uint8_t *room = size > 0 ? writer_reserve(writer, size) : NULL;

	if (room)
		memcpy(room, data, size);
}

void writer_slice(struct writer *writer, struct slice bytes)
{
	writer_varint(writer, bytes.size);
	writer_bytes(writer, bytes.data, bytes.size);
}

void writer_patch_u32le(struct writer *writer, size_t offset, uint32_t value)
{
	if (writer->status != 0)
		return;
	check(offset <= writer->size && writer->size - offset >= sizeof value);
	store_little(writer->data + offset, value, sizeof value);
}

struct slice writer_written(const struct writer *writer)
{
	return (struct slice){writer->data, writer->size};
}

int writer_take(struct writer *writer, struct buf **buf)
{
	int status = writer->status;

	*buf = NULL;
	if (status == 0 && !writer->buf && !writer_grow(writer, 0))
		status = writer->status;
	if (status == 0) {
		*buf = writer->buf;
		(*buf)->size = writer->size;
		writer->buf = NULL;
	}
	writer_close(writer);
	return status;
}

void writer_close(struct writer *writer)
{
	buf_unref(writer->buf);
	*writer = (struct writer){.size_max = writer->size_max};
}

size_t codec_varint_size(uint64_t value)
{
	size_t size = 1;

	for (; value >= 0x80; value >>= 7)
		size++;
	return size;
}
