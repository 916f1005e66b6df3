/* fs/server/region_reports: which regions a store tells to a coordinator, page by page, and when again. */
#include <stdlib.h>
#include <string.h>

#include "fs/regions/region_report_message.h"
#include "fs/regions/region_reports.h"
#include "proto/plant.h"
#include "proto/status.h"
#include "tests/lib/fake_raftkv.h"
#include "tests/lib/sim_env.h"
#include "tests/lib/test.h"

#define REGIONS (2 * REGION_REPORTS_PAGE + 40)

struct stage {
	struct sim_world *world;
	struct env_loop *loop;
	struct raftkv *raftkv;
	struct region regions[REGIONS];
	struct region_loads *loads; /* NULL: they are not measured */
	struct region_reports *reports;
	bool is_ready;
};

static void stage_begin_with(struct stage *stage, bool has_loads)
{
	struct env *env;

	*stage = (struct stage){.world = sim_world_new(1)};
	env = sim_node_start(sim_node_new(stage->world, "store"));
	assert_int_equal(env_loop_new(env, "loop", &stage->loop), 0);
	assert_int_equal(env_loop_start(stage->loop), 0);
	stage->raftkv = fake_raftkv_new(&(struct fake_raftkv_options){.loop = stage->loop, .seed = 1});
	for (uint32_t i = 0; i < REGIONS; i++)
		stage->regions[i] =
			(struct region){.id = REGIONS - i, .epoch = {.version = 5, .conf_version = 6}};
	fake_raftkv_set_regions(stage->raftkv, stage->regions, REGIONS);
	stage->loads = has_loads ? region_loads_new(&(struct region_loads_options){
					   .loop = stage->loop, .raftkv = stage->raftkv})
				 : NULL;
	stage->reports = region_reports_new(&(struct region_reports_options){
		.loop = stage->loop, .raftkv = stage->raftkv, .loads = stage->loads, .store = 1});
	assert_non_null(stage->reports);
}

static void stage_begin(struct stage *stage)
{
	stage_begin_with(stage, false);
}

static void stage_end(struct stage *stage)
{
	region_reports_free(stage->reports);
	if (stage->loads)
		region_loads_stop(stage->loads);
	region_loads_free(stage->loads);
	fake_raftkv_free(stage->raftkv);
	sim_world_free(stage->world);
}

static void on_ready(void *argument)
{
	((struct stage *)argument)->is_ready = true;
}

static bool is_ready(void *argument)
{
	return ((const struct stage *)argument)->is_ready;
}

static struct region_reports_page prepare(struct stage *stage, uint64_t term)
{
	stage->is_ready = false;
	region_reports_prepare(stage->reports, term, on_ready, stage);
	assert_true(sim_run(stage->world, 60 * (uint64_t)SIM_S, is_ready, stage));
	return region_reports_page(stage->reports);
}

static struct region_reports_page tell(struct stage *stage, uint64_t term)
{
	struct region_reports_page page = prepare(stage, term);

	region_reports_end(stage->reports, true);
	return page;
}

/* All of a term. */
static void tell_all(struct stage *stage, uint64_t term)
{
	bool told[REGIONS + 1] = {false};
	uint32_t count = 0, pages = 0;
	struct region_reports_page page;

	do {
		page = tell(stage, term);
		assert_int_equal(page.term, term);
		assert_int_equal(page.begins, pages++ == 0);
		assert_int_equal(page.ends, !page.has_more);
		for (uint32_t i = 0; i < page.count; i++) {
			assert_int_equal(page.reports[i].epoch.version, 5);
			assert_int_equal(page.reports[i].leader, 1);
			assert_int_equal(page.reports[i].replica_count, 1);
			count += !told[page.reports[i].region];
			told[page.reports[i].region] = true;
		}
	} while (page.has_more);
	assert_int_equal(count, REGIONS);
	assert_int_equal(pages, 3);
}

static void all_regions_are_told_to_each_new_coordinator(void **state)
{
	struct stage stage;

	(void)state;
	stage_begin(&stage);
	tell_all(&stage, 3);
	tell_all(&stage, 4);
	stage_end(&stage);
}

