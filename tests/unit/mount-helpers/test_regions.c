/* How a command line names a region, and which description of a region stays of those that several stores give. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mount-helpers/cluster_regions.h"
#include "mount-helpers/region_place.h"
#include "tests/lib/test.h"

/* ---- Places ---- */

static struct region_place read_well(const char *text)
{
	struct region_place place;
	struct status status = {0};

	assert_int_equal(region_place_read(text, &place, &status), 0);
	return place;
}

static void expect_refusal(const char *text, const char *words)
{
	struct region_place place;
	struct status status = {0};

	assert_true(region_place_read(text, &place, &status) < 0);
	assert_non_null(strstr(status.text, words));
}

static void ids_dirids_and_paths_are_told_apart(void **state)
{
	char text[2 * FS_KEY_SIZE_MAX + 1];
	struct region_place place = read_well("4294967296");

	(void)state;
	assert_int_equal(place.region, UINT64_C(1) << 32);
	assert_false(place.is_path);
	assert_int_equal(read_well("dirid:0x800000000").dirid, UINT64_C(1) << 35);
	place = read_well("dirid:34359738368");
	assert_int_equal(place.region, 0);
	region_place_print_key(&place, text);
	assert_string_equal(text, "0800000000");
	assert_int_equal(read_well("dirid:0").dirid, 0);
	expect_refusal("0", "no region's number");
	expect_refusal("99999999999999999999", "no region's number");
	expect_refusal("dirid:", "no dirid");
	expect_refusal("dirid:-1", "no dirid");
	expect_refusal("dirid: 1", "no dirid");
	expect_refusal("dirid:1x", "no dirid");
	expect_refusal("dirid:0x1000000000", "no dirid");
	expect_refusal("7/none", "no path");
	expect_refusal("-7", "no path");
	expect_refusal("", "no path");
	expect_refusal("/proc", "in no mount of raftkv");
}

/* ---- Descriptions ---- */

static Raftkv__OverviewRegion *describe(uint64_t region, const char *start, uint64_t version, uint64_t term)
{
	Raftkv__OverviewRegion *message = malloc(sizeof *message);

	assert_non_null(message);
	raftkv__overview_region__init(message);
	message->epoch = malloc(sizeof *message->epoch);
	assert_non_null(message->epoch);
	raftkv__epoch__init(message->epoch);
	message->epoch->version = version;
	message->region = region;
	message->term = term;
	message->is_by_leader = term > 0;
	message->start.len = strlen(start);
	message->start.data = (uint8_t *)strdup(start);
	return message;
}

static void take(struct cluster_regions *regions, Raftkv__OverviewRegion *message)
{
	size_t count = 1;

	assert_int_equal(cluster_regions_take(regions, &message, &count), 0);
	assert_int_equal(count, 0);
}

static void the_best_description_stays(void **state)
{
	struct cluster_regions regions = {0};
	Raftkv__OverviewRegion *broken = describe(9, "z", 1, 1);

	(void)state;
	cluster_regions_merge(&regions);
	assert_int_equal(regions.count, 0);
	take(&regions, describe(2, "m", 1, 4));
	take(&regions, describe(1, "", 7, 0));
	take(&regions, describe(3, "c", 5, 0)); /* nobody leads it: the latest epoch */
	take(&regions, describe(1, "", 6, 8)); /* a leader knows better than a follower that is ahead */
	take(&regions, describe(2, "m", 2, 3)); /* it led in an earlier term */
	take(&regions, describe(3, "c", 6, 0));
	take(&regions, describe(3, "c", 4, 0));
	free(broken->epoch);
	broken->epoch = NULL;
	take(&regions, broken);
	cluster_regions_merge(&regions);
	assert_int_equal(regions.count, 3);
	assert_int_equal(regions.items[0]->region, 1);
	assert_int_equal(regions.items[0]->term, 8);
	assert_int_equal(regions.items[1]->region, 3);
	assert_int_equal(regions.items[1]->epoch->version, 6);
	assert_int_equal(regions.items[2]->region, 2);
	assert_int_equal(regions.items[2]->term, 4);
	cluster_regions_close(&regions);
}

static void steps_find_their_regions(void **state)
{
	Raftkv__PlannedStep planned[] = {
		{.region = 9, .step = 2}, {.region = 1, .step = 3}, {.region = 5, .step = 4}};
	Raftkv__PlannedStep *steps[] = {&planned[0], &planned[1], &planned[2]};
	struct cluster_regions regions = {0};

	(void)state;
	take(&regions, describe(5, "", 1, 1));
	take(&regions, describe(9, "k", 1, 1));
	take(&regions, describe(7, "m", 1, 1));
	cluster_regions_merge(&regions);
	cluster_regions_set_steps(&regions, NULL, 0);
	cluster_regions_set_steps(&regions, steps, 3);
	assert_int_equal(regions.items[0]->step, 4);
	assert_int_equal(regions.items[1]->step, 2);
	assert_int_equal(regions.items[2]->step, 0);
	cluster_regions_close(&regions);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_dirids_and_paths_are_told_apart),
		cmocka_unit_test(the_best_description_stays),
		cmocka_unit_test(steps_find_their_regions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
