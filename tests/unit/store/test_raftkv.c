/* A whole store with one replica, on real files and threads: what is written is read, and survives a reopening. */
#include "store/raftkv.h"

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/env_uv.h"
#include "proto/plant.h"
#include "tests/lib/test.h"
#include "tests/lib/test_evaluator.h"

#define UNIT BLOCK_UNIT_SIZE

struct fixture {
	struct env *env;
	struct env_loop *shard;
	struct env_loop *caller;
	char directory[128];
	char path[160];
	struct logger logger;
	struct raftkv_options options;
	struct raftkv *raftkv;
	sem_t stopped;
};

/* ---- Requests, from the test's thread ---- */

struct call {
	struct raftkv_write write;
	struct raftkv_read read;
	sem_t done;
	int status;
	char reply[256]; /* after its first byte, as text */
	int result;
	struct raftkv_snapshot *snapshot;
};

static void on_written(struct raftkv_write *write, int status, struct buf *reply)
{
	struct call *call = container_of(write, struct call, write);

	call->status = status;
	if (reply) {
		call->result = *(uint8_t *)reply->data;
		snprintf(call->reply, sizeof call->reply, "%.*s", (int)reply->size - 1,
			(char *)reply->data + 1);
	}
	sem_post(&call->done);
}

static void on_read(struct raftkv_read *read, int status, struct raftkv_snapshot *snapshot)
{
	struct call *call = container_of(read, struct call, read);

	call->status = status;
	call->snapshot = snapshot;
	sem_post(&call->done);
}

static void submit(struct fixture *fixture, struct call *call, struct buf *body, struct buf *payload)
{
	sem_init(&call->done, 0, 0);
	call->result = -1;
	call->reply[0] = 0;
	call->write.region = call->write.region ? call->write.region : 1;
	call->write.body = body;
	call->write.payload = payload;
	call->write.loop = fixture->caller;
	call->write.done = on_written;
	raftkv_async_write(fixture->raftkv, &call->write);
	buf_unref(body);
	buf_unref(payload);
}

static void finish(struct call *call)
{
	sem_wait(&call->done);
	sem_destroy(&call->done);
}

static void run(struct fixture *fixture, struct call *call, struct buf *body, struct buf *payload)
{
	submit(fixture, call, body, payload);
	finish(call);
}

static void assert_done(struct fixture *fixture, struct buf *body, struct buf *payload)
{
	struct call call = {0};

	run(fixture, &call, body, payload);
	assert_int_equal(call.status, 0);
	assert_int_equal(call.result, TEST_DONE);
}

static struct raftkv_snapshot *snapshot_of(struct fixture *fixture, uint64_t region)
{
	struct call call = {.read = {.region = region, .loop = fixture->caller, .done = on_read}};

	sem_init(&call.done, 0, 0);
	raftkv_async_snapshot(fixture->raftkv, &call.read);
	finish(&call);
	assert_int_equal(call.status, 0);
	return call.snapshot;
}

static void assert_row(struct fixture *fixture, const char *key, const char *value)
{
	struct raftkv_snapshot *snapshot = snapshot_of(fixture, 1);
	struct kv_value found = {0};
	int status =
		view_get(raftkv_snapshot_view(snapshot, true), KEY_DATA, slice_of(key, strlen(key)), &found);

	if (value) {
		assert_int_equal(status, 0);
		assert_int_equal(found.data.size, strlen(value));
		assert_memory_equal(found.data.data, value, strlen(value));
	} else {
		assert_int_equal(status, STATUS_NOT_FOUND);
	}
	kv_value_close(&found);
	raftkv_snapshot_free(snapshot);
}

static struct buf *units(uint32_t count, uint8_t seed)
{
	struct buf *buf = buf_new((size_t)count * UNIT);

	for (size_t i = 0; i < buf->size; i++)
		((uint8_t *)buf->data)[i] = (uint8_t)(i / UNIT * 31 + i % 251 + seed);
	return buf;
}

static void assert_units(struct fixture *fixture, const char *object, uint64_t first, struct buf *expected)
{
	struct raftkv_snapshot *snapshot = snapshot_of(fixture, 1);
	uint32_t count = (uint32_t)(expected->size / UNIT);
	struct buf *found = buf_new(expected->size);

	assert_int_equal(view_read(raftkv_snapshot_view(snapshot, true), slice_of(object, strlen(object)),
				 first, count, found->data),
		0);
	assert_memory_equal(found->data, expected->data, expected->size);
	buf_unref(found);
	raftkv_snapshot_free(snapshot);
}

/* ---- The store ---- */