static bool has_region(const struct region_reports_page *page, uint64_t region)
{
	for (uint32_t i = 0; i < page->count; i++)
		if (page->reports[i].region == region)
			return true;
	return false;
}

/* So does each region, in turn, that has not changed. */
static void what_has_changed_is_told_until_it_is_taken(void **state)
{
	struct region_reports_page page;
	struct stage stage;
	bool told[REGIONS + 1] = {false};

	(void)state;
	stage_begin(&stage);
	tell_all(&stage, 3);
	stage.regions[300].epoch.conf_version++;
	for (int i = 0; i < 3; i++) {
		page = prepare(&stage, 3);
		assert_true(has_region(&page, stage.regions[300].id));
		assert_in_range(page.count, 1, 1 + REGION_REPORTS_AGAIN);
		assert_false(page.begins || page.ends || page.has_more);
		region_reports_end(stage.reports, i == 2);
	}
	for (uint32_t i = 0; i < REGIONS / REGION_REPORTS_AGAIN + 1; i++) {
		page = tell(&stage, 3);
		assert_int_equal(page.count, REGION_REPORTS_AGAIN);
		for (uint32_t k = 0; k < page.count; k++)
			told[page.reports[k].region] = true;
	}
	for (uint32_t i = 1; i <= REGIONS; i++)
		assert_true(told[i]);
	stage_end(&stage);
}

static bool never(void *argument)
{
	(void)argument;
	return false;
}

/* Of requests that take so many microseconds a second, for so many seconds. */
static void load(struct stage *stage, uint64_t region, uint32_t cpu_us, uint32_t seconds)
{
	for (uint32_t i = 0; i < 10 * seconds; i++) {
		region_loads_note(stage->loads, region, 5, cpu_us / 10);
		sim_run(stage->world, SIM_S / 10, never, NULL);
	}
}

static const struct region_report *find(const struct region_reports_page *page, uint64_t region)
{
	for (uint32_t i = 0; i < page->count; i++)
		if (page->reports[i].region == region)
			return &page->reports[i];
	return NULL;
}

/* Until the region has been led here for a while, what its former leader told is better. */
static void a_load_is_told_when_it_is_known_and_when_it_changes(void **state)
{
	const struct region_report *report;
	struct region_reports_page page;
	struct stage stage;

	(void)state;
	stage_begin_with(&stage, true);
	tell_all(&stage, 3);
	load(&stage, 7, 100000, REGION_LOADS_SETTLE_MS / 2000);
	page = tell(&stage, 3);
	report = find(&page, 7);
	assert_true(!report || report->cpu_us == 0);
	load(&stage, 7, 100000, REGION_LOADS_SETTLE_MS / 1000);
	page = tell(&stage, 3);
	report = find(&page, 7);
	assert_non_null(report);
	assert_in_range(report->cpu_us, 80000, 110000);
	assert_true(page.count <= 1 + REGION_REPORTS_AGAIN);
	for (uint32_t i = 0; i < page.count; i++)
		if (page.reports[i].region != 7)
			assert_int_equal(page.reports[i].cpu_us, 1); /* known, and idle */
	load(&stage, 7, 104000, 2);
	page = tell(&stage, 3);
	assert_null(find(&page, 7)); /* much the same */
	sim_run(stage.world, 10 * (uint64_t)SIM_S, never, NULL);
	page = prepare(&stage, 3);
	assert_non_null(find(&page, 7));
	region_reports_end(stage.reports, false); /* nobody took it: it comes again */
	page = tell(&stage, 3);
	assert_non_null(find(&page, 7));
	stage_end(&stage);
}

