/*
 * Replicas whose disk is full: one that the log can not bring on any more comes back as soon as what is left of the
 * region fits on its disk, whether the leader still has the log or not, whatever dies meanwhile; and gives up its copy
 * only where the others have one.
 */
#include <stdio.h>
#include <string.h>

#include "store/raftkv.h"
#include "store/peer/peer.h"
#include "store/peer/store.h"
#include "tests/lib/sim_cluster.h"
#include "tests/lib/sim_replica.h"
#include "tests/lib/test.h"
#include "tests/lib/test_evaluator.h"

#define OBJECTS	     10
#define OBJECT_UNITS 40 /* large enough to lie beside the log */
#define SMALL_UNITS  4
#define FULL	     3 /* the store whose disk is small */

static void write_object(struct sim_cluster *cluster, int number, char fill)
{
	struct buf *bytes = buf_new(OBJECT_UNITS * BLOCK_UNIT_SIZE);
	char name[32];

	memset(bytes->data, fill, bytes->size);
	snprintf(name, sizeof name, "object%02d", number);
	sim_cluster_write(cluster, test_op_write(name, 0), bytes);
}

/* In the log itself. */
static void write_small(struct sim_cluster *cluster, int number)
{
	struct buf *bytes = buf_new(SMALL_UNITS * BLOCK_UNIT_SIZE);

	memset(bytes->data, 's', bytes->size);
	sim_cluster_write(cluster, test_op_write("small", (uint64_t)number * SMALL_UNITS), bytes);
}

static void unmap_object(struct sim_cluster *cluster, int number)
{
	char name[32];

	snprintf(name, sizeof name, "object%02d", number);
	sim_cluster_write(cluster, test_op_unmap(name, 0, UINT64_MAX), NULL);
}

static struct raftkv_region_status status_at(struct sim_cluster *cluster, uint32_t store)
{
	struct raftkv_region_status status = {0};

	sim_cluster_status_at(cluster, store, &status);
	return status;
}

/* From here on that store's disk has `more` bytes left. */
static void limit_disk(struct sim_cluster *cluster, uint32_t number, uint64_t more)
{
	struct sim_store *store = sim_cluster_store(cluster, number);
	struct env_space space;

	assert_int_equal(env_space(store->env, "/store", &space), 0);
	sim_node_faults(store->node)->capacity = space.total - space.available + more;
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

/* Store 1 leads; all have OBJECTS objects, and the disk of store 3 has room for one or two more. */
static void begin(struct sim_cluster *cluster, uint64_t seed)
{
	sim_cluster_init(cluster, seed, 3, 0);
	sim_cluster_open_all(cluster);
	lead_from(cluster, 1);
	for (int i = 0; i < OBJECTS; i++)
		write_object(cluster, i, 'a');
	sim_replicas_compare(cluster, (uint32_t[]){1, 2, 3, 0});
	sim_cluster_run(cluster, 5 * (uint64_t)SIM_S);
	limit_disk(cluster, FULL, 512u << 10);
}

/* Until store 3 stands still, behind the others. */
static void fill_up(struct sim_cluster *cluster)
{
	for (int i = 0; i < 4 * OBJECTS; i++)
		write_object(cluster, OBJECTS + i, 'b');
	sim_cluster_run(cluster, 5 * (uint64_t)SIM_S);
	assert_true(status_at(cluster, FULL).applied < status_at(cluster, 1).applied);
	assert_false(sim_cluster_store(cluster, FULL)->has_failed);
}

static void remove_most(struct sim_cluster *cluster)
{
	for (int i = 0; i < 5 * OBJECTS; i++)
		if (i % 10 != 0)
			unmap_object(cluster, i);
}

static void end(struct sim_cluster *cluster)
{
	sim_replicas_compare(cluster, (uint32_t[]){1, 2, 3, 0});
	for (uint32_t store = 1; store <= 3; store++)
		assert_false(sim_cluster_store(cluster, store)->has_failed);
	/* It votes and leads as any other. */
	lead_from(cluster, FULL);
	sim_cluster_close(cluster);
}

/* ---- Tests ------------------------------------------------------------------------------------------------------ */

/* What would free its room stands in the log behind what finds none. */
static void full_follower_comes_back_when_room_is_made(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 6; seed++) {
		struct sim_cluster cluster;

		begin(&cluster, 10 + seed);
		fill_up(&cluster);
		remove_most(&cluster);
		assert_true(status_at(&cluster, 1).first_index <= status_at(&cluster, FULL).applied + 1);
		end(&cluster);
	}
}

