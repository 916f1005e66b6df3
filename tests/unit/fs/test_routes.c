/* fs/client/routes: what stores tell is taken by the regions' epochs, whoever tells it and in whatever order. */
#include "fs/client/routes.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/schema/keys.h"
#include "proto/plant.h"
#include "proto/status.h"
#include "tests/lib/test.h"

#define ROUTES_MOST 4

/* One store's answer in the making. */
struct told {
	Raftkv__RoutesReply reply;
	Raftkv__Route routes[ROUTES_MOST], *route_pointers[ROUTES_MOST];
	Raftkv__Epoch epochs[ROUTES_MOST];
	Raftkv__Replica replicas[ROUTES_MOST][3], *replica_pointers[ROUTES_MOST][3];
	Raftkv__StoreAddress stores[3], *store_pointers[3];
};

static ProtobufCBinaryData bytes_of(const char *text)
{
	return (ProtobufCBinaryData){.len = strlen(text), .data = (uint8_t *)(uintptr_t)text};
}

static void begin(struct told *told)
{
	*told = (struct told){0};
	raftkv__routes_reply__init(&told->reply);
	told->reply.routes = told->route_pointers;
	told->reply.stores = told->store_pointers;
}

/* A region on stores 1, 2 and 3, of which the last is a learner. */
static Raftkv__Route *tell(struct told *told, uint64_t region, uint64_t version, uint64_t conf_version,
	const char *start, const char *end, uint64_t leader)
{
	size_t i = told->reply.n_routes++;
	Raftkv__Route *route = &told->routes[i];

	raftkv__route__init(route);
	raftkv__epoch__init(&told->epochs[i]);
	told->epochs[i].version = version;
	told->epochs[i].conf_version = conf_version;
	route->region = region;
	route->epoch = &told->epochs[i];
	route->start = bytes_of(start);
	route->end = bytes_of(end);
	route->leader_store = leader;
	route->n_replicas = 3;
	route->replicas = told->replica_pointers[i];
	for (uint32_t n = 0; n < 3; n++) {
		raftkv__replica__init(&told->replicas[i][n]);
		told->replicas[i][n].store = n + 1;
		told->replicas[i][n].roles = n < 2 ? REGION_VOTER : REGION_LEARNER;
		told->replica_pointers[i][n] = &told->replicas[i][n];
	}
	told->route_pointers[i] = route;
	return route;
}

static void tell_store(struct told *told, uint64_t store, const char *address)
{
	size_t i = told->reply.n_stores++;

	raftkv__store_address__init(&told->stores[i]);
	told->stores[i].store = store;
	told->stores[i].address = (char *)(uintptr_t)address;
	told->store_pointers[i] = &told->stores[i];
}

static uint64_t region_of(struct routes *routes, const char *key)
{
	const struct region_route *route = routes_find(routes, slice_of(key, strlen(key)));

	return route ? route->region : 0;
}

static void a_key_is_in_its_region(void **state)
{
	struct routes *routes = routes_new(ROUTES_REGIONS_MAX);
	struct told told;

	(void)state;
	begin(&told);
	tell(&told, 2, 3, 1, "h", "p", 1);
	tell(&told, 1, 3, 1, "", "h", 2);
	tell_store(&told, 1, "a:1");
	tell_store(&told, 2, "b:1");
	assert_int_equal(region_of(routes, "a"), 0);
	assert_int_equal(routes_take(routes, &told.reply), 0);
	assert_int_equal(region_of(routes, ""), 1);
	assert_int_equal(region_of(routes, "gzz"), 1);
	assert_int_equal(region_of(routes, "h"), 2);
	assert_int_equal(region_of(routes, "ozz"), 2);
	assert_int_equal(region_of(routes, "p"), 0);
	assert_int_equal(routes_find_region(routes, 1)->leader, 2);
	assert_int_equal(routes_find_region(routes, 1)->store_count, 2); /* no learner */
	assert_null(routes_find_region(routes, 3));
	assert_string_equal(routes_address(routes, 2), "b:1");
	assert_null(routes_address(routes, 3));
	assert_int_equal(routes_store_count(routes), 2);
	routes_free(routes);
}

