/*
 * fs/balance with fs/placement: a simulated cluster in which every operation is carried out step by step, a step a
 * round. What is asked of each round: no store has two replicas of a region, the voters that are alive stay a majority,
 * nobody falls below the wanted number, no store does more than its limits allow. What is asked of the end: that it
 * comes, and how the cluster looks then.
 */
#include "fs/cluster/balance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/plant.h"
#include "proto/units.h"
#include "tests/lib/test.h"

#define STORES_MAX     16u
#define MEMBERS_MAX    8u
#define REPLICAS       3u
#define MOVES	       4u
#define TRANSFERS      4u
#define YIELD_MAX      64u
#define MIB	       (UINT64_C(1) << 20)
#define ROUND_NS       (1000 * NS_PER_MS)
#define DEAD_AFTER_NS  (600 * ROUND_NS)
#define CATCH_UP_STEPS 2u
#define UP_TO_DATE     9999u

struct sim_region {
	struct region_member members[MEMBERS_MAX];
	uint32_t count;
	uint64_t leader; /* replica */
	uint64_t bytes;
	uint32_t cpu_us;
	struct region_epoch epoch;
	uint64_t term;
	uint32_t waited; /* steps that its learner waits for */
};

struct sim {
	struct region_table *table;
	struct balance *balance;
	struct balance_options options;
	struct balance_store stores[STORES_MAX]; /* number n has id n + 1 */
	uint32_t store_count;
	struct sim_region *regions; /* number n has id n + 1 */
	uint32_t region_count;
	uint64_t now, replica; /* the last id */
	uint32_t random;
	uint64_t moves, transfers, failures; /* operations so far */
	bool may_lose; /* stores were lost: a region may be below the wanted number */
	/* The last round, if it was settled: */
	bool was_settled;
	uint64_t settled_version; /* of the table */
	struct balance_store settled_stores[STORES_MAX];
	uint32_t settled_rounds; /* that were as the settled one before */
};

static uint32_t draw(struct sim *sim, uint32_t below)
{
	sim->random = sim->random * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)(sim->random >> 8) * below >> 24);
}

/* ---- Regions ---- */

static bool is_alive(const struct sim *sim, uint64_t store)
{
	return sim->stores[store - 1].is_alive;
}

static struct region_member *member_of(struct sim_region *region, uint64_t replica)
{
	for (uint32_t i = 0; i < region->count; i++)
		if (region->members[i].peer.id == replica)
			return &region->members[i];
	fail_msg("no replica %llu", (unsigned long long)replica);
	return NULL;
}

static bool has_replica_on(const struct sim_region *region, uint64_t store)
{
	for (uint32_t i = 0; i < region->count; i++)
		if (region->members[i].peer.store == store)
			return true;
	return false;
}

static uint32_t count_voters(const struct sim *sim, const struct sim_region *region, bool alive)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < region->count; i++)
		count += region->members[i].peer.roles == REGION_VOTER &&
			 (!alive || is_alive(sim, region->members[i].peer.store));
	return count;
}

static void add_member(struct sim *sim, struct sim_region *region, uint64_t store, uint8_t roles, uint64_t id)
{
	assert_true(region->count < MEMBERS_MAX);
	assert_false(has_replica_on(region, store));
	region->members[region->count++] =
		(struct region_member){.peer = {.id = id, .store = store, .roles = roles},
			.match = roles == REGION_VOTER ? UP_TO_DATE : 0,
			.is_active = is_alive(sim, store)};
}

static void report(struct sim *sim, uint32_t number)
{
	struct sim_region *region = &sim->regions[number];
	struct region_report_replica replicas[MEMBERS_MAX];
	struct region_report report = {.region = number + 1,
		.epoch = region->epoch,
		.term = region->term,
		.leader = member_of(region, region->leader)->peer.store,
		.bytes = region->bytes,
		.cpu_us = region->cpu_us,
		.replica_count = region->count,
		.replicas = replicas};

	for (uint32_t i = 0; i < region->count; i++)
		replicas[i] = (struct region_report_replica){.id = region->members[i].peer.id,
			.store = region->members[i].peer.store,
			.roles = region->members[i].peer.roles,
			.flags = region->members[i].match == UP_TO_DATE ? 0 : REGION_REPLICA_IS_BEHIND};
	if (is_alive(sim, report.leader))
		assert_int_equal(region_table_take(sim->table, &report), 0);
}

/* ---- The cluster ---- */

static void sim_init(struct sim *sim, uint32_t stores, uint32_t zones, uint32_t regions)
{
	*sim = (struct sim){.store_count = stores,
		.region_count = regions,
		.random = 1,
		.options = {.replicas = REPLICAS,
			.moves_per_store = MOVES,
			.transfers_per_store = TRANSFERS,
			.dead_after_ns = DEAD_AFTER_NS,
			.rest_ns = 10 * ROUND_NS}};
	sim->table = malloc(sizeof *sim->table);
	sim->regions = calloc(regions, sizeof *sim->regions);
	sim->balance = balance_new(&sim->options);
	assert_true(sim->table && sim->regions && sim->balance);
	region_table_init(sim->table);
	for (uint32_t i = 0; i < stores; i++)
		sim->stores[i] = (struct balance_store){.id = i + 1,
			.state = STORE_UP,
			.is_alive = true,
			.capacity = UINT64_C(1) << 40,
			.labels = {zones ? i % zones + 1 : 0, 0, zones ? i + 1 : 0}};
}

static void sim_close(struct sim *sim)
{
	region_table_close(sim->table);
	balance_free(sim->balance);
	free(sim->table);
	free(sim->regions);
}

/* A voter on each of the stores; the first leads. */
static void place(struct sim *sim, uint32_t number, const uint64_t *stores, uint32_t count)
{
	struct sim_region *region = &sim->regions[number];

	*region = (struct sim_region){
		.bytes = (1 + draw(sim, 95)) * MIB, .cpu_us = draw(sim, 2000), .epoch = {1, 1}, .term = 6};
	for (uint32_t i = 0; i < count; i++)
		add_member(sim, region, stores[i], REGION_VOTER, ++sim->replica);
	region->leader = region->members[0].peer.id;
	report(sim, number);
}

