/* fs/schema/split_key and fs/eval/split: where regions may be split, which half gets a local row, and how the halves
 * count their inodes. */
#include "fs/eval/split.h"

#include <errno.h>
#include <stdlib.h>

#include "fs/eval/eval.h"
#include "fs/schema/intent.h"
#include "fs/schema/records.h"
#include "fs/schema/split_key.h"
#include "proto/plant.h"
#include "proto/status.h"
#include "tests/lib/fs_harness.h"
#include "tests/lib/test.h"

#define DIRID UINT64_C(0x123456789) /* where regions are split here */

/* ---- Keys ---- */

static void a_region_begins_with_a_dirid(void **state)
{
	static const uint64_t dirids[] = {1, 2, DIRID, FS_DIRID_END - 1};
	const struct evaluator_ops *ops = eval_evaluator()->ops;

	(void)state;
	for (size_t i = 0; i < sizeof dirids / sizeof *dirids; i++) {
		struct fs_key key = fs_split_key_of_dirid(dirids[i]);

		assert_int_equal(fs_key_get_dirid(fs_key_slice(&key)), dirids[i]);
		assert_true(ops->may_begin(eval_evaluator(), fs_key_slice(&key)));
	}
}

static void a_region_begins_nowhere_else(void **state)
{
	const struct fs_key inside[] = {fs_key_inode(fs_ino(DIRID, FS_SEQ_DIRECTORY)), fs_key_spill(DIRID),
		fs_key_dirid(0), fs_key_dirid(FS_DIRID_END)};
	struct fs_key key = fs_key_dirid(DIRID);

	(void)state;
	for (size_t i = 0; i < sizeof inside / sizeof *inside; i++)
		assert_false(eval_may_begin(eval_evaluator(), fs_key_slice(&inside[i])));
	for (uint16_t size = 0; size < key.size; size++)
		assert_false(eval_may_begin(eval_evaluator(), slice_of(key.bytes, size)));
	assert_false(eval_may_begin(eval_evaluator(), slice_of("\020\0\0\0\0", 5)));
}

static bool is_wide_enough(uint64_t start, uint64_t end, uint64_t dirid)
{
	struct fs_key low = fs_key_dirid(start), high = fs_key_dirid(end), key = fs_key_dirid(dirid);

	return fs_split_is_wide_enough(start > 0 ? fs_key_slice(&low) : (struct slice){0},
		end < FS_DIRID_END ? fs_key_slice(&high) : (struct slice){0}, fs_key_slice(&key));
}

static void halves_keep_enough_dirids(void **state)
{
	const uint64_t least = FS_SPLIT_DIRIDS_MIN, high = DIRID + 2 * least;
	struct fs_key inode = fs_key_inode(fs_ino(DIRID, FS_SEQ_DIRECTORY));

	(void)state;
	assert_true(is_wide_enough(0, FS_DIRID_END, DIRID));
	assert_true(is_wide_enough(DIRID, high, DIRID + least));
	assert_false(is_wide_enough(DIRID, high, DIRID + least - 1));
	assert_false(is_wide_enough(DIRID, high, DIRID + least + 1));
	/* The root's dirid is not drawn. */
	assert_true(is_wide_enough(0, FS_DIRID_END, least + 1));
	assert_false(is_wide_enough(0, FS_DIRID_END, least));
	assert_true(is_wide_enough(DIRID, FS_DIRID_END, FS_DIRID_END - least));
	assert_false(is_wide_enough(DIRID, FS_DIRID_END, FS_DIRID_END - least + 1));
	/* Outside of the region, at its ends, and inside of a dirid. */
	assert_false(is_wide_enough(DIRID, high, DIRID));
	assert_false(is_wide_enough(DIRID, high, high));
	assert_false(is_wide_enough(DIRID, high, DIRID - least));
	assert_false(is_wide_enough(DIRID, high, high + least));
	assert_false(is_wide_enough(0, FS_DIRID_END, 0));
	assert_false(fs_split_is_wide_enough((struct slice){0}, (struct slice){0}, fs_key_slice(&inode)));
}

static void expect_dirids(struct slice start, struct slice end, uint64_t first, uint64_t past)
{
	uint64_t least, bound;

	fs_dirids_within(start, end, &least, &bound);
	assert_int_equal(least, first);
	assert_int_equal(bound, past);
}

