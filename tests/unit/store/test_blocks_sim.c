/*
 * The block store on simulated files, under crashes. A small store of objects plays its owner: it writes, frees,
 * releases, reads and syncs at random, is cut off at a random disk operation, and opens again with every extent that a
 * row could still name. What was durable must be there, whatever was freed and not released included; what a reader
 * holds must not change; nothing may be given twice, nothing may leak.
 */
#include "store/blocks/blocks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/plant.h"
#include "tests/lib/sim_env.h"
#include "tests/lib/test.h"

#define SEEDS	  500
#define LIVES	  4
#define STEPS	  150
#define OBJECTS	  48
#define READERS	  4
#define UNITS_MAX 8u
#define FILE_SIZE (512u << 10) /* chunks of 8 units: several files in use */

enum object_state { NONE, WRITING, WRITTEN, FREED };

struct object {
	struct blocks_request request;
	struct iovec vector;
	struct run *run;
	enum object_state state;
	bool is_durable;
	struct block_extent extent;
	uint64_t name; /* of its bytes */
	uint64_t mark; /* of FREED */
	unsigned char *bytes;
	bool is_arriving; /* blocks_defer's: can be read, and is not on the disk yet */
};

struct reader {
	struct blocks_reader reader;
	bool is_inside;
	struct block_extent extent;
	uint64_t name;
};

struct run {
	struct sim_world *world;
	struct sim_node *node;
	struct env_loop *loop;
	struct blocks *blocks;
	struct object objects[OBJECTS];
	struct reader readers[READERS];
	uint64_t names;
	uint64_t mark;
	int failures; /* calls of `failed` while the node was up */
	bool expects_failures;
	const char *violation; /* the first */
};

static void violate(struct run *run, const char *what)
{
	if (!run->violation)
		run->violation = what;
}

static void expect(struct run *run, bool condition, const char *what)
{
	if (!condition)
		violate(run, what);
}

static uint64_t draw(struct run *run, uint64_t below)
{
	return sim_random(run->world, below);
}

static void on_failed(void *argument, int status, const char *sentence)
{
	struct run *run = argument;

	(void)status;
	if (!sim_node_is_up(run->node))
		return;
	run->failures++;
	expect(run, run->expects_failures && run->failures == 1 && strlen(sentence) > 0,
		"failed without a fault");
}

/* ---- Bytes ------------------------------------------------------------------------------------------------------ */

static void fill(unsigned char *bytes, uint64_t name, uint32_t count)
{
	for (uint32_t i = 0; i < count * BLOCK_UNIT_SIZE / sizeof(uint64_t); i++) {
		uint64_t word = name * 1000003 + i;

		memcpy(bytes + i * sizeof word, &word, sizeof word);
	}
}

static bool has_bytes(struct run *run, struct block_extent extent, uint64_t name)
{
	unsigned char expected[UNITS_MAX * BLOCK_UNIT_SIZE], got[UNITS_MAX * BLOCK_UNIT_SIZE];
	int status = blocks_read_now(run->blocks, extent, 0, got, extent.count);

	if (!sim_node_is_up(run->node))
		return true;
	fill(expected, name, extent.count);
	return status == 0 && memcmp(expected, got, extent.count * BLOCK_UNIT_SIZE) == 0;
}

/* Of a device that fails nobody gets what has not come to it. */
static void give_up(struct run *run, const struct object *object)
{
	for (int i = 0; i < READERS; i++) {
		struct reader *reader = &run->readers[i];

		if (reader->is_inside && reader->extent.address == object->extent.address) {
			blocks_leave(run->blocks, &reader->reader);
			reader->is_inside = false;
		}
	}
}

/* ---- What the owner does ---------------------------------------------------------------------------------------- */

static void on_written(struct blocks_request *request)
{
	struct object *object = (struct object *)request;

	object->is_arriving = false;
	if (request->status) {
		expect(object->run, object->run->expects_failures, "a write failed without a fault");
		give_up(object->run, object);
		object->state = NONE; /* its units are lost until the next start */
		return;
	}
	object->state = WRITTEN;
	object->is_durable = request->sync;
}

