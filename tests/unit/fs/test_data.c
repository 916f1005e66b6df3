/* fs/eval/data, space: where bytes lie, what holes cost, and what a truncation leaves behind. */
#include "tests/lib/test.h"

#include <errno.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>

#include "proto/status.h"
#include "tests/lib/fs_harness.h"

#define MEGABYTE   (1u << 20)
#define UNIT	   FS_UNIT_SIZE
#define PUNCH	   (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define LARGE_SIZE (70u * MEGABYTE) /* more units than one operation unmaps */

static uint64_t make(struct fs_harness *fs, const char *name)
{
	int64_t ino = fs_make(fs, FS_ROOT_INO, name, S_IFREG | 0644);

	assert_true(is_ino(ino));
	return (uint64_t)ino;
}

static void fill(struct fs_harness *fs, uint64_t ino, uint64_t offset, size_t size, int value)
{
	uint8_t *bytes = malloc(size);

	memset(bytes, value, size);
	assert_int_equal(fs_harness_write(fs, ino, offset, 0, bytes, size), 0);
	assert_int_equal(fs->reply.count, size);
	free(bytes);
}

/* The bytes [offset, offset + size) are all `value`. */
static void expect(struct fs_harness *fs, uint64_t ino, uint64_t offset, size_t size, int value)
{
	uint8_t *bytes = malloc(size);
	size_t count;

	assert_int_equal(read_data(fs->view, ino, offset, bytes, size, &count, NULL), 0);
	assert_int_equal(count, size);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(bytes[i], value);
	free(bytes);
}

static void small_files_are_a_row(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, "a"), rows = memory_view_count_rows(fs->memory);

	fill(fs, a, 0, 100, 1);
	assert_int_equal(fs->reply.attributes.size, 100);
	assert_int_equal(fs->reply.attributes.blocks, 1);
	assert_int_equal(memory_view_count_rows(fs->memory), rows + 1);
	fill(fs, a, FS_TINY_SIZE_MAX - 10, 10, 2);
	expect(fs, a, 0, 100, 1);
	expect(fs, a, 100, FS_TINY_SIZE_MAX - 110, 0);
	expect(fs, a, FS_TINY_SIZE_MAX - 10, 10, 2);
	assert_int_equal(memory_view_count_units(fs->memory), 0);
	assert_int_equal(fs_truncate(fs, a, 50), 0);
	assert_int_equal(fs_truncate(fs, a, 5000), 0);
	expect(fs, a, 0, 50, 1);
	expect(fs, a, 50, 4950, 0);
	assert_int_equal(fs_truncate(fs, a, 0), 0);
	assert_int_equal(memory_view_count_rows(fs->memory), rows);
}

static void a_growing_file_becomes_units(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, "a"), rows = memory_view_count_rows(fs->memory);

	fill(fs, a, 0, 6000, 1);
	fill(fs, a, 100000, 10, 2);
	assert_int_equal(memory_view_count_rows(fs->memory), rows);
	assert_int_equal(memory_view_count_units(fs->memory), 3);
	assert_int_equal(fs->reply.attributes.blocks, 3 * UNIT / 512);
	assert_int_equal(fs->reply.attributes.size, 100010);
	expect(fs, a, 0, 6000, 1);
	expect(fs, a, 6000, 94000, 0);
	expect(fs, a, 100000, 10, 2);
	fill(fs, a, 3, 4096, 3);
	expect(fs, a, 0, 3, 1);
	expect(fs, a, 3, 4096, 3);
	expect(fs, a, 4099, 1901, 1);
	assert_int_equal(memory_view_count_units(fs->memory), 3);
}

static void large_writes_at_any_offset(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, "a");

	fill(fs, a, 0, MEGABYTE, 1);
	fill(fs, a, 1000, MEGABYTE, 2);
	assert_int_equal(fs->reply.attributes.size, MEGABYTE + 1000);
	expect(fs, a, 0, 1000, 1);
	expect(fs, a, 1000, MEGABYTE, 2);
	fill(fs, a, 2 * UNIT, MEGABYTE - UNIT, 3);
	expect(fs, a, 2 * UNIT - 1, 1, 2);
	expect(fs, a, 2 * UNIT, MEGABYTE - UNIT, 3);
	assert_int_equal(memory_view_count_units(fs->memory), 257);
}

