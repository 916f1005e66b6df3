/*
 * What the store as a whole costs, beside the disk and the RocksDB it stands on: lines of metric<TAB>value<TAB>unit.
 *
 *	store_bench [DIRECTORY [PART]]     a scratch folder is made there [$TMPDIR or /var/tmp]; PART: rows reads
 *	                                   random sequential regions; all of them if none is named
 *
 * Bytes written are those that this process sent to the block layer (/proc/self/io), all threads and engines together,
 * up to and including the flush when the store stops; the filesystem's own journal is not among them.
 */
#include <inttypes.h>
#include <malloc.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "proto/check.h"
#include "proto/container.h"
#include "proto/env_uv.h"
#include "store/peer/store.h"
#include "store/raftkv.h"
#include "tests/lib/test.h"
#include "tests/lib/test_evaluator.h"

#define DEPTH_MAX  64
#define MIB	   (1u << 20)
#define ROWS	   1000 /* that are read */
#define READS	   2000000
#define READ_TURNS 20
#define REGIONS	   10000
#define IDLE_S	   3

static void report(const char *metric, double value, const char *unit)
{
	printf("%s\t%.4g\t%s\n", metric, value, unit);
	fflush(stdout);
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

/* CPU time of the calling thread, ns: what else the machine does is not in it. */
static uint64_t thread_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* ---- A store ---------------------------------------------------------------------------------------------------- */

struct bench {
	struct env *env;
	char directory[256];
	char path[300];
	struct logger logger;
	struct raftkv_options options;
	struct env_loop *shard;
	struct raftkv *raftkv;
	sem_t done;
};

static void on_failed(void *argument, int status, const char *sentence)
{
	(void)argument;
	fprintf(stderr, "the store failed: %s (%s)\n", sentence, status_name(status));
	abort();
}

static void bench_open(struct bench *bench)
{
	struct status status = {0};

	check(env_loop_new(bench->env, "shard", &bench->shard) == 0);
	bench->options.shards = &bench->shard;
	if (raftkv_open(&bench->options, &bench->raftkv, &status) < 0)
		on_failed(bench, status.code, status.text);
	check(env_loop_start(bench->shard) == 0);
}

static void on_done(void *argument)
{
	sem_post(&((struct bench *)argument)->done);
}

static void bench_close(struct bench *bench)
{
	raftkv_stop(bench->raftkv, bench->shard, on_done, bench);
	sem_wait(&bench->done);
	env_loop_stop(bench->shard);
	env_loop_free(bench->shard);
	raftkv_free(bench->raftkv);
}

/* ---- The disk --------------------------------------------------------------------------------------------------- */

static struct env_file *open_disk(struct bench *bench, int flags, uint64_t size)
{
	char path[300];
	struct env_file *file;

	snprintf(path, sizeof path, "%s/disk", bench->directory);
	flags |= ENV_OPEN_WRITE | ENV_OPEN_CREATE;
	if (env_file_open(bench->env, path, flags | ENV_OPEN_DIRECT, &file) < 0)
		check(env_file_open(bench->env, path, flags, &file) == 0);
	check(env_file_allocate(file, 0, size) == 0);
	return file;
}

/* A file for synced overwrites: written before, as the log's segments are, or each write would drag in the journal. */
static struct env_file *open_synced_disk(struct bench *bench, void *bytes)
{
	struct env_file *file = open_disk(bench, 0, MIB);

	check(env_file_write(file, 0, bytes, MIB) == 0);
	check(env_file_sync(file) == 0);
	env_file_close(file);
	return open_disk(bench, ENV_OPEN_DSYNC, MIB);
}

/* Times of `count` synced overwrites of 4 KiB. */
static void time_disk_writes(
	struct bench *bench, struct env_file *file, void *bytes, uint64_t count, uint64_t *times)
{
	for (uint64_t i = 0; i < count; i++) {
		uint64_t begin = env_now(bench->env);

		check(env_file_write(file, i * 4096, bytes, 4096) == 0);
		times[i] = env_now(bench->env) - begin;
	}
}

/* Seconds of `count` direct writes of 1 MiB one after the other and a sync. */
static double time_disk_sequential(struct bench *bench, struct env_file *file, void *bytes, uint32_t count)
{
	uint64_t begin = env_now(bench->env);

	for (uint32_t i = 0; i < count; i++)
		check(env_file_write(file, (uint64_t)i * MIB, bytes, MIB) == 0);
	check(env_file_sync(file) == 0);
	return (double)(env_now(bench->env) - begin) / 1e9;
}

/* ---- Writes ----------------------------------------------------------------------------------------------------- */

struct writer_slot {
	struct raftkv_write write;
	struct writers *writers;
	uint64_t begun; /* ns */
};

/* Keeps `depth` writes on their way until `total` are done. */
struct writers {
	struct bench *bench;
	struct env_mail mail;
	uint32_t depth;
	uint64_t total;
	uint64_t begun;
	uint64_t finished;
	uint64_t *times; /* ns */
	struct buf *(*body)(uint64_t number);
	struct buf *payload;
	struct writer_slot slots[DEPTH_MAX];
};

static void on_written(struct raftkv_write *write, int status, struct buf *reply);

static void begin_write(struct writer_slot *slot)
{
	struct writers *writers = slot->writers;
	struct buf *body = writers->body(writers->begun++);

	check(body);
	slot->begun = env_now(writers->bench->env);
	slot->write = (struct raftkv_write){.region = 1,
		.body = body,
		.payload = writers->payload,
		.loop = writers->bench->shard,
		.done = on_written};
	raftkv_async_write(writers->bench->raftkv, &slot->write);
	buf_unref(body);
}

static void on_written(struct raftkv_write *write, int status, struct buf *reply)
{
	struct writer_slot *slot = container_of(write, struct writer_slot, write);
	struct writers *writers = slot->writers;

	check(status == 0 && reply);
	if (writers->times)
		writers->times[writers->finished] = env_now(writers->bench->env) - slot->begun;
	writers->finished++;
	if (writers->begun < writers->total)
		begin_write(slot);
	else if (writers->finished == writers->total)
		sem_post(&writers->bench->done);
}

static void begin_writes(struct env_mail *mail)
{
	struct writers *writers = container_of(mail, struct writers, mail);

	for (uint32_t i = 0; i < writers->depth && writers->begun < writers->total; i++) {
		writers->slots[i].writers = writers;
		begin_write(&writers->slots[i]);
	}
}

/* Seconds it took. `times` of each write may be NULL. */
static double run_writes(struct bench *bench, uint32_t depth, uint64_t total,
	struct buf *(*body)(uint64_t number), struct buf *payload, uint64_t *times)
{
	struct writers *writers = calloc(1, sizeof *writers);
	uint64_t begin = env_now(bench->env), end;

	check(writers && depth <= DEPTH_MAX);
	*writers = (struct writers){.bench = bench,
		.depth = depth,
		.total = total,
		.body = body,
		.payload = payload,
		.times = times};
	env_post(bench->shard, &writers->mail, begin_writes);
	sem_wait(&bench->done);
	end = env_now(bench->env);
	free(writers);
	return (double)(end - begin) / 1e9;
}

static struct buf *row_body(uint64_t number)
{
	char key[32];

	snprintf(key, sizeof key, "row%06" PRIu64, number % ROWS);
	return test_op_put(key, "a value of some forty bytes, as an inode's");
}

static struct buf *sequential_body(uint64_t number)
{
	return test_op_write("sequential", number * MIB / BLOCK_UNIT_SIZE);
}

#define RANDOM_UNITS (64 * MIB / BLOCK_UNIT_SIZE)

static struct buf *fill_body(uint64_t number)
{
	return test_op_write("random", number * MIB / BLOCK_UNIT_SIZE);
}

static struct buf *random_body(uint64_t number)
{
	return test_op_write("random", number * 0x9e3779b97f4a7c15u % RANDOM_UNITS);
}

static double median(uint64_t *times, size_t count)
{
	qsort(times, count, sizeof *times, compare);
	return (double)times[count / 2];
}

/* In turns with the disk's own writes, so that whatever else the machine does falls on both. */
static void bench_rows(struct bench *bench, void *bytes)
{
	enum { TURNS = 20, TURN = 100, MANY = 60000 };
	static uint64_t disk_times[TURNS * TURN], times[TURNS * TURN];
	struct env_file *file = open_synced_disk(bench, bytes);
	double disk_ns, write_ns, seconds;

	bench_open(bench);
	time_disk_writes(bench, file, bytes, TURN, disk_times);
	run_writes(bench, 1, 500, row_body, NULL, NULL);
	for (unsigned i = 0; i < TURNS; i++) {
		time_disk_writes(bench, file, bytes, TURN, disk_times + i * TURN);
		run_writes(bench, 1, TURN, row_body, NULL, times + i * TURN);
	}
	env_file_close(file);
	disk_ns = median(disk_times, TURNS * TURN);
	write_ns = median(times, TURNS * TURN);
	report("disk_dsync_4k_us", disk_ns / 1e3, "us");
	report("write_depth_1_us", write_ns / 1e3, "us");
	report("write_depth_1_to_disk", write_ns / disk_ns, "x");
	seconds = run_writes(bench, 64, MANY, row_body, NULL, NULL);
	report("write_depth_64", MANY / seconds, "1/s");
	report("write_depth_64_to_disk", MANY / seconds * disk_ns / 1e9, "x");
	bench_close(bench);
}

/* ---- Reads ------------------------------------------------------------------------------------------------------ */

struct reads {
	struct bench *bench;
	struct env_mail mail;
	struct raftkv_read read;
	char keys[ROWS][32]; /* as RocksDB has them; the layer's own without the first byte */
	uint64_t bare_ns;
	uint64_t leased_ns;
	uint64_t leased; /* those that were served */
};

#define KEY_SIZE 10 /* bytes */

static void get_row(struct raftkv_snapshot *snapshot, const char *key, struct kv_value *value)
{
	struct slice row = slice_of(key, KEY_SIZE - 1);
	int status = view_get(raftkv_snapshot_view(snapshot, false), KEY_DATA, row, value);

	if (status == STATUS_WOULD_BLOCK) /* just flushed into a file that nobody has read yet */
		status = view_get(raftkv_snapshot_view(snapshot, true), KEY_DATA, row, value);
	check(status == 0);
}

static void read_bare(struct reads *reads, uint64_t count)
{
	struct kv_engine *kv = reads->bench->raftkv->engines.kv;
	uint64_t begin = thread_ns();

	for (uint64_t i = 0; i < count; i++) {
		struct kv_value value;

		check(kv->ops->get(
			      kv, NULL, KV_TIER_ALL, slice_of(reads->keys[i % ROWS], KEY_SIZE), &value) == 0);
		kv_value_close(&value);
	}
	reads->bare_ns += thread_ns() - begin;
}

static void read_leased(struct reads *reads, uint64_t count)
{
	struct raftkv *raftkv = reads->bench->raftkv;
	uint64_t begin = thread_ns();

	for (uint64_t i = 0; i < count; i++) {
		struct raftkv_snapshot *snapshot;
		struct kv_value value;

		if (raftkv_local_snapshot(raftkv, 1, 0, &snapshot) < 0)
			continue;
		get_row(snapshot, reads->keys[i % ROWS] + 1, &value);
		kv_value_close(&value);
		raftkv_snapshot_free(snapshot);
		reads->leased++;
	}
	reads->leased_ns += thread_ns() - begin;
}

static void read_rows(struct env_mail *mail)
{
	struct reads *reads = container_of(mail, struct reads, mail);

	for (unsigned i = 0; i < READ_TURNS; i++) {
		read_bare(reads, READS / READ_TURNS);
		read_leased(reads, READS / READ_TURNS);
	}
	sem_post(&reads->bench->done);
}

static void on_snapshot(struct raftkv_read *read, int status, struct raftkv_snapshot *snapshot)
{
	struct reads *reads = container_of(read, struct reads, read);

	check(status == 0);
	raftkv_snapshot_free(snapshot);
	sem_post(&reads->bench->done);
}

/* Reads of one row each, in turns with RocksDB's own of the same rows: another memtable would have another shape. */
static void bench_reads(struct bench *bench, void *bytes)
{
	static struct reads reads;
	struct env_loop *reader;
	double bare, leased;

	(void)bytes;
	reads.bench = bench;
	for (uint64_t i = 0; i < ROWS; i++)
		snprintf(reads.keys[i], sizeof reads.keys[i], "\4row%06" PRIu64, i);
	bench_open(bench);
	run_writes(bench, 64, ROWS, row_body, NULL, NULL);
	check(env_loop_new(bench->env, "reader", &reader) == 0);
	check(env_loop_start(reader) == 0);
	reads.read = (struct raftkv_read){.region = 1, .loop = bench->shard, .done = on_snapshot};
	raftkv_async_snapshot(bench->raftkv, &reads.read); /* which brings a lease */
	sem_wait(&bench->done);
	env_post(reader, &reads.mail, read_rows);
	sem_wait(&bench->done);
	env_loop_stop(reader);
	env_loop_free(reader);
	bench_close(bench);
	bare = READS / ((double)reads.bare_ns / 1e9);
	leased = (double)reads.leased / ((double)reads.leased_ns / 1e9);
	report("bare_get", bare, "1/s");
	report("lease_read", leased, "1/s");
	report("lease_read_to_bare_get", leased / bare, "x");
}

/* ---- Payloads --------------------------------------------------------------------------------------------------- */

static uint64_t written_size(void)
{
	FILE *file = fopen("/proc/self/io", "r");
	char line[128];
	uint64_t size = 0;

	check(file);
	while (fgets(line, sizeof line, file))
		sscanf(line, "write_bytes: %" SCNu64, &size);
	fclose(file);
	return size;
}

static void keep(void *argument)
{
	(void)argument;
}

/* Runs writes until the log has all the segments that it goes round in: made once in a store's life, they are no
 * user's bytes. */
static void warm_up(
	struct bench *bench, uint32_t count, struct buf *(*body)(uint64_t number), struct buf *payload)
{
	struct raftkv_stats stats = {0};
	uint64_t before;

	do {
		before = stats.log.disk_size;
		run_writes(bench, 16, count, body, payload, NULL);
		sleep(2); /* the spares are made by housekeeping, once a second */
		raftkv_stats(bench->raftkv, &stats);
	} while (stats.log.disk_size != before);
}

static void bench_sequential(struct bench *bench, void *bytes)
{
	enum { TURNS = 8, TURN = 128, COUNT = TURNS * TURN };
	struct buf *payload = buf_wrap(bytes, MIB, keep, NULL);
	struct env_file *file = open_disk(bench, 0, TURN * MIB);
	double disk = 0, store = 0;
	uint64_t before, others = 0;

	bench_open(bench);
	time_disk_sequential(bench, file, bytes, TURN);
	warm_up(bench, TURN, sequential_body, payload);
	before = written_size();
	for (unsigned i = 0; i < TURNS; i++) {
		disk += time_disk_sequential(bench, file, bytes, TURN);
		others += TURN * MIB;
		store += run_writes(bench, 16, TURN, sequential_body, payload, NULL);
	}
	bench_close(bench);
	env_file_close(file);
	report("disk_sequential", COUNT / disk, "MiB/s");
	report("payload_1m_depth_16", COUNT / store, "MiB/s");
	report("payload_1m_to_disk", disk / store, "x");
	report("sequential_device_bytes", (double)(written_size() - before - others) / COUNT / MIB, "x");
	buf_unref(payload);
}

static void bench_random(struct bench *bench, void *bytes)
{
	enum { COUNT = 30000 };
	struct buf *large = buf_wrap(bytes, MIB, keep, NULL);
	struct buf *small = buf_wrap(bytes, BLOCK_UNIT_SIZE, keep, NULL);
	uint64_t before;
	double seconds;

	bench->options.log_size_max = 64 * MIB;
	bench_open(bench);
	bench->options.log_size_max = 0; /* as usual */
	run_writes(bench, 4, 64, fill_body, large, NULL);
	warm_up(bench, COUNT, random_body, small);
	before = written_size();
	seconds = run_writes(bench, 16, COUNT, random_body, small, NULL);
	bench_close(bench);
	report("random_4k_depth_16", COUNT / seconds, "1/s");
	report("random_device_bytes", (double)(written_size() - before) / COUNT / BLOCK_UNIT_SIZE, "x");
	buf_unref(large);
	buf_unref(small);
}

/* ---- Idle regions ----------------------------------------------------------------------------------------------- */

static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void bench_regions(struct bench *bench, void *bytes)
{
	struct raftkv_stats stats = {0};
	uint64_t begin;
	size_t heap;
	double cpu;

	(void)bytes;
	snprintf(bench->path, sizeof bench->path, "%s/regions", bench->directory);
	bench->options.initial_regions = REGIONS;
	bench_open(bench);
	bench_close(bench);
	heap = mallinfo2().uordblks;
	begin = env_now(bench->env);
	bench_open(bench);
	report("regions_10000_open", (double)(env_now(bench->env) - begin) / 1e9, "s");
	while (stats.leaders < REGIONS) {
		usleep(1000);
		raftkv_stats(bench->raftkv, &stats);
	}
	report("regions_10000_lead", (double)(env_now(bench->env) - begin) / 1e9, "s");
	sleep(1);
	report("region_memory", (double)(mallinfo2().uordblks - heap) / REGIONS, "B");
	cpu = cpu_seconds();
	sleep(IDLE_S);
	report("regions_10000_cpu", (cpu_seconds() - cpu) / IDLE_S * 100, "%");
	bench_close(bench);
}

static const struct {
	const char *name;
	void (*run)(struct bench *bench, void *bytes);
} parts[] = {{"rows", bench_rows}, {"reads", bench_reads}, {"random", bench_random},
	{"sequential", bench_sequential}, {"regions", bench_regions}};

int main(int argc, char **argv)
{
	struct bench bench = {0};
	void *bytes = aligned_alloc(ENV_DIRECT_ALIGNMENT, MIB);

	check(bytes);
	for (size_t i = 0; i < MIB; i++)
		((uint8_t *)bytes)[i] = (uint8_t)(i * 31 >> 3);
	if (argc > 1)
		setenv("TMPDIR", argv[1], 1);
	test_directory_make(bench.directory, sizeof bench.directory);
	snprintf(bench.path, sizeof bench.path, "%s/store", bench.directory);
	check(env_uv_new(&(struct env_uv_options){.worker_threads = 2, .io_threads = 8}, &bench.env, NULL) ==
		0);
	sem_init(&bench.done, 0, 0);
	bench.logger = logger_fd(2, LOG_WARN);
	bench.options = (struct raftkv_options){.env = bench.env,
		.logger = &bench.logger,
		.path = bench.path,
		.evaluator = test_evaluator(),
		.shard_count = 1,
		.failed = on_failed};
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		if (argc < 3 || strcmp(argv[2], parts[i].name) == 0)
			parts[i].run(&bench, bytes);
	env_uv_free(bench.env);
	test_directory_remove(bench.directory);
	free(bytes);
	return 0;
}
