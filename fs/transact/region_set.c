#include "fs/transact/region_set.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/hash.h"

struct region_set_item {
	uint64_t region;
	UT_hash_handle hh;
};

static struct region_set_item *region_set_find(const struct region_set *set, uint64_t region)
{
	struct region_set_item *found;

	HASH_FIND(hh, set->items, &region, sizeof region, found);
	return found;
}

static void delete_item(struct region_set *set, struct region_set_item *item)
{
	HASH_DEL(set->items, item);
	free(item);
}

bool region_set_has(const struct region_set *set, uint64_t region)
{
	return region_set_find(set, region) != NULL;
}

int region_set_add(struct region_set *set, uint64_t region)
{
	struct region_set_item *item;

	if (region_set_find(set, region))
		return 0;
	item = calloc(1, sizeof *item);
	if (!item)
		return -ENOMEM;
	item->region = region;
	HASH_ADD(hh, set->items, region, sizeof item->region, item);
	return 0;
}

void region_set_remove(struct region_set *set, uint64_t region)
{
	struct region_set_item *item = region_set_find(set, region);

	if (item)
		delete_item(set, item);
}

void region_set_filter(struct region_set *set, bool (*keep)(void *argument, uint64_t region), void *argument)
{
	struct region_set_item *item, *next;

	HASH_ITER (hh, set->items, item, next) {
		if (!keep(argument, item->region))
			delete_item(set, item);
	}
}

void region_set_close(struct region_set *set)
{
	struct region_set_item *item, *next;

	HASH_ITER (hh, set->items, item, next) {
		delete_item(set, item);
	}
}
