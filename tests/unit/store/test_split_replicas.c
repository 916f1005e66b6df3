/*
 * What the replicas of a region make of its split on simulated machines, each in its own time: replicas that are behind,
 * early or removed, snapshots, leases, and power that fails at any step.
 */
#include "store/raftkv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/container.h"
#include "store/peer/store.h"
#include "tests/lib/sim_cluster.h"
#include "tests/lib/sim_replica.h"
#include "tests/lib/test.h"
#include "tests/lib/test_evaluator.h"

#define PATIENCE (60 * (uint64_t)SIM_S)
#define NO_FLUSH                                                                                             \
	600000 /* ms: what is applied is in memory alone, but for what the engine flushes by itself */
#define LOG_SMALL (64u << 10)

static const struct region_change remove_3 = {.steps = {{RAFT_REMOVE_NODE, 3, 0}}, .step_count = 1};
static const struct region_change add_9_at_3 = {.steps = {{RAFT_ADD_LEARNER, 9, 3}}, .step_count = 1};

static struct buf *units(uint32_t count, char fill)
{
	struct buf *buf = buf_new((size_t)count * BLOCK_UNIT_SIZE);

	memset(buf->data, fill, buf->size);
	return buf;
}

static void write_object(struct sim_cluster *cluster, const char *name, uint32_t count)
{
	sim_cluster_write_to(cluster, name, test_op_write(name, 0), units(count, *name));
}

/* Rows and objects on either side of "m"; store 1 leads. */
static void begin(struct sim_cluster *cluster, uint64_t seed, uint32_t flush_age_ms)
{
	sim_cluster_init(cluster, seed, 3, 0);
	for (uint32_t store = 1; store <= 3; store++)
		sim_cluster_store(cluster, store)->options.flush_age_ms = flush_age_ms;
	sim_cluster_open_all(cluster);
	sim_cluster_write(cluster, test_op_open(7), NULL);
	sim_cluster_write(cluster, test_op_put("a", "lower"), NULL);
	sim_cluster_write(cluster, test_op_put("x", "upper"), NULL);
	sim_cluster_write(cluster, test_op_note("x", "of x"), NULL);
	write_object(cluster, "b", 20);
	write_object(cluster, "y", 3);
	sim_cluster_lead_from(cluster, 1, 1);
}

static void on_split(struct raftkv_split *split, int status)
{
	(void)split, (void)status;
}

static int split_at(struct sim_cluster *cluster, uint32_t store)
{
	struct raftkv_split split = {.region = 1, .new_region = 2, .key = buf_copy("m", 1)};

	return sim_cluster_split_at(cluster, store, &split);
}

static struct raftkv *raftkv_of(struct sim_cluster *cluster, uint32_t store)
{
	return sim_cluster_store(cluster, store)->raftkv;
}

static struct peer *peer_of(struct sim_cluster *cluster, uint32_t store, uint64_t region)
{
	struct route *route = router_find(&raftkv_of(cluster, store)->router, region);

	return route ? route->peer : NULL;
}

static struct raftkv_stats stats_of(struct sim_cluster *cluster, uint32_t store)
{
	struct raftkv_stats stats;

	raftkv_stats(raftkv_of(cluster, store), &stats);
	return stats;
}

static struct raftkv_region_status status_of(struct sim_cluster *cluster, uint32_t store, uint64_t region)
{
	struct raftkv_region_status status = {0};

	sim_cluster_status_of(cluster, store, region, &status);
	return status;
}

static bool is_gone(struct sim_cluster *cluster, uint32_t store, uint64_t region)
{
	struct raftkv_region_status status;

	return sim_cluster_status_of(cluster, store, region, &status) == STATUS_REGION_NOT_FOUND;
}

static void await_gone(struct sim_cluster *cluster, uint32_t store, uint64_t region)
{
	for (int i = 0; i < 60 && !is_gone(cluster, store, region); i++)
		sim_cluster_run(cluster, SIM_S);
	assert_true(is_gone(cluster, store, region));
}

/* Waits until the store has all that the leader of the region has committed. */
static void await_applied(struct sim_cluster *cluster, uint32_t store, uint64_t region)
{
	uint64_t commit = status_of(cluster, sim_cluster_await_leader_of(cluster, region), region).commit;
	struct raftkv_region_status status = {0};

	for (int i = 0; i < 600 && (status.applied < commit || status.member_count == 0); i++) {
		status = status_of(cluster, store, region);
		sim_cluster_run(cluster, 100 * SIM_MS);
	}
	if (status.applied < commit)
		fail_msg("store %u does not get region %llu", store, (unsigned long long)region);
}

