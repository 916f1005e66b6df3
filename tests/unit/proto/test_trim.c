/* proto/trim: memory that a load has freed is returned; memory in use, or free for a moment, does not cause a trim. */
#include "proto/trim.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/test.h"

#define PIECES	   (128u << 10)
#define PIECE_SIZE 1000u

/* A sanitizer's allocator does not fill mallinfo2. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif

static void *pieces[PIECES];

static size_t resident(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*u %lu", &pages), 1);
	fclose(file);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void allocate_some(size_t count)
{
	for (size_t i = 0; i < count; i++) {
		pieces[i] = malloc(PIECE_SIZE);
		assert_non_null(pieces[i]);
		memset(pieces[i], 1, PIECE_SIZE);
	}
}

static void allocate(void)
{
	allocate_some(PIECES);
}

/* The last one stays allocated and pins the end of the heap. */
static void release_some(size_t count)
{
	for (size_t i = 0; i < count - 1; i++)
		free(pieces[i]);
}

static void release(void)
{
	release_some(PIECES);
}

static void what_stays_free_goes_back(void **state)
{
	struct trim_state trim = {0};
	size_t before;

	(void)state;
	if (IS_SANITIZED)
		skip();
	allocate();
	assert_false(trim_look(&trim));
	assert_false(trim_look(&trim));
	release();
	before = resident();
	assert_false(trim_look(&trim)); /* it may be needed again at once */
	assert_true(trim_look(&trim));
	assert_true(before - resident() > (size_t)PIECES * PIECE_SIZE / 2);
	assert_false(trim_look(&trim)); /* there is nothing more to return */
	assert_false(trim_look(&trim));
	free(pieces[PIECES - 1]);
}

/* Less than what a busy process gives back. */
static void an_idle_process_gives_back_more(void **state)
{
	const size_t count = (TRIM_SIZE_MIN / 2) / PIECE_SIZE;
	struct trim_state trim = {0};
	size_t before;

	(void)state;
	if (IS_SANITIZED)
		skip();
	allocate_some(count);
	assert_false(trim_look(&trim));
	release_some(count);
	before = resident();
	for (uint32_t i = 0; i < TRIM_CALM_LOOKS; i++) /* the first of them sees that it has changed */
		assert_false(trim_look(&trim));
	assert_true(trim_look(&trim));
	assert_true(before - resident() > count * PIECE_SIZE / 2);
	for (uint32_t i = 0; i < 2 * TRIM_CALM_LOOKS; i++)
		assert_false(trim_look(&trim)); /* there is nothing more to return */
	free(pieces[count - 1]);
}

static void what_is_used_again_stays(void **state)
{
	struct trim_state trim = {0};

	(void)state;
	if (IS_SANITIZED)
		skip();
	for (int i = 0; i < 3; i++) {
		allocate();
		assert_false(trim_look(&trim));
		release();
		free(pieces[PIECES - 1]);
		assert_false(trim_look(&trim));
	}
}

static void thread_starts_and_stops(void **state)
{
	struct trim *trim;

	(void)state;
	assert_int_equal(trim_start(&trim, NULL), 0);
	trim_stop(trim);
	trim_stop(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_stays_free_goes_back),
		cmocka_unit_test(an_idle_process_gives_back_more),
		cmocka_unit_test(what_is_used_again_stays),
		cmocka_unit_test(thread_starts_and_stops),
	};

	/* Pieces come from the heap, and freeing the last one gives nothing back. */
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