static void dirids_lie_whole_in_a_region(void **state)
{
	const struct slice none = {0};
	struct fs_key dirid = fs_key_dirid(DIRID), inode = fs_key_inode(fs_ino(DIRID, 5));
	struct slice key = fs_key_slice(&dirid), inside = fs_key_slice(&inode);
	struct slice four = slice_of(key.data, 4); /* bounds of initial regions have four bytes */

	(void)state;
	expect_dirids(none, none, 1, FS_DIRID_END);
	expect_dirids(key, none, DIRID, FS_DIRID_END);
	expect_dirids(inside, none, DIRID + 1, FS_DIRID_END);
	expect_dirids(four, none, DIRID & ~UINT64_C(0xff), FS_DIRID_END);
	expect_dirids(none, key, 1, DIRID);
	expect_dirids(none, inside, 1, DIRID);
	expect_dirids(none, four, 1, DIRID & ~UINT64_C(0xff));
	expect_dirids(none, slice_of("\020", 1), 1, FS_DIRID_END);
}

/* ---- Local rows ---- */

static enum split_fate fate(const struct fs_key *row, struct slice *value)
{
	struct fs_key key = fs_split_key_of_dirid(DIRID);
	struct evaluator *evaluator = eval_evaluator();

	return evaluator->ops->split_fate(evaluator, fs_key_slice(row), fs_key_slice(&key), value);
}

static void hints_go_with_their_inode(void **state)
{
	static const struct {
		uint64_t ino;
		enum split_fate fate;
	} cases[] = {
		{FS_ROOT_INO, SPLIT_STAYS},
		{(DIRID - 1) << FS_SEQ_BITS | (FS_SEQ_END - 1), SPLIT_STAYS},
		{DIRID << FS_SEQ_BITS | FS_SEQ_DIRECTORY, SPLIT_MOVES},
		{UINT64_MAX, SPLIT_MOVES},
	};
	struct slice value = slice_of("\1", 1);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		/* The number of the session says nothing, nor does the anchor of an intent. */
		struct fs_key rows[] = {fs_key_hold(0, cases[i].ino, FS_HOLD_OPEN),
			fs_key_hold(UINT64_MAX, cases[i].ino, FS_HOLD_LOCK), fs_key_garbage(cases[i].ino),
			fs_key_intent(cases[i].ino, &(struct attempt){~cases[i].ino, 1, 1, 1}, 3),
			fs_key_committed(&(struct attempt){cases[i].ino, UINT64_MAX, 1, 1})};

		for (size_t j = 0; j < sizeof rows / sizeof *rows; j++)
			assert_int_equal(fate(&rows[j], &value), cases[i].fate);
	}
	assert_int_equal(value.size, 1);
}

static void the_upper_half_counts_from_zero(void **state)
{
	struct fs_key row = fs_key_counter(COUNTER_INODES);
	uint8_t bytes[16];
	struct writer writer = writer_fixed(bytes, sizeof bytes), zero = writer_growing(16);
	struct slice value;

	(void)state;
	counter_encode(1000, &writer);
	counter_encode(0, &zero);
	value = writer_written(&writer);
	assert_int_equal(fate(&row, &value), SPLIT_IS_COPIED);
	assert_int_equal(slice_compare(value, writer_written(&zero)), 0);
	writer_close(&zero);
}

static void both_halves_have_forgotten_as_many_sessions(void **state)
{
	struct fs_key row = fs_key_counter(COUNTER_FORGETS);
	struct slice value = slice_of("\1\5", 2);

	(void)state;
	assert_int_equal(fate(&row, &value), SPLIT_IS_COPIED);
	assert_int_equal(slice_compare(value, slice_of("\1\5", 2)), 0);
}

static void other_rows_stay(void **state)
{
	const struct fs_key rows[] = {fs_key_counter(COUNTER_SESSION), fs_key_counter(COUNTER_REGION),
		fs_key_session(UINT64_MAX), fs_key_registration(UINT64_MAX, FS_DIRID_END - 1),
		fs_key_store(UINT64_MAX), fs_key_setting(SETTING_REPLICAS), fs_key_holds(UINT64_MAX),
		fs_key_garbage_all(), fs_key_intents(UINT64_MAX), fs_key_committed_all(),
		{.size = 3, .bytes = "Ci"}, {.size = 9, .bytes = "\377\377\377"}, {.size = 0}};
	struct fs_key count = fs_key_counter(COUNTER_INODES);
	struct slice value = slice_of("\1\5", 2), damaged = slice_of("\7", 1);

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_int_equal(fate(&rows[i], &value), SPLIT_STAYS);
	assert_int_equal(fate(&count, &damaged), SPLIT_STAYS);
}

/* ---- Counts ---- */

static int setup(void **state)
{
	static struct fs_harness harness;

	fs_harness_init(&harness, 1);
	*state = &harness;
	return 0;
}

static int teardown(void **state)
{
	fs_harness_close(*state);
	return 0;
}

static int64_t count(struct fs_harness *fs)
{
	int64_t inodes;

	assert_int_equal(inode_count_read(fs->view, &inodes), 0);
	return inodes;
}