/* Both halves are on each store, with the same rows, and each serves. */
static void assert_whole(struct sim_cluster *cluster)
{
	sim_cluster_write_to(cluster, "x", test_op_put("x", "at the end"), NULL);
	sim_cluster_write_to(cluster, "a", test_op_put("a", "at the end"), NULL);
	for (uint32_t store = 1; store <= 3; store++) {
		await_applied(cluster, store, 1);
		await_applied(cluster, store, 2);
		assert_int_equal(sim_cluster_region_at(cluster, store, "l"), 1);
		assert_int_equal(sim_cluster_region_at(cluster, store, "m"), 2);
		assert_false(sim_cluster_store(cluster, store)->has_failed);
	}
	sim_replicas_compare(cluster, (uint32_t[]){1, 2, 3, 0});
}

/* ---- Messages that are held -------------------------------------------------------------------------------------- */

/* Store 3 gets no message of these regions. */
struct hold {
	bool regions[3];
};

static bool passes(void *argument, const struct peer_envelope *envelope, const struct raft_message *message)
{
	const struct hold *hold = argument;

	(void)message;
	return envelope->to.store != 3 || envelope->region > 2 || !hold->regions[envelope->region];
}

static void begin_hold(struct sim_cluster *cluster, struct hold *hold)
{
	cluster->transport.filter = passes;
	cluster->transport.filter_argument = hold;
	hold->regions[1] = true;
}

/* The region is split on stores 1 and 2. Store 3 does not know yet, but hears of the new region: a leader's message has
 * made a replica of it. */
static void split_without_3(struct sim_cluster *cluster, struct hold *hold)
{
	begin_hold(cluster, hold);
	assert_int_equal(split_at(cluster, 1), 0);
	for (int i = 0; i < 600 && is_gone(cluster, 3, 2); i++)
		sim_cluster_run(cluster, 100 * SIM_MS);
	assert_int_equal(status_of(cluster, 3, 2).replica, 3);
	assert_int_equal(status_of(cluster, 3, 2).member_count, 0);
	assert_int_equal(sim_cluster_region_at(cluster, 3, "x"), 1);
}

static bool has_split(void *argument)
{
	const struct peer *peer = peer_of(argument, 3, 1);

	return peer->region.end != NULL;
}

static void let_3_split(struct sim_cluster *cluster, struct hold *hold)
{
	hold->regions[1] = false;
	assert_true(sim_run(cluster->world, PATIENCE, has_split, cluster));
}

/* ---- Replicas that are behind ----------------------------------------------------------------------------------- */

static void follower_that_was_away_applies_the_split_later(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 10; seed++) {
		struct sim_cluster cluster;

		begin(&cluster, 10 + seed, 1000);
		sim_cluster_cut(&cluster, 3, true);
		assert_int_equal(split_at(&cluster, 1), 0);
		sim_cluster_write_to(&cluster, "x", test_op_append("x", "+"), NULL);
		write_object(&cluster, "z", 20);
		write_object(&cluster, "c", 20);
		sim_cluster_run(&cluster, seed * SIM_S);
		sim_cluster_cut(&cluster, 3, false);
		assert_whole(&cluster);
		assert_int_equal(stats_of(&cluster, 3).snapshots_received, 0);
		sim_cluster_close(&cluster);
	}
}

/* ---- Replicas that are early ------------------------------------------------------------------------------------ */

static struct raft_hard_state hard_state_of(struct sim_cluster *cluster, uint32_t store, uint64_t region)
{
	struct log_engine *log = raftkv_of(cluster, store)->engines.log;
	struct raft_hard_state hard_state = {0};

	assert_int_equal(log->ops->hard_state(log, region, &hard_state), 0);
	return hard_state;
}

/* Replica 2 asks replica 3 of the new region for its vote. */
static void ask_for_vote(struct sim_cluster *cluster, uint64_t term)
{
	struct raft_message message = {
		.type = RAFT_MSG_VOTE, .from = 2, .to = 3, .term = term, .index = 1000, .log_term = term - 1};
	struct peer_envelope envelope = {.region = 2,
		.epoch = status_of(cluster, 2, 2).epoch,
		.from = {.id = 2, .store = 2},
		.to = {.id = 3, .store = 3}};

	raftkv_step(raftkv_of(cluster, 3), &envelope, &message);
	sim_cluster_run(cluster, SIM_S);
}

static bool has_rows(void *argument)
{
	const struct peer *peer = peer_of(argument, 3, 2);

	return peer && peer->region.peer_count > 0;
}

