/*
 * fs/region_table: which reports count, what a full report leaves, and that the sums for each store are those of a
 * recount, whatever comes in whatever order.
 */
#include "fs/cluster/region_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/plant.h"
#include "proto/status.h"
#include "tests/lib/test.h"

static struct region_table *table_new(void)
{
	struct region_table *table = malloc(sizeof *table);

	assert_non_null(table);
	region_table_init(table);
	return table;
}

static void table_free(struct region_table *table)
{
	region_table_close(table);
	free(table);
}

struct given {
	struct region_report report;
	struct region_report_replica replicas[REGION_PEERS_MAX];
};

/* A region of `count` voters on the stores from `store` on, the first of which leads. */
static struct region_report *give(struct given *given, uint64_t region, uint64_t store, uint32_t count)
{
	*given = (struct given){.report = {.region = region,
					.epoch = {1, 1},
					.term = 5,
					.leader = store,
					.bytes = 1000 + region,
					.rows = 10,
					.cpu_us = 7,
					.ops = 3,
					.replica_count = count,
					.replicas = given->replicas}};
	for (uint32_t i = 0; i < count && i < REGION_PEERS_MAX; i++)
		given->replicas[i] = (struct region_report_replica){
			.id = region * 100 + i + 1, .store = store + i, .roles = REGION_VOTER};
	return &given->report;
}

static void take(struct region_table *table, const struct region_report *report)
{
	assert_int_equal(region_table_take(table, report), 0);
}

static uint64_t leader_of(const struct region_table *table, uint64_t region)
{
	const struct region_entry *entry = region_table_find(table, region);

	assert_non_null(entry);
	return entry->leader == REGION_TABLE_NO_STORE ? 0 : table->stores[entry->leader].id;
}

static void recount(const struct region_table *table)
{
	struct region_table_store *sums = calloc(REGION_TABLE_STORES_MAX, sizeof *sums);

	assert_non_null(sums);
	for (uint32_t i = 0; i < table->count; i++) {
		const struct region_entry *entry = region_table_at(table, i);
		const struct region_replica *replicas = region_entry_replicas(entry);

		assert_ptr_equal(region_table_find(table, entry->id), entry);
		for (uint32_t k = 0; k < entry->replica_count; k++) {
			sums[replicas[k].store].replicas++;
			sums[replicas[k].store].bytes += entry->bytes;
		}
		if (entry->leader == REGION_TABLE_NO_STORE)
			continue;
		sums[entry->leader].leaders++;
		sums[entry->leader].cpu_us += entry->cpu_us;
		sums[entry->leader].ops += entry->ops;
	}
	for (uint32_t i = 0; i < REGION_TABLE_STORES_MAX; i++) {
		const struct region_table_store *store = &table->stores[i];

		assert_int_equal(store->replicas, sums[i].replicas);
		assert_int_equal(store->leaders, sums[i].leaders);
		assert_int_equal(store->bytes, sums[i].bytes);
		assert_int_equal(store->cpu_us, sums[i].cpu_us);
		assert_int_equal(store->ops, sums[i].ops);
	}
	free(sums);
}

static void a_report_is_kept(void **state)
{
	struct region_table *table = table_new();
	const struct region_entry *entry;
	struct given given;

	(void)state;
	give(&given, 9, 3, 3);
	given.replicas[1].flags = REGION_REPLICA_IS_DOWN;
	given.replicas[2].roles = REGION_LEARNER;
	take(table, &given.report);
	given.report.bytes = 0; /* who leads it now has not measured it */
	given.report.cpu_us = 0;
	take(table, &given.report);
	entry = region_table_find(table, 9);
	assert_non_null(entry);
	assert_int_equal(entry->bytes, 1009);
	assert_int_equal(entry->cpu_us, 7);
	assert_int_equal(entry->flags, REGION_HAS_DOWN | REGION_HAS_LEARNER);
	assert_int_equal(entry->replica_count, 3);
	assert_int_equal(region_entry_replicas(entry)[1].id, 902);
	assert_int_equal(table->stores[region_entry_replicas(entry)[1].store].id, 4);
	assert_int_equal(leader_of(table, 9), 3);
	assert_int_equal(region_table_find_store(table, 4)->bytes, 1009);
	assert_int_equal(region_table_find_store(table, 4)->leaders, 0);
	assert_int_equal(region_table_find_store(table, 3)->cpu_us, 7);
	assert_null(region_table_find_store(table, 6));
	given.replicas[1].roles = REGION_VOTER_OUTGOING;
	given.replicas[1].flags = 0;
	take(table, &given.report);
	assert_int_equal(region_table_find(table, 9)->flags, REGION_IS_CHANGING | REGION_HAS_LEARNER);
	recount(table);
	table_free(table);
}