static void a_count_may_be_negative(void **state)
{
	struct fs_key key = fs_key_counter(COUNTER_INODES);
	struct fs_harness *fs = *state;

	assert_true(is_ino(fs_make(fs, FS_ROOT_INO, "a", S_IFREG | 0644)));
	assert_true(is_ino(fs_make(fs, FS_ROOT_INO, "b", S_IFREG | 0644)));
	assert_int_equal(count(fs), 3);
	memory_view_put(fs->memory, KEY_LOCAL, fs_key_slice(&key), inode_count_zero());
	assert_int_equal(count(fs), 0);
	assert_int_equal(fs_unlink(fs, FS_ROOT_INO, "a", false), 0);
	assert_int_equal(count(fs), -1);
	assert_int_equal(fs_unlink(fs, FS_ROOT_INO, "b", false), 0);
	assert_int_equal(count(fs), -2);
	for (int64_t i = -1; i <= 1; i++) {
		char name[] = {(char)('c' + i), '\0'};

		assert_true(is_ino(fs_make(fs, FS_ROOT_INO, name, S_IFREG | 0644)));
		assert_int_equal(count(fs), i);
	}
}

/* A region that no version has counted. */
static void a_region_without_a_count_stays_without(void **state)
{
	struct fs_key key = fs_key_counter(COUNTER_INODES);
	struct fs_harness *fs = *state;
	struct mutations mutations = {0};
	struct raft_entry entry;
	int64_t inodes;

	mutations_delete(&mutations, KEY_LOCAL, fs_key_slice(&key));
	assert_int_equal(mutations_finish(&mutations, 1, &entry), 0);
	assert_int_equal(memory_view_apply(fs->memory, &entry), 0);
	buf_unref(entry.data);
	buf_unref(entry.payload);
	assert_true(is_ino(fs_make(fs, FS_ROOT_INO, "a", S_IFREG | 0644)));
	assert_int_equal(fs_unlink(fs, FS_ROOT_INO, "a", false), 0);
	assert_int_equal(inode_count_read(fs->view, &inodes), STATUS_NOT_FOUND);
}

/* One that a cluster begins with, or that a split has left without files. */
static void a_region_without_files_begins_to_count(void **state)
{
	struct fs_harness *fs = *state;
	struct fs_key start = fs_key_dirid(1000), row = fs_key_spill(2000);
	struct fs_key count_key = fs_key_counter(COUNTER_INODES), after = fs_key_after(&count_key);
	int64_t inodes;

	memory_view_set_range(fs->memory, fs_key_slice(&start), (struct slice){0});
	memory_view_put(fs->memory, KEY_DATA, fs_key_slice(&row), text("spill"));
	memory_view_delete(fs->memory, KEY_LOCAL, fs_key_slice(&count_key), fs_key_slice(&after));
	assert_int_equal(inode_count_read(fs->view, &inodes), STATUS_NOT_FOUND);
	assert_int_equal(inode_count_read_from(fs->view, fs_key_slice(&start), &inodes), 0);
	assert_int_equal(inodes, 0);
	row = fs_key_inode(fs_ino(3000, 1));
	memory_view_put(fs->memory, KEY_DATA, fs_key_slice(&row), text("inode"));
	assert_int_equal(inode_count_read_from(fs->view, fs_key_slice(&start), &inodes), STATUS_NOT_FOUND);
	memory_view_set_range(fs->memory, (struct slice){0}, (struct slice){0});
}

static void counts_decode(void **state)
{
	static const int64_t counts[] = {0, 1, -1, INT64_MAX, INT64_MIN};
	int64_t decoded;

	(void)state;
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		uint8_t bytes[16];
		struct writer writer = writer_fixed(bytes, sizeof bytes);

		counter_encode((uint64_t)counts[i], &writer);
		assert_int_equal(inode_count_decode(writer_written(&writer), &decoded), 0);
		assert_int_equal(decoded, counts[i]);
	}
	assert_int_equal(inode_count_decode(slice_of("\1", 1), &decoded), STATUS_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_region_begins_with_a_dirid),
		cmocka_unit_test(a_region_begins_nowhere_else),
		cmocka_unit_test(halves_keep_enough_dirids),
		cmocka_unit_test(dirids_lie_whole_in_a_region),
		cmocka_unit_test(hints_go_with_their_inode),
		cmocka_unit_test(the_upper_half_counts_from_zero),
		cmocka_unit_test(both_halves_have_forgotten_as_many_sessions),
		cmocka_unit_test(other_rows_stay),
		cmocka_unit_test_setup_teardown(a_count_may_be_negative, setup, teardown),
		cmocka_unit_test_setup_teardown(a_region_without_a_count_stays_without, setup, teardown),
		cmocka_unit_test_setup_teardown(a_region_without_files_begins_to_count, setup, teardown),
		cmocka_unit_test(counts_decode),
	};

#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
