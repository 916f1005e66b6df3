/*
 * usage.h: the space and the number of files that a file, or a directory with everything below it, takes. They are
 * counted on the store, in one walk over the rows.
 *
 * A file that has several names below the directory counts once. The walk reads one directory after the other in one
 * view. It keeps in memory the directories that are still to be read and the files that have several names.
 */
#ifndef RAFTKV_FS_SCHEMA_USAGE_H
#define RAFTKV_FS_SCHEMA_USAGE_H

#include "fs/schema/rows.h"
#include "store/kv/view.h"

struct usage {
	uint64_t size; /* bytes: the sizes of regular files */
	uint64_t disk_size; /* bytes: the blocks of files */
	uint64_t files; /* all inodes but directories */
	uint64_t directories; /* without the one asked about */
	struct fs_time ctime; /* the newest of all */
};

/* Takes time in proportion to the tree, so only workers call it, with a view that may block. 0; -ESTALE: no such inode;
 * -ENOMEM; STATUS_KEY_NOT_IN_REGION: a part of the tree is in another region; or what the view returned. */
int usage_read(struct view *view, uint64_t ino, struct usage *usage);

#endif
