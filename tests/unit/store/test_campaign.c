/*
 * Replicas take turns to campaign (peer/campaign.h), on simulated machines: three stores with many regions, which start, and
 * of which one dies.
 */
#include <stdlib.h>
#include <string.h>

#include "store/peer/campaign.h"
#include "store/raftkv.h"
#include "tests/lib/sim_cluster.h"
#include "tests/lib/test.h"
#include "tests/lib/test_evaluator.h"

#define REGIONS	 900u
#define STORES	 3u
#define ELECTION (1500 * (uint64_t)SIM_MS) /* the shortest election timeout */
#define INTERVAL (300 * (uint64_t)SIM_MS) /* of heartbeats */

/* ---- Many regions ----------------------------------------------------------------------------------------------- */

struct fixture {
	struct sim_cluster cluster;
	/* Replicas that have asked for votes, and whose region has had no leader since. */
	bool is_candidate[STORES + 1][REGIONS + 1];
	uint32_t candidates[STORES + 1], candidates_most;
	uint64_t only; /* the region that may elect; 0: all may */
};

static bool note(void *argument, const struct peer_envelope *envelope, const struct raft_message *message)
{
	struct fixture *fixture = argument;
	uint64_t region = envelope->region, store = envelope->from.store;

	if (message->type == RAFT_MSG_PRE_VOTE && !fixture->is_candidate[store][region]) {
		fixture->is_candidate[store][region] = true;
		if (++fixture->candidates[store] > fixture->candidates_most)
			fixture->candidates_most = fixture->candidates[store];
	}
	for (uint32_t each = 1; each <= STORES && message->type == RAFT_MSG_APP; each++) {
		fixture->candidates[each] -= fixture->is_candidate[each][region];
		fixture->is_candidate[each][region] = false;
	}
	return fixture->only == 0 || region == 0 || region == fixture->only;
}

static struct fixture *begin(uint64_t seed)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	assert_non_null(fixture);
	sim_cluster_init(&fixture->cluster, seed, STORES, 0);
	for (uint32_t store = 1; store <= STORES; store++)
		sim_cluster_store(&fixture->cluster, store)->options.initial_regions = REGIONS;
	fixture->cluster.transport.filter = note;
	fixture->cluster.transport.filter_argument = fixture;
	sim_cluster_open_all(&fixture->cluster);
	return fixture;
}

static void end(struct fixture *fixture)
{
	sim_cluster_close(&fixture->cluster);
	free(fixture);
}

static struct raftkv_stats stats_at(struct fixture *fixture, uint32_t store)
{
	struct raftkv_stats stats = {0};

	if (sim_cluster_store(&fixture->cluster, store)->raftkv)
		raftkv_stats(sim_cluster_store(&fixture->cluster, store)->raftkv, &stats);
	return stats;
}

static bool all_are_led(void *argument)
{
	uint64_t leaders = 0;

	for (uint32_t store = 1; store <= STORES; store++)
		leaders += stats_at(argument, store).leaders;
	return leaders >= REGIONS;
}

static bool all_sleep(void *argument)
{
	for (uint32_t store = 1; store <= STORES; store++)
		if (sim_cluster_store(&((struct fixture *)argument)->cluster, store)->raftkv &&
			stats_at(argument, store).asleep < REGIONS)
			return false;
	return all_are_led(argument);
}

static void await(struct fixture *fixture, uint64_t time, bool (*is_so)(void *argument))
{
	if (!sim_run(fixture->cluster.world, time, is_so, fixture))
		fail_msg("led and asleep: %lu %lu, %lu %lu, %lu %lu", stats_at(fixture, 1).leaders,
			stats_at(fixture, 1).asleep, stats_at(fixture, 2).leaders,
			stats_at(fixture, 2).asleep, stats_at(fixture, 3).leaders,
			stats_at(fixture, 3).asleep);
}

static void count_later(void *argument, const struct region *region, uint64_t term)
{
	(void)region;
	*(uint32_t *)argument += term > REGION_FIRST_TERM + 1;
}

/* Regions whose leader is not the first one that was voted for. */
static uint32_t later_terms(struct fixture *fixture)
{
	uint32_t count = 0;

	for (uint32_t store = 1; store <= STORES; store++)
		raftkv_each_changed_region(
			sim_cluster_store(&fixture->cluster, store)->raftkv, 0, count_later, &count);
	return count;
}

/* ---- Start ------------------------------------------------------------------------------------------------------ */

/* Every store leads a part, elected by the first votes. They sleep at once, or when they are told again. */
static void stores_that_start_elect_in_turns(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct fixture *fixture = begin(seed);

		await(fixture, ELECTION + 2 * INTERVAL, all_are_led);
		await(fixture, 2 * ELECTION + 2 * INTERVAL, all_sleep);
		assert_true(fixture->candidates_most > CAMPAIGNS_MAX / 2);
		assert_true(fixture->candidates_most <= CAMPAIGNS_MAX);
		for (uint32_t store = 1; store <= STORES; store++)
			assert_true(stats_at(fixture, store).leaders > REGIONS / 4);
		assert_int_equal(later_terms(fixture), 0);
		end(fixture);
	}
}

