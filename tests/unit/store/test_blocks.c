/* The block store on real files: what is written is read, what is damaged is refused, space comes and goes. */
#include "proto/container.h"
#include "store/blocks/blocks.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/env_uv.h"
#include "tests/lib/test.h"

#define FILE_SIZE (2u << 20) /* 16 chunks of 32 units */
#define CHUNK	  32u

struct fixture {
	struct env *env;
	struct env_loop *loop;
	char directory[128];
	char path[160];
	struct blocks_options options;
	struct blocks *blocks;
	int wanted;
	int failed;
};

static void on_wanted(void *argument)
{
	((struct fixture *)argument)->wanted++;
}

static void on_failed(void *argument, int status, const char *sentence)
{
	(void)status;
	(void)sentence;
	((struct fixture *)argument)->failed++;
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	test_directory_make(fixture->directory, sizeof fixture->directory);
	snprintf(fixture->path, sizeof fixture->path, "%s/blocks", fixture->directory);
	assert_int_equal(env_uv_new(&(struct env_uv_options){.worker_threads = 1, .io_threads = 2},
				 &fixture->env, NULL),
		0);
	assert_int_equal(env_loop_new(fixture->env, "test", &fixture->loop), 0);
	assert_int_equal(env_loop_start(fixture->loop), 0);
	fixture->options = (struct blocks_options){
		.env = fixture->env,
		.path = fixture->path,
		.file_size = FILE_SIZE,
		.failed = on_failed,
		.failed_argument = fixture,
		.wanted = on_wanted,
		.wanted_argument = fixture,
	};
	assert_int_equal(blocks_open(&fixture->options, &fixture->blocks, NULL), 0);
	blocks_start(fixture->blocks);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	blocks_close(fixture->blocks);
	env_loop_stop(fixture->loop);
	env_loop_free(fixture->loop);
	env_uv_free(fixture->env);
	test_directory_remove(fixture->directory);
	assert_int_equal(fixture->failed, 0);
	free(fixture);
	return 0;
}

/* Opens again without starting. */
static int reopen(struct fixture *fixture, struct status *status)
{
	blocks_close(fixture->blocks);
	fixture->blocks = NULL;
	return blocks_open(&fixture->options, &fixture->blocks, status);
}

struct waited {
	struct blocks_request request;
	sem_t done;
};

static void on_done(struct blocks_request *request)
{
	sem_post(&((struct waited *)request)->done);
}

static int perform_write(struct fixture *fixture, struct blocks_request request)
{
	struct waited waited = {.request = request};

	waited.request.loop = fixture->loop;
	waited.request.done = on_done;
	sem_init(&waited.done, 0, 0);
	blocks_write(fixture->blocks, &waited.request);
	while (sem_wait(&waited.done) != 0)
		;
	sem_destroy(&waited.done);
	return waited.request.status;
}

static void fill(unsigned char *bytes, size_t size, uint32_t seed)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)((i * 2654435761u + seed * 40503u) >> 13);
}

static void write_pattern(
	struct fixture *fixture, struct block_extent extent, size_t misalignment, bool sync, uint32_t seed)
{
	size_t size = (size_t)extent.count * BLOCK_UNIT_SIZE;
	unsigned char *memory = aligned_alloc(4096, size + 4096);
	struct iovec parts[2] = {
		{memory + misalignment, BLOCK_UNIT_SIZE / 4},
		{memory + misalignment + BLOCK_UNIT_SIZE / 4, size - BLOCK_UNIT_SIZE / 4},
	};
	struct iovec whole = {memory, size};
	struct blocks_request request = {
		.extent = extent,
		.vector = misalignment ? parts : &whole,
		.vector_count = misalignment ? 2 : 1,
		.sync = sync,
	};

	fill(memory + misalignment, size, seed);
	assert_int_equal(perform_write(fixture, request), 0);
	free(memory);
}

static void assert_pattern(struct fixture *fixture, struct block_extent extent, uint32_t seed)
{
	size_t size = (size_t)extent.count * BLOCK_UNIT_SIZE;
	unsigned char *expected = malloc(size), *got = malloc(size);
	uint32_t skip = extent.count / 2, count = extent.count - skip;

	fill(expected, size, seed);
	assert_int_equal(blocks_read_now(fixture->blocks, extent, 0, got, extent.count), 0);
	assert_memory_equal(got, expected, size);
	memset(got, 0, size);
	assert_int_equal(blocks_read_now(fixture->blocks, extent, skip, got, count), 0);
	assert_memory_equal(got, expected + (size_t)skip * BLOCK_UNIT_SIZE, (size_t)count * BLOCK_UNIT_SIZE);
	free(expected);
	free(got);
}

