/*
 * virtual_xattrs.h: extended attributes that are answers, not rows: names that begin with "raftkv.". They are not
 * listed, and cannot be set.
 *
 *     raftkv.dir.rbytes, .rfiles, .rsubdirs, .rctime    of a directory and all below it (usage.h)
 *     raftkv.usage      the same, and the bytes on disk, in one walk: a line "NAME VALUE" each
 *     raftkv.inode      what the inode's row says, a line "NAME VALUE" each
 *     raftkv.region     the id of the region that holds it
 */
#ifndef RAFTKV_FS_SCHEMA_VIRTUAL_XATTRS_H
#define RAFTKV_FS_SCHEMA_VIRTUAL_XATTRS_H

#include <stdbool.h>

#include "store/raftkv.h"

#define VIRTUAL_XATTR_SIZE_MAX 1024u /* bytes of a value */

bool virtual_xattr_is(const char *name);
/* It needs a walk that may be long: to be run on a worker. */
bool virtual_xattr_is_long(const char *name);
/* 0, -ENODATA: there is no such one, or not of this file; -ESTALE …; or what the view returned. */
int virtual_xattr_read(struct raftkv *raftkv, struct view *view, uint64_t ino, const char *name,
	char value[VIRTUAL_XATTR_SIZE_MAX], size_t *size);

#endif
