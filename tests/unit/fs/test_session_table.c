/* fs/session_table: who may be silent until when. */
#include "fs/cluster/session_table.h"

#include "proto/status.h"
#include "tests/lib/test.h"

#define EXPIRY 100u

/* Sessions 1 (live) and 2 (dying) were on record at time 10; 2 was the last id. */
static int setup(void **state)
{
	static struct session_table table;

	session_table_init(&table, EXPIRY);
	session_table_begin(&table, 2);
	session_table_tell(&table, 1, SESSION_LIVE, 10);
	session_table_tell(&table, 2, SESSION_DYING, 10);
	session_table_end(&table);
	*state = &table;
	return 0;
}

static int teardown(void **state)
{
	session_table_close(*state);
	return 0;
}

static int beat(struct session_table *table, uint64_t session, uint64_t now)
{
	struct session_notice notice;
	int status = session_table_beat(table, session, 0, now, &notice);

	assert_int_equal(notice.number, 0);
	return status;
}

static bool is_expired(struct session_table *table, uint64_t now, uint64_t session)
{
	uint64_t found;

	return session_table_find_expired(table, now, &found) && found == session;
}

static void silence_ends_a_session_after_a_period(void **state)
{
	struct session_table *table = *state;

	assert_false(is_expired(table, 10 + EXPIRY - 1, 1));
	assert_true(is_expired(table, 10 + EXPIRY, 1));
	assert_int_equal(beat(table, 1, 50), 0);
	assert_false(is_expired(table, 50 + EXPIRY - 1, 1));
	assert_true(is_expired(table, 50 + EXPIRY, 1));
}

static uint64_t find_dying(struct session_table *table, uint64_t after)
{
	uint64_t session;

	assert_true(session_table_find_dying(table, after, &session));
	return session;
}

static void the_dying_take_turns(void **state)
{
	struct session_table *table = *state;

	session_table_set_dying(table, 1);
	assert_int_equal(find_dying(table, 0), 1);
	assert_int_equal(find_dying(table, 1), 2);
	assert_int_equal(find_dying(table, 2), 1);
	assert_int_equal(find_dying(table, UINT64_MAX), 1);
}

static void who_is_dying_or_gone_is_told_so(void **state)
{
	struct session_table *table = *state;
	uint64_t session = 0;

	assert_true(session_table_find_dying(table, 0, &session));
	assert_int_equal(session, 2);
	assert_int_equal(beat(table, 2, 11), STATUS_SESSION_UNKNOWN);
	session_table_remove(table, 2);
	assert_int_equal(beat(table, 2, 11), STATUS_SESSION_UNKNOWN);
	assert_false(session_table_find_dying(table, 0, &session));
	session_table_set_dying(table, 1);
	assert_int_equal(beat(table, 1, 11), STATUS_SESSION_UNKNOWN);
	assert_false(is_expired(table, 10 + EXPIRY, 1));
}

static void session_newer_than_the_records_is_believed(void **state)
{
	struct session_table *table = *state;

	assert_int_equal(beat(table, 3, 11), 0);
	session_table_begin(table, 3);
	session_table_tell(table, 1, SESSION_LIVE, 60);
	session_table_end(table);
	assert_int_equal(beat(table, 3, 61), STATUS_SESSION_UNKNOWN);
}

static void telling_again_leaves_the_period_as_it_was(void **state)
{
	struct session_table *table = *state;

	session_table_begin(table, 3);
	session_table_tell(table, 1, SESSION_LIVE, 60);
	session_table_tell(table, 3, SESSION_LIVE, 60);
	session_table_end(table);
	assert_true(is_expired(table, 10 + EXPIRY, 1));
	session_table_remove(table, 1);
	assert_false(is_expired(table, 60 + EXPIRY - 1, 3));
	assert_true(is_expired(table, 60 + EXPIRY, 3));
}

static void grant_gives_everybody_a_period(void **state)
{
	struct session_table *table = *state;

	session_table_grant(table, 500);
	assert_false(is_expired(table, 500 + EXPIRY - 1, 1));
	assert_true(is_expired(table, 500 + EXPIRY, 1));
}

static void beats_are_taken_only_by_who_has_read_the_records(void **state)
{
	struct session_table *table = *state;

	session_table_reset(table);
	assert_int_equal(beat(table, 1, 11), STATUS_NOT_LEADER);
	session_table_begin(table, 2);
	session_table_tell(table, 1, SESSION_LIVE, 20);
	assert_int_equal(beat(table, 1, 21), STATUS_NOT_LEADER);
	session_table_end(table);
	assert_int_equal(beat(table, 1, 21), 0);
}

/* ---- Notices ---- */

/* The number that a beat is given. */
static uint64_t asked(struct session_table *table, uint64_t session, uint64_t answered)
{
	struct session_notice notice;

	assert_int_equal(session_table_beat(table, session, answered, 11, &notice), 0);
	assert_int_equal(notice.number > 0, notice.inodes != NULL);
	buf_unref(notice.inodes);
	return notice.number;
}

static void all_who_live_are_asked_until_they_answer(void **state)
{
	struct session_table *table = *state;

	session_table_tell(table, 3, SESSION_LIVE, 10);
	assert_int_equal(asked(table, 1, 0), 0);
	session_table_ask(table, (struct session_notice){5, buf_copy("x", 1)});
	assert_int_equal(asked(table, 1, 0), 5);
	assert_int_equal(asked(table, 1, 4), 5);
	assert_int_equal(asked(table, 4, 0), 0); /* it is newer than what is asked about */
	assert_false(session_table_is_answered(table));
	assert_int_equal(asked(table, 1, 5), 0);
	assert_int_equal(asked(table, 1, 0), 0); /* a beat that comes late */
	assert_false(session_table_is_answered(table));
	assert_int_equal(asked(table, 3, UINT64_MAX), 0); /* it knows of no notices */
	assert_true(session_table_is_answered(table));
	session_table_end_asking(table);
	session_table_ask(table, (struct session_notice){6, buf_copy("y", 1)});
	assert_int_equal(asked(table, 1, 5), 6);
}

static void who_has_ended_is_not_waited_for(void **state)
{
	struct session_table *table = *state;

	session_table_tell(table, 3, SESSION_LIVE, 10);
	session_table_ask(table, (struct session_notice){5, buf_copy("x", 1)});
	session_table_set_dying(table, 1);
	assert_false(session_table_is_answered(table));
	session_table_remove(table, 3);
	assert_true(session_table_is_answered(table));
	session_table_reset(table);
	session_table_begin(table, 2);
	session_table_tell(table, 1, SESSION_LIVE, 10);
	session_table_end(table);
	assert_int_equal(asked(table, 1, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(silence_ends_a_session_after_a_period, setup, teardown),
		cmocka_unit_test_setup_teardown(who_is_dying_or_gone_is_told_so, setup, teardown),
		cmocka_unit_test_setup_teardown(the_dying_take_turns, setup, teardown),
		cmocka_unit_test_setup_teardown(session_newer_than_the_records_is_believed, setup, teardown),
		cmocka_unit_test_setup_teardown(telling_again_leaves_the_period_as_it_was, setup, teardown),
		cmocka_unit_test_setup_teardown(grant_gives_everybody_a_period, setup, teardown),
		cmocka_unit_test_setup_teardown(
			beats_are_taken_only_by_who_has_read_the_records, setup, teardown),
		cmocka_unit_test_setup_teardown(all_who_live_are_asked_until_they_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(who_has_ended_is_not_waited_for, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