static struct block_extent allocate(struct fixture *fixture, uint32_t count)
{
	struct block_extent extent;

	assert_int_equal(blocks_allocate(fixture->blocks, BLOCKS_NEW, count, &extent), 0);
	assert_in_range(extent.count, 1, count);
	return extent;
}

static void test_write_read(void **state)
{
	struct fixture *fixture = *state;
	struct block_extent extents[24];
	struct status status;

	for (uint32_t i = 0; i < 24; i++) {
		extents[i] = allocate(fixture, 1 + i * 3 % 20);
		write_pattern(fixture, extents[i], i % 4 * 24, i % 3 == 0, i);
	}
	for (uint32_t i = 0; i < 24; i++)
		assert_pattern(fixture, extents[i], i);
	assert_int_equal(blocks_sync(fixture->blocks), 0);
	assert_int_equal(blocks_sync(fixture->blocks), 0);
	assert_int_equal(reopen(fixture, &status), 0);
	for (uint32_t i = 0; i < 24; i++)
		assert_int_equal(blocks_mark_used(fixture->blocks, extents[i], &status), 0);
	blocks_start(fixture->blocks);
	for (uint32_t i = 0; i < 24; i++)
		assert_pattern(fixture, extents[i], i);
}

/* Allocates until the disk would have to grow and marks what came; nothing may come twice. */
/* ---- Writing behind --------------------------------------------------------------------------------------------- */

#define DEFERRED 7

struct drained {
	struct blocks_drain drain;
	sem_t done;
};

static void on_drained(struct env_mail *mail)
{
	sem_post(&container_of(mail, struct drained, drain.mail)->done);
}

static void drain(struct fixture *fixture)
{
	struct drained drained = {.drain = {.loop = fixture->loop, .done = on_drained}};

	sem_init(&drained.done, 0, 0);
	blocks_drain(fixture->blocks, &drained.drain);
	while (sem_wait(&drained.done) != 0)
		;
	sem_destroy(&drained.done);
}

/* What was given can be read at once, across the bounds of what is on its way and what is not; and is there after a
 * drain, a sync and a reopening. */
static void test_deferred(void **state)
{
	struct fixture *fixture = *state;
	struct block_extent whole = allocate(fixture, DEFERRED * 4);
	struct waited waited[DEFERRED];
	size_t size = (size_t)whole.count * BLOCK_UNIT_SIZE;
	unsigned char *memory = aligned_alloc(4096, size), *got = malloc(size);
	struct status status;

	assert_int_equal(whole.count, DEFERRED * 4);
	fill(memory, size, 7);
	write_pattern(fixture, whole, 0, true, 8);
	for (uint32_t i = 0; i < DEFERRED; i++) {
		struct iovec vector = {memory + (size_t)i * 4 * BLOCK_UNIT_SIZE, 3 * BLOCK_UNIT_SIZE};

		waited[i].request = (struct blocks_request){
			.extent = {whole.address + i * 4, 3},
			.vector = &vector,
			.vector_count = 1,
			.loop = fixture->loop,
			.done = on_done,
		};
		sem_init(&waited[i].done, 0, 0);
		assert_int_equal(blocks_defer(fixture->blocks, &waited[i].request), 0);
		assert_int_equal(blocks_read_now(fixture->blocks, whole, i * 4 + 1, got, 2), 0);
		assert_memory_equal(got, (uint8_t *)vector.iov_base + BLOCK_UNIT_SIZE, 2 * BLOCK_UNIT_SIZE);
	}
	/* Of every four units the last was written before. */
	fill(got, size, 8);
	for (uint32_t i = 0; i < DEFERRED; i++)
		memcpy(memory + (i * 4 + 3) * (size_t)BLOCK_UNIT_SIZE,
			got + (i * 4 + 3) * (size_t)BLOCK_UNIT_SIZE, BLOCK_UNIT_SIZE);
	assert_int_equal(blocks_read_now(fixture->blocks, whole, 0, got, whole.count), 0);
	assert_memory_equal(got, memory, size);
	drain(fixture);
	drain(fixture);
	for (uint32_t i = 0; i < DEFERRED; i++) {
		while (sem_wait(&waited[i].done) != 0)
			;
		sem_destroy(&waited[i].done);
		assert_int_equal(waited[i].request.status, 0);
	}
	assert_int_equal(blocks_sync(fixture->blocks), 0);
	assert_int_equal(reopen(fixture, &status), 0);
	assert_int_equal(blocks_read_now(fixture->blocks, whole, 0, got, whole.count), 0);
	assert_memory_equal(got, memory, size);
	free(memory);
	free(got);
}

