/* The log over storage and unstable tail: matching, appending, slicing, and its indexes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "raft/log.h"
#include "raft/memory_storage.h"

struct fixture {
	struct memory_storage memory;
	struct raft_log log;
};

/* Storage with entries 1..n of the given terms. */
static void open_log(struct fixture *fixture, const uint64_t *terms, size_t count, uint64_t size_max)
{
	memory_storage_init(&fixture->memory);
	for (size_t i = 0; i < count; i++) {
		struct raft_entry entry = {.index = i + 1, .term = terms[i]};

		assert_int_equal(memory_storage_append(&fixture->memory, &entry, 1), 0);
	}
	assert_int_equal(raft_log_init(&fixture->log, &fixture->memory.storage, size_max), 0);
}

static void close_log(struct fixture *fixture)
{
	raft_log_close(&fixture->log);
	memory_storage_close(&fixture->memory);
}

static bool append_after(struct fixture *fixture, uint64_t index, uint64_t term, const uint64_t *terms,
	size_t count, uint64_t commit)
{
	struct raft_entry items[8] = {0};
	struct raft_entries entries = {.items = items, .count = count};
	uint64_t last = 0;
	bool matches;

	for (size_t i = 0; i < count; i++)
		items[i] = (struct raft_entry){.index = index + 1 + i, .term = terms[i]};
	assert_int_equal(raft_log_append_after(&fixture->log, (struct raft_position){index, term}, &entries,
				 commit, &last, &matches),
		0);
	if (matches)
		assert_int_equal(last, index + count);
	return matches;
}

static void compares_logs(void **state)
{
	struct fixture fixture;

	(void)state;
	open_log(&fixture, (uint64_t[]){1, 2, 3}, 3, RAFT_NO_LIMIT);
	assert_true(raft_log_is_up_to_date(&fixture.log, (struct raft_position){3, 3}));
	assert_true(raft_log_is_up_to_date(&fixture.log, (struct raft_position){1, 4}));
	assert_true(raft_log_is_up_to_date(&fixture.log, (struct raft_position){4, 3}));
	assert_false(raft_log_is_up_to_date(&fixture.log, (struct raft_position){9, 2}));
	assert_false(raft_log_is_up_to_date(&fixture.log, (struct raft_position){2, 3}));
	close_log(&fixture);
}

static void appends_behind_what_matches(void **state)
{
	struct fixture fixture;

	(void)state;
	open_log(&fixture, (uint64_t[]){1, 2, 3}, 3, RAFT_NO_LIMIT);
	assert_false(append_after(&fixture, 3, 2, (uint64_t[]){4}, 1, 4)); /* another term there */
	assert_false(append_after(&fixture, 7, 3, (uint64_t[]){4}, 1, 4)); /* nothing there */
	assert_int_equal(fixture.log.committed, 0);
	assert_true(append_after(&fixture, 3, 3, (uint64_t[]){4}, 1, 9)); /* commits only what it brings */
	assert_int_equal(fixture.log.committed, 4);
	assert_int_equal(raft_log_last(&fixture.log).term, 4);
	assert_true(append_after(&fixture, 3, 3, (uint64_t[]){4}, 1, 2)); /* a repeat changes nothing */
	assert_int_equal(fixture.log.committed, 4);
	assert_int_equal(fixture.log.unstable.count, 1);
	close_log(&fixture);
}

static void replaces_what_conflicts(void **state)
{
	struct fixture fixture;

	(void)state;
	open_log(&fixture, (uint64_t[]){1, 2, 2, 2}, 4, RAFT_NO_LIMIT);
	assert_true(append_after(&fixture, 1, 1, (uint64_t[]){2, 3}, 2, 0));
	assert_int_equal(raft_log_last_index(&fixture.log), 3);
	assert_int_equal(fixture.log.unstable.offset, 3);
	assert_int_equal(raft_log_last(&fixture.log).term, 3);
	close_log(&fixture);
}

static void committed_entries_are_never_replaced(void **state)
{
	struct raft_entry entry = {.index = 2, .term = 9};
	struct raft_entries entries = {.items = &entry, .count = 1};
	struct fixture fixture;
	uint64_t last;
	bool matches;

	(void)state;
	open_log(&fixture, (uint64_t[]){1, 2, 2}, 3, RAFT_NO_LIMIT);
	raft_log_commit_to(&fixture.log, 2);
	assert_int_equal(raft_log_append_after(
				 &fixture.log, (struct raft_position){1, 1}, &entries, 0, &last, &matches),
		STATUS_CORRUPT);
	assert_int_equal(raft_log_last_index(&fixture.log), 3);
	close_log(&fixture);
}

static void guesses_where_logs_part(void **state)
{
	static const struct {
		struct raft_position known, found;
	} cases[] = {
		{{6, 2}, {1, 1}}, /* everything later is of a higher term */
		{{8, 3}, {4, 3}},
		{{3, 9}, {3, 3}},
		{{20, 1}, {20, 0}}, /* past the end: it may match */
		{{0, 5}, {0, 0}},
	};
	struct fixture fixture;

	(void)state;
	open_log(&fixture, (uint64_t[]){1, 3, 3, 3, 5, 5, 5, 5}, 8, RAFT_NO_LIMIT);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct raft_position found;

		assert_int_equal(raft_log_find_conflict(&fixture.log, cases[i].known, &found), 0);
		assert_int_equal(found.index, cases[i].found.index);
		assert_int_equal(found.term, cases[i].found.term);
	}
	close_log(&fixture);
}