static void a_split_replaces_what_it_came_from(void **state)
{
	struct routes *routes = routes_new(ROUTES_REGIONS_MAX);
	struct told before, after;

	(void)state;
	begin(&before);
	tell(&before, 1, 1, 1, "", "", 1);
	begin(&after);
	tell(&after, 1, 2, 1, "", "m", 0);
	tell(&after, 2, 2, 1, "m", "", 3);
	assert_int_equal(routes_take(routes, &before.reply), 0);
	assert_int_equal(routes_take(routes, &after.reply), 0);
	assert_int_equal(region_of(routes, "a"), 1);
	assert_int_equal(region_of(routes, "z"), 2);
	/* Who led before may still: nobody has said otherwise. */
	assert_int_equal(routes_find_region(routes, 1)->leader, 1);
	/* A store that lags knows nothing of it. */
	assert_int_equal(routes_take(routes, &before.reply), 0);
	assert_int_equal(region_of(routes, "z"), 2);
	assert_int_equal(routes_find_region(routes, 1)->epoch.version, 2);
	routes_free(routes);
}

static void half_of_a_split_leaves_a_gap(void **state)
{
	struct routes *routes = routes_new(ROUTES_REGIONS_MAX);
	struct told before, after;

	(void)state;
	begin(&before);
	tell(&before, 1, 1, 1, "", "", 1);
	begin(&after);
	tell(&after, 2, 2, 1, "m", "", 3);
	assert_int_equal(routes_take(routes, &before.reply), 0);
	assert_int_equal(routes_take(routes, &after.reply), 0);
	assert_int_equal(region_of(routes, "a"), 0); /* unknown, rather than wrong */
	assert_int_equal(region_of(routes, "z"), 2);
	routes_free(routes);
}

/* A region of a tree of splits: version N has split N - 1 times. */
struct split {
	uint64_t region, version;
	const char *start, *end;
};

static void take_split(struct routes *routes, const struct split *split)
{
	struct told told;

	begin(&told);
	tell(&told, split->region, split->version, 1, split->start, split->end, 1);
	assert_int_equal(routes_take(routes, &told.reply), 0);
}

/* Each state of each region is told by somebody, twice, the oldest perhaps last. */
static void late_answers_change_nothing(void **state)
{
	static const struct split splits[] = {{1, 1, "", ""}, {1, 2, "", "m"}, {2, 2, "m", ""},
		{2, 3, "m", "t"}, {3, 3, "t", ""}, {1, 3, "", "f"}, {4, 3, "f", "m"}, {4, 4, "f", "h"},
		{5, 4, "h", "m"}};
	enum { COUNT = sizeof splits / sizeof splits[0] };
	static const struct {
		const char *key;
		uint64_t region, version;
	} last[] = {{"", 1, 3}, {"e", 1, 3}, {"f", 4, 4}, {"gz", 4, 4}, {"h", 5, 4}, {"lz", 5, 4},
		{"m", 2, 3}, {"t", 3, 3}, {"z", 3, 3}};
	uint32_t random = 1;

	(void)state;
	for (uint32_t round = 0; round < 2000; round++) {
		struct routes *routes = routes_new(ROUTES_REGIONS_MAX);
		uint32_t order[2 * COUNT];

		for (uint32_t i = 0; i < 2 * COUNT; i++) {
			uint32_t other = (random = random * 1664525u + 1013904223u) / 65536u % (i + 1);

			order[i] = order[other];
			order[other] = i % COUNT;
		}
		for (uint32_t i = 0; i < 2 * COUNT; i++)
			take_split(routes, &splits[order[i]]);
		assert_int_equal(routes_count(routes), 5);
		for (uint32_t i = 0; i < sizeof last / sizeof last[0]; i++) {
			assert_int_equal(region_of(routes, last[i].key), last[i].region);
			assert_int_equal(
				routes_find_region(routes, last[i].region)->epoch.version, last[i].version);
		}
		routes_free(routes);
	}
}

