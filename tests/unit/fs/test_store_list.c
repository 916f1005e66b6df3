/* fs/store_list: which texts name stores, and which of them the same cluster. */
#include "fs/schema/store_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/plant.h"
#include "tests/lib/test.h"

static struct store_list parse(const char *text)
{
	struct status status = {0};
	struct store_list list;

	if (store_list_parse(&list, text, &status) < 0)
		fail_msg("%s: %s", text, status.text);
	return list;
}

static void addresses_are_numbered_in_their_order(void **state)
{
	struct store_list list = parse("a:7420,[::1]:7421,unix:/run/raftkv,10.0.0.1:1");

	(void)state;
	assert_int_equal(list.count, 4);
	assert_string_equal(list.addresses[0], "a:7420");
	assert_int_equal(store_list_find(&list, "[::1]:7421"), 2);
	assert_int_equal(store_list_find(&list, "unix:/run/raftkv"), 3);
	assert_int_equal(store_list_find(&list, "a:7421"), 0);
	store_list_close(&list);
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const bad[] = {"", ",", "a", "a:", ":1", "a:1,", "a:1,,b:1", "a:b", "a:70000",
		"a:-1", "a:1 ", "::1:7420", "unix:", "unix:path", "a:1,a:1", "a:123456"};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct store_list list;
		struct status status = {0};

		assert_int_equal(store_list_parse(&list, bad[i], &status), -EINVAL);
		assert_true(status.text[0] != '\0');
	}
}

static void list_is_limited(void **state)
{
	char text[(STORE_LIST_COUNT_MAX + 1) * 8 + 1] = "";
	struct store_list list;
	struct status status;

	(void)state;
	for (unsigned i = 0; i < STORE_LIST_COUNT_MAX; i++)
		sprintf(text + strlen(text), "%sa:%u", i > 0 ? "," : "", i + 1);
	list = parse(text);
	assert_int_equal(list.count, STORE_LIST_COUNT_MAX);
	store_list_close(&list);
	strcat(text, ",b:1");
	assert_int_equal(store_list_parse(&list, text, &status), -EINVAL);
}

static uint64_t cluster_of(const char *text, uint32_t regions)
{
	struct store_list list = parse(text);
	uint64_t id = store_list_cluster(&list, regions);

	store_list_close(&list);
	return id;
}

static uint64_t cluster(const char *text)
{
	return cluster_of(text, 1);
}

static void another_list_is_another_cluster(void **state)
{
	uint64_t id = cluster("a:1,b:1,c:1");

	(void)state;
	assert_true(id > 0);
	assert_true(id == cluster("a:1,b:1,c:1"));
	assert_true(id != cluster("b:1,a:1,c:1"));
	assert_true(id != cluster("a:1,b:1"));
	assert_true(id != cluster("a:1,b:1,c:2"));
	assert_true(id == cluster_of("a:1,b:1,c:1", 0)); /* the default */
	assert_true(id != cluster_of("a:1,b:1,c:1", 2));
	assert_true(cluster_of("a:1,b:1,c:1", 256) != cluster_of("a:1,b:1,c:1", 2));
	assert_true(cluster_of("a:1,b:1,c:1", 2) == cluster_of("a:1,b:1,c:1", 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_numbered_in_their_order),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(list_is_limited),
		cmocka_unit_test(another_list_is_another_cluster),
	};

#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
