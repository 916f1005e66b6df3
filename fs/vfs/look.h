/*
 * look.h: the requests of LOOKUP, GETATTR and STATX (ops_look.c). These are most of all requests, so their structs are
 * small: tests/unit/fs/test_request_size.c checks that.
 */
#ifndef RAFTKV_FS_VFS_LOOK_H
#define RAFTKV_FS_VFS_LOOK_H

#include "fs/vfs/request.h"

/* The attributes that buffered data changes (write_back_lay_over), as they are shown. */
struct look_overlay {
	uint64_t size;
	uint64_t blocks;
	struct fs_time mtime;
	struct fs_time ctime;
	uint32_t mode;
};

struct look {
	struct request request;
	uint64_t ino; /* for LOOKUP the directory's */
	struct finding finding;
	struct look_overlay overlay;
};

struct lookup {
	struct look look;
	char name[];
};

#endif
