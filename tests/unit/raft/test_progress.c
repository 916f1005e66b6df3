/* A peer's progress, the in-flight ring, and the tracker over a configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "raft/progress.h"

static void ring_keeps_order_and_limits(void **state)
{
	struct inflight_limits limits = {.count_max = 20, .size_max = 100};
	struct inflights ring = {0};

	(void)state;
	for (uint64_t round = 0; round < 50; round++) {
		for (uint64_t i = 1; i <= 9; i++) {
			assert_int_equal(inflights_reserve(&ring), 0);
			inflights_add(&ring, round * 9 + i, 10);
		}
		assert_false(inflights_is_full(&ring, &limits));
		inflights_free_to(&ring, round * 9 + 4);
		assert_int_equal(ring.count, 5);
		assert_int_equal(ring.size, 50);
		inflights_free_to(&ring, round * 9 + 9);
		assert_int_equal(ring.count, 0);
	}
	for (uint64_t i = 0; i < 10; i++) {
		assert_int_equal(inflights_reserve(&ring), 0);
		inflights_add(&ring, 1000 + i, 10);
	}
	assert_true(inflights_is_full(&ring, &limits)); /* by bytes */
	limits.size_max = RAFT_NO_LIMIT;
	assert_false(inflights_is_full(&ring, &limits));
	limits.count_max = 10;
	assert_true(inflights_is_full(&ring, &limits)); /* by number */
	assert_int_equal(ring.capacity, 16);
	inflights_close(&ring);
}

static void probes_one_at_a_time(void **state)
{
	struct inflight_limits limits = {.count_max = 2, .size_max = RAFT_NO_LIMIT};
	struct progress progress = {.next = 5};

	(void)state;
	progress_sent_entries(&progress, 0, 0, &limits);
	assert_false(progress_is_paused(&progress));
	progress_sent_entries(&progress, 1, 10, &limits);
	assert_true(progress_is_paused(&progress));
	assert_int_equal(progress.next, 5);
	assert_true(progress_decrease(&progress, 4, 2));
	assert_int_equal(progress.next, 3);
	assert_false(progress_is_paused(&progress));
	assert_false(progress_decrease(&progress, 4, 2)); /* the response to an earlier probe */
}

static void pipelines_until_the_ring_is_full(void **state)
{
	struct inflight_limits limits = {.count_max = 2, .size_max = RAFT_NO_LIMIT};
	struct progress progress = {.match = 4, .next = 5};

	(void)state;
	progress_become_replicate(&progress);
	for (unsigned i = 0; i < 2; i++) {
		assert_false(progress_is_paused(&progress));
		assert_int_equal(inflights_reserve(&progress.inflights), 0);
		progress_sent_entries(&progress, 3, 10, &limits);
	}
	assert_true(progress_is_paused(&progress));
	assert_int_equal(progress.next, 11);
	assert_true(progress_update(&progress, 7));
	assert_false(progress_update(&progress, 7));
	assert_false(progress_is_paused(&progress));
	assert_false(progress_decrease(&progress, 6, 5)); /* below its acknowledgement */
	assert_true(progress_decrease(&progress, 10, 8));
	assert_int_equal(progress.next, 8);
	inflights_close(&progress.inflights);
}

static void probing_after_a_snapshot_starts_behind_it(void **state)
{
	struct progress progress = {.match = 1, .next = 2};

	(void)state;
	progress_become_snapshot(&progress, 10);
	assert_true(progress_is_paused(&progress));
	assert_int_equal(progress.next, 11);
	progress_become_probe(&progress);
	assert_int_equal(progress.next, 11);
	progress_become_snapshot(&progress, 20);
	progress.pending_snapshot = 0; /* it failed */
	progress_become_probe(&progress);
	assert_int_equal(progress.next, 2);
}