static void place_all(struct sim *sim, uint64_t first, uint64_t second, uint64_t third)
{
	for (uint32_t i = 0; i < sim->region_count; i++) {
		const uint64_t stores[] = {first, second, third};
		const uint64_t turned[] = {stores[i % 3], stores[(i + 1) % 3], stores[(i + 2) % 3]};

		place(sim, i, turned, 3);
	}
}

/* On stores of different zones, where stores 1, 4, 7, … are of one. */
static void place_evenly(struct sim *sim, uint32_t stores)
{
	for (uint32_t i = 0; i < sim->region_count; i++) {
		uint64_t at[3];

		for (uint32_t k = 0; k < 3; k++)
			at[k] = 1 + (i + k) % 3 + 3 * ((i / 3 + i / 9 * k) % (stores / 3));
		place(sim, i, at, 3);
	}
}

/* The stores that are silent, and who leads now. */
static void set_alive(struct sim *sim, uint64_t store, bool alive)
{
	sim->stores[store - 1].is_alive = alive;
	sim->stores[store - 1].silent_ns = 0;
	for (uint32_t i = 0; i < sim->region_count; i++) {
		struct sim_region *region = &sim->regions[i];

		for (uint32_t k = 0; k < region->count; k++)
			region->members[k].is_active = is_alive(sim, region->members[k].peer.store);
		if (member_of(region, region->leader)->is_active ||
			count_voters(sim, region, true) * 2 <= count_voters(sim, region, false))
			continue;
		for (uint32_t k = 0; k < region->count; k++)
			if (region->members[k].peer.roles == REGION_VOTER && region->members[k].is_active)
				region->leader = region->members[k].peer.id;
		region->term++;
		report(sim, i);
	}
}

/* ---- Steps ---- */

static struct placement_step next_step(
	struct sim *sim, struct sim_region *region, const struct balance_operation *operation)
{
	struct placement_store stores[STORES_MAX];
	struct placement placement = {.stores = stores,
		.store_count = sim->store_count,
		.replicas = sim->options.replicas,
		.members = region->members,
		.member_count = region->count,
		.leader = region->leader,
		.last_index = 10000,
		.goal = operation->goal};

	for (uint32_t i = 0; i < sim->store_count; i++)
		stores[i] = (struct placement_store){.id = i + 1,
			.state = sim->stores[i].state,
			.is_alive = sim->stores[i].is_alive,
			.is_full = sim->stores[i].is_full};
	return placement_next(&placement);
}

static void remove_member(struct sim_region *region, uint64_t replica)
{
	struct region_member *member = member_of(region, replica);

	assert_true(replica != region->leader);
	*member = region->members[--region->count];
}

static void wait_for_learner(struct sim_region *region)
{
	if (++region->waited < CATCH_UP_STEPS)
		return;
	region->waited = 0;
	for (uint32_t i = 0; i < region->count; i++)
		if (region->members[i].is_active)
			region->members[i].match = UP_TO_DATE;
}

static void carry_out(struct sim *sim, uint32_t number, const struct placement_step *step)
{
	struct sim_region *region = &sim->regions[number];
	uint32_t voters = count_voters(sim, region, false);

	if (step->kind == PLACEMENT_WAIT)
		wait_for_learner(region);
	if (step->kind == PLACEMENT_ADD)
		add_member(sim, region, step->store, REGION_LEARNER, ++sim->replica);
	if (step->kind == PLACEMENT_PROMOTE) {
		assert_int_equal(member_of(region, step->replica)->peer.roles, REGION_LEARNER);
		assert_int_equal(member_of(region, step->replica)->match, UP_TO_DATE);
		member_of(region, step->replica)->peer.roles = REGION_VOTER;
	}
	if (step->leaving > 0)
		remove_member(region, step->leaving);
	if (step->kind == PLACEMENT_TRANSFER) {
		for (uint32_t i = 0; i < region->count; i++)
			if (region->members[i].peer.store == step->store)
				region->leader = region->members[i].peer.id;
		assert_int_equal(member_of(region, region->leader)->peer.store, step->store);
		assert_int_equal(member_of(region, region->leader)->peer.roles, REGION_VOTER);
		region->term++;
	} else if (step->kind != PLACEMENT_WAIT) {
		region->epoch.conf_version++;
	}
	assert_true(count_voters(sim, region, true) * 2 > count_voters(sim, region, false));
	if (count_voters(sim, region, false) < voters)
		assert_true(sim->may_lose || count_voters(sim, region, false) >= REPLICAS);
	report(sim, number);
}

static bool has_leader(const struct sim *sim, uint32_t number)
{
	struct sim_region *region = &sim->regions[number];

	return is_alive(sim, member_of(region, region->leader)->peer.store) &&
	       count_voters(sim, region, true) * 2 > count_voters(sim, region, false);
}

/* Each operation under way makes one step. */
static void step_all(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->region_count && balance_count(sim->balance) > 0; i++) {
		const struct balance_operation *operation = balance_find(sim->balance, i + 1);
		struct placement_step step;

		if (!operation)
			continue;
		step = (struct placement_step){.kind = PLACEMENT_STUCK};
		if (has_leader(sim, i))
			step = next_step(sim, &sim->regions[i], operation);
		sim->failures += step.kind == PLACEMENT_STUCK;
		if (step.kind == PLACEMENT_REST || step.kind == PLACEMENT_STUCK)
			balance_end(sim->balance, i + 1, step.kind == PLACEMENT_REST, sim->now);
		else
			carry_out(sim, i, &step);
	}
}

/* ---- What is asked of each operation ---- */

struct load {
	uint32_t leaving, sending, coming, handing, taking;
};

