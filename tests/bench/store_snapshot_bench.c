/*
 * A region's snapshot from one store to another, without a network between them: how fast its chunks are read, taken in,
 * and installed, beside plain sequential O_DIRECT writes of the same disk.
 */
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proto/check.h"
#include "proto/container.h"
#include "proto/env_uv.h"
#include "store/raftkv.h"
#include "store/snapshot/snapshot_source.h"
#include "store/peer/store.h"
#include "tests/lib/test_evaluator.h"

#define LARGE	     (1u << 20)
#define OBJECT_COUNT 192u /* of a MiB */
#define ROW_COUNT    2000u
#define ROW_SIZE     100u

struct store {
	struct env_loop *loops[2]; /* a shard's, and the caller's */
	struct raftkv_options options;
	struct raftkv *raftkv;
	sem_t done;
	int status;
	char path[96];
};

struct bench {
	struct env *env;
	struct logger logger;
	struct store from, to;
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

static double write_disk(const char *folder)
{
	unsigned char *bytes = aligned_alloc(4096, LARGE);
	char path[96];
	double began;
	int fd;

	check(bytes != NULL);
	memset(bytes, 7, LARGE);
	snprintf(path, sizeof path, "%s/disk", folder);
	fd = open(path, O_RDWR | O_CREAT | O_DIRECT, 0600);
	check(fd >= 0);
	check(posix_fallocate(fd, 0, (off_t)OBJECT_COUNT * LARGE) == 0);
	check(fsync(fd) == 0);
	began = now();
	for (uint32_t i = 0; i < OBJECT_COUNT; i++)
		check(pwrite(fd, bytes, LARGE, (off_t)i * LARGE) == LARGE);
	check(fdatasync(fd) == 0);
	began = now() - began;
	close(fd);
	check(unlink(path) == 0);
	free(bytes);
	return OBJECT_COUNT * (double)LARGE / began / 1e6;
}

/* ---- Stores ----------------------------------------------------------------------------------------------------- */

static void open_store(struct bench *bench, struct store *store, const char *folder, uint64_t id)
{
	static const uint64_t first = 1;
	struct status status = {0};

	sem_init(&store->done, 0, 0);
	snprintf(store->path, sizeof store->path, "%s/%u", folder, (unsigned int)id);
	for (int i = 0; i < 2; i++)
		check(env_loop_new(bench->env, "loop", &store->loops[i]) == 0);
	store->options = (struct raftkv_options){
		.env = bench->env,
		.logger = &bench->logger,
		.path = store->path,
		.evaluator = test_evaluator(),
		.shards = store->loops,
		.shard_count = 1,
		.cluster = 7,
		.store = id,
		.initial_stores = &first,
		.initial_store_count = 1,
		.is_joining = id > 1,
		.failed = on_failed,
	};
	if (raftkv_open(&store->options, &store->raftkv, &status) < 0)
		on_failed(NULL, status.code, status.text);
	for (int i = 0; i < 2; i++)
		check(env_loop_start(store->loops[i]) == 0);
}

static void on_stopped(void *argument)
{
	sem_post(&((struct store *)argument)->done);
}

static void close_store(struct store *store)
{
	raftkv_stop(store->raftkv, store->loops[0], on_stopped, store);
	sem_wait(&store->done);
	for (int i = 0; i < 2; i++)
		env_loop_stop(store->loops[i]);
	for (int i = 0; i < 2; i++)
		env_loop_free(store->loops[i]);
	raftkv_free(store->raftkv);
}

struct call {
	struct raftkv_write write;
	struct raftkv_change change;
	struct store *store;
};

static void on_written(struct raftkv_write *write, int status, struct buf *reply)
{
	struct call *call = container_of(write, struct call, write);

	(void)reply;
	call->store->status = status;
	sem_post(&call->store->done);
}

static void on_changed(struct raftkv_change *change, int status)
{
	struct call *call = container_of(change, struct call, change);

	call->store->status = status;
	sem_post(&call->store->done);
}

static void write_one(struct store *store, struct buf *body, struct buf *payload)
{
	struct call call = {.store = store};

	do {
		call.write = (struct raftkv_write){.region = 1,
			.body = body,
			.payload = payload,
			.loop = store->loops[1],
			.done = on_written};
		raftkv_async_write(store->raftkv, &call.write);
		sem_wait(&store->done);
	} while (store->status == STATUS_NOT_LEADER);
	check(store->status == 0);
	buf_unref(body);
	buf_unref(payload);
}

static void fill(struct store *store)
{
	static char value[ROW_SIZE + 1];
	char name[32];

	memset(value, 'v', ROW_SIZE);
	for (uint32_t i = 0; i < OBJECT_COUNT; i++) {
		struct buf *payload = buf_new(LARGE);

		memset(payload->data, (int)i, LARGE);
		snprintf(name, sizeof name, "object%06u", i);
		write_one(store, test_op_write(name, 0), payload);
	}
	for (uint32_t i = 0; i < ROW_COUNT; i++) {
		snprintf(name, sizeof name, "row%06u", i);
		write_one(store, test_op_put(name, value), NULL);
	}
}

/* Only a member may be sent a snapshot. */
static void add_member(struct store *store)
{
	struct call call = {.store = store};

	call.change = (struct raftkv_change){.region = 1,
		.change = {.steps = {{RAFT_ADD_LEARNER, 2, 2}}, .step_count = 1},
		.loop = store->loops[1],
		.done = on_changed};
	raftkv_change_peers(store->raftkv, &call.change);
	sem_wait(&store->done);
	check(store->status == 0);
}

/* ---- The snapshot ----------------------------------------------------------------------------------------------- */

static struct snapshot_sink *begin(struct bench *bench, struct raft_snapshot *snapshot)
{
	struct raft_message message = {.type = RAFT_MSG_SNAP, .from = 1, .to = 2, .term = snapshot->term};
	struct peer_envelope envelope = {.region = 1,
		.epoch = {.conf_version = 2, .version = 1},
		.from = {.id = 1, .store = 1},
		.to = {.id = 2, .store = 2}};
	struct snapshot_sink *sink;

