/* The unstable tail: replacing, handing out, acknowledging. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "raft/unstable.h"

/* `count` entries of `term` from `index` on. */
static void put(struct unstable *unstable, uint64_t index, uint64_t term, size_t count)
{
	struct raft_entry entries[8] = {0};

	for (size_t i = 0; i < count; i++)
		entries[i] = (struct raft_entry){.index = index + i, .term = term};
	assert_int_equal(unstable_replace_from(unstable, entries, count), 0);
}

static size_t waiting(const struct unstable *unstable)
{
	size_t count;

	unstable_next_entries(unstable, &count);
	return count;
}

static void appends_and_hands_out_once(void **state)
{
	struct unstable unstable;
	uint64_t term;

	(void)state;
	unstable_init(&unstable, 5);
	assert_int_equal(waiting(&unstable), 0);
	put(&unstable, 5, 1, 2);
	assert_int_equal(waiting(&unstable), 2);
	unstable_accept(&unstable);
	assert_int_equal(waiting(&unstable), 0);
	put(&unstable, 7, 1, 1);
	assert_int_equal(waiting(&unstable), 1);
	assert_int_equal(unstable_end(&unstable), 8);
	assert_true(unstable_term(&unstable, 7, &term));
	assert_false(unstable_term(&unstable, 8, &term));
	assert_false(unstable_term(&unstable, 4, &term));
	unstable_close(&unstable);
}

static void replaced_tail_is_handed_out_again(void **state)
{
	struct unstable unstable;
	uint64_t term;

	(void)state;
	unstable_init(&unstable, 5);
	put(&unstable, 5, 1, 3);
	unstable_accept(&unstable);
	put(&unstable, 6, 2, 1);
	assert_int_equal(unstable_end(&unstable), 7);
	assert_int_equal(unstable.in_progress, 6);
	assert_int_equal(waiting(&unstable), 1);
	put(&unstable, 3, 3, 1); /* below everything */
	assert_int_equal(unstable.offset, 3);
	assert_int_equal(unstable.in_progress, 3);
	assert_int_equal(unstable_end(&unstable), 4);
	assert_true(unstable_term(&unstable, 3, &term));
	assert_int_equal(term, 3);
	unstable_close(&unstable);
}

static void old_acknowledgements_are_ignored(void **state)
{
	struct unstable unstable;

	(void)state;
	unstable_init(&unstable, 5);
	put(&unstable, 5, 1, 3);
	unstable_accept(&unstable);
	unstable_stable_to(&unstable, 6, 2); /* another term */
	unstable_stable_to(&unstable, 4, 1); /* not here any more */
	unstable_stable_to(&unstable, 8, 1); /* not here yet */
	assert_int_equal(unstable.offset, 5);
	unstable_stable_to(&unstable, 6, 1);
	assert_int_equal(unstable.offset, 7);
	assert_int_equal(unstable.count, 1);
	assert_int_equal(unstable_entry(&unstable, 7)->index, 7);
	unstable_stable_to(&unstable, 7, 1);
	assert_int_equal(unstable.count, 0);
	assert_int_equal(unstable_end(&unstable), 8);
	unstable_close(&unstable);
}

static void long_pipelines_do_not_grow_without_end(void **state)
{
	struct unstable unstable;

	(void)state;
	unstable_init(&unstable, 1);
	for (uint64_t index = 1; index < 10000; index++) {
		put(&unstable, index, 1, 1);
		if (index > 3)
			unstable_stable_to(&unstable, index - 3, 1);
		assert_int_equal(unstable_entry(&unstable, index)->index, index);
	}
	assert_true(unstable.capacity <= 16);
	unstable_close(&unstable);
}

static void a_snapshot_replaces_everything(void **state)
{
	struct raft_snapshot *snapshot = calloc(1, sizeof *snapshot);
	struct unstable unstable;
	uint64_t term;

	(void)state;
	assert_non_null(snapshot);
	*snapshot = (struct raft_snapshot){.index = 20, .term = 4};
	unstable_init(&unstable, 5);
	put(&unstable, 5, 1, 3);
	unstable_restore(&unstable, snapshot);
	assert_int_equal(unstable_end(&unstable), 21);
	assert_true(unstable_term(&unstable, 20, &term));
	assert_int_equal(term, 4);
	assert_ptr_equal(unstable_next_snapshot(&unstable), snapshot);
	unstable_accept(&unstable);
	assert_null(unstable_next_snapshot(&unstable));
	put(&unstable, 21, 4, 1);
	unstable_stable_snapshot_to(&unstable, 19);
	assert_non_null(unstable.snapshot);
	unstable_stable_snapshot_to(&unstable, 20);
	assert_null(unstable.snapshot);
	assert_int_equal(unstable.count, 1);
	unstable_close(&unstable);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appends_and_hands_out_once),
		cmocka_unit_test(replaced_tail_is_handed_out_again),
		cmocka_unit_test(old_acknowledgements_are_ignored),
		cmocka_unit_test(long_pipelines_do_not_grow_without_end),
		cmocka_unit_test(a_snapshot_replaces_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