static void count_load(const struct sim *sim, struct load loads[STORES_MAX + 1])
{
	for (uint32_t i = 0; i < sim->region_count; i++) {
		const struct balance_operation *operation = balance_find(sim->balance, i + 1);

		if (operation && operation->goal.kind == PLACEMENT_GOAL_LEAD) {
			loads[operation->goal.from].handing++;
			loads[operation->goal.to].taking++;
		} else if (operation) {
			loads[operation->goal.from].leaving++;
			loads[operation->goal.to].coming++;
			loads[operation->bytes > 0 ? operation->sender : 0].sending++;
		}
	}
}

/* What leaves a silent store is not limited; when the store is back, no more may leave before it is few. */
static void see_limits(const struct sim *sim, const struct balance_operation *operations, uint32_t count)
{
	struct load loads[STORES_MAX + 1] = {0};

	count_load(sim, loads);
	for (uint32_t i = 0; i < count; i++) {
		const struct placement_goal *goal = &operations[i].goal;

		assert_in_range(loads[goal->from].handing, 0, goal->from ? TRANSFERS : UINT32_MAX);
		assert_in_range(loads[goal->to].taking, 0, goal->to ? TRANSFERS : UINT32_MAX);
		assert_in_range(loads[goal->to].coming, 0, goal->to ? MOVES : UINT32_MAX);
		if (goal->kind == PLACEMENT_GOAL_MOVE && goal->from && is_alive(sim, goal->from))
			assert_in_range(loads[goal->from].leaving, 0, MOVES);
		if (operations[i].bytes > 0)
			assert_in_range(loads[operations[i].sender].sending, 0, MOVES);
	}
}

static bool has_down(const struct sim *sim, const struct sim_region *region)
{
	for (uint32_t i = 0; i < region->count; i++)
		if (!is_alive(sim, region->members[i].peer.store))
			return true;
	return false;
}

static void see_operation(struct sim *sim, const struct balance_operation *operation)
{
	const struct placement_goal *goal = &operation->goal;
	struct sim_region *region = &sim->regions[operation->region - 1];

	assert_in_range(operation->region, 1, sim->region_count);
	assert_true(has_leader(sim, (uint32_t)operation->region - 1));
	if (goal->kind == PLACEMENT_GOAL_LEAD) {
		assert_true(has_replica_on(region, goal->to) && is_alive(sim, goal->to));
		assert_int_equal(goal->from, member_of(region, region->leader)->peer.store);
		sim->transfers++;
		return;
	}
	sim->moves++;
	assert_true(goal->from != goal->to);
	if (goal->from)
		assert_true(has_replica_on(region, goal->from));
	if (goal->from && (has_down(sim, region) || operation->reason == BALANCE_REPAIR))
		assert_false(is_alive(sim, goal->from));
	if (!goal->to)
		return;
	assert_true(sim->stores[goal->to - 1].state == STORE_UP && is_alive(sim, goal->to));
	/* A learner that an earlier operation left gets its vote though its store is full by now. */
	assert_true((operation->bytes == 0 && has_replica_on(region, goal->to)) ||
		    !(sim->stores[goal->to - 1].is_full || has_replica_on(region, goal->to)));
}

/* Returns the number of new operations. */
/* Whether nothing has changed since a settled round. */
static bool is_still_settled(const struct sim *sim)
{
	for (uint32_t i = 0; i < sim->store_count; i++)
		if (!sim->stores[i].is_alive)
			return false;
	return sim->was_settled && sim->table->version == sim->settled_version &&
	       memcmp(sim->stores, sim->settled_stores, sizeof sim->stores) == 0;
}

/* What is settled stays so until something changes. */
static void see_settled(struct sim *sim, bool is_still, uint32_t count)
{
	assert_true(!is_still || count == 0);
	sim->settled_rounds += is_still;
	sim->was_settled = balance_is_settled(sim->balance);
	sim->settled_version = sim->table->version;
	memcpy(sim->settled_stores, sim->stores, sizeof sim->stores);
}

static uint32_t run_round(struct sim *sim)
{
	struct balance_operation operations[YIELD_MAX];
	uint32_t count;
	bool is_still;

	sim->now += ROUND_NS;
	for (uint32_t i = 0; i < sim->store_count; i++) {
		const struct region_table_store *sums = region_table_find_store(sim->table, i + 1);

		sim->stores[i].silent_ns += sim->stores[i].is_alive ? 0 : ROUND_NS;
		sim->stores[i].used = sums ? sums->bytes : 0;
	}
	is_still = is_still_settled(sim);
	count = balance_next(
		sim->balance, sim->table, sim->stores, sim->store_count, sim->now, operations, YIELD_MAX);
	see_settled(sim, is_still, count);
	for (uint32_t i = 0; i < count; i++)
		see_operation(sim, &operations[i]);
	if (count > 0)
		see_limits(sim, operations, count);
	step_all(sim);
	return count;
}

/* Runs until nothing was asked for in so many rounds; returns the rounds, or fails after `most`. */
static uint32_t run_until_rest(struct sim *sim, uint32_t most)
{
	uint32_t quiet = 0;

	for (uint32_t round = 0; round < most; round++) {
		quiet = run_round(sim) == 0 && balance_count(sim->balance) == 0 ? quiet + 1 : 0;
		if (quiet == 20)
			return round;
	}
	fail_msg("no rest after %u rounds, %llu moves and %llu transfers", most,
		(unsigned long long)sim->moves, (unsigned long long)sim->transfers);
	return most;
}

/* ---- What is asked of the end ---- */

static const struct region_table_store *sums_of(const struct sim *sim, uint64_t store)
{
	static const struct region_table_store none;
	const struct region_table_store *sums = region_table_find_store(sim->table, store);

	return sums ? sums : &none;
}