static void full_follower_comes_back_behind_the_log(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 6; seed++) {
		struct sim_cluster cluster;

		begin(&cluster, 20 + seed);
		for (uint32_t store = 1; store <= 2; store++)
			sim_cluster_store(&cluster, store)->raftkv->options.log_size_max = 64 << 10;
		fill_up(&cluster);
		sim_store_crash(sim_cluster_store(&cluster, FULL));
		remove_most(&cluster);
		for (int i = 0; i < 40; i++) {
			write_object(&cluster, 0, 'c');
			sim_cluster_run(&cluster, 200 * SIM_MS);
		}
		sim_cluster_open(&cluster, FULL);
		end(&cluster);
	}
}

/* Rounds of the flush are held for a follower that is behind, but not what was removed, when room is needed. */
static void removing_makes_room_while_a_follower_is_behind(void **state)
{
	struct sim_cluster cluster;

	(void)state;
	begin(&cluster, 30);
	sim_cluster_cut(&cluster, FULL, true);
	for (int i = 0; i < 4 * OBJECTS; i++)
		write_object(&cluster, OBJECTS + i, 'b');
	limit_disk(&cluster, 1, 1u << 20);
	limit_disk(&cluster, 2, 1u << 20);
	remove_most(&cluster);
	sim_cluster_run(&cluster, 10 * (uint64_t)SIM_S);
	for (int i = 1; i < 4 * OBJECTS; i++)
		if (i % 10 != 0)
			write_object(&cluster, OBJECTS + i, 'c');
	sim_cluster_cut(&cluster, FULL, false);
	for (int i = 1; i < 5 * OBJECTS; i++)
		if (i % 10 != 0)
			unmap_object(&cluster, i);
	end(&cluster);
}

/* Small data gets its extents when it is applied: what is committed finds them, and the store does not stop. */
static void small_data_on_a_full_follower_waits_too(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 4; seed++) {
		struct sim_cluster cluster;

		begin(&cluster, 70 + seed);
		for (int i = 0; i < 200; i++)
			write_small(&cluster, i);
		sim_cluster_run(&cluster, 5 * (uint64_t)SIM_S);
		assert_true(status_at(&cluster, FULL).applied < status_at(&cluster, 1).applied);
		assert_false(sim_cluster_store(&cluster, FULL)->has_failed);
		sim_store_kill(sim_cluster_store(&cluster, FULL));
		sim_cluster_open(&cluster, FULL);
		sim_cluster_run(&cluster, 5 * (uint64_t)SIM_S);
		assert_false(sim_cluster_store(&cluster, FULL)->has_failed);
		sim_cluster_write(&cluster, test_op_unmap("small", 0, UINT64_MAX), NULL);
		remove_most(&cluster);
		end(&cluster);
	}
}

/* ---- Copies ----------------------------------------------------------------------------------------------------- */

/* Another store is away: this copy, old as it is, is not given up. */
static void follower_keeps_what_it_has_while_another_is_away(void **state)
{
	struct sim_cluster cluster;
	uint64_t applied;

	(void)state;
	begin(&cluster, 40);
	fill_up(&cluster);
	applied = status_at(&cluster, FULL).applied;
	sim_cluster_cut(&cluster, FULL, true);
	remove_most(&cluster);
	sim_store_crash(sim_cluster_store(&cluster, 2));
	sim_cluster_cut(&cluster, FULL, false);
	sim_cluster_run(&cluster, 30 * (uint64_t)SIM_S);
	assert_int_equal(status_at(&cluster, FULL).applied, applied);
	sim_cluster_open(&cluster, 2);
	end(&cluster);
}

