#include "tests/lib/sim_replica.h"

#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "store/disk/checksum.h"
#include "store/rows/extents.h"
#include "store/rows/keys.h"
#include "store/peer/store.h"
#include "store/raftkv.h"
#include "tests/lib/test.h"

#define PATIENCE_S                                                                                           \
	600 /* a network that loses chunks breaks many a snapshot, and the pauses between two grow */

struct walk {
	struct raftkv *raftkv;
	struct sim_replica replica;
	uint64_t *addresses;
	size_t address_count;
};

static void add(struct walk *walk, const void *bytes, size_t size)
{
	walk->replica.digest = checksum_of(bytes, size, walk->replica.digest);
}

static void add_unit(struct walk *walk, uint64_t place, const struct extent_unit *unit)
{
	struct block_extent extent = {unit->address, 1};
	uint8_t bytes[BLOCK_UNIT_SIZE] __attribute__((aligned(4096)));
	uint64_t logical[] = {place, unit->region, unit->index};

	assert_int_equal(blocks_read_now(walk->raftkv->engines.blocks, extent, 0, bytes, 1), 0);
	assert_int_equal(blocks_checksum(bytes), unit->checksum);
	add(walk, logical, sizeof logical);
	add(walk, bytes, sizeof bytes);
	walk->addresses = realloc(walk->addresses, (walk->address_count + 1) * sizeof *walk->addresses);
	check(walk->addresses);
	walk->addresses[walk->address_count++] = unit->address;
	walk->replica.unit_count++;
}

static void add_row(struct walk *walk, struct slice key, struct slice value)
{
	struct extent_row row;

	walk->replica.row_count++;
	add(walk, key.data, key.size);
	if (!key_is_of_extents(key)) {
		add(walk, value.data, value.size);
		return;
	}
	assert_int_equal(extent_row_decode(value, &row), 0);
	for (uint32_t i = 0; i < EXTENT_ROW_UNITS; i++)
		if (row.units[i].address != EXTENT_HOLE)
			add_unit(walk, i, &row.units[i]);
}

static int compare_addresses(const void *a, const void *b)
{
	const uint64_t *one = a, *other = b;

	return *one < *other ? -1 : *one > *other;
}

static void check_addresses(const struct walk *walk)
{
	if (walk->address_count > 0)
		qsort(walk->addresses, walk->address_count, sizeof *walk->addresses, compare_addresses);
	for (size_t i = 1; i < walk->address_count; i++)
		assert_int_not_equal(walk->addresses[i - 1], walk->addresses[i]);
}

struct sim_replica sim_replica_read(struct sim_cluster *cluster, uint32_t store)
{
	struct walk walk = {.raftkv = sim_cluster_store(cluster, store)->raftkv};
	struct kv_engine *kv = walk.raftkv->engines.kv;
	struct kv_iterator *rows;
	struct key low;
	int status;

	key_row(&low, 0, KEY_LOCAL, (struct slice){0}); /* behind the regions' own states */
	assert_int_equal(
		kv->ops->iterator_new(kv, NULL, KV_TIER_ALL, key_slice(&low), (struct slice){0}, &rows), 0);
	for (status = kv->ops->seek(rows, key_slice(&low)); status == 0; status = kv->ops->next(rows)) {
		struct slice key, value;

		kv->ops->row(rows, &key, &value);
		add_row(&walk, key, value);
	}
	assert_int_equal(status, STATUS_NOT_FOUND);
	kv->ops->iterator_free(kv, rows);
	check_addresses(&walk);
	free(walk.addresses);
	return walk.replica;
}

static bool has_all(struct sim_cluster *cluster, uint32_t store, uint64_t index)
{
	struct raftkv_region_status status;

	return sim_cluster_status_at(cluster, store, &status) == 0 && status.applied >= index;
}

static void await(struct sim_cluster *cluster, uint32_t store, uint64_t index)
{
	for (int i = 0; i < PATIENCE_S && !has_all(cluster, store, index); i++)
		sim_cluster_run(cluster, SIM_S);
	if (!has_all(cluster, store, index))
		fail_msg("store %u does not catch up", store);
}

static void check_account(struct sim_cluster *cluster, uint32_t store, const struct sim_replica *replica)
{
	struct blocks_stats stats;

	blocks_stats(sim_cluster_store(cluster, store)->raftkv->engines.blocks, &stats);
	if (stats.used_units - stats.waiting_units != replica->unit_count)
		fail_msg("store %u: %llu units are in use, rows name %llu", store,
			(unsigned long long)(stats.used_units - stats.waiting_units),
			(unsigned long long)replica->unit_count);
}

void sim_replicas_compare(struct sim_cluster *cluster, const uint32_t *stores)
{
	struct raftkv_region_status leader;
	struct sim_replica first = {0};

	assert_int_equal(sim_cluster_status_at(cluster, sim_cluster_await_leader(cluster), &leader), 0);
	for (const uint32_t *store = stores; *store > 0; store++)
		await(cluster, *store, leader.commit);
	sim_cluster_run(cluster, 3 * (uint64_t)SIM_S);
	for (const uint32_t *store = stores; *store > 0; store++) {
		struct sim_replica replica = sim_replica_read(cluster, *store);

		if (store == stores)
			first = replica;
		assert_int_equal(replica.row_count, first.row_count);
		assert_int_equal(replica.unit_count, first.unit_count);
		assert_true(replica.digest == first.digest);
		check_account(cluster, *store, &replica);
	}
}