static void early_replica_keeps_its_vote_and_gets_the_rows(void **state)
{
	(void)state;
	for (int is_restarted = 0; is_restarted <= 1; is_restarted++) {
		struct hold hold = {0};
		struct sim_cluster cluster;
		uint64_t term;

		begin(&cluster, 30 + (uint64_t)is_restarted, NO_FLUSH);
		split_without_3(&cluster, &hold);
		hold.regions[2] = true;
		sim_cluster_run(&cluster, 3 * (uint64_t)SIM_S); /* it hears of no leader any more */
		term = hard_state_of(&cluster, 3, 2).term + 5;
		ask_for_vote(&cluster, term);
		assert_int_equal(hard_state_of(&cluster, 3, 2).term, term);
		assert_int_equal(hard_state_of(&cluster, 3, 2).vote, 2);
		let_3_split(&cluster, &hold);
		assert_true(sim_run(cluster.world, PATIENCE, has_rows, &cluster));
		if (is_restarted) {
			sim_store_crash(sim_cluster_store(&cluster, 3));
			sim_cluster_open(&cluster, 3);
			assert_true(sim_run(cluster.world, PATIENCE, has_rows, &cluster));
		}
		assert_int_equal(hard_state_of(&cluster, 3, 2).term, term);
		assert_int_equal(hard_state_of(&cluster, 3, 2).vote, 2);
		hold.regions[2] = false;
		assert_whole(&cluster);
		assert_int_equal(stats_of(&cluster, 3).snapshots_received, 0);
		sim_cluster_close(&cluster);
	}
}

/* The range is the other region's until the split is applied here; then there is no need of a snapshot any more. */
static void snapshot_of_the_new_region_is_refused_until_the_split(void **state)
{
	struct hold hold = {0};
	struct sim_cluster cluster;

	(void)state;
	begin(&cluster, 40, 1000);
	split_without_3(&cluster, &hold);
	sim_cluster_run(&cluster, 10 * (uint64_t)SIM_S);
	assert_true(stats_of(&cluster, 1).snapshots_failed > 0);
	assert_int_equal(stats_of(&cluster, 3).snapshots_received, 0);
	assert_int_equal(status_of(&cluster, 3, 2).member_count, 0);
	let_3_split(&cluster, &hold);
	assert_whole(&cluster);
	sim_cluster_close(&cluster);
}

/* ---- Replicas that were removed --------------------------------------------------------------------------------- */

/* Whether store 3 has rows of the upper half, or local rows of region 2. */
static bool has_upper_rows(struct sim_cluster *cluster)
{
	struct kv_engine *kv = raftkv_of(cluster, 3)->engines.kv;
	bool has = false;

	for (int is_local = 0; is_local <= 1; is_local++) {
		enum key_space space = is_local ? KEY_LOCAL : KEY_DATA;
		struct kv_iterator *rows;
		struct key low, high;

		key_row(&low, 2, space, is_local ? (struct slice){0} : slice_of("m", 1));
		key_row_bound(&high, 2, space, (struct slice){0});
		assert_int_equal(kv->ops->iterator_new(
					 kv, NULL, KV_TIER_ALL, key_slice(&low), key_slice(&high), &rows),
			0);
		has = has || kv->ops->seek(rows, key_slice(&low)) == 0;
		kv->ops->iterator_free(kv, rows);
	}
	return has;
}

/* No snapshot may come before the rows are cleared. */
static bool has_cleared(void *argument)
{
	const struct peer *peer = peer_of(argument, 3, 2);

	if (sim_cluster_region_at(argument, 3, "x") == 2)
		assert_true(atomic_load(&peer->route->is_installing));
	return !has_upper_rows(argument) && sim_cluster_region_at(argument, 3, "x") == 0;
}

/* It leaves nothing when store 3 applies the split at last, and a later replica there gets all by a snapshot. */
static void replica_that_was_removed_before_the_split_does_not_start(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 12; seed++) {
		struct hold hold = {0};
		struct sim_cluster cluster;

		begin(&cluster, 50 + seed, NO_FLUSH);
		split_without_3(&cluster, &hold);
		sim_cluster_change_of(&cluster, 2, &remove_3);
		await_gone(&cluster, 3, 2);
		hold.regions[2] = true; /* nobody tells it a second time */
		let_3_split(&cluster, &hold);
		if (seed % 2) {
			sim_cluster_run(&cluster, seed * 300 * SIM_US);
			sim_store_crash(sim_cluster_store(&cluster, 3));
			sim_cluster_open(&cluster, 3);
		}
		assert_true(sim_run(cluster.world, PATIENCE, has_cleared, &cluster));
		sim_cluster_run(&cluster, 3 * (uint64_t)SIM_S);
		assert_true(is_gone(&cluster, 3, 2));
		assert_int_equal(sim_cluster_region_at(&cluster, 3, "a"), 1);
		hold.regions[2] = false;
		sim_cluster_change_of(&cluster, 2, &add_9_at_3);
		assert_whole(&cluster);
		assert_int_equal(status_of(&cluster, 3, 2).replica, 9);
		assert_true(stats_of(&cluster, 3).snapshots_received >= 1);
		sim_cluster_close(&cluster);
	}
}