static void tells_a_commit_index_once(void **state)
{
	struct progress progress = {.match = 4, .next = 8, .sent_commit = 3};

	(void)state;
	assert_true(progress_can_bump_commit(&progress, 4));
	assert_false(progress_can_bump_commit(&progress, 3));
	progress.sent_commit = 7; /* up to next - 1 */
	assert_false(progress_can_bump_commit(&progress, 9));
}

static struct raft_conf_state conf_of(
	const uint64_t *voters, size_t count, const uint64_t *outgoing, size_t outgoing_count)
{
	struct raft_conf_state conf = {0};

	for (size_t i = 0; i < count; i++)
		assert_int_equal(raft_ids_insert(&conf.voters, voters[i]), 0);
	for (size_t i = 0; i < outgoing_count; i++)
		assert_int_equal(raft_ids_insert(&conf.voters_outgoing, outgoing[i]), 0);
	return conf;
}

static void members_that_stay_keep_their_progress(void **state)
{
	struct raft_conf_state conf = conf_of((uint64_t[]){3, 1, 2}, 3, NULL, 0);
	struct tracker tracker = {0};

	(void)state;
	assert_int_equal(tracker_set_conf(&tracker, &conf, 9), 0);
	assert_int_equal(tracker.count, 3);
	assert_int_equal(tracker.items[0].id, 1);
	assert_int_equal(tracker_find(&tracker, 3)->next, 9);
	tracker_find(&tracker, 2)->match = 7;
	conf = conf_of((uint64_t[]){2, 4}, 2, (uint64_t[]){1, 2}, 2);
	assert_int_equal(raft_ids_insert(&conf.learners, 5), 0);
	assert_int_equal(tracker_set_conf(&tracker, &conf, 12), 0);
	assert_int_equal(tracker.count, 4);
	assert_null(tracker_find(&tracker, 3));
	assert_int_equal(tracker_find(&tracker, 2)->match, 7);
	assert_true(tracker_find(&tracker, 5)->is_learner);
	assert_true(tracker_find(&tracker, 4)->recent_active);
	assert_true(tracker_is_voter(&tracker, 1));
	assert_false(tracker_is_voter(&tracker, 5));
	tracker_close(&tracker);
}

static void a_joint_configuration_needs_both_halves(void **state)
{
	struct raft_conf_state conf = conf_of((uint64_t[]){1, 2, 3}, 3, (uint64_t[]){3, 4, 5}, 3);
	struct tracker tracker = {0};
	uint32_t granted, rejected;

	(void)state;
	assert_int_equal(tracker_set_conf(&tracker, &conf, 1), 0);
	tracker_find(&tracker, 1)->match = 8;
	tracker_find(&tracker, 2)->match = 8;
	assert_int_equal(tracker_committed(&tracker), 0);
	tracker_find(&tracker, 4)->match = 5;
	tracker_find(&tracker, 3)->match = 6;
	assert_int_equal(tracker_committed(&tracker), 5);
	tracker_record_vote(&tracker, 1, true);
	tracker_record_vote(&tracker, 2, true);
	tracker_record_vote(&tracker, 2, false); /* the first answer counts */
	assert_int_equal(tracker_tally(&tracker, &granted, &rejected), QUORUM_PENDING);
	tracker_record_vote(&tracker, 4, false);
	tracker_record_vote(&tracker, 5, false);
	assert_int_equal(tracker_tally(&tracker, &granted, &rejected), QUORUM_LOST);
	assert_int_equal(granted, 2);
	assert_int_equal(rejected, 2);
	tracker_close(&tracker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ring_keeps_order_and_limits),
		cmocka_unit_test(probes_one_at_a_time),
		cmocka_unit_test(pipelines_until_the_ring_is_full),
		cmocka_unit_test(probing_after_a_snapshot_starts_behind_it),
		cmocka_unit_test(tells_a_commit_index_once),
		cmocka_unit_test(members_that_stay_keep_their_progress),
		cmocka_unit_test(a_joint_configuration_needs_both_halves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
