/* Routes by id, through every growth of the table; by key, at the edges of ranges; what may not be added; splits. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/plant.h"
#include "store/route/router.h"
#include "tests/lib/test.h"

#define REGIONS 1000u

struct fixture {
	struct router router;
	uint64_t last; /* of those visited in order */
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	*state = fixture;
	return router_init(&fixture->router);
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	router_close(&fixture->router);
	free(fixture);
	return 0;
}

/* Where region `number` begins: two bytes, big endian; the first has no bound, nor has what comes after the last. */
static struct buf *boundary(uint32_t number)
{
	uint8_t bytes[2] = {(uint8_t)(number >> 8), (uint8_t)number};

	return number == 0 || number == REGIONS ? NULL : buf_copy(bytes, sizeof bytes);
}

/* Gives the region's route a range; makes the route if there is none. */
static int place(struct fixture *fixture, uint64_t id, uint32_t from, uint32_t to)
{
	struct region region = {
		.id = id, .epoch = {.version = id}, .start = boundary(from), .end = boundary(to)};
	struct route *route = router_find(&fixture->router, id);
	int status = route ? 0 : router_add(&fixture->router, id, NULL, NULL, &route);

	if (status == 0)
		status = router_place(&fixture->router, route, &region);
	assert_int_equal(route->region, id);
	buf_unref(region.start);
	buf_unref(region.end);
	return status;
}

/* In an order that is neither. */
static void add_all(struct fixture *fixture)
{
	for (uint32_t i = 0; i < REGIONS; i++) {
		uint32_t number = i * 7 % REGIONS;

		assert_int_equal(place(fixture, number + 1, number, number + 1), 0);
		assert_non_null(router_find(&fixture->router, number + 1));
	}
}

static uint64_t region_at(struct fixture *fixture, const char *key, size_t size)
{
	struct region_epoch epoch = {0};
	struct route *route = router_find_key(&fixture->router, slice_of(key, size), &epoch);

	if (!route)
		return 0;
	assert_int_equal(epoch.version, route->region);
	return route->region;
}

static void count(void *argument, struct route *route)
{
	struct fixture *fixture = argument;

	assert_int_equal(route->region, fixture->last + 1);
	fixture->last = route->region;
}

/* The regions from that key on are those from `first` on, `many` of them. */
static void expect_from(
	struct fixture *fixture, const char *key, size_t size, uint32_t limit, uint64_t first, uint64_t many)
{
	fixture->last = first - 1;
	router_each_from(&fixture->router, slice_of(key, size), limit, count, fixture);
	assert_int_equal(fixture->last, first - 1 + many);
}

static void every_route_is_found(void **state)
{
	struct fixture *fixture = *state;

	assert_null(router_find(&fixture->router, 1));
	add_all(fixture);
	for (uint64_t id = 1; id <= REGIONS; id++)
		assert_int_equal(router_find(&fixture->router, id)->region, id);
	assert_null(router_find(&fixture->router, 0));
	assert_null(router_find(&fixture->router, REGIONS + 1));
	router_each(&fixture->router, count, fixture);
	assert_int_equal(fixture->last, REGIONS);
}

static void keys_belong_to_ranges(void **state)
{
	struct fixture *fixture = *state;
	struct region range;

	assert_int_equal(region_at(fixture, "x", 1), 0);
	add_all(fixture);
	assert_int_equal(region_at(fixture, "", 0), 1);
	assert_int_equal(region_at(fixture, "\0\0", 2), 1);
	assert_int_equal(region_at(fixture, "\0\1", 2), 2); /* where it begins */
	assert_int_equal(region_at(fixture, "\0\0\377", 3), 1); /* just before */
	assert_int_equal(region_at(fixture, "\0\1\0", 3), 2);
	assert_int_equal(region_at(fixture, "\3\347", 2), REGIONS); /* 999 */
	assert_int_equal(region_at(fixture, "\377\377\377", 3), REGIONS);
	router_range(&fixture->router, router_find(&fixture->router, 2), &range);
	assert_int_equal(range.id, 2);
	assert_memory_equal(buf_slice(range.start).data, "\0\1", 2);
	assert_memory_equal(buf_slice(range.end).data, "\0\2", 2);
	region_close(&range);
}

static void routes_are_visited_from_a_key_on(void **state)
{
	struct fixture *fixture = *state;

	expect_from(fixture, "", 0, 10, 1, 0);
	add_all(fixture);
	expect_from(fixture, "", 0, 10, 1, 10);
	expect_from(fixture, "", 0, 2 * REGIONS, 1, REGIONS);
	expect_from(fixture, "\0\1", 2, 10, 2, 10); /* where it begins */
	expect_from(fixture, "\0\1\377", 3, 1, 2, 1); /* inside */
	expect_from(fixture, "\0\1", 2, 0, 2, 0);
	expect_from(fixture, "\3\345", 2, 10, REGIONS - 2, 3); /* 997 */
	expect_from(fixture, "\377", 1, 10, REGIONS, 1);
	router_remove(&fixture->router, router_find(&fixture->router, 2));
	expect_from(fixture, "\0\1", 2, 10, 3, 10); /* those after the gap */
}

