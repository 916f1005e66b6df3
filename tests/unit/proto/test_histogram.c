/* Histograms: buckets, sums, quantiles, and that concurrent threads lose nothing. */
#include "tests/lib/test.h"

#include <pthread.h>

#include "proto/histogram.h"

#define THREADS	  4
#define ADDITIONS 20000
#define US	  UINT64_C(1000)

static void test_buckets(void **state)
{
	struct histogram histogram = {0};
	struct histogram_sums sums;

	(void)state;
	histogram_add(&histogram, 0);
	histogram_add(&histogram, US - 1);
	histogram_add(&histogram, US);
	histogram_add(&histogram, 2 * US);
	histogram_add(&histogram, UINT64_MAX / 2);
	histogram_read(&histogram, &sums);
	assert_int_equal(sums.count, 5);
	assert_int_equal(sums.counts[0], 2);
	assert_int_equal(sums.counts[1], 1);
	assert_int_equal(sums.counts[2], 1);
	assert_int_equal(sums.counts[HISTOGRAM_BUCKET_COUNT - 1], 1);
	assert_int_equal(sums.total_ns, US - 1 + US + 2 * US + UINT64_MAX / 2);
}

static void test_quantiles(void **state)
{
	struct histogram histogram = {0};
	struct histogram_sums sums, twice = {0};

	(void)state;
	histogram_read(&histogram, &sums);
	assert_int_equal(histogram_quantile_ns(&sums, 500), 0);
	for (unsigned i = 0; i < 990; i++)
		histogram_add(&histogram, 10 * US);
	for (unsigned i = 0; i < 10; i++)
		histogram_add(&histogram, 1000 * US);
	histogram_read(&histogram, &sums);
	assert_int_equal(histogram_quantile_ns(&sums, 500), 16 * US);
	assert_int_equal(histogram_quantile_ns(&sums, 990), 16 * US);
	assert_int_equal(histogram_quantile_ns(&sums, 991), 1024 * US);
	histogram_sums_add(&twice, &sums);
	histogram_sums_add(&twice, &sums);
	assert_int_equal(twice.count, 2 * sums.count);
	assert_int_equal(twice.total_ns, 2 * sums.total_ns);
	histogram_add(&histogram, UINT64_MAX / 2);
	histogram_read(&histogram, &sums);
	assert_int_equal(histogram_quantile_ns(&sums, 1000), UINT64_MAX);
}

static void *add_many(void *argument)
{
	for (unsigned i = 0; i < ADDITIONS; i++)
		histogram_add(argument, 3 * US);
	return NULL;
}

static void test_threads(void **state)
{
	struct histogram histogram = {0};
	struct histogram_sums sums;
	pthread_t threads[THREADS];

	(void)state;
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, add_many, &histogram), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	histogram_read(&histogram, &sums);
	assert_int_equal(sums.count, THREADS * ADDITIONS);
	assert_int_equal(sums.total_ns, THREADS * ADDITIONS * 3 * US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