/* Bytes to capacity within 5 percent of the mean, and leaders' load within 20. */
static void see_balanced(const struct sim *sim)
{
	double bytes = 0, capacity = 0, load = 0, count = 0;

	for (uint32_t i = 0; i < sim->store_count; i++) {
		if (sim->stores[i].state != STORE_UP || !sim->stores[i].is_alive)
			continue;
		bytes += (double)sums_of(sim, i + 1)->bytes;
		capacity += (double)sim->stores[i].capacity;
		load += (double)sums_of(sim, i + 1)->cpu_us;
		count++;
	}
	for (uint32_t i = 0; i < sim->store_count; i++) {
		double ratio = (double)sums_of(sim, i + 1)->bytes / (double)sim->stores[i].capacity;
		double led = (double)sums_of(sim, i + 1)->cpu_us;

		if (sim->stores[i].state != STORE_UP || !sim->stores[i].is_alive)
			continue;
		if (ratio < 0.95 * bytes / capacity || ratio > 1.05 * bytes / capacity)
			fail_msg("store %u: bytes at %.2f of the mean", i + 1, ratio / (bytes / capacity));
		if (led < 0.78 * load / count || led > 1.22 * load / count)
			fail_msg("store %u: load at %.2f of the mean", i + 1, led / (load / count));
	}
}

/* Each region has its voters on so many zones. */
static void see_domains(const struct sim *sim, uint32_t zones)
{
	for (uint32_t i = 0; i < sim->region_count; i++) {
		const struct sim_region *region = &sim->regions[i];
		uint32_t seen = 0;

		assert_int_equal(region->count, REPLICAS);
		for (uint32_t k = 0; k < region->count; k++) {
			const struct balance_store *store = &sim->stores[region->members[k].peer.store - 1];

			assert_int_equal(region->members[k].peer.roles, REGION_VOTER);
			assert_true(store->is_alive && store->state == STORE_UP);
			seen |= 1u << store->labels[0];
		}
		assert_int_equal(__builtin_popcount(seen), zones);
	}
}

static void see_stable(struct sim *sim)
{
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(run_round(sim), 0);
}

/* Replicas, or leaders, of regions with the ids [first, end): by store, none has two more than another. */
static void see_scattered(const struct sim *sim, uint32_t first, uint32_t end)
{
	uint32_t replicas[STORES_MAX] = {0}, leaders[STORES_MAX] = {0};

	for (uint32_t i = first - 1; i + 1 < end; i++) {
		struct sim_region *region = &sim->regions[i];

		for (uint32_t k = 0; k < region->count; k++)
			replicas[region->members[k].peer.store - 1]++;
		leaders[member_of(region, region->leader)->peer.store - 1]++;
	}
	for (uint32_t i = 0; i < sim->store_count; i++)
		for (uint32_t k = 0; k < sim->store_count; k++) {
			assert_in_range(replicas[i], 0, replicas[k] + 1);
			assert_in_range(leaders[i], 0, leaders[k] + 2); /* region 1's stays where it is */
		}
}

/* Regions without data or requests: nothing but a scatter moves their replicas. */
static void place_empty(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->region_count; i++) {
		struct sim_region *region = &sim->regions[i];

		*region = (struct sim_region){.epoch = {1, 1}, .term = 6};
		for (uint64_t store = 1; store <= 3; store++)
			add_member(sim, region, store, REGION_VOTER, ++sim->replica);
		region->leader = region->members[0].peer.id;
		report(sim, i);
	}
}

static void until_scattered(struct sim *sim, uint32_t most)
{
	while (balance_is_scattering(sim->balance)) {
		assert_true(most-- > 0);
		run_round(sim);
	}
	assert_int_equal(balance_scatter_left(sim->balance), 0);
	assert_int_equal(balance_count(sim->balance), 0);
}

/* ---- Tests ---- */

/* Two busy halves of one region: the one that is not region 1 goes, though it is the busier one. */
static void the_busier_half_of_region_1_goes(void **state)
{
	const uint64_t stores[] = {1, 2, 3};
	struct sim sim;

	(void)state;
	sim_init(&sim, 3, 3, 2);
	for (uint32_t i = 0; i < 2; i++) {
		place(&sim, i, stores, 3);
		sim.regions[i].cpu_us = i == 0 ? 300000 : 500000;
		report(&sim, i);
	}
	run_until_rest(&sim, 200);
	assert_int_equal(sim.moves, 0);
	assert_int_equal(sim.transfers, 1);
	assert_int_equal(member_of(&sim.regions[0], sim.regions[0].leader)->peer.store, 1);
	assert_true(member_of(&sim.regions[1], sim.regions[1].leader)->peer.store != 1);
	see_stable(&sim);
	sim_close(&sim);
}

/* A store that leads all of the load leads a part of it afterwards. */
static void a_store_with_all_the_load_keeps_its_part(void **state)
{
	const uint64_t stores[] = {1, 2, 3};
	uint64_t loads[3] = {0};
	struct sim sim;

	(void)state;
	sim_init(&sim, 3, 3, 18);
	for (uint32_t i = 0; i < 18; i++) {
		const uint64_t turned[] = {stores[i % 3], stores[(i + 1) % 3], stores[(i + 2) % 3]};

		place(&sim, i, turned, 3);
		sim.regions[i].cpu_us = i % 3 == 0 ? 100000 + 1000 * i : 10;
		report(&sim, i);
	}
	run_until_rest(&sim, 500);
	for (uint32_t i = 0; i < 18; i++)
		loads[member_of(&sim.regions[i], sim.regions[i].leader)->peer.store - 1] +=
			sim.regions[i].cpu_us;
	for (uint32_t i = 0; i < 3; i++)
		assert_in_range(loads[i], 180000, 260000);
	see_stable(&sim);
	sim_close(&sim);
}

