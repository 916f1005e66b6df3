/*
 * Many idle regions in one process: they open in little processor time, cost little memory and, once they sleep, no time.
 * How long that takes by the clock, tests/bench/store_bench says.
 */
#include "store/raftkv.h"

#include <malloc.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proto/env_uv.h"
#include "tests/lib/test.h"
#include "tests/lib/test_evaluator.h"

#define REGIONS	     10000u
#define REGION_SIZE  8192u /* bytes of memory each */
#define OPEN_SECONDS 5.0 /* of a processor, until all of them sleep */
#define IDLE_SHARE   0.02 /* of a core */
#define SLACK	     8.0 /* a busy, slow or instrumented machine may need so much more */

static double seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void on_failed(void *argument, int status, const char *sentence)
{
	(void)argument;
	fail_msg("the store failed: %s (%s)", sentence, status_name(status));
}

static void on_stopped(void *argument)
{
	sem_post(argument);
}

struct store {
	struct env *env;
	struct env_loop *shard;
	struct raftkv *raftkv;
	struct raftkv_options options;
};

static void open_store(struct store *store)
{
	struct status status = {0};

	assert_int_equal(env_loop_new(store->env, "shard", &store->shard), 0);
	store->options.shards = &store->shard;
	if (raftkv_open(&store->options, &store->raftkv, &status) < 0)
		fail_msg("%s", status.text);
	assert_int_equal(env_loop_start(store->shard), 0);
}

static void close_store(struct store *store)
{
	sem_t stopped;

	sem_init(&stopped, 0, 0);
	raftkv_stop(store->raftkv, store->shard, on_stopped, &stopped);
	sem_wait(&stopped);
	sem_destroy(&stopped);
	env_loop_stop(store->shard);
	env_loop_free(store->shard);
	raftkv_free(store->raftkv);
}

static void wait_until_all_lead(struct store *store)
{
	struct raftkv_stats stats;

	do {
		usleep(20000);
		raftkv_stats(store->raftkv, &stats);
	} while (stats.leaders < REGIONS);
	assert_int_equal(stats.regions, REGIONS);
	assert_int_equal(stats.leaders, REGIONS);
}

/* Of a core, over a second. */
static double share_of_a_second(void)
{
	double begin = seconds(CLOCK_MONOTONIC), used = seconds(CLOCK_PROCESS_CPUTIME_ID);

	sleep(1);
	used = seconds(CLOCK_PROCESS_CPUTIME_ID) - used;
	return used / (seconds(CLOCK_MONOTONIC) - begin);
}

static void ten_thousand_idle_regions_cost_little(void **state)
{
	struct logger logger = logger_fd(STDERR_FILENO, LOG_WARN);
	char directory[128], path[160];
	struct store store = {0};
	size_t before, after;
	double begin, used, idle;

	(void)state;
	test_directory_make(directory, sizeof directory);
	snprintf(path, sizeof path, "%s/store", directory);
	assert_int_equal(
		env_uv_new(&(struct env_uv_options){.worker_threads = 2, .io_threads = 2}, &store.env, NULL),
		0);
	store.options = (struct raftkv_options){
		.env = store.env,
		.logger = &logger,
		.path = path,
		.evaluator = test_evaluator(),
		.shard_count = 1,
		.initial_regions = REGIONS,
		.reserve_size = 1,
		.block_file_size = 16u << 20,
		.failed = on_failed,
	};
	open_store(&store);
	wait_until_all_lead(&store);
	close_store(&store);

	before = mallinfo2().uordblks;
	begin = seconds(CLOCK_PROCESS_CPUTIME_ID);
	open_store(&store);
	wait_until_all_lead(&store);
	after = mallinfo2().uordblks;
	do {
		idle = share_of_a_second();
		used = seconds(CLOCK_PROCESS_CPUTIME_ID) - begin;
	} while (idle > IDLE_SHARE && used <= OPEN_SECONDS * SLACK);
	print_message("%.2f s of a processor until %.2f %% of a core, %zu bytes a region\n", used, idle * 100,
		(after - before) / REGIONS);
	assert_true(used <= OPEN_SECONDS * SLACK);
	assert_true((after - before) / REGIONS <= REGION_SIZE);
	close_store(&store);
	env_uv_free(store.env);
	test_directory_remove(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(ten_thousand_idle_regions_cost_little)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
