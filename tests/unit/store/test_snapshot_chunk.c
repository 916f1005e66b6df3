/* Chunks of snapshots: what goes in comes out, and nothing else does. */
#include "store/snapshot/snapshot_chunk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/plant.h"
#include "store/rows/extents.h"
#include "tests/lib/test.h"

#define STREAM 4711

static struct snapshot_chain chain_of(uint64_t stream)
{
	return (struct snapshot_chain){.checksum = stream};
}

static void add_row(
	struct snapshot_writer *writer, enum snapshot_kind kind, const char *key, const char *value)
{
	struct snapshot_record record = {kind, slice_of(key, strlen(key)), slice_of(value, strlen(value))};

	snapshot_writer_add(writer, &record, 0);
}

/* Units `first` and `first + 2` of the row, behind those that the chunk has. */
static void add_extents(struct snapshot_writer *writer, const char *object, uint32_t first, char fill)
{
	struct extent_row row;
	struct key prefix, key;
	struct buf *value;
	uint8_t *bytes = snapshot_writer_units(writer);

	extent_row_clear(&row);
	for (uint32_t i = 0; i < 2; i++) {
		memset(bytes + (size_t)i * BLOCK_UNIT_SIZE, fill + (char)i, BLOCK_UNIT_SIZE);
		row.units[first + i * 2] = (struct extent_unit){
			.address = writer->unit_count + i + 1,
			.region = 1,
			.index = 30 + i,
			.checksum = blocks_checksum(bytes + (size_t)i * BLOCK_UNIT_SIZE),
		};
	}
	key_object(&prefix, slice_of(object, strlen(object)));
	extent_row_key(&key, &prefix, first);
	assert_int_equal(extent_row_encode(&row, &value), 0);
	snapshot_writer_add(writer,
		&(struct snapshot_record){
			SNAPSHOT_EXTENTS, key_row_inner(KEY_DATA, key_slice(&key)), buf_slice(value)},
		2);
	buf_unref(value);
}

static struct buf *take(struct snapshot_writer *writer, struct snapshot_chain *chain, bool is_last)
{
	struct buf *chunk;

	assert_int_equal(snapshot_writer_take(writer, chain, is_last, &chunk), 0);
	return chunk;
}

/* Two chunks: rows; and rows with units. */
static void make_stream(uint64_t stream, struct buf *chunks[2])
{
	struct snapshot_chain chain = chain_of(stream);
	struct snapshot_writer writer;

	assert_int_equal(snapshot_writer_init(&writer), 0);
	add_row(&writer, SNAPSHOT_LOCAL, "session", "one");
	add_row(&writer, SNAPSHOT_DATA, "a", "");
	chunks[0] = take(&writer, &chain, false);
	assert_int_equal(snapshot_writer_init(&writer), 0);
	add_row(&writer, SNAPSHOT_DATA, "b", "two");
	add_extents(&writer, "object", 0, 'x');
	add_extents(&writer, "other", 5, 'y');
	chunks[1] = take(&writer, &chain, true);
}

static void drop_stream(struct buf *chunks[2])
{
	buf_unref(chunks[0]);
	buf_unref(chunks[1]);
}

/* Reads a chunk to its end; how many records it has. */
static int read_chunk(struct snapshot_chain *chain, struct slice chunk, int *count)
{
	struct snapshot_reader reader;
	struct snapshot_record record;
	struct extent_row row;
	int status = snapshot_reader_init(&reader, chain, chunk);

	*count = 0;
	while (status == 0) {
		status = snapshot_reader_next(&reader, &record, &row);
		*count += status == 0;
	}
	return status == STATUS_NOT_FOUND ? 0 : status;
}

/* ---- Tests ------------------------------------------------------------------------------------------------------ */

static void records_come_back_in_order(void **state)
{
	struct snapshot_chain chain = chain_of(STREAM);
	struct snapshot_reader reader;
	struct snapshot_record record;
	struct extent_row row;
	struct buf *chunks[2];

	(void)state;
	make_stream(STREAM, chunks);
	assert_int_equal(snapshot_reader_init(&reader, &chain, buf_slice(chunks[0])), 0);
	assert_false(chain.is_last);
	assert_int_equal(snapshot_reader_next(&reader, &record, &row), 0);
	assert_int_equal(record.kind, SNAPSHOT_LOCAL);
	assert_int_equal(record.key.size, 7);
	assert_memory_equal(record.value.data, "one", 3);
	assert_int_equal(snapshot_reader_next(&reader, &record, &row), 0);
	assert_int_equal(record.kind, SNAPSHOT_DATA);
	assert_int_equal(record.value.size, 0);
	assert_int_equal(snapshot_reader_next(&reader, &record, &row), STATUS_NOT_FOUND);
	assert_int_equal(snapshot_reader_init(&reader, &chain, buf_slice(chunks[1])), 0);
	assert_true(chain.is_last);
	assert_int_equal(snapshot_reader_next(&reader, &record, &row), 0);
	assert_int_equal(snapshot_reader_next(&reader, &record, &row), 0);
	assert_int_equal(record.kind, SNAPSHOT_EXTENTS);
	assert_int_equal(row.units[0].address, 1);
	assert_int_equal(row.units[1].address, EXTENT_HOLE);
	assert_int_equal(row.units[2].address, 2);
	assert_int_equal(row.units[2].index, 31);
	assert_int_equal(snapshot_reader_next(&reader, &record, &row), 0);
	assert_int_equal(row.units[5].address, 3);
	assert_int_equal(reader.units[2 * BLOCK_UNIT_SIZE], 'y');
	assert_int_equal(snapshot_reader_next(&reader, &record, &row), STATUS_NOT_FOUND);
	drop_stream(chunks);
}

