#include "fs/check/gathering.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/plant.h"
#include "store/rows/keys.h"

#define STORE 1 /* that is said to have all replicas */

int gathering_init(struct gathering *gathering, struct kv_engine *kv)
{
	*gathering = (struct gathering){.inspect = {.kv = kv, .dir = {.ident = {.store = STORE}}}};
	gathering->batch = kv->ops->batch_new(kv);
	return gathering->batch ? 0 : -ENOMEM;
}

void gathering_close(struct gathering *gathering)
{
	for (uint32_t i = 0; i < gathering->inspect.region_count; i++)
		region_close(&gathering->inspect.regions[i].region);
	free(gathering->inspect.regions);
	buf_unref(gathering->cursor);
	if (gathering->batch)
		gathering->inspect.kv->ops->batch_free(gathering->batch);
	*gathering = (struct gathering){0};
}

static int write_batch(struct gathering *gathering)
{
	struct kv_engine *kv = gathering->inspect.kv;
	int status = kv->ops->write(kv, gathering->batch);

	kv->ops->batch_clear(gathering->batch);
	return status;
}

/* ---- A region that was split while it was read ---- */

/* All rows from the region's beginning on are its own: those of later regions have not been read. */
static int drop_region(struct gathering *gathering)
{
	struct kv_engine *kv = gathering->inspect.kv;
	struct key low, high;

	key_row(&low, 0, KEY_DATA, fs_key_slice(&gathering->key));
	key_row_bound(&high, 0, KEY_DATA, (struct slice){0});
	kv->ops->batch_delete_range(gathering->batch, key_slice(&low), key_slice(&high));
	key_row(&low, gathering->region, KEY_LOCAL, (struct slice){0});
	key_row_bound(&high, gathering->region, KEY_LOCAL, (struct slice){0});
	kv->ops->batch_delete_range(gathering->batch, key_slice(&low), key_slice(&high));
	buf_unref(gathering->cursor);
	gathering->cursor = NULL;
	gathering->region = 0;
	return ++gathering->restarts > GATHERING_RESTARTS_MAX ? -EAGAIN : write_batch(gathering);
}

/* ---- A region's end ---- */

static int add_region(struct gathering *gathering, const struct row_page *page)
{
	const struct region_peer self = {.id = 1, .store = STORE, .roles = REGION_VOTER};
	struct inspect *inspect = &gathering->inspect;
	struct inspect_region *regions =
		realloc(inspect->regions, (inspect->region_count + 1) * sizeof *regions);
	struct region *region;
	int status;

	if (!regions)
		return -ENOMEM;
	inspect->regions = regions;
	regions[inspect->region_count] = (struct inspect_region){0};
	region = &regions[inspect->region_count].region;
	status = region_init(region, page->region, page->start, page->end, &self, 1);
	if (status < 0)
		return status;
	region->epoch.version = page->version;
	inspect->region_count++;
	return 0;
}

static int put_state(struct gathering *gathering)
{
	const struct inspect *inspect = &gathering->inspect;
	const struct region *region = &inspect->regions[inspect->region_count - 1].region;
	struct buf *row;
	struct key key;
	int status = region_encode(region, &row);

	if (status < 0)
		return status;
	key_region_state(&key, region->id);
	inspect->kv->ops->batch_put(gathering->batch, key_slice(&key), buf_slice(row));
	buf_unref(row);
	return 0;
}

/* The next region begins where this one ends, which is further on: so the gathering comes to an end. */
static int end_region(struct gathering *gathering, const struct row_page *page)
{
	int status;

	if (page->end.size > sizeof gathering->key.bytes ||
		(page->end.size > 0 && slice_compare(page->end, fs_key_slice(&gathering->key)) <= 0))
		return STATUS_MALFORMED;
	status = add_region(gathering, page);
	if (status == 0)
		status = put_state(gathering);
	gathering->is_complete = page->end.size == 0;
	gathering->region = 0;
	gathering->restarts = 0;
	gathering->key.size = (uint16_t)page->end.size;
	if (page->end.size > 0)
		memcpy(gathering->key.bytes, page->end.data, page->end.size);
	return status;
}

/* ---- Pages ---- */

static int put_row(void *argument, enum key_space space, struct slice inner, struct slice value)
{
	const struct gathering *gathering = argument;
	struct key key;

	key_row(&key, gathering->region, space, inner);
	gathering->inspect.kv->ops->batch_put(gathering->batch, key_slice(&key), value);
	return 0;
}

static int move_cursor(struct gathering *gathering, struct slice next)
{
	if (next.size > 0 && slice_compare(next, buf_slice(gathering->cursor)) <= 0)
		return STATUS_MALFORMED;
	buf_unref(gathering->cursor);
	gathering->cursor = next.size > 0 ? buf_copy(next.data, next.size) : NULL;
	return next.size > 0 && !gathering->cursor ? -ENOMEM : 0;
}

int gathering_take(struct gathering *gathering, const struct row_page *page)
{
	bool is_first = gathering->region == 0;
	int status;

	if (!is_first && (page->region != gathering->region || page->version != gathering->version) &&
		!planted("fs:gathering_split_unseen"))
		return drop_region(gathering);
	gathering->region = page->region;
	gathering->version = page->version;
	row_page_each(page, put_row, gathering);
	status = move_cursor(gathering, page->next);
	if (status == 0 && page->next.size == 0)
		status = end_region(gathering, page);
	return status == 0 ? write_batch(gathering) : status;
}

double gathering_done(const struct gathering *gathering)
{
	struct slice at = row_page_cursor_key(buf_slice(gathering->cursor));

	if (gathering->is_complete)
		return 1;
	if (at.size == 0)
		at = fs_key_slice(&gathering->key);
	return at.size == 0 ? 0 : (double)fs_key_get_dirid(at) / (double)FS_DIRID_END;
}