/* Each store has led as much as the others while there was load, and one of them many leaders of small ones. */
static void leaders_are_even_when_the_load_has_ended(void **state)
{
	const uint64_t stores[] = {1, 2, 3};
	uint32_t leaders[3] = {0};
	struct sim sim;

	(void)state;
	sim_init(&sim, 3, 3, 100);
	for (uint32_t i = 0; i < 100; i++) {
		uint32_t first = i < 45 ? 0 : 1 + i % 2;
		const uint64_t turned[] = {stores[first], stores[(first + 1) % 3], stores[(first + 2) % 3]};

		place(&sim, i, turned, 3);
		sim.regions[i].cpu_us = first == 0 ? 55 : 110;
		report(&sim, i);
	}
	run_until_rest(&sim, 500);
	for (uint32_t i = 0; i < 100; i++)
		leaders[member_of(&sim.regions[i], sim.regions[i].leader)->peer.store - 1]++;
	for (uint32_t i = 0; i < 3; i++)
		assert_in_range(leaders[i], 29, 38);
	see_stable(&sim);
	sim_close(&sim);
}

static void a_scatter_spreads_regions_without_data(void **state)
{
	struct sim sim;

	(void)state;
	sim_init(&sim, 9, 3, 300);
	place_empty(&sim);
	run_until_rest(&sim, 2000);
	assert_int_equal(sim.moves, 0);
	assert_int_equal(balance_scatter(sim.balance, NULL, 0, UINT64_MAX), 0);
	until_scattered(&sim, 5000);
	see_scattered(&sim, 1, 301);
	see_domains(&sim, 3);
	assert_int_equal(sim.failures, 0);
	see_stable(&sim);
	sim_close(&sim);
}

/* The others stay where they are. */
static void a_scatter_of_some_regions_moves_those(void **state)
{
	uint64_t regions[60];
	struct sim sim;

	(void)state;
	sim_init(&sim, 6, 3, 200);
	place_empty(&sim);
	run_until_rest(&sim, 2000);
	for (uint32_t i = 0; i < 60; i++)
		regions[i] = 100 + i;
	assert_int_equal(balance_scatter(sim.balance, regions, 60, UINT64_MAX), 0);
	until_scattered(&sim, 5000);
	see_scattered(&sim, 100, 160);
	for (uint32_t i = 0; i < 99; i++)
		for (uint64_t store = 4; store <= 6; store++)
			assert_false(has_replica_on(&sim.regions[i], store));
	sim_close(&sim);
}

/* Where failure domains, full stores or silent ones leave no even part, it ends all the same; and at its time. */
static void a_scatter_ends(void **state)
{
	struct sim sim;

	(void)state;
	sim_init(&sim, 6, 0, 90);
	for (uint32_t i = 0; i < 6; i++)
		sim.stores[i].labels[0] = i < 4 ? 1 : i - 2; /* one zone has four stores, two have one */
	sim.stores[3].is_full = true;
	place_empty(&sim);
	assert_int_equal(balance_scatter(sim.balance, NULL, 0, UINT64_MAX), 0);
	for (uint32_t round = 0; balance_is_scattering(sim.balance); round++) {
		assert_in_range(round, 0, 5000);
		run_round(&sim);
	}
	for (uint32_t i = 0; i < 90; i++)
		assert_false(has_replica_on(&sim.regions[i], 4));
	assert_int_equal(balance_scatter(sim.balance, NULL, 0, sim.now + 1), 0);
	run_round(&sim);
	assert_false(balance_is_scattering(sim.balance));
	assert_int_equal(balance_scatter(sim.balance, NULL, 0, UINT64_MAX), 0);
	balance_reset(sim.balance);
	assert_false(balance_is_scattering(sim.balance));
	sim_close(&sim);
}

/* Of 90 regions all replicas are on three of nine stores; a store's share is 30 of them. */
static void what_is_beyond_a_share_is_told(void **state)
{
	struct balance_excess excess;
	struct sim sim;

	(void)state;
	sim_init(&sim, 9, 3, 90);
	place_all(&sim, 1, 2, 3);
	for (uint32_t i = 0; i < 90; i++) {
		sim.regions[i].bytes = 64 * MIB;
		report(&sim, i);
	}
	assert_int_equal(balance_excess(sim.balance).bytes, 0); /* nobody has looked */
	sim.options.moves_per_store = 0;
	balance_set_options(sim.balance, &sim.options);
	run_round(&sim);
	excess = balance_excess(sim.balance);
	assert_in_range(excess.store, 1, 3);
	assert_in_range(excess.bytes, 59 * 64 * MIB, 61 * 64 * MIB);
	sim.options.moves_per_store = 4;
	balance_set_options(sim.balance, &sim.options);
	run_until_rest(&sim, 20000);
	assert_int_equal(balance_excess(sim.balance).bytes, 0);
	sim_close(&sim);
}

static void three_become_nine(void **state)
{
	struct sim sim;
	uint32_t rounds;

	(void)state;
	sim_init(&sim, 9, 3, 3000);
	place_all(&sim, 1, 2, 3);
	rounds = run_until_rest(&sim, 20000);
	print_message("%u rounds, %llu moves, %llu transfers\n", rounds, (unsigned long long)sim.moves,
		(unsigned long long)sim.transfers);
	see_balanced(&sim);
	see_domains(&sim, 3);
	/* Six of nine replicas have to move. */
	assert_in_range(sim.moves, 3000, 6000);
	assert_int_equal(sim.failures, 0);
	see_stable(&sim);
	sim_close(&sim);
}

static void one_zone_becomes_three(void **state)
{
	struct sim sim;

	(void)state;
	sim_init(&sim, 9, 3, 900);
	place_all(&sim, 1, 4, 7);
	run_until_rest(&sim, 20000);
	see_balanced(&sim);
	see_domains(&sim, 3);
	assert_in_range(sim.moves, 1800, 2400);
	see_stable(&sim);
	sim_close(&sim);
}

static void larger_stores_get_more(void **state)
{
	struct sim sim;

	(void)state;
	sim_init(&sim, 9, 3, 1200);
	for (uint32_t i = 0; i < 9; i++)
		sim.stores[i].capacity = (1 + i / 3) * (UINT64_C(1) << 39);
	place_all(&sim, 1, 5, 9);
	run_until_rest(&sim, 20000);
	see_balanced(&sim);
	see_domains(&sim, 3);
	see_stable(&sim);
	sim_close(&sim);
}

