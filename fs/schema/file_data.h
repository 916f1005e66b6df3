/*
 * file_data.h: reads the bytes of a regular file from where its inode says they are. Functions return 0 or what the
 * view returned; STATUS_CORRUPT: the rows do not fit the inode.
 */
#ifndef RAFTKV_FS_SCHEMA_FILE_DATA_H
#define RAFTKV_FS_SCHEMA_FILE_DATA_H

#include "store/kv/view.h"
#include "fs/schema/rows.h"

static inline uint64_t file_units(uint64_t size)
{
	return size / FS_UNIT_SIZE + (size % FS_UNIT_SIZE > 0);
}

/* `size` bytes from `offset`; bytes past the end of the file, or in a hole, are zero. Allocates nothing. Whole aligned
 * units are read straight into `bytes`. */
int file_read(struct view *view, const struct inode *inode, uint64_t offset, void *bytes, size_t size);
/* How many of the units [first, first + count) are mapped; the garbage of a truncation is not counted. */
int file_mapped(
	struct view *view, const struct inode *inode, uint64_t first, uint64_t count, uint64_t *mapped);
/* The first offset >= `offset` that has data (`data`: in a mapped unit or in the tiny row), or has none. At most the
 * file's size. */
int file_seek(struct view *view, const struct inode *inode, uint64_t offset, bool data, uint64_t *result);

#endif
