/* Large bytes of an entry: the extents they get, what the log record says of them, and giving them back. */
#include "store/rows/payload.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/env_uv.h"
#include "proto/status.h"
#include "tests/lib/test.h"

#define FILE_SIZE (2u << 20) /* 16 chunks of 32 units: larger payloads are in parts */
#define UNITS	  80u

struct fixture {
	struct env *env;
	struct env_loop *loop;
	char directory[128];
	char path[160];
	struct blocks *blocks;
	sem_t written;
};

static void on_failed(void *argument, int status, const char *sentence)
{
	(void)argument;
	(void)status;
	fprintf(stderr, "the block store failed: %s\n", sentence);
	abort();
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	const struct env_uv_options env = {.worker_threads = 1, .io_threads = 2};

	test_directory_make(fixture->directory, sizeof fixture->directory);
	snprintf(fixture->path, sizeof fixture->path, "%s/blocks", fixture->directory);
	assert_int_equal(env_uv_new(&env, &fixture->env, NULL), 0);
	assert_int_equal(env_loop_new(fixture->env, "test", &fixture->loop), 0);
	assert_int_equal(env_loop_start(fixture->loop), 0);
	assert_int_equal(blocks_open(
				 &(struct blocks_options){
					 .env = fixture->env,
					 .path = fixture->path,
					 .file_size = FILE_SIZE,
					 .failed = on_failed,
				 },
				 &fixture->blocks, NULL),
		0);
	blocks_start(fixture->blocks);
	sem_init(&fixture->written, 0, 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	blocks_close(fixture->blocks);
	env_loop_stop(fixture->loop);
	env_loop_free(fixture->loop);
	env_uv_free(fixture->env);
	test_directory_remove(fixture->directory);
	free(fixture);
	return 0;
}

static uint64_t used_units(struct fixture *fixture)
{
	struct blocks_stats stats;

	blocks_stats(fixture->blocks, &stats);
	return stats.used_units;
}

static void on_written(struct payload *payload)
{
	sem_post(&((struct fixture *)payload->owner)->written);
}

static void what_is_written_is_named_by_the_record(void **state)
{
	struct fixture *fixture = *state;
	struct buf *bytes = buf_new(UNITS * BLOCK_UNIT_SIZE);
	char *got = malloc(UNITS * BLOCK_UNIT_SIZE);
	struct payload *payload, *again;
	struct block_extent *extents;
	uint32_t at = 0;

	for (size_t i = 0; i < bytes->size; i++)
		((uint8_t *)bytes->data)[i] = (uint8_t)(i * 31 + i / 4096);
	assert_int_equal(payload_new(fixture->blocks, BLOCKS_NEW, UNITS, &payload), 0);
	assert_true(payload->part_count > 1);
	payload_write(payload, fixture->blocks, bytes, fixture->loop, on_written, fixture);
	sem_wait(&fixture->written);
	assert_true(payload->is_written);

	assert_int_equal(payload_decode(buf_slice(payload->beside), &again), 0);
	assert_true(again->is_written);
	assert_int_equal(again->units, UNITS);
	extents = payload_extents(again);
	for (uint32_t i = 0; i < again->part_count; i++) {
		assert_int_equal(blocks_read_now(fixture->blocks, extents[i], 0, got + at * BLOCK_UNIT_SIZE,
					 extents[i].count),
			0);
		at += extents[i].count;
	}
	assert_int_equal(at, UNITS);
	assert_memory_equal(got, bytes->data, bytes->size);
	free(extents);
	free(got);
	buf_unref(bytes);
	payload_free(again);
	payload_release(payload, fixture->blocks, 1);
	blocks_release(fixture->blocks, 1);
	assert_int_equal(used_units(fixture), 0);
}

static void a_cancelled_one_gives_all_back(void **state)
{
	struct fixture *fixture = *state;
	struct payload *payload;

	assert_int_equal(payload_new(fixture->blocks, BLOCKS_NEW, UNITS, &payload), 0);
	assert_int_equal(used_units(fixture), UNITS);
	payload_cancel(payload, fixture->blocks);
	assert_int_equal(used_units(fixture), 0);
}

/* Every unit of a reserve is given once. */
static void a_reserve_is_taken_in_pieces(void **state)
{
	struct fixture *fixture = *state;
	struct block_extent extents[UNITS];
	bool *is_taken = calloc(FILE_SIZE, 1);
	struct payload *payload;

	assert_int_equal(payload_reserve(fixture->blocks, BLOCKS_NEW, UNITS, &payload), 0);
	assert_null(payload->beside);
	assert_false(payload_take(payload, UNITS + 1, extents));
	for (uint32_t want = 1, taken = 0; taken < UNITS; taken += want, want = want % 7 + 1) {
		uint32_t got = 0;

		want = want > UNITS - taken ? UNITS - taken : want;
		assert_true(payload_take(payload, want, extents));
		for (uint32_t i = 0; got < want; i++) {
			for (uint32_t k = 0; k < extents[i].count; k++) {
				assert_false(is_taken[extents[i].address + k]);
				is_taken[extents[i].address + k] = true;
			}
			got += extents[i].count;
		}
		assert_int_equal(got, want);
	}
	assert_false(payload_take(payload, 1, extents));
	assert_int_equal(used_units(fixture), UNITS); /* they are whose who took them */
	payload_cancel(payload, fixture->blocks);
	assert_int_equal(used_units(fixture), UNITS);
	free(is_taken);
}

static void bad_records_are_refused(void **state)
{
	static const uint8_t good[] = {1, 2, 5, 3, 100, 4}; /* version, parts, (address, count)… */
	static const uint8_t bad[][sizeof good] = {
		{2, 2, 5, 3, 100, 4}, /* another version */
		{1, 0, 5, 3, 100, 4}, /* no parts */
		{1, 1, 5, 3, 100, 4}, /* something behind them */
		{1, 3, 5, 3, 100, 4}, /* fewer than it says */
		{1, 2, 5, 0, 100, 4}, /* an empty part */
	};
	static const uint8_t large[] = {
		1, 2, 5, 0xff, 0xff, 0xff, 0xff, 0x0f, 100, 4}; /* units past 32 bits */
	struct payload *payload;

	(void)state;
	assert_int_equal(payload_decode(slice_of(good, sizeof good), &payload), 0);
	assert_int_equal(payload->units, 7);
	payload_free(payload);
	for (size_t size = 0; size < sizeof good; size++)
		assert_int_equal(payload_decode(slice_of(good, size), &payload), STATUS_CORRUPT);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(payload_decode(slice_of(bad[i], sizeof good), &payload), STATUS_CORRUPT);
	assert_int_equal(payload_decode(slice_of(large, sizeof large), &payload), STATUS_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_written_is_named_by_the_record, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_cancelled_one_gives_all_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_reserve_is_taken_in_pieces, set_up, tear_down),
		cmocka_unit_test(bad_records_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
