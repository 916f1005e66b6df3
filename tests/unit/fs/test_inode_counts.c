/* fs/regions/inode_counts: counts of inodes by region, and their sum. */
#include "fs/regions/inode_counts.h"

#include "tests/lib/test.h"

static void set(struct inode_counts *counts, uint64_t region, int64_t inodes)
{
	assert_int_equal(inode_counts_set(counts, region, &inodes), 0);
}

static void a_count_takes_the_place_of_the_last_one(void **state)
{
	struct inode_counts counts = {0};

	(void)state;
	set(&counts, 1, 100);
	set(&counts, 2, 20);
	assert_int_equal(counts.sum, 120);
	set(&counts, 1, 3);
	assert_int_equal(counts.sum, 23);
	assert_int_equal(counts.unknown, 0);
	inode_counts_close(&counts);
}

static void a_count_may_be_negative(void **state)
{
	struct inode_counts counts = {0};

	(void)state;
	set(&counts, 1, -5);
	assert_int_equal(counts.sum, -5);
	set(&counts, 2, 3);
	assert_int_equal(counts.sum, -2);
	set(&counts, 1, -1);
	assert_int_equal(counts.sum, 2);
	inode_counts_remove(&counts, 2);
	assert_int_equal(counts.sum, -1);
	inode_counts_remove(&counts, 1);
	assert_int_equal(counts.sum, 0);
	inode_counts_close(&counts);
}

static void what_is_unknown_is_not_in_the_sum(void **state)
{
	struct inode_counts counts = {0};

	(void)state;
	set(&counts, 1, 7);
	assert_int_equal(inode_counts_set(&counts, 2, NULL), 0);
	assert_int_equal(inode_counts_set(&counts, 2, NULL), 0);
	assert_int_equal(counts.sum, 7);
	assert_int_equal(counts.unknown, 1);
	assert_int_equal(inode_counts_set(&counts, 1, NULL), 0);
	assert_int_equal(counts.sum, 0);
	assert_int_equal(counts.unknown, 2);
	set(&counts, 2, -4);
	assert_int_equal(counts.sum, -4);
	assert_int_equal(counts.unknown, 1);
	inode_counts_remove(&counts, 1);
	assert_int_equal(counts.unknown, 0);
	inode_counts_close(&counts);
}

static void a_region_that_goes_is_in_no_sum(void **state)
{
	struct inode_counts counts = {0};

	(void)state;
	set(&counts, 1, 7);
	set(&counts, 2, 8);
	inode_counts_remove(&counts, 1);
	inode_counts_remove(&counts, 1);
	inode_counts_remove(&counts, 3);
	assert_int_equal(counts.sum, 8);
	set(&counts, 1, 1);
	assert_int_equal(counts.sum, 9);
	inode_counts_close(&counts);
	assert_int_equal(counts.sum, 0);
	assert_int_equal(counts.unknown, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_count_takes_the_place_of_the_last_one),
		cmocka_unit_test(a_count_may_be_negative),
		cmocka_unit_test(what_is_unknown_is_not_in_the_sum),
		cmocka_unit_test(a_region_that_goes_is_in_no_sum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
