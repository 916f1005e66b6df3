/* A store on real engines that died while a snapshot was being installed: how it looks from outside, and its next start. */
#include "store/open/inspect.h"

#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include "proto/check.h"
#include "proto/container.h"
#include "proto/env_uv.h"
#include "store/rows/keys.h"
#include "store/snapshot/snapshot_install.h"
#include "store/peer/store.h"
#include "store/raftkv.h"
#include "tests/lib/test.h"
#include "tests/lib/test_evaluator.h"

struct fixture {
	struct env *env;
	struct logger logger;
	struct env_loop *loops[2];
	struct raftkv_options options;
	struct raftkv *raftkv;
	char directory[128], path[160];
	sem_t done;
};

static void open_store(struct fixture *fixture)
{
	struct status status = {0};

	for (int i = 0; i < 2; i++)
		check(env_loop_new(fixture->env, "loop", &fixture->loops[i]) == 0);
	fixture->options = (struct raftkv_options){
		.env = fixture->env,
		.logger = &fixture->logger,
		.path = fixture->path,
		.evaluator = test_evaluator(),
		.shards = fixture->loops,
		.shard_count = 1,
		.reserve_size = 1,
		.block_file_size = 16u << 20,
		.segment_size = 4u << 20,
	};
	if (raftkv_open(&fixture->options, &fixture->raftkv, &status) < 0)
		fail_msg("%s", status.text);
	for (int i = 0; i < 2; i++)
		check(env_loop_start(fixture->loops[i]) == 0);
}

static void on_stopped(void *argument)
{
	sem_post(&((struct fixture *)argument)->done);
}

static void stop_store(struct fixture *fixture)
{
	raftkv_stop(fixture->raftkv, fixture->loops[0], on_stopped, fixture);
	sem_wait(&fixture->done);
	for (int i = 0; i < 2; i++)
		env_loop_stop(fixture->loops[i]);
	for (int i = 0; i < 2; i++)
		env_loop_free(fixture->loops[i]);
	raftkv_free(fixture->raftkv);
}

struct call {
	struct raftkv_write write;
	struct log_write log;
	struct fixture *fixture;
	int status;
};

static void on_written(struct raftkv_write *write, int status, struct buf *reply)
{
	struct call *call = container_of(write, struct call, write);

	(void)reply;
	call->status = status;
	sem_post(&call->fixture->done);
}

static void write_row(struct fixture *fixture)
{
	struct call call = {.fixture = fixture};

	do {
		call.write = (struct raftkv_write){.region = 1,
			.body = test_op_put("a", "1"),
			.loop = fixture->loops[1],
			.done = on_written};
		raftkv_async_write(fixture->raftkv, &call.write);
		sem_wait(&fixture->done);
		buf_unref(call.write.body);
	} while (call.status == STATUS_NOT_LEADER);
	assert_int_equal(call.status, 0);
}

static void on_logged(struct log_write *write, int status)
{
	struct call *call = container_of(write, struct call, log);

	call->status = status;
	sem_post(&call->fixture->done);
}

/* As if an installation of a stage that nobody has had begun. */
static void write_mark(struct fixture *fixture)
{
	const struct region_peer peer = {1, 1, REGION_VOTER};
	struct snapshot_position position = {.stage = 99, .replica = 1, .applied = {1000, 7}};
	struct call call = {.fixture = fixture};
	struct log_mark mark = {.name = SNAPSHOT_MARK_APPLYING};
	struct buf *bytes;

	check(region_init(&position.region, 1, (struct slice){0}, (struct slice){0}, &peer, 1) == 0);
	check(snapshot_position_encode(&position, &bytes) == 0);
	mark.value = buf_slice(bytes);
	call.log = (struct log_write){
		.region = 1, .marks = &mark, .mark_count = 1, .loop = fixture->loops[0], .done = on_logged};
	fixture->raftkv->engines.log->ops->write(fixture->raftkv->engines.log, &call.log);
	sem_wait(&fixture->done);
	assert_int_equal(call.status, 0);
	region_close(&position.region);
	buf_unref(bytes);
}

static struct inspect *look(struct fixture *fixture)
{
	const struct inspect_options options = {.env = fixture->env,
		.logger = &fixture->logger,
		.path = fixture->path,
		.cache_size = 1 << 20};
	struct status status = {0};
	struct inspect *inspect;

	if (inspect_open(&options, &inspect, &status) < 0)
		fail_msg("%s", status.text);
	return inspect;
}

static int get(struct inspect *inspect, struct key key)
{
	struct kv_value value;
	int status = inspect->kv->ops->get(inspect->kv, NULL, KV_TIER_ALL, key_slice(&key), &value);

	kv_value_close(&value);
	return status;
}

static void region_that_was_being_installed_is_not_there(void **state)
{
	struct fixture fixture = {.logger = logger_fd(-1, LOG_ERROR)};
	struct raftkv_stats stats;
	struct inspect *inspect;
	struct key row, region;

	(void)state;
	test_directory_make(fixture.directory, sizeof fixture.directory);
	snprintf(fixture.path, sizeof fixture.path, "%s/store", fixture.directory);
	sem_init(&fixture.done, 0, 0);
	check(env_uv_new(&(struct env_uv_options){.worker_threads = 2, .io_threads = 2}, &fixture.env,
		      NULL) == 0);
	key_row(&row, 1, KEY_DATA, slice_of("a", 1));
	key_region_state(&region, 1);
	open_store(&fixture);
	write_row(&fixture);
	stop_store(&fixture);
	inspect = look(&fixture);
	assert_int_equal(inspect->applying_count, 0);
	assert_int_equal(inspect->region_count, 1);
	assert_int_equal(get(inspect, row), 0);
	inspect_close(inspect);

	open_store(&fixture);
	write_mark(&fixture);
	stop_store(&fixture);
	inspect = look(&fixture);
	assert_int_equal(inspect->log_status.code, 0);
	assert_int_equal(inspect->applying_count, 1);
	assert_int_equal(inspect->region_count, 0);
	assert_int_equal(get(inspect, row), STATUS_NOT_FOUND);
	assert_int_equal(get(inspect, region), STATUS_NOT_FOUND);
	inspect_close(inspect);

	/* The stage is not there: a replica without anything, which waits for a leader. */
	for (int i = 0; i < 2; i++) {
		open_store(&fixture);
		raftkv_stats(fixture.raftkv, &stats);
		assert_int_equal(stats.regions, 0);
		stop_store(&fixture);
		inspect = look(&fixture);
		assert_int_equal(inspect->applying_count, 1);
		assert_int_equal(get(inspect, row), STATUS_NOT_FOUND);
		inspect_close(inspect);
	}
	env_uv_free(fixture.env);
	test_directory_remove(fixture.directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(region_that_was_being_installed_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
