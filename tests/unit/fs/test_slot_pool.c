/* fs/client/slot_pool: one change a slot at a time, ever growing sequences, and nobody overtakes who waits. */
#include "fs/client/slot_pool.h"

#include "tests/lib/test.h"

#define FIRST 128u

static struct slot_pool pool;
static struct cluster_request requests[SLOT_POOL_SIZE + 3];

static int set_up(void **state)
{
	(void)state;
	slot_pool_init(&pool, FIRST);
	for (uint32_t i = 0; i < SLOT_POOL_SIZE + 3; i++)
		requests[i] = (struct cluster_request){0};
	return 0;
}

static void take_all(void)
{
	for (uint32_t i = 0; i < SLOT_POOL_SIZE; i++)
		assert_true(slot_pool_take(&pool, &requests[i]));
}

static void each_has_a_slot_of_its_own(void **state)
{
	bool is_taken[SLOT_POOL_SIZE] = {false};

	(void)state;
	slot_pool_open(&pool);
	take_all();
	for (uint32_t i = 0; i < SLOT_POOL_SIZE; i++) {
		assert_in_range(requests[i].slot, FIRST, FIRST + SLOT_POOL_SIZE - 1);
		assert_false(is_taken[requests[i].slot - FIRST]);
		is_taken[requests[i].slot - FIRST] = true;
		assert_int_equal(requests[i].sequence, 1);
	}
}

static void a_slot_that_is_used_again_goes_on_counting(void **state)
{
	uint32_t slot;

	(void)state;
	slot_pool_open(&pool);
	take_all();
	slot = requests[5].slot;
	slot_pool_give(&pool, &requests[5]);
	slot_pool_give(&pool, &requests[5]); /* it has none any more */
	assert_true(slot_pool_take(&pool, &requests[5]));
	assert_int_equal(requests[5].slot, slot);
	assert_int_equal(requests[5].sequence, 2);
	assert_false(slot_pool_take(&pool, &requests[SLOT_POOL_SIZE]));
}

static void who_waits_is_served_in_order(void **state)
{
	struct cluster_request *waiting = &requests[SLOT_POOL_SIZE];

	(void)state;
	slot_pool_open(&pool);
	take_all();
	for (uint32_t i = 0; i < 3; i++)
		assert_false(slot_pool_take(&pool, &waiting[i]));
	assert_null(slot_pool_next(&pool));
	slot_pool_leave(&pool, &waiting[1]);
	slot_pool_give(&pool, &requests[0]);
	assert_false(slot_pool_take(&pool, &requests[0])); /* others have waited for longer */
	assert_ptr_equal(slot_pool_next(&pool), &waiting[0]);
	assert_true(waiting[0].has_slot);
	assert_null(slot_pool_next(&pool));
	slot_pool_give(&pool, &requests[1]);
	assert_ptr_equal(slot_pool_next(&pool), &waiting[2]);
	slot_pool_give(&pool, &requests[2]);
	assert_ptr_equal(slot_pool_next(&pool), &requests[0]);
}

static void a_new_session_begins_anew(void **state)
{
	(void)state;
	assert_false(slot_pool_take(&pool, &requests[SLOT_POOL_SIZE])); /* there is none yet */
	slot_pool_open(&pool);
	assert_ptr_equal(slot_pool_next(&pool), &requests[SLOT_POOL_SIZE]);
	slot_pool_close(&pool);
	assert_false(slot_pool_take(&pool, &requests[0]));
	slot_pool_give(&pool, &requests[SLOT_POOL_SIZE]); /* of the session that is over */
	assert_null(slot_pool_next(&pool));
	slot_pool_open(&pool);
	assert_ptr_equal(slot_pool_next(&pool), &requests[0]);
	assert_int_equal(requests[0].sequence, 1);
	for (uint32_t i = 1; i < SLOT_POOL_SIZE; i++)
		assert_true(slot_pool_take(&pool, &requests[i]));
	assert_false(slot_pool_take(&pool, &requests[SLOT_POOL_SIZE + 1]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_has_a_slot_of_its_own, set_up),
		cmocka_unit_test_setup(a_slot_that_is_used_again_goes_on_counting, set_up),
		cmocka_unit_test_setup(who_waits_is_served_in_order, set_up),
		cmocka_unit_test_setup(a_new_session_begins_anew, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
