/* Routes by id, through every growth of the table; by key, at the edges of ranges; what may not be added. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_route_is_found, set_up, tear_down),
		cmocka_unit_test_setup_teardown(keys_belong_to_ranges, set_up, tear_down),
		cmocka_unit_test_setup_teardown(routes_are_visited_from_a_key_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(overlaps_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ranges_come_and_go, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
