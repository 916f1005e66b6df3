#include "store/snapshot/snapshot_chunk.h"

#include <errno.h>
#include <string.h>

#include "proto/check.h"
#include "proto/plant.h"
#include "proto/status.h"
#include "store/disk/checksum.h"

#define VERSION	    1
#define MAGIC	    0x706e5352u /* "RSnp" */
#define FLAG_LAST   1u
#define FOOTER_SIZE 24u
#define SUMMED_SIZE 16u /* bytes of the footer that its checksum covers */

/* ---- Head ------------------------------------------------------------------------------------------------------- */

int snapshot_head_encode(const struct snapshot_head *head, struct buf **bytes)
{
	struct writer writer = writer_growing(MUTATIONS_SIZE_MAX);
	struct buf *region;
	int status = region_encode(&head->region, &region);

	*bytes = NULL;
	if (status < 0)
		return status;
	writer_u8(&writer, VERSION);
	writer_u64le(&writer, head->stream);
	writer_slice(&writer, buf_slice(region));
	buf_unref(region);
	return writer_take(&writer, bytes);
}

int snapshot_head_decode(struct slice bytes, struct snapshot_head *head)
{
	struct reader reader = reader_of(bytes);
	uint8_t version = reader_u8(&reader);
	struct slice region;

	*head = (struct snapshot_head){0};
	if (reader.status == 0 && version != VERSION)
		return -EPROTO;
	head->stream = reader_u64le(&reader);
	region = reader_slice(&reader);
	if (reader_finish(&reader) < 0)
		return STATUS_CORRUPT;
	return region_decode(region, &head->region);
}

/* ---- Order ------------------------------------------------------------------------------------------------------ */

static int compare(const struct snapshot_chain *chain, uint8_t kind, struct slice key)
{
	if (chain->kind != kind)
		return chain->kind < kind ? -1 : 1;
	return slice_compare(slice_of(chain->key, chain->key_size), key);
}

static void remember(struct snapshot_chain *chain, uint8_t kind, struct slice key)
{
	chain->kind = kind;
	chain->key_size = key.size;
	if (key.size > 0)
		memcpy(chain->key, key.data, key.size);
}

/* ---- Writing ---------------------------------------------------------------------------------------------------- */

int snapshot_writer_init(struct snapshot_writer *writer)
{
	*writer = (struct snapshot_writer){
		.units = buf_new(SNAPSHOT_CHUNK_SIZE_MAX),
		.records = writer_growing(
			SNAPSHOT_CHUNK_SIZE_MAX - SNAPSHOT_UNITS_MAX * BLOCK_UNIT_SIZE - FOOTER_SIZE),
	};
	return writer->units ? 0 : -ENOMEM;
}

void snapshot_writer_close(struct snapshot_writer *writer)
{
	buf_unref(writer->units);
	writer->units = NULL;
	writer_close(&writer->records);
}

bool snapshot_writer_is_full(const struct snapshot_writer *writer, uint32_t units)
{
	return writer->records.size >= SNAPSHOT_RECORDS_SIZE ||
	       writer->unit_count + units > SNAPSHOT_UNITS_MAX;
}

void *snapshot_writer_units(const struct snapshot_writer *writer)
{
	return (uint8_t *)writer->units->data + (size_t)writer->unit_count * BLOCK_UNIT_SIZE;
}

void snapshot_writer_add(struct snapshot_writer *writer, const struct snapshot_record *record, uint32_t units)
{
	check(record->key.size <= SNAPSHOT_KEY_MAX);
	writer_u8(&writer->records, (uint8_t)record->kind);
	writer_slice(&writer->records, record->key);
	writer_slice(&writer->records, record->value);
	writer->unit_count += units;
}

int snapshot_writer_take(
	struct snapshot_writer *writer, struct snapshot_chain *chain, bool is_last, struct buf **chunk)
{
	struct slice records = writer_written(&writer->records);
	size_t size = (size_t)writer->unit_count * BLOCK_UNIT_SIZE;
	struct writer footer;
	uint8_t *to;

	*chunk = NULL;
	if (writer->records.status < 0)
		return writer->records.status;
	to = (uint8_t *)writer->units->data + size;
	if (records.size > 0)
		memcpy(to, records.data, records.size);
	footer = writer_fixed(to + records.size, FOOTER_SIZE);
	writer_u32le(&footer, MAGIC);
	writer_u32le(&footer, chain->number++);
	writer_u32le(&footer, writer->unit_count);
	writer_u32le(&footer, is_last ? FLAG_LAST : 0);
	chain->checksum = checksum_of(to, records.size + SUMMED_SIZE, chain->checksum);
	chain->is_last = is_last;
	writer_u64le(&footer, chain->checksum);
	writer->units->size = size + records.size + FOOTER_SIZE;
	*chunk = writer->units;
	writer->units = NULL;
	snapshot_writer_close(writer);
	return 0;
}

