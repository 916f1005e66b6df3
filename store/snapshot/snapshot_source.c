#include "store/snapshot/snapshot_source.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "store/snapshot/region_size.h"
#include "store/snapshot/snapshot_chunk.h"

struct snapshot_source {
	struct snapshots *snapshots;
	struct engines *engines;
	struct blocks_reader reader;
	struct kv_snapshot *kv;
	struct snapshot_head head;
	struct apply_state applied;
	struct region_size size; /* zero: not measured */
	struct snapshot_chain chain;
	enum snapshot_kind kind; /* of the rows that are being read */
	struct kv_iterator *rows; /* NULL: not begun */
	bool is_at_row; /* `rows` is at a row that has not been taken */
};

/* ---- Rows ------------------------------------------------------------------------------------------------------- */

/* Moves to the next row, through all kinds. STATUS_NOT_FOUND: there is none. */
static int snapshot_source_advance(struct snapshot_source *source)
{
	struct kv_engine *kv = source->engines->kv;
	struct key low, high;
	int status;

	for (;;) {
		region_rows(&source->head.region, source->kind, &low, &high);
		status = source->rows ? kv->ops->next(source->rows)
				      : kv->ops->iterator_new(kv, source->kv, KV_TIER_ALL, key_slice(&low),
						key_slice(&high), &source->rows);
		if (status == 0 && !source->is_at_row)
			status = kv->ops->seek(source->rows, key_slice(&low));
		source->is_at_row = status == 0;
		if (status != STATUS_NOT_FOUND || source->kind == SNAPSHOT_EXTENTS)
			return status;
		kv->ops->iterator_free(kv, source->rows);
		source->rows = NULL;
		source->kind++;
	}
}

static struct snapshot_record record_at(const struct snapshot_source *source)
{
	enum key_space space = source->kind == SNAPSHOT_LOCAL ? KEY_LOCAL : KEY_DATA;
	struct snapshot_record record = {.kind = source->kind};
	struct slice key;

	source->engines->kv->ops->row(source->rows, &key, &record.value);
	record.key =
		key_row_inner(space, key); /* one byte before an extent map's, as before a row of KEY_DATA */
	return record;
}

/* ---- Extents ---------------------------------------------------------------------------------------------------- */

/* Reads adjacent units at once into the chunk and verifies their checksums. */
static int read_run(
	struct snapshot_source *source, const struct extent_unit *units, uint32_t count, uint8_t *bytes)
{
	struct block_extent extent = {units[0].address, count};
	int status = blocks_read_now(source->engines->blocks, extent, 0, bytes, count);

	for (uint32_t i = 0; i < count && status == 0; i++)
		if (blocks_checksum(bytes + (size_t)i * BLOCK_UNIT_SIZE) != units[i].checksum)
			status = STATUS_CORRUPT;
	if (status == STATUS_CORRUPT)
		log_error(source->engines->logger,
			"region %llu: a unit among %u at address %llu is damaged: its snapshot cannot be "
			"sent",
			(unsigned long long)source->head.region.id, count,
			(unsigned long long)extent.address);
	return status;
}

/* Reads the units that the row maps behind the chunk's `before` units, and replaces their addresses. */
static int read_units(struct snapshot_source *source, struct extent_row *row, uint32_t before, uint8_t *bytes)
{
	int status = 0;

	for (uint32_t i = 0; i < EXTENT_ROW_UNITS && status == 0;) {
		struct extent_unit *units = &row->units[i];
		uint32_t count = 1;

		i++;
		if (units[0].address == EXTENT_HOLE)
			continue;
		for (; i < EXTENT_ROW_UNITS && row->units[i].address == units[0].address + count; i++)
			count++;
		status = read_run(source, units, count, bytes);
		for (uint32_t j = 0; j < count; j++)
			units[j].address = ++before;
		bytes += (size_t)count * BLOCK_UNIT_SIZE;
	}
	return status;
}

static uint32_t mapped_units(const struct extent_row *row)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < EXTENT_ROW_UNITS; i++)
		count += row->units[i].address != EXTENT_HOLE;
	return count;
}

/* STATUS_LIMIT: the chunk is full. */
static int add_extents(
	struct snapshot_source *source, struct snapshot_writer *writer, struct snapshot_record *record)
{
	struct buf *value = NULL;
	struct extent_row row;
	uint32_t units;
	int status = extent_row_decode(record->value, &row);

	if (status < 0)
		return status;
	units = mapped_units(&row);
	if (snapshot_writer_is_full(writer, units))
		return STATUS_LIMIT;
	status = read_units(source, &row, writer->unit_count, snapshot_writer_units(writer));
	if (status == 0)
		status = extent_row_encode(&row, &value);
	record->value = buf_slice(value);
	if (status == 0)
		snapshot_writer_add(writer, record, units);
	buf_unref(value);
	return status;
}

