/* Stages of snapshots: what was finished opens again, and nothing else does. */
#include "store/snapshot/snapshot_stage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/codec.h"
#include "store/rows/extents.h"
#include "store/rows/keys.h"
#include "store/peer/store.h"
#include "store/raftkv.h"
#include "tests/lib/sim_cluster.h"
#include "tests/lib/test.h"

#define STAGE 0x1234

struct fixture {
	struct sim_cluster cluster;
	struct raftkv *raftkv;
};

static void begin(struct fixture *fixture)
{
	sim_cluster_init(&fixture->cluster, 1, 1, 0);
	sim_cluster_open_all(&fixture->cluster);
	fixture->raftkv = sim_cluster_store(&fixture->cluster, 1)->raftkv;
}

static struct snapshot_position position_at(uint64_t index)
{
	const struct region_peer peer = {4, 1, REGION_VOTER};
	struct snapshot_position position = {.stage = STAGE, .replica = 4, .applied = {index, 6}};

	assert_int_equal(region_init(&position.region, 2, (struct slice){0}, (struct slice){0}, &peer, 1), 0);
	return position;
}

static void add_row(struct writer *writer, const char *key, const char *value)
{
	writer_slice(writer, slice_of(key, strlen(key)));
	writer_slice(writer, slice_of(value, strlen(value)));
}

/* A finished stage of some rows, closed. */
static void make(struct fixture *fixture, uint64_t index)
{
	struct snapshot_position position = position_at(index);
	struct snapshot_stage *stage;
	struct writer writer = writer_growing(1 << 20);

	assert_int_equal(snapshot_stage_new(&fixture->raftkv->engines, &position, &stage), 0);
	add_row(&writer, "a", "1");
	add_row(&writer, "b", "2");
	assert_int_equal(snapshot_stage_append(stage, writer_written(&writer)), 0);
	writer_close(&writer);
	writer = writer_growing(1 << 20);
	add_row(&writer, "c", "3");
	assert_int_equal(snapshot_stage_append(stage, writer_written(&writer)), 0);
	writer_close(&writer);
	assert_int_equal(snapshot_stage_finish(stage), 0);
	snapshot_stage_close(stage);
}

static int open_at(struct fixture *fixture, uint64_t index, struct snapshot_stage **stage)
{
	struct snapshot_position position = position_at(index);
	int status = snapshot_stage_open(&fixture->raftkv->engines, &position, stage);

	region_close(&position.region);
	return status;
}

static int gather(void *argument, struct slice key, struct slice value)
{
	char *text = argument;
	size_t length = strlen(text);

	snprintf(text + length, 64 - length, "%.*s=%.*s ", (int)key.size, (const char *)key.data,
		(int)value.size, (const char *)value.data);
	return 0;
}

static struct env_file *open_file(struct fixture *fixture)
{
	struct env_file *file;

	assert_int_equal(env_file_open(fixture->raftkv->engines.env, "/store/snap/0000000000001234",
				 ENV_OPEN_WRITE, &file),
		0);
	return file;
}

/* ---- Tests ------------------------------------------------------------------------------------------------------ */

static void rows_come_back(void **state)
{
	struct fixture fixture;
	struct snapshot_stage *stage;
	char text[64] = "";

	(void)state;
	begin(&fixture);
	make(&fixture, 50);
	assert_int_equal(open_at(&fixture, 50, &stage), 0);
	assert_int_equal(snapshot_stage_each(stage, gather, text), 0);
	assert_string_equal(text, "a=1 b=2 c=3 ");
	snapshot_stage_remove(stage);
	assert_int_equal(open_at(&fixture, 50, &stage), -ENOENT);
	sim_cluster_close(&fixture.cluster);
}

/* The file of an older snapshot, left under the name of the one that is meant. */
static void stage_of_another_snapshot_is_refused(void **state)
{
	struct fixture fixture;
	struct snapshot_stage *stage;

	(void)state;
	begin(&fixture);
	make(&fixture, 49);
	assert_int_equal(open_at(&fixture, 50, &stage), STATUS_CORRUPT);
	sim_cluster_close(&fixture.cluster);
}

static void no_byte_may_change(void **state)
{
	struct fixture fixture;
	struct snapshot_stage *stage;
	struct env_file *file;
	uint64_t size;

	(void)state;
	begin(&fixture);
	make(&fixture, 50);
	file = open_file(&fixture);
	assert_int_equal(env_file_size(file, &size), 0);
	for (uint64_t at = 0; at < size; at++) {
		uint8_t byte;

		assert_int_equal(env_file_read(file, at, &byte, 1), 0);
		byte ^= 1;
		assert_int_equal(env_file_write(file, at, &byte, 1), 0);
		assert_int_not_equal(open_at(&fixture, 50, &stage), 0);
		byte ^= 1;
		assert_int_equal(env_file_write(file, at, &byte, 1), 0);
	}
	assert_int_equal(open_at(&fixture, 50, &stage), 0);
	snapshot_stage_close(stage);
	for (uint64_t cut = size; cut-- > 0;) {
		assert_int_equal(env_file_truncate(file, cut), 0);
		assert_int_equal(open_at(&fixture, 50, &stage), STATUS_CORRUPT);
	}
	env_file_close(file);
	sim_cluster_close(&fixture.cluster);
}

/* What its rows name is free again. */
static void discarded_stage_gives_its_extents_back(void **state)
{
	struct fixture fixture;
	struct snapshot_position position = position_at(50);
	struct snapshot_stage *stage;
	struct writer writer = writer_growing(1 << 20);
	struct block_extent extent;
	struct blocks_stats stats;
	struct key prefix, key;
	struct extent_row row;
	struct buf *value;

	(void)state;
	begin(&fixture);
	assert_int_equal(blocks_allocate(fixture.raftkv->engines.blocks, BLOCKS_NEW, 2, &extent), 0);
	extent_row_clear(&row);
	row.units[3] = (struct extent_unit){.address = extent.address, .region = 1, .index = 9};
	row.units[9] = (struct extent_unit){.address = extent.address + 1, .region = 1, .index = 8};
	assert_int_equal(extent_row_encode(&row, &value), 0);
	key_object(&prefix, slice_of("object", 6));
	extent_row_key(&key, &prefix, 0);
	writer_slice(&writer, key_slice(&key));
	writer_slice(&writer, buf_slice(value));
	buf_unref(value);
	assert_int_equal(snapshot_stage_new(&fixture.raftkv->engines, &position, &stage), 0);
	assert_int_equal(snapshot_stage_append(stage, writer_written(&writer)), 0);
	writer_close(&writer);
	blocks_stats(fixture.raftkv->engines.blocks, &stats);
	assert_int_equal(stats.used_units, 2);
	snapshot_stage_discard(stage);
	blocks_stats(fixture.raftkv->engines.blocks, &stats);
	assert_int_equal(stats.used_units, 0);
	sim_cluster_close(&fixture.cluster);
}

static void folder_is_emptied(void **state)
{
	struct fixture fixture;
	struct snapshot_stage *stage;

	(void)state;
	begin(&fixture);
	make(&fixture, 50);
	assert_int_equal(snapshot_stage_remove_all(&fixture.raftkv->engines), 0);
	assert_int_equal(open_at(&fixture, 50, &stage), -ENOENT);
	sim_cluster_close(&fixture.cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_come_back),
		cmocka_unit_test(stage_of_another_snapshot_is_refused),
		cmocka_unit_test(no_byte_may_change),
		cmocka_unit_test(discarded_stage_gives_its_extents_back),
		cmocka_unit_test(folder_is_emptied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
