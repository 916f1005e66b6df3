/* fs/imbalance: what does not shrink grows old, whichever store has it. */
#include "fs/cluster/imbalance.h"

#include "tests/lib/test.h"

#define MIB (UINT64_C(1) << 20)

static uint64_t age_after(struct imbalance *imbalance, uint64_t store, uint64_t bytes, uint64_t now)
{
	imbalance_note(imbalance, (struct balance_excess){store, bytes}, now);
	return imbalance_age(imbalance, now);
}

static void what_does_not_shrink_grows_old(void **state)
{
	struct imbalance imbalance = {0};

	(void)state;
	assert_int_equal(age_after(&imbalance, 0, 0, 5), 0);
	assert_int_equal(age_after(&imbalance, 1, 1000 * MIB, 10), 0);
	assert_int_equal(age_after(&imbalance, 1, 1000 * MIB, 20), 10);
	assert_int_equal(age_after(&imbalance, 2, 2000 * MIB, 30), 20); /* it grows */
	assert_int_equal(age_after(&imbalance, 2, 990 * MIB, 40), 30); /* noise */
	assert_int_equal(imbalance.now.bytes, 990 * MIB);
}

static void what_shrinks_is_young(void **state)
{
	struct imbalance imbalance = {0};

	(void)state;
	for (uint64_t i = 0; i < 20; i++)
		assert_int_equal(age_after(&imbalance, 1, (1000 - 30 * i) * MIB, 10 * i), 0);
	assert_int_equal(age_after(&imbalance, 0, 0, 1000), 0);
	assert_int_equal(age_after(&imbalance, 0, 0, 2000), 0);
	assert_int_equal(age_after(&imbalance, 1, 9000 * MIB, 3000), 0); /* another one */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_does_not_shrink_grows_old),
		cmocka_unit_test(what_shrinks_is_young),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