	message.snapshot = calloc(1, sizeof *message.snapshot);
	check(message.snapshot && raft_snapshot_copy(message.snapshot, snapshot) == 0);
	check(raftkv_receive_snapshot(bench->to.raftkv, &envelope, &message, &sink) == 0);
	return sink;
}

/* The region is there once its key is found: the last step but one. */
static void await_installed(struct bench *bench)
{
	struct region_epoch epoch;
	uint64_t region;
	struct route *route;

	while (!(route = router_find(&bench->to.raftkv->router, 1)) ||
		raftkv_find_region(bench->to.raftkv, slice_of("a", 1), &region, &epoch) < 0 ||
		atomic_load(&route->applied_index) == 0)
		usleep(500);
}

static void transfer(struct bench *bench, double disk)
{
	double reading = 0, taking = 0, finishing, began;
	struct snapshot_source *source;
	struct raft_snapshot snapshot;
	struct snapshot_sink *sink;
	struct buf *chunk;
	double size = 0;

	check(snapshot_source_new(&bench->from.raftkv->snapshots, 1, false, &source, &snapshot) == 0);
	sink = begin(bench, &snapshot);
	for (;;) {
		began = now();
		if (snapshot_source_next(source, &chunk) < 0)
			break;
		reading += now() - began;
		size += (double)chunk->size;
		began = now();
		check(snapshot_sink_write(sink, buf_slice(chunk)) == 0);
		taking += now() - began;
		buf_unref(chunk);
	}
	began = now();
	check(snapshot_sink_finish(sink) == 0);
	await_installed(bench);
	finishing = now() - began;
	snapshot_source_free(source);
	raft_snapshot_close(&snapshot);
	report("snapshot_read", size / reading / 1e6, "MB/s");
	report("snapshot_take_in", size / taking / 1e6, "MB/s");
	report("snapshot_sync_and_install", finishing * 1e3, "ms");
	report("snapshot_all", size / (reading + taking + finishing) / 1e6, "MB/s");
	report("snapshot_take_in_and_install_over_disk", size / (taking + finishing) / 1e6 / disk, "x");
}

int main(void)
{
	char scratch[] = "/var/tmp/raftkv-bench-XXXXXX";
	char command[64];
	struct bench bench = {.logger = logger_fd(2, LOG_ERROR)};
	double disk;

	check(mkdtemp(scratch) != NULL);
	disk = write_disk(scratch);
	report("disk_write_1m", disk, "MB/s");
	check(env_uv_new(&(struct env_uv_options){.worker_threads = 2, .io_threads = 4}, &bench.env, NULL) ==
		0);
	open_store(&bench, &bench.from, scratch, 1);
	open_store(&bench, &bench.to, scratch, 2);
	fill(&bench.from);
	add_member(&bench.from);
	transfer(&bench, disk);
	close_store(&bench.from);
	close_store(&bench.to);
	env_uv_free(bench.env);
	snprintf(command, sizeof command, "rm -rf %s", scratch);
	return system(command) != 0;
}
