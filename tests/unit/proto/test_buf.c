/* proto/buf: when the last reference frees a buf, and the order of slices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "proto/buf.h"

static void a_copy_is_independent_of_its_source(void **state)
{
	char source[] = "abc";
	struct buf *buf = buf_copy(source, 3);

	(void)state;
	source[0] = 'x';
	assert_int_equal(buf->size, 3);
	assert_memory_equal(buf->data, "abc", 3);
	buf_unref(buf);
}

static void count_release(void *argument)
{
	++*(int *)argument;
}

static void a_wrapped_buf_is_released_once_by_the_last_holder(void **state)
{
	int released = 0;
	char memory[] = "abc";
	struct buf *buf = buf_wrap(memory, 3, count_release, &released);

	(void)state;
	assert_ptr_equal(buf_ref(buf), buf);
	assert_ptr_equal(buf->data, memory);
	buf_unref(buf);
	assert_int_equal(released, 0);
	buf_unref(buf);
	assert_int_equal(released, 1);
}

static void no_buf_is_an_empty_one(void **state)
{
	struct buf *empty = buf_new(0);

	(void)state;
	assert_null(buf_ref(NULL));
	buf_unref(NULL);
	assert_int_equal(buf_slice(NULL).size, 0);
	assert_int_equal(buf_slice(empty).size, 0);
	buf_unref(empty);
	assert_null(buf_new(SIZE_MAX)); /* the size of the struct does not overflow into a small one */
}

static void slices_sort_as_keys(void **state)
{
	static const char *const sorted[] = {"", "a", "aa", "ab", "b", "b\x7f", "b\x80", "b\xff"};
	size_t count = sizeof sorted / sizeof *sorted;

	(void)state;
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < count; j++) {
			int order = slice_compare(slice_of(sorted[i], strlen(sorted[i])),
				slice_of(sorted[j], strlen(sorted[j])));

			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
		}
	}
	assert_int_equal(slice_compare(slice_of(NULL, 0), slice_of(NULL, 0)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copy_is_independent_of_its_source),
		cmocka_unit_test(a_wrapped_buf_is_released_once_by_the_last_holder),
		cmocka_unit_test(no_buf_is_an_empty_one),
		cmocka_unit_test(slices_sort_as_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
