/*
 * inodes.h: a table of every inode of a store, in the order of inode numbers, which is the order of their rows. An
 * inode takes 24 bytes, a directory 48 more: ten million inodes of which a tenth are directories take 290 MB.
 */
#ifndef RAFTKV_FS_CHECK_INODES_H
#define RAFTKV_FS_CHECK_INODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/schema/rows.h"

/* Flags, above INODE_STATE_ALL. IS and HAS: what the row says. FOUND: which other rows were found. */
#define INODES_IS_DAMAGED    UINT32_C(0x100) /* the row does not decode, so nothing else is known */
#define INODES_IS_TINY	     UINT32_C(0x200)
#define INODES_HAS_UNITS     UINT32_C(0x400) /* it counts mapped units */
#define INODES_IS_CUT	     UINT32_C(0x800) /* garbage may lie past its cut */
#define INODES_FOUND_TINY    UINT32_C(0x1000)
#define INODES_FOUND_UNITS   UINT32_C(0x2000)
#define INODES_FOUND_HOLDER  UINT32_C(0x4000)
#define INODES_FOUND_LOCK    UINT32_C(0x8000) /* or a lock waiter */
#define INODES_FOUND_GARBAGE UINT32_C(0x10000)
#define INODES_IS_UNSETTLED  UINT32_C(0x20000) /* names and counts may be about to change (intents.c) */
#define INODES_TYPE_SHIFT    28 /* the four bits of S_IFMT */

struct inodes_item {
	uint64_t ino;
	uint32_t nlink;
	uint32_t names; /* entries found that mean it */
	uint32_t flags;
	uint32_t extra; /* directory: its place in `directories`; tiny file: bytes of its tiny row */
};

struct inodes_directory {
	uint64_t parent; /* ino, as the row says */
	uint64_t named_in; /* ino of the directory whose entry means it; 0: none was found */
	uint64_t entries; /* as the row says */
	uint64_t entries_found;
	uint32_t subdirectories; /* found */
	uint32_t item; /* its place in `items` */
	uint32_t visit; /* for links.c: the walk that came here, or its verdict */
};

struct inodes {
	struct inodes_item *items;
	size_t count;
	size_t capacity;
	struct inodes_directory *directories;
	size_t directory_count;
	size_t directory_capacity;
};

/* Must be called in ascending order of inos. `inode` NULL: damaged. 0, -ENOMEM, or -EOVERFLOW: more than 2^32. */
int inodes_add(struct inodes *inodes, uint64_t ino, const struct inode *inode);
/* NULL: there is no such inode. What is returned is valid until the next inodes_add. */
struct inodes_item *inodes_find(const struct inodes *inodes, uint64_t ino);
/* NULL: not a directory, or damaged. */
struct inodes_directory *inodes_directory(const struct inodes *inodes, const struct inodes_item *item);
struct inodes_directory *inodes_find_directory(const struct inodes *inodes, uint64_t ino);
void inodes_close(struct inodes *inodes);

static inline uint32_t inodes_type(const struct inodes_item *item)
{
	return item->flags >> INODES_TYPE_SHIFT << 12; /* as S_IFMT has it */
}

#endif
