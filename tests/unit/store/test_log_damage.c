/*
 * What recovery makes of a log whose bytes were changed: torn tails at every length, every kind of record damaged,
 * remains of earlier lives of a file, damage below valid batches and who is told of it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "store/log/batch.h"
#include "store/log/raft_log_engine.h"
#include "tests/lib/sim_env.h"
#include "tests/lib/test.h"

#define SEGMENT_SIZE (64u << 10)
#define FIRST_FILE   "/log/0000000000000001.log"

struct fixture {
	struct sim_world *world;
	struct sim_node *node;
	struct env *env;
	struct env_loop *loop;
	struct log_engine *engine;
	struct log_engine_options options;
	struct status status; /* of the last open */
	uint64_t damaged[8];
	size_t damaged_count;
};

static void on_damage(void *argument, uint64_t region)
{
	struct fixture *fixture = argument;

	check(fixture->damaged_count < 8);
	fixture->damaged[fixture->damaged_count++] = region;
}

static int open_log(struct fixture *fixture)
{
	fixture->status = (struct status){0};
	fixture->damaged_count = 0;
	return raft_log_engine_open(&fixture->options, &fixture->engine, &fixture->status);
}

static void open_well(struct fixture *fixture)
{
	if (open_log(fixture) < 0)
		fail_msg("%s", fixture->status.text);
}

static void close_log(struct fixture *fixture)
{
	fixture->engine->ops->close(fixture->engine);
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	check(fixture != NULL);
	fixture->world = sim_world_new(1);
	fixture->node = sim_node_new(fixture->world, "store");
	fixture->env = sim_node_start(fixture->node);
	check(env_loop_new(fixture->env, "test", &fixture->loop) == 0);
	check(env_loop_start(fixture->loop) == 0);
	fixture->options = (struct log_engine_options){
		.env = fixture->env,
		.path = "/log",
		.segment_size = SEGMENT_SIZE,
		.cache_size = 4096,
		.batch_size_max = 32 << 10,
		.argument = fixture,
	};
	open_well(fixture);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	sim_world_free(fixture->world);
	free(fixture);
	return 0;
}

/* ---- Writing ---------------------------------------------------------------------------------------------------- */

struct request {
	struct log_write write;
	bool is_done;
	int status;
};

static void request_done(struct log_write *write, int status)
{
	struct request *request = container_of(write, struct request, write);

	request->is_done = true;
	request->status = status;
}

static bool is_done(void *argument)
{
	return *(bool *)argument;
}

static int run(struct fixture *fixture, struct log_write write)
{
	struct request request = {.write = write};

	request.write.loop = fixture->loop;
	request.write.done = request_done;
	fixture->engine->ops->write(fixture->engine, &request.write);
	check(sim_run(fixture->world, 10 * (uint64_t)SIM_S, is_done, &request.is_done));
	return request.status;
}

/* One entry, alone in its batch. */
static void append(struct fixture *fixture, uint64_t region, uint64_t index, uint64_t term, size_t size)
{
	struct raft_entry entry = {.index = index, .term = term, .data = buf_new(size)};

	check(entry.data != NULL);
	memset(entry.data->data, (int)(index + term), size);
	assert_int_equal(
		run(fixture, (struct log_write){.region = region, .entries = &entry, .entry_count = 1}), 0);
	buf_unref(entry.data);
}

static void expect_last(struct fixture *fixture, uint64_t region, uint64_t last)
{
	uint64_t first_index, last_index;
	struct raft_entries entries = {0};

	assert_int_equal(fixture->engine->ops->bounds(fixture->engine, region, &first_index, &last_index), 0);
	assert_int_equal(last_index, last);
	assert_int_equal(fixture->engine->ops->entries(fixture->engine, region, first_index, last_index + 1,
				 RAFT_NO_LIMIT, false, &entries),
		0);
	for (size_t i = 0; i < entries.count; i++) {
		const struct raft_entry *entry = &entries.items[i];

		assert_int_equal(((uint8_t *)entry->data->data)[0], (uint8_t)(entry->index + entry->term));
	}
	raft_entries_close(&entries);
}

/* ---- Changing bytes --------------------------------------------------------------------------------------------- */

static void file_read(struct fixture *fixture, const char *path, uint64_t offset, void *bytes, size_t size)
{
	struct env_file *file;

	check(env_file_open(fixture->env, path, ENV_OPEN_READ, &file) == 0);
	check(env_file_read(file, offset, bytes, size) == 0);
	env_file_close(file);
}

static void file_write(
	struct fixture *fixture, const char *path, uint64_t offset, const void *bytes, size_t size)
{
	struct env_file *file;

	check(env_file_open(fixture->env, path, ENV_OPEN_WRITE, &file) == 0);
	check(env_file_write(file, offset, bytes, size) == 0);
	env_file_close(file);
}

static void flip(struct fixture *fixture, const char *path, uint64_t offset)
{
	uint8_t byte;

	file_read(fixture, path, offset, &byte, 1);
	byte ^= 0x10;
	file_write(fixture, path, offset, &byte, 1);
}

