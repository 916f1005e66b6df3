/* Several replicas of one region, on simulated machines: who leads, who may answer, and what a restart forgets. */
#include "store/raftkv.h"

#include <errno.h>
#include <string.h>

#include "tests/lib/sim_cluster.h"
#include "tests/lib/test.h"
#include "tests/lib/test_evaluator.h"

static void assert_row_at(struct sim_cluster *cluster, uint32_t store, const char *key, const char *value)
{
	struct sim_answer answer = {.status = -ETIMEDOUT};

	/* An answer that leadership crossed is asked for again. */
	for (int i = 0; i < 100 && answer.status < 0 && answer.status != STATUS_NOT_FOUND; i++) {
		answer = sim_cluster_read_at(cluster, store, key, true);
		if (answer.status < 0)
			sim_cluster_run(cluster, 100 * SIM_MS);
	}
	assert_int_equal(answer.status, value ? 0 : STATUS_NOT_FOUND);
	if (value)
		assert_string_equal(answer.text, value);
}

static void write_is_seen_by_every_store(void **state)
{
	struct sim_cluster cluster;

	(void)state;
	sim_cluster_init(&cluster, 1, 3, 0);
	sim_cluster_open_all(&cluster);
	sim_cluster_write(&cluster, test_op_put("a", "1"), NULL);
	sim_cluster_write(&cluster, test_op_append("a", "2"), NULL);
	for (uint32_t store = 1; store <= 3; store++)
		assert_row_at(&cluster, store, "a", "12");
	sim_cluster_close(&cluster);
}

static void acknowledged_write_survives_the_loss_of_any_store(void **state)
{
	(void)state;
	for (uint32_t lost = 1; lost <= 3; lost++) {
		struct sim_cluster cluster;

		sim_cluster_init(&cluster, 10 + lost, 3, 0);
		sim_cluster_open_all(&cluster);
		sim_cluster_write(&cluster, test_op_put("a", "1"), NULL);
		sim_store_crash(sim_cluster_store(&cluster, lost));
		sim_cluster_write(&cluster, test_op_append("a", "2"), NULL);
		sim_cluster_open(&cluster, lost);
		sim_cluster_write(&cluster, test_op_append("a", "3"), NULL);
		for (uint32_t store = 1; store <= 3; store++)
			assert_row_at(&cluster, store, "a", "123");
		sim_cluster_close(&cluster);
	}
}

static void everything_survives_power_loss_of_all(void **state)
{
	struct sim_cluster cluster;

	(void)state;
	sim_cluster_init(&cluster, 20, 3, 0);
	sim_cluster_open_all(&cluster);
	for (int i = 0; i < 5; i++) {
		sim_cluster_write(&cluster, test_op_append("a", "x"), NULL);
		for (uint32_t store = 1; store <= 3; store++)
			sim_store_crash(sim_cluster_store(&cluster, store));
		sim_cluster_open_all(&cluster);
	}
	assert_row_at(&cluster, 1, "a", "xxxxx");
	sim_cluster_close(&cluster);
}

static void writes_pass_over_a_bad_network(void **state)
{
	struct sim_cluster cluster;
	char expected[65] = {0};

	(void)state;
	sim_cluster_init(&cluster, 30, 3, 0);
	cluster.transport.loss_ppm = 100000;
	cluster.transport.repeat_ppm = 100000;
	cluster.transport.latency = 30 * SIM_MS;
	sim_cluster_open_all(&cluster);
	for (int i = 0; i < 64; i++) {
		expected[i] = (char)('a' + i % 26);
		sim_cluster_write(&cluster, test_op_put("a", expected), NULL);
	}
	for (uint32_t store = 1; store <= 3; store++)
		assert_row_at(&cluster, store, "a", expected);
	sim_cluster_close(&cluster);
}

static void follower_says_who_leads(void **state)
{
	struct sim_cluster cluster;
	struct sim_answer answer;
	uint32_t leader, follower;

	(void)state;
	sim_cluster_init(&cluster, 40, 3, 0);
	sim_cluster_open_all(&cluster);
	sim_cluster_write(&cluster, test_op_put("a", "1"), NULL);
	leader = sim_cluster_await_leader(&cluster);
	follower = leader % 3 + 1;
	answer = sim_cluster_write_at(&cluster, follower, test_op_put("a", "2"), NULL);
	assert_int_equal(answer.status, STATUS_NOT_LEADER);
	assert_int_equal(answer.leader_store, leader);
	answer = sim_cluster_read_at(&cluster, follower, "a", false);
	assert_int_equal(answer.status, STATUS_NOT_LEADER);
	assert_int_equal(answer.leader_store, leader);
	answer = sim_cluster_read_at(&cluster, follower, "a", true);
	assert_int_equal(answer.status, 0);
	assert_string_equal(answer.text, "1");
	sim_cluster_close(&cluster);
}

static void minority_answers_nothing(void **state)
{
	struct sim_cluster cluster;
	uint32_t leader, other;

	(void)state;
	sim_cluster_init(&cluster, 50, 3, 0);
	sim_cluster_open_all(&cluster);
	sim_cluster_write(&cluster, test_op_put("a", "1"), NULL);
	leader = sim_cluster_await_leader(&cluster);
	sim_cluster_cut(&cluster, leader, true);
	assert_int_not_equal(
		sim_cluster_write_at(&cluster, leader, test_op_put("a", "lost"), NULL).status, 0);
	other = sim_cluster_await_leader(&cluster);
	assert_int_not_equal(other, leader);
	sim_cluster_write(&cluster, test_op_put("a", "2"), NULL);
	assert_int_not_equal(sim_cluster_read_at(&cluster, leader, "a", true).status, 0);
	assert_int_not_equal(sim_cluster_read_at(&cluster, leader, "a", false).status, 0);
	sim_cluster_cut(&cluster, leader, false);
	for (uint32_t store = 1; store <= 3; store++)
		assert_row_at(&cluster, store, "a", "2");
	sim_cluster_close(&cluster);
}