/* ---- Reading ---------------------------------------------------------------------------------------------------- */

int snapshot_reader_init(struct snapshot_reader *reader, struct snapshot_chain *chain, struct slice chunk)
{
	bool is_sound;
	const uint8_t *bytes = chunk.data;
	size_t units_size, records_size;
	uint32_t magic, number, flags;
	struct reader footer;
	uint64_t checksum;

	*reader = (struct snapshot_reader){.chain = chain, .units = bytes};
	if (chain->is_last || chunk.size < FOOTER_SIZE || chunk.size > SNAPSHOT_CHUNK_SIZE_MAX)
		return STATUS_MALFORMED;
	footer = reader_of(slice_of(bytes + chunk.size - FOOTER_SIZE, FOOTER_SIZE));
	magic = reader_u32le(&footer);
	number = reader_u32le(&footer);
	reader->unit_count = reader_u32le(&footer);
	flags = reader_u32le(&footer);
	checksum = reader_u64le(&footer);
	units_size = (size_t)reader->unit_count * BLOCK_UNIT_SIZE;
	if (magic != MAGIC || number != chain->number || (flags & ~FLAG_LAST) ||
		reader->unit_count > SNAPSHOT_UNITS_MAX || units_size > chunk.size - FOOTER_SIZE)
		return STATUS_MALFORMED;
	records_size = chunk.size - FOOTER_SIZE - units_size;
	is_sound = checksum_of(bytes + units_size, records_size + SUMMED_SIZE, chain->checksum) == checksum;
	PLANT("snapshot:chain_unchecked", is_sound = true);
	if (!is_sound)
		return STATUS_MALFORMED;
	reader->records = reader_of(slice_of(bytes + units_size, records_size));
	chain->checksum = checksum;
	chain->number++;
	chain->is_last = flags & FLAG_LAST;
	return 0;
}

/* The rows use the chunk's units in order, each once. */
static int check_units(struct snapshot_reader *reader, const struct extent_row *row)
{
	for (uint32_t i = 0; i < EXTENT_ROW_UNITS; i++) {
		const struct extent_unit *unit = &row->units[i];
		const uint8_t *bytes = reader->units + (size_t)reader->units_used * BLOCK_UNIT_SIZE;
		bool is_sound;

		if (unit->address == EXTENT_HOLE)
			continue;
		if (unit->address != reader->units_used + 1 || reader->units_used == reader->unit_count)
			return STATUS_MALFORMED;
		is_sound = blocks_checksum(bytes) == unit->checksum;
		PLANT("snapshot:units_unchecked", is_sound = true);
		if (!is_sound)
			return STATUS_MALFORMED;
		reader->units_used++;
	}
	return 0;
}

static int check_extents(
	struct snapshot_reader *reader, const struct snapshot_record *record, struct extent_row *row)
{
	uint64_t first;

	if (record->key.size < 9 || extent_row_first(record->key, &first) < 0 ||
		extent_row_decode(record->value, row) < 0)
		return STATUS_MALFORMED;
	return check_units(reader, row);
}

int snapshot_reader_next(
	struct snapshot_reader *reader, struct snapshot_record *record, struct extent_row *row)
{
	struct snapshot_chain *chain = reader->chain;
	uint8_t kind;

	if (!reader_has_more(&reader->records))
		return reader_finish(&reader->records) < 0 || reader->units_used != reader->unit_count
			       ? STATUS_MALFORMED
			       : STATUS_NOT_FOUND;
	kind = reader_u8(&reader->records);
	record->kind = (enum snapshot_kind)kind;
	record->key = reader_slice(&reader->records);
	record->value = reader_slice(&reader->records);
	if (reader->records.status < 0 || kind < SNAPSHOT_LOCAL || kind > SNAPSHOT_EXTENTS ||
		record->key.size > (kind == SNAPSHOT_EXTENTS ? SNAPSHOT_KEY_MAX : MUTATIONS_KEY_MAX) ||
		compare(chain, kind, record->key) >= 0)
		return STATUS_MALFORMED;
	remember(chain, kind, record->key);
	return kind == SNAPSHOT_EXTENTS ? check_extents(reader, record, row) : 0;
}