static void chunks_of_a_stream_are_taken_once_and_in_order(void **state)
{
	struct buf *chunks[2], *others[2];
	struct snapshot_chain chain;
	int count;

	(void)state;
	make_stream(STREAM, chunks);
	make_stream(STREAM + 1, others);
	chain = chain_of(STREAM);
	assert_int_equal(read_chunk(&chain, buf_slice(chunks[1]), &count), STATUS_MALFORMED);
	chain = chain_of(STREAM);
	assert_int_equal(read_chunk(&chain, buf_slice(others[0]), &count), STATUS_MALFORMED);
	chain = chain_of(STREAM);
	assert_int_equal(read_chunk(&chain, buf_slice(chunks[0]), &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(read_chunk(&chain, buf_slice(chunks[0]), &count), STATUS_MALFORMED);
	chain = chain_of(STREAM);
	assert_int_equal(read_chunk(&chain, buf_slice(chunks[0]), &count), 0);
	assert_int_equal(read_chunk(&chain, buf_slice(others[1]), &count), STATUS_MALFORMED);
	chain = chain_of(STREAM);
	assert_int_equal(read_chunk(&chain, buf_slice(chunks[0]), &count), 0);
	assert_int_equal(read_chunk(&chain, buf_slice(chunks[1]), &count), 0);
	assert_int_equal(count, 3);
	assert_int_equal(read_chunk(&chain, buf_slice(chunks[1]), &count), STATUS_MALFORMED);
	drop_stream(chunks);
	drop_stream(others);
}

/* Of units every 97th byte is tried, of the rest every one. */
static void no_byte_may_change(void **state)
{
	struct buf *chunks[2];
	int count;

	(void)state;
	make_stream(STREAM, chunks);
	for (size_t at = 0; at < chunks[1]->size; at += at < 4 * BLOCK_UNIT_SIZE - 97 ? 97 : 1) {
		struct snapshot_chain chain = chain_of(STREAM);
		uint8_t *byte = (uint8_t *)chunks[1]->data + at;

		assert_int_equal(read_chunk(&chain, buf_slice(chunks[0]), &count), 0);
		*byte ^= 0x10;
		assert_int_equal(read_chunk(&chain, buf_slice(chunks[1]), &count), STATUS_MALFORMED);
		*byte ^= 0x10;
	}
	drop_stream(chunks);
}

static void no_chunk_may_be_cut(void **state)
{
	struct buf *chunks[2];
	int count;

	(void)state;
	make_stream(STREAM, chunks);
	for (size_t size = 0; size < chunks[0]->size; size++) {
		struct snapshot_chain chain = chain_of(STREAM);

		assert_int_equal(
			read_chunk(&chain, slice_of(chunks[0]->data, size), &count), STATUS_MALFORMED);
	}
	drop_stream(chunks);
}

/* A sender that is wrong about order, or about units, is not believed. */
static void nonsense_with_good_checksums_is_refused(void **state)
{
	struct snapshot_chain to = chain_of(STREAM), from = chain_of(STREAM);
	struct snapshot_writer writer;
	struct buf *chunk;
	int count;

	(void)state;
	assert_int_equal(snapshot_writer_init(&writer), 0);
	add_row(&writer, SNAPSHOT_DATA, "b", "1");
	add_row(&writer, SNAPSHOT_DATA, "b", "2");
	chunk = take(&writer, &to, true);
	assert_int_equal(read_chunk(&from, buf_slice(chunk), &count), STATUS_MALFORMED);
	buf_unref(chunk);

	to = from = chain_of(STREAM);
	assert_int_equal(snapshot_writer_init(&writer), 0);
	add_row(&writer, SNAPSHOT_EXTENTS, "short", "1");
	chunk = take(&writer, &to, true);
	assert_int_equal(read_chunk(&from, buf_slice(chunk), &count), STATUS_MALFORMED);
	buf_unref(chunk);

	/* A unit that no row names. */
	to = from = chain_of(STREAM);
	assert_int_equal(snapshot_writer_init(&writer), 0);
	add_extents(&writer, "object", 0, 'x');
	writer.unit_count++;
	chunk = take(&writer, &to, true);
	assert_int_equal(read_chunk(&from, buf_slice(chunk), &count), STATUS_MALFORMED);
	buf_unref(chunk);
}

static void head_comes_back(void **state)
{
	const struct region_peer peers[] = {{1, 1, REGION_VOTER}, {4, 4, REGION_LEARNER}};
	struct snapshot_head head = {.stream = STREAM}, again;
	struct buf *bytes;

	(void)state;
	assert_int_equal(region_init(&head.region, 7, slice_of("a", 1), slice_of("m", 1), peers, 2), 0);
	assert_int_equal(snapshot_head_encode(&head, &bytes), 0);
	assert_int_equal(snapshot_head_decode(buf_slice(bytes), &again), 0);
	assert_int_equal(again.stream, STREAM);
	assert_int_equal(again.region.id, 7);
	assert_int_equal(again.region.peer_count, 2);
	region_close(&again.region);
	for (size_t size = 0; size < bytes->size; size++)
		assert_int_equal(snapshot_head_decode(slice_of(bytes->data, size), &again), STATUS_CORRUPT);
	((uint8_t *)bytes->data)[0]++;
	assert_int_equal(snapshot_head_decode(buf_slice(bytes), &again), -EPROTO);
	buf_unref(bytes);
	region_close(&head.region);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_come_back_in_order),
		cmocka_unit_test(chunks_of_a_stream_are_taken_once_and_in_order),
		cmocka_unit_test(no_byte_may_change),
		cmocka_unit_test(no_chunk_may_be_cut),
		cmocka_unit_test(nonsense_with_good_checksums_is_refused),
		cmocka_unit_test(head_comes_back),
	};

#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