static void a_region_that_is_wider_again_replaces_many(void **state)
{
	static const struct split splits[] = {{1, 2, "", "c"}, {2, 2, "c", "f"}, {3, 2, "f", "i"},
		{4, 2, "i", "m"}},
				  merged = {2, 3, "b", "k"};
	struct routes *routes = routes_new(ROUTES_REGIONS_MAX);

	(void)state;
	for (uint32_t i = 0; i < sizeof splits / sizeof splits[0]; i++)
		take_split(routes, &splits[i]);
	assert_int_equal(routes_count(routes), 4);
	take_split(routes, &merged);
	assert_int_equal(routes_count(routes), 1);
	assert_int_equal(region_of(routes, "a"), 0);
	assert_int_equal(region_of(routes, "b"), 2);
	assert_int_equal(region_of(routes, "jz"), 2);
	assert_int_equal(region_of(routes, "k"), 0);
	routes_free(routes);
}

/* ---- Many regions ---- */

/* Region `number` of those that begin at each dirid. */
static void take_numbered(struct routes *routes, uint32_t number, uint64_t version)
{
	char start[6], end[6];
	const struct split split = {number + 1, version, start, end};

	snprintf(start, sizeof start, "%05x", number);
	snprintf(end, sizeof end, "%05x", number + 1);
	take_split(routes, &split);
}

static uint64_t region_of_number(struct routes *routes, uint32_t number)
{
	char key[8];

	snprintf(key, sizeof key, "%05x+", number);
	return region_of(routes, key);
}

static void a_hundred_thousand_regions_are_known(void **state)
{
	enum { COUNT = 100000 };
	struct routes *routes = routes_new(ROUTES_REGIONS_MAX);

	(void)state;
	for (uint32_t i = 0; i < COUNT; i++)
		take_numbered(routes, (uint32_t)(i * UINT64_C(7919) % COUNT), 1);
	assert_int_equal(routes_count(routes), COUNT);
	for (uint32_t i = 0; i < COUNT; i++) {
		assert_int_equal(region_of_number(routes, i), i + 1);
		assert_int_equal(routes_find_region(routes, i + 1)->region, i + 1);
	}
	take_numbered(routes, 700, 2);
	take_numbered(routes, 700, 1);
	assert_int_equal(routes_find_region(routes, 701)->epoch.version, 2);
	assert_int_equal(routes_count(routes), COUNT);
	routes_free(routes);
}

/* With what the allocator adds: three voters, bounds of five bytes. */
static void a_route_is_small(void **state)
{
	struct routes *routes = routes_new(ROUTES_REGIONS_MAX);
	struct told told;

	(void)state;
	begin(&told);
	tell(&told, 1, 1, 1, "00001", "00002", 1);
	for (uint32_t i = 0; i < 3; i++)
		told.replicas[0][i].roles = REGION_VOTER;
	assert_int_equal(routes_take(routes, &told.reply), 0);
	assert_int_equal(routes_find_region(routes, 1)->store_count, 3);
	assert_in_range(malloc_usable_size(routes_find_region(routes, 1)) + sizeof(size_t), 1, 200);
	routes_free(routes);
}

/* At first, what is new counts as looked for: the first one to go is number 0. */
static void who_was_not_looked_for_makes_room(void **state)
{
	enum { MAX = 100, EVERY = 10 };
	struct routes *routes = routes_new(MAX);

	(void)state;
	for (uint32_t i = 0; i < 10 * MAX; i++) {
		take_numbered(routes, i, 1);
		assert_int_equal(routes_count(routes), i < MAX ? i + 1 : MAX);
		assert_int_equal(region_of_number(routes, i), i + 1); /* what is new stays for a while */
		for (uint32_t used = EVERY; used < MAX && used <= i; used += EVERY)
			assert_int_equal(region_of_number(routes, used), used + 1);
	}
	routes_free(routes);
}

static uint32_t count_known(struct routes *routes, uint32_t end)
{
	uint32_t known = 0;

	for (uint32_t i = 0; i < end; i++)
		known += region_of_number(routes, i) > 0;
	return known;
}

