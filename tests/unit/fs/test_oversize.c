/*
 * fs/server/oversize: a simulated store whose region grows past a limit: where it is to be split, what is told of one that
 * cannot be, that the halves of one that was split are read at once, and those of one that somebody else has split although
 * nothing is written.
 */
#include "fs/regions/oversize.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/eval/eval.h"
#include "fs/regions/region_sizes.h"
#include "fs/schema/op.h"
#include "fs/schema/split_key.h"
#include "proto/check.h"
#include "proto/container.h"
#include "tests/lib/sim_cluster.h"
#include "tests/lib/test.h"

#define PATIENCE (60 * (uint64_t)SIM_S)
#define LIMIT	 UINT64_C(20000) /* bytes */
#define FILES	 60u /* files in each directory; with their names they are over the limit in two of them */
#define ROUND	 (3 * OVERSIZE_PERIOD_MS * (uint64_t)SIM_MS)

struct stage {
	struct sim_cluster cluster;
	struct oversize *oversize;
	bool is_stopped;
	struct raftkv_write write;
	struct op_reply reply;
	bool is_done;
};

static void stage_start(struct stage *stage, uint64_t limit)
{
	struct sim_store *store = &stage->cluster.stores[0];

	stage->oversize = oversize_new(&(struct oversize_options){
		.loop = store->caller, .raftkv = store->raftkv, .logger = &store->logger, .limit = limit});
	assert_non_null(stage->oversize);
	oversize_start(stage->oversize);
}

static void on_stopped(void *argument)
{
	((struct stage *)argument)->is_stopped = true;
}

static bool is_stopped(void *argument)
{
	return ((const struct stage *)argument)->is_stopped;
}

static void stage_end_oversize(struct stage *stage)
{
	stage->is_stopped = false;
	oversize_stop(stage->oversize, on_stopped, stage);
	assert_true(sim_run(stage->cluster.world, PATIENCE, is_stopped, stage));
	oversize_free(stage->oversize);
}

static void stage_free(struct stage *stage)
{
	stage_end_oversize(stage);
	sim_store_stop(&stage->cluster.stores[0]);
	sim_cluster_close(&stage->cluster);
	free(stage);
}

/* ---- Files ---- */

static void on_written(struct raftkv_write *write, int status, struct buf *bytes)
{
	struct stage *stage = container_of(write, struct stage, write);

	check(status == 0 && op_reply_decode(buf_slice(bytes), &stage->reply) == 0);
	stage->is_done = true;
}

static bool is_done(void *argument)
{
	return ((const struct stage *)argument)->is_done;
}

/* Takes the payload, which may be NULL. */
static uint64_t run_with(struct stage *stage, const struct op *op, struct buf *payload)
{
	struct sim_store *store = &stage->cluster.stores[0];

	stage->is_done = false;
	stage->write = (struct raftkv_write){
		.region = CLUSTER_REGION, .payload = payload, .loop = store->caller, .done = on_written};
	assert_int_equal(op_encode(op, &stage->write.body), 0);
	raftkv_async_write(store->raftkv, &stage->write);
	assert_true(sim_run(stage->cluster.world, PATIENCE, is_done, stage));
	buf_unref(stage->write.body);
	buf_unref(payload);
	assert_int_equal(stage->reply.error, 0);
	return stage->reply.attributes.ino;
}

static uint64_t run(struct stage *stage, const struct op *op)
{
	return run_with(stage, op, NULL);
}

static uint64_t make(struct stage *stage, uint64_t parent, const char *name, uint32_t mode)
{
	const struct op op = {.kind = OP_MAKE,
		.make = {.parent = parent,
			.name = slice_of(name, strlen(name)),
			.mode = mode,
			.exclusive = true}};

	return run(stage, &op);
}

static void fill(struct stage *stage, uint64_t directory)
{
	char name[200];

	for (uint32_t i = 0; i < FILES; i++) {
		snprintf(name, sizeof name, "a-name-of-some-length-so-that-few-files-do-%0100u", i);
		make(stage, directory, name, S_IFREG | 0644);
	}
}

static struct stage *stage_new(void)
{
	const struct op format = {.kind = OP_FORMAT, .format.mode = 0755};
	struct stage *stage = calloc(1, sizeof *stage);

