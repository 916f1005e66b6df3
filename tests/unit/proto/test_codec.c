/* proto/codec: what is written is read back, and whatever the bytes say, none outside the range is touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "proto/codec.h"
#include "proto/status.h"

static void write_one_of_each(struct writer *writer)
{
	writer_u8(writer, 0xfe);
	writer_u16le(writer, 0x0102);
	writer_u32le(writer, 0x01020304);
	writer_u64le(writer, 0x0102030405060708);
	writer_u16be(writer, 0x0102);
	writer_u32be(writer, 0x01020304);
	writer_u64be(writer, 0x0102030405060708);
	writer_varint(writer, 300);
	writer_slice(writer, slice_of("abc", 3));
	writer_slice(writer, slice_of(NULL, 0));
	writer_bytes(writer, "de", 2);
}

static const uint8_t one_of_each[] = {0xfe, 2, 1, 4, 3, 2, 1, 8, 7, 6, 5, 4, 3, 2, 1, 1, 2, 1, 2, 3, 4, 1, 2,
	3, 4, 5, 6, 7, 8, 0xac, 2, 3, 'a', 'b', 'c', 0, 'd', 'e'};

static void written_bytes_have_the_documented_order(void **state)
{
	struct writer writer = writer_growing(1000);
	struct buf *buf;

	(void)state;
	write_one_of_each(&writer);
	assert_int_equal(writer_take(&writer, &buf), 0);
	assert_int_equal(buf->size, sizeof one_of_each);
	assert_memory_equal(buf->data, one_of_each, sizeof one_of_each);
	buf_unref(buf);
}

static void what_was_written_is_read_back(void **state)
{
	struct reader reader = reader_of(slice_of(one_of_each, sizeof one_of_each));
	struct slice slice;

	(void)state;
	assert_int_equal(reader_u8(&reader), 0xfe);
	assert_int_equal(reader_u16le(&reader), 0x0102);
	assert_int_equal(reader_u32le(&reader), 0x01020304);
	assert_int_equal(reader_u64le(&reader), 0x0102030405060708);
	assert_int_equal(reader_u16be(&reader), 0x0102);
	assert_int_equal(reader_u32be(&reader), 0x01020304);
	assert_int_equal(reader_u64be(&reader), 0x0102030405060708);
	assert_int_equal(reader_varint(&reader), 300);
	slice = reader_slice(&reader);
	assert_int_equal(slice.size, 3);
	assert_memory_equal(slice.data, "abc", 3);
	assert_int_equal(reader_slice(&reader).size, 0);
	assert_true(reader_has_more(&reader));
	assert_int_equal(reader_finish(&reader), STATUS_MALFORMED); /* two bytes are left over */
	assert_memory_equal(reader_bytes(&reader, 2).data, "de", 2);
	assert_false(reader_has_more(&reader));
	assert_int_equal(reader_finish(&reader), 0);
}

/* Every prefix lies in memory of exactly its size, so that the sanitizers see a read past it. */
static void every_cut_is_an_error_and_stays_one(void **state)
{
	(void)state;
	for (size_t size = 0; size < sizeof one_of_each; size++) {
		uint8_t *cut = malloc(size + (size == 0));
		struct reader reader;

		memcpy(cut, one_of_each, size);
		reader = reader_of(slice_of(cut, size));
		reader_u8(&reader);
		reader_u16le(&reader);
		reader_u32le(&reader);
		reader_u64le(&reader);
		reader_u16be(&reader);
		reader_u32be(&reader);
		reader_u64be(&reader);
		reader_varint(&reader);
		reader_slice(&reader);
		reader_slice(&reader);
		reader_bytes(&reader, 2);
		assert_int_equal(reader_finish(&reader), STATUS_MALFORMED);
		assert_int_equal(reader_u64le(&reader), 0);
		assert_int_equal(reader_varint(&reader), 0);
		assert_null(reader_slice(&reader).data);
		assert_false(reader_has_more(&reader));
		free(cut);
	}
}

