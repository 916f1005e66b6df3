/* proto/budget: claims are granted, the smallest first, as far as there is room, and given back in any state. */
#include "proto/budget.h"

#include <stdlib.h>

#include "proto/status.h"
#include "tests/lib/test.h"

static uint32_t granted;

static void on_granted(struct budget_claim *claim)
{
	assert_false(claim->is_waiting);
	granted++;
}

static int set_up(void **state)
{
	struct budget *budget = malloc(sizeof *budget);

	budget_init(budget, 100);
	granted = 0;
	*state = budget;
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

static void the_smallest_is_first(void **state)
{
	struct budget *budget = *state;
	struct budget_claim a = {.granted = on_granted}, b = a, c = a, d = a, e = a;

	assert_int_equal(budget_claim(budget, &a, 60), 0);
	assert_false(a.is_waiting);
	assert_int_equal(budget_claim(budget, &b, 50), 0);
	assert_int_equal(budget_claim(budget, &c, 45), 0);
	assert_int_equal(budget_claim(budget, &d, 45), 0);
	assert_true(b.is_waiting && c.is_waiting && d.is_waiting);
	assert_int_equal(budget_claim(budget, &e, 10), 0); /* it fits */
	assert_false(e.is_waiting);
	assert_int_equal(budget->size, 70);
	budget_shrink(budget, &a, 45);
	assert_int_equal(granted, 1);
	assert_false(c.is_waiting);
	assert_int_equal(budget->size, 100);
	budget_release(budget, &a);
	assert_int_equal(granted, 2);
	assert_false(d.is_waiting);
	budget_release(budget, &a);
	budget_release(budget, &c);
	budget_release(budget, &d);
	assert_int_equal(granted, 3);
	budget_release(budget, &b);
	budget_release(budget, &e);
	assert_int_equal(budget->size, 0);
	assert_int_equal(budget->waiting_count, 0);
}

static void who_leaves_the_queue_lets_others_pass(void **state)
{
	struct budget *budget = *state;
	struct budget_claim a = {.granted = on_granted}, b = a, c = a;

	budget_claim(budget, &a, 60);
	budget_claim(budget, &b, 50);
	budget_claim(budget, &c, 80);
	budget_release(budget, &b);
	assert_int_equal(granted, 0);
	budget_release(budget, &c);
	assert_null(budget->first);
	assert_int_equal(budget_claim(budget, &b, 40), 0);
	assert_false(b.is_waiting);
	assert_int_equal(budget->size, 100);
}

static void the_queue_is_limited(void **state)
{
	struct budget *budget = *state;
	struct budget_claim first = {.granted = on_granted}, waiting[BUDGET_WAITING_MAX],
			    last = {.granted = on_granted};

	budget_claim(budget, &first, 100);
	for (uint32_t i = 0; i < BUDGET_WAITING_MAX; i++) {
		waiting[i] = (struct budget_claim){.granted = on_granted};
		assert_int_equal(budget_claim(budget, &waiting[i], 1), 0);
	}
	assert_int_equal(budget_claim(budget, &last, 1), STATUS_LIMIT);
	assert_int_equal(last.size, 0);
	budget_release(budget, &first);
	assert_int_equal(granted, 100);
	for (uint32_t i = 0; i < BUDGET_WAITING_MAX; i++)
		budget_release(budget, &waiting[i]);
	assert_int_equal(granted, BUDGET_WAITING_MAX);
	assert_int_equal(budget->size, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_smallest_is_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_leaves_the_queue_lets_others_pass, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_queue_is_limited, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