static struct buf *units(uint32_t count, uint8_t seed)
{
	struct buf *buf = buf_new((size_t)count * BLOCK_UNIT_SIZE);

	for (size_t i = 0; i < buf->size; i++)
		((uint8_t *)buf->data)[i] = (uint8_t)(i / BLOCK_UNIT_SIZE * 31 + i % 251 + seed);
	return buf;
}

/* As one store has them, asked for until its replica has a leader. */
static void assert_units_at(struct sim_cluster *cluster, uint32_t store, uint64_t first, struct buf *expected)
{
	struct buf *found = buf_new(expected->size);
	int status = -ETIMEDOUT;

	for (int i = 0; i < 100 && status < 0; i++) {
		status = sim_cluster_read_units_at(cluster, store, "object", first,
			(uint32_t)(expected->size / BLOCK_UNIT_SIZE), found->data);
		if (status < 0)
			sim_cluster_run(cluster, 100 * SIM_MS);
	}
	assert_int_equal(status, 0);
	assert_memory_equal(found->data, expected->data, expected->size);
	buf_unref(found);
}

static void large_payloads_are_on_every_store(void **state)
{
	struct sim_cluster cluster;
	struct buf *large = units(40, 1), *small = units(3, 7);

	(void)state;
	sim_cluster_init(&cluster, 70, 3, 0);
	cluster.transport.loss_ppm = 50000;
	sim_cluster_open_all(&cluster);
	sim_cluster_write(&cluster, test_op_write("object", 0), buf_ref(large));
	sim_cluster_write(&cluster, test_op_write("object", 100), buf_ref(small));
	for (uint32_t store = 1; store <= 3; store++) {
		assert_units_at(&cluster, store, 0, large);
		assert_units_at(&cluster, store, 100, small);
	}
	sim_cluster_close(&cluster);
	buf_unref(large);
	buf_unref(small);
}

/* Its entries come from the log of the others, their payloads from the others' extents. */
static void store_that_was_away_gets_the_payloads(void **state)
{
	struct sim_cluster cluster;
	struct buf *contents[8];

	(void)state;
	sim_cluster_init(&cluster, 80, 3, 0);
	sim_cluster_open_all(&cluster);
	sim_cluster_write(&cluster, test_op_put("a", "1"), NULL);
	for (uint32_t away = 1; away <= 3; away++) {
		sim_cluster_cut(&cluster, away, true);
		for (uint8_t i = 0; i < 8; i++) {
			/* Each overwrites half of the one before: the old extents are freed, and kept. */
			contents[i] = units(32, (uint8_t)(8 * away + i));
			sim_cluster_write(&cluster, test_op_write("object", 16u * i), buf_ref(contents[i]));
		}
		sim_cluster_run(&cluster, 5 * (uint64_t)SIM_S);
		sim_cluster_cut(&cluster, away, false);
		assert_units_at(&cluster, away, 16 * 7, contents[7]);
		for (uint8_t i = 0; i < 8; i++)
			buf_unref(contents[i]);
	}
	assert_int_equal(cluster.transport.payloads_missing, 0);
	assert_int_equal(cluster.transport.chunks, 0); /* no snapshot: the log was kept for it */
	sim_cluster_close(&cluster);
}

static void directory_of_another_store_is_refused(void **state)
{
	struct sim_cluster cluster;
	struct sim_store *store;
	struct status status = {0};

	(void)state;
	sim_cluster_init(&cluster, 60, 3, 0);
	sim_cluster_open(&cluster, 2);
	store = sim_cluster_store(&cluster, 2);
	assert_int_equal(raftkv_ident(store->raftkv).cluster, SIM_CLUSTER_ID);
	assert_int_equal(raftkv_ident(store->raftkv).store, 2);
	sim_store_stop(store);
	store->options.store = 3;
	assert_int_equal(sim_store_open(store, &status), -EINVAL);
	assert_string_equal(status.text, "/store is store 2 of its cluster, not store 3");
	store->options.store = 0;
	store->options.cluster++;
	assert_int_equal(sim_store_open(store, &status), -EINVAL);
	assert_non_null(strstr(status.text, "belongs to cluster"));
	store->options.cluster = 0;
	assert_int_equal(sim_store_open(store, &status), 0);
	assert_int_equal(raftkv_ident(store->raftkv).store, 2);
	sim_cluster_close(&cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(write_is_seen_by_every_store),
		cmocka_unit_test(acknowledged_write_survives_the_loss_of_any_store),
		cmocka_unit_test(everything_survives_power_loss_of_all),
		cmocka_unit_test(writes_pass_over_a_bad_network),
		cmocka_unit_test(follower_says_who_leads),
		cmocka_unit_test(minority_answers_nothing),
		cmocka_unit_test(large_payloads_are_on_every_store),
		cmocka_unit_test(store_that_was_away_gets_the_payloads),
		cmocka_unit_test(directory_of_another_store_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
