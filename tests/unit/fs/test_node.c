/* fs/fuse/node: errors that are told once, waits for locks. */
#include "tests/lib/test.h"

#include <errno.h>

#include "fs/fuse/node.h"
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

static void test_every_handle_is_told_an_error_once(void **state)
{
	uint64_t first, second, third;

	(void)state;
	node_set_error(table, INO, -EIO); /* nobody has it open: nobody is told */
	assert_int_equal(node_open(table, INO), 0);
	first = second = node_errors(table, INO);
	assert_int_equal(node_take_error(table, INO, &first), 0);
	node_set_error(table, INO, -ENOSPC);
	node_set_error(table, INO, -EIO);
	third = node_errors(table, INO);
	assert_int_equal(node_take_error(table, INO, &first), -EIO);
	assert_int_equal(node_take_error(table, INO, &first), 0);
	assert_int_equal(node_take_error(table, INO, &second), -EIO);
	assert_int_equal(node_take_error(table, INO, &third), 0);
	node_close(table, INO);
}

static void test_a_dropped_lock_wakes_all_that_wait(void **state)
{
	struct wait a = new_wait(), b = new_wait();
	uint64_t drops;

	(void)state;
	assert_int_equal(node_open(table, INO), 0);
	assert_false(node_is_locked(table, INO));
	node_set_locked(table, INO);
	assert_true(node_is_locked(table, INO));
	drops = node_lock_drops(table, INO);
	assert_true(node_wait_lock(table, INO, drops, &a.waiter));
	assert_true(node_wait_lock(table, INO, drops, &b.waiter));
	node_wake_lockers(table, INO);
	run();
	assert_int_equal(a.wakes, 1);
	assert_int_equal(b.wakes, 1);
	assert_false(node_wait_lock(table, INO, drops, &a.waiter)); /* dropped since: ask again */
	node_close(table, INO);
}

static void test_a_wait_is_cancelled_or_woken_not_both(void **state)
{
	struct wait a = new_wait(), b = new_wait(), c = new_wait();

	(void)state;
	assert_int_equal(node_open(table, INO), 0);
	assert_true(node_wait_lock(table, INO, 0, &a.waiter));
	assert_true(node_wait_lock(table, INO, 0, &b.waiter));
	assert_true(node_wait_lock(table, INO, 0, &c.waiter));
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

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_handle_is_told_an_error_once),
		TEST(a_dropped_lock_wakes_all_that_wait),
		TEST(a_wait_is_cancelled_or_woken_not_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