static void slices_across_storage_and_tail(void **state)
{
	struct raft_entry more = {.index = 4, .term = 2};
	struct raft_entries out = {0};
	struct fixture fixture;
	uint64_t size;

	(void)state;
	open_log(&fixture, (uint64_t[]){1, 1, 2}, 3, RAFT_NO_LIMIT);
	assert_int_equal(raft_log_append(&fixture.log, &more, 1), 0);
	size = raft_entry_size(&more);
	assert_int_equal(raft_log_slice(&fixture.log, 2, 5, RAFT_NO_LIMIT, &out), 0);
	assert_int_equal(out.count, 3);
	assert_int_equal(out.items[2].index, 4);
	raft_entries_truncate(&out, 0);
	assert_int_equal(raft_log_slice(&fixture.log, 2, 5, 2 * size, &out), 0);
	assert_int_equal(out.count, 2);
	raft_entries_truncate(&out, 0);
	assert_int_equal(raft_log_slice(&fixture.log, 4, 5, 0, &out), 0); /* one entry always fits */
	assert_int_equal(out.count, 1);
	raft_entries_truncate(&out, 0);
	assert_int_equal(memory_storage_compact(&fixture.memory, 2), 0);
	assert_int_equal(raft_log_slice(&fixture.log, 2, 5, RAFT_NO_LIMIT, &out), STATUS_COMPACTED);
	assert_int_equal(out.count, 0);
	raft_entries_close(&out);
	close_log(&fixture);
}

static void terms_at_the_edges(void **state)
{
	struct fixture fixture;
	uint64_t term;

	(void)state;
	open_log(&fixture, (uint64_t[]){1, 2, 3}, 3, RAFT_NO_LIMIT);
	assert_int_equal(memory_storage_compact(&fixture.memory, 2), 0);
	assert_int_equal(raft_log_term(&fixture.log, 1, &term), STATUS_COMPACTED);
	assert_int_equal(raft_log_term(&fixture.log, 2, &term), 0); /* kept for matching */
	assert_int_equal(term, 2);
	assert_int_equal(raft_log_term(&fixture.log, 4, &term), STATUS_UNAVAILABLE);
	close_log(&fixture);
}

static void applying_is_limited_in_bytes(void **state)
{
	struct raft_entries out = {0};
	struct fixture fixture;
	uint64_t size = raft_entry_size(&(struct raft_entry){.index = 1, .term = 1});

	(void)state;
	open_log(&fixture, (uint64_t[]){1, 1, 1, 1}, 4, 2 * size);
	raft_log_commit_to(&fixture.log, 4);
	assert_int_equal(raft_log_next_committed(&fixture.log, true, &out), 0);
	assert_int_equal(out.count, 2);
	raft_log_accept_applying(&fixture.log, 2, 2 * size, true);
	assert_false(raft_log_has_next_committed(&fixture.log, true));
	raft_log_applied_to(&fixture.log, 1, size);
	assert_true(raft_log_has_next_committed(&fixture.log, true));
	raft_entries_truncate(&out, 0);
	assert_int_equal(raft_log_next_committed(&fixture.log, true, &out), 0);
	assert_int_equal(out.count, 1);
	assert_int_equal(out.items[0].index, 3);
	raft_entries_close(&out);
	close_log(&fixture);
}

static void unstable_entries_wait_when_writes_are_asynchronous(void **state)
{
	struct raft_entry more = {.index = 2, .term = 1};
	struct fixture fixture;

	(void)state;
	open_log(&fixture, (uint64_t[]){1}, 1, RAFT_NO_LIMIT);
	assert_int_equal(raft_log_append(&fixture.log, &more, 1), 0);
	raft_log_commit_to(&fixture.log, 2);
	raft_log_accept_applying(&fixture.log, 1, 0, false);
	assert_false(raft_log_has_next_committed(&fixture.log, false));
	assert_true(raft_log_has_next_committed(&fixture.log, true));
	unstable_stable_to(&fixture.log.unstable, 2, 1);
	assert_true(raft_log_has_next_committed(&fixture.log, false));
	close_log(&fixture);
}

static void sizes_are_those_of_the_wire(void **state)
{
	struct buf *data = buf_copy("12345678", 8);
	struct raft_entry entry = {.index = 127, .term = 1};

	(void)state;
	assert_int_equal(raft_entry_size(&entry), 6);
	entry.index = 128;
	assert_int_equal(raft_entry_size(&entry), 7);
	entry.term = UINT64_C(1) << 63;
	assert_int_equal(raft_entry_size(&entry), 16);
	entry = (struct raft_entry){.index = 1, .term = 1, .data = data, .payload_size = 1000};
	assert_int_equal(raft_entry_size(&entry), 16 + 1000);
	assert_int_equal(raft_entry_payload_size(&entry), 1008);
	buf_unref(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compares_logs),
		cmocka_unit_test(appends_behind_what_matches),
		cmocka_unit_test(replaces_what_conflicts),
		cmocka_unit_test(committed_entries_are_never_replaced),
		cmocka_unit_test(guesses_where_logs_part),
		cmocka_unit_test(slices_across_storage_and_tail),
		cmocka_unit_test(terms_at_the_edges),
		cmocka_unit_test(applying_is_limited_in_bytes),
		cmocka_unit_test(unstable_entries_wait_when_writes_are_asynchronous),
		cmocka_unit_test(sizes_are_those_of_the_wire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
