/* Many idle regions in one process: they open quickly, cost little memory and, once they sleep, no time. */
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
#define OPEN_SECONDS 5.0 /* until all of them lead */
#define IDLE_SHARE   0.02 /* of a core */
#define SLACK	     4.0 /* a busy or instrumented machine may be so much slower */

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

static double wait_until_all_lead(struct store *store, double begin)
{
	struct raftkv_stats stats;

	do {
		usleep(20000);
		raftkv_stats(store->raftkv, &stats);
	} while (stats.leaders < REGIONS && seconds(CLOCK_MONOTONIC) - begin < OPEN_SECONDS * SLACK * 2);
	assert_int_equal(stats.regions, REGIONS);
	assert_int_equal(stats.leaders, REGIONS);
	return seconds(CLOCK_MONOTONIC) - begin;
}

static void ten_thousand_idle_regions_cost_little(void **state)
{
	struct logger logger = logger_fd(STDERR_FILENO, LOG_WARN);
	char directory[128], path[160];
	struct store store = {0};
	size_t before, after;
	double begin, took, idle;

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
	wait_until_all_lead(&store, seconds(CLOCK_MONOTONIC));
	close_store(&store);

	before = mallinfo2().uordblks;
	begin = seconds(CLOCK_MONOTONIC);
	open_store(&store);
	took = wait_until_all_lead(&store, begin);
	after = mallinfo2().uordblks;
	sleep(1);
	idle = seconds(CLOCK_PROCESS_CPUTIME_ID);
	sleep(2);
	idle = (seconds(CLOCK_PROCESS_CPUTIME_ID) - idle) / 2;
	print_message("open %.2f s, %zu bytes a region, %.2f %% of a core when idle\n", took,
		(after - before) / REGIONS, idle * 100);
	assert_true(took <= OPEN_SECONDS * SLACK);
	assert_true((after - before) / REGIONS <= REGION_SIZE);
	assert_true(idle <= IDLE_SHARE * SLACK);
	close_store(&store);
	env_uv_free(store.env);
	test_directory_remove(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(ten_thousand_idle_regions_cost_little)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
