/*
 * Snapshots of a region between simulated stores: a replica that has nothing, or is too far behind for the log, gets all
 * of it while writes go on, whatever dies meanwhile; and what it then holds is what the others hold.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/raftkv.h"
#include "store/peer/peer.h"
#include "store/snapshot/snapshot_chunk.h"
#include "store/snapshot/snapshot_install.h"
#include "store/peer/store.h"
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

#define WIDE_COUNT 24
#define WIDE_SIZE  50000

/* More rows than go into one chunk, or one batch. */
static void write_wide_rows(struct sim_cluster *cluster)
{
	static char value[WIDE_SIZE + 1];
	char name[32];

	memset(value, 'w', WIDE_SIZE);
	for (int i = 0; i < WIDE_COUNT; i++) {
		snprintf(name, sizeof name, "wide%02d", i);
		sim_cluster_write(cluster, test_op_put(name, value), NULL);
	}
}

/* Rows of all kinds: of the region alone, small and large objects with holes, and overwritten ones. */
static void fill(struct sim_cluster *cluster, int objects)
{
	sim_cluster_write(cluster, test_op_open(77), NULL);
	write_wide_rows(cluster);
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
		/* Nor are the payloads kept for it, which are larger than the log's limit. */
		assert_true(stats_of(&cluster, 1).blocks.waiting_units < 3 * 30);
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

/* ---- Crashes ---------------------------------------------------------------------------------------------------- */

/* A region with a replica that needs a snapshot and has not got it yet; `store` is the one. */
struct scenario {
	struct sim_cluster cluster;
	uint32_t store;
};

/* Of an empty store, or of one that was away for so long that the log went on without it. */
static void begin_scenario(struct scenario *scenario, uint64_t seed, bool is_empty)
{
	struct sim_cluster *cluster = &scenario->cluster;

	scenario->store = is_empty ? 4 : 3;
	sim_cluster_init(cluster, seed, 3, is_empty);
	sim_cluster_open_all(cluster);
	fill(cluster, 6);
	lead_from(cluster, 1);
	if (is_empty) {
		sim_cluster_change(cluster, &add_4);
		return;
	}
	for (uint32_t store = 1; store <= 3; store++)
		sim_cluster_store(cluster, store)->raftkv->options.log_size_max = 64 << 10;
	write_row(cluster, 500, "deleted while it is away");
	sim_cluster_run(cluster, 3 * (uint64_t)SIM_S);
	sim_cluster_cut(cluster, 3, true);
	sim_cluster_write(cluster, test_op_delete("row500"), NULL);
	sim_cluster_write(cluster, test_op_unmap("object03", 0, UINT64_MAX), NULL);
	for (int i = 0; i < 40 && status_at(cluster, 1).first_index <= status_at(cluster, 3).last_index + 1;
		i++) {
		write_object(cluster, i % 6, 0, 30);
		sim_cluster_run(cluster, SIM_S);
	}
	sim_cluster_cut(cluster, 3, false);
}

static bool is_installed(struct scenario *scenario)
{
	struct raftkv_region_status status = status_at(&scenario->cluster, scenario->store);

	return stats_of(&scenario->cluster, scenario->store).snapshots_received > 0 &&
	       status.applied + 1 >= status.first_index && status.member_count > 0;
}

/* Runs until the snapshot is there, a store has died, or it has taken too long. */
static void run_scenario(struct scenario *scenario, uint32_t victim)
{
	for (int i = 0; i < 1000 && sim_node_is_up(sim_cluster_store(&scenario->cluster, victim)->node);
		i++) {
		if (is_installed(scenario))
			break;
		sim_cluster_run(&scenario->cluster, 10 * SIM_MS);
	}
}

static void end_scenario(struct scenario *scenario)
{
	uint32_t stores[] = {1, 2, 3, scenario->store == 4 ? 4 : 0, 0};

	write_row(&scenario->cluster, 7, "and on");
	sim_replicas_compare(&scenario->cluster, stores);
	assert_false(sim_cluster_store(&scenario->cluster, scenario->store)->has_failed);
	sim_cluster_close(&scenario->cluster);
}

/* The disk operations of a store while the snapshot comes. */
static uint64_t operations_of(uint64_t seed, bool is_empty, uint32_t victim)
{
	struct scenario scenario;
	struct sim_node *node;
	uint64_t before, operations;

	begin_scenario(&scenario, seed, is_empty);
	node = sim_cluster_store(&scenario.cluster, victim)->node;
	before = sim_node_operations(node);
	run_scenario(&scenario, victim);
	assert_true(is_installed(&scenario));
	operations = sim_node_operations(node) - before;
	end_scenario(&scenario);
	return operations;
}

static void crash(struct scenario *scenario, uint32_t victim, uint64_t operations)
{
	struct sim_store *store = sim_cluster_store(&scenario->cluster, victim);

	sim_node_crash_after(store->node, operations);
	run_scenario(scenario, victim);
	sim_store_crash(store);
}

static void receiver_dies_at_any_disk_operation(void **state)
{
	(void)state;
	for (int is_empty = 0; is_empty <= 1; is_empty++) {
		uint32_t victim = is_empty ? 4 : 3;
		uint64_t operations = operations_of(100, is_empty, victim);

		for (uint64_t at = 0; at <= operations; at++) {
			struct scenario scenario;

			begin_scenario(&scenario, 100 + at % 3, is_empty);
			crash(&scenario, victim, at);
			sim_cluster_open(&scenario.cluster, victim);
			end_scenario(&scenario);
		}
	}
}

static void sender_dies_at_any_disk_operation(void **state)
{
	uint64_t operations = operations_of(200, true, 1);

	(void)state;
	for (uint64_t at = 0; at <= operations; at += 2) {
		struct scenario scenario;

		begin_scenario(&scenario, 200 + at % 3, true);
		crash(&scenario, 1, at);
		sim_cluster_open(&scenario.cluster, 1);
		end_scenario(&scenario);
	}
}

/* The same for each write and flush of the KV engine. */
static uint64_t kv_changes_of(uint64_t seed, bool is_empty)
{
	struct scenario scenario;
	struct sim_store *store;
	uint64_t before, changes;

	begin_scenario(&scenario, seed, is_empty);
	store = sim_cluster_store(&scenario.cluster, scenario.store);
	before = store->kv_changes;
	run_scenario(&scenario, scenario.store);
	changes = store->kv_changes - before;
	end_scenario(&scenario);
	return changes;
}

static void crash_in_kv(struct scenario *scenario, uint64_t changes)
{
	struct sim_store *store = sim_cluster_store(&scenario->cluster, scenario->store);

	store->kv_crash_at = store->kv_changes + 1 + changes;
	run_scenario(scenario, scenario->store);
	store->kv_crash_at = 0;
	sim_store_crash(store);
}

/* The start that follows, too, may end early. */
static void crash_at_start(struct scenario *scenario, uint64_t changes)
{
	struct sim_store *store = sim_cluster_store(&scenario->cluster, scenario->store);

	store->kv_crash_at = store->kv_changes + 1 + changes;
	sim_store_open(store, NULL);
	store->kv_crash_at = 0;
	sim_store_crash(store);
}

static void receiver_dies_at_any_change_of_rows(void **state)
{
	(void)state;
	for (int is_empty = 0; is_empty <= 1; is_empty++) {
		uint64_t changes = kv_changes_of(400, is_empty);

		for (uint64_t at = 0; at <= 2 * changes; at++) {
			struct scenario scenario;

			begin_scenario(&scenario, 400 + at % 5, is_empty);
			crash_in_kv(&scenario, at / 2);
			if (at % 2)
				crash_at_start(&scenario, at / 2 % 9);
			sim_cluster_open(&scenario.cluster, scenario.store);
			end_scenario(&scenario);
		}
	}
}

static bool is_applying(struct scenario *scenario)
{
	struct raftkv *raftkv = sim_cluster_store(&scenario->cluster, scenario->store)->raftkv;
	struct snapshot_position position;
	int status = snapshot_applying(raftkv->engines.log, 1, &position);

	if (status < 0)
		return false;
	region_close(&position.region);
	return true;
}

/* The stage of an interrupted installation does not read back: another snapshot is fetched. */
static void stage_that_is_lost_is_fetched_again(void **state)
{
	uint64_t empty = 0;

	(void)state;
	for (int is_empty = 0; is_empty <= 1; is_empty++) {
		uint64_t changes = kv_changes_of(300, is_empty);

		for (uint64_t at = 0; at <= changes; at++) {
			struct scenario scenario;
			struct sim_disk_faults *faults;

			begin_scenario(&scenario, 300 + at % 3, is_empty);
			crash_in_kv(&scenario, at);
			faults = sim_node_faults(sim_cluster_store(&scenario.cluster, scenario.store)->node);
			*faults = (struct sim_disk_faults){.only = "snap/", .read_error_ppm = 1000000};
			sim_cluster_open(&scenario.cluster, scenario.store);
			*faults = (struct sim_disk_faults){0};
			empty += is_applying(&scenario);
			end_scenario(&scenario);
		}
	}
	assert_true(empty >= 4);
}

/* One that lost its stage and is removed before it gets another leaves nothing of the half that it had. */
static void hollow_replica_that_goes_leaves_nothing(void **state)
{
	const struct region_change remove_4 = {.steps = {{RAFT_REMOVE_NODE, 4, 0}}, .step_count = 1};
	uint64_t changes = kv_changes_of(350, true);

	(void)state;
	for (uint64_t at = 0; at <= changes; at++) {
		struct scenario scenario;
		struct sim_disk_faults *faults;

		begin_scenario(&scenario, 350 + at % 5, true);
		scenario.cluster.stores[3].options.flush_age_ms = 60000;
		crash_in_kv(&scenario, at);
		sim_kv_flush_some(scenario.cluster.stores[3].kv);
		sim_cluster_change(&scenario.cluster, &remove_4);
		faults = sim_node_faults(sim_cluster_store(&scenario.cluster, 4)->node);
		*faults = (struct sim_disk_faults){.only = "snap/", .read_error_ppm = 1000000};
		sim_cluster_open(&scenario.cluster, 4);
		*faults = (struct sim_disk_faults){0};
		if (is_applying(&scenario)) {
			sim_cluster_run(&scenario.cluster, 20 * (uint64_t)SIM_S);
			assert_int_equal(stats_of(&scenario.cluster, 4).blocks.used_units, 0);
			assert_int_equal(sim_replica_read(&scenario.cluster, 4).row_count, 0);
		}
		sim_cluster_close(&scenario.cluster);
	}
}

static bool has_rows(void *argument)
{
	struct scenario *scenario = argument;
	struct raftkv *raftkv = sim_cluster_store(&scenario->cluster, scenario->store)->raftkv;
	const struct route *route = router_find(&raftkv->router, 1);

	return route && route->peer->applied.index > 0;
}

static bool is_on_its_way(void *argument)
{
	return ((const struct scenario *)argument)->cluster.transport.streams != NULL;
}

/* Power fails right after the snapshot is there: what it brought is on the disk. A round of the flush that has just begun
 * keeps another one from making up for what is missing; so would a file that grows: sizes vary. */
static void installed_snapshot_survives_power_loss(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 30; seed++) {
		struct scenario scenario;

		sim_cluster_init(&scenario.cluster, 450 + seed, 3, 1);
		scenario.store = 4;
		sim_cluster_open_all(&scenario.cluster);
		fill(&scenario.cluster, 6);
		for (int i = 20; i < 26 + (int)seed; i++)
			write_object(&scenario.cluster, i, 0, 30);
		sim_cluster_change(&scenario.cluster, &add_4);
		assert_true(sim_run(scenario.cluster.world, 60 * (uint64_t)SIM_S, is_on_its_way, &scenario));
		kv_flush_request(&sim_cluster_store(&scenario.cluster, 4)->raftkv->flush);
		assert_true(sim_run(scenario.cluster.world, 60 * (uint64_t)SIM_S, has_rows, &scenario));
		sim_store_crash(sim_cluster_store(&scenario.cluster, 4));
		sim_cluster_open(&scenario.cluster, 4);
		end_scenario(&scenario);
	}
}