static void overlaps_are_refused(void **state)
{
	struct fixture *fixture = *state;
	struct route *again;

	assert_int_equal(place(fixture, 5, 100, 200), 0);
	assert_int_equal(router_add(&fixture->router, 5, NULL, NULL, &again), STATUS_CORRUPT);
	assert_int_equal(place(fixture, 6, 100, 200), STATUS_CORRUPT);
	assert_int_equal(place(fixture, 6, 199, 300), STATUS_CORRUPT);
	assert_int_equal(place(fixture, 6, 50, 101), STATUS_CORRUPT);
	assert_int_equal(place(fixture, 6, 0, REGIONS), STATUS_CORRUPT);
	assert_int_equal(place(fixture, 6, 150, 160), STATUS_CORRUPT);
	assert_int_equal(place(fixture, 7, 200, REGIONS), 0);
	assert_int_equal(place(fixture, 8, 0, 100), 0);
	assert_non_null(router_find(&fixture->router, 6)); /* by its id alone */
	assert_int_equal(region_at(fixture, "\0\143", 2), 8); /* 99 */
	assert_int_equal(region_at(fixture, "\0\144", 2), 5); /* 100 */
	assert_int_equal(region_at(fixture, "\0\310", 2), 7); /* 200 */
}

static void ranges_come_and_go(void **state)
{
	struct fixture *fixture = *state;
	struct route *route;

	assert_int_equal(place(fixture, 5, 100, 200), 0);
	assert_int_equal(place(fixture, 6, 200, 300), 0);
	route = router_find(&fixture->router, 5);
	assert_int_equal(place(fixture, 5, 150, 200), 0);
	assert_int_equal(region_at(fixture, "\0\144", 2), 0); /* 100 */
	assert_int_equal(region_at(fixture, "\0\226", 2), 5); /* 150 */
	assert_int_equal(place(fixture, 5, 150, 201), STATUS_CORRUPT);
	assert_int_equal(region_at(fixture, "\0\226", 2), 5);
	router_remove(&fixture->router, route);
	assert_int_equal(region_at(fixture, "\0\226", 2), 0);
	assert_ptr_equal(router_find(&fixture->router, 5), route);
	assert_int_equal(place(fixture, 6, 100, 300), 0);
	assert_int_equal(region_at(fixture, "\0\226", 2), 6);
}

static struct region region_of(uint64_t id, uint32_t from, uint32_t to)
{
	return (struct region){
		.id = id, .epoch = {.version = id}, .start = boundary(from), .end = boundary(to)};
}

static int split(struct fixture *fixture, uint64_t upper, uint32_t from, uint32_t at, uint32_t to)
{
	struct region halves[] = {region_of(5, from, at), region_of(upper, at, to)};
	struct route *route = router_find(&fixture->router, upper);
	int status = route ? 0 : router_add(&fixture->router, upper, NULL, NULL, &route);

	if (status == 0)
		status = router_split(
			&fixture->router, router_find(&fixture->router, 5), &halves[0], route, &halves[1]);
	region_close(&halves[0]);
	region_close(&halves[1]);
	return status;
}

static void split_places_both_halves(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(place(fixture, 5, 0, REGIONS), 0);
	assert_int_equal(split(fixture, 6, 0, 200, REGIONS), 0);
	assert_int_equal(region_at(fixture, "\0\307", 2), 5); /* 199 */
	assert_int_equal(region_at(fixture, "\0\310", 2), 6); /* 200 */
	assert_int_equal(region_at(fixture, "\377", 1), 6);
	assert_int_equal(split(fixture, 7, 0, 100, 200), 0);
	assert_int_equal(region_at(fixture, "", 0), 5);
	assert_int_equal(region_at(fixture, "\0\143", 2), 5); /* 99 */
	assert_int_equal(region_at(fixture, "\0\144", 2), 7); /* 100 */
	assert_int_equal(region_at(fixture, "\0\310", 2), 6); /* 200 */
	assert_int_equal(split(fixture, 8, 0, 50, 101), STATUS_CORRUPT); /* into region 7 */
}

