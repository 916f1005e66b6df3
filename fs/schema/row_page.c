#include "fs/schema/row_page.h"

#include <errno.h>

#include "proto/plant.h"
#include "proto/status.h"

/* What a record of a page begins with: a row of that space, or the end, which the next cursor follows. They are in the
 * order of the rows. */
enum { TAG_END, TAG_LOCAL, TAG_DATA };

#define IS_FULL 1 /* of a scan */

struct page_scan {
	struct writer *writer;
	uint8_t tag;
	size_t limit; /* bytes that rows may take; behind them the end has room */
	uint32_t count; /* rows of all spaces */
	size_t next_size; /* bytes at `next`; 0: the scan came to the end */
	uint8_t next[ROW_PAGE_CURSOR_MAX];
};

/* ---- Writing ---- */

static size_t size_of_slice(size_t size)
{
	return codec_varint_size(size) + size;
}

static void note_next(struct page_scan *scan, struct slice key)
{
	struct writer cursor = writer_fixed(scan->next, sizeof scan->next);

	writer_u8(&cursor, scan->tag);
	writer_bytes(&cursor, key.data, key.size);
	scan->next_size = cursor.size;
}

static int add_row(void *argument, struct slice key, struct slice value)
{
	struct page_scan *scan = argument;
	size_t size = 1 + size_of_slice(key.size) + size_of_slice(value.size);

	if (scan->writer->size + size > scan->limit) {
		note_next(scan, key);
		return scan->count == 0 ? -E2BIG : IS_FULL;
	}
	writer_u8(scan->writer, scan->tag);
	writer_slice(scan->writer, key);
	writer_slice(scan->writer, value);
	scan->count++;
	return 0;
}

/* A cursor that the region has left to another one finds nothing: who asks sees the other version. */
static int scan_space(
	struct view *view, const struct region *range, uint8_t tag, struct slice from, struct page_scan *scan)
{
	enum key_space space = tag == TAG_LOCAL ? KEY_LOCAL : KEY_DATA;
	struct slice end = space == KEY_DATA ? buf_slice(range->end) : (struct slice){0};

	if (space == KEY_DATA && slice_compare(from, buf_slice(range->start)) < 0)
		from = buf_slice(range->start);
	if (space == KEY_DATA && !region_has_key(range, from))
		return 0;
	scan->tag = tag;
	return view_scan(view, space, from, end, add_row, scan);
}

int row_page_write(struct view *view, const struct region *range, struct slice cursor, struct writer *writer)
{
	struct page_scan scan = {.writer = writer};
	struct reader reader = reader_of(cursor);
	uint8_t first = cursor.size > 0 ? reader_u8(&reader) : TAG_LOCAL;
	struct slice from = slice_of(reader.data, reader.size);
	int status = 0;

	if (!row_page_is_cursor(cursor))
		return STATUS_MALFORMED;
	writer_varint(writer, range->id);
	writer_varint(writer, range->epoch.version);
	writer_slice(writer, buf_slice(range->start));
	writer_slice(writer, buf_slice(range->end));
	if (writer->size_max < writer->size + 1 + size_of_slice(ROW_PAGE_CURSOR_MAX))
		return -E2BIG;
	scan.limit = writer->size_max - 1 - size_of_slice(ROW_PAGE_CURSOR_MAX);
	for (uint8_t tag = first; tag <= TAG_DATA && status == 0; tag++)
		status = scan_space(view, range, tag, tag == first ? from : (struct slice){0}, &scan);
	if (status < 0)
		return status;
	PLANT("reads:page_skips", if (scan.next_size > 0) scan.next[scan.next_size++] = 0);
	writer_u8(writer, TAG_END);
	writer_slice(writer, slice_of(scan.next, scan.next_size));
	return writer->status == STATUS_LIMIT ? -E2BIG : writer->status;
}

/* ---- Reading ---- */

bool row_page_is_cursor(struct slice cursor)
{
	const uint8_t *bytes = cursor.data;

	return cursor.size == 0 ||
	       (cursor.size <= ROW_PAGE_CURSOR_MAX && (bytes[0] == TAG_LOCAL || bytes[0] == TAG_DATA));
}

struct slice row_page_cursor_key(struct slice cursor)
{
	const uint8_t *bytes = cursor.data;

	return cursor.size > 0 && bytes[0] == TAG_DATA ? slice_of(bytes + 1, cursor.size - 1)
						       : (struct slice){0};
}

/* The next row. TAG_END: there is none, or the bytes are malformed. */
static uint8_t read_row(struct reader *reader, struct slice *key, struct slice *value)
{
	uint8_t tag = reader_u8(reader);

	if (tag > TAG_DATA)
		reader_fail(reader);
	if (reader->status < 0 || tag == TAG_END)
		return TAG_END;
	*key = reader_slice(reader);
	*value = reader_slice(reader);
	if (key->size > MUTATIONS_KEY_MAX)
		reader_fail(reader);
	return reader->status < 0 ? TAG_END : tag;
}

int row_page_decode(struct slice bytes, struct row_page *page)
{
	struct reader reader = reader_of(bytes);
	const uint8_t *rows;
	struct slice key, value;

	page->region = reader_varint(&reader);
	page->version = reader_varint(&reader);
	page->start = reader_slice(&reader);
	page->end = reader_slice(&reader);
	rows = reader.data;
	do
		page->rows = slice_of(rows, (size_t)(reader.data - rows));
	while (read_row(&reader, &key, &value) != TAG_END);
	page->next = reader_slice(&reader);
	if (page->region == 0 || page->start.size > MUTATIONS_KEY_MAX || page->end.size > MUTATIONS_KEY_MAX ||
		!row_page_is_cursor(page->next))
		reader_fail(&reader);
	return reader_finish(&reader);
}

int row_page_each(const struct row_page *page, row_page_row_cb each, void *argument)
{
	struct reader reader = reader_of(page->rows);
	struct slice key, value;
	int status = 0;

	while (status == 0 && reader_has_more(&reader)) {
		uint8_t tag = read_row(&reader, &key, &value);

		if (tag != TAG_END)
			status = each(argument, tag == TAG_LOCAL ? KEY_LOCAL : KEY_DATA, key, value);
	}
	return status;
}
