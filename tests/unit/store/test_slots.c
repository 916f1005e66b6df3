/* Exactly-once slots: what is new, what is answered again, what nobody waits for, and what a closed session leaves. */
#include <stdlib.h>
#include <string.h>

#include "store/rows/slots.h"
#include "tests/lib/memory_view.h"
#include "tests/lib/test.h"

struct fixture {
	struct memory_view *memory;
	struct mutations mutations;
	uint64_t index;
	int outcome;
	struct buf *reply;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	fixture->memory = memory_view_new();
	*state = fixture;
	return fixture->memory ? 0 : -1;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	mutations_close(&fixture->mutations);
	buf_unref(fixture->reply);
	memory_view_free(fixture->memory);
	free(fixture);
	return 0;
}

static void apply(struct fixture *fixture)
{
	struct raft_entry entry = {0};

	assert_int_equal(mutations_finish(&fixture->mutations, 1, &entry), 0);
	entry.index = ++fixture->index;
	assert_int_equal(memory_view_apply(fixture->memory, &entry), 0);
	buf_unref(entry.data);
	buf_unref(entry.payload);
	mutations_close(&fixture->mutations);
	fixture->mutations = (struct mutations){0};
}

static void open_session(struct fixture *fixture, uint64_t session)
{
	slots_open(&fixture->mutations, session, slice_of("who", 3));
	apply(fixture);
}

static void record(struct fixture *fixture, uint64_t session, uint32_t slot, uint64_t sequence, int outcome,
	const char *reply)
{
	slots_record(&fixture->mutations, session, slot, sequence, outcome, slice_of(reply, strlen(reply)));
	apply(fixture);
}

/* The verdict; `fixture->outcome` and `reply` of a repeated one. */
static enum slot_verdict find(struct fixture *fixture, uint64_t session, uint32_t slot, uint64_t sequence)
{
	enum slot_verdict verdict = SLOT_PASSED;

	buf_unref(fixture->reply);
	fixture->reply = NULL;
	assert_int_equal(slots_find(memory_view_get(fixture->memory), session, slot, sequence, &verdict,
				 &fixture->outcome, &fixture->reply),
		0);
	return verdict;
}

static int find_status(struct fixture *fixture, uint64_t session)
{
	enum slot_verdict verdict;

	return slots_find(memory_view_get(fixture->memory), session, 0, 1, &verdict, &fixture->outcome,
		&fixture->reply);
}

static void a_request_is_new_once(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(find_status(fixture, 7), STATUS_SESSION_UNKNOWN);
	open_session(fixture, 7);
	assert_int_equal(find(fixture, 7, 3, 10), SLOT_NEW);
	record(fixture, 7, 3, 10, -17, "the reply");
	assert_int_equal(find(fixture, 7, 3, 10), SLOT_REPEATED);
	assert_int_equal(fixture->outcome, -17);
	assert_int_equal(buf_slice(fixture->reply).size, 9);
	assert_memory_equal(buf_slice(fixture->reply).data, "the reply", 9);
	assert_int_equal(find(fixture, 7, 3, 9), SLOT_PASSED);
	assert_int_equal(find(fixture, 7, 3, 11), SLOT_NEW);
	assert_int_equal(find(fixture, 7, 3, UINT64_MAX), SLOT_NEW); /* gaps are allowed */
}

static void slots_and_sessions_are_apart(void **state)
{
	struct fixture *fixture = *state;

	open_session(fixture, 7);
	open_session(fixture, 8);
	record(fixture, 7, 0, 5, 0, "");
	assert_int_equal(find(fixture, 7, 0, 5), SLOT_REPEATED);
	assert_int_equal(fixture->outcome, 0);
	assert_int_equal(find(fixture, 7, 1, 5), SLOT_NEW);
	assert_int_equal(find(fixture, 7, UINT32_MAX, 5), SLOT_NEW);
	assert_int_equal(find(fixture, 8, 0, 5), SLOT_NEW);
}

/* Its slots go with it, down to the last, and no neighbour's. */
static void a_closed_session_leaves_nothing(void **state)
{
	static const uint64_t sessions[] = {1, 2, 3, UINT64_MAX};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < 4; i++) {
		open_session(fixture, sessions[i]);
		record(fixture, sessions[i], 0, 1, 0, "");
		record(fixture, sessions[i], UINT32_MAX, 1, 0, "");
	}
	slots_close(&fixture->mutations, 2);
	slots_close(&fixture->mutations, UINT64_MAX);
	apply(fixture);
	assert_int_equal(find_status(fixture, 2), STATUS_SESSION_UNKNOWN);
	assert_int_equal(find_status(fixture, UINT64_MAX), STATUS_SESSION_UNKNOWN);
	assert_int_equal(memory_view_count_rows(fixture->memory), 2 * 3);
	assert_int_equal(find(fixture, 1, UINT32_MAX, 1), SLOT_REPEATED);
	assert_int_equal(find(fixture, 3, 0, 1), SLOT_REPEATED);
	open_session(fixture, 2);
	assert_int_equal(find(fixture, 2, 0, 1), SLOT_NEW);
}

static void a_reply_that_is_too_large_is_not_logged(void **state)
{
	struct fixture *fixture = *state;
	char *large = calloc(1, SLOTS_REPLY_MAX + 64);
	struct raft_entry entry = {0};

	mutations_put(&fixture->mutations, KEY_DATA, slice_of("k", 1), slice_of("v", 1));
	slots_record(&fixture->mutations, 7, 0, 1, 0, slice_of(large, SLOTS_REPLY_MAX + 64));
	assert_true(mutations_finish(&fixture->mutations, 1, &entry) < 0);
	buf_unref(entry.data);
	free(large);
}

static void damaged_rows_are_named(void **state)
{
	static const uint8_t session[] = {1, 0, 0, 0, 0, 0, 0, 0, 7},
			     slot[] = {2, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 3};
	static const uint8_t value[] = {1, 10, 17, 0, 0, 0, 2, 'o', 'k'};
	struct fixture *fixture = *state;
	uint8_t bad[sizeof value];
	uint64_t of = 0;

	assert_int_equal(slots_check(slice_of(session, sizeof session), slice_of("any", 3), &of), 0);
	assert_int_equal(of, 7);
	assert_int_equal(slots_check(slice_of(slot, sizeof slot), slice_of(value, sizeof value), &of), 0);
	for (size_t size = 0; size < sizeof value; size++)
		assert_int_equal(
			slots_check(slice_of(slot, sizeof slot), slice_of(value, size), &of), STATUS_CORRUPT);
	for (size_t size = 0; size < sizeof slot; size++)
		if (size != sizeof session)
			assert_int_equal(
				slots_check(slice_of(slot, size), slice_of(value, sizeof value), &of),
				STATUS_CORRUPT);
	memcpy(bad, value, sizeof bad);
	bad[0] = 9; /* another version */
	assert_int_equal(
		slots_check(slice_of(slot, sizeof slot), slice_of(bad, sizeof bad), &of), STATUS_CORRUPT);
	open_session(fixture, 7);
	memory_view_put(fixture->memory, KEY_LOCAL, slice_of(slot, sizeof slot), slice_of(bad, sizeof bad));
	assert_int_equal(slots_find(memory_view_get(fixture->memory), 7, 3, 10,
				 &(enum slot_verdict){SLOT_NEW}, &fixture->outcome, &fixture->reply),
		STATUS_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_request_is_new_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(slots_and_sessions_are_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_closed_session_leaves_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_reply_that_is_too_large_is_not_logged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damaged_rows_are_named, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