static void test_nothing_given_twice(void **state)
{
	struct fixture *fixture = *state;
	static bool taken[FILE_SIZE / BLOCK_UNIT_SIZE * 3];
	uint32_t units = 0;

	memset(taken, 0, sizeof taken);
	while (units < 1100) { /* past the second file */
		struct block_extent extent = allocate(fixture, 1 + units % 70);

		for (uint64_t i = extent.address; i < extent.address + extent.count; i++) {
			assert_true(i < sizeof taken);
			assert_true(i % (FILE_SIZE / BLOCK_UNIT_SIZE) != 0); /* a header */
			assert_false(taken[i]);
			taken[i] = true;
		}
		assert_int_equal(extent.address / (FILE_SIZE / BLOCK_UNIT_SIZE),
			(extent.address + extent.count - 1) / (FILE_SIZE / BLOCK_UNIT_SIZE));
		units += extent.count;
	}
	assert_true(fixture->wanted > 0);
}

/* With maintenance keeping up, what is asked for comes in one piece. */
static struct block_extent allocate_whole(struct fixture *fixture, uint32_t count)
{
	struct block_extent extent;

	blocks_maintain(fixture->blocks);
	extent = allocate(fixture, count);
	assert_int_equal(extent.count, count);
	return extent;
}

static uint64_t used(struct fixture *fixture)
{
	struct blocks_stats stats;

	blocks_stats(fixture->blocks, &stats);
	return stats.used_units;
}

static void test_freeing(void **state)
{
	struct fixture *fixture = *state;
	struct block_extent first = allocate(fixture, 8), second = allocate(fixture, 8);
	struct block_extent part = {first.address + 2, 3};
	struct blocks_reader reader;
	struct blocks_stats stats;

	assert_int_equal(used(fixture), 16);
	blocks_cancel(fixture->blocks, second);
	assert_int_equal(used(fixture), 8);
	blocks_enter(fixture->blocks, &reader);
	blocks_free(fixture->blocks, part, 1);
	blocks_stats(fixture->blocks, &stats);
	assert_int_equal(stats.used_units, 8);
	assert_int_equal(stats.waiting_units, 3);
	blocks_release(fixture->blocks, 1);
	assert_int_equal(used(fixture), 8);
	blocks_leave(fixture->blocks, &reader);
	blocks_maintain(fixture->blocks);
	assert_int_equal(used(fixture), 5);
	assert_int_equal(allocate(fixture, 3).address, part.address); /* the best fit */
}

static void test_marks(void **state)
{
	struct fixture *fixture = *state;
	struct block_extent extent = allocate(fixture, 8);
	struct status status = {0};

	assert_int_equal(reopen(fixture, &status), 0);
	assert_int_equal(blocks_mark_used(fixture->blocks, extent, &status), 0);
	extent.address += 7;
	assert_int_equal(blocks_mark_used(fixture->blocks, extent, &status), STATUS_CORRUPT);
	assert_non_null(strstr(status.text, "in use twice"));
	extent = (struct block_extent){1u << 30, 1};
	assert_int_equal(blocks_mark_used(fixture->blocks, extent, &status), STATUS_CORRUPT);
	assert_non_null(strstr(status.text, "no such units"));
	extent = (struct block_extent){UINT64_MAX, 2};
	assert_int_equal(blocks_mark_used(fixture->blocks, extent, &status), STATUS_CORRUPT);
	extent = (struct block_extent){0, 1}; /* the header */
	assert_int_equal(blocks_mark_used(fixture->blocks, extent, &status), STATUS_CORRUPT);
	blocks_start(fixture->blocks);
	assert_int_equal(used(fixture), 8);
}

static void shell(struct fixture *fixture, const char *command)
{
	char line[512];

	snprintf(line, sizeof line, "cd %s && %s", fixture->path, command);
	assert_int_equal(system(line), 0);
}