/* Nor does the one that a message made before, if it does not hear of its removal when that happens. */
static void early_replica_that_was_removed_asks(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 8; seed++) {
		struct hold hold = {0};
		struct sim_cluster cluster;

		begin(&cluster, 80 + seed, NO_FLUSH);
		split_without_3(&cluster, &hold);
		sim_cluster_run(&cluster, SIM_S);
		assert_false(is_gone(&cluster, 3, 2));
		sim_cluster_cut(&cluster, 3, true);
		sim_cluster_change_of(&cluster, 2, &remove_3);
		sim_cluster_run(&cluster, seed * SIM_S);
		sim_cluster_cut(&cluster, 3, false);
		await_gone(&cluster, 3, 2);
		let_3_split(&cluster, &hold);
		assert_true(sim_run(cluster.world, PATIENCE, has_cleared, &cluster));
		assert_true(is_gone(&cluster, 3, 2));
		sim_cluster_close(&cluster);
	}
}

/* The later replica is here already, and waits for its snapshot. No tombstone tells of the one before, which never was. */
static void later_replica_takes_the_place_of_the_splits_own(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 12; seed++) {
		struct hold hold = {0};
		struct sim_cluster cluster;

		begin(&cluster, 70 + seed, NO_FLUSH);
		begin_hold(&cluster, &hold);
		hold.regions[2] = true;
		assert_int_equal(split_at(&cluster, 1), 0);
		sim_cluster_change_of(&cluster, 2, &remove_3);
		sim_cluster_change_of(&cluster, 2, &add_9_at_3);
		hold.regions[2] = false;
		for (int i = 0; i < 60 && status_of(&cluster, 3, 2).replica != 9; i++)
			sim_cluster_run(&cluster, SIM_S);
		assert_int_equal(status_of(&cluster, 3, 2).replica, 9);
		assert_int_equal(stats_of(&cluster, 3).snapshots_received, 0);
		hold.regions[2] = true; /* nobody tells replica 3 again that it was removed */
		let_3_split(&cluster, &hold);
		sim_cluster_run(&cluster, seed * 300 * SIM_US);
		if (seed % 2) {
			sim_store_crash(sim_cluster_store(&cluster, 3));
			sim_cluster_open(&cluster, 3);
		}
		assert_true(sim_run(cluster.world, PATIENCE, has_cleared, &cluster));
		assert_int_equal(status_of(&cluster, 3, 2).replica, seed % 2 ? 0 : 9);
		hold.regions[2] = false;
		assert_whole(&cluster);
		assert_int_equal(status_of(&cluster, 3, 2).replica, 9);
		sim_cluster_close(&cluster);
	}
}

/* An answer that leadership crossed is asked for again. */
static void assert_row_at_3(struct sim_cluster *cluster, const char *key, const char *value)
{
	struct sim_answer answer = {.status = -ETIMEDOUT};

	for (int i = 0; i < 100 && answer.status < 0; i++) {
		answer = sim_cluster_read_in(cluster, 3, 2, key, true);
		sim_cluster_run(cluster, 100 * SIM_MS);
	}
	assert_int_equal(answer.status, 0);
	assert_string_equal(answer.text, value);
}

/* The rows of a region that was split off come from the log of the other until they are flushed: when that one leaves the
 * store, power may fail at any operation. */
static void region_stays_when_the_one_it_was_split_off_leaves(void **state)
{
	(void)state;
	for (uint64_t at = 0; at < 60; at++) {
		struct sim_cluster cluster;
		struct sim_store *store;

		begin(&cluster, 90 + at, NO_FLUSH);
		store = sim_cluster_store(&cluster, 3);
		assert_int_equal(split_at(&cluster, 1), 0);
		sim_cluster_write_to(&cluster, "x", test_op_put("x", "after the split"), NULL);
		write_object(&cluster, "z", 20);
		await_applied(&cluster, 3, 2);
		sim_node_crash_after(store->node, at / 2);
		sim_cluster_change(&cluster, &remove_3);
		sim_cluster_run(&cluster, 200 * SIM_MS);
		sim_store_crash(store);
		sim_cluster_open(&cluster, 3);
		await_gone(&cluster, 3, 1);
		await_applied(&cluster, 3, 2);
		assert_row_at_3(&cluster, "x", "after the split");
		assert_false(store->has_failed);
		sim_cluster_close(&cluster);
	}
}