static void begin_write(struct run *run, struct object *object)
{
	if (object->request.sync || draw(run, 2) == 0) {
		blocks_write(run->blocks, &object->request);
		return;
	}
	object->state = WRITTEN;
	object->is_durable = false;
	object->is_arriving = true;
	check(blocks_defer(run->blocks, &object->request) == 0);
}

static void write_object(struct run *run, struct object *object, bool sync)
{
	fill(object->bytes, object->name, object->extent.count);
	object->run = run;
	object->state = WRITING;
	object->vector = (struct iovec){object->bytes, object->extent.count * BLOCK_UNIT_SIZE};
	object->request = (struct blocks_request){
		.extent = object->extent,
		.vector = &object->vector,
		.vector_count = 1,
		.sync = sync,
		.loop = run->loop,
		.done = on_written,
	};
	begin_write(run, object);
}

static bool overlaps(const struct object *object, struct block_extent extent)
{
	return object->state != NONE && object->extent.address < extent.address + extent.count &&
	       extent.address < object->extent.address + object->extent.count;
}

static void begin_object(struct run *run, struct object *object)
{
	struct block_extent extent;
	int status = blocks_allocate(run->blocks, BLOCKS_NEW, 1 + (uint32_t)draw(run, UNITS_MAX), &extent);

	if (status) {
		expect(run,
			!sim_node_is_up(run->node) || run->expects_failures ||
				sim_node_faults(run->node)->capacity,
			"no space");
		return;
	}
	for (int i = 0; i < OBJECTS; i++)
		expect(run, !overlaps(&run->objects[i], extent), "a unit was given out twice");
	object->extent = extent;
	object->name = ++run->names;
	write_object(run, object, draw(run, 2) == 0);
}

static void act_on_object(struct run *run, struct object *object)
{
	switch (object->state) {
	case NONE:
		begin_object(run, object);
		break;
	case WRITTEN:
		if (!object->is_arriving && draw(run, 3) == 0) {
			object->state = FREED;
			object->mark = ++run->mark;
			blocks_free(run->blocks, object->extent, object->mark);
		} else {
			expect(run, has_bytes(run, object->extent, object->name), "written bytes changed");
		}
		break;
	case WRITING:
	case FREED:
		break;
	}
}

static void release(struct run *run)
{
	uint64_t mark = run->mark - draw(run, 8) % (run->mark + 1);

	for (int i = 0; i < OBJECTS; i++)
		if (run->objects[i].state == FREED && run->objects[i].mark <= mark)
			run->objects[i].state = NONE;
	blocks_release(run->blocks, mark);
}

static void act_on_reader(struct run *run, struct reader *reader)
{
	const struct object *object = &run->objects[draw(run, OBJECTS)];

	if (reader->is_inside) {
		expect(run, has_bytes(run, reader->extent, reader->name), "bytes changed under a reader");
		if (draw(run, 3) == 0) {
			blocks_leave(run->blocks, &reader->reader);
			reader->is_inside = false;
		}
	} else if (object->state == WRITTEN) {
		blocks_enter(run->blocks, &reader->reader);
		reader->is_inside = true;
		reader->extent = object->extent;
		reader->name = object->name;
	}
}

static void sync_all(struct run *run)
{
	int status = blocks_sync(run->blocks);

	expect(run, status == 0 || !sim_node_is_up(run->node) || run->expects_failures, "a sync failed");
	for (int i = 0; i < OBJECTS && status == 0; i++)
		if ((run->objects[i].state == WRITTEN && !run->objects[i].is_arriving) ||
			run->objects[i].state == FREED)
			run->objects[i].is_durable = true;
}