/* Each damage is refused with its sentence; `undo` makes the store whole again. */
static void test_damage(void **state)
{
	static const struct {
		const char *damage, *undo, *sentence;
	} cases[] = {
		{"mv 0001 gone", "mv gone 0001", "cannot be opened"},
		{"cp 0000 keep && truncate -s 1000000 0000", "cp keep 0000", "bytes where"},
		{"truncate -s 2097153 0002", "truncate -s 2097152 0002",
			NULL}, /* the tail of a growth cut short */
		{"truncate -s 4000000 0002", "truncate -s 2097152 0002", "bytes where"},
		{"mv 0000 x && mv 0001 0000 && mv x 0001", "mv 0000 x && mv 0001 0000 && mv x 0001",
			"is file 0001 of this store"},
		{"cp 0001 keep && printf X | dd of=0001 bs=1 seek=100 conv=notrunc status=none",
			"cp keep 0001", "damaged header"},
		{"cp 0002 keep && truncate -s 0 0002", "cp keep 0002", "damaged header"},
		{"touch 0003.new README", "test ! -e 0003.new",
			NULL}, /* a crash while it was made; a stranger */
	};
	struct fixture *fixture = *state;
	struct status status = {0};

	while (allocate(fixture, 64).address < FILE_SIZE / BLOCK_UNIT_SIZE * 5 / 2)
		;
	blocks_maintain(fixture->blocks);
	shell(fixture, "truncate -s 2097152 0002");
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		shell(fixture, cases[i].damage);
		assert_int_equal(reopen(fixture, &status), cases[i].sentence ? STATUS_CORRUPT : 0);
		if (cases[i].sentence)
			assert_non_null(strstr(status.text, cases[i].sentence));
		shell(fixture, cases[i].undo);
	}
	assert_int_equal(reopen(fixture, &status), 0);
}

static void test_foreign_file(void **state)
{
	struct fixture *fixture = *state;
	struct status status = {0};
	char own[200], other[200];

	allocate(fixture, 1);
	snprintf(own, sizeof own, "%s", fixture->path);
	snprintf(other, sizeof other, "%s/other", fixture->directory);
	fixture->options.path = other;
	assert_int_equal(reopen(fixture, &status), 0);
	blocks_start(fixture->blocks);
	while (allocate(fixture, 64).address < FILE_SIZE / BLOCK_UNIT_SIZE)
		;
	fixture->options.path = own;
	shell(fixture, "truncate -s 2097152 0000 && cp ../other/0001 .");
	assert_int_equal(reopen(fixture, &status), STATUS_CORRUPT);
	assert_non_null(strstr(status.text, "of another store"));
}

static void test_keeps_file_size(void **state)
{
	struct fixture *fixture = *state;
	struct block_extent extent = allocate(fixture, 5);
	struct status status = {0};

	write_pattern(fixture, extent, 0, true, 1);
	fixture->options.file_size = 16u << 20;
	assert_int_equal(reopen(fixture, &status), 0);
	assert_int_equal(blocks_mark_used(fixture->blocks, extent, &status), 0);
	blocks_start(fixture->blocks);
	assert_pattern(fixture, extent, 1);
	assert_in_range(allocate(fixture, 4096).count, 1, FILE_SIZE / BLOCK_UNIT_SIZE);
}

static void test_reserve(void **state)
{
	struct fixture *fixture = *state;
	struct block_extent extent = allocate(fixture, 1), full;
	struct blocks_stats stats;
	struct status status;

	fixture->options.reserve_size = UINT64_MAX / 2;
	assert_int_equal(reopen(fixture, &status), 0); /* needs no space */
	assert_int_equal(blocks_mark_used(fixture->blocks, extent, &status), 0);
	blocks_start(fixture->blocks);
	for (uint32_t i = 0; i < CHUNK - 2; i++)
		allocate(fixture, 1);
	assert_int_equal(blocks_allocate(fixture->blocks, BLOCKS_NEW, 1, &full), -ENOSPC);
	blocks_maintain(fixture->blocks);
	assert_int_equal(blocks_allocate(fixture->blocks, BLOCKS_NEW, 1, &full), -ENOSPC);
	blocks_stats(fixture->blocks, &stats);
	assert_int_equal(stats.used_units, stats.total_units);
	blocks_free(fixture->blocks, extent, 1); /* deleting goes on, and gives room */
	blocks_release(fixture->blocks, 1);
	assert_int_equal(blocks_allocate(fixture->blocks, BLOCKS_NEW, 1, &full), 0);
}