	assert_non_null(stage);
	sim_cluster_init(&stage->cluster, 3, 1, 0);
	stage->cluster.stores[0].options.evaluator = eval_evaluator();
	sim_cluster_open(&stage->cluster, 1);
	sim_cluster_await_leader(&stage->cluster);
	run(stage, &format);
	return stage;
}

/* ---- Tests ---- */

static int compare_numbers(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

	return (one > other) - (one < other);
}

/* Makes four directories that have about as much each; their dirids in order. */
static void make_four(struct stage *stage, uint64_t dirids[4])
{
	for (uint32_t i = 0; i < 4; i++) {
		char name[2] = {(char)('a' + i), '\0'};
		uint64_t directory = make(stage, FS_ROOT_INO, name, S_IFDIR | 0755);

		fill(stage, directory);
		dirids[i] = fs_ino_dirid(directory);
	}
	qsort(dirids, 4, sizeof *dirids, compare_numbers);
}

static void split(struct stage *stage, uint64_t region, uint64_t new_region, uint64_t dirid)
{
	struct fs_key key = fs_split_key_of_dirid(dirid);
	struct raftkv_split split = {
		.region = region, .new_region = new_region, .key = buf_copy(key.bytes, key.size)};

	assert_int_equal(sim_cluster_split_at(&stage->cluster, 1, &split), 0);
}

static void a_region_is_halved_between_directories(void **state)
{
	struct stage *stage = stage_new();
	uint64_t dirids[4];

	(void)state;
	make_four(stage, dirids);
	stage_start(stage, LIMIT);
	sim_cluster_run(&stage->cluster, OVERSIZE_PERIOD_MS * (uint64_t)SIM_MS + SIM_S);
	assert_int_equal(oversize_wish(stage->oversize).region, 1);
	assert_int_equal(oversize_wish(stage->oversize).dirid, dirids[2]);
	assert_true(oversize_wish(stage->oversize).size > LIMIT);
	assert_int_equal(oversize_stuck(stage->oversize).region, 0);
	stage_free(stage);
}

/* Each half is over the limit, too. */
static void the_halves_are_read_at_once(void **state)
{
	struct stage *stage = stage_new();
	uint64_t dirids[4];

	(void)state;
	make_four(stage, dirids);
	stage_start(stage, LIMIT);
	sim_cluster_run(&stage->cluster, OVERSIZE_PERIOD_MS * (uint64_t)SIM_MS + SIM_S);
	assert_int_equal(oversize_wish(stage->oversize).dirid, dirids[2]);
	split(stage, 1, 2, dirids[2]);
	sim_cluster_run(&stage->cluster, 5 * (uint64_t)SIM_S);
	assert_int_equal(oversize_wish(stage->oversize).region, 1);
	assert_int_equal(oversize_wish(stage->oversize).dirid, dirids[1]);
	split(stage, 1, 3, dirids[1]);
	sim_cluster_run(&stage->cluster, 5 * (uint64_t)SIM_S);
	assert_int_equal(oversize_wish(stage->oversize).region, 2);
	assert_int_equal(oversize_wish(stage->oversize).dirid, dirids[3]);
	assert_true(oversize_size(stage->oversize, 1) < LIMIT);
	assert_true(oversize_size(stage->oversize, 3) < LIMIT);
	stage_free(stage);
}

static void a_region_that_is_new_here_is_read(void **state)
{
	struct stage *stage = stage_new();
	uint64_t dirids[4], size;

	(void)state;
	make_four(stage, dirids);
	stage_start(stage, 100 * LIMIT);
	sim_cluster_run(&stage->cluster, ROUND);
	size = oversize_size(stage->oversize, 1);
	assert_true(size > LIMIT);
	split(stage, 1, 2, dirids[2]);
	sim_cluster_run(&stage->cluster, 2 * OVERSIZE_LOOK_MS * (uint64_t)SIM_MS);
	assert_in_range(oversize_size(stage->oversize, 2), size / 3, size * 2 / 3);
	sim_cluster_run(&stage->cluster, ROUND);
	assert_in_range(oversize_size(stage->oversize, 1), size / 3, size * 2 / 3);
	stage_free(stage);
}

