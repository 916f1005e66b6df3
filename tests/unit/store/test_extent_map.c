/* Rows of extent maps against an array of units: edits, what they replace, encoding, and every byte damaged. */
#include "store/extent_map.h"

#include <stdlib.h>
#include <string.h>

#include "proto/status.h"
#include "tests/lib/test.h"

static uint64_t random_next(uint64_t *random)
{
	*random = *random * 6364136223846793005u + 1442695040888963407u;
	return *random >> 24;
}

/* Takes the replaced units away from the array: each must be there. */
struct replaced {
	uint64_t addresses[EXTENT_MAP_UNITS];
	uint32_t count;
};

static void on_replaced(void *argument, struct block_extent extent)
{
	struct replaced *replaced = argument;

	for (uint32_t i = 0; i < extent.count; i++)
		replaced->addresses[replaced->count++] = extent.address + i;
}

static void assert_replaced(
	const struct replaced *replaced, const struct extent_map_unit *model, uint32_t first, uint32_t count)
{
	uint32_t expected = 0;

	for (uint32_t i = first; i < first + count; i++)
		if (model[i].address)
			assert_int_equal(replaced->addresses[expected++], model[i].address);
	assert_int_equal(replaced->count, expected);
}

static void assert_same(const struct extent_map *map, const struct extent_map_unit *model)
{
	for (uint32_t i = 0; i < EXTENT_MAP_UNITS; i++) {
		assert_int_equal(map->units[i].address, model[i].address);
		assert_int_equal(map->units[i].checksum, model[i].checksum);
		assert_int_equal(map->units[i].origin.region, model[i].origin.region);
		assert_int_equal(map->units[i].origin.index, model[i].origin.index);
	}
}

static size_t assert_round_trip(const struct extent_map *map)
{
	uint8_t bytes[EXTENT_MAP_SIZE_MAX];
	struct extent_map again;
	size_t size = extent_map_encode(map, bytes);

	if (size > 0) {
		assert_int_equal(extent_map_decode(slice_of(bytes, size), &again), 0);
		assert_same(&again, map->units);
	}
	return size;
}

static void edit(struct extent_map *map, struct extent_map_unit *model, uint64_t *random)
{
	uint32_t first = (uint32_t)(random_next(random) % EXTENT_MAP_UNITS);
	uint32_t count = 1 + (uint32_t)(random_next(random) % (EXTENT_MAP_UNITS - first));
	struct extent_origin origin = {1 + random_next(random) % 3, random_next(random) % 1000000};
	struct block_extent extent = {1 + random_next(random) % (1u << 30), count};
	uint32_t checksums[EXTENT_MAP_UNITS];
	struct replaced replaced = {0};
	bool maps = random_next(random) % 4 != 0;

	for (uint32_t i = 0; i < count; i++)
		checksums[i] = (uint32_t)random_next(random);
	if (maps)
		extent_map_set(map, first, extent, origin, checksums, on_replaced, &replaced);
	else
		extent_map_unset(map, first, count, on_replaced, &replaced);
	assert_replaced(&replaced, model, first, count);
	for (uint32_t i = 0; i < count; i++)
		model[first + i] = maps ? (struct extent_map_unit){extent.address + i, origin, checksums[i]}
					: (struct extent_map_unit){0};
}

static void assert_runs(const struct extent_map *map, const struct extent_map_unit *model)
{
	struct extent_map_run run;

	for (uint32_t first = 0; first < EXTENT_MAP_UNITS; first += run.count) {
		run = extent_map_run_at(map, first);
		assert_int_equal(run.first, first);
		assert_int_equal(run.is_hole, model[first].address == 0);
		for (uint32_t i = 0; i < run.count && !run.is_hole; i++) {
			assert_int_equal(model[first + i].address, run.extent.address + i);
			assert_int_equal(model[first + i].origin.index, run.origin.index);
		}
		for (uint32_t i = 0; i < run.count && run.is_hole; i++)
			assert_int_equal(model[first + i].address, 0);
	}
}

static void test_random(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct extent_map_unit model[EXTENT_MAP_UNITS] = {0};
		struct extent_map map = {0};
		uint64_t random = seed;

		for (int i = 0; i < 60; i++) {
			edit(&map, model, &random);
			assert_same(&map, model);
			assert_runs(&map, model);
			assert_round_trip(&map);
		}
	}
}

