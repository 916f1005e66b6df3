#include "proto/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "proto/check.h"
#include "proto/codec.h"
#include "proto/status.h"

#define MAGIC		UINT32_C(0x31766b72) /* "rkv1" */
#define CHECKSUM_OFFSET (FRAME_HEADER_SIZE - 8)
#define PART_FIRST_SIZE 4096u /* bytes that are first allocated for a part */
#define PART_GROWTH	4u /* factor by which a full part grows */

struct header {
	uint16_t type;
	uint16_t attachment_count;
	uint32_t head_size;
	uint64_t request;
	uint64_t checksum;
};

static uint64_t checksum_of(const uint8_t *header, struct slice rest)
{
	return XXH3_64bits_withSeed(rest.data, rest.size, XXH3_64bits(header, CHECKSUM_OFFSET));
}

/* ---- Encoding ---- */

static void write_header(uint8_t *bytes, const struct header *header)
{
	struct writer writer = writer_fixed(bytes, FRAME_HEADER_SIZE);

	writer_u32le(&writer, MAGIC);
	writer_u16le(&writer, header->type);
	writer_u16le(&writer, header->attachment_count);
	writer_u32le(&writer, header->head_size);
	writer_u32le(&writer, 0);
	writer_u64le(&writer, header->request);
	writer_u64le(&writer, header->checksum);
}

static int check_attachments(struct buf *const *attachments, uint32_t count)
{
	size_t size = 0;

	if (count > FRAME_ATTACHMENTS_MAX)
		return STATUS_LIMIT;
	for (uint32_t i = 0; i < count; i++) {
		check(attachments[i]->size > 0);
		if (attachments[i]->size > FRAME_ATTACHMENTS_SIZE_MAX - size)
			return STATUS_LIMIT;
		size += attachments[i]->size;
	}
	return 0;
}

int frame_encode(uint16_t type, uint64_t request, const ProtobufCMessage *head,
	struct buf *const *attachments, uint32_t attachment_count, struct buf **prefix)
{
	size_t head_size = head ? protobuf_c_message_get_packed_size(head) : 0;
	size_t table_size = (size_t)attachment_count * FRAME_ROW_SIZE;
	struct header header = {.type = type, .request = request};
	struct writer table;
	uint8_t *bytes;
	int status = check_attachments(attachments, attachment_count);

	*prefix = NULL;
	if (status < 0 || head_size > FRAME_HEAD_SIZE_MAX)
		return STATUS_LIMIT;
	*prefix = buf_new(FRAME_HEADER_SIZE + table_size + head_size);
	if (!*prefix)
		return -ENOMEM;
	bytes = (*prefix)->data;
	table = writer_fixed(bytes + FRAME_HEADER_SIZE, table_size);
	for (uint32_t i = 0; i < attachment_count; i++) {
		writer_u32le(&table, (uint32_t)attachments[i]->size);
		writer_u64le(&table, XXH3_64bits(attachments[i]->data, attachments[i]->size));
	}
	if (head)
		protobuf_c_message_pack(head, bytes + FRAME_HEADER_SIZE + table_size);
	header.attachment_count = (uint16_t)attachment_count;
	header.head_size = (uint32_t)head_size;
	write_header(bytes, &header);
	header.checksum = checksum_of(bytes, slice_of(bytes + FRAME_HEADER_SIZE, table_size + head_size));
	write_header(bytes, &header);
	return 0;
}

/* ---- Decoding ---- */

void frame_decoder_init(struct frame_decoder *decoder, frame_cb got, void *argument)
{
	*decoder = (struct frame_decoder){.got = got, .argument = argument, .size_max = FRAME_SIZE_MAX};
}

static void drop_frame(struct frame_decoder *decoder)
{
	free(decoder->rest);
	decoder->rest = NULL;
	for (uint32_t i = 0; i < decoder->attachment; i++) {
		buf_unref(decoder->attachments[i]);
		decoder->attachments[i] = NULL;
	}
	decoder->attachment_count = decoder->attachment = 0;
	decoder->stage = FRAME_STAGE_HEADER;
	decoder->part = (struct frame_part){0};
	decoder->announced = decoder->arrived = 0;
}