static void one_large_directory_is_told(void **state)
{
	struct stage *stage = stage_new();
	uint64_t large = make(stage, FS_ROOT_INO, "large", S_IFDIR | 0755);

	(void)state;
	make(stage, FS_ROOT_INO, "small", S_IFDIR | 0755);
	for (uint32_t i = 0; i < 3; i++) {
		char name[2] = {(char)('a' + i), '\0'};

		make(stage, large, name, S_IFREG | 0644);
	}
	fill(stage, large);
	stage_start(stage, LIMIT / 2);
	sim_cluster_run(&stage->cluster, ROUND);
	assert_int_equal(oversize_wish(stage->oversize).region, 0);
	assert_true(oversize_size(stage->oversize, 1) > LIMIT / 2);
	assert_int_equal(oversize_size(stage->oversize, 1), oversize_stuck(stage->oversize).size);
	assert_int_equal(oversize_size(stage->oversize, 2), 0);
	assert_int_equal(oversize_stuck(stage->oversize).region, 1);
	assert_int_equal(oversize_stuck(stage->oversize).dirid, fs_ino_dirid(large));
	stage_free(stage);
}

/* That of a tiny file is in a row, that of others is not. */
static void the_data_of_files_counts(void **state)
{
	static const uint8_t zeroes[100000];
	struct stage *stage = stage_new();
	struct op op = {.kind = OP_WRITE};

	(void)state;
	op.write.ino = make(stage, FS_ROOT_INO, "tiny", S_IFREG | 0644);
	run_with(stage, &op, buf_copy(zeroes, 10000));
	op.write.ino = make(stage, FS_ROOT_INO, "large", S_IFREG | 0644);
	run_with(stage, &op, buf_copy(zeroes, sizeof zeroes));
	stage_start(stage, 100 * LIMIT);
	sim_cluster_run(&stage->cluster, ROUND);
	assert_in_range(oversize_size(stage->oversize, 1), 110000, 120000);
	stage_free(stage);
}

static void what_is_small_enough_stays(void **state)
{
	struct stage *stage = stage_new();

	(void)state;
	fill(stage, make(stage, FS_ROOT_INO, "a", S_IFDIR | 0755));
	stage_start(stage, 100 * LIMIT);
	sim_cluster_run(&stage->cluster, ROUND);
	assert_int_equal(oversize_wish(stage->oversize).region, 0);
	assert_int_equal(oversize_stuck(stage->oversize).region, 0);
	stage_end_oversize(stage);
	stage_start(stage, 0); /* no limit */
	sim_cluster_run(&stage->cluster, ROUND);
	assert_int_equal(oversize_wish(stage->oversize).region, 0);
	assert_int_equal(oversize_stuck(stage->oversize).region, 0);
	stage_free(stage);
}

static void sizes_are_those_that_were_set_last(void **state)
{
	struct region_sizes sizes = {0};
	uint64_t size, dirid;

	(void)state;
	assert_int_equal(region_sizes_find(&sizes, 1), 0);
	assert_int_equal(region_sizes_find_stuck(&sizes, &size, &dirid), 0);
	for (uint64_t region = 1; region <= 100; region++)
		assert_int_equal(region_sizes_set(&sizes, region, 1000 - region, region % 10), 0);
	assert_int_equal(region_sizes_find_stuck(&sizes, &size, &dirid), 1);
	assert_int_equal(size, 999);
	assert_int_equal(dirid, 1);
	assert_int_equal(region_sizes_set(&sizes, 1, 0, 0), 0);
	assert_int_equal(region_sizes_find(&sizes, 1), 1); /* it is known */
	assert_int_equal(region_sizes_find_stuck(&sizes, &size, &dirid), 2);
	region_sizes_remove(&sizes, 2);
	region_sizes_remove(&sizes, 2);
	assert_int_equal(region_sizes_find(&sizes, 2), 0);
	assert_int_equal(region_sizes_find_stuck(&sizes, &size, &dirid), 3);
	assert_int_equal(region_sizes_find(&sizes, 100), 900);
	region_sizes_close(&sizes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_region_is_halved_between_directories),
		cmocka_unit_test(the_halves_are_read_at_once),
		cmocka_unit_test(a_region_that_is_new_here_is_read),
		cmocka_unit_test(one_large_directory_is_told),
		cmocka_unit_test(the_data_of_files_counts),
		cmocka_unit_test(what_is_small_enough_stays),
		cmocka_unit_test(sizes_are_those_that_were_set_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
