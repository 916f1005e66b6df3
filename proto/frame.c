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
#define TABLE_ROW_SIZE	12u

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
	size_t table_size = (size_t)attachment_count * TABLE_ROW_SIZE;
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
	*decoder = (struct frame_decoder){.got = got, .argument = argument};
}

static void drop_frame(struct frame_decoder *decoder)
{
	buf_unref(decoder->rest);
	decoder->rest = NULL;
	for (uint32_t i = 0; i < decoder->attachment_count; i++) {
		buf_unref(decoder->attachments[i]);
		decoder->attachments[i] = NULL;
	}
	decoder->attachment_count = 0;
	decoder->attachment = 0;
	decoder->filled = 0;
}

void frame_decoder_close(struct frame_decoder *decoder)
{
	drop_frame(decoder);
}

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

static int begin_rest(struct frame_decoder *decoder)
{
	struct header header;
	int status = read_header(decoder, &header);

	if (status < 0)
		return status;
	if (header.head_size > FRAME_HEAD_SIZE_MAX || header.attachment_count > FRAME_ATTACHMENTS_MAX)
		return STATUS_LIMIT;
	decoder->rest = buf_new((size_t)header.attachment_count * TABLE_ROW_SIZE + header.head_size);
	decoder->filled = 0;
	return decoder->rest ? 0 : -ENOMEM;
}

static struct buf *new_attachment(uint32_t size)
{
	size_t room = (size + FRAME_ALIGNMENT - 1) / FRAME_ALIGNMENT * FRAME_ALIGNMENT;
	struct buf *buf;
	void *bytes;

	if (size < FRAME_ALIGNMENT)
		return buf_new(size);
	bytes = aligned_alloc(FRAME_ALIGNMENT, room);
	buf = bytes ? buf_wrap(bytes, size, free, bytes) : NULL;
	if (!buf)
		free(bytes);
	return buf;
}

/* The table and the head are there: room for what follows. */
static int begin_attachments(struct frame_decoder *decoder)
{
	struct reader table = reader_of(buf_slice(decoder->rest));
	struct header header;
	uint32_t total = 0;

	read_header(decoder, &header);
	if (checksum_of(decoder->header, buf_slice(decoder->rest)) != header.checksum)
		return STATUS_CORRUPT;
	decoder->filled = 0;
	for (uint32_t i = 0; i < header.attachment_count; i++) {
		uint32_t size = reader_u32le(&table);

		reader_u64le(&table);
		if (size == 0)
			return STATUS_MALFORMED;
		if (size > FRAME_ATTACHMENTS_SIZE_MAX - total)
			return STATUS_LIMIT;
		total += size;
		decoder->attachments[i] = new_attachment(size);
		decoder->attachment_count = i + 1;
		if (!decoder->attachments[i])
			return -ENOMEM;
	}
	return 0;
}

static int end_attachment(struct frame_decoder *decoder)
{
	const struct buf *attachment = decoder->attachments[decoder->attachment];
	struct reader row = reader_of(buf_slice(decoder->rest));

	reader_bytes(&row, (size_t)decoder->attachment * TABLE_ROW_SIZE + 4);
	if (reader_u64le(&row) != XXH3_64bits(attachment->data, attachment->size))
		return STATUS_CORRUPT;
	decoder->attachment++;
	decoder->filled = 0;
	return 0;
}

static int end_frame(struct frame_decoder *decoder)
{
	size_t table_size = (size_t)decoder->attachment_count * TABLE_ROW_SIZE;
	struct header header;
	struct frame frame;
	int status;

	read_header(decoder, &header);
	frame = (struct frame){
		.type = header.type,
		.request = header.request,
		.head = slice_of((uint8_t *)decoder->rest->data + table_size, header.head_size),
		.attachments = decoder->attachments,
		.attachment_count = decoder->attachment_count,
	};
	status = decoder->got(decoder->argument, &frame);
	drop_frame(decoder);
	return status;
}

/* What is being read: room for `*size` more bytes at the result. */
static uint8_t *room(struct frame_decoder *decoder, size_t *size)
{
	uint8_t *bytes = decoder->header;

	*size = FRAME_HEADER_SIZE;
	if (decoder->rest && decoder->attachment_count == 0) {
		bytes = decoder->rest->data;
		*size = decoder->rest->size;
	} else if (decoder->rest) {
		bytes = decoder->attachments[decoder->attachment]->data;
		*size = decoder->attachments[decoder->attachment]->size;
	}
	*size -= decoder->filled;
	return bytes + decoder->filled;
}

/* The part that was being read is complete. */
static int end_part(struct frame_decoder *decoder)
{
	bool was_attachment = decoder->attachment_count > 0;
	int status;

	if (!decoder->rest) {
		status = begin_rest(decoder);
		if (status < 0 || decoder->rest->size > 0)
			return status;
	}
	status = was_attachment ? end_attachment(decoder) : begin_attachments(decoder);
	if (status < 0 || decoder->attachment < decoder->attachment_count)
		return status;
	return end_frame(decoder);
}

int frame_decoder_feed(struct frame_decoder *decoder, struct slice bytes)
{
	const uint8_t *from = bytes.data;
	size_t left = bytes.size;
	int status = 0;

	while (left > 0 && status == 0) {
		size_t size;
		uint8_t *to = room(decoder, &size);
		bool is_whole = size <= left;

		if (!is_whole)
			size = left;
		memcpy(to, from, size);
		decoder->filled += size;
		from += size;
		left -= size;
		if (is_whole)
			status = end_part(decoder);
	}
	return status;
}
