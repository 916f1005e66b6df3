/* A store on real engines that died while a snapshot was being installed, or with a split in its log that its rows lack:
 * how it looks from outside, and its next start. */
#include "store/open/inspect.h"

#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include "proto/check.h"
#include "proto/container.h"
#include "proto/env_uv.h"
#include "store/rows/slots.h"
#include "store/snapshot/snapshot_install.h"
#include "store/snapshot/tombstone.h"
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

static void write_log(struct fixture *fixture, struct log_write write)
{
	struct log_engine *log = fixture->raftkv->engines.log;
	struct call call = {.fixture = fixture, .log = write};

	call.log.loop = fixture->loops[0];
	call.log.done = on_logged;
	log->ops->write(log, &call.log);
	sem_wait(&fixture->done);
	assert_int_equal(call.status, 0);
}

/* As if an installation of a stage that nobody has had begun. */
static void write_mark(struct fixture *fixture)
{
	const struct region_peer peer = {1, 1, REGION_VOTER};
	struct snapshot_position position = {.stage = 99, .replica = 1, .applied = {1000, 7}};
	struct log_mark mark = {.name = SNAPSHOT_MARK_APPLYING};
	struct buf *bytes;

	check(region_init(&position.region, 1, (struct slice){0}, (struct slice){0}, &peer, 1) == 0);
	check(snapshot_position_encode(&position, &bytes) == 0);
	mark.value = buf_slice(bytes);
	write_log(fixture, (struct log_write){.region = 1, .marks = &mark, .mark_count = 1});
	region_close(&position.region);
	buf_unref(bytes);
}

