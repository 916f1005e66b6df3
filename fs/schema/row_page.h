/*
 * row_page.h: a page of a region's rows, as QUESTION_PAGE is answered with: for a check of a whole cluster while it is in
 * use (fs/check/gathering.h).
 *
 * The rows of KEY_LOCAL come first, then those of KEY_DATA, in the order of their keys. A cursor says where a page begins:
 * the space, then a key of it; empty: with the first row. Extents are in no page.
 *
 * A page is of one moment, and two pages are of two. They fit together as long as region and version are the same: then so
 * is the range, and local rows have gone to no other region.
 */
#ifndef RAFTKV_FS_SCHEMA_ROW_PAGE_H
#define RAFTKV_FS_SCHEMA_ROW_PAGE_H

#include "proto/codec.h"
#include "store/kv/view.h"
#include "store/rows/mutations.h"
#include "store/rows/region.h"

#define ROW_PAGE_CURSOR_MAX (1 + MUTATIONS_KEY_MAX + 1) /* bytes */
#define ROW_PAGE_SIZE_MIN   (192u << 10) /* bytes: every row has room in it */

struct row_page {
	uint64_t region;
	uint64_t version; /* of the region's epoch */
	struct slice start, end; /* of its range; empty: no bound */
	struct slice rows; /* encoded */
	struct slice next; /* the cursor of the next page; empty: the region has no more rows */
};

/* Writes the page that begins at the cursor: as many rows as have room. `range`: the region of the view, which may block.
 * 0; -E2BIG: not even one row has room; STATUS_MALFORMED: it is no cursor; or what the view returned. */
int row_page_write(struct view *view, const struct region *range, struct slice cursor, struct writer *writer);
/* The slices borrow from `bytes`. 0 or STATUS_MALFORMED. */
int row_page_decode(struct slice bytes, struct row_page *page);
/* Calls `each` for each row, with its key in that space. 0, or the first nonzero return. */
typedef int (*row_page_row_cb)(void *argument, enum key_space space, struct slice key, struct slice value);
int row_page_each(const struct row_page *page, row_page_row_cb each, void *argument);

bool row_page_is_cursor(struct slice cursor);
/* The cursor's key of KEY_DATA; empty: it is among the local rows. */
struct slice row_page_cursor_key(struct slice cursor);

#endif