static void on_failed(void *argument, int status, const char *sentence)
{
	(void)argument;
	fail_msg("the store failed: %s (%s)", sentence, status_name(status));
}

static void open_store(struct fixture *fixture)
{
	struct status status = {0};

	assert_int_equal(env_loop_new(fixture->env, "shard", &fixture->shard), 0);
	assert_int_equal(env_loop_new(fixture->env, "caller", &fixture->caller), 0);
	fixture->options.shards = &fixture->shard;
	if (raftkv_open(&fixture->options, &fixture->raftkv, &status) < 0)
		fail_msg("%s", status.text);
	assert_int_equal(env_loop_start(fixture->shard), 0);
	assert_int_equal(env_loop_start(fixture->caller), 0);
}

static void on_stopped(void *argument)
{
	sem_post(&((struct fixture *)argument)->stopped);
}

static void close_store(struct fixture *fixture)
{
	raftkv_stop(fixture->raftkv, fixture->shard, on_stopped, fixture);
	sem_wait(&fixture->stopped);
	env_loop_stop(fixture->shard);
	env_loop_stop(fixture->caller);
	env_loop_free(fixture->shard);
	env_loop_free(fixture->caller);
	raftkv_free(fixture->raftkv);
}

static void reopen(struct fixture *fixture)
{
	close_store(fixture);
	open_store(fixture);
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	test_directory_make(fixture->directory, sizeof fixture->directory);
	snprintf(fixture->path, sizeof fixture->path, "%s/store", fixture->directory);
	sem_init(&fixture->stopped, 0, 0);
	assert_int_equal(env_uv_new(&(struct env_uv_options){.worker_threads = 2, .io_threads = 4},
				 &fixture->env, NULL),
		0);
	fixture->logger = logger_fd(2, LOG_WARN);
	fixture->options = (struct raftkv_options){
		.env = fixture->env,
		.logger = &fixture->logger,
		.path = fixture->path,
		.evaluator = test_evaluator(),
		.shard_count = 1,
		.reserve_size = 1,
		.block_file_size = 16u << 20,
		.segment_size = 4u << 20,
		.failed = on_failed,
	};
	open_store(fixture);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	close_store(fixture);
	env_uv_free(fixture->env);
	test_directory_remove(fixture->directory);
	sem_destroy(&fixture->stopped);
	free(fixture);
	return 0;
}

/* ---- Tests ---- */

static void rows_are_written_read_and_kept(void **state)
{
	struct fixture *fixture = *state;

	assert_done(fixture, test_op_put("a", "1"), NULL);
	assert_done(fixture, test_op_append("a", "2"), NULL);
	assert_done(fixture, test_op_put("b", "x"), NULL);
	assert_done(fixture, test_op_delete("b"), NULL);
	assert_row(fixture, "a", "12");
	assert_row(fixture, "b", NULL);
	reopen(fixture);
	assert_row(fixture, "a", "12");
	assert_row(fixture, "b", NULL);
	assert_done(fixture, test_op_append("a", "3"), NULL);
	assert_row(fixture, "a", "123");
}

static void objects_are_written_read_and_kept(void **state)
{
	struct fixture *fixture = *state;
	struct buf *large = units(300, 1);
	struct buf *small = units(3, 7);

	assert_done(fixture, test_op_write("o", 10), buf_ref(large));
	assert_units(fixture, "o", 10, large);
	assert_done(fixture, test_op_write("o", 400), buf_ref(small));
	assert_units(fixture, "o", 400, small);
	assert_done(fixture, test_op_patch("o", 401, 5, 99), NULL);
	((uint8_t *)small->data)[UNIT + 5] = 99;
	assert_units(fixture, "o", 400, small);
	reopen(fixture);
	assert_units(fixture, "o", 10, large);
	assert_units(fixture, "o", 400, small);
	assert_done(fixture, test_op_unmap("o", 0, UINT64_MAX), NULL);
	memset(small->data, 0, small->size);
	assert_units(fixture, "o", 400, small);
	buf_unref(large);
	buf_unref(small);
}

