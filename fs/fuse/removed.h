/*
 * removed.h: the last directories that were removed here, as they were.
 *
 * A process may have one as its working directory; on Linux it can still look at it, and finds it empty. The kernel
 * does not say which directories are somebody's, and holding each would make removing a tree twice as long. So the
 * front remembers the attributes of the last REMOVED_COUNT that are gone from the store. Any thread.
 */
#ifndef RAFTKV_FS_FUSE_REMOVED_H
#define RAFTKV_FS_FUSE_REMOVED_H

#include "fs/rows.h"

#define REMOVED_COUNT 256u

struct removed;

int removed_new(struct removed **removed);
void removed_free(struct removed *removed); /* may be NULL */
/* `attributes` as they were; the link count becomes 0. */
void removed_add(struct removed *removed, const struct attributes *attributes);
bool removed_find(struct removed *removed, uint64_t ino, struct attributes *attributes);

#endif
