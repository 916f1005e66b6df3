#include "store/rows/mutations.h"

#include <errno.h>

#include "proto/check.h"
#include "store/blocks/blocks.h"

#define RECORD_VERSION	   1
#define RECORD_HEADER_SIZE (2 + CODEC_VARINT_SIZE_MAX) /* room for version, flags and epoch */
#define WRITE_COUNT_MAX	   (UINT32_MAX / BLOCK_UNIT_SIZE) /* a payload's size fits in 32 bits */
#define WRITE_FLAG_BESIDE  1
#define OBJECT_UNIT_COUNT  (UINT64_MAX / BLOCK_UNIT_SIZE) /* units that a 64-bit file size can name */

/* ---- Collecting ---- */

/* Reserves room for the header, because the epoch is known only at mutations_finish. */
static struct writer *mutations_begin(struct mutations *mutations, enum mutation_kind kind)
{
	struct writer *record = &mutations->record;

	if (record->size_max == 0) {
		*record = writer_growing(MUTATIONS_SIZE_MAX);
		writer_reserve(record, RECORD_HEADER_SIZE);
	}
	writer_u8(record, (uint8_t)kind);
	mutations->count++;
	return record;
}

static void write_key(struct mutations *mutations, struct slice key)
{
	if (key.size > MUTATIONS_KEY_MAX && mutations->status == 0)
		mutations->status = STATUS_LIMIT;
	writer_slice(&mutations->record, key);
}

void mutations_put(struct mutations *mutations, enum key_space space, struct slice key, struct slice value)
{
	struct writer *record = mutations_begin(mutations, MUTATION_PUT);

	writer_u8(record, (uint8_t)space);
	write_key(mutations, key);
	writer_slice(record, value);
	mutations->data_put_count += space == KEY_DATA;
}

void mutations_delete(struct mutations *mutations, enum key_space space, struct slice key)
{
	writer_u8(mutations_begin(mutations, MUTATION_DELETE), (uint8_t)space);
	write_key(mutations, key);
	mutations->removal_count++;
}

void mutations_delete_range(
	struct mutations *mutations, enum key_space space, struct slice low, struct slice high)
{
	check(slice_compare(low, high) < 0);
	writer_u8(mutations_begin(mutations, MUTATION_DELETE_RANGE), (uint8_t)space);
	write_key(mutations, low);
	write_key(mutations, high);
	mutations->removal_count++;
}

static void release_whole(void *whole)
{
	buf_unref(whole);
}

/* A buf that shares `size` bytes of `whole` from `skip` on. */
static struct buf *share_part(struct buf *whole, size_t skip, size_t size)
{
	struct buf *part;

	if (skip == 0 && whole->size == size)
		return buf_ref(whole);
	part = buf_wrap((uint8_t *)whole->data + skip, size, release_whole, whole);
	if (part)
		buf_ref(whole);
	return part;
}

static void put_beside(struct mutations *mutations, struct buf *payload, size_t skip, size_t size)
{
	if (mutations->payload) {
		mutations->status = STATUS_LIMIT;
		return;
	}
	mutations->payload = share_part(payload, skip, size);
	if (!mutations->payload)
		mutations->status = -ENOMEM;
}

void mutations_write(struct mutations *mutations, struct slice object, uint64_t first, uint32_t count,
	struct buf *payload, size_t skip)
{
	size_t size = (size_t)count * BLOCK_UNIT_SIZE;
	bool is_beside = size >= MUTATIONS_BESIDE_SIZE;
	struct writer *record = mutations_begin(mutations, MUTATION_WRITE);
	const uint8_t *bytes = (const uint8_t *)payload->data + skip;

	check(count > 0);
	check(skip <= payload->size && size <= payload->size - skip);
	if (count > WRITE_COUNT_MAX || first > OBJECT_UNIT_COUNT - count) {
		mutations->status = STATUS_LIMIT;
		return;
	}
	write_key(mutations, object);
	writer_varint(record, first);
	writer_varint(record, count);
	writer_u8(record, is_beside ? WRITE_FLAG_BESIDE : 0);
	for (uint32_t i = 0; i < count; i++)
		writer_u32le(record, blocks_checksum(bytes + (size_t)i * BLOCK_UNIT_SIZE));
	if (is_beside && mutations->status == 0)
		put_beside(mutations, payload, skip, size);
	else if (!is_beside)
		writer_bytes(record, bytes, size);
	mutations->write_count++;
}

void mutations_unmap(struct mutations *mutations, struct slice object, uint64_t first, uint64_t count)
{
	struct writer *record = mutations_begin(mutations, MUTATION_UNMAP);

	check(count > 0);
	write_key(mutations, object);
	writer_varint(record, first);
	writer_varint(record, count);
	mutations->removal_count++;
}

bool mutations_spares_space(const struct mutations *mutations)
{
	return mutations->write_count == 0 &&
	       (mutations->data_put_count == 0 || mutations->removal_count > 0);
}

/* Writes the header right before the first mutation and returns the record as a part of the writer's buf. */
static int finish_record(struct mutations *mutations, uint64_t epoch_version, struct buf **data)
{
	uint8_t header[RECORD_HEADER_SIZE];
	struct writer writer = writer_fixed(header, sizeof header);
	struct buf *whole;
	size_t skip;
	int status;

	writer_u8(&writer, RECORD_VERSION);
	writer_u8(&writer, 0);
	writer_varint(&writer, epoch_version);
	status = writer_take(&mutations->record, &whole);
	if (status < 0)
		return status;
	skip = RECORD_HEADER_SIZE - writer.size;
	for (size_t i = 0; i < writer.size; i++)
		((uint8_t *)whole->data)[skip + i] = header[i];
	*data = buf_wrap((uint8_t *)whole->data + skip, whole->size - skip, release_whole, whole);
	if (*data)
		return 0;
	buf_unref(whole);
	return -ENOMEM;
}