/* ---- What else may happen meanwhile ----------------------------------------------------------------------------- */

static void network_loses_messages_and_chunks(void **state)
{
	uint64_t broken = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 10; seed++) {
		struct scenario scenario;

		begin_scenario(&scenario, 500 + seed, seed % 2);
		scenario.cluster.transport.loss_ppm = 50000;
		scenario.cluster.transport.repeat_ppm = 50000;
		scenario.cluster.transport.chunk_loss_ppm = 150000;
		for (int i = 0; i < 10; i++) {
			write_object(&scenario.cluster, i, 5, 20);
			sim_cluster_run(&scenario.cluster, 200 * SIM_MS);
		}
		broken += scenario.cluster.transport.streams_broken;
		end_scenario(&scenario);
	}
	assert_true(broken > 0);
}

/* Room for the new copy beside the old one is wanted first; without it the store goes on, and is asked again. */
static void full_disk_refuses_a_snapshot_until_there_is_room(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 6; seed++) {
		struct scenario scenario;
		struct sim_store *store;
		struct env_space space;

		begin_scenario(&scenario, 600 + seed, seed % 2);
		store = sim_cluster_store(&scenario.cluster, scenario.store);
		assert_int_equal(env_space(store->env, "/store", &space), 0);
		sim_node_faults(store->node)->capacity =
			space.total - space.available + (seed + 1) * (60u << 10);
		sim_cluster_run(&scenario.cluster, 15 * (uint64_t)SIM_S);
		assert_false(store->has_failed);
		assert_int_equal(stats_of(&scenario.cluster, scenario.store).snapshots_received, 0);
		assert_true(stats_of(&scenario.cluster, 1).snapshots_failed > 0);
		sim_node_faults(store->node)->capacity = 0;
		end_scenario(&scenario);
	}
}

