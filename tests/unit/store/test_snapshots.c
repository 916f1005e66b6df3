/*
 * Snapshots of a region between simulated stores: a replica that has nothing, or is too far behind for the log, gets all
 * of it while writes go on, whatever dies meanwhile; and what it then holds is what the others hold.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/members.h"
#include "store/store.h"
#include "tests/lib/sim_cluster.h"
#include "tests/lib/sim_replica.h"
#include "tests/lib/test.h"
#include "tests/lib/test_evaluator.h"

static const struct region_change add_4 = {.steps = {{RAFT_ADD_LEARNER, 4, 4}}, .step_count = 1};
static const struct region_change promote_4 = {.steps = {{RAFT_ADD_VOTER, 4, 4}}, .step_count = 1};

static struct buf *units(uint32_t count, char fill)
{
	struct buf *buf = buf_new((size_t)count * BLOCK_UNIT_SIZE);

	memset(buf->data, fill, buf->size);
	return buf;
}

static void write_object(struct sim_cluster *cluster, int number, uint64_t first, uint32_t count)
{
	char name[32];

	snprintf(name, sizeof name, "object%02d", number);
	sim_cluster_write(cluster, test_op_write(name, first), units(count, (char)('a' + number % 26)));
}

static void write_row(struct sim_cluster *cluster, int number, const char *value)
{
	char name[32];

	snprintf(name, sizeof name, "row%03d", number);
	sim_cluster_write(cluster, test_op_put(name, value), NULL);
}

/* Rows of all kinds: of the region alone, small and large objects with holes, and overwritten ones. */
static void fill(struct sim_cluster *cluster, int objects)
{
	sim_cluster_write(cluster, test_op_open(77), NULL);
	for (int i = 0; i < 20; i++)
		write_row(cluster, i, "some value");
	for (int i = 0; i < objects; i++)
		write_object(cluster, i, (uint64_t)i * 7, 1 + (uint32_t)(i % 5) * 13);
	write_object(cluster, 0, 1000, 3);
	write_object(cluster, 1, 8, 2);
	sim_cluster_write(cluster, test_op_unmap("object02", 15, 4), NULL);
}

static void begin(struct sim_cluster *cluster, uint64_t seed, uint32_t joiners)
{
	sim_cluster_init(cluster, seed, 3, joiners);
	sim_cluster_open_all(cluster);
	fill(cluster, 12);
}

static struct raftkv_region_status status_at(struct sim_cluster *cluster, uint32_t store)
{
	struct raftkv_region_status status = {0};

	sim_cluster_status_at(cluster, store, &status);
	return status;
}

static struct raftkv_stats stats_of(struct sim_cluster *cluster, uint32_t store)
{
	struct raftkv_stats stats;

	raftkv_stats(sim_cluster_store(cluster, store)->raftkv, &stats);
	return stats;
}

static void lead_from(struct sim_cluster *cluster, uint32_t store)
{
	for (int i = 0; i < 100 && sim_cluster_await_leader(cluster) != store; i++) {
		raftkv_transfer_leader(
			sim_cluster_store(cluster, sim_cluster_leader(cluster))->raftkv, 1, store);
		sim_cluster_run(cluster, SIM_S);
	}
	assert_int_equal(sim_cluster_leader(cluster), store);
}

static bool is_gone(struct sim_cluster *cluster, uint32_t store)
{
	struct raftkv_region_status status;

	return sim_cluster_status_at(cluster, store, &status) == STATUS_REGION_NOT_FOUND;
}

/* ---- Tests ------------------------------------------------------------------------------------------------------ */

/* The whole cycle: a learner on an empty store catches up while clients write, becomes a voter, another one goes. */
static void replica_moves_to_an_empty_store(void **state)
{
	const struct region_change remove_3 = {.steps = {{RAFT_REMOVE_NODE, 3, 0}}, .step_count = 1};
	struct sim_cluster cluster;

	(void)state;
	begin(&cluster, 1, 1);
	lead_from(&cluster, 1);
	sim_cluster_change(&cluster, &add_4);
	for (int i = 0; i < 30; i++) {
		write_object(&cluster, 20 + i % 3, (uint64_t)i, 2);
		write_object(&cluster, i % 12, (uint64_t)i * 3, 17);
		write_row(&cluster, i, "another value");
		sim_cluster_run(&cluster, 100 * SIM_MS);
	}
	sim_replicas_compare(&cluster, (uint32_t[]){1, 2, 3, 4, 0});
	assert_true(stats_of(&cluster, 4).snapshots_received >= 1);
	assert_true(stats_of(&cluster, 1).snapshots_sent >= 1);
	sim_cluster_change(&cluster, &promote_4);
	sim_cluster_change(&cluster, &remove_3);
	for (int i = 0; i < 60 && !is_gone(&cluster, 3); i++)
		sim_cluster_run(&cluster, SIM_S);
	/* It votes and leads as any other. */
	lead_from(&cluster, 4);
	sim_store_kill(sim_cluster_store(&cluster, 2));
	write_row(&cluster, 1, "with the new one");
	sim_cluster_open(&cluster, 2);
	sim_replicas_compare(&cluster, (uint32_t[]){4, 1, 2, 0});
	sim_store_crash(sim_cluster_store(&cluster, 4));
	sim_cluster_open(&cluster, 4);
	sim_replicas_compare(&cluster, (uint32_t[]){1, 2, 4, 0});
	sim_cluster_close(&cluster);
}

/* A store that was away until the log has gone on without it; what it held is replaced, and nothing of it is left. */
static void replica_behind_the_log_gets_a_snapshot(void **state)
{
	(void)state;
	for (int is_crash = 0; is_crash <= 1; is_crash++) {
		struct sim_cluster cluster;
		uint64_t before;

		begin(&cluster, 10 + (uint64_t)is_crash, 0);
		for (uint32_t store = 1; store <= 3; store++)
			sim_cluster_store(&cluster, store)->raftkv->options.log_size_max = 64 << 10;
		lead_from(&cluster, 1);
		write_row(&cluster, 500, "deleted while it is away");
		sim_cluster_run(&cluster, SIM_S);
		before = status_at(&cluster, 3).applied;
		if (is_crash)
			sim_store_crash(sim_cluster_store(&cluster, 3));
		else
			sim_cluster_cut(&cluster, 3, true);
		sim_cluster_write(&cluster, test_op_delete("row500"), NULL);
		sim_cluster_write(&cluster, test_op_unmap("object03", 0, UINT64_MAX), NULL);
		for (int i = 0; i < 40 && status_at(&cluster, 1).first_index <= before + 1; i++) {
			write_object(&cluster, i % 12, 0, 30);
			sim_cluster_run(&cluster, SIM_S);
		}
		assert_true(status_at(&cluster, 1).first_index > before + 1);
		if (is_crash)
			sim_cluster_open(&cluster, 3);
		else
			sim_cluster_cut(&cluster, 3, false);
		write_row(&cluster, 1, "and on");
		sim_replicas_compare(&cluster, (uint32_t[]){1, 2, 3, 0});
		assert_true(stats_of(&cluster, 3).snapshots_received >= 1);
		sim_cluster_close(&cluster);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replica_moves_to_an_empty_store),
		cmocka_unit_test(replica_behind_the_log_gets_a_snapshot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
