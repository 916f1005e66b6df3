/*
 * A store on real files under several threads at once, mostly for ThreadSanitizer: each thread counts its own rows up by
 * compare-and-set and appends, writes units of objects, and reads what it and the others have done, by local snapshots
 * and through the loop; the store is stopped in the middle and opened again.
 */
#include "store/raftkv.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/container.h"
#include "proto/env_uv.h"
#include "tests/lib/test.h"
#include "tests/lib/test_evaluator.h"

#define THREADS	     4
#define SHARDS	     2
#define REGIONS	     4
#define LIVES	     3
#define STEPS	     250 /* of a thread in one life of the store */
#define OBJECT_UNITS 24u /* beside the log */

struct store {
	struct env *env;
	struct logger logger;
	struct raftkv_options options;
	struct env_loop *loops[SHARDS + 1]; /* the last one is the callers' */
	struct raftkv *raftkv;
	sem_t stopped;
};

/* One thread, and what it knows of its rows. */
struct worker {
	struct store *store;
	struct worker *all;
	uint64_t number;
	_Atomic uint64_t count; /* acknowledged increments of its counter */
	uint64_t steps_made;
	bool is_stopping; /* an answer said so */
	struct raftkv_write write;
	struct raftkv_read read;
	sem_t done;
	int status;
	uint8_t result;
	struct raftkv_snapshot *snapshot;
};

#ifdef __SANITIZE_THREAD__
/* RocksDB is not built for ThreadSanitizer, which sees neither its atomics nor its locks. */
const char *__tsan_default_suppressions(void);

const char *__tsan_default_suppressions(void)
{
	return "called_from_lib:librocksdb.so\nrace:rocksdb::\n";
}
#endif

/* Keys begin with a byte spread over the regions. */
static void make_key(const struct worker *worker, const char *kind, char key[32])
{
	snprintf(key, 32, "%c%s%u", (char)(1 + worker->number * 63), kind, (unsigned int)worker->number);
}

static uint64_t region_of(struct store *store, const char *key)
{
	struct region_epoch epoch;
	uint64_t region = 0;

	check(raftkv_find_region(store->raftkv, slice_of(key, strlen(key)), &region, &epoch) == 0);
	return region;
}

/* ---- Writes ---- */

static void on_written(struct raftkv_write *write, int status, struct buf *reply)
{
	struct worker *worker = container_of(write, struct worker, write);

	worker->status = status;
	worker->result = reply ? *(uint8_t *)reply->data : TEST_REFUSED;
	sem_post(&worker->done);
}

/* False: the store is stopping, and what became of it is unknown. */
static bool perform(struct worker *worker, const char *key, struct buf *body, struct buf *payload)
{
	worker->write = (struct raftkv_write){.region = region_of(worker->store, key),
		.body = body,
		.payload = payload,
		.loop = worker->store->loops[SHARDS],
		.done = on_written};
	do {
		raftkv_async_write(worker->store->raftkv, &worker->write);
		sem_wait(&worker->done);
	} while (worker->status == STATUS_NOT_LEADER);
	buf_unref(body);
	buf_unref(payload);
	worker->is_stopping = worker->status == STATUS_STOPPING;
	check(worker->status == 0 || worker->is_stopping);
	return worker->status == 0;
}

static void count_up(struct worker *worker)
{
	char key[32], old[24] = "", new[24];
	uint64_t count = atomic_load(&worker->count);

	make_key(worker, "counter", key);
	if (count > 0)
		snprintf(old, sizeof old, "%llu", (unsigned long long)count);
	snprintf(new, sizeof new, "%llu", (unsigned long long)count + 1);
	if (perform(worker, key, test_op_compare(key, old, new), NULL)) {
		check(worker->result == TEST_DONE);
		atomic_store(&worker->count, count + 1);
	}
}

static void write_object(struct worker *worker, uint32_t units)
{
	struct buf *payload = buf_new((size_t)units * BLOCK_UNIT_SIZE);
	char key[32];

	check(payload);
	memset(payload->data, (int)worker->number + 1, payload->size);
	make_key(worker, "object", key);
	perform(worker, key, test_op_write(key, 0), payload);
}

/* ---- Reads ---- */

static void on_read(struct raftkv_read *read, int status, struct raftkv_snapshot *snapshot)
{
	struct worker *worker = container_of(read, struct worker, read);

	worker->status = status;
	worker->snapshot = snapshot;
	sem_post(&worker->done);
}

static struct raftkv_snapshot *take_snapshot(struct worker *worker, const char *key)
{
	uint64_t region = region_of(worker->store, key);

	if (worker->steps_made % 3 != 0 &&
		raftkv_local_snapshot(worker->store->raftkv, region, 0, &worker->snapshot) == 0)
		return worker->snapshot;
	worker->read =
		(struct raftkv_read){.region = region, .loop = worker->store->loops[SHARDS], .done = on_read};
	do {
		raftkv_async_snapshot(worker->store->raftkv, &worker->read);
		sem_wait(&worker->done);
	} while (worker->status == STATUS_NOT_LEADER);
	check(worker->status == 0 || worker->status == STATUS_STOPPING);
	worker->is_stopping = worker->status == STATUS_STOPPING;
	return worker->snapshot;
}