/* A zone cannot give its share to the others without losing domains: it is even within itself. */
static void a_small_zone_keeps_its_share(void **state)
{
	struct sim sim;

	(void)state;
	sim_init(&sim, 9, 3, 600);
	for (uint32_t i = 0; i < 9; i += 3)
		sim.stores[i].capacity /= 2;
	place_all(&sim, 1, 2, 3);
	run_until_rest(&sim, 20000);
	see_domains(&sim, 3);
	for (uint64_t store = 4; store <= 9; store++) {
		double left = (double)sums_of(&sim, store)->bytes;
		double right = (double)sums_of(&sim, store - 3)->bytes;

		assert_true(left < right * 1.2 && left * 1.2 > right);
	}
	see_stable(&sim);
	sim_close(&sim);
}

static void what_dies_is_made_anew(void **state)
{
	struct sim sim;
	uint64_t moves;

	(void)state;
	sim_init(&sim, 9, 3, 900);
	place_evenly(&sim, 9);
	run_until_rest(&sim, 20000);
	moves = sim.moves;
	set_alive(&sim, 1, false);
	for (uint32_t i = 0; i < 590; i++)
		run_round(&sim);
	assert_int_equal(sim.moves, moves); /* it is silent, and nothing else */
	for (uint32_t i = 0; i < 20; i++)
		run_round(&sim);
	assert_true(sim.moves > moves);
	run_until_rest(&sim, 20000);
	see_domains(&sim, 3);
	set_alive(&sim, 2, false);
	for (uint32_t i = 0; i < 601; i++)
		run_round(&sim);
	run_until_rest(&sim, 20000);
	see_domains(&sim, 3);
	see_stable(&sim);
	sim_close(&sim);
}

/* A lost store is repaired at once, also where there is no fourth. */
static void what_is_lost_is_made_anew(void **state)
{
	struct sim sim;

	(void)state;
	sim_init(&sim, 4, 0, 90);
	place_all(&sim, 1, 2, 3);
	run_until_rest(&sim, 20000);
	sim.may_lose = true;
	set_alive(&sim, 2, false);
	sim.stores[1].state = STORE_LOST;
	run_until_rest(&sim, 2000);
	see_domains(&sim, 0 + 1);
	set_alive(&sim, 3, false);
	sim.stores[2].state = STORE_LOST;
	run_until_rest(&sim, 2000);
	for (uint32_t i = 0; i < sim.region_count; i++)
		assert_int_equal(sim.regions[i].count, 2);
	see_stable(&sim);
	sim_close(&sim);
}

static void a_drained_store_is_empty(void **state)
{
	struct sim sim;
	uint32_t rounds = 0;

	(void)state;
	sim_init(&sim, 9, 3, 900);
	place_evenly(&sim, 9);
	run_until_rest(&sim, 20000);
	assert_true(has_replica_on(&sim.regions[0], 1));
	sim.stores[0].state = STORE_DRAINING;
	/* Region 1 is the last to go. */
	while (has_replica_on(&sim.regions[0], 1)) {
		run_round(&sim);
		if (sums_of(&sim, 1)->replicas > 1)
			assert_null(balance_find(sim.balance, 1));
		assert_true(rounds++ < 5000);
	}
	run_until_rest(&sim, 20000);
	assert_int_equal(sums_of(&sim, 1)->replicas, 0);
	see_domains(&sim, 3);
	see_stable(&sim);
	sim_close(&sim);
}

static void a_replacement_gets_all(void **state)
{
	struct sim sim;

	(void)state;
	sim_init(&sim, 5, 0, 60);
	sim.stores[4].is_full = true;
	place_all(&sim, 1, 2, 3);
	run_until_rest(&sim, 20000);
	assert_int_equal(sums_of(&sim, 5)->replicas, 0);
	sim.stores[4].is_full = false;
	sim.stores[0].state = STORE_DRAINING;
	sim.stores[0].replacement = 5;
	for (uint32_t i = 0; i < 2000 && sums_of(&sim, 1)->replicas > 0; i++) {
		for (uint32_t k = 0; k < sim.region_count; k++) {
			const struct balance_operation *operation = balance_find(sim.balance, k + 1);

			if (operation && operation->goal.kind == PLACEMENT_GOAL_MOVE &&
				operation->goal.from == 1)
				assert_int_equal(operation->goal.to, 5);
		}
		run_round(&sim);
	}
	assert_int_equal(sums_of(&sim, 1)->replicas, 0);
	sim_close(&sim);
}

static void a_full_store_does_not_lead(void **state)
{
	struct sim sim;

	(void)state;
	sim_init(&sim, 3, 0, 60);
	place_all(&sim, 1, 2, 3);
	sim.stores[0].is_full = true;
	run_until_rest(&sim, 2000);
	assert_int_equal(sums_of(&sim, 1)->leaders, 0);
	assert_int_equal(sums_of(&sim, 1)->replicas, 60);
	see_stable(&sim);
	sim.stores[1].is_full = sim.stores[2].is_full = true;
	see_stable(&sim);
	sim_close(&sim);
}

static void two_of_nine_do_nothing(void **state)
{
	struct sim sim;

	(void)state;
	sim_init(&sim, 9, 3, 300);
	place_evenly(&sim, 9);
	for (uint64_t store = 3; store <= 9; store++)
		set_alive(&sim, store, false);
	for (uint32_t i = 0; i < 2000; i++)
		assert_int_equal(run_round(&sim), 0);
	sim_close(&sim);
}

static void what_is_left_over_is_tidied(void **state)
{
	static const uint64_t four[] = {1, 2, 4, 3}, two[] = {2, 3};
	struct sim sim;

	(void)state;
	sim_init(&sim, 6, 3, 3);
	place(&sim, 0, four, 3);
	place(&sim, 1, four, 4);
	place(&sim, 2, two, 2);
	add_member(&sim, &sim.regions[0], 5, REGION_LEARNER, ++sim.replica);
	add_member(&sim, &sim.regions[2], 4, REGION_LEARNER, ++sim.replica);
	report(&sim, 0);
	report(&sim, 2);
	run_round(&sim);
	assert_non_null(balance_find(sim.balance, 3));
	assert_int_equal(balance_find(sim.balance, 3)->goal.to, 4); /* the learner is to vote */
	run_until_rest(&sim, 200);
	see_domains(&sim, 3);
	assert_int_equal(sim.failures, 0);
	sim_close(&sim);
}

