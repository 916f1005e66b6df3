#include "fs/regions/inode_counts.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define HASH_NONFATAL_OOM 1

#include "proto/hash.h"

struct inode_counts_item {
	uint64_t region;
	bool is_known;
	int64_t inodes; /* if it is known */
	UT_hash_handle hh;
};

static struct inode_counts_item *item_of(const struct inode_counts *counts, uint64_t region)
{
	struct inode_counts_item *found;

	HASH_FIND(hh, counts->items, &region, sizeof region, found);
	return found;
}

static void add(struct inode_counts *counts, struct inode_counts_item *item, const int64_t *inodes)
{
	item->is_known = inodes != NULL;
	item->inodes = inodes ? *inodes : 0;
	counts->sum += item->inodes;
	counts->unknown += !item->is_known;
}

static void subtract(struct inode_counts *counts, const struct inode_counts_item *item)
{
	counts->sum -= item->inodes;
	counts->unknown -= !item->is_known;
}

/* NULL: no memory. */
static struct inode_counts_item *new_item(struct inode_counts *counts, uint64_t region)
{
	struct inode_counts_item *item = calloc(1, sizeof *item);

	if (!item)
		return NULL;
	item->region = region;
	HASH_ADD(hh, counts->items, region, sizeof item->region, item);
	if (item->hh.tbl)
		return item;
	free(item);
	return NULL;
}

int inode_counts_set(struct inode_counts *counts, uint64_t region, const int64_t *inodes)
{
	struct inode_counts_item *item = item_of(counts, region);

	if (item)
		subtract(counts, item);
	else
		item = new_item(counts, region);
	if (!item)
		return -ENOMEM;
	add(counts, item, inodes);
	return 0;
}

void inode_counts_remove(struct inode_counts *counts, uint64_t region)
{
	struct inode_counts_item *item = item_of(counts, region);

	if (!item)
		return;
	subtract(counts, item);
	HASH_DEL(counts->items, item);
	free(item);
}

void inode_counts_close(struct inode_counts *counts)
{
	struct inode_counts_item *item, *next;

	HASH_ITER (hh, counts->items, item, next) {
		HASH_DEL(counts->items, item);
		free(item);
	}
	*counts = (struct inode_counts){0};
}
