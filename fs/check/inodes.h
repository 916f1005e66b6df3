/*
 * inodes.h: every inode of a store in memory, in few bytes: 24 each, and 48 more for a directory, in the order of their
 * numbers, which is the order of the rows they come from. Ten million inodes of which a tenth are directories take
 * 290 MB.
 */
#ifndef RAFTKV_FS_CHECK_INODES_H
#define RAFTKV_FS_CHECK_INODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/schema/rows.h"

/* Flags, above INODE_STATE_ALL: what the row says, and what was found of it. */
#define INODES_IS_DAMAGED    UINT32_C(0x100) /* the row does not decode: nothing else is known */
#define INODES_IS_TINY	     UINT32_C(0x200)
#define INODES_HAS_UNITS     UINT32_C(0x400) /* says that some are mapped */
#define INODES_IS_CUT	     UINT32_C(0x800) /* garbage may lie past its cut */
#define INODES_FOUND_TINY    UINT32_C(0x1000)
#define INODES_FOUND_UNITS   UINT32_C(0x2000)
#define INODES_FOUND_HOLDER  UINT32_C(0x4000)
#define INODES_FOUND_LOCK    UINT32_C(0x8000) /* or who waits for one */
#define INODES_FOUND_GARBAGE UINT32_C(0x10000)
#define INODES_TYPE_SHIFT    28 /* the four bits of S_IFMT */

struct inodes_item {
	uint64_t ino;
	uint32_t nlink;
	uint32_t names; /* found */
	uint32_t flags;
	uint32_t extra; /* of a directory its place in `directories`, of a tiny file the size of its row */
};

struct inodes_directory {
	uint64_t parent; /* ino, as the row says */
	uint64_t named_in; /* ino of the directory that has a name of it; 0: none was found */
	uint64_t entries; /* as the row says */
	uint64_t entries_found;
	uint32_t subdirectories; /* found */
	uint32_t item; /* its place in `items` */
	uint32_t visit; /* links.c's */
};

struct inodes {
	struct inodes_item *items;
	size_t count;
	size_t capacity;
	struct inodes_directory *directories;
	size_t directory_count;
	size_t directory_capacity;
};

/* In ascending order of inos. `inode` NULL: damaged. 0, -ENOMEM, or -EOVERFLOW: more than 2^32. */
int inodes_add(struct inodes *inodes, uint64_t ino, const struct inode *inode);
/* NULL: there is none. */
struct inodes_item *inodes_find(const struct inodes *inodes, uint64_t ino);
/* NULL: it is none, or damaged. */
struct inodes_directory *inodes_directory(const struct inodes *inodes, const struct inodes_item *item);
struct inodes_directory *inodes_find_directory(const struct inodes *inodes, uint64_t ino);
void inodes_close(struct inodes *inodes);

static inline uint32_t inodes_type(const struct inodes_item *item)
{
	return item->flags >> INODES_TYPE_SHIFT << 12; /* as S_IFMT has it */
}

#endif