static bool is_empty(struct sim_cluster *cluster)
{
	struct raftkv *raftkv = sim_cluster_store(cluster, FULL)->raftkv;
	const struct route *route = router_find(&raftkv->router, 1);

	return route && route->peer->is_empty;
}

/* One that waits for its snapshot votes, by what it had: the loss of the leader is survived. */
static void hollow_replica_helps_to_elect(void **state)
{
	struct sim_cluster cluster;

	(void)state;
	begin(&cluster, 50);
	fill_up(&cluster);
	remove_most(&cluster);
	for (int i = 0; i < 600 && !is_empty(&cluster); i++)
		sim_cluster_run(&cluster, 50 * SIM_MS);
	assert_true(is_empty(&cluster));
	cluster.transport.chunk_loss_ppm = 1000000;
	sim_store_crash(sim_cluster_store(&cluster, 1));
	for (int i = 0; i < 60 && status_at(&cluster, 2).role != RAFT_LEADER; i++)
		sim_cluster_run(&cluster, SIM_S);
	assert_int_equal(status_at(&cluster, 2).role, RAFT_LEADER);
	assert_true(is_empty(&cluster));
	cluster.transport.chunk_loss_ppm = 0;
	write_object(&cluster, 1, 'd'); /* with the one that has its snapshot now */
	sim_cluster_open(&cluster, 1);
	end(&cluster);
}

/* ---- Crashes ---------------------------------------------------------------------------------------------------- */

static void begin_crash(struct sim_cluster *cluster, uint64_t seed)
{
	begin(cluster, seed);
	fill_up(cluster);
	remove_most(cluster);
}

/* Runs until store 3 is back, or dead. */
static void run_crash(struct sim_cluster *cluster)
{
	struct sim_store *store = sim_cluster_store(cluster, FULL);

	for (int i = 0; i < 2000 && sim_node_is_up(store->node); i++) {
		if (status_at(cluster, FULL).applied == status_at(cluster, 1).applied)
			break;
		sim_cluster_run(cluster, 20 * SIM_MS);
	}
}

struct counts {
	uint64_t operations; /* of the disk */
	uint64_t changes; /* of the KV engine */
};

static struct counts counts_of(struct sim_cluster *cluster)
{
	struct sim_store *store = sim_cluster_store(cluster, FULL);

	return (struct counts){sim_node_operations(store->node), store->kv_changes};
}

static void crash_at(uint64_t seed, uint64_t operations, uint64_t changes)
{
	struct sim_cluster cluster;
	struct sim_store *store;

	begin_crash(&cluster, seed);
	store = sim_cluster_store(&cluster, FULL);
	if (operations > 0)
		sim_node_crash_after(store->node, operations);
	else
		store->kv_crash_at = store->kv_changes + changes;
	run_crash(&cluster);
	store->kv_crash_at = 0;
	sim_store_crash(store);
	sim_cluster_open(&cluster, FULL);
	end(&cluster);
}

static void follower_dies_while_it_makes_room(void **state)
{
	struct sim_cluster cluster;
	struct counts before, after;

	(void)state;
	begin_crash(&cluster, 60);
	before = counts_of(&cluster);
	run_crash(&cluster);
	after = counts_of(&cluster);
	end(&cluster);
	for (uint64_t at = 1; at <= after.operations - before.operations; at += 5)
		crash_at(60 + at % 3, at, 0);
	for (uint64_t at = 1; at <= after.changes - before.changes; at++)
		crash_at(60 + at % 3, 0, at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_follower_comes_back_when_room_is_made),
		cmocka_unit_test(full_follower_comes_back_behind_the_log),
		cmocka_unit_test(removing_makes_room_while_a_follower_is_behind),
		cmocka_unit_test(small_data_on_a_full_follower_waits_too),
		cmocka_unit_test(follower_keeps_what_it_has_while_another_is_away),
		cmocka_unit_test(hollow_replica_helps_to_elect),
		cmocka_unit_test(follower_dies_while_it_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
