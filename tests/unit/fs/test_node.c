/* fs/inodes/node: errors that are told once, waits for locks. */
#include "tests/lib/test.h"

#include <errno.h>

#include "fs/inodes/node.h"
#include "tests/lib/sim_env.h"

#define INO 7u

struct wait {
	struct node_waiter waiter;
	unsigned wakes;
};

static struct sim_world *world;
static struct env_loop *loop;
static struct node_table *table;

static void on_wake(struct env_mail *mail)
{
	container_of(mail, struct wait, waiter.mail)->wakes++;
}

static struct wait new_wait(void)
{
	return (struct wait){.waiter = {.loop = loop, .wake = on_wake}};
}

static int setup(void **state)
{
	(void)state;
	world = sim_world_new(1);
	assert_int_equal(env_loop_new(sim_node_start(sim_node_new(world, "mount")), "loop", &loop), 0);
	assert_int_equal(env_loop_start(loop), 0);
	assert_int_equal(node_table_new(&table), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(node_count(table), 0);
	node_table_free(table);
	env_loop_stop(loop);
	env_loop_free(loop);
	sim_world_free(world);
	return 0;
}

static void run(void)
{
	sim_run(world, SIM_S, NULL, NULL);
}

static void test_a_node_is_open_once_an_open_was_answered(void **state)
{
	(void)state;
	assert_int_equal(node_open(table, INO), 0);
	assert_int_equal(node_open(table, INO), 0);
	assert_false(node_has(table, INO, NODE_OPEN));
	node_set(table, INO, NODE_OPEN);
	node_close(table, INO);
	assert_true(node_has(table, INO, NODE_OPEN));
	node_close(table, INO);
	assert_false(node_has(table, INO, NODE_OPEN));
}

static void test_every_handle_is_told_an_error_once(void **state)
{
	struct node_cursor first, second, third;

	(void)state;
	assert_int_equal(node_open(table, INO), 0);
	first = second = node_cursor(table, INO);
	assert_int_equal(node_fsync_error(table, INO, &first), 0);
	node_set_error(table, INO, -ENOSPC);
	node_set_error(table, INO, -EIO);
	assert_int_equal(node_fsync_error(table, INO, &first), -EIO);
	assert_int_equal(node_fsync_error(table, INO, &first), 0);
	third = node_cursor(table, INO);
	assert_int_equal(node_fsync_error(table, INO, &second), -EIO);
	assert_int_equal(node_fsync_error(table, INO, &third), 0); /* opened after somebody was told */
	node_set_error(table, INO, -EIO);
	assert_int_equal(node_fsync_error(table, INO, &first), -EIO);
	assert_int_equal(node_fsync_error(table, INO, &second), -EIO);
	assert_int_equal(node_fsync_error(table, INO, &third), -EIO);
	node_close(table, INO);
}

static void test_write_and_close_take_nothing_from_fsync(void **state)
{
	struct node_cursor cursor;

	(void)state;
	assert_int_equal(node_open(table, INO), 0);
	cursor = node_cursor(table, INO);
	node_set_error(table, INO, -ENOSPC);
	assert_int_equal(node_write_error(table, INO, &cursor), -ENOSPC);
	assert_int_equal(node_write_error(table, INO, &cursor), 0); /* it goes on */
	assert_int_equal(node_close_error(table, INO, &cursor), -ENOSPC); /* of a child */
	assert_int_equal(node_close_error(table, INO, &cursor), -ENOSPC);
	assert_int_equal(node_fsync_error(table, INO, &cursor), -ENOSPC);
	assert_int_equal(node_close_error(table, INO, &cursor), 0);
	node_set_error(table, INO, -EIO);
	assert_int_equal(node_fsync_error(table, INO, &cursor), -EIO);
	assert_int_equal(node_write_error(table, INO, &cursor), 0);
	node_close(table, INO);
}

static void test_an_error_that_nobody_was_told_waits_for_an_fsync(void **state)
{
	struct node_cursor cursor;

	(void)state;
	node_set_error(table, INO, -EIO); /* nobody has it open */
	assert_int_equal(node_count(table), 1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(node_open(table, INO), 0);
		cursor = node_cursor(table, INO);
		assert_int_equal(node_write_error(table, INO, &cursor), 0); /* it was not this one's data */
		assert_int_equal(node_close_error(table, INO, &cursor), 0);
		if (i == 1)
			assert_int_equal(node_fsync_error(table, INO, &cursor), -EIO);
		node_close(table, INO);
	}
	assert_int_equal(node_count(table), 0);
}

static void test_errors_of_closed_files_are_bounded(void **state)
{
	struct node_cursor cursor;

	(void)state;
	for (uint64_t i = 0; i < 2 * NODE_KEPT_MAX; i++)
		node_set_error(table, INO + i, -EIO);
	assert_int_equal(node_count(table), NODE_KEPT_MAX);
	for (uint64_t i = 0; i < 2 * NODE_KEPT_MAX; i++) {
		assert_int_equal(node_open(table, INO + i), 0);
		cursor = node_cursor(table, INO + i);
		assert_int_equal(node_fsync_error(table, INO + i, &cursor), i < NODE_KEPT_MAX ? 0 : -EIO);
		node_close(table, INO + i);
	}
}

static void test_a_dropped_lock_wakes_all_that_wait(void **state)
{
	struct wait a = new_wait(), b = new_wait();
	uint64_t drops;

	(void)state;
	assert_int_equal(node_open(table, INO), 0);
	assert_false(node_has(table, INO, NODE_LOCKED));
	node_set(table, INO, NODE_LOCKED);
	assert_true(node_has(table, INO, NODE_LOCKED));
	drops = node_lock_drops(table, INO);
	assert_int_equal(node_wait_lock(table, INO, drops, &a.waiter), 0);
	assert_int_equal(node_wait_lock(table, INO, drops, &b.waiter), 0);
	node_wake_lockers(table, INO);
	run();
	assert_int_equal(a.wakes, 1);
	assert_int_equal(b.wakes, 1);
	assert_int_equal(node_wait_lock(table, INO, drops, &a.waiter), -EAGAIN); /* dropped since */
	node_close(table, INO);
}

static void test_a_wait_is_cancelled_or_woken_not_both(void **state)
{
	struct wait a = new_wait(), b = new_wait(), c = new_wait();

	(void)state;
	assert_int_equal(node_open(table, INO), 0);
	assert_int_equal(node_wait_lock(table, INO, 0, &a.waiter), 0);
	assert_int_equal(node_wait_lock(table, INO, 0, &b.waiter), 0);
	assert_int_equal(node_wait_lock(table, INO, 0, &c.waiter), 0);
	assert_true(node_cancel_wait(table, INO, &b.waiter));
	assert_false(node_cancel_wait(table, INO, &b.waiter));
	node_wake_lockers(table, INO);
	assert_false(node_cancel_wait(table, INO, &a.waiter));
	run();
	assert_int_equal(a.wakes, 1);
	assert_int_equal(b.wakes, 0);
	assert_int_equal(c.wakes, 1);
	node_close(table, INO);
}

static struct wait blocked_wait(uint64_t owner, uint64_t blocker)
{
	struct wait wait = new_wait();

	wait.waiter.has_blocker = true;
	wait.waiter.owner = owner;
	wait.waiter.blocker = blocker;
	return wait;
}

static void test_the_last_wait_of_a_cycle_is_refused(void **state)
{
	struct wait a = blocked_wait(1, 2), b = blocked_wait(2, 3), c = blocked_wait(3, 1);

	(void)state;
	assert_int_equal(node_open(table, INO), 0);
	assert_int_equal(node_open(table, INO + 1), 0);
	assert_int_equal(node_wait_lock(table, INO, 0, &a.waiter), 0);
	assert_int_equal(node_wait_lock(table, INO + 1, 0, &b.waiter), 0);
	assert_int_equal(node_wait_lock(table, INO, 0, &c.waiter), -EDEADLK);
	c.waiter.has_blocker = false; /* not of that kind */
	assert_int_equal(node_wait_lock(table, INO, 0, &c.waiter), 0);
	assert_true(node_cancel_wait(table, INO, &c.waiter));
	c.waiter.has_blocker = true;
	assert_true(node_cancel_wait(table, INO + 1, &b.waiter)); /* who waits no longer is no link */
	assert_int_equal(node_wait_lock(table, INO, 0, &c.waiter), 0);
	assert_int_equal(node_wait_lock(table, INO + 1, 0, &b.waiter), -EDEADLK);
	node_wake_lockers(table, INO);
	assert_int_equal(node_wait_lock(table, INO + 1, 0, &b.waiter), 0);
	node_wake_lockers(table, INO + 1);
	run();
	assert_int_equal(a.wakes + b.wakes + c.wakes, 3);
	node_close(table, INO);
	node_close(table, INO + 1);
}

/* With the session their locks went. */
static void test_who_was_locked_is_told(void **state)
{
	struct node_cursor locked, other, later;

	(void)state;
	assert_int_equal(node_open(table, INO), 0);
	assert_int_equal(node_open(table, INO + 1), 0);
	node_set(table, INO, NODE_LOCKED);
	locked = node_cursor(table, INO);
	other = node_cursor(table, INO + 1);
	node_set_error_of_locked(table, -EIO);
	later = node_cursor(table, INO);
	assert_int_equal(node_close_error(table, INO, &locked), -EIO);
	assert_int_equal(node_fsync_error(table, INO, &locked), -EIO);
	assert_int_equal(node_fsync_error(table, INO, &locked), 0);
	assert_int_equal(node_close_error(table, INO, &locked), 0);
	assert_int_equal(node_fsync_error(table, INO, &later), 0); /* it had no lock to lose */
	assert_int_equal(node_fsync_error(table, INO + 1, &other), 0);
	node_set_error_of_locked(table, -EIO);
	assert_int_equal(node_write_error(table, INO, &locked), -EIO); /* it knows, and goes on */
	assert_int_equal(node_fsync_error(table, INO, &locked), 0);
	node_set_error_of_locked(table, -EIO);
	node_close(table, INO);
	node_close(table, INO + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_node_is_open_once_an_open_was_answered),
		TEST(every_handle_is_told_an_error_once),
		TEST(write_and_close_take_nothing_from_fsync),
		TEST(an_error_that_nobody_was_told_waits_for_an_fsync),
		TEST(errors_of_closed_files_are_bounded),
		TEST(who_was_locked_is_told),
		TEST(a_dropped_lock_wakes_all_that_wait),
		TEST(a_wait_is_cancelled_or_woken_not_both),
		TEST(the_last_wait_of_a_cycle_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