static void varints_reach_64_bits_and_no_further(void **state)
{
	static const uint64_t values[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, INT64_MAX, UINT64_MAX};
	static const uint8_t too_big[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2};
	static const uint8_t endless[] = {
		0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0};
	uint8_t memory[CODEC_VARINT_SIZE_MAX];
	struct reader reader;

	(void)state;
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		struct writer writer = writer_fixed(memory, sizeof memory);

		writer_varint(&writer, values[i]);
		assert_int_equal(writer.status, 0);
		assert_int_equal(writer.size, codec_varint_size(values[i]));
		reader = reader_of(writer_written(&writer));
		assert_int_equal(reader_varint(&reader), values[i]);
		assert_int_equal(reader_finish(&reader), 0);
	}
	reader = reader_of(slice_of(too_big, sizeof too_big));
	assert_int_equal(reader_varint(&reader), 0);
	assert_int_equal(reader.status, STATUS_MALFORMED);
	reader = reader_of(slice_of(endless, sizeof endless));
	assert_int_equal(reader_varint(&reader), 0);
	assert_int_equal(reader.status, STATUS_MALFORMED);
}

static void a_length_past_the_end_is_refused(void **state)
{
	static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 'a'};
	struct reader reader = reader_of(slice_of(huge, sizeof huge));

	(void)state;
	assert_null(reader_slice(&reader).data);
	assert_int_equal(reader.status, STATUS_MALFORMED);
}

static void big_endian_sorts_as_numbers_do(void **state)
{
	static const uint64_t values[] = {
		0, 1, 255, 256, 65535, 65536, UINT32_MAX, (uint64_t)UINT32_MAX + 1, UINT64_MAX};
	uint8_t before[8], after[8];

	(void)state;
	for (size_t i = 1; i < sizeof values / sizeof *values; i++) {
		struct writer low = writer_fixed(before, sizeof before);
		struct writer high = writer_fixed(after, sizeof after);

		writer_u64be(&low, values[i - 1]);
		writer_u64be(&high, values[i]);
		assert_true(slice_compare(writer_written(&low), writer_written(&high)) < 0);
	}
}

static void a_fixed_writer_stops_at_its_end(void **state)
{
	uint8_t memory[9];
	struct writer writer = writer_fixed(memory, 8);

	(void)state;
	memory[8] = 0x55;
	writer_u32le(&writer, 1);
	writer_u64le(&writer, 2);
	assert_int_equal(writer.status, STATUS_LIMIT);
	writer_u8(&writer, 3); /* would fit, but the error sticks */
	assert_int_equal(writer_written(&writer).size, 4);
	assert_null(writer_reserve(&writer, 1));
	assert_int_equal(memory[8], 0x55);
}

static void a_growing_writer_keeps_to_its_limit(void **state)
{
	struct writer writer = writer_growing(1000);
	struct buf *buf = NULL;

	(void)state;
	for (int i = 0; i < 1000; i++)
		writer_u8(&writer, (uint8_t)i);
	assert_int_equal(writer.status, 0);
	assert_true(writer.capacity <= 1000);
	writer_u8(&writer, 0);
	assert_int_equal(writer.status, STATUS_LIMIT);
	assert_int_equal(writer_take(&writer, &buf), STATUS_LIMIT);
	assert_null(buf);
	writer_u8(&writer, 7); /* empty and usable again */
	assert_int_equal(writer_take(&writer, &buf), 0);
	assert_int_equal(buf->size, 1);
	buf_unref(buf);
	assert_int_equal(writer_take(&writer, &buf), 0); /* nothing written: an empty buf */
	assert_int_equal(buf->size, 0);
	buf_unref(buf);
}

static void a_length_can_be_patched_in_later(void **state)
{
	struct writer writer = writer_growing(SIZE_MAX);
	struct reader reader;

	(void)state;
	writer_u8(&writer, 9);
	writer_u32le(&writer, 0);
	for (int i = 0; i < 100; i++)
		writer_u8(&writer, 1);
	writer_patch_u32le(&writer, 1, 100);
	reader = reader_of(writer_written(&writer));
	reader_u8(&reader);
	assert_int_equal(reader_u32le(&reader), 100);
	writer_close(&writer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written_bytes_have_the_documented_order),
		cmocka_unit_test(what_was_written_is_read_back),
		cmocka_unit_test(every_cut_is_an_error_and_stays_one),
		cmocka_unit_test(varints_reach_64_bits_and_no_further),
		cmocka_unit_test(a_length_past_the_end_is_refused),
		cmocka_unit_test(big_endian_sorts_as_numbers_do),
		cmocka_unit_test(a_fixed_writer_stops_at_its_end),
		cmocka_unit_test(a_growing_writer_keeps_to_its_limit),
		cmocka_unit_test(a_length_can_be_patched_in_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