static void step(struct run *run)
{
	switch (draw(run, 16)) {
	case 0:
		sync_all(run);
		break;
	case 1:
	case 2:
		release(run);
		break;
	case 3:
		blocks_maintain(run->blocks);
		break;
	case 4:
	case 5:
		act_on_reader(run, &run->readers[draw(run, READERS)]);
		break;
	case 6:
	case 7:
	case 8:
		sim_run(run->world, draw(run, 500 * SIM_US), NULL, NULL);
		break;
	default:
		act_on_object(run, &run->objects[draw(run, OBJECTS)]);
	}
}

/* ---- Lives ------------------------------------------------------------------------------------------------------ */

static void check_used(struct run *run)
{
	struct blocks_stats stats;
	uint64_t units = 0;

	for (int i = 0; i < OBJECTS; i++)
		if (run->objects[i].state != NONE)
			units += run->objects[i].extent.count;
	blocks_stats(run->blocks, &stats);
	expect(run, stats.used_units == units, "units leaked");
}

static bool is_idle(void *argument)
{
	struct run *run = argument;

	for (int i = 0; i < OBJECTS; i++)
		if (run->objects[i].state == WRITING || run->objects[i].is_arriving)
			return false;
	return true;
}

/* After a crash every row may be back as it was before its unmapping; writes that never completed had no row. */
static void recover(struct run *run)
{
	struct status status;

	for (int i = 0; i < OBJECTS; i++) {
		struct object *object = &run->objects[i];

		object->is_arriving = false;
		if (object->state == WRITING)
			object->state = NONE;
		if (object->state == NONE)
			continue;
		object->state = WRITTEN;
		expect(run, blocks_mark_used(run->blocks, object->extent, &status) == 0,
			"a mark was refused");
	}
	blocks_start(run->blocks);
	for (int i = 0; i < OBJECTS; i++) {
		struct object *object = &run->objects[i];

		if (object->state != WRITTEN)
			continue;
		if (object->is_durable)
			expect(run, has_bytes(run, object->extent, object->name), "durable bytes were lost");
		else
			write_object(run, object, true); /* the log replays it */
	}
	sim_run(run->world, 10 * (uint64_t)SIM_S, is_idle, run);
	check_used(run);
}

static void open_store(struct run *run)
{
	struct env *env = sim_node_start(run->node);
	struct blocks_options options = {
		.env = env,
		.path = "/blocks",
		.file_size = FILE_SIZE,
		.failed = on_failed,
		.failed_argument = run,
	};
	struct status status;

	check(env_loop_new(env, "owner", &run->loop) == 0);
	check(env_loop_start(run->loop) == 0);
	run->blocks = NULL;
	expect(run, blocks_open(&options, &run->blocks, &status) == 0,
		"the store does not open after a crash");
	if (run->blocks)
		recover(run);
}

static void end_life(struct run *run)
{
	if (sim_node_is_up(run->node))
		sim_node_crash(run->node);
	for (int i = 0; i < READERS; i++)
		if (run->readers[i].is_inside)
			blocks_leave(run->blocks, &run->readers[i].reader);
	memset(run->readers, 0, sizeof run->readers);
	blocks_close(run->blocks);
	run->blocks = NULL;
}

static struct run *run_new(uint64_t seed)
{
	struct run *run = calloc(1, sizeof *run);

	check(run != NULL);
	run->world = sim_world_new(seed);
	run->node = sim_node_new(run->world, "store");
	for (int i = 0; i < OBJECTS; i++)
		check((run->objects[i].bytes = aligned_alloc(4096, UNITS_MAX * BLOCK_UNIT_SIZE)) != NULL);
	return run;
}

static void run_free(struct run *run)
{
	for (int i = 0; i < OBJECTS; i++)
		free(run->objects[i].bytes);
	sim_world_free(run->world);
	free(run);
}

