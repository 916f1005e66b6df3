/*
 * file_data.h: the bytes of a regular file, wherever its inode says they are.
 */
#ifndef RAFTKV_FS_SCHEMA_FILE_DATA_H
#define RAFTKV_FS_SCHEMA_FILE_DATA_H

#include "store/kv/view.h"
#include "fs/schema/rows.h"

static inline uint64_t file_units(uint64_t size)
{
	return size / FS_UNIT_SIZE + (size % FS_UNIT_SIZE > 0);
}

/* `size` bytes from `offset`; what lies past the end of the file, or in a hole, is zeroes. Allocates nothing; what is
 * aligned to units goes straight into `bytes`. */
int file_read(struct view *view, const struct inode *inode, uint64_t offset, void *bytes, size_t size);
/* How many of the units [first, first + count) are mapped; garbage is not counted. */
int file_mapped(
	struct view *view, const struct inode *inode, uint64_t first, uint64_t count, uint64_t *mapped);
/* The first offset >= `offset` that is in a mapped unit or the tiny row (`data`), or in neither; at most the size. */
int file_seek(struct view *view, const struct inode *inode, uint64_t offset, bool data, uint64_t *result);

#endif
