/*
 * look.h: what the operations that look at an inode keep while they wait: LOOKUP, GETATTR, STATX (ops_look.c). Most
 * requests are of these, so that they are small: tests/unit/fs/test_request_size.c.
 */
#ifndef RAFTKV_FS_VFS_LOOK_H
#define RAFTKV_FS_VFS_LOOK_H

#include "fs/vfs/request.h"

/* What the store's attributes become with the data that is buffered (write_back_lay_over). */
struct look_overlay {
	uint64_t size;
	uint64_t blocks;
	struct fs_time mtime;
	struct fs_time ctime;
	uint32_t mode;
};

struct look {
	struct request request;
	uint64_t ino; /* LOOKUP: of the directory */
	struct finding finding;
	struct look_overlay overlay;
};

struct lookup {
	struct look look;
	char name[];
};

#endif