/* A tombstone comes before a restarted replica has applied the split again. It comes again later. */
static void replica_that_knew_of_a_split_is_not_destroyed_before_it(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 10; seed++) {
		struct peer_envelope envelope = {.region = 1,
			.epoch = {.conf_version = 99, .version = 1},
			.from = {.id = 1, .store = 1},
			.to = {.id = 3, .store = 3},
			.is_tombstone = true};
		struct raft_message message = {0};
		struct sim_cluster cluster;

		begin(&cluster, 180 + seed, NO_FLUSH);
		assert_int_equal(split_at(&cluster, 1), 0);
		sim_cluster_write_to(&cluster, "x", test_op_put("x", "after the split"), NULL);
		await_applied(&cluster, 3, 2);
		sim_store_crash(sim_cluster_store(&cluster, 3));
		sim_cluster_open(&cluster, 3);
		raftkv_step(raftkv_of(&cluster, 3), &envelope, &message);
		await_applied(&cluster, 3, 2);
		assert_row_at_3(&cluster, "x", "after the split");
		sim_cluster_close(&cluster);
	}
}

/* ---- Snapshots -------------------------------------------------------------------------------------------------- */

/* Until it does not reach back to behind `last`. */
static void let_log_go_on(struct sim_cluster *cluster, uint64_t last)
{
	for (int i = 0; i < 40 && status_of(cluster, 1, 1).first_index <= last + 1; i++) {
		write_object(cluster, "c", 30);
		sim_cluster_run(cluster, SIM_S);
	}
	assert_true(status_of(cluster, 1, 1).first_index > last + 1);
}

/* The log of region 1 goes on without store 3, which misses the split. */
static void begin_missed(struct sim_cluster *cluster, uint64_t seed)
{
	uint64_t last;

	begin(cluster, seed, 1000);
	for (uint32_t store = 1; store <= 3; store++)
		raftkv_of(cluster, store)->options.log_size_max = LOG_SMALL;
	sim_cluster_run(cluster, SIM_S);
	last = status_of(cluster, 3, 1).last_index;
	sim_cluster_cut(cluster, 3, true);
	assert_int_equal(split_at(cluster, 1), 0);
	sim_cluster_write_to(cluster, "x", test_op_put("x", "after the split"), NULL);
	let_log_go_on(cluster, last);
	sim_cluster_cut(cluster, 3, false);
}

/* No other region may have what the narrower snapshot leaves of the range before its rows are cleared. */
static bool is_narrower(void *argument)
{
	const struct peer *peer = peer_of(argument, 3, 1);

	if (!peer->region.end)
		assert_int_equal(sim_cluster_region_at(argument, 3, "x"), 1);
	return peer->region.end != NULL;
}

static void replica_that_missed_the_split_gets_a_narrower_snapshot(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 10; seed++) {
		struct sim_cluster cluster;

		begin_missed(&cluster, 200 + seed);
		assert_true(sim_run(cluster.world, PATIENCE, is_narrower, &cluster));
		assert_whole(&cluster);
		assert_true(stats_of(&cluster, 3).snapshots_received >= 2); /* of both */
		sim_store_crash(sim_cluster_store(&cluster, 3));
		sim_cluster_open(&cluster, 3);
		assert_whole(&cluster);
		sim_cluster_close(&cluster);
	}
}

/* And the replica of the new region is not wanted there any more: nobody else clears its rows. */
static void range_that_a_narrower_snapshot_leaves_is_cleared(void **state)
{
	struct sim_cluster cluster;

	(void)state;
	begin_missed(&cluster, 215);
	sim_cluster_cut(&cluster, 3, true);
	sim_cluster_change_of(&cluster, 2, &remove_3);
	sim_cluster_run(&cluster, SIM_S);
	sim_cluster_cut(&cluster, 3, false);
	assert_true(has_upper_rows(&cluster));
	assert_true(sim_run(cluster.world, PATIENCE, is_narrower, &cluster));
	assert_false(has_upper_rows(&cluster));
	await_gone(&cluster, 3, 2);
	await_applied(&cluster, 3, 1);
	sim_cluster_close(&cluster);
}

