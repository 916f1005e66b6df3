/* The allocator against a bitmap: nothing is given twice, nothing is lost, and the choice is the documented one. */
#include "store/blocks/block_allocator.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/test.h"

#define UNITS 512

struct model {
	bool is_free[UNITS];
};

static uint32_t random_next(uint64_t *random)
{
	*random = *random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*random >> 33);
}

static void set_range(struct model *model, uint64_t address, uint64_t count, bool is_free)
{
	for (uint64_t i = address; i < address + count; i++) {
		assert_true(model->is_free[i] != is_free); /* given twice, or taken twice */
		model->is_free[i] = is_free;
	}
}

static bool range_is(const struct model *model, uint64_t address, uint64_t count, bool is_free)
{
	for (uint64_t i = address; i < address + count; i++)
		if (i >= UNITS || model->is_free[i] != is_free)
			return false;
	return true;
}

/* What block_allocator_take must choose. */
static struct block_extent choose(const struct model *model, uint32_t count)
{
	struct block_extent best = {0};

	for (uint32_t start = 0; start < UNITS; start++) {
		uint32_t end = start;

		while (end < UNITS && model->is_free[end])
			end++;
		if (end - start >= count ? best.count < count || end - start < best.count
					 : best.count < count && end - start >= best.count && end > start)
			best = (struct block_extent){start, end - start};
		start = end;
	}
	if (best.count > count)
		best.count = count;
	return best;
}

static void assert_same(const struct block_allocator *allocator, const struct model *model)
{
	uint64_t units = 0, runs = 0, largest = 0, run = 0;

	for (uint32_t i = 0; i < UNITS; i++) {
		units += model->is_free[i];
		runs += model->is_free[i] && (i == 0 || !model->is_free[i - 1]);
		run = model->is_free[i] ? run + 1 : 0;
		largest = run > largest ? run : largest;
		assert_int_equal(block_allocator_has(allocator, i, 1), model->is_free[i]);
	}
	assert_int_equal(allocator->units, units);
	assert_int_equal(allocator->runs, runs);
	assert_int_equal(block_allocator_largest(allocator), largest);
}

static void step(struct block_allocator *allocator, struct model *model, uint64_t *random)
{
	uint64_t address = random_next(random) % UNITS;
	uint32_t count = 1 + random_next(random) % 40;
	struct block_extent expected, got = {0};

	switch (random_next(random) % 4) {
	case 0:
		expected = choose(model, count);
		assert_int_equal(block_allocator_take(allocator, count, &got), expected.count > 0);
		assert_int_equal(got.count, expected.count);
		if (got.count == count) /* of the largest runs, any may be taken */
			assert_int_equal(got.address, expected.address);
		set_range(model, got.address, got.count, false);
		break;
	case 1:
		assert_int_equal(block_allocator_has(allocator, address, count),
			range_is(model, address, count, true));
		if (range_is(model, address, count, true)) {
			assert_int_equal(block_allocator_take_at(allocator, address, count), 0);
			set_range(model, address, count, false);
		} else {
			assert_int_equal(block_allocator_take_at(allocator, address, count), -ENOENT);
		}
		break;
	default:
		if (range_is(model, address, count, false)) {
			assert_int_equal(block_allocator_give(allocator, address, count), 0);
			set_range(model, address, count, true);
		}
	}
}

static void test_random(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct block_allocator allocator = {0};
		struct model model = {0};
		uint64_t random = seed;

		for (int i = 0; i < 1000; i++) {
			step(&allocator, &model, &random);
			if (i % 20 == 0)
				assert_same(&allocator, &model);
		}
		block_allocator_close(&allocator);
	}
}

static void test_aligned(void **state)
{
	struct block_allocator allocator = {0};
	uint64_t address = 0;

	(void)state;
	assert_int_equal(block_allocator_give(&allocator, 1, 14), 0);
	assert_false(block_allocator_find_aligned(&allocator, 8, &address));
	assert_int_equal(block_allocator_give(&allocator, 20, 12), 0);
	assert_true(block_allocator_find_aligned(&allocator, 8, &address)); /* in the smaller one */
	assert_int_equal(address, 24);
	block_allocator_close(&allocator);
	assert_false(block_allocator_find_aligned(&allocator, 8, &address));
}

/* Memory follows runs: freeing every other unit and then the rest leaves one. */
static void test_coalescing(void **state)
{
	struct block_allocator allocator = {0};

	(void)state;
	for (uint64_t i = 0; i < 1000; i += 2)
		assert_int_equal(block_allocator_give(&allocator, i, 1), 0);
	assert_int_equal(allocator.runs, 500);
	for (uint64_t i = 999; i < 1000; i -= 2)
		assert_int_equal(block_allocator_give(&allocator, i, 1), 0);
	assert_int_equal(allocator.runs, 1);
	assert_int_equal(allocator.units, 1000);
	block_allocator_close(&allocator);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_aligned),
		cmocka_unit_test(test_coalescing),
	};

	return cmocka_run_group_tests_name("block_allocator", tests, NULL, NULL);
}