/* NULL, or what the store did wrong. */
static const char *run_seed(uint64_t seed, uint64_t *trace)
{
	struct run *run = run_new(seed);
	const char *violation;

	for (int life = 0; life < LIVES && !run->violation; life++) {
		open_store(run);
		if (!run->violation && draw(run, 4) > 0)
			sim_node_crash_after(run->node, draw(run, 150));
		for (int i = 0; i < STEPS && !run->violation && sim_node_is_up(run->node); i++)
			step(run);
		if (run->blocks)
			end_life(run);
	}
	violation = run->violation;
	if (trace)
		*trace = sim_trace(run->world);
	run_free(run);
	return violation;
}

static void test_crashes(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		const char *violation = run_seed(seed, NULL);

		if (violation)
			fail_msg("seed %d: %s", (int)seed, violation);
	}
}

static void test_same_seed_same_trace(void **state)
{
	uint64_t first, second;

	(void)state;
	assert_null(run_seed(3, &first));
	assert_null(run_seed(3, &second));
	assert_true(first == second);
}

/* A device that fails once is reported once, and nothing more is written. */
static void test_failing_device(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct run *run = run_new(seed);

		open_store(run);
		for (int i = 0; i < 100; i++)
			step(run);
		run->expects_failures = true;
		if (seed % 2)
			sim_node_faults(run->node)->write_error_ppm = 1000000;
		else
			sim_node_faults(run->node)->sync_error_ppm = 1000000;
		for (int i = 0; i < 500 && run->failures == 0; i++)
			step(run);
		assert_int_equal(run->failures, 1);
		*sim_node_faults(run->node) = (struct sim_disk_faults){0};
		assert_int_equal(blocks_sync(run->blocks), -EIO);
		for (int i = 0; i < 100; i++)
			step(run);
		assert_int_equal(run->failures, 1);
		if (run->violation)
			fail_msg("seed %d: %s", (int)seed, run->violation);
		end_life(run);
		run_free(run);
	}
}

/* A full disk refuses new extents alone; what is freed can be used; the store opens on it. */
static void test_full_disk(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct run *run = run_new(seed);
		struct block_extent extent;
		int status = 0;

		sim_node_faults(run->node)->capacity = 100 * BLOCK_UNIT_SIZE;
		open_store(run);
		for (int i = 0; i < 300; i++)
			step(run);
		while (status == 0)
			status = blocks_allocate(run->blocks, BLOCKS_NEW, 8, &extent);
		assert_int_equal(status, -ENOSPC);
		end_life(run);
		sim_node_faults(run->node)->capacity = BLOCK_UNIT_SIZE; /* of which all is taken */
		open_store(run);
		while (blocks_allocate(run->blocks, BLOCKS_NEW, 8, &extent) == 0)
			;
		for (int i = 0; i < OBJECTS; i++)
			if (run->objects[i].state == WRITTEN)
				blocks_free(run->blocks, run->objects[i].extent, 1);
		blocks_release(run->blocks, 1);
		assert_int_equal(blocks_allocate(run->blocks, BLOCKS_NEW, 1, &extent), 0);
		if (run->violation)
			fail_msg("seed %d: %s", (int)seed, run->violation);
		end_life(run);
		run_free(run);
	}
}

#ifdef RAFTKV_PLANT

/* Each mistake shows within so many seeds. */
static void test_planted(void **state)
{
	static const char *const names[] = {
		"blocks:reused_early",
		"blocks:reader_ignored",
		"blocks:sync_skipped",
		"blocks:deferred_unsynced",
	};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		const char *violation = NULL;
		uint64_t seed = 0;

		plant_choose(names[i]);
		while (!violation && seed < 50)
			violation = run_seed(++seed, NULL);
		plant_choose(NULL);
		if (!violation)
			fail_msg("%s was not caught", names[i]);
		print_message("%s: seed %d: %s\n", names[i], (int)seed, violation);
	}
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crashes),
		cmocka_unit_test(test_same_seed_same_trace),
		cmocka_unit_test(test_failing_device),
		cmocka_unit_test(test_full_disk),
#ifdef RAFTKV_PLANT
		cmocka_unit_test(test_planted),
#endif
	};

	return cmocka_run_group_tests_name("blocks on simulated files", tests, NULL, NULL);
}
