/* proto/backoff: lengths double up to the most; what is drawn is from the upper half. */
#include "proto/backoff.h"

#include "tests/lib/sim_env.h"
#include "tests/lib/test.h"

static void lengths_double_up_to_the_most(void **state)
{
	const struct backoff backoff = {.first = 20, .most = 500};
	static const uint64_t lengths[] = {20, 40, 80, 160, 320, 500, 500};

	(void)state;
	for (uint32_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
		assert_int_equal(backoff_length(&backoff, i), lengths[i]);
	assert_int_equal(backoff_length(&backoff, 63), 500);
	assert_int_equal(backoff_length(&backoff, 64), 500);
	assert_int_equal(backoff_length(&backoff, UINT32_MAX), 500);
}

static void no_length_overflows(void **state)
{
	const struct backoff long_ones = {.first = UINT64_C(1) << 62, .most = UINT64_MAX};
	const struct backoff constant = {.first = 7, .most = 7};

	(void)state;
	assert_true(backoff_length(&long_ones, 1) == UINT64_C(1) << 63);
	assert_true(backoff_length(&long_ones, 2) == UINT64_MAX);
	assert_int_equal(backoff_length(&constant, 0), 7);
	assert_int_equal(backoff_length(&constant, 1), 7);
}

static void what_is_drawn_is_from_the_upper_half(void **state)
{
	const struct backoff backoff = {.first = 8, .most = 64};
	struct sim_world *world = sim_world_new(1);
	struct env *env = sim_node_start(sim_node_new(world, "one"));

	(void)state;
	for (uint32_t failures = 0; failures < 5; failures++) {
		uint64_t length = backoff_length(&backoff, failures), seen = 0;

		for (int i = 0; i < 2000; i++) {
			uint64_t rest = backoff_draw(&backoff, failures, env);

			assert_true(rest >= length / 2 && rest < length);
			seen |= UINT64_C(1) << (rest - length / 2);
		}
		assert_true(seen == (UINT64_C(1) << length / 2) - 1); /* each of them, some time */
	}
	sim_world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths_double_up_to_the_most),
		cmocka_unit_test(no_length_overflows),
		cmocka_unit_test(what_is_drawn_is_from_the_upper_half),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