/* ---- Tests ------------------------------------------------------------------------------------------------------ */

/* The last batch, cut at each of its bytes, goes as a whole; what was before it stays, and the log goes on. */
static void a_tail_torn_at_any_byte_is_cut(void **state)
{
	struct fixture *fixture = *state;
	static uint8_t whole[SEGMENT_SIZE], torn[SEGMENT_SIZE];
	const uint64_t begin = 4096, size = 8192;

	append(fixture, 1, 1, 1, 1000);
	append(fixture, 1, 2, 1, 5000);
	close_log(fixture);
	file_read(fixture, FIRST_FILE, 0, whole, sizeof(whole));
	for (uint64_t cut = 0; cut <= size; cut++) {
		bool is_whole = true;

		memcpy(torn, whole, sizeof(torn));
		for (uint64_t i = begin + cut; i < begin + size; i++) {
			is_whole = is_whole && torn[i] == 0;
			torn[i] = 0;
		}
		file_write(fixture, FIRST_FILE, 0, torn, sizeof(torn));
		open_well(fixture);
		expect_last(fixture, 1, is_whole ? 2 : 1);
		if (cut % 512 == 0) {
			append(fixture, 1, is_whole ? 3 : 2, 2, 100);
			close_log(fixture);
			open_well(fixture);
			expect_last(fixture, 1, is_whole ? 3 : 2);
		}
		close_log(fixture);
	}
}

/* Each byte of a batch of every kind of record, with one bit flipped: as the last batch it is cut, with another after
 * it the log is refused, or its regions are named. */
static void damage_to_any_kind_of_record_is_seen(void **state)
{
	struct fixture *fixture = *state;
	struct raft_entry entry = {.index = 2, .term = 1, .data = buf_copy("data", 4)};
	struct slice beside = slice_of("beside", 6);
	struct raft_hard_state hard_state = {.term = 1, .vote = 2, .commit = 1};
	struct log_mark mark = {"mark", slice_of("value", 5)};
	const uint64_t size = LOG_BATCH_HEADER_SIZE + 5 * LOG_RECORD_HEADER_SIZE + 10 + 8 + 9;

	entry.index = 11;
	assert_int_equal(run(fixture, (struct log_write){.region = 9,
					      .destroy = true,
					      .reset_index = 10,
					      .reset_term = 1,
					      .entries = &entry,
					      .entry_count = 1,
					      .beside = &beside,
					      .hard_state = &hard_state,
					      .marks = &mark,
					      .mark_count = 1}),
		0);
	buf_unref(entry.data);
	close_log(fixture);
	for (int round = 0; round < 2; round++) {
		for (uint64_t offset = 0; offset < size; offset++) {
			static uint8_t before[SEGMENT_SIZE];
			uint64_t first, last;

			file_read(fixture, FIRST_FILE, 0, before, sizeof(before));
			flip(fixture, FIRST_FILE, offset);
			if (round == 0) {
				open_well(fixture);
				assert_int_equal(
					fixture->engine->ops->bounds(fixture->engine, 9, &first, &last),
					STATUS_NOT_FOUND);
				close_log(fixture);
			} else {
				assert_int_equal(open_log(fixture), STATUS_CORRUPT);
				assert_non_null(strstr(fixture->status.text, FIRST_FILE));
				assert_non_null(strstr(fixture->status.text, "offset 0 "));
				fixture->options.damaged = on_damage;
				open_well(fixture);
				fixture->options.damaged = NULL;
				assert_in_range(fixture->damaged_count, 1, 2);
				close_log(fixture);
			}
			file_write(fixture, FIRST_FILE, 0, before, sizeof(before));
		}
		open_well(fixture);
		append(fixture, 8, 1, 1, 10);
		close_log(fixture);
	}
}

/* The regions of a damaged batch are told from its sound headers; the others are whole. */
static void damaged_regions_are_named_until_destroyed(void **state)
{
	struct fixture *fixture = *state;
	struct raft_hard_state hard_state = {.term = 5, .vote = 1, .commit = 0};
	uint64_t first, last;

	append(fixture, 1, 1, 1, 100);
	append(fixture, 2, 1, 1, 100);
	append(fixture, 2, 2, 1, 100);
	append(fixture, 1, 2, 1, 100);
	close_log(fixture);
	/* In the data of region 2's first entry. */
	flip(fixture, FIRST_FILE, 4096 + LOG_BATCH_HEADER_SIZE + LOG_RECORD_HEADER_SIZE + 50);
	assert_int_equal(open_log(fixture), STATUS_CORRUPT);
	assert_non_null(strstr(fixture->status.text, "offset 4096 "));
	assert_non_null(strstr(fixture->status.text, "of region 2"));
	fixture->options.damaged = on_damage;
	for (int round = 0; round < 2; round++) {
		open_well(fixture);
		assert_int_equal(fixture->damaged_count, 1);
		assert_int_equal(fixture->damaged[0], 2);
		expect_last(fixture, 1, 2);
		assert_int_equal(
			fixture->engine->ops->bounds(fixture->engine, 2, &first, &last), STATUS_CORRUPT);
		assert_int_equal(run(fixture, (struct log_write){.region = 2, .hard_state = &hard_state}),
			STATUS_CORRUPT);
		close_log(fixture);
	}
	open_well(fixture);
	assert_int_equal(run(fixture,
				 (struct log_write){
					 .region = 2,
					 .destroy = true,
					 .reset_index = 7,
					 .reset_term = 1,
				 }),
		0);
	append(fixture, 2, 8, 1, 100);
	close_log(fixture);
	open_well(fixture);
	assert_int_equal(fixture->damaged_count, 0);
	expect_last(fixture, 2, 8);
	expect_last(fixture, 1, 2);
	close_log(fixture);
}

