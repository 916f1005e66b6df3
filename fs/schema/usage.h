/*
 * usage.h: what a file, or a directory with all below it, takes: counted where the rows are, in one pass over them.
 *
 * A file with several names below counts once. The walk reads one directory after the other, of one snapshot, and keeps
 * in memory the directories that are still to come and the files that have several names.
 */
#ifndef RAFTKV_FS_SCHEMA_USAGE_H
#define RAFTKV_FS_SCHEMA_USAGE_H

#include "fs/schema/rows.h"
#include "store/kv/view.h"

struct usage {
	uint64_t size; /* bytes: of regular files, as they appear */
	uint64_t disk_size; /* bytes: of their blocks */
	uint64_t files; /* everything but directories */
	uint64_t directories; /* below; not the one asked about */
	struct fs_time ctime; /* the newest */
};

/* Takes time in proportion to the tree: for workers, with a view that may block. 0, -ESTALE, -ENOMEM, or what the view
 * returned. */
int usage_read(struct view *view, uint64_t ino, struct usage *usage);

#endif