static void writes_have_limits(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, "a");
	struct op op = {.kind = OP_WRITE, .write = {.ino = a}};
	uint8_t *bytes = calloc(1, OP_WRITE_SIZE_MAX + 1);

	assert_int_equal(fs_harness_write(fs, a, 0, 0, bytes, OP_WRITE_SIZE_MAX + 1), STATUS_MALFORMED);
	assert_int_equal(fs_harness_run(fs, &op, NULL), STATUS_MALFORMED);
	assert_int_equal(fs_harness_write(fs, a, FS_SIZE_MAX, 0, bytes, 1), -EFBIG);
	assert_int_equal(fs_harness_write(fs, a, UINT64_MAX, 0, bytes, 1), -EFBIG);
	assert_int_equal(fs_harness_write(fs, a, FS_SIZE_MAX - 1, 0, bytes, 1), 0);
	assert_int_equal(fs->reply.attributes.size, FS_SIZE_MAX);
	assert_int_equal(fs_harness_write(fs, FS_ROOT_INO, 0, 0, bytes, 1), -EISDIR);
	free(bytes);
}

static void appends_go_to_the_end(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, "a");

	fill(fs, a, 0, 10, 1);
	assert_int_equal(fs_harness_write(fs, a, 3, OP_WRITE_APPEND, "xyz", 3), 0);
	assert_int_equal(fs->reply.offset, 10);
	assert_int_equal(fs->reply.attributes.size, 13);
	expect(fs, a, 10, 1, 'x');
}

static void writeback_never_extends(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, "a");
	uint8_t page[UNIT];

	fill(fs, a, 0, 10, 1);
	memset(page, 2, sizeof page);
	assert_int_equal(fs_harness_write(fs, a, 0, OP_WRITE_CLIP, page, sizeof page), 0);
	assert_int_equal(fs->reply.count, 10);
	assert_int_equal(fs->reply.attributes.size, 10);
	expect(fs, a, 0, 10, 2);
	assert_int_equal(fs_harness_write(fs, a, UNIT, OP_WRITE_CLIP, page, sizeof page), 0);
	assert_int_equal(fs->reply.count, 0);
	assert_int_equal(fs->mutation_count, 0);
}

static void buffered_data_keeps_its_time(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, "a");
	struct attributes before = fs_attributes(fs, a);
	struct op op = {.kind = OP_WRITE, .write = {.ino = a, .flags = OP_WRITE_TIME}};
	struct buf *payload = buf_copy("x", 1);

	op.write.time = (struct fs_time){before.mtime.seconds + 1, 5};
	fs->wall += UINT64_C(10000000000);
	assert_int_equal(fs_harness_run(fs, &op, payload), 0);
	assert_int_equal(fs->reply.attributes.mtime.seconds, before.mtime.seconds + 1);
	assert_int_equal(fs->reply.attributes.ctime.nanoseconds, 5);
	op.write.time.seconds -= 100;
	assert_int_equal(fs_harness_run(fs, &op, payload), 0);
	assert_int_equal(fs->reply.attributes.mtime.seconds, before.mtime.seconds + 1);
	buf_unref(payload);
}

/* Whatever lay past the end before, it never shows when the file grows again. */
static void old_bytes_never_show(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, "a");

	fill(fs, a, 0, 10 * UNIT, 1);
	assert_int_equal(fs_truncate(fs, a, 3 * UNIT + 7), 0);
	assert_int_equal(fs->reply.attributes.blocks, 4 * UNIT / 512);
	assert_int_equal(fs_truncate(fs, a, 8 * UNIT), 0);
	expect(fs, a, 0, 3 * UNIT + 7, 1);
	expect(fs, a, 3 * UNIT + 7, 5 * UNIT - 7, 0);
	fill(fs, a, 9 * UNIT, 1, 2);
	expect(fs, a, 8 * UNIT, UNIT, 0);
}

static uint64_t make_large(struct fs_harness *fs)
{
	uint64_t a = make(fs, "large");

	for (uint64_t offset = 0; offset < LARGE_SIZE; offset += MEGABYTE)
		fill(fs, a, offset, MEGABYTE, 1);
	return a;
}