static void a_retry_gets_the_first_answer(void **state)
{
	struct fixture *fixture = *state;
	struct call first = {.write = {.session = 7, .slot = 1, .sequence = 5}};
	struct call unknown = first, again = first, late = first;

	run(fixture, &unknown, test_op_append("k", "x"), NULL);
	assert_int_equal(unknown.status, STATUS_SESSION_UNKNOWN);
	assert_done(fixture, test_op_open(7), NULL);
	run(fixture, &first, test_op_append("k", "x"), NULL);
	assert_int_equal(first.status, 0);
	again.write.is_retry = true;
	run(fixture, &again, test_op_append("k", "x"), NULL);
	assert_int_equal(again.status, 0);
	assert_string_equal(again.reply, "x");
	reopen(fixture);
	run(fixture, &again, test_op_append("k", "x"), NULL);
	assert_string_equal(again.reply, "x");
	late.write.sequence = 4;
	run(fixture, &late, test_op_append("k", "x"), NULL);
	assert_int_equal(late.status, -EALREADY);
	assert_row(fixture, "k", "x");
}

/* It may be evaluated again under its slot, also after a retry. */
static void what_lacks_something_is_not_recorded(void **state)
{
	struct fixture *fixture = *state;
	struct call call = {.write = {.session = 7, .slot = 1, .sequence = 5, .is_retry = true}},
		    again = call;

	assert_done(fixture, test_op_open(7), NULL);
	for (int i = 0; i < 2; i++) {
		run(fixture, &call, test_op_take("k"), NULL);
		assert_int_equal(call.status, STATUS_INCOMPLETE);
		assert_int_equal(call.result, TEST_REFUSED);
	}
	assert_done(fixture, test_op_put("k", "x"), NULL);
	run(fixture, &call, test_op_take("k"), NULL);
	assert_int_equal(call.status, 0);
	assert_row(fixture, "k", NULL);
	run(fixture, &again, test_op_take("k"), NULL);
	assert_int_equal(again.status, 0);
}

static void operations_on_one_row_pipeline(void **state)
{
	enum { COUNT = 200 };
	struct fixture *fixture = *state;
	struct call *calls = calloc(COUNT, sizeof *calls);
	char value[COUNT + 1] = {0};

	for (int i = 0; i < COUNT; i++)
		submit(fixture, &calls[i], test_op_append("row", i % 2 ? "b" : "a"), NULL);
	for (int i = 0; i < COUNT; i++) {
		finish(&calls[i]);
		assert_int_equal(calls[i].status, 0);
		value[i] = i % 2 ? 'b' : 'a';
		assert_int_equal(strlen(calls[i].reply), i + 1);
	}
	assert_row(fixture, "row", value);
	free(calls);
}

static void an_error_is_answered_once_it_is_true(void **state)
{
	struct fixture *fixture = *state;
	struct call put = {0}, compare = {0};

	submit(fixture, &put, test_op_put("k", "v"), NULL);
	submit(fixture, &compare, test_op_compare("k", "", "w"), NULL);
	finish(&compare);
	assert_int_equal(compare.status, 0);
	assert_int_equal(compare.result, TEST_REFUSED);
	finish(&put);
	assert_row(fixture, "k", "v");
}

static void a_lease_serves_reads_on_this_thread(void **state)
{
	struct fixture *fixture = *state;
	struct raftkv_snapshot *snapshot;
	struct raftkv_stats stats;

	assert_done(fixture, test_op_put("k", "v"), NULL);
	assert_int_equal(raftkv_local_snapshot(fixture->raftkv, 1, 0, &snapshot), 0);
	raftkv_snapshot_free(snapshot);
	assert_int_equal(raftkv_local_snapshot(fixture->raftkv, 1, 99, &snapshot), STATUS_WOULD_BLOCK);
	assert_int_equal(raftkv_local_snapshot(fixture->raftkv, 9, 0, &snapshot), STATUS_REGION_NOT_FOUND);
	raftkv_stats(fixture->raftkv, &stats);
	assert_int_equal(stats.regions, 1);
	assert_int_equal(stats.leaders, 1);
	assert_true(stats.reads_lease >= 1);
}

static void what_a_region_does_not_have_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct call unknown = {.write = {.region = 5}};
	struct call stale = {.write = {.epoch_version = 9}};

	run(fixture, &unknown, test_op_put("k", "v"), NULL);
	assert_int_equal(unknown.status, STATUS_REGION_NOT_FOUND);
	run(fixture, &stale, test_op_put("k", "v"), NULL);
	assert_int_equal(stale.status, STATUS_EPOCH_NOT_MATCH);
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(rows_are_written_read_and_kept),
		STORE_TEST(objects_are_written_read_and_kept),
		STORE_TEST(a_retry_gets_the_first_answer),
		STORE_TEST(what_lacks_something_is_not_recorded),
		STORE_TEST(operations_on_one_row_pipeline),
		STORE_TEST(an_error_is_answered_once_it_is_true),
		STORE_TEST(a_lease_serves_reads_on_this_thread),
		STORE_TEST(what_a_region_does_not_have_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
