/*
 * RocksDB keeps what every KV engine promises; and what only it can get wrong: reads from the cache never touch the
 * disk, a directory has one owner.
 *
 * A crash is a child killed by SIGKILL. It is this program run again (`--body NAME DIRECTORY MODE`), not a mere fork:
 * RocksDB's threads, started in the parent, would be missing in it.
 */
#include "store/kv/kv_rocksdb.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/check.h"
#include "proto/plant.h"
#include "tests/conform/kv_conform.h"

struct rocksdb_target {
	struct kv_conform_target target;
	char scratch[64]; /* holds the directory */
	char path[96];
	unsigned resets;
};

static void reset(struct kv_conform_target *target)
{
	struct rocksdb_target *self = (struct rocksdb_target *)target;

	snprintf(self->path, sizeof self->path, "%s/%u", self->scratch, self->resets++);
}

static struct kv_engine *open_path(const char *path, bool manual_flush)
{
	struct kv_rocksdb_options options = {
		.path = path, .background_threads = 2, .manual_flush = manual_flush};
	struct kv_engine *engine = NULL;
	struct status status = {0};

	if (kv_rocksdb_open(&options, &engine, &status))
		fprintf(stderr, "%s\n", status.text);
	check(engine != NULL);
	return engine;
}

static void gone_path(const struct rocksdb_target *self, char *path, size_t size)
{
	snprintf(path, size, "%s.gone", self->path);
}

static struct kv_engine *open_rocksdb(struct kv_conform_target *target)
{
	struct rocksdb_target *self = (struct rocksdb_target *)target;
	char gone[128];

	gone_path(self, gone, sizeof gone);
	if (access(gone, F_OK) == 0)
		assert_int_equal(rename(gone, self->path), 0);
	return open_path(self->path, target->manual_flush);
}

