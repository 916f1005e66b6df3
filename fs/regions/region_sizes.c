#include "fs/regions/region_sizes.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/hash.h"

struct region_sizes_item {
	uint64_t region;
	uint64_t size;
	uint64_t stuck_dirid;
	UT_hash_handle hh;
};

static struct region_sizes_item *item_of(const struct region_sizes *sizes, uint64_t region)
{
	struct region_sizes_item *found;

	HASH_FIND(hh, sizes->items, &region, sizeof region, found);
	return found;
}

int region_sizes_set(struct region_sizes *sizes, uint64_t region, uint64_t size, uint64_t stuck_dirid)
{
	struct region_sizes_item *item = item_of(sizes, region);

	if (!item) {
		item = calloc(1, sizeof *item);
		if (!item)
			return -ENOMEM;
		item->region = region;
		HASH_ADD(hh, sizes->items, region, sizeof item->region, item);
	}
	item->size = size;
	item->stuck_dirid = stuck_dirid;
	return 0;
}

void region_sizes_remove(struct region_sizes *sizes, uint64_t region)
{
	struct region_sizes_item *item = item_of(sizes, region);

	if (!item)
		return;
	HASH_DEL(sizes->items, item);
	free(item);
}

uint64_t region_sizes_find(const struct region_sizes *sizes, uint64_t region)
{
	const struct region_sizes_item *item = item_of(sizes, region);

	if (!item)
		return 0;
	return item->size > 0 ? item->size : 1;
}

uint64_t region_sizes_find_stuck(const struct region_sizes *sizes, uint64_t *size, uint64_t *dirid)
{
	const struct region_sizes_item *item, *largest = NULL;

	for (item = sizes->items; item; item = item->hh.next)
		if (item->stuck_dirid > 0 && (!largest || item->size > largest->size))
			largest = item;
	*size = largest ? largest->size : 0;
	*dirid = largest ? largest->stuck_dirid : 0;
	return largest ? largest->region : 0;
}

void region_sizes_close(struct region_sizes *sizes)
{
	struct region_sizes_item *item, *next;

	HASH_ITER (hh, sizes->items, item, next) {
		HASH_DEL(sizes->items, item);
		free(item);
	}
}