void frame_decoder_close(struct frame_decoder *decoder)
{
	if (decoder->stage != FRAME_STAGE_HEADER)
		free(decoder->part.bytes);
	drop_frame(decoder);
}

size_t frame_decoder_held(const struct frame_decoder *decoder)
{
	return decoder->arrived - decoder->part.filled + decoder->part.capacity;
}

/* ---- Parts ---- */

static void begin_part(struct frame_decoder *decoder, size_t size)
{
	decoder->part = (struct frame_part){.size = size};
}

static uint8_t *allocate(size_t size, bool is_aligned)
{
	size_t room = (size + FRAME_ALIGNMENT - 1) / FRAME_ALIGNMENT * FRAME_ALIGNMENT;

	return is_aligned ? aligned_alloc(FRAME_ALIGNMENT, room) : malloc(size);
}

/* Room grows with the bytes that have arrived, not with those that were announced. */
static int make_room(struct frame_decoder *decoder, size_t coming)
{
	struct frame_part *part = &decoder->part;
	bool is_aligned = decoder->stage == FRAME_STAGE_ATTACHMENTS && part->size >= FRAME_ALIGNMENT;
	size_t capacity = part->capacity * PART_GROWTH;
	uint8_t *bytes;

	if (part->filled < part->capacity)
		return 0;
	if (capacity < part->filled + coming)
		capacity = part->filled + coming;
	if (capacity < PART_FIRST_SIZE)
		capacity = PART_FIRST_SIZE;
	if (capacity > part->size)
		capacity = part->size;
	bytes = allocate(capacity, is_aligned);
	if (!bytes)
		return -ENOMEM;
	if (part->filled > 0)
		memcpy(bytes, part->bytes, part->filled);
	free(part->bytes);
	part->bytes = bytes;
	part->capacity = capacity;
	return 0;
}

/* ---- Header ---- */

static int read_header(const struct frame_decoder *decoder, struct header *header)
{
	struct reader reader = reader_of(slice_of(decoder->header, FRAME_HEADER_SIZE));
	uint32_t magic = reader_u32le(&reader);
	uint32_t zero;

	header->type = reader_u16le(&reader);
	header->attachment_count = reader_u16le(&reader);
	header->head_size = reader_u32le(&reader);
	zero = reader_u32le(&reader);
	header->request = reader_u64le(&reader);
	header->checksum = reader_u64le(&reader);
	return magic == MAGIC && zero == 0 ? 0 : STATUS_MALFORMED;
}

static int end_header(struct frame_decoder *decoder)
{
	struct header header;
	int status = read_header(decoder, &header);

	if (status < 0)
		return status;
	decoder->rest_size = (size_t)header.attachment_count * FRAME_ROW_SIZE + header.head_size;
	if (header.head_size > FRAME_HEAD_SIZE_MAX || header.attachment_count > FRAME_ATTACHMENTS_MAX ||
		decoder->rest_size > decoder->size_max)
		return STATUS_LIMIT;
	decoder->announced =
		decoder->rest_size + (header.attachment_count > 0 ? FRAME_ATTACHMENTS_SIZE_MAX : 0);
	decoder->attachment_count = header.attachment_count;
	decoder->stage = FRAME_STAGE_REST;
	begin_part(decoder, decoder->rest_size);
	return 0;
}

/* ---- Table and head ---- */

static struct slice rest_of(const struct frame_decoder *decoder)
{
	return slice_of(decoder->rest, decoder->rest_size);
}

/* A row of the table. */
static void read_row(const struct frame_decoder *decoder, uint32_t i, uint32_t *size, uint64_t *checksum)
{
	struct reader row = reader_of(slice_of(decoder->rest + (size_t)i * FRAME_ROW_SIZE, FRAME_ROW_SIZE));

	*size = reader_u32le(&row);
	*checksum = reader_u64le(&row);
}

static int check_table(struct frame_decoder *decoder)
{
	size_t total = 0;

	for (uint32_t i = 0; i < decoder->attachment_count; i++) {
		uint64_t checksum;
		uint32_t size;

		read_row(decoder, i, &size, &checksum);
		if (size == 0)
			return STATUS_MALFORMED;
		if (size > FRAME_ATTACHMENTS_SIZE_MAX - total)
			return STATUS_LIMIT;
		total += size;
	}
	decoder->announced = decoder->rest_size + total;
	return decoder->announced <= decoder->size_max ? 0 : STATUS_LIMIT;
}