static uint64_t read_count(struct view *view, const char *key)
{
	char text[24] = "0";
	struct kv_value value;
	int status = view_get(view, KEY_DATA, slice_of(key, strlen(key)), &value);

	check(status == 0 || status == STATUS_NOT_FOUND);
	if (status == 0)
		snprintf(text, sizeof text, "%.*s", (int)value.data.size, (const char *)value.data.data);
	kv_value_close(&value);
	return strtoull(text, NULL, 10);
}

/* Another's counter is at least what it was known to be before the read began; its object is all of one write. */
static void read_other(struct worker *worker)
{
	const struct worker *other = &worker->all[worker->steps_made % THREADS];
	uint64_t least = atomic_load(&other->count);
	char key[32];
	uint8_t units[4 * BLOCK_UNIT_SIZE];
	struct raftkv_snapshot *snapshot;
	struct view *view;

	make_key(other, "counter", key);
	snapshot = take_snapshot(worker, key);
	if (!snapshot)
		return;
	view = raftkv_snapshot_view(snapshot, true);
	check(read_count(view, key) >= least);
	make_key(other, "object", key);
	check(view_read(view, slice_of(key, strlen(key)), 0, 4, units) == 0);
	check(units[0] == 0 || units[0] == other->number + 1);
	check(memcmp(units, units + 1, sizeof units - 1) == 0);
	raftkv_snapshot_free(snapshot);
}

/* ---- Threads ---- */

static void *work(void *argument)
{
	struct worker *worker = argument;

	worker->is_stopping = false;
	for (int i = 0; i < STEPS && !worker->is_stopping; i++) {
		worker->steps_made++;
		switch (worker->steps_made % 8) {
		case 0:
			write_object(worker, OBJECT_UNITS);
			break;
		case 4:
			write_object(worker, 4);
			break;
		case 1:
		case 5:
			count_up(worker);
			break;
		default:
			read_other(worker);
		}
	}
	return NULL;
}

static void on_failed(void *argument, int status, const char *sentence)
{
	(void)argument;
	fprintf(stderr, "the store failed: %s (%s)\n", sentence, status_name(status));
	abort();
}

static void open_store(struct store *store)
{
	struct status status = {0};

	for (int i = 0; i <= SHARDS; i++)
		check(env_loop_new(store->env, "loop", &store->loops[i]) == 0);
	store->options.shards = store->loops;
	if (raftkv_open(&store->options, &store->raftkv, &status) < 0)
		on_failed(store, status.code, status.text);
	for (int i = 0; i <= SHARDS; i++)
		check(env_loop_start(store->loops[i]) == 0);
}

static void on_stopped(void *argument)
{
	sem_post(&((struct store *)argument)->stopped);
}

static void begin_stop(struct store *store)
{
	raftkv_stop(store->raftkv, store->loops[0], on_stopped, store);
}

static void end_stop(struct store *store)
{
	sem_wait(&store->stopped);
	for (int i = 0; i <= SHARDS; i++)
		env_loop_stop(store->loops[i]);
	for (int i = 0; i <= SHARDS; i++)
		env_loop_free(store->loops[i]);
	raftkv_free(store->raftkv);
}

/* After a stop under load the last increment may or may not have happened. */
static void learn_count(struct worker *worker)
{
	uint64_t count = atomic_load(&worker->count), found;
	struct raftkv_snapshot *snapshot;
	char key[32];

	make_key(worker, "counter", key);
	worker->is_stopping = false;
	snapshot = take_snapshot(worker, key);
	found = read_count(raftkv_snapshot_view(snapshot, true), key);
	raftkv_snapshot_free(snapshot);
	assert_true(found == count || found == count + 1);
	atomic_store(&worker->count, found);
}

static void live(struct store *store, struct worker *workers, bool stops_under_load)
{
	pthread_t threads[THREADS];
	uint64_t begun;

	open_store(store);
	for (int i = 0; i < THREADS; i++)
		learn_count(&workers[i]);
	begun = atomic_load(&workers[0].count);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	if (stops_under_load) {
		while (atomic_load(&workers[0].count) < begun + 10)
			sched_yield();
		begin_stop(store);
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	if (!stops_under_load)
		begin_stop(store);
	end_stop(store);
}

static void threads_and_reopenings(void **state)
{
	struct store *store = calloc(1, sizeof *store);
	struct worker workers[THREADS] = {0};
	char directory[128], path[160];

	(void)state;
	test_directory_make(directory, sizeof directory);
	snprintf(path, sizeof path, "%s/store", directory);
	assert_int_equal(
		env_uv_new(&(struct env_uv_options){.worker_threads = 2, .io_threads = 4}, &store->env, NULL),
		0);
	sem_init(&store->stopped, 0, 0);
	store->logger = logger_fd(2, LOG_WARN);
	store->options = (struct raftkv_options){
		.env = store->env,
		.logger = &store->logger,
		.path = path,
		.evaluator = test_evaluator(),
		.shard_count = SHARDS,
		.initial_regions = REGIONS,
		.log_size_max = 1u << 20,
		.reserve_size = 1,
		.block_file_size = 16u << 20,
		.segment_size = 4u << 20,
		.tick_ms = 2, /* leases and flushes are often renewed */
		.flush_age_ms = 20,
		.failed = on_failed,
	};
	for (uint64_t i = 0; i < THREADS; i++) {
		workers[i].store = store;
		workers[i].all = workers;
		workers[i].number = i;
		sem_init(&workers[i].done, 0, 0);
	}
	for (int life = 0; life < LIVES; life++)
		live(store, workers, life == 1);
	env_uv_free(store->env);
	test_directory_remove(directory);
	free(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_and_reopenings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