static void nothing_is_settled_under_other_options(void **state)
{
	struct sim sim;

	(void)state;
	sim_init(&sim, 4, 0, 8);
	place_all(&sim, 1, 2, 3);
	for (uint32_t i = 0; i < 8; i++) {
		sim.regions[i].bytes = 64 * MIB;
		sim.regions[i].cpu_us = 1000;
		report(&sim, i);
	}
	run_until_rest(&sim, 500);
	assert_true(balance_is_settled(sim.balance));
	assert_true(sim.settled_rounds > 0);
	sim.options.replicas = 1;
	balance_set_options(sim.balance, &sim.options);
	assert_false(balance_is_settled(sim.balance));
	sim.was_settled = false;
	sim.may_lose = true;
	run_until_rest(&sim, 500);
	assert_int_equal(sim.regions[0].count, 1);
	sim_close(&sim);
}

/* Store 1 has so many regions, and room for 100 where the other stores have room for what they have. */
static uint32_t count_moves_at(uint32_t percent)
{
	static const uint64_t with[] = {1, 2, 3}, without[] = {2, 3, 4};
	struct sim sim;
	uint32_t moves;

	sim_init(&sim, 4, 0, 400);
	for (uint32_t i = 0; i < 400; i++) {
		place(&sim, i, i < percent ? with : without, 3);
		sim.regions[i].bytes = 64 * MIB;
		report(&sim, i);
	}
	for (uint64_t store = 1; store <= 4; store++)
		sim.stores[store - 1].capacity =
			(store == 1 ? 100 : sums_of(&sim, store)->replicas) * (UINT64_C(1) << 30);
	run_until_rest(&sim, 2000);
	moves = (uint32_t)sim.moves;
	sim_close(&sim);
	return moves;
}

/* 5 percent of the mean begin it, 3 end it. */
static void a_little_is_let_be(void **state)
{
	(void)state;
	assert_int_equal(count_moves_at(100), 0);
	assert_int_equal(count_moves_at(104), 0);
	assert_int_equal(count_moves_at(96), 0);
	assert_in_range(count_moves_at(108), 3, 6);
	assert_in_range(count_moves_at(92), 3, 6);
	assert_in_range(count_moves_at(120), 8, 18);
	assert_in_range(count_moves_at(80), 8, 18);
}

/* What is on its way counts: six of eight regions' replicas belong on each of four stores. */
static void what_is_under_way_counts(void **state)
{
	struct balance_operation operations[YIELD_MAX];
	struct sim sim;
	uint32_t left[5] = {0};

	(void)state;
	sim_init(&sim, 4, 0, 9);
	sim.options.moves_per_store = 100;
	balance_set_options(sim.balance, &sim.options);
	place_all(&sim, 1, 2, 3);
	region_table_remove(sim.table, 1);
	for (uint32_t i = 1; i < 9; i++) {
		sim.regions[i].bytes = 64 * MIB;
		report(&sim, i);
	}
	for (uint32_t round = 1; round < 4; round++) {
		uint32_t count = balance_next(
			sim.balance, sim.table, sim.stores, 4, round * ROUND_NS, operations, YIELD_MAX);

		for (uint32_t i = 0; i < count; i++)
			left[operations[i].reason == BALANCE_BYTES ? operations[i].goal.from : 4]++;
	}
	for (uint32_t store = 1; store <= 3; store++)
		assert_int_equal(left[store], 2);
	sim_close(&sim);
}

static void what_fails_rests(void **state)
{
	struct balance_operation operation;
	struct sim sim;

	(void)state;
	sim_init(&sim, 6, 3, 1);
	place_all(&sim, 1, 2, 4);
	assert_int_equal(balance_next(sim.balance, sim.table, sim.stores, 6, 100, &operation, 1), 1);
	assert_int_equal(operation.reason, BALANCE_DOMAIN);
	assert_non_null(balance_find(sim.balance, 1));
	assert_int_equal(balance_next(sim.balance, sim.table, sim.stores, 6, 101, &operation, 1), 0);
	balance_end(sim.balance, 1, false, 102);
	assert_null(balance_find(sim.balance, 1));
	assert_int_equal(balance_count(sim.balance), 0);
	assert_int_equal(balance_next(sim.balance, sim.table, sim.stores, 6, 103, &operation, 1), 0);
	assert_int_equal(
		balance_next(sim.balance, sim.table, sim.stores, 6, 102 + sim.options.rest_ns, &operation, 1),
		1);
	balance_reset(sim.balance);
	assert_int_equal(balance_count(sim.balance), 0);
	sim_close(&sim);
}

/* A call costs a few steps a region, and what the candidates cost. */
static void a_call_costs_one_pass(void **state)
{
	struct balance_operation operations[YIELD_MAX];
	struct sim sim;
	uint64_t most = 0;

	(void)state;
	sim_init(&sim, 9, 3, 10000);
	place_all(&sim, 1, 4, 2); /* every region is in the wrong place */
	for (uint32_t i = 0; i < 50; i++) {
		uint64_t before = balance_work(sim.balance);

		balance_next(
			sim.balance, sim.table, sim.stores, 9, (i + 1) * ROUND_NS, operations, YIELD_MAX);
		if (balance_work(sim.balance) - before > most)
			most = balance_work(sim.balance) - before;
	}
	print_message("%llu steps at most\n", (unsigned long long)most);
	assert_true(most < 10 * 10000);
	sim.options.scan_max = 500;
	balance_set_options(sim.balance, &sim.options);
	balance_reset(sim.balance);
	for (uint32_t i = 0; i < 50; i++) {
		uint64_t before = balance_work(sim.balance);

		balance_next(
			sim.balance, sim.table, sim.stores, 9, (i + 1) * ROUND_NS, operations, YIELD_MAX);
		assert_true(balance_work(sim.balance) - before < 40000);
	}
	sim_close(&sim);
}

