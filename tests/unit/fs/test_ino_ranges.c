/* fs/ino_ranges: sets of inode numbers. */
#include "fs/schema/ino_ranges.h"

#include <stdlib.h>
#include <string.h>

#include "proto/status.h"
#include "tests/lib/test.h"

static int setup(void **state)
{
	*state = calloc(2, sizeof(struct ino_ranges));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

/* Encoded and decoded it is the same. */
static void expect_same(const struct ino_ranges *ranges, struct ino_ranges *copy)
{
	struct buf *bytes;

	assert_int_equal(ino_ranges_encode(ranges, &bytes), 0);
	assert_int_equal(ino_ranges_decode(buf_slice(bytes), copy), 0);
	assert_int_equal(copy->count, ranges->count);
	assert_int_equal(copy->range_count, ranges->range_count);
	assert_memory_equal(copy->ranges, ranges->ranges, ranges->range_count * sizeof *ranges->ranges);
	buf_unref(bytes);
}

static void neighbours_share_a_range(void **state)
{
	static const uint64_t inos[] = {3, 4, 5, 9, 11, 12, UINT64_MAX};
	struct ino_ranges *ranges = *state;

	expect_same(ranges, ranges + 1);
	assert_false(ino_ranges_has(ranges, 3));
	for (size_t i = 0; i < sizeof inos / sizeof *inos; i++)
		assert_true(ino_ranges_add(ranges, inos[i]));
	assert_int_equal(ranges->range_count, 4);
	assert_int_equal(ranges->count, 7);
	for (uint64_t ino = 0; ino < 20; ino++)
		assert_int_equal(ino_ranges_has(ranges, ino),
			(ino >= 3 && ino <= 5) || ino == 9 || ino == 11 || ino == 12);
	assert_true(ino_ranges_has(ranges, UINT64_MAX));
	assert_false(ino_ranges_has(ranges, UINT64_MAX - 1));
	ino_ranges_clear(ranges);
	assert_false(ino_ranges_has(ranges, 3));
}

static void it_is_full_of_ranges_or_of_inodes(void **state)
{
	struct ino_ranges *ranges = *state;

	for (uint64_t i = 0; i < INO_RANGES_MAX; i++)
		assert_true(ino_ranges_add(ranges, 2 * i + 1));
	assert_false(ino_ranges_add(ranges, 2 * (uint64_t)INO_RANGES_MAX + 1));
	assert_true(ino_ranges_add(ranges, 2 * (uint64_t)INO_RANGES_MAX));
	expect_same(ranges, ranges + 1);
	ino_ranges_clear(ranges);
	for (uint64_t i = 0; i < INO_RANGES_COUNT_MAX; i++)
		assert_true(ino_ranges_add(ranges, i + 7));
	assert_false(ino_ranges_add(ranges, INO_RANGES_COUNT_MAX + 7));
	expect_same(ranges, ranges + 1);
}

static void sets_are_joined(void **state)
{
	struct ino_ranges *one = *state, *other = one + 1, *joined = calloc(1, sizeof *joined);
	const uint64_t members[] = {1, 2, 3, 4, 9, 20, 21};
	struct ino_position position = {0};
	uint64_t ino;

	assert_non_null(joined);
	ino_ranges_clear(one);
	ino_ranges_clear(other);
	for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
		if (i % 2 == 0 || members[i] == 4)
			ino_ranges_add(one, members[i]);
		if (i % 2 == 1 || members[i] == 9)
			ino_ranges_add(other, members[i]);
	}
	ino_ranges_join(one, other, joined);
	for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
		assert_true(ino_ranges_next(joined, &position, &ino));
		assert_int_equal(ino, members[i]);
	}
	assert_false(ino_ranges_next(joined, &position, &ino));
	assert_int_equal(joined->range_count, 3);
	ino_ranges_clear(one);
	ino_ranges_clear(other);
	ino_ranges_join(one, other, joined);
	assert_int_equal(joined->count, 0);
	for (uint64_t i = 0; i < INO_RANGES_COUNT_MAX; i++)
		ino_ranges_add(one, i + 7);
	ino_ranges_add(other, 6);
	ino_ranges_join(one, other, joined);
	assert_int_equal(joined->count, INO_RANGES_COUNT_MAX);
	assert_true(ino_ranges_has(joined, 6));
	assert_false(ino_ranges_has(joined, INO_RANGES_COUNT_MAX + 6));
	free(joined);
}

static void what_nobody_encodes_is_refused(void **state)
{
	static const struct {
		uint8_t bytes[24];
		size_t size;
	} bad[] = {
		{{0}, 0}, {{2, 0}, 2}, /* version */
		{{1, 1, 5}, 3}, /* cut */
		{{1, 1, 5, 0}, 4}, /* an empty range */
		{{1, 1, 5, 1, 1}, 5}, /* something behind it */
		{{1, 0x81, 0x40}, 3}, /* 8,193 ranges */
		{{1, 1, 0, 0x81, 0x80, 0x04}, 6}, /* 65,537 inodes */
		{{1, 2, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 1, 1, 1}, 15}, /* past 2^64 */
	};
	struct ino_ranges *ranges = *state;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(
			ino_ranges_decode(slice_of(bad[i].bytes, bad[i].size), ranges), STATUS_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(neighbours_share_a_range, setup, teardown),
		cmocka_unit_test_setup_teardown(it_is_full_of_ranges_or_of_inodes, setup, teardown),
		cmocka_unit_test_setup_teardown(sets_are_joined, setup, teardown),
		cmocka_unit_test_setup_teardown(what_nobody_encodes_is_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