/* A batch whose beginning is gone says nothing of its regions: all are suspect but those destroyed later. */
static void lost_headers_damage_all_regions(void **state)
{
	struct fixture *fixture = *state;
	static const uint8_t zeroes[4096];

	append(fixture, 1, 1, 1, 100);
	append(fixture, 2, 1, 1, 100);
	append(fixture, 3, 1, 1, 100);
	append(fixture, 4, 1, 1, 100);
	assert_int_equal(run(fixture, (struct log_write){.region = 3, .destroy = true, .reset_index = 5}), 0);
	close_log(fixture);
	file_write(fixture, FIRST_FILE, 4096, zeroes, sizeof(zeroes));
	assert_int_equal(open_log(fixture), STATUS_CORRUPT);
	assert_non_null(strstr(fixture->status.text, "not known"));
	fixture->options.damaged = on_damage;
	open_well(fixture);
	assert_int_equal(fixture->damaged_count, 3);
	assert_true(fixture->damaged[0] == LOG_REGION_ANY);
	assert_int_equal(fixture->damaged[1] + fixture->damaged[2], 1 + 4);
	close_log(fixture);
}

/* A recycled file is full of sound batches of its earlier life, which must not come back. */
static void batches_of_an_earlier_life_are_ignored(void **state)
{
	struct fixture *fixture = *state;
	static uint8_t old[SEGMENT_SIZE];

	for (uint64_t index = 1; index <= 10; index++)
		append(fixture, 1, index, 1, 3000);
	close_log(fixture);
	file_read(fixture, FIRST_FILE, 0, old, sizeof(old));
	/* The spare becomes what the first was, and so does all that follows the end of the first. */
	file_write(fixture, "/log/0000000000000002.log", 0, old, sizeof(old));
	file_write(fixture, FIRST_FILE, 40960, old, sizeof(old) - 40960);
	open_well(fixture);
	expect_last(fixture, 1, 10);
	append(fixture, 1, 11, 1, 3000);
	close_log(fixture);
	open_well(fixture);
	expect_last(fixture, 1, 11);
	close_log(fixture);
}

static void a_missing_segment_is_seen(void **state)
{
	struct fixture *fixture = *state;

	for (uint64_t index = 1; index <= 40; index++)
		append(fixture, 1, index, 1, 8000);
	close_log(fixture);
	check(env_rename(fixture->env, FIRST_FILE, "/elsewhere") == 0);
	assert_int_equal(open_log(fixture), STATUS_CORRUPT);
	assert_non_null(strstr(fixture->status.text, "missing"));
	check(env_rename(fixture->env, "/elsewhere", FIRST_FILE) == 0);
	check(env_rename(fixture->env, "/log/0000000000000003.log", "/elsewhere") == 0);
	assert_int_equal(open_log(fixture), STATUS_CORRUPT);
	assert_non_null(strstr(fixture->status.text, "missing"));
}

/* An entry that rots after the start is an error of its read, and reclaim does not carry it on. */
static void rot_is_never_returned(void **state)
{
	struct fixture *fixture = *state;
	struct raft_entries entries = {0};

	for (uint64_t index = 1; index <= 3; index++)
		append(fixture, 1, index, 1, 3000);
	flip(fixture, FIRST_FILE, 4096 + 1000);
	assert_int_equal(
		fixture->engine->ops->entries(fixture->engine, 1, 1, 2, RAFT_NO_LIMIT, false, &entries), 0);
	assert_int_equal(
		fixture->engine->ops->entries(fixture->engine, 1, 1, 4, RAFT_NO_LIMIT, false, &entries),
		STATUS_CORRUPT);
	assert_int_equal(entries.count, 1);
	raft_entries_close(&entries);
	close_log(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_tail_torn_at_any_byte_is_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(damage_to_any_kind_of_record_is_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged_regions_are_named_until_destroyed, setup, teardown),
		cmocka_unit_test_setup_teardown(lost_headers_damage_all_regions, setup, teardown),
		cmocka_unit_test_setup_teardown(batches_of_an_earlier_life_are_ignored, setup, teardown),
		cmocka_unit_test_setup_teardown(a_missing_segment_is_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(rot_is_never_returned, setup, teardown),
	};

	return cmocka_run_group_tests_name("log_engine: damage", tests, NULL, NULL);
}