static void large_truncations_leave_garbage_unseen(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make_large(fs), units = memory_view_count_units(fs->memory);

	assert_int_equal(fs_truncate(fs, a, 5), 0);
	assert_int_equal(fs->reply.attributes.blocks, UNIT / 512);
	assert_int_equal(memory_view_count_units(fs->memory), units);
	fs_harness_verify(fs);
	assert_int_equal(fs_truncate(fs, a, 5 * UNIT), 0); /* grows over it: all of it goes first */
	assert_int_equal(memory_view_count_units(fs->memory), 1);
	expect(fs, a, 0, 5, 1);
	expect(fs, a, 5, 5 * UNIT - 5, 0);
	fs_reclaim(fs);
}

static void a_write_over_garbage_clears_it(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make_large(fs);

	assert_int_equal(fs_truncate(fs, a, 0), 0);
	fill(fs, a, 100 * UNIT + 1, 10, 2);
	assert_int_equal(memory_view_count_units(fs->memory), 1);
	expect(fs, a, 0, 100 * UNIT + 1, 0);
	expect(fs, a, 100 * UNIT + 1, 10, 2);
}

static void garbage_is_reclaimed_in_chunks(void **state)
{
	struct fs_harness *fs = *state;
	struct op op = {.kind = OP_RECLAIM};
	uint64_t a = make_large(fs), units = memory_view_count_units(fs->memory), after;

	assert_int_equal(fs_truncate(fs, a, 2 * UNIT), 0);
	assert_int_equal(fs_harness_run(fs, &op, NULL), 0);
	assert_true(fs->reply.more);
	after = memory_view_count_units(fs->memory);
	assert_true(after < units && after > 2);
	fs_reclaim(fs);
	assert_int_equal(memory_view_count_units(fs->memory), 2);
	expect(fs, a, 0, 2 * UNIT, 1);
	assert_int_equal(fs_harness_run(fs, &op, NULL), 0);
	assert_int_equal(fs->mutation_count, 0);
}

static void a_large_file_is_removed_in_the_background(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t rows = memory_view_count_rows(fs->memory);
	uint64_t a = make_large(fs);
	struct attributes attributes;

	assert_int_equal(fs_unlink(fs, FS_ROOT_INO, "large", false), 0);
	assert_true(fs->reply.victim.is_gone);
	assert_int_equal(read_attributes(fs->view, a, &attributes), -ESTALE);
	assert_int_equal(fs_truncate(fs, a, 0), -ESTALE);
	fs_harness_verify(fs);
	fs_reclaim(fs);
	assert_int_equal(memory_view_count_units(fs->memory), 0);
	assert_int_equal(memory_view_count_rows(fs->memory), rows);
}

static void holes_are_punched(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, "a");

	fill(fs, a, 0, 10 * UNIT, 1);
	assert_int_equal(fs_fallocate(fs, a, PUNCH, UNIT + 5, 3 * UNIT), 0);
	assert_int_equal(fs->reply.attributes.blocks, 8 * UNIT / 512);
	expect(fs, a, 0, UNIT + 5, 1);
	expect(fs, a, UNIT + 5, 3 * UNIT, 0);
	expect(fs, a, 4 * UNIT + 5, UNIT, 1);
	assert_int_equal(fs_fallocate(fs, a, PUNCH, 0, 100 * UNIT), 0);
	assert_int_equal(fs->reply.attributes.size, 10 * UNIT);
	assert_int_equal(fs->reply.attributes.blocks, 0);
	assert_int_equal(fs_fallocate(fs, a, FALLOC_FL_PUNCH_HOLE, 0, UNIT), -EOPNOTSUPP);
	assert_int_equal(fs_fallocate(fs, a, FALLOC_FL_COLLAPSE_RANGE, 0, UNIT), -EOPNOTSUPP);
	assert_int_equal(fs_fallocate(fs, a, 0, 0, 0), -EINVAL);
	assert_int_equal(fs_fallocate(fs, a, 0, FS_SIZE_MAX, 1), -EFBIG);
	assert_int_equal(fs_fallocate(fs, a, FALLOC_FL_KEEP_SIZE, 0, 20 * UNIT), 0);
	assert_int_equal(fs->reply.attributes.size, 10 * UNIT);
	assert_int_equal(fs_fallocate(fs, a, FALLOC_FL_ZERO_RANGE, 0, 20 * UNIT), 0);
	assert_int_equal(fs->reply.attributes.size, 20 * UNIT);
}

