#include "fs/check/inodes.h"

#include <errno.h>
#include <stdlib.h>

/* Grows by half: of a large array, realloc moves the pages and does not copy them. */
static int grow(void **items, size_t *capacity, size_t count, size_t item_size)
{
	size_t wanted = *capacity + *capacity / 2 + 1024;
	void *grown;

	if (count >= UINT32_MAX) /* places in the arrays have 32 bits */
		return -EOVERFLOW;
	if (count < *capacity)
		return 0;
	grown = realloc(*items, wanted * item_size);
	if (!grown)
		return -ENOMEM;
	*items = grown;
	*capacity = wanted;
	return 0;
}

static int add_directory(struct inodes *inodes, struct inodes_item *item, const struct inode *inode)
{
	int status = grow((void **)&inodes->directories, &inodes->directory_capacity, inodes->directory_count,
		sizeof *inodes->directories);

	if (status < 0)
		return status;
	item->extra = (uint32_t)inodes->directory_count;
	inodes->directories[inodes->directory_count++] = (struct inodes_directory){
		.parent = inode->parent,
		.entries = inode->entries,
		.item = (uint32_t)(item - inodes->items),
	};
	return 0;
}

static uint32_t flags_of(const struct inode *inode)
{
	uint32_t flags = inode->state | (inode->attributes.mode & S_IFMT) >> 12 << INODES_TYPE_SHIFT;

	if (inode->data == INODE_DATA_TINY)
		flags |= INODES_IS_TINY;
	if (inode->data == INODE_DATA_UNITS && inode->units > 0)
		flags |= INODES_HAS_UNITS;
	if (inode->cut != INODE_CUT_NONE)
		flags |= INODES_IS_CUT;
	return flags;
}

int inodes_add(struct inodes *inodes, uint64_t ino, const struct inode *inode)
{
	int status = grow((void **)&inodes->items, &inodes->capacity, inodes->count, sizeof *inodes->items);
	struct inodes_item *item;

	if (status < 0)
		return status;
	item = &inodes->items[inodes->count++];
	*item = (struct inodes_item){.ino = ino, .flags = INODES_IS_DAMAGED};
	if (!inode)
		return 0;
	item->nlink = inode->attributes.nlink;
	item->flags = flags_of(inode);
	if (inode_is_directory(inode))
		return add_directory(inodes, item, inode);
	item->extra = inode->tiny_size;
	return 0;
}

struct inodes_item *inodes_find(const struct inodes *inodes, uint64_t ino)
{
	size_t low = 0, high = inodes->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (inodes->items[middle].ino < ino)
			low = middle + 1;
		else
			high = middle;
	}
	return low < inodes->count && inodes->items[low].ino == ino ? &inodes->items[low] : NULL;
}

struct inodes_directory *inodes_directory(const struct inodes *inodes, const struct inodes_item *item)
{
	if (!item || (item->flags & INODES_IS_DAMAGED) || !S_ISDIR(inodes_type(item)))
		return NULL;
	return &inodes->directories[item->extra];
}

struct inodes_directory *inodes_find_directory(const struct inodes *inodes, uint64_t ino)
{
	return inodes_directory(inodes, inodes_find(inodes, ino));
}

void inodes_close(struct inodes *inodes)
{
	free(inodes->items);
	free(inodes->directories);
	*inodes = (struct inodes){0};
}