/* A follower's reads wait until all of it is there. */
static void reads_see_no_half_of_a_snapshot(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 10; seed++) {
		struct scenario scenario;
		struct sim_answer answer;
		uint64_t answered = 0;

		begin_scenario(&scenario, 700 + seed, false);
		for (int i = 0; i < 400 && answered < 20; i++) {
			answer = sim_cluster_read_at(&scenario.cluster, 3, "row001", true);
			if (answer.status == 0)
				assert_string_equal(answer.text, "some value");
			assert_int_not_equal(answer.status, STATUS_NOT_FOUND);
			answered += answer.status == 0;
			answer = sim_cluster_read_at(&scenario.cluster, 3, "row500", true);
			assert_int_not_equal(answer.status, 0);
		}
		assert_int_equal(answered, 20);
		end_scenario(&scenario);
	}
}

/* One after the other, when a store may send only one at a time. */
static void two_new_replicas_share_the_limit(void **state)
{
	const struct region_change add_5 = {.steps = {{RAFT_ADD_LEARNER, 5, 5}}, .step_count = 1};
	struct sim_cluster cluster;

	(void)state;
	sim_cluster_init(&cluster, 800, 3, 2);
	for (int i = 0; i < 5; i++)
		cluster.stores[i].options.snapshot_count_max = 1;
	sim_cluster_open_all(&cluster);
	fill(&cluster, 12);
	sim_cluster_change(&cluster, &add_4);
	sim_cluster_change(&cluster, &add_5);
	for (int i = 0; i < 10; i++) {
		write_object(&cluster, i, 9, 20);
		sim_cluster_run(&cluster, 200 * SIM_MS);
	}
	sim_replicas_compare(&cluster, (uint32_t[]){1, 2, 3, 4, 5, 0});
	sim_cluster_close(&cluster);
}