int mutations_finish(struct mutations *mutations, uint64_t epoch_version, struct raft_entry *entry)
{
	int status = mutations->status;

	check(mutations->count > 0);
	*entry = (struct raft_entry){.type = RAFT_ENTRY_NORMAL};
	if (status == 0)
		status = finish_record(mutations, epoch_version, &entry->data);
	if (status == 0 && mutations->payload) {
		entry->payload = buf_ref(mutations->payload);
		entry->payload_size = (uint32_t)entry->payload->size;
	}
	mutations_close(mutations);
	return status;
}

void mutations_close(struct mutations *mutations)
{
	writer_close(&mutations->record);
	buf_unref(mutations->payload);
	*mutations = (struct mutations){0};
}

/* ---- Walking ---- */

static enum key_space read_space(struct reader *reader)
{
	uint8_t space = reader_u8(reader);

	if (space > KEY_LOCAL)
		reader_fail(reader);
	return (enum key_space)space;
}

static struct slice read_key(struct reader *reader)
{
	struct slice key = reader_slice(reader);

	if (key.size > MUTATIONS_KEY_MAX)
		reader_fail(reader);
	return key;
}

static void read_write(struct reader *reader, const struct raft_entry *entry, struct mutation *mutation)
{
	uint8_t flags;

	mutation->key = read_key(reader);
	mutation->first = reader_varint(reader);
	mutation->count = reader_varint(reader);
	flags = reader_u8(reader);
	mutation->is_beside = flags == WRITE_FLAG_BESIDE;
	if (flags > WRITE_FLAG_BESIDE || mutation->count == 0 || mutation->count > WRITE_COUNT_MAX ||
		mutation->first > OBJECT_UNIT_COUNT - mutation->count) {
		reader_fail(reader);
		return;
	}
	mutation->checksums = reader_bytes(reader, (size_t)mutation->count * 4).data;
	if (!mutation->is_beside)
		mutation->payload = reader_bytes(reader, (size_t)mutation->count * BLOCK_UNIT_SIZE);
	else if (mutation->count * BLOCK_UNIT_SIZE != entry->payload_size)
		reader_fail(reader);
}

static void read_mutation(struct reader *reader, const struct raft_entry *entry, struct mutation *mutation)
{
	*mutation = (struct mutation){.kind = (enum mutation_kind)reader_u8(reader)};
	switch (mutation->kind) {
	case MUTATION_PUT:
		mutation->space = read_space(reader);
		mutation->key = read_key(reader);
		mutation->value = reader_slice(reader);
		return;
	case MUTATION_DELETE:
		mutation->space = read_space(reader);
		mutation->key = read_key(reader);
		return;
	case MUTATION_DELETE_RANGE:
		mutation->space = read_space(reader);
		mutation->key = read_key(reader);
		mutation->high = read_key(reader);
		if (slice_compare(mutation->key, mutation->high) >= 0)
			reader_fail(reader);
		return;
	case MUTATION_WRITE:
		read_write(reader, entry, mutation);
		return;
	case MUTATION_UNMAP:
		mutation->key = read_key(reader);
		mutation->first = reader_varint(reader);
		mutation->count = reader_varint(reader);
		if (mutation->count == 0)
			reader_fail(reader);
		return;
	}
	reader_fail(reader);
}

static struct reader read_header(const struct raft_entry *entry, uint64_t *epoch_version)
{
	struct reader reader = reader_of(buf_slice(entry->data));

	if (reader_u8(&reader) != RECORD_VERSION || reader_u8(&reader) != 0)
		reader_fail(&reader);
	*epoch_version = reader_varint(&reader);
	return reader;
}

static int validate(const struct raft_entry *entry, struct reader reader)
{
	struct mutation mutation;
	uint32_t beside_count = 0;

	while (reader_has_more(&reader)) {
		read_mutation(&reader, entry, &mutation);
		beside_count += mutation.is_beside;
	}
	if (reader_finish(&reader) < 0 || beside_count != (entry->payload_size > 0 ? 1 : 0))
		return STATUS_CORRUPT;
	return 0;
}

int mutations_each(const struct raft_entry *entry, uint64_t *epoch_version, mutation_cb each, void *argument)
{
	struct reader reader = read_header(entry, epoch_version);
	struct mutation mutation;
	int status = validate(entry, reader);

	while (status == 0 && reader_has_more(&reader)) {
		read_mutation(&reader, entry, &mutation);
		status = each(argument, &mutation);
	}
	return status;
}

static int add_small_units(void *argument, const struct mutation *mutation)
{
	uint32_t *units = argument;

	if (mutation->kind == MUTATION_WRITE && !mutation->is_beside)
		*units += (uint32_t)mutation->count;
	return 0;
}

uint32_t mutations_small_units(const struct raft_entry *entry)
{
	uint64_t epoch_version;
	uint32_t units = 0;

	if (entry->type != RAFT_ENTRY_NORMAL || !entry->data ||
		mutations_each(entry, &epoch_version, add_small_units, &units) < 0)
		return 0;
	return units;
}
