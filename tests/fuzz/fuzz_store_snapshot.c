/*
 * Any bytes as a snapshot that comes from another store: its head, a chunk as it is, and a chunk whose footer is right,
 * so that what lies before it is looked at; and as the position of a stage. Refused, or walked inside of its bounds.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/status.h"
#include "store/disk/checksum.h"
#include "store/snapshot/snapshot_chunk.h"
#include "store/snapshot/snapshot_stage.h"

#define STREAM	    7
#define UNITS_MAX   3u /* in front of the fuzzed records */
#define FOOTER_SIZE 24u

static void touch(struct slice bytes)
{
	volatile uint8_t sink = 0;

	for (size_t at = 0; at < bytes.size; at++)
		sink ^= ((const uint8_t *)bytes.data)[at];
}

/* Units are in order, inside of the chunk, and what their checksums say. */
static void check_units(const struct snapshot_reader *reader, const struct extent_row *row)
{
	for (uint32_t i = 0; i < EXTENT_ROW_UNITS; i++) {
		const struct extent_unit *unit = &row->units[i];

		if (unit->address == EXTENT_HOLE)
			continue;
		check(unit->address >= 1 && unit->address <= reader->unit_count);
		check(blocks_checksum(reader->units + (unit->address - 1) * BLOCK_UNIT_SIZE) ==
			unit->checksum);
	}
}

static void read_chunk(struct slice chunk)
{
	struct snapshot_chain chain = {.checksum = STREAM};
	struct snapshot_reader reader;
	struct snapshot_record record;
	struct extent_row row;
	int status = snapshot_reader_init(&reader, &chain, chunk);

	while (status == 0) {
		status = snapshot_reader_next(&reader, &record, &row);
		if (status < 0)
			break;
		touch(record.key);
		touch(record.value);
		if (record.kind == SNAPSHOT_EXTENTS)
			check_units(&reader, &row);
	}
	check(status == STATUS_NOT_FOUND || status == STATUS_MALFORMED);
}

/* As a sender would end a chunk of these records. */
static void read_sealed(uint32_t units, struct slice records)
{
	size_t size = units * BLOCK_UNIT_SIZE + records.size + FOOTER_SIZE;
	uint8_t *chunk = calloc(1, size);
	uint8_t *at = chunk + units * BLOCK_UNIT_SIZE;
	struct writer footer;

	check(chunk);
	if (records.size > 0)
		memcpy(at, records.data, records.size);
	footer = writer_fixed(at + records.size, FOOTER_SIZE);
	writer_u32le(&footer, 0x706e5352u);
	writer_u32le(&footer, 0);
	writer_u32le(&footer, units);
	writer_u32le(&footer, 1);
	writer_u64le(&footer, checksum_of(at, records.size + FOOTER_SIZE - 8, STREAM));
	read_chunk(slice_of(chunk, size));
	free(chunk);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct slice all = slice_of(bytes, size);
	struct snapshot_position position;
	struct snapshot_head head;

	if (size == 0)
		return 0;
	if (snapshot_head_decode(all, &head) == 0)
		region_close(&head.region);
	if (snapshot_position_decode(all, &position) == 0)
		region_close(&position.region);
	read_chunk(all);
	read_sealed(bytes[0] % (UNITS_MAX + 1), slice_of(bytes + 1, size - 1));
	return 0;
}
