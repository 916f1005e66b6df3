/* fs/vfs/retries: which try of a system call this is. */
#include "fs/vfs/retries.h"

#include "tests/lib/test.h"

#define THREAD	11u
#define OLD	100u /* inodes: the one that the kernel remembered, */
#define NEW	101u /* the one that has its name now, */
#define CHILD	102u /* something in it */
#define QUICKLY 10u /* ns */
#define SLOWLY	10000000u

static int setup(void **state)
{
	*state = retries_new();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	retries_free(*state);
	return 0;
}

static bool is_last(struct retries *retries, enum retry_kind kind, uint64_t ino, uint64_t now)
{
	struct retry retry = retries_of(retries, THREAD);

	return retry_is_last(&retry, kind, ino, now);
}

static void who_was_told_nothing_tries_for_the_first_time(void **state)
{
	struct retries *retries = *state;

	retries_found(retries, THREAD, OLD, 0);
	assert_false(is_last(retries, RETRY_OPEN, OLD, QUICKLY));
	retries_note(retries, THREAD + 1, RETRY_OPEN, OLD, 0);
	assert_false(is_last(retries, RETRY_OPEN, OLD, QUICKLY));
	retries_note(retries, 0, RETRY_OPEN, OLD, 0);
	assert_int_equal(retries_of(retries, 0).kind, RETRY_NONE);
}

static void what_has_no_name_comes_again(void **state)
{
	struct retries *retries = *state;

	retries_note(retries, THREAD, RETRY_PLACE, OLD, NEW);
	assert_true(is_last(retries, RETRY_PLACE, OLD, SLOWLY));
	assert_true(is_last(retries, RETRY_PLACE, NEW, SLOWLY));
	assert_true(is_last(retries, RETRY_LOOK, OLD, SLOWLY));
	assert_false(is_last(retries, RETRY_PLACE, CHILD, SLOWLY));
	retries_take(retries, THREAD);
	assert_false(is_last(retries, RETRY_PLACE, OLD, SLOWLY));
}

static void what_was_found_by_name_is_taken(void **state)
{
	struct retries *retries = *state;

	retries_note(retries, THREAD, RETRY_OPEN, OLD, 0);
	assert_false(is_last(retries, RETRY_OPEN, NEW, SLOWLY));
	retries_found(retries, THREAD, NEW, 0);
	assert_true(is_last(retries, RETRY_OPEN, NEW, SLOWLY));
	retries_found(retries, THREAD, CHILD, 0);
	assert_true(is_last(retries, RETRY_OPEN, CHILD, SLOWLY));
	assert_true(is_last(retries, RETRY_OPEN, NEW, QUICKLY)); /* no time to change it twice */
	assert_false(is_last(retries, RETRY_OPEN, NEW, SLOWLY));
}

/* stat(2) looked again, and found it; then the name changed once more, and the thread opens it. */
static void a_note_of_a_call_before_does_not_count_for_another_kind(void **state)
{
	struct retries *retries = *state;

	retries_note(retries, THREAD, RETRY_LOOK, OLD, 0);
	retries_found(retries, THREAD, NEW, 0);
	assert_true(is_last(retries, RETRY_OPEN, NEW, QUICKLY));
	assert_false(is_last(retries, RETRY_OPEN, NEW, SLOWLY));
	assert_false(is_last(retries, RETRY_PLACE, NEW, SLOWLY));
	assert_true(is_last(retries, RETRY_LOOK, NEW, SLOWLY));
}

/* The kernel asks twice for a name that it remembers and that is not there; then it makes it, or the call is over. */
static void a_call_that_finds_nothing_ends(void **state)
{
	struct retries *retries = *state;

	retries_note(retries, THREAD, RETRY_OPEN, OLD, 0);
	retries_look_up(retries, THREAD, NEW);
	retries_missed(retries, THREAD, NEW);
	retries_look_up(retries, THREAD, NEW);
	retries_missed(retries, THREAD, NEW);
	assert_int_equal(retries_of(retries, THREAD).kind, RETRY_OPEN);
	assert_false(is_last(retries, RETRY_OPEN, OLD, QUICKLY));
	retries_look_up(retries, THREAD, CHILD);
	assert_int_equal(retries_of(retries, THREAD).kind, RETRY_NONE);
}

static void threads_of_one_place_displace_each_other(void **state)
{
	struct retries *retries = *state;

	retries_note(retries, THREAD, RETRY_OPEN, OLD, 0);
	retries_note(retries, THREAD + 1024, RETRY_OPEN, OLD, 0);
	assert_int_equal(retries_of(retries, THREAD).kind, RETRY_NONE);
	assert_int_equal(retries_of(retries, THREAD + 1024).kind, RETRY_OPEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			who_was_told_nothing_tries_for_the_first_time, setup, teardown),
		cmocka_unit_test_setup_teardown(what_has_no_name_comes_again, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_found_by_name_is_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_note_of_a_call_before_does_not_count_for_another_kind, setup, teardown),
		cmocka_unit_test_setup_teardown(a_call_that_finds_nothing_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(threads_of_one_place_displace_each_other, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