static void the_later_report_counts(void **state)
{
	static const struct {
		struct region_epoch epoch;
		uint64_t term;
		int status;
	} cases[] = {
		{{2, 2}, 5, 0}, /* the same */
		{{2, 2}, 6, 0},
		{{3, 2}, 5, 0},
		{{2, 3}, 5, 0},
		{{3, 3}, 6, 0},
		{{2, 2}, 4, -ESTALE},
		{{1, 2}, 5, -ESTALE},
		{{2, 1}, 5, -ESTALE},
		{{3, 1}, 6, -ESTALE},
		{{1, 3}, 6, -ESTALE},
		{{1, 2}, 6, -ESTALE},
		{{3, 3}, 4, -ESTALE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct region_table *table = table_new();
		struct given given;

		give(&given, 1, 1, 3)->epoch = (struct region_epoch){2, 2};
		take(table, &given.report);
		give(&given, 1, 2, 3)->epoch = cases[i].epoch;
		given.report.term = cases[i].term;
		assert_int_equal(region_table_take(table, &given.report), cases[i].status);
		assert_int_equal(leader_of(table, 1), cases[i].status == 0 ? 2 : 1);
		recount(table);
		table_free(table);
	}
}

static void malformed_reports_are_refused(void **state)
{
	struct region_table *table = table_new();
	struct given given;

	(void)state;
#define REFUSED(change)                                                                                      \
	do {                                                                                                 \
		give(&given, 1, 1, 3);                                                                       \
		change;                                                                                      \
		assert_int_equal(region_table_take(table, &given.report), STATUS_MALFORMED);                 \
	} while (0)
	REFUSED(given.report.region = 0);
	REFUSED(given.report.leader = 0);
	REFUSED(given.report.leader = 4);
	REFUSED(given.report.replica_count = 0);
	REFUSED(given.report.replica_count = REGION_PEERS_MAX + 1);
	REFUSED(given.replicas[1].store = 1);
	REFUSED(given.replicas[1].id = given.replicas[2].id);
	REFUSED(given.replicas[1].store = 0);
	REFUSED(given.replicas[1].id = 0);
	REFUSED(given.replicas[1].roles = 0);
	REFUSED(given.replicas[1].roles = 16);
	assert_int_equal(table->count, 0);
	give(&given, 1, 1, 3)->bytes = UINT64_MAX;
	take(table, &given.report);
	assert_int_equal(region_table_find_store(table, 1)->bytes, REGION_TABLE_BYTES_MAX);
	recount(table);
	table_free(table);
}

static void a_full_report_names_all(void **state)
{
	struct region_table *table = table_new();
	struct given given;

	(void)state;
	for (uint64_t region = 1; region <= 4; region++)
		take(table, give(&given, region, region < 4 ? 1 : 2, 3));
	region_table_end_report(table, 1); /* none has begun */
	assert_int_equal(leader_of(table, 1), 1);

	assert_int_equal(region_table_begin_report(table, 1), 0);
	assert_false(region_table_find_store(table, 1)->has_reported);
	take(table, give(&given, 1, 1, 3));
	assert_int_equal(region_table_begin_report(table, 2), 0);
	take(table, give(&given, 2, 1, 3));
	give(&given, 3, 1, 3)->term = 4; /* of an earlier term: it does not count */
	assert_int_equal(region_table_take(table, &given.report), -ESTALE);
	region_table_end_report(table, 1);
	assert_true(region_table_find_store(table, 1)->has_reported);
	assert_int_equal(leader_of(table, 1), 1);
	assert_int_equal(leader_of(table, 2), 1);
	assert_int_equal(leader_of(table, 3), 0);
	assert_int_equal(leader_of(table, 4), 2);
	assert_int_equal(region_table_find_store(table, 1)->leaders, 2);
	assert_int_equal(region_table_find_store(table, 1)->replicas, 3);
	recount(table);

	/* Another leads it, and says so. */
	give(&given, 3, 1, 3)->term = 6;
	given.report.leader = 3;
	take(table, &given.report);
	assert_int_equal(leader_of(table, 3), 3);

	/* What was named before the second begin does not count. */
	assert_int_equal(region_table_begin_report(table, 1), 0);
	take(table, give(&given, 1, 1, 3));
	assert_int_equal(region_table_begin_report(table, 1), 0);
	take(table, give(&given, 2, 1, 3));
	region_table_end_report(table, 1);
	assert_int_equal(leader_of(table, 1), 0);
	assert_int_equal(leader_of(table, 2), 1);
	region_table_end_report(table, 2);
	assert_int_equal(leader_of(table, 4), 0);

	region_table_forget_store(table, 1);
	assert_int_equal(leader_of(table, 2), 0);
	assert_false(region_table_find_store(table, 1)->has_reported);
	recount(table);
	table_free(table);
}

/* Stores come and go over years; what is unused makes room, and what is used never does. */
static void stores_that_are_gone_make_room(void **state)
{
	struct region_table *table = table_new();
	struct given given;
	uint64_t store = 1;

	(void)state;
	for (; store <= 10000; store += 3) {
		region_table_remove(table, 1);
		take(table, give(&given, 1, store, 3));
		assert_int_equal(region_table_find_store(table, store + 2)->replicas, 1);
	}
	recount(table);
	region_table_remove(table, 1);
	for (uint64_t i = 0; i < REGION_TABLE_STORES_MAX; i++)
		take(table, give(&given, 10 + i, 20000 + i, 1));
	assert_int_equal(region_table_take(table, give(&given, 9, 20000 + REGION_TABLE_STORES_MAX - 1, 2)),
		STATUS_LIMIT);
	assert_int_equal(region_table_begin_report(table, 9), STATUS_LIMIT);
	recount(table);
	table_free(table);
}

/* Any reports, removals and ends of reports, of regions with up to seven replicas. */
static void sums_are_those_of_a_recount(void **state)
{
	struct region_table *table = table_new();
	struct given given;

	(void)state;
	srand(7);
	for (int round = 0; round < 60000; round++) {
		uint64_t region = 1 + (uint64_t)rand() % 3000, store = 1 + (uint64_t)rand() % 20;

		switch (rand() % 8) {
		case 0:
			region_table_remove(table, region);
			assert_null(region_table_find(table, region));
			break;
		case 1:
			if (rand() % 10 == 0)
				assert_int_equal(region_table_begin_report(table, store), 0);
			else if (rand() % 10 == 0)
				region_table_end_report(table, store);
			break;
		default:
			give(&given, region, store, 1 + (uint32_t)rand() % 7);
			given.report.epoch.conf_version = (uint64_t)rand() % 3;
			given.report.bytes = (uint64_t)rand();
			given.report.cpu_us = (uint32_t)rand();
			if (region_table_take(table, &given.report) == 0)
				assert_int_equal(region_table_find(table, region)->bytes, given.report.bytes);
		}
		if (round % 5000 == 0)
			recount(table);
	}
	recount(table);
	while (table->count > 0)
		region_table_remove(table, region_table_at(table, table->count / 2)->id);
	recount(table);
	assert_true(table->chunk_count <= 1);
	table_free(table);
}

/* The entry and what the index takes at its emptiest, right after it has grown. */
static void a_region_takes_few_bytes(void **state)
{
	struct region_table *table = table_new();
	struct given given;
	uint64_t most = 0;

	(void)state;
	assert_true(sizeof(struct region_entry) + sizeof(uint32_t) * 8 / 3 + 1 <= 200);
	for (uint64_t region = 1; region <= 100000; region++) {
		uint64_t memory;

		take(table, give(&given, region, 1 + region % 9, 3));
		memory = region_table_memory(table) - REGION_TABLE_CHUNK * sizeof(struct region_entry);
		if (region > REGION_TABLE_CHUNK && memory / region > most)
			most = memory / region;
	}
	assert_in_range(most, sizeof(struct region_entry), 144);
	table_free(table);
}

static void what_is_told_again_is_no_change(void **state)
{
	struct region_table *table = table_new();
	uint64_t version = table->version;
	struct given given;

	(void)state;
	take(table, give(&given, 9, 3, REGION_PEERS_MAX));
	assert_true(table->version > version);
	version = table->version;
	region_table_begin_report(table, 3);
	take(table, &given.report);
	region_table_end_report(table, 3);
	assert_int_equal(table->version, version);
	for (int i = 0; i < 6; i++) {
		given.report.term += i == 0;
		given.report.epoch.conf_version += i == 1;
		given.report.bytes += i == 2;
		given.report.cpu_us += i == 3;
		given.replicas[2].flags ^= i == 4 ? REGION_REPLICA_IS_DOWN : 0;
		given.report.leader += i == 5;
		take(table, &given.report);
		assert_true(table->version > version);
		version = table->version;
		take(table, &given.report);
		assert_int_equal(table->version, version);
	}
	region_table_begin_report(table, 4);
	region_table_end_report(table, 4); /* it does not lead the region any more */
	assert_true(table->version > version);
	version = table->version;
	region_table_remove(table, 9);
	assert_true(table->version > version);
	table_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_report_is_kept),
		cmocka_unit_test(the_later_report_counts),
		cmocka_unit_test(malformed_reports_are_refused),
		cmocka_unit_test(a_full_report_names_all),
		cmocka_unit_test(stores_that_are_gone_make_room),
		cmocka_unit_test(sums_are_those_of_a_recount),
		cmocka_unit_test(what_is_told_again_is_no_change),
		cmocka_unit_test(a_region_takes_few_bytes),
	};

#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
