/* fs/schema/row_page: the pages of a region have each of its rows once, whatever their size is, and nothing else. */
#include "fs/schema/row_page.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/plant.h"
#include "proto/status.h"
#include "tests/lib/memory_view.h"
#include "tests/lib/test.h"

#define ROWS	  300u /* of each space */
#define PAGE_SIZE 65536u

struct fixture {
	struct memory_view *memory;
	struct region range;
	uint8_t bytes[PAGE_SIZE];
	/* The walk through the pages: */
	uint32_t pages, rows[2];
	uint8_t last[64]; /* the last key, behind its space */
	size_t last_size;
};

static struct slice key_of(uint32_t number, char bytes[16])
{
	snprintf(bytes, 16, "key %05u", number);
	return slice_of(bytes, 9);
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	fixture->memory = memory_view_new();
	for (uint32_t i = 0; i < ROWS; i++) {
		char bytes[16], value[200];

		memset(value, 'v', sizeof value);
		memory_view_put(
			fixture->memory, KEY_DATA, key_of(i, bytes), slice_of(value, i % sizeof value));
		memory_view_put(fixture->memory, KEY_LOCAL, key_of(i, bytes), slice_of(value, i % 7));
	}
	fixture->range = (struct region){.id = 5, .epoch = {.version = 3}};
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	region_close(&fixture->range);
	memory_view_free(fixture->memory);
	free(fixture);
	return 0;
}

static int write_page(struct fixture *fixture, struct slice cursor, size_t size, struct row_page *page)
{
	struct writer writer = writer_fixed(fixture->bytes, size);
	int status = row_page_write(memory_view_get(fixture->memory), &fixture->range, cursor, &writer);

	if (status == 0)
		assert_int_equal(row_page_decode(writer_written(&writer), page), 0);
	return status;
}

static int take_row(void *argument, enum key_space space, struct slice key, struct slice value)
{
	struct fixture *fixture = argument;
	uint8_t bytes[64] = {space == KEY_DATA};

	(void)value;
	memcpy(bytes + 1, key.data, key.size);
	assert_true(slice_compare(
			    slice_of(bytes, key.size + 1), slice_of(fixture->last, fixture->last_size)) > 0);
	memcpy(fixture->last, bytes, key.size + 1);
	fixture->last_size = key.size + 1;
	fixture->rows[space == KEY_DATA]++;
	return 0;
}

static void walk(struct fixture *fixture, size_t size)
{
	uint8_t cursor[ROW_PAGE_CURSOR_MAX];
	size_t cursor_size = 0;

	fixture->pages = fixture->rows[0] = fixture->rows[1] = 0;
	fixture->last_size = 0;
	do {
		struct row_page page;

		assert_int_equal(write_page(fixture, slice_of(cursor, cursor_size), size, &page), 0);
		assert_int_equal(page.region, 5);
		assert_int_equal(page.version, 3);
		assert_int_equal(row_page_each(&page, take_row, fixture), 0);
		cursor_size = page.next.size;
		if (cursor_size > 0)
			memcpy(cursor, page.next.data, cursor_size);
		fixture->pages++;
	} while (cursor_size > 0);
}

static void pages_have_each_row_once(void **state)
{
	static const size_t sizes[] = {1400, 4096, 16384, PAGE_SIZE};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		walk(fixture, sizes[i]);
		assert_int_equal(fixture->rows[0], ROWS);
		assert_int_equal(fixture->rows[1], ROWS);
		assert_int_equal(fixture->pages > 1, sizes[i] < PAGE_SIZE);
	}
}

/* Local rows are the region's whatever its range is. */
static void a_page_ends_where_the_region_does(void **state)
{
	struct fixture *fixture = *state;
	char first[16], past[16];
	struct slice start = key_of(100, first), end = key_of(103, past);

	fixture->range.start = buf_copy(start.data, start.size);
	fixture->range.end = buf_copy(end.data, end.size);
	walk(fixture, 1400);
	assert_int_equal(fixture->rows[0], ROWS);
	assert_int_equal(fixture->rows[1], 3);
	assert_memory_equal(fixture->last + 1, "key 00102", 9);
}

/* Where the upper half has become another region. */
static void behind_the_region_is_an_empty_page(void **state)
{
	struct fixture *fixture = *state;
	char past[16];
	struct slice end = key_of(103, past);
	struct row_page page;
	uint8_t cursor[] = {2, 'k', 'e', 'y', ' ', '0', '0', '2', '0', '0'};

	assert_int_equal(write_page(fixture, slice_of(cursor, sizeof cursor), PAGE_SIZE, &page), 0);
	assert_true(page.rows.size > 0);
	fixture->range.end = buf_copy(end.data, end.size);
	assert_int_equal(write_page(fixture, slice_of(cursor, sizeof cursor), PAGE_SIZE, &page), 0);
	assert_int_equal(page.rows.size, 0);
	assert_int_equal(page.next.size, 0);
}

static void a_row_without_room_is_an_error(void **state)
{
	struct fixture *fixture = *state;
	static char value[3000];
	struct row_page page;

	memory_view_put(fixture->memory, KEY_LOCAL, slice_of("a", 1), slice_of(value, sizeof value));
	assert_int_equal(write_page(fixture, (struct slice){0}, 3000, &page), -E2BIG);
	assert_int_equal(write_page(fixture, (struct slice){0}, 100, &page), -E2BIG);
	assert_int_equal(write_page(fixture, (struct slice){0}, 8192, &page), 0);
}

static void nonsense_is_refused(void **state)
{
	static const struct slice cursors[] = {{"\3key", 4}, {"\0", 1}};
	struct fixture *fixture = *state;
	struct writer writer = writer_fixed(fixture->bytes, 4096);
	struct slice bytes;
	struct row_page page;

	for (size_t i = 0; i < sizeof cursors / sizeof *cursors; i++)
		assert_int_equal(write_page(fixture, cursors[i], PAGE_SIZE, &page), STATUS_MALFORMED);
	assert_int_equal(
		row_page_write(memory_view_get(fixture->memory), &fixture->range, (struct slice){0}, &writer),
		0);
	bytes = writer_written(&writer);
	for (size_t size = 0; size < bytes.size; size++)
		assert_int_equal(row_page_decode(slice_of(bytes.data, size), &page), STATUS_MALFORMED);
	fixture->bytes[4] = 3; /* the first row's space */
	assert_int_equal(row_page_decode(bytes, &page), STATUS_MALFORMED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pages_have_each_row_once),
		TEST(a_page_ends_where_the_region_does),
		TEST(behind_the_region_is_an_empty_page),
		TEST(a_row_without_room_is_an_error),
		TEST(nonsense_is_refused),
	};

#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
