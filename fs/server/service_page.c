/* Answers administrators with pages of a region's rows (fs/schema/row_page.h). */
#include <errno.h>

#include "fs/schema/row_page.h"
#include "fs/server/service_read.h"
#include "proto/plant.h"

/* The snapshot is of the version that was asked for, and so is the range if the region still has that version. */
static int find_range(const struct asked *asked, struct region *range)
{
	int status = raftkv_region_range(asked->service->options.raftkv, asked->read.region, range);

	if (status < 0 || range->epoch.version == asked->read.epoch_version ||
		planted("reads:page_of_later_range"))
		return status;
	region_close(range);
	return STATUS_EPOCH_NOT_MATCH;
}

static int write_page(const struct asked *asked, struct view *view, struct buf *page)
{
	struct writer writer = writer_fixed(page->data, page->size);
	struct region range;
	int status = find_range(asked, &range);

	if (status < 0)
		return status;
	status = row_page_write(view, &range, asked->question.cursor, &writer);
	page->size = writer.size;
	region_close(&range);
	return status;
}

int service_page_look(struct asked *asked, struct view *view)
{
	struct finding finding = {0};
	int status;

	asked->data = buf_new(asked->question.size);
	if (!asked->data)
		return -ENOMEM;
	status = write_page(asked, view, asked->data);
	finding.count = asked->data->size;
	if (status == 0)
		status = finding_encode(&asked->question, &finding, &asked->finding);
	if (status < 0) {
		buf_unref(asked->data);
		asked->data = NULL;
	}
	return status;
}