/* A store gets a replica again after one was removed from it: with a new id, and nothing of the old one. */
static void replica_comes_back_under_another_id(void **state)
{
	const struct region_change remove_3 = {.steps = {{RAFT_REMOVE_NODE, 3, 0}}, .step_count = 1};
	const struct region_change add_9 = {.steps = {{RAFT_ADD_LEARNER, 9, 3}}, .step_count = 1};
	const struct region_change promote_9 = {.steps = {{RAFT_ADD_VOTER, 9, 3}}, .step_count = 1};

	(void)state;
	for (uint64_t seed = 0; seed < 8; seed++) {
		struct sim_cluster cluster;

		begin(&cluster, 900 + seed, 0);
		lead_from(&cluster, 1);
		sim_cluster_change(&cluster, &remove_3);
		if (seed % 2)
			sim_cluster_run(&cluster, 20 * (uint64_t)SIM_S);
		sim_cluster_write(&cluster, test_op_delete("row003"), NULL);
		sim_cluster_change(&cluster, &add_9);
		sim_cluster_run(&cluster, sim_random(cluster.world, 4000) * SIM_MS);
		sim_store_crash(sim_cluster_store(&cluster, 3));
		sim_cluster_open(&cluster, 3);
		sim_cluster_change(&cluster, &promote_9);
		sim_replicas_compare(&cluster, (uint32_t[]){1, 2, 3, 0});
		assert_int_equal(status_at(&cluster, 3).replica, 9);
		sim_cluster_close(&cluster);
	}
}

