/*
 * The block store beside its disk: synced writes of 1 MiB against plain sequential O_DIRECT writes of the same file
 * layout, deferred writes of 4 KiB with the sync that ends them, and random reads of 4 KiB.
 */
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proto/check.h"
#include "proto/env_uv.h"
#include "store/blocks/blocks.h"

#define LARGE	    (1u << 20)
#define LARGE_UNITS (LARGE / BLOCK_UNIT_SIZE)
#define LARGE_COUNT 192u
#define SMALL_COUNT 2048u
#define DEPTH	    4u
#define DEPTH_SMALL 16u
#define ROUNDS	    2u /* the first on new disk space, the second on used */

struct bench {
	struct env *env;
	struct env_loop *loop;
	struct blocks *blocks;
	struct block_extent large[LARGE_COUNT];
	unsigned char *bytes;
	sem_t slots;
};

struct io {
	struct blocks_request request;
	struct iovec vector;
	struct bench *bench;
};

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void report(const char *metric, double value, const char *unit)
{
	printf("%s\t%.6g\t%s\n", metric, value, unit);
	fflush(stdout);
}

static void on_failed(void *argument, int status, const char *sentence)
{
	(void)argument;
	(void)status;
	fprintf(stderr, "%s\n", sentence);
	abort();
}

static void on_done(struct blocks_request *request)
{
	struct io *io = (struct io *)request;

	check(request->status == 0);
	sem_post(&io->bench->slots);
	free(io);
}

static void wait_slot(struct bench *bench)
{
	while (sem_wait(&bench->slots) != 0)
		;
}

static void begin(struct bench *bench, struct block_extent extent, uint32_t units, bool sync)
{
	struct io *io = calloc(1, sizeof *io);

	wait_slot(bench);
	check(io != NULL);
	io->bench = bench;
	io->vector = (struct iovec){bench->bytes, (size_t)units * BLOCK_UNIT_SIZE};
	io->request = (struct blocks_request){
		.extent = extent,
		.vector = &io->vector,
		.vector_count = 1,
		.sync = sync,
		.loop = bench->loop,
		.done = on_done,
	};
	blocks_write(bench->blocks, &io->request);
}

static void set_depth(struct bench *bench, unsigned depth)
{
	sem_init(&bench->slots, 0, depth);
}

static void drain(struct bench *bench, unsigned depth)
{
	for (unsigned i = 0; i < depth; i++)
		wait_slot(bench);
	sem_destroy(&bench->slots);
}

static struct block_extent allocate(struct bench *bench, uint32_t count)
{
	struct block_extent extent;

	check(blocks_allocate(bench->blocks, BLOCKS_NEW, count, &extent) == 0);
	check(extent.count == count);
	return extent;
}

static double write_large(struct bench *bench)
{
	double began;

	for (uint32_t i = 0; i < LARGE_COUNT; i++) {
		blocks_maintain(bench->blocks);
		bench->large[i] = allocate(bench, LARGE_UNITS);
	}
	set_depth(bench, DEPTH);
	began = now();
	for (uint32_t i = 0; i < LARGE_COUNT; i++)
		begin(bench, bench->large[i], LARGE_UNITS, true);
	drain(bench, DEPTH);
	return LARGE_COUNT * (double)LARGE / (now() - began) / 1e6;
}

static void free_large(struct bench *bench, uint64_t mark)
{
	for (uint32_t i = 0; i < LARGE_COUNT; i++)
		blocks_free(bench->blocks, bench->large[i], mark);
	blocks_release(bench->blocks, mark);
}

/* What the disk does by itself: one writer, one file, no sync but at the end, twice over. */
static void write_disk(const char *path, const unsigned char *bytes, double rates[ROUNDS])
{
	int fd = open(path, O_RDWR | O_CREAT | O_DIRECT, 0600);

	check(fd >= 0);
	check(posix_fallocate(fd, 0, (off_t)LARGE_COUNT * LARGE) == 0);
	check(fsync(fd) == 0);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		double began = now();

		for (uint32_t i = 0; i < LARGE_COUNT; i++)
			check(pwrite(fd, bytes, LARGE, (off_t)i * LARGE) == LARGE);
		check(fdatasync(fd) == 0);
		rates[round] = LARGE_COUNT * (double)LARGE / (now() - began) / 1e6;
	}
	close(fd);
	check(unlink(path) == 0);
}

