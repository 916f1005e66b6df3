/*
 * fs/regions/region_loads and load_split: how busy regions are, when one is too busy, where it is to be split, and what is
 * told of one that cannot be.
 */
#include "fs/regions/region_loads.h"

#include <stdlib.h>

#include "fs/regions/load_split.h"
#include "fs/schema/split_key.h"
#include "proto/plant.h"
#include "proto/status.h"
#include "tests/lib/fake_raftkv.h"
#include "tests/lib/sim_env.h"
#include "tests/lib/test.h"

#define LIMIT_US UINT32_C(100000)
#define WIDE	 (4 * FS_SPLIT_DIRIDS_MIN) /* dirids that are so far apart leave wide halves */
#define BUSY_S	 (REGION_LOADS_BUSY_MS / 1000)

/* ---- Where to split ---- */

static struct load_split choose(uint64_t first, uint64_t end, uint64_t *dirids, uint32_t count)
{
	struct fs_key low = fs_key_dirid(first), high = fs_key_dirid(end);

	return load_split_choose(first == 0 ? (struct slice){0} : fs_key_slice(&low),
		end == 0 ? (struct slice){0} : fs_key_slice(&high), dirids, count);
}

static void the_load_is_halved_at_a_dirid(void **state)
{
	uint64_t dirids[] = {5 * WIDE, 2 * WIDE, 2 * WIDE, 3 * WIDE, 9 * WIDE, 2 * WIDE, 9 * WIDE, 2 * WIDE};
	struct load_split split = choose(0, 0, dirids, 8);

	(void)state;
	assert_true(split.may_split);
	assert_int_equal(split.dirid, 3 * WIDE);
}

/* With the busiest dirid in the middle, the halves are as even as they can be. */
static void a_dirid_is_never_divided(void **state)
{
	uint64_t dirids[12];
	struct load_split split;

	(void)state;
	for (uint32_t i = 0; i < 12; i++)
		dirids[i] = i < 3 ? 2 * WIDE : i < 9 ? 4 * WIDE : 6 * WIDE;
	split = choose(0, 0, dirids, 12);
	assert_true(split.may_split);
	assert_true(split.dirid == 4 * WIDE || split.dirid == 6 * WIDE);
}

static void the_load_of_one_dirid_is_told(void **state)
{
	uint64_t dirids[20];
	struct load_split split;

	(void)state;
	for (uint32_t i = 0; i < 20; i++)
		dirids[i] = i < 4 ? (i + 1) * WIDE : 7 * WIDE;
	split = choose(0, 0, dirids, 20);
	assert_false(split.may_split);
	assert_int_equal(split.dirid, 7 * WIDE);
	split = choose(0, 0, dirids, 0);
	assert_false(split.may_split);
	assert_int_equal(split.dirid, 0);
}

/* What was asked before the last split does not count. */
static void only_the_regions_dirids_count(void **state)
{
	uint64_t dirids[] = {WIDE, WIDE, WIDE, WIDE, 4 * WIDE, 6 * WIDE, 20 * WIDE, 20 * WIDE, FS_DIRID_END};
	struct load_split split = choose(3 * WIDE, 10 * WIDE, dirids, 9);

	(void)state;
	assert_true(split.may_split);
	assert_int_equal(split.dirid, 6 * WIDE);
}

static void halves_stay_wide_enough(void **state)
{
	uint64_t dirids[] = {3 * WIDE + 1, 3 * WIDE + 1, 3 * WIDE + 2, 3 * WIDE + 3};
	uint64_t ends[] = {3 * WIDE + 10, 3 * WIDE + 10, 10 * WIDE - 10, 10 * WIDE - 10};
	struct load_split split = choose(3 * WIDE, 10 * WIDE, dirids, 4);

	(void)state;
	assert_false(split.may_split);
	split = choose(3 * WIDE, 10 * WIDE, ends, 4);
	assert_false(split.may_split);
}

/* Few, so that some stand more often. */
static uint64_t draw_dirid(void)
{
	return rand() % 4 == 0 ? (uint64_t)(rand() % 100) : (uint64_t)(rand() % 24) * (WIDE / 2);
}

