/* When a store flushes (store/flush/kv_flush.h). */
#include <stdatomic.h>
#include <stdio.h>

#include "store/peer/store.h"
#include "tests/lib/sim_cluster.h"
#include "tests/lib/test.h"
#include "tests/lib/test_evaluator.h"

static struct kv_flush *flush_of(struct sim_cluster *cluster)
{
	return &sim_cluster_store(cluster, 1)->raftkv->flush;
}

static uint64_t count_rounds(struct sim_cluster *cluster)
{
	return atomic_load(&flush_of(cluster)->rounds);
}

static void begin_round(struct sim_cluster *cluster)
{
	kv_flush_request(flush_of(cluster));
	while (!flush_of(cluster)->is_running)
		sim_cluster_run(cluster, SIM_MS / 100);
}

static void begin(struct sim_cluster *cluster)
{
	sim_cluster_init(cluster, 1, 1, 0);
	sim_cluster_open_all(cluster);
	sim_cluster_await_leader(cluster);
}

/* A round that was asked for while another one ran begins as soon as any: not at the next tick of the flush's clock, which
 * is a second, because requests may wait for it (is_throttling). */
static void request_in_a_round_is_heard(void **state)
{
	struct sim_cluster cluster;
	uint64_t rounds;

	(void)state;
	begin(&cluster);
	for (int i = 0; i < 20; i++) {
		sim_cluster_write(&cluster, test_op_put("row", "value"), NULL);
		begin_round(&cluster);
		kv_flush_request(flush_of(&cluster));
		rounds = count_rounds(&cluster);
		while (count_rounds(&cluster) == rounds)
			sim_cluster_run(&cluster, SIM_MS / 100);
		sim_cluster_run(&cluster, 150 * SIM_MS);
		assert_true(flush_of(&cluster)->is_running || count_rounds(&cluster) == rounds + 2);
		sim_cluster_run(&cluster, (uint64_t)(i + 1) * 37 * SIM_MS);
	}
	sim_cluster_close(&cluster);
}

static void limit_rows(struct sim_cluster *cluster, uint64_t size)
{
	struct raftkv *raftkv = sim_cluster_store(cluster, 1)->raftkv;

	raftkv->options.flush_age_ms = 3600 * 1000;
	raftkv->options.rows_unflushed_max = size;
}

static void write_rows(struct sim_cluster *cluster, int count)
{
	char key[16];

	for (int i = 0; i < count; i++) {
		snprintf(key, sizeof key, "row%d", i);
		sim_cluster_write(cluster, test_op_put(key, "value"), NULL);
	}
}

static void many_unflushed_rows_begin_a_round(void **state)
{
	struct sim_cluster cluster;
	uint64_t rounds;

	(void)state;
	begin(&cluster);
	limit_rows(&cluster, 1 << 20);
	sim_cluster_run(&cluster, 2000 * SIM_MS);
	rounds = count_rounds(&cluster);
	write_rows(&cluster, 200);
	assert_int_equal(count_rounds(&cluster), rounds);
	limit_rows(&cluster, 100);
	write_rows(&cluster, 200);
	assert_true(count_rounds(&cluster) > rounds);
	sim_cluster_close(&cluster);
}

/* Far over the limit leaders evaluate nothing until a round has ended. */
static void far_too_many_unflushed_rows_throttle(void **state)
{
	struct sim_cluster cluster;
	uint64_t rounds;

	(void)state;
	begin(&cluster);
	limit_rows(&cluster, 1);
	for (int i = 0; i < 100 && !atomic_load(&flush_of(&cluster)->is_throttling); i++)
		write_rows(&cluster, 1);
	assert_true(atomic_load(&flush_of(&cluster)->is_throttling));
	rounds = count_rounds(&cluster);
	write_rows(&cluster, 1);
	assert_true(count_rounds(&cluster) > rounds);
	sim_cluster_close(&cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_in_a_round_is_heard),
		cmocka_unit_test(many_unflushed_rows_begin_a_round),
		cmocka_unit_test(far_too_many_unflushed_rows_throttle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
