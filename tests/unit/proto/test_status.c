/* Whoever prints a status has something to print. */
#include <errno.h>

#include "proto/status.h"
#include "tests/lib/test.h"

static void what_was_said_is_kept(void **state)
{
	struct status status = {0};

	(void)state;
	assert_int_equal(status_set(&status, -EIO, "the disk of %s broke", "a"), -EIO);
	assert_int_equal(status_complete(&status, -EIO, "something else"), -EIO);
	assert_string_equal(status_sentence(&status), "the disk of a broke");
}

static void what_nobody_said_is_filled_in(void **state)
{
	struct status status = {0};

	(void)state;
	assert_int_equal(status_complete(&status, 0, "nothing"), 0);
	assert_int_equal(status.code, 0);
	assert_string_not_equal(status_sentence(&status), "");
	assert_int_equal(status_complete(&status, STATUS_WOULD_BLOCK, "no: %d", 1), STATUS_WOULD_BLOCK);
	assert_string_equal(status_sentence(&status), "no: 1");
	/* What an attempt before failed of does not explain this one. */
	assert_int_equal(status_complete(&status, -ENOMEM, "out of memory"), -ENOMEM);
	assert_string_equal(status_sentence(&status), "out of memory");
	assert_int_equal(status_complete(NULL, -ENOMEM, "out of memory"), -ENOMEM);
}

static void what_is_transient_is_no_errno(void **state)
{
	(void)state;
	assert_true(status_is_transient(STATUS_NOT_LEADER));
	assert_true(status_is_transient(STATUS_STOPPING));
	assert_false(status_is_transient(STATUS_SESSION_UNKNOWN)); /* a definite refusal */
	assert_false(status_is_transient(STATUS_KEY_NOT_IN_REGION)); /* the operation spans two regions */
	assert_false(status_is_transient(STATUS_CORRUPT));
	assert_false(status_is_transient(0));
	for (int code = -1; code > STATUS_FIRST; code--)
		assert_false(status_is_transient(code));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_said_is_kept),
		cmocka_unit_test(what_nobody_said_is_filled_in),
		cmocka_unit_test(what_is_transient_is_no_errno),
	};

	return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