/* Whatever the sample is: a valid key that leaves wide halves, of which the busier one has no more than is promised. */
static void any_split_keeps_what_is_promised(void **state)
{
	(void)state;
	srand(1);
	for (uint32_t round = 0; round < 3000; round++) {
		uint64_t first = (uint64_t)(rand() % 3) * WIDE,
			 end = first + (uint64_t)(2 + rand() % 9) * WIDE;
		struct fs_key low = fs_key_dirid(first), high = fs_key_dirid(end), key;
		uint32_t count = (uint32_t)(1 + rand() % 40), within = 0, above = 0;
		struct load_split split;
		uint64_t dirids[40], asked[40];

		for (uint32_t i = 0; i < count; i++)
			asked[i] = dirids[i] = draw_dirid();
		split = choose(first, end, dirids, count);
		if (!split.may_split)
			continue;
		key = fs_split_key_of_dirid(split.dirid);
		assert_true(fs_split_is_wide_enough(first == 0 ? (struct slice){0} : fs_key_slice(&low),
			fs_key_slice(&high), fs_key_slice(&key)));
		for (uint32_t i = 0; i < count; i++) {
			within += asked[i] >= first && asked[i] < end;
			above += asked[i] >= split.dirid && asked[i] < end;
		}
		assert_true(above * 100 <= within * LOAD_SPLIT_HALF_MAX);
		assert_true((within - above) * 100 <= within * LOAD_SPLIT_HALF_MAX);
	}
}

/* ---- Loads ---- */

struct stage {
	struct sim_world *world;
	struct sim_node *node;
	struct env_loop *loop;
	struct raftkv *raftkv;
	struct region regions[2];
	struct logger logger;
	struct region_loads *loads;
};

static void stage_begin(struct stage *stage, uint32_t limit_us)
{
	struct fs_key middle = fs_key_dirid(100 * WIDE);
	struct env *env;

	*stage = (struct stage){.world = sim_world_new(1), .logger = {.level = LOG_NONE}};
	stage->node = sim_node_new(stage->world, "store");
	env = sim_node_start(stage->node);
	assert_int_equal(env_loop_new(env, "loop", &stage->loop), 0);
	assert_int_equal(env_loop_start(stage->loop), 0);
	stage->raftkv = fake_raftkv_new(&(struct fake_raftkv_options){.loop = stage->loop, .seed = 1});
	stage->regions[0] =
		(struct region){.id = 1, .epoch = {.version = 1}, .end = buf_copy(middle.bytes, middle.size)};
	stage->regions[1] = (struct region){
		.id = 2, .epoch = {.version = 1}, .start = buf_copy(middle.bytes, middle.size)};
	fake_raftkv_set_regions(stage->raftkv, stage->regions, 2);
	stage->loads = region_loads_new(&(struct region_loads_options){.loop = stage->loop,
		.raftkv = stage->raftkv,
		.logger = &stage->logger,
		.limit_us = limit_us});
	assert_non_null(stage->loads);
}

static void stage_end(struct stage *stage)
{
	region_loads_stop(stage->loads);
	region_loads_free(stage->loads);
	buf_unref(stage->regions[0].end);
	buf_unref(stage->regions[1].start);
	fake_raftkv_free(stage->raftkv);
	sim_world_free(stage->world);
}

static bool never(void *argument)
{
	(void)argument;
	return false;
}

static void pass(struct stage *stage, uint64_t duration)
{
	sim_run(stage->world, duration, never, NULL);
}

/* Requests for so many seconds, of `cpu_us` a second together, for the dirids in turn. */
static void load(struct stage *stage, uint64_t region, uint32_t cpu_us, uint32_t seconds,
	const uint64_t *dirids, uint32_t count)
{
	const uint32_t requests = 200;

	for (uint32_t second = 0; second < seconds; second++)
		for (uint32_t i = 0; i < requests; i++) {
			region_loads_note(stage->loads, region, dirids[i % count], cpu_us / requests);
			pass(stage, SIM_S / requests);
		}
}

