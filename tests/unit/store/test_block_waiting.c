/* A freed extent comes back when its mark is released and no reader from before is left, not sooner, and comes back. */
#include "store/blocks/block_waiting.h"

#include <stdlib.h>

#include "proto/plant.h"
#include "tests/lib/test.h"

static void assert_take(struct block_waiting *waiting, uint64_t address, uint32_t count)
{
	struct block_extent extent;

	assert_true(block_waiting_take(waiting, &extent));
	assert_int_equal(extent.address, address);
	assert_int_equal(extent.count, count);
}

static void assert_none(struct block_waiting *waiting)
{
	struct block_extent extent;

	assert_false(block_waiting_take(waiting, &extent));
}

static void add(struct block_waiting *waiting, uint64_t address, uint32_t count, uint64_t mark)
{
	assert_int_equal(block_waiting_add(waiting, (struct block_extent){address, count}, mark), 0);
}

static void test_marks(void **state)
{
	struct block_waiting waiting;

	(void)state;
	block_waiting_init(&waiting);
	add(&waiting, 10, 1, 5);
	add(&waiting, 30, 1, 9);
	add(&waiting, 20, 2, 7); /* overtaken */
	assert_int_equal(waiting.units, 4);
	assert_none(&waiting);
	block_waiting_release(&waiting, 4);
	assert_none(&waiting);
	block_waiting_release(&waiting, 7);
	assert_take(&waiting, 10, 1);
	assert_take(&waiting, 20, 2);
	assert_none(&waiting);
	block_waiting_release(&waiting, 6); /* an older one changes nothing */
	assert_none(&waiting);
	block_waiting_release(&waiting, 9);
	assert_take(&waiting, 30, 1);
	assert_int_equal(waiting.units, 0);
	block_waiting_close(&waiting);
}

static void test_neighbours_share(void **state)
{
	struct block_waiting waiting;

	(void)state;
	block_waiting_init(&waiting);
	for (uint64_t i = 0; i < 100000; i++)
		add(&waiting, i, 1, 1);
	assert_int_equal(waiting.marked.count, 1);
	add(&waiting, 100000, 1, 2);
	block_waiting_release(&waiting, 1);
	assert_take(&waiting, 0, 100000);
	assert_none(&waiting);
	block_waiting_close(&waiting);
}

static void test_readers(void **state)
{
	struct block_waiting waiting;
	struct blocks_reader before, between, after;

	(void)state;
	block_waiting_init(&waiting);
	block_waiting_enter(&waiting, &before);
	add(&waiting, 1, 1, 1);
	block_waiting_enter(&waiting, &between);
	block_waiting_release(&waiting, 1);
	assert_none(&waiting);
	block_waiting_enter(&waiting, &after); /* it cannot have seen unit 1 */
	assert_none(&waiting);
	block_waiting_leave(&waiting, &before);
	assert_none(&waiting);
	block_waiting_leave(&waiting, &between);
	assert_take(&waiting, 1, 1);
	add(&waiting, 2, 1, 1); /* a mark that is released already still waits for the reader */
	assert_none(&waiting);
	block_waiting_leave(&waiting, &after);
	assert_take(&waiting, 2, 1);
	block_waiting_close(&waiting);
}

/* Random frees, releases and readers against their definition. */
#define EXTENTS 200
#define READERS 8

static void test_random(void **state)
{
	uint64_t random = 7;

	(void)state;
	for (int round = 0; round < 100; round++) {
		struct block_waiting waiting;
		struct blocks_reader readers[READERS];
		uint64_t entered[READERS] = {0}, freed[EXTENTS] = {0}, mark = 0, released = 0, taken = 0;
		uint32_t count = 0;

		block_waiting_init(&waiting);
		for (uint64_t time = 1; time <= 1000; time++) {
			struct block_extent extent;
			uint32_t i = (uint32_t)((random = random * 6364136223846793005u + 1) >> 40) % READERS;

			switch ((random >> 33) % 4) {
			case 0:
				if (count < EXTENTS) {
					freed[count] = time;
					add(&waiting, count++ * 2, 1, ++mark); /* extent n has mark n + 1 */
				}
				break;
			case 1:
				if (entered[i])
					block_waiting_leave(&waiting, &readers[i]);
				else
					block_waiting_enter(&waiting, &readers[i]);
				entered[i] = entered[i] ? 0 : time;
				break;
			case 2:
				released += (mark - released) / 2;
				block_waiting_release(&waiting, released);
				break;
			default:
				while (block_waiting_take(&waiting, &extent)) {
					taken++;
					assert_true(extent.address / 2 < released);
					for (int r = 0; r < READERS; r++)
						assert_true(!entered[r] ||
							    entered[r] > freed[extent.address / 2]);
				}
			}
		}
		for (int r = 0; r < READERS; r++)
			if (entered[r])
				block_waiting_leave(&waiting, &readers[r]);
		block_waiting_release(&waiting, mark);
		for (struct block_extent extent; block_waiting_take(&waiting, &extent);)
			taken++;
		assert_int_equal(taken, count);
		assert_int_equal(waiting.units, 0);
		block_waiting_close(&waiting);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_neighbours_share),
		cmocka_unit_test(test_readers),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("block_waiting", tests, NULL, NULL);
}
