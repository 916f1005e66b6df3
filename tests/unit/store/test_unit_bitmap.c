/* The bitmap of units against an array of bools. */
#include <stdlib.h>

#include "store/blocks/unit_bitmap.h"
#include "tests/lib/test.h"

#define UNITS  1000u
#define ROUNDS 2000

static uint64_t draw(uint64_t *state, uint64_t below)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (*state >> 33) % below;
}

static uint64_t find(const bool *used, uint64_t from, uint64_t end, bool is_used)
{
	while (from < end && used[from] != is_used)
		from++;
	return from;
}

static void same_as_an_array(void **state)
{
	uint64_t dice = 1;

	(void)state;
	for (int game = 0; game < 20; game++) {
		bool used[UNITS] = {0};
		struct unit_bitmap bitmap;

		assert_int_equal(unit_bitmap_init(&bitmap, UNITS), 0);
		for (int i = 0; i < ROUNDS; i++) {
			uint64_t first = draw(&dice, UNITS);
			uint64_t count = 1 + draw(&dice, game < 10 ? 4 : 200);
			uint64_t end = first + count < UNITS ? first + count : UNITS;
			bool is_free = find(used, first, end, true) == end;

			assert_int_equal(
				unit_bitmap_find(&bitmap, first, end, true), find(used, first, end, true));
			assert_int_equal(
				unit_bitmap_find(&bitmap, first, end, false), find(used, first, end, false));
			assert_int_equal(unit_bitmap_set(&bitmap, first, end - first), is_free);
			for (uint64_t unit = first; is_free && unit < end; unit++)
				used[unit] = true;
		}
		unit_bitmap_close(&bitmap);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_as_an_array),
	};

	return cmocka_run_group_tests_name("unit_bitmap", tests, NULL, NULL);
}