static void begin_attachment(struct frame_decoder *decoder)
{
	uint64_t checksum;
	uint32_t size;

	read_row(decoder, decoder->attachment, &size, &checksum);
	begin_part(decoder, size);
}

static int end_frame(struct frame_decoder *decoder)
{
	size_t table_size = (size_t)decoder->attachment_count * FRAME_ROW_SIZE;
	struct header header;
	struct frame frame;
	int status;

	read_header(decoder, &header);
	frame = (struct frame){
		.type = header.type,
		.request = header.request,
		.head = slice_of(
			decoder->rest ? decoder->rest + table_size : decoder->header, header.head_size),
		.attachments = decoder->attachments,
		.attachment_count = decoder->attachment_count,
	};
	status = decoder->got(decoder->argument, &frame);
	drop_frame(decoder);
	return status;
}

static int end_rest(struct frame_decoder *decoder)
{
	struct header header;
	int status;

	decoder->rest = decoder->part.bytes;
	decoder->stage = FRAME_STAGE_ATTACHMENTS;
	begin_part(decoder, 0);
	read_header(decoder, &header);
	if (checksum_of(decoder->header, rest_of(decoder)) != header.checksum)
		return STATUS_CORRUPT;
	status = check_table(decoder);
	if (status < 0)
		return status;
	if (decoder->attachment_count == 0)
		return end_frame(decoder);
	begin_attachment(decoder);
	return 0;
}

/* ---- Attachments ---- */

static int end_attachment(struct frame_decoder *decoder)
{
	struct frame_part *part = &decoder->part;
	uint64_t checksum;
	uint32_t size;
	struct buf *buf;

	read_row(decoder, decoder->attachment, &size, &checksum);
	if (checksum != XXH3_64bits(part->bytes, part->size))
		return STATUS_CORRUPT;
	buf = buf_wrap(part->bytes, part->size, free, part->bytes);
	if (!buf)
		return -ENOMEM;
	decoder->attachments[decoder->attachment++] = buf;
	begin_part(decoder, 0);
	if (decoder->attachment == decoder->attachment_count)
		return end_frame(decoder);
	begin_attachment(decoder);
	return 0;
}

/* ---- Bytes ---- */

/* Copies what belongs to the header; returns its size. */
static size_t take_header(struct frame_decoder *decoder, const uint8_t *from, size_t left)
{
	size_t room = FRAME_HEADER_SIZE - decoder->arrived;
	size_t size = left < room ? left : room;

	memcpy(decoder->header + decoder->arrived, from, size);
	return size;
}

static size_t take_part(struct frame_decoder *decoder, const uint8_t *from, size_t left)
{
	struct frame_part *part = &decoder->part;
	size_t room = part->capacity - part->filled;
	size_t size = left < room ? left : room;

	memcpy(part->bytes + part->filled, from, size);
	part->filled += size;
	return size;
}

/* Goes on to the next part if the present one is complete. */
static int end_part(struct frame_decoder *decoder)
{
	int status = 0;

	if (decoder->stage == FRAME_STAGE_HEADER && decoder->arrived == FRAME_HEADER_SIZE) {
		status = end_header(decoder);
		return status < 0 || decoder->rest_size > 0 ? status : end_rest(decoder);
	}
	if (decoder->stage == FRAME_STAGE_HEADER || decoder->part.filled < decoder->part.size)
		return 0;
	return decoder->stage == FRAME_STAGE_REST ? end_rest(decoder) : end_attachment(decoder);
}

int frame_decoder_feed(struct frame_decoder *decoder, struct slice bytes)
{
	const uint8_t *from = bytes.data;
	size_t left = bytes.size;
	int status = 0;

	while (left > 0 && status == 0) {
		bool is_header = decoder->stage == FRAME_STAGE_HEADER;
		size_t size;

		if (!is_header)
			status = make_room(decoder, left);
		if (status < 0)
			break;
		size = is_header ? take_header(decoder, from, left) : take_part(decoder, from, left);
		decoder->arrived += size;
		from += size;
		left -= size;
		status = end_part(decoder);
	}
	return status;
}
