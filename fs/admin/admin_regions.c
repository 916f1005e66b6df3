/* Answers with the regions that this store has a replica of, page by page, as their replicas here describe them. */
#include <errno.h>
#include <stdlib.h>

#include "fs/admin/admin_internal.h"
#include "fs/admin/region_draft.h"
#include "proto/container.h"
#include "proto/plant.h"

/* An answer that is being made. */
struct region_page {
	struct admin *admin;
	struct rpc_request *request;
	uint32_t limit;
	uint32_t count;
	struct region *ranges; /* room for `limit`; those of drafts are empty */
	struct region_draft *drafts; /* room for `limit` */
	Raftkv__OverviewRegion **pointers;
	struct buf *next; /* where the first region begins that is left out; NULL: none is */
	uint32_t described; /* drafts that are done */
	struct raftkv_region_status status;
};

static void page_free(struct region_page *page)
{
	for (uint32_t i = 0; page->ranges && i < page->count; i++)
		region_close(&page->ranges[i]);
	for (uint32_t i = 0; i < page->described; i++)
		region_draft_close(&page->drafts[i]);
	buf_unref(page->next);
	free(page->ranges);
	free(page->drafts);
	free(page->pointers);
	free(page);
}

static void page_finish(struct region_page *page, int status)
{
	Raftkv__RegionsReply reply = RAFTKV__REGIONS_REPLY__INIT;
	struct slice next = buf_slice(page->next);

	reply.status = status;
	if (status == 0) {
		reply.regions = page->pointers;
		reply.n_regions = page->count;
		reply.next = (ProtobufCBinaryData){.len = next.size, .data = (uint8_t *)(uintptr_t)next.data};
		PLANT("admin:page_ends", reply.next.len = 0);
	}
	rpc_answer(page->request, &reply.base, NULL, 0);
	page_free(page);
}

/* ---- Regions ---- */

static void add_region(void *argument, const struct region *region, uint64_t term)
{
	struct region_page *page = argument;

	(void)term;
	if (page->count == page->limit) {
		page->next = buf_ref(region->start);
		return;
	}
	page->ranges[page->count++] = (struct region){.id = region->id,
		.epoch = region->epoch,
		.start = buf_ref(region->start),
		.end = buf_ref(region->end)};
}

static void describe_next(struct region_page *page);

/* A region that was removed meanwhile has no members. One that was split meanwhile has its former range. */
static int take_description(struct region_page *page, struct region_draft *draft, int code)
{
	const struct raftkv_region_status *status = &page->status;

	if (code < 0)
		return 0;
	draft->message.leader = status->leader;
	draft->message.last_index = status->last_index;
	draft->message.term = status->term;
	draft->message.is_by_leader = status->is_serving;
	if (status->is_serving && page->admin->options.loads)
		draft->message.cpu_us = region_loads_cpu(page->admin->options.loads, status->region);
	return region_draft_set_members(draft,
		(struct region_epoch){
			.version = draft->message.epoch->version, .conf_version = status->epoch.conf_version},
		status->members, status->member_count);
}

static void on_described(struct raftkv_region_status *status, int code)
{
	struct region_page *page = container_of(status, struct region_page, status);
	struct region *range = &page->ranges[page->described];
	struct region_draft *draft = &page->drafts[page->described];

	if (code == STATUS_STOPPING) {
		page_finish(page, code);
		return;
	}
	region_draft_init(draft, range->id);
	region_draft_take_range(draft, range);
	page->pointers[page->described++] = &draft->message;
	if (take_description(page, draft, code) < 0)
		page_finish(page, -ENOMEM);
	else
		describe_next(page);
}

static void describe_next(struct region_page *page)
{
	if (page->described == page->count) {
		page_finish(page, 0);
		return;
	}
	page->status = (struct raftkv_region_status){.region = page->ranges[page->described].id,
		.loop = page->admin->options.loop,
		.done = on_described};
	raftkv_region_status(page->admin->options.raftkv, &page->status);
}

/* ---- Requests ---- */

static struct region_page *page_new(
	struct admin *admin, struct rpc_request *request, const Raftkv__RegionsRequest *message)
{
	struct region_page *page = calloc(1, sizeof *page);

	if (!page)
		return NULL;
	page->admin = admin;
	page->request = request;
	page->limit =
		message->limit > 0 && message->limit < ADMIN_REGIONS_MAX ? message->limit : ADMIN_REGIONS_MAX;
	page->ranges = calloc(page->limit, sizeof *page->ranges);
	page->drafts = calloc(page->limit, sizeof *page->drafts);
	page->pointers = calloc(page->limit, sizeof(*page->pointers));
	if (page->ranges && page->drafts && page->pointers)
		return page;
	page_free(page);
	return NULL;
}

int admin_on_regions(void *argument, struct rpc_request *request, const struct frame *frame)
{
	Raftkv__RegionsRequest *message =
		raftkv__regions_request__unpack(NULL, frame->head.size, frame->head.data);
	struct admin *admin = argument;
	struct region_page *page = NULL;
	int status = STATUS_MALFORMED;

	if (message && frame->attachment_count == 0) {
		page = page_new(admin, request, message);
		status = page ? 0 : -ENOMEM;
	}
	/* One region more than the limit: it tells where the next page begins. */
	if (page)
		raftkv_each_region_from(admin->options.raftkv, slice_of(message->key.data, message->key.len),
			page->limit + 1, add_region, page);
	raftkv__regions_request__free_unpacked(message, NULL);
	if (page)
		describe_next(page);
	return status;
}