static uint64_t disk_size(struct fixture *fixture)
{
	uint64_t size = 0;

	for (int i = 0; i < 8; i++) {
		char path[200];
		struct stat file;

		snprintf(path, sizeof path, "%s/%04d", fixture->path, i);
		if (stat(path, &file) == 0)
			size += (uint64_t)file.st_blocks * 512;
	}
	return size;
}

static void test_space_returns(void **state)
{
	struct fixture *fixture = *state;
	struct block_extent extents[40], kept;
	struct status status;
	uint64_t full;

	for (int i = 0; i < 40; i++)
		extents[i] = allocate_whole(fixture, CHUNK - 2);
	kept = allocate(fixture, 1);
	write_pattern(fixture, kept, 0, true, 3);
	full = disk_size(fixture);
	assert_true(full >= 40 * (CHUNK - 2) * BLOCK_UNIT_SIZE);
	for (int i = 0; i < 40; i++)
		blocks_free(fixture->blocks, extents[i], 1);
	blocks_maintain(fixture->blocks);
	assert_true(disk_size(fixture) >= full);
	blocks_release(fixture->blocks, 1);
	for (int i = 0; i < 5; i++)
		blocks_maintain(fixture->blocks);
	assert_true(disk_size(fixture) < full / 3);
	assert_pattern(fixture, kept, 3);
	for (int i = 0; i < 40; i++) { /* and is taken again */
		extents[i] = allocate_whole(fixture, CHUNK - 2);
		write_pattern(fixture, extents[i], 0, true, (uint32_t)i);
	}
	assert_pattern(fixture, kept, 3);
	assert_int_equal(reopen(fixture, &status), 0);
	assert_int_equal(blocks_mark_used(fixture->blocks, kept, &status), 0);
	blocks_start(fixture->blocks);
	for (int i = 0; i < 5; i++) /* what was in use before the start and no row names */
		blocks_maintain(fixture->blocks);
	assert_true(disk_size(fixture) < full / 3);
	assert_pattern(fixture, kept, 3);
}

/* Threads that allocate, write, free and read while another maintains: for ThreadSanitizer, and nothing is lost. */
#define THREADS 3

static void *work(void *argument)
{
	struct fixture *fixture = argument;

	for (uint32_t i = 0; i < 100; i++) {
		struct block_extent extent;
		struct blocks_reader reader;

		if (blocks_allocate(fixture->blocks, BLOCKS_NEW, 1 + i % 20, &extent))
			return "no space";
		write_pattern(fixture, extent, 0, i % 2, i);
		blocks_enter(fixture->blocks, &reader);
		blocks_free(fixture->blocks, extent, i);
		blocks_release(fixture->blocks, i);
		assert_pattern(fixture, extent, i);
		blocks_leave(fixture->blocks, &reader);
		if (i % 10 == 0 && blocks_sync(fixture->blocks))
			return "a sync failed";
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct fixture *fixture = *state;
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, fixture), 0);
	for (int i = 0; i < 50; i++)
		blocks_maintain(fixture->blocks);
	for (int i = 0; i < THREADS; i++) {
		void *problem;

		assert_int_equal(pthread_join(threads[i], &problem), 0);
		assert_null(problem);
	}
	blocks_release(fixture->blocks, 100);
	blocks_maintain(fixture->blocks);
	assert_int_equal(used(fixture), 0);
}

static void test_checksum(void **state)
{
	unsigned char unit[BLOCK_UNIT_SIZE] = {0};
	uint32_t zeroes = blocks_checksum(unit);

	(void)state;
	unit[4095] = 1;
	assert_true(blocks_checksum(unit) != zeroes);
	unit[4095] = 0;
	assert_int_equal(blocks_checksum(unit), zeroes);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_write_read),
		TEST(test_deferred),
		TEST(test_nothing_given_twice),
		TEST(test_freeing),
		TEST(test_marks),
		TEST(test_damage),
		TEST(test_foreign_file),
		TEST(test_keeps_file_size),
		TEST(test_reserve),
		TEST(test_space_returns),
		TEST(test_threads),
		TEST(test_checksum),
	};

	return cmocka_run_group_tests_name("blocks", tests, NULL, NULL);
}