static void crash(struct kv_conform_target *target, const char *body)
{
	const char *path = ((struct rocksdb_target *)target)->path;
	pid_t child = fork();
	int status;

	check(child >= 0);
	if (child == 0) {
		execl("/proc/self/exe", "test_kv_rocksdb", "--body", body, path,
			target->manual_flush ? "manual" : "automatic", NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Takes the directory away: no new table can be made. (Debian's RocksDB is built with assertions, and some of its own
 * follow a failed write to an open file: that is a stop as well, but not one to test.) */
static void break_device(struct kv_conform_target *target)
{
	struct rocksdb_target *self = (struct rocksdb_target *)target;
	char gone[128];

	gone_path(self, gone, sizeof gone);
	assert_int_equal(rename(self->path, gone), 0);
}

/* Bytes this thread has asked the kernel to read. */
static uint64_t bytes_read(void)
{
	FILE *file = fopen("/proc/thread-self/io", "r");
	unsigned long long size = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "rchar: %llu", &size), 1);
	fclose(file);
	return size;
}

static void test_cache_reads_no_disk(void **state)
{
	struct rocksdb_target *self = *state;
	struct kv_engine *engine;
	struct kv_batch *batch;
	struct kv_iterator *iterator;
	uint64_t before, own;

	reset(&self->target);
	engine = open_rocksdb(&self->target);
	batch = engine->ops->batch_new(engine);
	for (uint32_t i = 0; i < 200000; i++) {
		uint64_t key = (uint64_t)i * 2654435761u % 1000003;

		engine->ops->batch_clear(batch);
		engine->ops->batch_put(batch, slice_of(&key, sizeof key), slice_of("0123456789abcdef", 16));
		assert_int_equal(engine->ops->write(engine, batch), 0);
	}
	engine->ops->batch_free(batch);
	engine->ops->close(engine);
	engine = open_rocksdb(&self->target);
	own = bytes_read();
	own = bytes_read() - own; /* what reading the counter itself reads */
	before = bytes_read();
	for (uint64_t key = 0; key < 1000; key++) {
		struct kv_value value;
		int code = engine->ops->get(engine, NULL, KV_TIER_CACHE, slice_of(&key, sizeof key), &value);

		assert_true(code == STATUS_WOULD_BLOCK || code == STATUS_NOT_FOUND);
	}
	assert_int_equal(engine->ops->iterator_new(
				 engine, NULL, KV_TIER_CACHE, slice_of("", 0), slice_of("", 0), &iterator),
		0);
	assert_int_equal(engine->ops->seek(iterator, slice_of("", 0)), STATUS_WOULD_BLOCK);
	assert_int_equal(engine->ops->seek(iterator, slice_of("m", 1)), STATUS_WOULD_BLOCK);
	engine->ops->iterator_free(engine, iterator);
	assert_int_equal(bytes_read() - before, own);
	engine->ops->close(engine);
}

static void test_one_owner(void **state)
{
	struct rocksdb_target *self = *state;
	struct kv_engine *engine, *second;
	struct status status = {0};

	reset(&self->target);
	engine = open_rocksdb(&self->target);
	assert_int_equal(
		kv_rocksdb_open(&(struct kv_rocksdb_options){.path = self->path, .background_threads = 1},
			&second, &status),
		-EWOULDBLOCK);
	assert_true(strlen(status.text) > 0);
	engine->ops->close(engine);
}

/* Flipped bytes of a table are found by its checksums, never returned. */
static void test_rot(void **state)
{
	struct rocksdb_target *self = *state;
	struct kv_engine *engine;
	struct kv_batch *batch;
	struct kv_value value;
	char command[256], key[16];
	int corrupt = 0;

	reset(&self->target);
	engine = open_rocksdb(&self->target);
	batch = engine->ops->batch_new(engine);
	for (int i = 0; i < 1000; i++) {
		snprintf(key, sizeof key, "%04d", i);
		engine->ops->batch_put(batch, slice_of(key, 4), slice_of(key, 4));
	}
	assert_int_equal(engine->ops->write(engine, batch), 0);
	engine->ops->batch_free(batch);
	engine->ops->close(engine);
	snprintf(command, sizeof command,
		"printf X | dd of=$(ls %s/*.sst) bs=1 seek=1000 conv=notrunc status=none", self->path);
	assert_int_equal(system(command), 0);
	engine = open_rocksdb(&self->target);
	for (int i = 0; i < 1000; i++) {
		int code;

		snprintf(key, sizeof key, "%04d", i);
		code = engine->ops->get(engine, NULL, KV_TIER_ALL, slice_of(key, 4), &value);
		assert_true(code == STATUS_CORRUPT || code == 0);
		if (code == 0)
			assert_memory_equal(value.data.data, key, 4);
		corrupt += code != 0;
		kv_value_close(&value);
	}
	assert_in_range(corrupt, 1, 999);
	engine->ops->close(engine);
}

static void write_row(struct kv_engine *engine, const char *key)
{
	struct kv_batch *batch = engine->ops->batch_new(engine);

	engine->ops->batch_put(batch, slice_of(key, strlen(key)), slice_of("1", 1));
	check(engine->ops->write(engine, batch) == 0);
	engine->ops->batch_free(batch);
}

/* It is refused if the flush has failed already. */
static void try_later_row(void *argument)
{
	struct kv_engine *engine = argument;
	struct kv_batch *batch = engine->ops->batch_new(engine);

	engine->ops->batch_put(batch, slice_of("later", 5), slice_of("1", 1));
	engine->ops->write(engine, batch);
	engine->ops->batch_free(batch);
}

static bool has_row(struct kv_engine *engine, const char *key)
{
	struct kv_value value;
	int code = engine->ops->get(engine, NULL, KV_TIER_ALL, slice_of(key, strlen(key)), &value);

	assert_true(code == 0 || code == STATUS_NOT_FOUND);
	kv_value_close(&value);
	return code == 0;
}

/* The device works again after a failed flush, before the close: what no flush took stays off it. */
static void test_close_after_failure(void **state)
{
	struct rocksdb_target *self = *state;
	struct kv_engine *engine;
	char gone[128];

	self->target.manual_flush = true;
	reset(&self->target);
	engine = open_rocksdb(&self->target);
	write_row(engine, "first");
	assert_int_equal(engine->ops->flush(engine, NULL, NULL), 0);
	write_row(engine, "second");
	break_device(&self->target);
	assert_true(engine->ops->flush(engine, try_later_row, engine) < 0);
	gone_path(self, gone, sizeof gone);
	assert_int_equal(rename(gone, self->path), 0);
	engine->ops->close(engine);
	engine = open_rocksdb(&self->target);
	assert_true(has_row(engine, "first"));
	assert_false(has_row(engine, "later"));
	engine->ops->close(engine);
}

struct flusher {
	pthread_t thread;
	struct kv_engine *engine;
	char key[16];
};

static void *write_and_flush(void *argument)
{
	struct flusher *self = argument;
	struct kv_engine *engine = self->engine;
	struct kv_value value;

	for (int i = 0; i < 20; i++) {
		int code;

		write_row(engine, self->key);
		check(engine->ops->flush(engine, NULL, NULL) == 0);
		code = engine->ops->get(
			engine, NULL, KV_TIER_PERSISTED, slice_of(self->key, strlen(self->key)), &value);
		check(code == 0);
		kv_value_close(&value);
	}
	return NULL;
}

static void test_concurrent_flushes(void **state)
{
	struct rocksdb_target *self = *state;
	struct flusher flushers[4];
	struct kv_engine *engine;

	self->target.manual_flush = true;
	reset(&self->target);
	engine = open_rocksdb(&self->target);
	for (int i = 0; i < 4; i++) {
		flushers[i].engine = engine;
		snprintf(flushers[i].key, sizeof flushers[i].key, "key%d", i);
		assert_int_equal(pthread_create(&flushers[i].thread, NULL, write_and_flush, &flushers[i]), 0);
	}
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_join(flushers[i].thread, NULL), 0);
	engine->ops->close(engine);
}

static int run_all(struct rocksdb_target *self)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(test_cache_reads_no_disk, self),
		cmocka_unit_test_prestate(test_one_owner, self),
		cmocka_unit_test_prestate(test_rot, self),
		cmocka_unit_test_prestate(test_close_after_failure, self),
		cmocka_unit_test_prestate(test_concurrent_flushes, self),
	};
	int failed = kv_conform_run("kv_rocksdb", &self->target);

	self->target.manual_flush = false;
	return failed + cmocka_run_group_tests_name("kv_rocksdb alone", tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	struct rocksdb_target self = {.target = {false, reset, open_rocksdb, crash, break_device}};
	char command[96];
	int failed;

#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	if (argc == 5 && strcmp(argv[1], "--body") == 0) {
		kv_conform_body(argv[2], open_path(argv[3], strcmp(argv[4], "manual") == 0));
		raise(SIGKILL);
	}
	snprintf(self.scratch, sizeof self.scratch, "%s", "/tmp/raftkv-kv-XXXXXX");
	check(mkdtemp(self.scratch) != NULL);
	failed = run_all(&self);
	snprintf(command, sizeof command, "rm -rf %s", self.scratch);
	return system(command) || failed;
}
