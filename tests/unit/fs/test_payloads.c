/* When lanes read on. */
#include "tests/lib/test.h"

#include "fs/fuse/payloads.h"

#define STEP ((size_t)1 << 20)

static struct payloads *payloads;

static int setup(void **state)
{
	(void)state;
	payloads = payloads_new();
	return payloads ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	payloads_free(payloads);
	return 0;
}

static void add(uint64_t size)
{
	for (; size > 0; size -= STEP) {
		assert_false(payloads_are_full(payloads));
		payloads_add(payloads, STEP);
	}
}

static void remove_until_room(uint64_t size)
{
	for (; size > 0; size -= STEP) {
		assert_true(payloads_are_full(payloads));
		payloads_remove(payloads, STEP);
	}
	assert_false(payloads_are_full(payloads));
}

static void test_full_until_a_quarter_was_answered(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		add(i == 0 ? PAYLOADS_SIZE_MAX : PAYLOADS_SIZE_MAX / 4);
		assert_true(payloads_are_full(payloads));
		remove_until_room(PAYLOADS_SIZE_MAX / 4);
	}
}

static void test_what_was_being_read_is_counted(void **state)
{
	(void)state;
	add(PAYLOADS_SIZE_MAX);
	payloads_add(payloads, STEP);
	remove_until_room(PAYLOADS_SIZE_MAX / 4 + STEP);
}

static void test_slow_answers_are_answers(void **state)
{
	struct payloads_view view = {0};

	(void)state;
	add(PAYLOADS_SIZE_MAX);
	for (int i = 0; i < 3; i++) {
		payloads_look(payloads, &view, true);
		payloads_remove(payloads, STEP);
		assert_true(payloads_are_full(payloads));
	}
}

static void test_without_answers_there_is_more_room(void **state)
{
	struct payloads_view view = {0}, other = {0};

	(void)state;
	add(PAYLOADS_SIZE_MAX);
	payloads_look(payloads, &view, true);
	assert_true(payloads_are_full(payloads));
	payloads_look(payloads, &view, true);
	add(PAYLOADS_OUTAGE_SIZE_MAX - PAYLOADS_SIZE_MAX);
	assert_true(payloads_are_full(payloads));
	payloads_look(payloads, &view, true);
	assert_true(payloads_are_full(payloads));
	/* Another region answers. */
	payloads_look(payloads, &other, true);
	payloads_look(payloads, &view, false);
	remove_until_room(PAYLOADS_OUTAGE_SIZE_MAX / 4);
	/* All do. */
	payloads_look(payloads, &other, false);
	remove_until_room(PAYLOADS_OUTAGE_SIZE_MAX / 4 * 3 - PAYLOADS_SIZE_MAX / 4 * 3);
	add(PAYLOADS_SIZE_MAX / 4);
	assert_true(payloads_are_full(payloads));
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(full_until_a_quarter_was_answered),
		TEST(what_was_being_read_is_counted),
		TEST(slow_answers_are_answers),
		TEST(without_answers_there_is_more_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
