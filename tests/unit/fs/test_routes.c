/* fs/client/routes: what stores tell is taken by the regions' epochs, whoever tells it and in whatever order. */
#include "fs/client/routes.h"

#include <stdlib.h>
#include <string.h>

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
	struct routes *routes = routes_new();
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
	struct routes *routes = routes_new();
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
	struct routes *routes = routes_new();
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

static void members_are_taken_by_their_version(void **state)
{
	struct routes *routes = routes_new();
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
	struct routes *routes = routes_new();
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
		cmocka_unit_test(members_are_taken_by_their_version),
		cmocka_unit_test(nonsense_is_refused),
	};

#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
