/*
 * virtual_xattrs.h: extended attributes that are computed, not stored: their names begin with "raftkv.". They are not
 * listed, and cannot be set.
 *
 *     raftkv.dir.rbytes, .rfiles, .rsubdirs, .rctime    of a directory and everything below it (usage.h)
 *     raftkv.usage      bytes, bytes on disk, files and directories, in one walk; one line "NAME VALUE" each
 *     raftkv.inode      fields of the inode's row, one line "NAME VALUE" each
 *     raftkv.region     the id of the region that has the inode
 *     raftkv.sync       empty; to ask for it has the whole mount made durable (ops_sync.c)
 */
#ifndef RAFTKV_FS_SCHEMA_VIRTUAL_XATTRS_H
#define RAFTKV_FS_SCHEMA_VIRTUAL_XATTRS_H

#include <stdbool.h>

#include "fs/schema/usage.h"
#include "store/raftkv.h"

#define VIRTUAL_XATTR_SIZE_MAX 1024u /* bytes of a value */
#define VIRTUAL_XATTR_SYNC     "raftkv.sync"

bool virtual_xattr_is(const char *name);
/* Is it told by a usage, which takes a walk (usage.h), and so a worker? And does that file have it? */
bool virtual_xattr_is_usage(struct slice name, uint64_t ino);
/* The value that the usage gives it. `*size` as below. */
void virtual_xattr_tell_usage(
	struct slice name, const struct usage *usage, char value[VIRTUAL_XATTR_SIZE_MAX], size_t *size);
/* 0; -ENODATA: no such attribute, or not of this kind of file; -ESTALE: no such inode; or what usage_read, the view or
 * raftkv_find_region returned. `*size`: bytes of the value, without a NUL. */
int virtual_xattr_read(struct raftkv *raftkv, struct view *view, uint64_t ino, struct slice name,
	char value[VIRTUAL_XATTR_SIZE_MAX], size_t *size);

#endif
