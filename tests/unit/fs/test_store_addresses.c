/*
 * fs/regions/store_addresses on a store that has no replica of region 1, and so none of the cluster's records: it knows what
 * the coordinator has told it.
 */
#include "fs/regions/store_addresses.h"

#include <string.h>

#include "tests/lib/sim_cluster.h"
#include "tests/lib/test.h"

#define STORE 4u /* the one that has no region */

struct fixture {
	struct sim_cluster cluster;
	struct store_addresses *addresses;
	struct store_list list;
	uint32_t listed; /* bit n: store n */
	bool is_stopped;
};

static void begin(struct fixture *fixture)
{
	struct sim_store *store;

	sim_cluster_init(&fixture->cluster, 1, 3, 1);
	sim_cluster_open_all(&fixture->cluster);
	store = sim_cluster_store(&fixture->cluster, STORE);
	assert_int_equal(store_list_parse(&fixture->list, "a:1,b:1", NULL), 0);
	fixture->addresses = store_addresses_new(store->raftkv, store->caller, &fixture->list);
	assert_non_null(fixture->addresses);
}

static void on_stopped(void *argument)
{
	*(bool *)argument = true;
}

static void end(struct fixture *fixture)
{
	sim_cluster_run(&fixture->cluster, SIM_S);
	store_addresses_stop(fixture->addresses, on_stopped, &fixture->is_stopped);
	assert_true(fixture->is_stopped);
	store_addresses_free(fixture->addresses);
	store_list_close(&fixture->list);
	sim_cluster_close(&fixture->cluster);
}

static void expect(struct fixture *fixture, uint64_t store, const char *address)
{
	const char *known = store_addresses_address(fixture->addresses, store);

	if (!address)
		assert_null(known);
	else
		assert_string_equal(known ? known : "unknown", address);
}

static void note_listed(void *argument, uint64_t store, const char *address)
{
	(void)address;
	*(uint32_t *)argument |= 1u << store;
}

static uint32_t listed(struct fixture *fixture)
{
	fixture->listed = 0;
	store_addresses_each(fixture->addresses, note_listed, &fixture->listed);
	return fixture->listed;
}

/* The records are looked for in vain, again and again. */
static void what_was_told_stays_known(void **state)
{
	struct fixture fixture = {0};

	(void)state;
	begin(&fixture);
	expect(&fixture, 2, "b:1");
	expect(&fixture, 3, NULL);
	store_addresses_tell(fixture.addresses, 3, "c:1");
	store_addresses_tell(fixture.addresses, 2, "elsewhere:1");
	for (int i = 0; i < 5; i++) {
		sim_cluster_run(&fixture.cluster, 2 * (uint64_t)SIM_S);
		expect(&fixture, 1, "a:1");
		expect(&fixture, 2, "elsewhere:1");
		expect(&fixture, 3, "c:1");
		assert_int_equal(listed(&fixture), 1u << 1 | 1u << 2 | 1u << 3);
	}
	end(&fixture);
}

static void who_is_out_is_forgotten(void **state)
{
	struct fixture fixture = {0};

	(void)state;
	begin(&fixture);
	store_addresses_tell(fixture.addresses, 3, "c:1");
	store_addresses_forget(fixture.addresses, 1);
	store_addresses_forget(fixture.addresses, 7); /* was not known */
	expect(&fixture, 1, NULL);
	expect(&fixture, 2, "b:1");
	assert_int_equal(listed(&fixture), 1u << 2 | 1u << 3);
	end(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_told_stays_known),
		cmocka_unit_test(who_is_out_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