static void a_load_is_what_its_requests_cost_lately(void **state)
{
	const uint64_t dirid = 5;
	struct stage stage;

	(void)state;
	stage_begin(&stage, 0);
	assert_int_equal(region_loads_cpu(stage.loads, 1), 0);
	load(&stage, 1, 60000, 30, &dirid, 1);
	assert_in_range(region_loads_cpu(stage.loads, 1), 57000, 63000);
	assert_int_equal(region_loads_cpu(stage.loads, 2), 0);
	assert_in_range(region_loads_mean(stage.loads, 1), 57000, 63000);
	assert_int_equal(region_loads_mean(stage.loads, 2), 0);
	load(&stage, 2, 20000, 30, &dirid, 1);
	assert_in_range(region_loads_cpu(stage.loads, 2), 19000, 21000);
	assert_in_range(region_loads_cpu(stage.loads, 1), 1, 600);
	assert_in_range(region_loads_mean(stage.loads, 1), 25000, 45000); /* half of the last minute */
	pass(&stage, 120 * (uint64_t)SIM_S);
	assert_int_equal(region_loads_cpu(stage.loads, 1), 0);
	assert_int_equal(region_loads_cpu(stage.loads, 2), 0);
	pass(&stage, 900 * (uint64_t)SIM_S);
	assert_int_equal(region_loads_mean(stage.loads, 1), 0);
	load(&stage, 1, 60000, 2, &dirid, 1); /* it goes on after a rest */
	assert_true(region_loads_cpu(stage.loads, 1) > 10000);
	assert_int_equal(region_loads_wish(stage.loads).region, 0);
	stage_end(&stage);
}

/* The process takes three times what its requests are reckoned to take; then there is nothing to compare. */
static void the_machines_speed_counts(void **state)
{
	const uint64_t dirid = 5;
	struct stage stage;

	(void)state;
	stage_begin(&stage, 0);
	for (uint32_t second = 0; second < 90; second++) {
		sim_node_take_cpu(stage.node, 300 * SIM_MS);
		load(&stage, 1, 100000, 1, &dirid, 1);
	}
	assert_in_range(region_loads_cpu(stage.loads, 1), 270000, 330000);
	load(&stage, 1, 100000, 60, &dirid, 1);
	assert_in_range(region_loads_cpu(stage.loads, 1), 270000, 330000);
	stage_end(&stage);
}

static void only_a_load_that_lasts_is_too_much(void **state)
{
	const uint64_t dirids[] = {3 * WIDE, 5 * WIDE};
	struct stage stage;

	(void)state;
	stage_begin(&stage, LIMIT_US);
	load(&stage, 1, LIMIT_US / 10 * 8, 6 * BUSY_S, dirids, 2); /* less than the limit */
	assert_int_equal(region_loads_wish(stage.loads).region, 0);
	load(&stage, 1, 3 * LIMIT_US, BUSY_S / 2, dirids, 2);
	load(&stage, 1, LIMIT_US / 10, 2 * BUSY_S, dirids, 2);
	assert_int_equal(region_loads_wish(stage.loads).region, 0);
	load(&stage, 1, 2 * LIMIT_US, 2 * BUSY_S, dirids, 2);
	assert_int_equal(region_loads_wish(stage.loads).region, 1);
	assert_int_equal(region_loads_wish(stage.loads).dirid, 5 * WIDE);
	assert_true(region_loads_wish(stage.loads).cpu_us > LIMIT_US);
	assert_int_equal(region_loads_stuck(stage.loads).region, 0);
	stage_end(&stage);
}

/* The sample does not follow the order of requests: each of four dirids in turn has about its part. */
static void dirids_are_drawn_evenly(void **state)
{
	const uint64_t dirids[] = {2 * WIDE, 4 * WIDE, 6 * WIDE, 8 * WIDE};
	struct stage stage;

	(void)state;
	stage_begin(&stage, LIMIT_US);
	load(&stage, 1, 2 * LIMIT_US, 3 * BUSY_S, dirids, 4);
	assert_int_equal(region_loads_wish(stage.loads).dirid, 6 * WIDE);
	stage_end(&stage);
}

