#include "store/rows/payload.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/codec.h"
#include "proto/container.h"
#include "proto/plant.h"
#include "proto/status.h"

#define BESIDE_VERSION 1

static int allocate_parts(
	struct payload *payload, struct blocks *blocks, enum blocks_claim claim, uint32_t units)
{
	uint32_t capacity = 0;

	while (payload->units < units) {
		struct payload_part *parts = payload->parts;
		int status;

		if (payload->part_count == PAYLOAD_PARTS_MAX)
			return -ENOSPC;
		if (payload->part_count == capacity) {
			capacity = capacity ? capacity * 2 : 1;
			parts = realloc(parts, capacity * sizeof *parts);
			if (!parts)
				return -ENOMEM;
			payload->parts = parts;
		}
		parts[payload->part_count] = (struct payload_part){0};
		status = blocks_allocate(
			blocks, claim, units - payload->units, &parts[payload->part_count].extent);
		if (status < 0)
			return status;
		payload->units += parts[payload->part_count].extent.count;
		payload->part_count++;
	}
	return 0;
}

static int encode(struct payload *payload)
{
	struct writer writer = writer_growing(16 + PAYLOAD_PARTS_MAX * 2 * CODEC_VARINT_SIZE_MAX);

	writer_u8(&writer, BESIDE_VERSION);
	writer_varint(&writer, payload->part_count);
	for (uint32_t i = 0; i < payload->part_count; i++) {
		writer_varint(&writer, payload->parts[i].extent.address);
		writer_varint(&writer, payload->parts[i].extent.count);
	}
	return writer_take(&writer, &payload->beside);
}

static int payload_make(
	struct blocks *blocks, enum blocks_claim claim, uint32_t units, bool is_reserve, struct payload **out)
{
	struct payload *payload = calloc(1, sizeof *payload);
	int status;

	if (!payload)
		return -ENOMEM;
	payload->is_reserve = is_reserve;
	status = allocate_parts(payload, blocks, claim, units);
	if (status == 0 && !is_reserve)
		status = encode(payload);
	if (status < 0) {
		payload_cancel(payload, blocks);
		return status;
	}
	*out = payload;
	return 0;
}

int payload_new(struct blocks *blocks, enum blocks_claim claim, uint32_t units, struct payload **payload)
{
	return payload_make(blocks, claim, units, false, payload);
}

int payload_reserve(struct blocks *blocks, enum blocks_claim claim, uint32_t units, struct payload **payload)
{
	return payload_make(blocks, claim, units, true, payload);
}

int payload_reserve_later(uint32_t units, struct payload **out)
{
	struct payload *payload = calloc(1, sizeof *payload);

	if (!payload)
		return -ENOMEM;
	payload->is_reserve = true;
	payload->units_later = units;
	*out = payload;
	return 0;
}

void payload_reserve_now(struct payload *payload, struct blocks *blocks)
{
	uint32_t units = payload->units_later;

	payload->units_later = 0;
	if (units > 0)
		(void)allocate_parts(payload, blocks, BLOCKS_COMMITTED, units);
}

bool payload_take(struct payload *payload, uint32_t count, struct block_extent *extents)
{
	check(payload->is_reserve);
	if (count > payload->units)
		return false;
	payload->units -= count;
	while (count > 0) {
		struct block_extent *last = &payload->parts[payload->part_count - 1].extent;

		*extents = *last;
		if (extents->count > count)
			extents->count = count;
		last->address += extents->count;
		last->count -= extents->count;
		count -= extents->count;
		payload->part_count -= last->count == 0;
		extents++;
	}
	return true;
}

static int decode_parts(struct payload *payload, struct reader *reader)
{
	uint64_t units = 0;

	payload->parts = calloc(payload->part_count, sizeof *payload->parts);
	if (!payload->parts)
		return -ENOMEM;
	for (uint32_t i = 0; i < payload->part_count; i++) {
		struct block_extent *extent = &payload->parts[i].extent;
		uint64_t count;

		extent->address = reader_varint(reader);
		count = reader_varint(reader);
		if (count == 0 || count > UINT32_MAX - units)
			return STATUS_CORRUPT;
		extent->count = (uint32_t)count;
		units += count;
	}
	payload->units = (uint32_t)units;
	return reader_finish(reader) == 0 ? 0 : STATUS_CORRUPT;
}

int payload_decode(struct slice beside, struct payload **out)
{
	struct reader reader = reader_of(beside);
	uint8_t version = reader_u8(&reader);
	uint64_t part_count = reader_varint(&reader);
	struct payload *payload;
	int status;

	if (version != BESIDE_VERSION || part_count == 0 || part_count > PAYLOAD_PARTS_MAX)
		return STATUS_CORRUPT;
	payload = calloc(1, sizeof *payload);
	if (!payload)
		return -ENOMEM;
	payload->part_count = (uint32_t)part_count;
	payload->is_written = true;
	status = decode_parts(payload, &reader);
	if (status < 0) {
		payload_free(payload);
		return status;
	}
	*out = payload;
	return 0;
}

void payload_free(struct payload *payload)
{
	if (!payload)
		return;
	buf_unref(payload->bytes);
	buf_unref(payload->beside);
	free(payload->parts);
	free(payload);
}

static void on_part_written(struct blocks_request *request)
{
	struct payload_part *part = container_of(request, struct payload_part, request);
	struct payload *payload = part->payload;

	if (request->status < 0 || --payload->writes_pending > 0)
		return;
	payload->is_written = true;
	buf_unref(payload->bytes);
	payload->bytes = NULL;
	payload->written(payload);
}

void payload_write(struct payload *payload, struct blocks *blocks, struct buf *bytes, struct env_loop *loop,
	payload_cb written, void *owner)
{
	uint8_t *next = bytes->data;

	check(bytes->size == (size_t)payload->units * BLOCK_UNIT_SIZE);
	payload->bytes = buf_ref(bytes);
	payload->written = written;
	payload->owner = owner;
	payload->writes_pending = payload->part_count;
	for (uint32_t i = 0; i < payload->part_count; i++) {
		struct payload_part *part = &payload->parts[i];
		size_t size = (size_t)part->extent.count * BLOCK_UNIT_SIZE;

		part->payload = payload;
		part->vector = (struct iovec){.iov_base = next, .iov_len = size};
		part->request = (struct blocks_request){
			.extent = part->extent,
			.vector = &part->vector,
			.vector_count = 1,
			.sync = true,
			.loop = loop,
			.done = on_part_written,
		};
		PLANT("store:payload_unsynced", part->request.sync = false);
		next += size;
		blocks_write(blocks, &part->request);
	}
}

struct block_extent *payload_extents(const struct payload *payload)
{
	struct block_extent *extents = malloc(payload->part_count * sizeof *extents);

	for (uint32_t i = 0; extents && i < payload->part_count; i++)
		extents[i] = payload->parts[i].extent;
	return extents;
}

void payload_cancel(struct payload *payload, struct blocks *blocks)
{
	for (uint32_t i = 0; i < payload->part_count; i++)
		blocks_cancel(blocks, payload->parts[i].extent);
	payload_free(payload);
}

void payload_release(struct payload *payload, struct blocks *blocks, uint64_t mark)
{
	for (uint32_t i = 0; i < payload->part_count; i++)
		blocks_free(blocks, payload->parts[i].extent, mark);
	payload_free(payload);
}