static struct inspect *look(struct fixture *fixture)
{
	const struct inspect_options options = {.env = fixture->env,
		.logger = &fixture->logger,
		.path = fixture->path,
		.evaluator = test_evaluator(),
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

static void begin(struct fixture *fixture)
{
	*fixture = (struct fixture){.logger = logger_fd(-1, LOG_ERROR)};
	test_directory_make(fixture->directory, sizeof fixture->directory);
	snprintf(fixture->path, sizeof fixture->path, "%s/store", fixture->directory);
	sem_init(&fixture->done, 0, 0);
	check(env_uv_new(&(struct env_uv_options){.worker_threads = 2, .io_threads = 2}, &fixture->env,
		      NULL) == 0);
}

static void end(struct fixture *fixture)
{
	env_uv_free(fixture->env);
	test_directory_remove(fixture->directory);
}

static void region_that_was_being_installed_is_not_there(void **state)
{
	struct fixture fixture;
	struct raftkv_stats stats;
	struct inspect *inspect;
	struct key row, region;

	(void)state;
	begin(&fixture);
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
	end(&fixture);
}

/* ---- Splits ----------------------------------------------------------------------------------------------------- */

#define SPLIT_KEY "m"
#define NOTES	  60 /* half of them below the key */
#define NOTE_SIZE 5000 /* bytes */
#define SESSION	  7

struct entries {
	struct raft_entry items[4];
	size_t count;
};

static struct slice text(const char *string)
{
	return slice_of(string, strlen(string));
}

static void add_put(struct entries *entries, uint64_t version, const char *key)
{
	struct mutations mutations = {0};

	mutations_put(&mutations, KEY_DATA, text(key), text("value"));
	check(mutations_finish(&mutations, version, &entries->items[entries->count++]) == 0);
}

static struct slice note_key(char bytes[8], int number)
{
	snprintf(bytes, 8, "N%c%02d", number < NOTES / 2 ? 'a' : 'z', number);
	return text(bytes);
}

/* Local rows that only the log has: the session, and notes that a split divides. */
static void add_local(struct entries *entries, uint64_t version)
{
	struct mutations mutations = {0};
	char key[8], value[NOTE_SIZE];

	slots_open(&mutations, SESSION, text("open"));
	for (int i = 0; i < NOTES; i++) {
		memset(value, i, sizeof value);
		mutations_put(&mutations, KEY_LOCAL, note_key(key, i), slice_of(value, sizeof value));
	}
	check(mutations_finish(&mutations, version, &entries->items[entries->count++]) == 0);
}

static void add_split(struct entries *entries, struct region_epoch epoch)
{
	const struct region_split split = {.epoch = epoch, .region = 2, .key = text(SPLIT_KEY)};

	check(region_split_encode(&split, &entries->items[entries->count++].data) == 0);
}

/* Behind the last entry of the region's log; `hard_state` (may be NULL) begins a log. */
static void append(struct fixture *fixture, uint64_t region, struct entries *entries,
	const struct raft_hard_state *hard_state)
{
	struct log_engine *log = fixture->raftkv->engines.log;
	uint64_t first, last = REGION_FIRST_INDEX, term = REGION_FIRST_TERM;

	if (!hard_state) {
		check(log->ops->bounds(log, region, &first, &last) == 0);
		check(log->ops->term(log, region, last, &term) == 0);
	}
	for (size_t i = 0; i < entries->count; i++) {
		entries->items[i].term = term;
		entries->items[i].index = last + 1 + i;
	}
	write_log(fixture, (struct log_write){.region = region,
				   .entries = entries->items,
				   .entry_count = entries->count,
				   .hard_state = hard_state,
				   .reset_index = hard_state ? REGION_FIRST_INDEX : 0,
				   .reset_term = hard_state ? REGION_FIRST_TERM : 0});
	for (size_t i = 0; i < entries->count; i++)
		buf_unref(entries->items[i].data);
}

/* The log of the new region, with one entry. */
static void begin_half(struct fixture *fixture)
{
	const struct raft_hard_state hard_state = {.term = REGION_FIRST_TERM, .commit = REGION_FIRST_INDEX};
	struct entries entries = {0};

	add_put(&entries, 2, "n");
	append(fixture, 2, &entries, &hard_state);
}

/* A store with one row and, in the log alone, local rows and a split of that epoch version. It does not know what its
 * log has, and must be stopped. */
static void log_split(struct fixture *fixture, uint64_t version)
{
	struct entries entries = {0};

	begin(fixture);
	open_store(fixture);
	write_row(fixture);
	add_local(&entries, 1);
	add_split(&entries, (struct region_epoch){1, version});
	add_put(&entries, 2, "b");
	add_put(&entries, 2, "o"); /* refused after the split */
	append(fixture, 1, &entries, NULL);
}

static int get_data(struct inspect *inspect, const char *row)
{
	struct key key;

	key_row(&key, 1, KEY_DATA, text(row));
	return get(inspect, key);
}

static int get_note(struct inspect *inspect, uint64_t region, int number)
{
	char bytes[8], expected[NOTE_SIZE];
	struct kv_value value;
	struct key key;
	int status;

	key_row(&key, region, KEY_LOCAL, note_key(bytes, number));
	status = inspect->kv->ops->get(inspect->kv, NULL, KV_TIER_ALL, key_slice(&key), &value);
	memset(expected, number, sizeof expected);
	if (status == 0)
		assert_int_equal(slice_compare(value.data, slice_of(expected, sizeof expected)), 0);
	kv_value_close(&value);
	return status;
}

static void check_local(struct inspect *inspect)
{
	for (uint64_t region = 1; region <= 2; region++) {
		struct key key;

		slots_session_key(&key, region, SESSION);
		assert_int_equal(get(inspect, key), 0);
		for (int i = 0; i < NOTES; i++) {
			bool is_here = (region == 1) == (i < NOTES / 2);

			assert_int_equal(get_note(inspect, region, i), is_here ? 0 : STATUS_NOT_FOUND);
		}
	}
}

static void check_halves(struct inspect *inspect)
{
	const struct inspect_region *halves = inspect->regions;
	struct key key;

	assert_string_equal(inspect->log_status.text, "");
	assert_int_equal(inspect->region_count, 2);
	assert_int_equal(halves[0].region.id, 1);
	assert_int_equal(halves[1].region.id, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(halves[i].region.epoch.version, 2);
		key_region_state(&key, halves[i].region.id);
		assert_int_equal(get(inspect, key), 0);
		key_apply_state(&key, halves[i].region.id);
		assert_int_equal(get(inspect, key), 0);
	}
	assert_int_equal(slice_compare(buf_slice(halves[0].region.end), text(SPLIT_KEY)), 0);
	assert_int_equal(slice_compare(buf_slice(halves[1].region.start), text(SPLIT_KEY)), 0);
	assert_int_equal(get_data(inspect, "a"), 0);
	assert_int_equal(get_data(inspect, "b"), 0);
	assert_int_equal(get_data(inspect, "o"), STATUS_NOT_FOUND);
	check_local(inspect);
}

static void split_that_the_rows_lack_is_applied(void **state)
{
	struct fixture fixture;
	struct raftkv_stats stats;
	struct inspect *inspect;

	(void)state;
	log_split(&fixture, 1);
	begin_half(&fixture);
	stop_store(&fixture);
	/* What is looked at stays as it was. */
	for (int i = 0; i < 2; i++) {
		inspect = look(&fixture);
		check_halves(inspect);
		assert_int_equal(inspect->regions[1].applied, REGION_FIRST_INDEX);
		assert_int_equal(inspect->regions[1].last, REGION_FIRST_INDEX + 1);
		assert_int_equal(get_data(inspect, "n"), 0);
		inspect_close(inspect);
	}
	open_store(&fixture);
	write_row(&fixture);
	raftkv_stats(fixture.raftkv, &stats);
	assert_int_equal(stats.regions, 2);
	stop_store(&fixture);
	inspect = look(&fixture);
	check_halves(inspect);
	inspect_close(inspect);
	end(&fixture);
}

static void half_whose_log_has_not_begun_is_there(void **state)
{
	struct fixture fixture;
	struct inspect *inspect;

	(void)state;
	log_split(&fixture, 1);
	stop_store(&fixture);
	inspect = look(&fixture);
	check_halves(inspect);
	assert_int_equal(get_data(inspect, "n"), STATUS_NOT_FOUND);
	inspect_close(inspect);
	end(&fixture);
}

static void half_that_was_removed_is_not_there(void **state)
{
	uint8_t value[TOMBSTONE_SIZE];
	struct log_mark mark = tombstone_mark(1, value);
	struct fixture fixture;
	struct inspect *inspect;
	struct key key;

	(void)state;
	log_split(&fixture, 1);
	write_log(&fixture, (struct log_write){.region = 2, .marks = &mark, .mark_count = 1});
	stop_store(&fixture);
	inspect = look(&fixture);
	assert_string_equal(inspect->log_status.text, "");
	assert_int_equal(inspect->region_count, 1);
	key_region_state(&key, 2);
	assert_int_equal(get(inspect, key), STATUS_NOT_FOUND);
	slots_session_key(&key, 2, SESSION);
	assert_int_equal(get(inspect, key), STATUS_NOT_FOUND);
	assert_int_equal(get_data(inspect, "b"), 0);
	inspect_close(inspect);
	end(&fixture);
}

/* Of another epoch: as on the store, nothing comes of it. The log of the half belongs to nobody. */
static void split_that_is_refused_makes_nothing(void **state)
{
	struct fixture fixture;
	struct inspect *inspect;

	(void)state;
	log_split(&fixture, 3);
	begin_half(&fixture);
	stop_store(&fixture);
	inspect = look(&fixture);
	assert_string_equal(inspect->log_status.text, "");
	assert_int_equal(inspect->region_count, 1);
	assert_null(inspect->regions[0].region.end);
	assert_int_equal(get_data(inspect, "n"), STATUS_NOT_FOUND);
	inspect_close(inspect);
	end(&fixture);
}

static void log_without_rows_is_ignored(void **state)
{
	struct fixture fixture;
	struct inspect *inspect;

	(void)state;
	begin(&fixture);
	open_store(&fixture);
	write_row(&fixture);
	begin_half(&fixture);
	stop_store(&fixture);
	inspect = look(&fixture);
	assert_string_equal(inspect->log_status.text, "");
	assert_int_equal(inspect->region_count, 1);
	assert_int_equal(get_data(inspect, "n"), STATUS_NOT_FOUND);
	inspect_close(inspect);
	end(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(region_that_was_being_installed_is_not_there),
		cmocka_unit_test(split_that_the_rows_lack_is_applied),
		cmocka_unit_test(half_whose_log_has_not_begun_is_there),
		cmocka_unit_test(half_that_was_removed_is_not_there),
		cmocka_unit_test(split_that_is_refused_makes_nothing),
		cmocka_unit_test(log_without_rows_is_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
