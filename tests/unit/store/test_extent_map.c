/* Rows of extent maps: every random row comes back from its bytes, stays small, and damage is refused. */
#include "store/rows/extent_map.h"

#include <stdbool.h>
#include <string.h>

#include "proto/status.h"
#include "tests/lib/test.h"

static uint64_t random_next(uint64_t *random)
{
	*random = *random * 6364136223846793005u + 1442695040888963407u;
	return *random >> 24;
}

static void assert_same(const struct extent_row *a, const struct extent_row *b)
{
	for (uint32_t i = 0; i < EXTENT_ROW_UNITS; i++) {
		assert_int_equal(a->units[i].address, b->units[i].address);
		assert_int_equal(a->units[i].region, b->units[i].region);
		assert_int_equal(a->units[i].index, b->units[i].index);
		assert_int_equal(a->units[i].checksum, b->units[i].checksum);
	}
}

/* The size of the encoded row. */
static size_t assert_round_trip(const struct extent_row *row)
{
	struct extent_row again;
	struct buf *bytes;
	size_t size = 0;

	assert_int_equal(extent_row_encode(row, &bytes), 0);
	if (bytes) {
		size = bytes->size;
		assert_int_equal(extent_row_decode(buf_slice(bytes), &again), 0);
		assert_same(&again, row);
	}
	buf_unref(bytes);
	return size;
}

/* Maps some units to one extent, or to nothing. */
static void edit(struct extent_row *row, uint64_t *random)
{
	uint32_t first = (uint32_t)(random_next(random) % EXTENT_ROW_UNITS);
	uint32_t count = 1 + (uint32_t)(random_next(random) % (EXTENT_ROW_UNITS - first));
	struct extent_unit unit = {
		.address = 1 + random_next(random) % (1u << 30),
		.region = 1 + random_next(random) % 3,
		.index = random_next(random) % 1000000,
	};
	bool maps = random_next(random) % 4 != 0;

	for (uint32_t i = first; i < first + count; i++, unit.address++) {
		unit.checksum = (uint32_t)random_next(random);
		row->units[i] = maps ? unit : (struct extent_unit){.address = EXTENT_HOLE};
	}
}

static void test_random(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct extent_row row;
		uint64_t random = seed;

		extent_row_clear(&row);
		for (int i = 0; i < 60; i++) {
			edit(&row, &random);
			assert_round_trip(&row);
		}
	}
}

/* What a random overwrite of 4 KiB adds: one row in which every unit lies elsewhere. On a disk of 4 TiB. */
static void test_sizes(void **state)
{
	struct extent_row row;
	uint64_t random = 1;

	(void)state;
	extent_row_clear(&row);
	assert_int_equal(assert_round_trip(&row), 0);
	for (uint32_t i = 0; i < EXTENT_ROW_UNITS; i++)
		row.units[i] = (struct extent_unit){(1u << 29) + i, 1000, 1000000000, i};
	assert_in_range(assert_round_trip(&row), 257, 275);
	for (uint32_t i = 0; i < EXTENT_ROW_UNITS; i++) {
		row.units[i].address = 1 + random_next(&random) % (1u << 30);
		row.units[i].index = 1000000000 + random_next(&random) % 1000000;
	}
	assert_in_range(assert_round_trip(&row), 500, 1024);
	for (uint32_t i = 0; i < EXTENT_ROW_UNITS; i++) /* the largest there can be */
		row.units[i] = (struct extent_unit){
			.address = i % 2 ? 1 : EXTENT_ADDRESS_MAX - 1,
			.region = i % 2 ? UINT64_MAX : UINT64_MAX / 2,
			.index = i % 2 ? UINT64_MAX / 2 : UINT64_MAX,
			.checksum = UINT32_MAX,
		};
	assert_in_range(assert_round_trip(&row), 1024, EXTENT_ROW_SIZE_MAX);
}

/* Refused; or, where the bytes say something else that is valid, just that. */
static void assert_refused_or_exact(const uint8_t *bytes, size_t size)
{
	struct extent_row row;
	struct buf *again;
	int status = extent_row_decode(slice_of(bytes, size), &row);

	if (status) {
		assert_int_equal(status, STATUS_CORRUPT);
		return;
	}
	assert_int_equal(extent_row_encode(&row, &again), 0);
	assert_int_equal(again->size, size);
	assert_memory_equal(again->data, bytes, size);
	buf_unref(again);
}

static void test_damage(void **state)
{
	uint8_t bytes[EXTENT_ROW_SIZE_MAX + 1];
	struct extent_row row, damaged;
	struct buf *encoded;
	uint64_t random = 99;
	size_t size;

	(void)state;
	extent_row_clear(&row);
	for (int i = 0; i < 20; i++)
		edit(&row, &random);
	assert_int_equal(extent_row_encode(&row, &encoded), 0);
	size = encoded->size;
	memcpy(bytes, encoded->data, size);
	buf_unref(encoded);
	for (size_t cut = 0; cut < size; cut++)
		assert_refused_or_exact(bytes, cut);
	for (size_t i = 0; i < size * 8; i++) {
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_refused_or_exact(bytes, size);
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	bytes[size] = 0;
	assert_int_equal(extent_row_decode(slice_of(bytes, size + 1), &damaged), STATUS_CORRUPT);
	bytes[0] = 2;
	assert_int_equal(extent_row_decode(slice_of(bytes, size), &damaged), STATUS_CORRUPT);
	assert_int_equal(extent_row_decode(slice_of(bytes, 0), &damaged), STATUS_CORRUPT);
	assert_int_equal(extent_row_decode(slice_of("\1", 1), &damaged), STATUS_CORRUPT); /* maps nothing */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests_name("extent_map", tests, NULL, NULL);
}