static void stores_that_lost_power_elect_in_turns(void **state)
{
	struct fixture *fixture = begin(4);

	(void)state;
	await(fixture, 2 * ELECTION + 4 * INTERVAL, all_sleep);
	for (uint32_t store = 1; store <= STORES; store++)
		sim_store_crash(sim_cluster_store(&fixture->cluster, store));
	memset(fixture->is_candidate, 0, sizeof fixture->is_candidate);
	memset(fixture->candidates, 0, sizeof fixture->candidates);
	sim_cluster_open_all(&fixture->cluster);
	await(fixture, 2 * ELECTION + 4 * INTERVAL, all_sleep);
	assert_true(fixture->candidates_most <= CAMPAIGNS_MAX);
	end(fixture);
}

/* ---- Death ------------------------------------------------------------------------------------------------------ */

static uint64_t messages_sent(const struct fixture *fixture)
{
	uint64_t count = 0;

	for (int type = 0; type < RAFT_MSG_TYPE_COUNT; type++)
		count += fixture->cluster.transport.sent[type];
	return count;
}

/* Those that the dead store led elect, and all sleep again. When the store comes back they wake, and sleep. */
static void death_is_noticed_and_passes(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct fixture *fixture = begin(10 + seed);
		uint32_t dead = (uint32_t)seed;
		uint64_t sent;

		await(fixture, 2 * ELECTION + 4 * INTERVAL, all_sleep);
		sim_cluster_run(&fixture->cluster, 2 * ELECTION + seed * 100 * SIM_MS);
		sim_store_kill(sim_cluster_store(&fixture->cluster, dead));
		await(fixture, ELECTION + 4 * INTERVAL, all_sleep);
		sent = messages_sent(fixture);
		sim_cluster_run(&fixture->cluster, 60 * (uint64_t)SIM_S);
		assert_int_equal(messages_sent(fixture), sent);
		sim_cluster_open(&fixture->cluster, dead);
		await(fixture, 4 * ELECTION, all_sleep);
		sim_cluster_run(&fixture->cluster, SIM_S);
		sent = messages_sent(fixture);
		sim_cluster_run(&fixture->cluster, 60 * (uint64_t)SIM_S);
		assert_int_equal(messages_sent(fixture), sent);
		end(fixture);
	}
}

/* ---- Regions that cannot elect ---------------------------------------------------------------------------------- */

struct led_wait {
	struct fixture *fixture;
	uint64_t region;
};

static bool is_led(void *argument)
{
	const struct led_wait *wait = argument;

	return sim_cluster_leader_of(&wait->fixture->cluster, wait->region) > 0;
}

/* All other regions take turns in vain. The one that is asked does not wait for all of them. */
static void who_is_asked_comes_first(void **state)
{
	static const uint64_t regions[] = {1, REGIONS / 2, REGIONS};

	(void)state;
	for (uint32_t i = 0; i < sizeof regions / sizeof regions[0]; i++) {
		struct fixture *fixture = begin(20 + i);
		struct led_wait wait = {fixture, regions[i]};

		fixture->only = UINT64_MAX;
		sim_cluster_run(&fixture->cluster, 20 * ELECTION);
		fixture->only = regions[i];
		for (uint32_t store = 1; store <= STORES; store++) {
			struct raftkv_write write = {.region = regions[i], .body = test_op_put("a", "1")};

			assert_int_equal(sim_cluster_ask_at(&fixture->cluster, store, &write).status,
				STATUS_NOT_LEADER);
		}
		assert_true(sim_run(fixture->cluster.world, 3 * ELECTION, is_led, &wait));
		end(fixture);
	}
}

/* They do so in vain, but only for so long. */
static void who_cannot_elect_keeps_nobody_else(void **state)
{
	struct fixture *fixture = begin(30);
	struct led_wait wait = {fixture, REGIONS / 2};

	(void)state;
	fixture->only = REGIONS / 2;
	assert_true(sim_run(fixture->cluster.world, REGIONS / CAMPAIGNS_MAX * 2 * ELECTION, is_led, &wait));
	fixture->only = 0;
	await(fixture, 10 * ELECTION, all_sleep);
	end(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stores_that_start_elect_in_turns),
		cmocka_unit_test(stores_that_lost_power_elect_in_turns),
		cmocka_unit_test(death_is_noticed_and_passes),
		cmocka_unit_test(who_is_asked_comes_first),
		cmocka_unit_test(who_cannot_elect_keeps_nobody_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