/* A replica that is removed while it gets a snapshot leaves nothing. */
static void replica_goes_while_its_snapshot_comes(void **state)
{
	const struct region_change remove_4 = {.steps = {{RAFT_REMOVE_NODE, 4, 0}}, .step_count = 1};

	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct scenario scenario;

		begin_scenario(&scenario, 1000 + seed, true);
		sim_cluster_run(&scenario.cluster, 300 * SIM_MS + seed * 5 * SIM_MS);
		sim_cluster_change(&scenario.cluster, &remove_4);
		for (int i = 0; i < 60 && !is_gone(&scenario.cluster, 4); i++)
			sim_cluster_run(&scenario.cluster, SIM_S);
		assert_true(is_gone(&scenario.cluster, 4));
		sim_cluster_run(&scenario.cluster, 10 * (uint64_t)SIM_S);
		assert_int_equal(stats_of(&scenario.cluster, 4).regions, 0);
		assert_int_equal(stats_of(&scenario.cluster, 4).blocks.used_units, 0);
		assert_int_equal(sim_replica_read(&scenario.cluster, 4).row_count, 0);
		sim_cluster_close(&scenario.cluster);
	}
}

/* ---- What is refused -------------------------------------------------------------------------------------------- */

/* MsgSnap for replica `to` of store 1, of a region over the whole key space that it is the only voter of. */
static struct raft_message make_message(uint64_t region, uint64_t to, uint64_t index)
{
	const struct region_peer peer = {to, 1, REGION_VOTER};
	struct raft_message message = {.type = RAFT_MSG_SNAP, .from = 2, .to = to, .term = 99};
	struct snapshot_head head = {.stream = 1};

	assert_int_equal(
		region_init(&head.region, region, (struct slice){0}, (struct slice){0}, &peer, 1), 0);
	message.snapshot = calloc(1, sizeof *message.snapshot);
	message.snapshot->index = index;
	message.snapshot->term = 98;
	assert_int_equal(region_conf_state(&head.region, &message.snapshot->conf_state), 0);
	assert_int_equal(snapshot_head_encode(&head, &message.snapshot->data), 0);
	region_close(&head.region);
	return message;
}

static int offer(struct sim_cluster *cluster, uint64_t region, uint64_t to, uint64_t store,
	struct raft_message message)
{
	struct peer_envelope envelope = {
		.region = region, .from = {.id = 2, .store = 2}, .to = {.id = to, .store = store}};
	struct raftkv *raftkv = sim_cluster_store(cluster, 1)->raftkv;
	struct snapshot_sink *sink;
	int status = raftkv_receive_snapshot(raftkv, &envelope, &message, &sink);

