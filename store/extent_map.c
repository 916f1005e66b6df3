#include "store/extent_map.h"

#include <string.h>

#include "proto/check.h"
#include "proto/codec.h"

#define VERSION	    1
#define HEAD_COUNT  0x3f
#define HEAD_GAP    0x40
#define HEAD_REGION 0x80

/* What a run is written relative to. */
struct previous {
	uint32_t end; /* unit of the row */
	uint64_t address; /* behind it */
	struct extent_origin origin;
};

/* Small numbers of either sign as small numbers; the difference is taken modulo 2^64. */
static uint64_t zigzag(uint64_t value, uint64_t base)
{
	uint64_t difference = value - base;

	return difference << 1 ^ (difference >> 63 ? UINT64_MAX : 0);
}

static uint64_t unzigzag(uint64_t code, uint64_t base)
{
	return base + (code >> 1 ^ (code & 1 ? UINT64_MAX : 0));
}

static bool is_hole(const struct extent_map_unit *unit)
{
	return unit->address == 0;
}

static bool follows(const struct extent_map_unit *a, const struct extent_map_unit *b)
{
	if (is_hole(a) || is_hole(b))
		return is_hole(a) && is_hole(b);
	return b->address == a->address + 1 && b->origin.region == a->origin.region &&
	       b->origin.index == a->origin.index;
}

struct extent_map_run extent_map_run_at(const struct extent_map *map, uint32_t first)
{
	const struct extent_map_unit *units = map->units;
	uint32_t end = first + 1;

	check(first < EXTENT_MAP_UNITS);
	while (end < EXTENT_MAP_UNITS && follows(&units[end - 1], &units[end]))
		end++;
	return (struct extent_map_run){
		.first = first,
		.count = end - first,
		.is_hole = is_hole(&units[first]),
		.extent = {units[first].address, end - first},
		.origin = units[first].origin,
	};
}

/* ---- Encoding --------------------------------------------------------------------------------------------------- */

static void encode_run(struct writer *writer, const struct extent_map *map, const struct extent_map_run *run,
	const struct previous *previous)
{
	bool has_gap = run->first > previous->end;
	bool has_region = run->origin.region != previous->origin.region;

	writer_u8(writer,
		(uint8_t)((run->count - 1) | (has_gap ? HEAD_GAP : 0) | (has_region ? HEAD_REGION : 0)));
	if (has_gap)
		writer_u8(writer, (uint8_t)(run->first - previous->end));
	if (has_region)
		writer_varint(writer, run->origin.region);
	writer_varint(writer, zigzag(run->extent.address, previous->address));
	writer_varint(writer, zigzag(run->origin.index, previous->origin.index));
	for (uint32_t i = run->first; i < run->first + run->count; i++)
		writer_u32le(writer, map->units[i].checksum);
}

size_t extent_map_encode(const struct extent_map *map, uint8_t *bytes)
{
	struct writer writer = writer_fixed(bytes, EXTENT_MAP_SIZE_MAX);
	struct previous previous = {0};
	struct extent_map_run run;

	writer_u8(&writer, VERSION);
	for (uint32_t first = 0; first < EXTENT_MAP_UNITS; first += run.count) {
		run = extent_map_run_at(map, first);
		if (run.is_hole)
			continue;
		encode_run(&writer, map, &run, &previous);
		previous = (struct previous){first + run.count, run.extent.address + run.count, run.origin};
	}
	check(writer.status == 0);
	return previous.end > 0 ? writer.size : 0;
}

/* ---- Decoding --------------------------------------------------------------------------------------------------- */

static void decode_run(struct reader *reader, struct extent_map *map, struct previous *previous)
{
	uint8_t head = reader_u8(reader);
	uint32_t first = previous->end + (head & HEAD_GAP ? reader_u8(reader) : 0);
	uint32_t count = (head & HEAD_COUNT) + 1u;
	struct extent_origin origin = previous->origin;
	uint64_t address;

	if (head & HEAD_REGION)
		origin.region = reader_varint(reader);
	address = unzigzag(reader_varint(reader), previous->address);
	origin.index = unzigzag(reader_varint(reader), previous->origin.index);
	if (first >= EXTENT_MAP_UNITS || count > EXTENT_MAP_UNITS - first || address == 0 ||
		address > EXTENT_MAP_ADDRESS_MAX - count) {
		reader_fail(reader);
		return;
	}
	for (uint32_t i = 0; i < count; i++)
		map->units[first + i] = (struct extent_map_unit){address + i, origin, reader_u32le(reader)};
	*previous = (struct previous){first + count, address + count, origin};
}

int extent_map_decode(struct slice bytes, struct extent_map *map)
{
	struct reader reader = reader_of(bytes);
	uint8_t again[EXTENT_MAP_SIZE_MAX];
	struct previous previous = {0};

	*map = (struct extent_map){0};
	if (bytes.size > sizeof again || reader_u8(&reader) != VERSION)
		return STATUS_CORRUPT;
	while (reader_has_more(&reader))
		decode_run(&reader, map, &previous);
	if (reader_finish(&reader) || extent_map_encode(map, again) != bytes.size)
		return STATUS_CORRUPT;
	return memcmp(again, bytes.data, bytes.size) == 0 ? 0 : STATUS_CORRUPT;
}

/* ---- Editing ---------------------------------------------------------------------------------------------------- */

void extent_map_unset(struct extent_map *map, uint32_t first, uint32_t count, extent_map_replaced_cb replaced,
	void *argument)
{
	uint32_t end = first + count;

	check(count <= EXTENT_MAP_UNITS);
	check(first <= EXTENT_MAP_UNITS - count);
	while (first < end) {
		struct extent_map_run run = extent_map_run_at(map, first);

		if (run.count > end - first)
			run.count = run.extent.count = end - first;
		if (!run.is_hole)
			replaced(argument, run.extent);
		memset(&map->units[first], 0, run.count * sizeof map->units[0]);
		first += run.count;
	}
}

void extent_map_set(struct extent_map *map, uint32_t first, struct block_extent extent,
	struct extent_origin origin, const uint32_t *checksums, extent_map_replaced_cb replaced,
	void *argument)
{
	check(extent.address > 0);
	check(extent.count > 0);
	check(extent.address <= EXTENT_MAP_ADDRESS_MAX - extent.count);
	extent_map_unset(map, first, extent.count, replaced, argument);
	for (uint32_t i = 0; i < extent.count; i++)
		map->units[first + i] = (struct extent_map_unit){extent.address + i, origin, checksums[i]};
}

/* ---- Keys ------------------------------------------------------------------------------------------------------- */

void extent_map_key_suffix(uint64_t unit, uint8_t suffix[EXTENT_MAP_KEY_SUFFIX])
{
	struct writer writer = writer_fixed(suffix, EXTENT_MAP_KEY_SUFFIX);

	writer_u64be(&writer, unit / EXTENT_MAP_UNITS);
}

int extent_map_key_unit(struct slice key, uint64_t *unit)
{
	struct reader reader;
	uint64_t number;

	if (key.size < EXTENT_MAP_KEY_SUFFIX)
		return STATUS_CORRUPT;
	reader = reader_of(slice_of(
		(const uint8_t *)key.data + key.size - EXTENT_MAP_KEY_SUFFIX, EXTENT_MAP_KEY_SUFFIX));
	number = reader_u64be(&reader);
	*unit = number * EXTENT_MAP_UNITS;
	return number <= UINT64_MAX / EXTENT_MAP_UNITS ? 0 : STATUS_CORRUPT;
}