static void a_busy_dirid_is_told_and_not_split(void **state)
{
	uint64_t dirids[10];
	struct stage stage;

	(void)state;
	for (uint32_t i = 0; i < 10; i++)
		dirids[i] = i == 0 ? 3 * WIDE : 5 * WIDE;
	stage_begin(&stage, LIMIT_US);
	load(&stage, 1, 2 * LIMIT_US, 3 * BUSY_S, dirids, 10);
	assert_int_equal(region_loads_wish(stage.loads).region, 0);
	assert_int_equal(region_loads_stuck(stage.loads).region, 1);
	assert_int_equal(region_loads_stuck(stage.loads).dirid, 5 * WIDE);
	assert_true(region_loads_stuck(stage.loads).cpu_us > LIMIT_US);
	pass(&stage, 60 * (uint64_t)SIM_S);
	assert_int_equal(region_loads_stuck(stage.loads).region, 0);
	stage_end(&stage);
}

static void set_end(struct stage *stage, uint64_t dirid)
{
	struct fs_key end = fs_key_dirid(dirid);

	buf_unref(stage->regions[0].end);
	stage->regions[0].end = buf_copy(end.bytes, end.size);
	fake_raftkv_set_regions(stage->raftkv, stage->regions, 2);
}

/* Then the half that stays is judged by requests that came since. */
static void a_wish_ends_with_the_split(void **state)
{
	const uint64_t dirids[] = {3 * WIDE, 5 * WIDE}, left[] = {2 * WIDE, 3 * WIDE};
	struct stage stage;

	(void)state;
	stage_begin(&stage, LIMIT_US);
	load(&stage, 1, 2 * LIMIT_US, 3 * BUSY_S, dirids, 2);
	assert_int_equal(region_loads_wish(stage.loads).dirid, 5 * WIDE);
	set_end(&stage, 5 * WIDE);
	load(&stage, 1, 2 * LIMIT_US, 3, left, 2);
	assert_int_equal(region_loads_wish(stage.loads).region, 0);
	load(&stage, 1, 2 * LIMIT_US, 2 * BUSY_S, left, 2);
	assert_int_equal(region_loads_wish(stage.loads).dirid, 3 * WIDE);
	stage_end(&stage);
}

/* A region that another store leads is not this one's to split: who reads from its follower here has a part of its load. */
static void a_region_that_is_not_led_here_is_let_alone(void **state)
{
	const uint64_t dirids[] = {3 * WIDE, 5 * WIDE};
	struct stage stage;

	(void)state;
	stage_begin(&stage, LIMIT_US);
	fake_raftkv_set_regions(stage.raftkv, &stage.regions[1], 1);
	load(&stage, 1, 2 * LIMIT_US, 3 * BUSY_S, dirids, 2);
	assert_int_equal(region_loads_wish(stage.loads).region, 0);
	assert_int_equal(region_loads_stuck(stage.loads).region, 0);
	stage_end(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_load_is_halved_at_a_dirid),
		cmocka_unit_test(a_dirid_is_never_divided),
		cmocka_unit_test(the_load_of_one_dirid_is_told),
		cmocka_unit_test(only_the_regions_dirids_count),
		cmocka_unit_test(halves_stay_wide_enough),
		cmocka_unit_test(any_split_keeps_what_is_promised),
		cmocka_unit_test(a_load_is_what_its_requests_cost_lately),
		cmocka_unit_test(the_machines_speed_counts),
		cmocka_unit_test(only_a_load_that_lasts_is_too_much),
		cmocka_unit_test(dirids_are_drawn_evenly),
		cmocka_unit_test(a_busy_dirid_is_told_and_not_split),
		cmocka_unit_test(a_wish_ends_with_the_split),
		cmocka_unit_test(a_region_that_is_not_led_here_is_let_alone),
	};

#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