	assert_null(message.snapshot);
	if (status == 0)
		snapshot_sink_abort(sink);
	assert_int_equal(raftkv->snapshots.sink_count, 0);
	return status;
}

static void what_a_store_does_not_want_is_refused_at_once(void **state)
{
	struct sim_cluster cluster;
	struct raft_message message;

	(void)state;
	begin(&cluster, 1100, 0);
	assert_int_equal(offer(&cluster, 1, 1, 1, make_message(1, 1, 1000)), 0);
	assert_int_equal(offer(&cluster, 1, 1, 1, make_message(1, 1, 7)), STATUS_SNAPSHOT_OUT_OF_DATE);
	/* Another region's range is here. */
	assert_int_equal(offer(&cluster, 2, 9, 1, make_message(2, 9, 1000)), STATUS_LIMIT);
	/* Not for this store, or not of whom the head speaks. */
	assert_int_equal(offer(&cluster, 1, 1, 3, make_message(1, 1, 1000)), STATUS_MALFORMED);
	assert_int_equal(offer(&cluster, 1, 5, 1, make_message(1, 1, 1000)), STATUS_MALFORMED);
	assert_int_equal(offer(&cluster, 3, 1, 1, make_message(1, 1, 1000)), STATUS_MALFORMED);
	message = make_message(1, 1, 1000);
	assert_int_equal(raft_ids_insert(&message.snapshot->conf_state.learners, 12), 0);
	assert_int_equal(offer(&cluster, 1, 1, 1, message), STATUS_MALFORMED);
	message = make_message(1, 1, 1000);
	((uint8_t *)message.snapshot->data->data)[0]++;
	assert_int_equal(offer(&cluster, 1, 1, 1, message), -EPROTO);
	message = make_message(1, 1, 1000);
	message.snapshot->term = message.term + 1;
	assert_int_equal(offer(&cluster, 1, 1, 1, message), STATUS_MALFORMED);
	sim_cluster_close(&cluster);
}

/* The replica sees the message, or its leader would never learn that it has all of that. */
static void leader_of_an_old_snapshot_is_answered(void **state)
{
	struct sim_cluster cluster;
	struct raftkv_region_status status;

	(void)state;
	begin(&cluster, 1101, 0);
	assert_int_equal(sim_cluster_status_at(&cluster, 1, &status), 0);
	assert_true(status.term < 99);
	assert_int_equal(offer(&cluster, 1, 1, 1, make_message(1, 1, 7)), STATUS_SNAPSHOT_OUT_OF_DATE);
	sim_cluster_run(&cluster, 10 * SIM_MS);
	assert_int_equal(sim_cluster_status_at(&cluster, 1, &status), 0);
	assert_true(status.term >= 99);
	sim_cluster_close(&cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replica_moves_to_an_empty_store),
		cmocka_unit_test(replica_behind_the_log_gets_a_snapshot),
		cmocka_unit_test(receiver_dies_at_any_disk_operation),
		cmocka_unit_test(receiver_dies_at_any_change_of_rows),
		cmocka_unit_test(sender_dies_at_any_disk_operation),
		cmocka_unit_test(stage_that_is_lost_is_fetched_again),
		cmocka_unit_test(hollow_replica_that_goes_leaves_nothing),
		cmocka_unit_test(installed_snapshot_survives_power_loss),
		cmocka_unit_test(network_loses_messages_and_chunks),
		cmocka_unit_test(full_disk_refuses_a_snapshot_until_there_is_room),
		cmocka_unit_test(reads_see_no_half_of_a_snapshot),
		cmocka_unit_test(two_new_replicas_share_the_limit),
		cmocka_unit_test(replica_comes_back_under_another_id),
		cmocka_unit_test(replica_goes_while_its_snapshot_comes),
		cmocka_unit_test(what_a_store_does_not_want_is_refused_at_once),
		cmocka_unit_test(leader_of_an_old_snapshot_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