static void seeks_find_data_and_holes(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, "a"), at;

	fill(fs, a, 10 * UNIT, UNIT, 1);
	assert_int_equal(fs_truncate(fs, a, 20 * UNIT), 0);
	assert_int_equal(read_seek(fs->view, a, 5, true, &at), 0);
	assert_int_equal(at, 10 * UNIT);
	assert_int_equal(read_seek(fs->view, a, 5, false, &at), 0);
	assert_int_equal(at, 5);
	assert_int_equal(read_seek(fs->view, a, 10 * UNIT + 1, true, &at), 0);
	assert_int_equal(at, 10 * UNIT + 1);
	assert_int_equal(read_seek(fs->view, a, 10 * UNIT + 1, false, &at), 0);
	assert_int_equal(at, 11 * UNIT);
	assert_int_equal(read_seek(fs->view, a, 11 * UNIT, true, &at), -ENXIO);
	assert_int_equal(read_seek(fs->view, a, 20 * UNIT, false, &at), -ENXIO);
	assert_int_equal(fs_truncate(fs, a, 10 * UNIT + 5), 0);
	assert_int_equal(read_seek(fs->view, a, 10 * UNIT + 1, false, &at), 0);
	assert_int_equal(at, 10 * UNIT + 5);
}

static void seeks_in_a_row(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, "a"), at;

	fill(fs, a, 0, 10, 1);
	assert_int_equal(fs_truncate(fs, a, 100000), 0);
	assert_int_equal(read_seek(fs->view, a, 5, true, &at), 0);
	assert_int_equal(at, 5);
	assert_int_equal(read_seek(fs->view, a, 5, false, &at), 0);
	assert_int_equal(at, 10);
	assert_int_equal(read_seek(fs->view, a, 10, true, &at), -ENXIO);
}

static void ranges_are_copied(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, "a"), b = make(fs, "b");
	struct op op = {.kind = OP_COPY,
		.copy = {.source = a, .source_offset = 5, .ino = b, .offset = 7, .length = 100 * MEGABYTE}};

	fill(fs, a, 0, MEGABYTE, 1);
	fill(fs, a, MEGABYTE, 1000, 2);
	assert_int_equal(fs_harness_run(fs, &op, NULL), 0);
	assert_int_equal(fs->reply.count, OP_WRITE_SIZE_MAX);
	assert_int_equal(fs->reply.attributes.ino, b);
	assert_int_equal(fs->reply.attributes.size, MEGABYTE + 7);
	expect(fs, b, 0, 7, 0);
	expect(fs, b, 7, MEGABYTE - 5, 1);
	expect(fs, b, 7 + MEGABYTE - 5, 5, 2);
	op.copy.source_offset = MEGABYTE + 1000;
	assert_int_equal(fs_harness_run(fs, &op, NULL), 0);
	assert_int_equal(fs->reply.count, 0);
	assert_int_equal(fs->mutation_count, 0);
	op.copy = (struct op_copy){.source = a, .ino = a, .offset = 10, .length = 11};
	assert_int_equal(fs_harness_run(fs, &op, NULL), -EINVAL);
	op.copy.length = 10;
	assert_int_equal(fs_harness_run(fs, &op, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fs_harness_setup, fs_harness_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(small_files_are_a_row),
		TEST(a_growing_file_becomes_units),
		TEST(large_writes_at_any_offset),
		TEST(writes_have_limits),
		TEST(appends_go_to_the_end),
		TEST(writeback_never_extends),
		TEST(buffered_data_keeps_its_time),
		TEST(old_bytes_never_show),
		TEST(large_truncations_leave_garbage_unseen),
		TEST(a_write_over_garbage_clears_it),
		TEST(garbage_is_reclaimed_in_chunks),
		TEST(a_large_file_is_removed_in_the_background),
		TEST(holes_are_punched),
		TEST(seeks_find_data_and_holes),
		TEST(seeks_in_a_row),
		TEST(ranges_are_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