/* A snapshot replaces the log of which the rows of the new region are to come again. Power fails at any disk operation. */
static void region_stays_when_the_one_it_was_split_off_is_replaced(void **state)
{
	(void)state;
	for (uint64_t at = 0; at < 48; at++) {
		struct sim_cluster cluster;
		struct sim_store *store;
		uint64_t last;

		begin(&cluster, 260 + at, 1000);
		store = sim_cluster_store(&cluster, 3);
		sim_store_stop(store);
		store->options.flush_age_ms = NO_FLUSH;
		sim_cluster_open(&cluster, 3);
		for (uint32_t number = 1; number <= 2; number++)
			raftkv_of(&cluster, number)->options.log_size_max = LOG_SMALL;
		assert_int_equal(split_at(&cluster, 1), 0);
		sim_cluster_write_to(&cluster, "x", test_op_put("x", "after the split"), NULL);
		await_applied(&cluster, 3, 2);
		last = status_of(&cluster, 3, 1).last_index;
		sim_cluster_cut(&cluster, 3, true);
		let_log_go_on(&cluster, last);
		sim_cluster_cut(&cluster, 3, false);
		sim_node_crash_after(store->node, at);
		sim_cluster_run(&cluster, 3 * (uint64_t)SIM_S);
		sim_store_crash(store);
		sim_cluster_open(&cluster, 3);
		assert_whole(&cluster);
		sim_cluster_close(&cluster);
	}
}

/* Power fails at any change of store 3's rows, and again when it starts. */
static void narrower_snapshot_survives_power_loss(void **state)
{
	(void)state;
	for (uint64_t at = 0; at < 24; at++) {
		struct sim_cluster cluster;
		struct sim_store *store;

		begin_missed(&cluster, 220 + at);
		store = sim_cluster_store(&cluster, 3);
		store->kv_crash_at = store->kv_changes + 1 + at / 2;
		sim_cluster_run(&cluster, 5 * (uint64_t)SIM_S);
		store->kv_crash_at = 0;
		sim_store_crash(store);
		if (at % 2) {
			store->kv_crash_at = store->kv_changes + 1 + at / 2 % 5;
			sim_store_open(store, NULL);
			store->kv_crash_at = 0;
			sim_store_crash(store);
		}
		sim_cluster_open(&cluster, 3);
		assert_whole(&cluster);
		sim_cluster_close(&cluster);
	}
}

/* ---- The lease -------------------------------------------------------------------------------------------------- */

/* What store 1 gives at once for "x" by the lease of region 1; false: nothing. */
static bool read_by_lease(struct sim_cluster *cluster, char *text, size_t size)
{
	struct raftkv_snapshot *snapshot;
	struct kv_value value = {0};
	int status = raftkv_local_snapshot(raftkv_of(cluster, 1), 1, 0, &snapshot);

	if (status < 0)
		return false;
	status = view_get(raftkv_snapshot_view(snapshot, true), KEY_DATA, slice_of("x", 1), &value);
	if (status == 0)
		snprintf(text, size, "%.*s", (int)value.data.size, (const char *)value.data.data);
	kv_value_close(&value);
	raftkv_snapshot_free(snapshot);
	return status == 0;
}

static void on_read(struct raftkv_read *read, int status, struct raftkv_snapshot *snapshot)
{
	(void)status;
	raftkv_snapshot_free(snapshot);
	free(read);
}

/* A read of any key; it makes the leader renew its lease. */
static void ask_read(struct sim_cluster *cluster)
{
	struct raftkv_read *read = calloc(1, sizeof *read);

	check(read);
	*read = (struct raftkv_read){
		.region = 1, .loop = sim_cluster_store(cluster, 1)->caller, .done = on_read};
	raftkv_async_snapshot(raftkv_of(cluster, 1), read);
}

static bool has_lease(struct sim_cluster *cluster)
{
	const struct peer *peer = peer_of(cluster, 1, 1);

	return env_now(sim_cluster_store(cluster, 1)->env) < atomic_load(&peer->route->lease_bound);
}

/* And not applied here. */
static bool is_split_committed(void *argument)
{
	const struct peer *peer = peer_of(argument, 1, 1);
	struct raft_status raft;

	raw_node_status(peer->raft_group, &raft);
	return raft.hard_state.commit >= peer->split_index && peer->applied.index < peer->split_index;
}

static bool is_split_handed_out(void *argument)
{
	return peer_of(argument, 1, 1)->splits_committed > 0;
}

static void set_latency(struct sim_cluster *cluster, uint64_t latency)
{
	sim_node_faults(sim_cluster_store(cluster, 1)->node)->latency = latency;
}

