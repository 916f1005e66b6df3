#include "store/rows/extent_map.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "proto/check.h"
#include "proto/codec.h"
#include "proto/status.h"

#define VERSION	    1
#define HEAD_COUNT  0x3f
#define HEAD_GAP    0x40
#define HEAD_REGION 0x80

/* The values that a run is encoded relative to. */
struct previous {
	uint32_t end; /* unit of the row */
	uint64_t address; /* past the end of the previous run */
	uint64_t region;
	uint64_t index;
};

/* Encodes the difference, modulo 2^64, so that small differences of either sign are small numbers. */
static uint64_t zigzag(uint64_t value, uint64_t base)
{
	uint64_t difference = value - base;

	return difference << 1 ^ (difference >> 63 ? UINT64_MAX : 0);
}

static uint64_t unzigzag(uint64_t code, uint64_t base)
{
	return base + (code >> 1 ^ (code & 1 ? UINT64_MAX : 0));
}

void extent_row_clear(struct extent_row *row)
{
	for (uint32_t i = 0; i < EXTENT_ROW_UNITS; i++)
		row->units[i] = (struct extent_unit){.address = EXTENT_HOLE};
}

/* ---- Encoding --------------------------------------------------------------------------------------------------- */

static bool continues(const struct extent_unit *a, const struct extent_unit *b)
{
	return b->address == a->address + 1 && b->region == a->region && b->index == a->index;
}

/* The number of units of the run at `first`, which is mapped. */
static uint32_t run_length(const struct extent_row *row, uint32_t first)
{
	uint32_t end = first + 1;

	while (end < EXTENT_ROW_UNITS && continues(&row->units[end - 1], &row->units[end]))
		end++;
	return end - first;
}

static void encode_run(struct writer *writer, const struct extent_row *row, uint32_t first, uint32_t count,
	const struct previous *previous)
{
	const struct extent_unit *unit = &row->units[first];
	bool has_gap = first > previous->end;
	bool has_region = unit->region != previous->region;

	check(unit->address > 0);
	check(unit->address <= EXTENT_ADDRESS_MAX - count);
	writer_u8(writer, (uint8_t)((count - 1) | (has_gap ? HEAD_GAP : 0) | (has_region ? HEAD_REGION : 0)));
	if (has_gap)
		writer_u8(writer, (uint8_t)(first - previous->end));
	if (has_region)
		writer_varint(writer, unit->region);
	writer_varint(writer, zigzag(unit->address, previous->address));
	writer_varint(writer, zigzag(unit->index, previous->index));
	for (uint32_t i = 0; i < count; i++)
		writer_u32le(writer, unit[i].checksum);
}

/* Encodes into EXTENT_ROW_SIZE_MAX bytes. Returns the size; 0 for a row that maps nothing. */
static size_t encode(const struct extent_row *row, uint8_t *bytes)
{
	struct writer writer = writer_fixed(bytes, EXTENT_ROW_SIZE_MAX);
	struct previous previous = {0};
	uint32_t count;

	writer_u8(&writer, VERSION);
	for (uint32_t first = 0; first < EXTENT_ROW_UNITS; first += count) {
		const struct extent_unit *unit = &row->units[first];

		count = 1;
		if (unit->address == EXTENT_HOLE)
			continue;
		count = run_length(row, first);
		encode_run(&writer, row, first, count, &previous);
		previous = (struct previous){first + count, unit->address + count, unit->region, unit->index};
	}
	check(writer.status == 0);
	return previous.end > 0 ? writer.size : 0;
}

int extent_row_encode(const struct extent_row *row, struct buf **bytes)
{
	uint8_t encoded[EXTENT_ROW_SIZE_MAX];
	size_t size = encode(row, encoded);

	*bytes = size > 0 ? buf_copy(encoded, size) : NULL;
	return size > 0 && !*bytes ? -ENOMEM : 0;
}

/* ---- Decoding --------------------------------------------------------------------------------------------------- */

static void decode_run(struct reader *reader, struct extent_row *row, struct previous *previous)
{
	uint8_t head = reader_u8(reader);
	uint32_t first = previous->end + (head & HEAD_GAP ? reader_u8(reader) : 0);
	uint32_t count = (head & HEAD_COUNT) + 1u;
	struct extent_unit unit = {.region = previous->region};

	if (head & HEAD_REGION)
		unit.region = reader_varint(reader);
	unit.address = unzigzag(reader_varint(reader), previous->address);
	unit.index = unzigzag(reader_varint(reader), previous->index);
	if (first >= EXTENT_ROW_UNITS || count > EXTENT_ROW_UNITS - first || unit.address == 0 ||
		unit.address > EXTENT_ADDRESS_MAX - count) {
		reader_fail(reader);
		return;
	}
	for (uint32_t i = first; i < first + count; i++, unit.address++) {
		unit.checksum = reader_u32le(reader);
		row->units[i] = unit;
	}
	*previous = (struct previous){first + count, unit.address, unit.region, unit.index};
}

int extent_row_decode(struct slice bytes, struct extent_row *row)
{
	struct reader reader = reader_of(bytes);
	uint8_t again[EXTENT_ROW_SIZE_MAX];
	struct previous previous = {0};

	extent_row_clear(row);
	if (bytes.size > sizeof again || reader_u8(&reader) != VERSION)
		return STATUS_CORRUPT;
	while (reader_has_more(&reader))
		decode_run(&reader, row, &previous);
	if (reader_finish(&reader) || encode(row, again) != bytes.size)
		return STATUS_CORRUPT;
	return memcmp(again, bytes.data, bytes.size) == 0 ? 0 : STATUS_CORRUPT;
}