static void bench_large(struct bench *bench, const char *disk_path)
{
	double disk[ROUNDS], ours[ROUNDS];

	write_disk(disk_path, bench->bytes, disk);
	ours[0] = write_large(bench);
	free_large(bench, 1);
	ours[1] = write_large(bench);
	report("disk_write_1m_new", disk[0], "MB/s");
	report("blocks_write_1m_new", ours[0], "MB/s");
	report("blocks_write_1m_new_over_disk", ours[0] / disk[0], "x");
	report("disk_write_1m_again", disk[1], "MB/s");
	report("blocks_write_1m_again", ours[1], "MB/s");
	report("blocks_write_1m_again_over_disk", ours[1] / disk[1], "x");
}

static void bench_small(struct bench *bench)
{
	struct block_extent *extents = calloc(SMALL_COUNT, sizeof *extents);
	double began;

	check(extents != NULL);
	for (uint32_t i = 0; i < SMALL_COUNT; i++) {
		blocks_maintain(bench->blocks);
		extents[i] = allocate(bench, 1);
	}
	set_depth(bench, DEPTH_SMALL);
	began = now();
	for (uint32_t i = 0; i < SMALL_COUNT; i++)
		begin(bench, extents[i], 1, false);
	drain(bench, DEPTH_SMALL);
	check(blocks_sync(bench->blocks) == 0);
	report("blocks_write_4k_deferred_and_sync", SMALL_COUNT / (now() - began), "op/s");
	free(extents);
}

static void bench_reads(struct bench *bench)
{
	uint8_t *unit = aligned_alloc(4096, BLOCK_UNIT_SIZE);
	uint64_t random = 1;
	double began = now();

	check(unit != NULL);
	for (uint32_t i = 0; i < SMALL_COUNT; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		check(blocks_read_now(bench->blocks, bench->large[(random >> 33) % LARGE_COUNT],
			      (uint32_t)(random >> 20) % LARGE_UNITS, unit, 1) == 0);
	}
	report("blocks_read_4k_random", SMALL_COUNT / (now() - began), "op/s");
	free(unit);
}

static void open_bench(struct bench *bench, const char *path)
{
	struct env_uv_options env_options = {.worker_threads = 1, .io_threads = DEPTH_SMALL};
	struct blocks_options options = {.path = path, .file_size = 1u << 30, .failed = on_failed};
	struct status status;

	check(env_uv_new(&env_options, &bench->env, &status) == 0);
	check(env_loop_new(bench->env, "bench", &bench->loop) == 0);
	check(env_loop_start(bench->loop) == 0);
	options.env = bench->env;
	check(blocks_open(&options, &bench->blocks, &status) == 0);
	blocks_start(bench->blocks);
	bench->bytes = aligned_alloc(4096, LARGE);
	check(bench->bytes != NULL);
	memset(bench->bytes, 7, LARGE);
}

static void close_bench(struct bench *bench)
{
	blocks_close(bench->blocks);
	env_loop_stop(bench->loop);
	env_loop_free(bench->loop);
	env_uv_free(bench->env);
	free(bench->bytes);
}

int main(void)
{
	char scratch[] = "/var/tmp/raftkv-bench-XXXXXX";
	char path[64], disk_path[64], command[64];
	struct bench bench;

	check(mkdtemp(scratch) != NULL);
	snprintf(path, sizeof path, "%s/blocks", scratch);
	snprintf(disk_path, sizeof disk_path, "%s/disk", scratch);
	open_bench(&bench, path);
	bench_large(&bench, disk_path);
	bench_small(&bench);
	bench_reads(&bench);
	close_bench(&bench);
	snprintf(command, sizeof command, "rm -rf %s", scratch);
	return system(command) != 0;
}