static void a_part_at_a_time_does_it_too(void **state)
{
	struct sim sim;

	(void)state;
	sim_init(&sim, 6, 3, 600);
	sim.options.scan_max = 50;
	balance_set_options(sim.balance, &sim.options);
	place_all(&sim, 1, 2, 3);
	run_until_rest(&sim, 20000);
	see_balanced(&sim);
	see_domains(&sim, 3);
	sim_close(&sim);
}

/* ---- Anything ---- */

static void scatter(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->region_count; i++) {
		uint64_t stores[MEMBERS_MAX];
		uint32_t count = 0, wanted = 1 + draw(sim, 4);

		while (count < wanted) {
			uint64_t store = 1 + draw(sim, sim->store_count);
			bool is_new = true;

			for (uint32_t k = 0; k < count; k++)
				is_new &= stores[k] != store;
			if (is_new)
				stores[count++] = store;
		}
		place(sim, i, stores, count);
	}
}

static void disturb(struct sim *sim)
{
	struct balance_store *store = &sim->stores[draw(sim, sim->store_count)];
	struct sim_region *region = &sim->regions[draw(sim, sim->region_count)];

	switch (draw(sim, 6)) {
	case 0:
		set_alive(sim, store->id, !store->is_alive && store->state != STORE_LOST);
		break;
	case 1:
		if (store->state != STORE_LOST)
			store->state = store->state == STORE_UP ? STORE_DRAINING : STORE_UP;
		break;
	case 2:
		store->is_full = !store->is_full;
		break;
	case 3:
		if (draw(sim, 10) > 0)
			break;
		store->state = STORE_LOST;
		set_alive(sim, store->id, false);
		break;
	default:
		region->bytes = draw(sim, 96) * MIB;
		region->cpu_us = draw(sim, 2000);
		report(sim, (uint32_t)(region - sim->regions));
	}
}

/* All stores that were not lost are back: every region that can be led is whole again. */
static void heal(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->store_count; i++) {
		struct balance_store *store = &sim->stores[i];

		store->is_full = false;
		store->state = store->state == STORE_LOST ? STORE_LOST : STORE_UP;
		set_alive(sim, store->id, store->state == STORE_UP);
	}
	run_until_rest(sim, 3000);
}

static void see_whole(struct sim *sim)
{
	uint32_t up = 0;

	for (uint32_t i = 0; i < sim->store_count; i++)
		up += sim->stores[i].state == STORE_UP;
	for (uint32_t i = 0; i < sim->region_count; i++) {
		struct sim_region *region = &sim->regions[i];

		if (!has_leader(sim, i))
			continue;
		assert_int_equal(region->count, up < REPLICAS ? up : REPLICAS);
		for (uint32_t k = 0; k < region->count; k++) {
			assert_int_equal(region->members[k].peer.roles, REGION_VOTER);
			assert_int_equal(sim->stores[region->members[k].peer.store - 1].state, STORE_UP);
		}
	}
}

static void any_cluster_keeps_the_rules(void **state)
{
	uint64_t moves = 0, transfers = 0;

	(void)state;
	for (uint32_t seed = 1; seed <= 60; seed++) {
		struct sim sim;

		sim_init(&sim, 4 + seed % 9, seed % 4, 60);
		sim.random = seed;
		sim.may_lose = true; /* draining stores without a spare lose theirs, too */
		sim.options.scan_max = seed % 5 == 0 ? 7 : 0;
		sim.options.dead_after_ns = 20 * ROUND_NS;
		balance_set_options(sim.balance, &sim.options);
		scatter(&sim);
		for (uint32_t round = 0; round < 400; round++) {
			if (draw(&sim, 10) == 0)
				disturb(&sim);
			run_round(&sim);
		}
		/* Left alone, it comes to rest. */
		run_until_rest(&sim, 3000);
		heal(&sim);
		see_whole(&sim);
		moves += sim.moves;
		transfers += sim.transfers;
		sim_close(&sim);
	}
	print_message(
		"%llu moves, %llu transfers\n", (unsigned long long)moves, (unsigned long long)transfers);
	assert_true(moves > 5000 && transfers > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_busier_half_of_region_1_goes),
		cmocka_unit_test(a_store_with_all_the_load_keeps_its_part),
		cmocka_unit_test(leaders_are_even_when_the_load_has_ended),
		cmocka_unit_test(a_scatter_spreads_regions_without_data),
		cmocka_unit_test(a_scatter_of_some_regions_moves_those),
		cmocka_unit_test(a_scatter_ends),
		cmocka_unit_test(what_is_beyond_a_share_is_told),
		cmocka_unit_test(three_become_nine),
		cmocka_unit_test(one_zone_becomes_three),
		cmocka_unit_test(larger_stores_get_more),
		cmocka_unit_test(a_small_zone_keeps_its_share),
		cmocka_unit_test(what_dies_is_made_anew),
		cmocka_unit_test(what_is_lost_is_made_anew),
		cmocka_unit_test(a_drained_store_is_empty),
		cmocka_unit_test(a_replacement_gets_all),
		cmocka_unit_test(a_full_store_does_not_lead),
		cmocka_unit_test(two_of_nine_do_nothing),
		cmocka_unit_test(what_is_left_over_is_tidied),
		cmocka_unit_test(nothing_is_settled_under_other_options),
		cmocka_unit_test(a_little_is_let_be),
		cmocka_unit_test(what_is_under_way_counts),
		cmocka_unit_test(what_fails_rests),
		cmocka_unit_test(a_call_costs_one_pass),
		cmocka_unit_test(a_part_at_a_time_does_it_too),
		cmocka_unit_test(any_cluster_keeps_the_rules),
	};

#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