static void all_may_be_looked_for_at_the_limit(void **state)
{
	enum { MAX = 3000, MORE = 200 };
	struct routes *routes = routes_new(MAX);

	(void)state;
	for (uint32_t i = 0; i < MAX + MORE; i++) {
		take_numbered(routes, i * 37 % (MAX + MORE), 1);
		if (i >= MAX - 1)
			assert_int_equal(count_known(routes, MAX + MORE), MAX);
	}
	assert_int_equal(routes_count(routes), MAX);
	routes_free(routes);
}

static void members_are_taken_by_their_version(void **state)
{
	struct routes *routes = routes_new(ROUTES_REGIONS_MAX);
	struct told told;

	(void)state;
	begin(&told);
	tell(&told, 1, 1, 5, "", "", 1);
	assert_int_equal(routes_take(routes, &told.reply), 0);
	begin(&told);
	tell(&told, 1, 1, 4, "", "", 2);
	assert_int_equal(routes_take(routes, &told.reply), 0);
	assert_int_equal(routes_find_region(routes, 1)->leader, 1);
	begin(&told);
	tell(&told, 1, 1, 6, "", "", 2);
	assert_int_equal(routes_take(routes, &told.reply), 0);
	assert_int_equal(routes_find_region(routes, 1)->leader, 2);
	/* A store that has no replica any more says nothing of it. */
	begin(&told);
	tell(&told, 1, 9, 9, "", "", 3)->n_replicas = 0;
	assert_int_equal(routes_take(routes, &told.reply), 0);
	assert_int_equal(routes_find_region(routes, 1)->epoch.version, 1);
	routes_free(routes);
}

static void nonsense_is_refused(void **state)
{
	struct routes *routes = routes_new(ROUTES_REGIONS_MAX);
	char address[RECORD_ADDRESS_SIZE_MAX + 2] = {0};
	struct told told;

	(void)state;
	begin(&told);
	tell(&told, 1, 1, 1, "m", "a", 1);
	assert_int_equal(routes_take(routes, &told.reply), STATUS_MALFORMED);
	begin(&told);
	tell(&told, 0, 1, 1, "", "", 1);
	assert_int_equal(routes_take(routes, &told.reply), STATUS_MALFORMED);
	begin(&told);
	tell(&told, 1, 1, 1, "", "", 1)->epoch = NULL;
	assert_int_equal(routes_take(routes, &told.reply), STATUS_MALFORMED);
	begin(&told);
	tell(&told, 1, 1, 1, "", "", 1)->n_replicas = REGION_PEERS_MAX + 1;
	assert_int_equal(routes_take(routes, &told.reply), STATUS_MALFORMED);
	begin(&told);
	tell(&told, 1, 1, 1, "", "", 1)->start.len = FS_KEY_SIZE_MAX + 1;
	assert_int_equal(routes_take(routes, &told.reply), STATUS_MALFORMED);
	assert_int_equal(routes_take_regions(routes, told.reply.routes, 1), STATUS_MALFORMED);
	begin(&told);
	memset(address, 'a', sizeof address - 1);
	tell_store(&told, 1, address);
	assert_int_equal(routes_take(routes, &told.reply), STATUS_MALFORMED);
	assert_int_equal(region_of(routes, "a"), 0);
	routes_free(routes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_in_its_region),
		cmocka_unit_test(a_split_replaces_what_it_came_from),
		cmocka_unit_test(half_of_a_split_leaves_a_gap),
		cmocka_unit_test(late_answers_change_nothing),
		cmocka_unit_test(a_region_that_is_wider_again_replaces_many),
		cmocka_unit_test(a_hundred_thousand_regions_are_known),
		cmocka_unit_test(a_route_is_small),
		cmocka_unit_test(who_was_not_looked_for_makes_room),
		cmocka_unit_test(all_may_be_looked_for_at_the_limit),
		cmocka_unit_test(members_are_taken_by_their_version),
		cmocka_unit_test(nonsense_is_refused),
	};

#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