/* Through every growth of the list of ranges: each split adds one. */
static void ranges_are_split_many_times(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(place(fixture, 5, 0, REGIONS), 0);
	for (uint32_t at = REGIONS - 1; at > 0; at--)
		assert_int_equal(split(fixture, 5 + at, 0, at, at + 1), 0);
	assert_int_equal(region_at(fixture, "", 0), 5);
	for (uint32_t at = 1; at < REGIONS; at++) {
		char key[] = {(char)(at >> 8), (char)at};

		assert_int_equal(region_at(fixture, key, 2), 5 + at);
	}
}

/* ---- Changes ---- */

struct seen {
	uint32_t count;
	uint64_t sum; /* of the regions */
};

static void see(void *argument, struct route *route)
{
	struct seen *seen = argument;

	seen->count++;
	seen->sum += route->region;
}

/* A look finds `count` regions whose numbers have that sum. */
static uint64_t expect_changed(struct fixture *fixture, uint64_t since, uint32_t count, uint64_t sum)
{
	struct seen seen = {0};
	uint64_t next = router_look_changed(&fixture->router, since, see, &seen);

	assert_int_equal(seen.count, count);
	assert_int_equal(seen.sum, sum);
	assert_true(next > since);
	return next;
}

static void change(struct fixture *fixture, uint64_t region)
{
	router_set_epoch(&fixture->router, router_find(&fixture->router, region),
		(struct region_epoch){.version = region, .conf_version = 7});
}

static void a_look_finds_what_has_changed_since(void **state)
{
	const uint64_t all = (uint64_t)REGIONS * (REGIONS + 1) / 2;
	struct fixture *fixture = *state;
	uint64_t next;

	next = expect_changed(fixture, 0, 0, 0);
	add_all(fixture);
	next = expect_changed(fixture, next, REGIONS, all);
	next = expect_changed(fixture, next, 0, 0);
	for (uint64_t region = 1; region <= REGIONS; region++) {
		change(fixture, region);
		change(fixture, region % 3 + 1); /* again and again */
		change(fixture, region);
		next = expect_changed(fixture, next, region > 3 || region % 3 + 1 != region ? 2 : 1,
			region + (region % 3 + 1 == region ? 0 : region % 3 + 1));
	}
	router_remove(&fixture->router, router_find(&fixture->router, 9));
	next = expect_changed(fixture, next, 1, 9);
	expect_changed(fixture, next, 0, 0);
	expect_changed(fixture, 0, REGIONS, all);
}

/* Each has its own pace. */
static void looks_do_not_disturb_each_other(void **state)
{
	struct fixture *fixture = *state;
	uint64_t often, now_and_then, sum = 0;

	add_all(fixture);
	often = now_and_then = expect_changed(fixture, 0, REGIONS, (uint64_t)REGIONS * (REGIONS + 1) / 2);
	for (uint32_t i = 1; i <= 500; i++) {
		uint32_t fresh = (i - 1) % 100 + 1;

		change(fixture, i);
		change(fixture, 1);
		sum += i;
		often = expect_changed(fixture, often, i == 1 ? 1 : 2, i == 1 ? 1 : i + 1);
		if (fresh < 100)
			continue;
		now_and_then = expect_changed(fixture, now_and_then, i == 100 ? 100 : 101, sum + (i > 100));
		sum = 0;
	}
}

static bool covers(uint32_t from, uint32_t to, uint32_t other_from, uint32_t other_to)
{
	struct region region = region_of(5, from, to), other = region_of(6, other_from, other_to);
	bool is = region_covers(&region, &other);

	region_close(&region);
	region_close(&other);
	return is;
}

static void range_covers_what_lies_in_it(void **state)
{
	(void)state;
	assert_true(covers(100, 200, 100, 200));
	assert_true(covers(100, 200, 100, 199));
	assert_true(covers(100, 200, 101, 200));
	assert_false(covers(100, 200, 99, 200));
	assert_false(covers(100, 200, 100, 201));
	assert_false(covers(100, 200, 300, 400));
	assert_true(covers(0, REGIONS, 0, REGIONS));
	assert_true(covers(0, REGIONS, 100, 200));
	assert_true(covers(100, REGIONS, 200, REGIONS));
	assert_false(covers(100, 200, 100, REGIONS)); /* which has no bound */
	assert_false(covers(100, 200, 0, 200));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_route_is_found, set_up, tear_down),
		cmocka_unit_test_setup_teardown(keys_belong_to_ranges, set_up, tear_down),
		cmocka_unit_test_setup_teardown(routes_are_visited_from_a_key_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(overlaps_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ranges_come_and_go, set_up, tear_down),
		cmocka_unit_test_setup_teardown(split_places_both_halves, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ranges_are_split_many_times, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_look_finds_what_has_changed_since, set_up, tear_down),
		cmocka_unit_test_setup_teardown(looks_do_not_disturb_each_other, set_up, tear_down),
		cmocka_unit_test(range_covers_what_lies_in_it),
	};

#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