static int add_row(struct snapshot_source *source, struct snapshot_writer *writer)
{
	struct snapshot_record record = record_at(source);

	if (source->kind == SNAPSHOT_EXTENTS)
		return add_extents(source, writer, &record);
	if (snapshot_writer_is_full(writer, 0))
		return STATUS_LIMIT;
	snapshot_writer_add(writer, &record, 0);
	return 0;
}

int snapshot_source_next(struct snapshot_source *source, struct buf **chunk)
{
	struct snapshot_writer writer;
	int status = source->chain.is_last ? STATUS_NOT_FOUND : snapshot_writer_init(&writer);

	*chunk = NULL;
	if (status < 0)
		return status;
	if (!source->is_at_row)
		status = snapshot_source_advance(source);
	while (status == 0) {
		status = add_row(source, &writer);
		if (status == 0)
			status = snapshot_source_advance(source);
	}
	if (status == STATUS_LIMIT || status == STATUS_NOT_FOUND)
		status = snapshot_writer_take(&writer, &source->chain, status == STATUS_NOT_FOUND, chunk);
	snapshot_writer_close(&writer);
	if (status == 0)
		atomic_fetch_add(&source->snapshots->sent_size, (*chunk)->size);
	return status;
}

/* ---- Life ------------------------------------------------------------------------------------------------------- */

/* Reads the region state and apply state of the KV snapshot itself. */
static int read_states(struct snapshot_source *source, uint64_t region)
{
	struct kv_engine *kv = source->engines->kv;
	int status = apply_state_get(kv, source->kv, KV_TIER_ALL, region, &source->applied);

	return status < 0 ? status
			  : region_state_get(kv, source->kv, KV_TIER_ALL, region, &source->head.region);
}

static int open_source(struct snapshot_source *source, uint64_t region)
{
	struct engines *engines = source->engines;

	blocks_enter(engines->blocks, &source->reader);
	source->kv = engines->kv->ops->snapshot_new(engines->kv);
	source->kind = SNAPSHOT_LOCAL;
	env_random(engines->env, &source->head.stream, sizeof source->head.stream);
	source->chain.checksum = source->head.stream;
	return source->kv ? read_states(source, region) : -ENOMEM;
}

static int describe(const struct snapshot_source *source, struct raft_snapshot *snapshot)
{
	int status;

	*snapshot = (struct raft_snapshot){.index = source->applied.index, .term = source->applied.term};
	status = region_conf_state(&source->head.region, &snapshot->conf_state);
	if (status == 0)
		status = snapshot_head_encode(&source->head, &snapshot->data);
	if (status < 0)
		raft_snapshot_close(snapshot);
	return status;
}

int snapshot_source_new(struct snapshots *snapshots, uint64_t region, bool is_measured,
	struct snapshot_source **out, struct raft_snapshot *snapshot)
{
	struct snapshot_source *source;
	int status;

	*out = NULL;
	if (atomic_fetch_add(&snapshots->sources, 1) >= snapshots->count_max) {
		atomic_fetch_sub(&snapshots->sources, 1);
		return STATUS_LIMIT;
	}
	source = calloc(1, sizeof *source);
	if (!source) {
		atomic_fetch_sub(&snapshots->sources, 1);
		return -ENOMEM;
	}
	source->snapshots = snapshots;
	source->engines = snapshots->engines;
	status = open_source(source, region);
	if (status == 0 && is_measured)
		status = region_measure(source->engines->kv, source->kv, &source->head.region, &source->size);
	if (status == 0)
		status = describe(source, snapshot);
	if (status < 0)
		snapshot_source_free(source);
	else
		*out = source;
	return status;
}

uint64_t snapshot_source_index(const struct snapshot_source *source)
{
	return source->applied.index;
}

uint64_t snapshot_source_content_size(const struct snapshot_source *source)
{
	return source->size.unit_count * BLOCK_UNIT_SIZE + 2 * source->size.rows_size;
}

void snapshot_source_free(struct snapshot_source *source)
{
	struct kv_engine *kv;

	if (!source)
		return;
	kv = source->engines->kv;
	if (source->rows)
		kv->ops->iterator_free(kv, source->rows);
	if (source->kv)
		kv->ops->snapshot_free(kv, source->kv);
	blocks_leave(source->engines->blocks, &source->reader);
	region_close(&source->head.region);
	atomic_fetch_sub(&source->snapshots->sources, 1);
	free(source);
}