/* Store 1's disk is slow. It is the last to have the entry of the split, or the log of the new region does not begin
 * there: it cannot apply the split that the others apply. While it may use a lease for the whole range, nobody else leads the new region; and once the others have changed
 * the row, it does not give the old one. */
static void split_that_the_leader_has_not_applied_ends_its_lease(void **state)
{
	uint64_t led = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 10; seed++) {
		struct raftkv_split *split = calloc(1, sizeof *split);
		bool is_changed = false;
		struct sim_cluster cluster;
		char text[32];

		begin(&cluster, 300 + seed, 1000);
		check(split);
		*split = (struct raftkv_split){.region = 1,
			.new_region = 2,
			.key = buf_copy("m", 1),
			.loop = sim_cluster_store(&cluster, 1)->caller,
			.done = on_split};
		if (seed % 2)
			set_latency(&cluster, 20 * (uint64_t)SIM_S);
		raftkv_split(raftkv_of(&cluster, 1), split);
		assert_true(sim_run(cluster.world, PATIENCE,
			seed % 2 ? is_split_committed : is_split_handed_out, &cluster));
		set_latency(&cluster, 20 * (uint64_t)SIM_S);
		for (int i = 0; i < 400 && is_split_committed(&cluster); i++) {
			uint32_t leader = sim_cluster_leader_of(&cluster, 2);

			ask_read(&cluster);
			if (leader > 0)
				assert_false(has_lease(&cluster));
			if (read_by_lease(&cluster, text, sizeof text))
				assert_string_equal(text, is_changed ? "changed" : "upper");
			if (leader > 0 && !is_changed) {
				struct raftkv_write write = {
					.region = 2, .body = test_op_put("x", "changed")};

				is_changed = sim_cluster_ask_at(&cluster, leader, &write).status == 0;
			}
			sim_cluster_run(&cluster, 10 * SIM_MS);
		}
		led += is_changed;
		set_latency(&cluster, 0);
		sim_store_crash(sim_cluster_store(&cluster, 1));
		sim_cluster_open(&cluster, 1);
		assert_whole(&cluster);
		sim_cluster_close(&cluster);
	}
	assert_true(led >= 5);
}

static bool leads_2_at_2(void *argument)
{
	return sim_cluster_leader_of(argument, 2) == 2;
}

/* It stays where it was handed: the store that led the region before does not take it back. */
static void leadership_of_the_new_region_is_handed_over_at_once(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 10; seed++) {
		struct sim_cluster cluster;
		uint64_t term;

		begin(&cluster, 400 + seed, 1000);
		assert_int_equal(split_at(&cluster, 1), 0);
		assert_int_equal(sim_cluster_await_leader_of(&cluster, 2), 1);
		sim_cluster_run(&cluster, seed * 50 * SIM_MS);
		assert_int_equal(raftkv_transfer_leader(raftkv_of(&cluster, 1), 2, 2), 0);
		assert_true(sim_run(cluster.world, PATIENCE, leads_2_at_2, &cluster));
		term = status_of(&cluster, 2, 2).term;
		sim_cluster_run(&cluster, 10 * (uint64_t)SIM_S);
		assert_int_equal(status_of(&cluster, 2, 2).term, term);
		assert_whole(&cluster);
		sim_cluster_close(&cluster);
	}
}

/* ---- Power loss ------------------------------------------------------------------------------------------------- */

static bool is_down(void *argument)
{
	const struct sim_store *store = argument;

	return !sim_node_is_up(store->node);
}

static struct sim_answer ask_slot(struct sim_cluster *cluster, uint32_t store, uint64_t region, bool is_retry)
{
	return sim_cluster_ask_at(cluster, store,
		&(struct raftkv_write){.region = region,
			.session = 7,
			.slot = 1,
			.sequence = 1,
			.is_retry = is_retry,
			.body = test_op_append("x", "+")});
}

/* A split, and writes behind it. Whoever loses its power meanwhile is away for the rest of it. */
static void split_and_write(struct sim_cluster *cluster, struct sim_store *victim)
{
	struct raftkv_split *split = calloc(1, sizeof *split);

	check(split);
	*split = (struct raftkv_split){.region = 1,
		.new_region = 2,
		.key = buf_copy("m", 1),
		.loop = sim_cluster_store(cluster, 1)->caller,
		.done = on_split};
	raftkv_split(raftkv_of(cluster, 1), split);
	sim_run(cluster->world, 300 * SIM_MS, is_down, victim);
	if (is_down(victim))
		sim_store_crash(victim);
	sim_cluster_split(cluster, "m", 2);
	write_object(cluster, "z", 20);
	write_object(cluster, "w", 2);
	sim_cluster_write_to(cluster, "a", test_op_append("a", "+"), NULL);
	if (is_down(victim) && victim->raftkv)
		sim_store_crash(victim);
}