/* What a random overwrite of 4 KiB adds: one row in which every unit lies elsewhere. On a disk of 4 TiB. */
static void test_sizes(void **state)
{
	struct extent_map map = {0};
	struct replaced replaced = {0};
	uint32_t checksums[EXTENT_MAP_UNITS] = {0};
	uint64_t random = 1;

	(void)state;
	assert_int_equal(assert_round_trip(&map), 0);
	extent_map_set(&map, 0, (struct block_extent){1u << 29, EXTENT_MAP_UNITS},
		(struct extent_origin){1000, 1000000000}, checksums, on_replaced, &replaced);
	assert_in_range(assert_round_trip(&map), 257, 275);
	for (uint32_t i = 0; i < EXTENT_MAP_UNITS; i++) {
		uint64_t address = 1 + random_next(&random) % (1u << 30);

		replaced.count = 0;
		extent_map_set(&map, i, (struct block_extent){address, 1},
			(struct extent_origin){1000, 1000000000 + random_next(&random) % 1000000}, checksums,
			on_replaced, &replaced);
	}
	assert_in_range(assert_round_trip(&map), 500, 1024);
	for (uint32_t i = 0; i < EXTENT_MAP_UNITS; i++) /* the largest there can be */
		map.units[i] = (struct extent_map_unit){
			i % 2 ? 1 : EXTENT_MAP_ADDRESS_MAX - 1,
			{i % 2 ? UINT64_MAX : UINT64_MAX / 2, i % 2 ? UINT64_MAX / 2 : UINT64_MAX},
			UINT32_MAX,
		};
	assert_in_range(assert_round_trip(&map), 1024, EXTENT_MAP_SIZE_MAX);
}

/* A damaged row is refused or, where the bytes say something else that is valid, decodes to just that. */
static void test_damage(void **state)
{
	struct extent_map_unit model[EXTENT_MAP_UNITS] = {0};
	uint8_t bytes[EXTENT_MAP_SIZE_MAX + 1], again[EXTENT_MAP_SIZE_MAX];
	struct extent_map map = {0}, damaged;
	uint64_t random = 99;
	size_t size;

	(void)state;
	for (int i = 0; i < 20; i++)
		edit(&map, model, &random);
	size = extent_map_encode(&map, bytes);
	for (size_t cut = 0; cut < size; cut++) {
		if (extent_map_decode(slice_of(bytes, cut), &damaged) == 0)
			assert_int_equal(extent_map_encode(&damaged, again), cut);
		else
			assert_int_equal(extent_map_decode(slice_of(bytes, cut), &damaged), STATUS_CORRUPT);
	}
	bytes[size] = 0;
	assert_int_equal(extent_map_decode(slice_of(bytes, size + 1), &damaged), STATUS_CORRUPT);
	for (size_t i = 0; i < size * 8; i++) {
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
		if (extent_map_decode(slice_of(bytes, size), &damaged) == 0) {
			assert_int_equal(extent_map_encode(&damaged, again), size);
			assert_memory_equal(again, bytes, size);
		}
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	bytes[0] = 2;
	assert_int_equal(extent_map_decode(slice_of(bytes, size), &damaged), STATUS_CORRUPT);
	assert_int_equal(extent_map_decode(slice_of(bytes, 0), &damaged), STATUS_CORRUPT);
	assert_int_equal(extent_map_decode(slice_of("\1", 1), &damaged), STATUS_CORRUPT); /* maps nothing */
}

static void test_keys(void **state)
{
	uint8_t low[EXTENT_MAP_KEY_SUFFIX], high[EXTENT_MAP_KEY_SUFFIX];
	uint64_t unit;

	(void)state;
	extent_map_key_suffix(255 * 64 + 63, low);
	extent_map_key_suffix(256 * 64, high);
	assert_true(memcmp(low, high, sizeof low) < 0);
	assert_int_equal(extent_map_key_unit(slice_of(low, sizeof low), &unit), 0);
	assert_int_equal(unit, 255 * 64);
	assert_int_equal(extent_map_key_unit(slice_of("short", 5), &unit), STATUS_CORRUPT);
	assert_int_equal(extent_map_key_unit(slice_of("\xff\0\0\0\0\0\0\0", 8), &unit), STATUS_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests_name("extent_map", tests, NULL, NULL);
}