/* What others lead now, or what has no replica here any more, and what comes in its place. */
static void regions_that_go_are_not_told(void **state)
{
	struct region_reports_page page;
	struct stage stage;

	(void)state;
	stage_begin(&stage);
	fake_raftkv_set_regions(stage.raftkv, stage.regions, REGIONS - 9);
	do
		page = tell(&stage, 3);
	while (page.has_more);
	fake_raftkv_set_regions(stage.raftkv, stage.regions + 9, REGIONS - 9); /* nine go, nine come */
	page = prepare(&stage, 3);
	for (uint32_t i = 0; i < 9; i++) {
		assert_false(has_region(&page, stage.regions[i].id));
		assert_true(has_region(&page, stage.regions[REGIONS - 1 - i].id));
	}
	assert_in_range(page.count, 9, 9 + REGION_REPORTS_AGAIN);
	region_reports_end(stage.reports, true);
	for (uint32_t i = 0; i < REGIONS / REGION_REPORTS_AGAIN + 1; i++) {
		page = tell(&stage, 3);
		assert_int_equal(page.count, REGION_REPORTS_AGAIN);
		for (uint32_t k = 0; k < 9; k++)
			assert_false(has_region(&page, stage.regions[k].id));
	}
	fake_raftkv_set_regions(stage.raftkv, stage.regions, REGIONS); /* they come back as they were */
	page = prepare(&stage, 3);
	for (uint32_t i = 0; i < 9; i++)
		assert_true(has_region(&page, stage.regions[i].id));
	region_reports_end(stage.reports, true);
	stage_end(&stage);
}

static void a_first_page_that_is_lost_comes_again(void **state)
{
	struct region_reports_page page;
	struct stage stage;

	(void)state;
	stage_begin(&stage);
	for (int i = 0; i < 2; i++) {
		page = prepare(&stage, 3);
		assert_true(page.begins);
		assert_int_equal(page.count, REGION_REPORTS_PAGE);
		region_reports_end(stage.reports, false);
	}
	tell_all(&stage, 3);
	stage_end(&stage);
}

/* ---- Messages ---- */

static void reports_arrive_as_they_were_sent(void **state)
{
	const struct region_report_replica replicas[] = {{.id = 1, .store = 5, .roles = REGION_VOTER},
		{.id = 70, .store = 6, .roles = REGION_LEARNER, .flags = REGION_REPLICA_IS_BEHIND}};
	const struct region_report reports[] = {{.region = 3,
							.epoch = {.version = 1, .conf_version = 2},
							.term = 9,
							.bytes = 1000,
							.cpu_us = 70000,
							.replica_count = 2,
							.replicas = replicas},
		{.region = 4, .term = 8, .replica_count = 1, .replicas = replicas}};
	Raftkv__ReportRequest request = RAFTKV__REPORT_REQUEST__INIT;
	struct region_reports_packed packed;
	struct region_reports_unpacked unpacked;

	(void)state;
	request.store = 5;
	assert_int_equal(region_reports_pack(&request, reports, 2, &packed), 0);
	assert_int_equal(region_reports_unpack(&request, &unpacked), 0);
	assert_int_equal(unpacked.count, 2);
	assert_int_equal(unpacked.reports[0].region, 3);
	assert_int_equal(unpacked.reports[0].epoch.conf_version, 2);
	assert_int_equal(unpacked.reports[0].term, 9);
	assert_int_equal(unpacked.reports[0].leader, 5);
	assert_int_equal(unpacked.reports[0].bytes, 1000);
	assert_int_equal(unpacked.reports[0].cpu_us, 70000);
	assert_int_equal(unpacked.reports[0].replica_count, 2);
	assert_int_equal(unpacked.reports[0].replicas[1].id, 70);
	assert_int_equal(unpacked.reports[0].replicas[1].store, 6);
	assert_int_equal(unpacked.reports[0].replicas[1].roles, REGION_LEARNER);
	assert_int_equal(unpacked.reports[0].replicas[1].flags, REGION_REPLICA_IS_BEHIND);
	assert_int_equal(unpacked.reports[0].replicas[0].flags, 0);
	assert_int_equal(unpacked.reports[1].replicas[0].id, 1);
	region_reports_unpacked_free(&unpacked);
	request.regions[1]->epoch = NULL;
	assert_int_equal(region_reports_unpack(&request, &unpacked), STATUS_MALFORMED);
	region_reports_packed_free(&packed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_regions_are_told_to_each_new_coordinator),
		cmocka_unit_test(what_has_changed_is_told_until_it_is_taken),
		cmocka_unit_test(a_load_is_told_when_it_is_known_and_when_it_changes),
		cmocka_unit_test(regions_that_go_are_not_told),
		cmocka_unit_test(a_first_page_that_is_lost_comes_again),
		cmocka_unit_test(reports_arrive_as_they_were_sent),
	};

#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