static void assert_answered_once(struct sim_cluster *cluster)
{
	struct sim_answer answer = {.status = STATUS_NOT_LEADER};

	for (int i = 0; i < 100 && answer.status < 0; i++) {
		answer = ask_slot(cluster, sim_cluster_await_leader_of(cluster, 2), 2, true);
		sim_cluster_run(cluster, 100 * SIM_MS);
	}
	assert_int_equal(answer.status, 0);
	assert_string_equal(answer.text, "upper+");
}

/* `is_kv`: before the change of the KV engine after the next `at`, else inside a disk operation. */
static void crash_in_a_split(uint64_t seed, uint32_t number, bool is_kv, uint64_t at)
{
	struct sim_cluster cluster;
	struct sim_store *victim;

	begin(&cluster, seed, NO_FLUSH);
	victim = sim_cluster_store(&cluster, number);
	assert_int_equal(ask_slot(&cluster, 1, 1, false).status, 0);
	sim_cluster_run(&cluster, 100 * SIM_MS);
	if (is_kv)
		victim->kv_crash_at = victim->kv_changes + 1 + at;
	else
		sim_node_crash_after(victim->node, at);
	split_and_write(&cluster, victim);
	victim->kv_crash_at = 0;
	sim_store_crash(victim);
	sim_cluster_open(&cluster, number);
	assert_answered_once(&cluster);
	assert_whole(&cluster);
	sim_store_crash(victim);
	sim_cluster_open(&cluster, number);
	assert_whole(&cluster);
	sim_cluster_close(&cluster);
}

static void power_fails_at_any_change_of_rows(void **state)
{
	(void)state;
	for (uint32_t number = 1; number <= 3; number++)
		for (uint64_t at = 0; at < 12; at++)
			crash_in_a_split(400 + at, number, true, at);
}

static void power_fails_at_any_disk_operation(void **state)
{
	(void)state;
	for (uint32_t number = 1; number <= 3; number++)
		for (uint64_t at = 0; at < 40; at++)
			crash_in_a_split(500 + at % 7, number, false, at);
}

static void power_of_all_fails_after_a_split(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 30; seed++) {
		struct sim_cluster cluster;

		begin(&cluster, 600 + seed, seed % 2 ? NO_FLUSH : 100);
		assert_int_equal(ask_slot(&cluster, 1, 1, false).status, 0);
		assert_int_equal(split_at(&cluster, 1), 0);
		write_object(&cluster, "z", 20);
		write_object(&cluster, "w", 2);
		sim_cluster_run(&cluster, seed * 20 * SIM_MS);
		for (uint32_t store = 1; store <= 3; store++)
			sim_store_crash(sim_cluster_store(&cluster, store));
		sim_cluster_open_all(&cluster);
		assert_answered_once(&cluster);
		assert_whole(&cluster);
		sim_cluster_close(&cluster);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follower_that_was_away_applies_the_split_later),
		cmocka_unit_test(early_replica_keeps_its_vote_and_gets_the_rows),
		cmocka_unit_test(snapshot_of_the_new_region_is_refused_until_the_split),
		cmocka_unit_test(replica_that_was_removed_before_the_split_does_not_start),
		cmocka_unit_test(early_replica_that_was_removed_asks),
		cmocka_unit_test(later_replica_takes_the_place_of_the_splits_own),
		cmocka_unit_test(region_stays_when_the_one_it_was_split_off_leaves),
		cmocka_unit_test(replica_that_knew_of_a_split_is_not_destroyed_before_it),
		cmocka_unit_test(replica_that_missed_the_split_gets_a_narrower_snapshot),
		cmocka_unit_test(range_that_a_narrower_snapshot_leaves_is_cleared),
		cmocka_unit_test(region_stays_when_the_one_it_was_split_off_is_replaced),
		cmocka_unit_test(narrower_snapshot_survives_power_loss),
		cmocka_unit_test(split_that_the_leader_has_not_applied_ends_its_lease),
		cmocka_unit_test(leadership_of_the_new_region_is_handed_over_at_once),
		cmocka_unit_test(power_fails_at_any_change_of_rows),
		cmocka_unit_test(power_fails_at_any_disk_operation),
		cmocka_unit_test(power_of_all_fails_after_a_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
