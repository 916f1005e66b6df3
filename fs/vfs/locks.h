/*
 * locks.h: turns the kernel's locks into the store's (rows.h), for ops_locks.c and ops_setlk.c.
 */
#ifndef RAFTKV_FS_VFS_LOCKS_H
#define RAFTKV_FS_VFS_LOCKS_H

#include <fcntl.h>

#include "fs/vfs/front_internal.h"

static inline struct lock lock_of(const struct front *front, const struct flock *flock, uint64_t owner)
{
	uint64_t start = (uint64_t)flock->l_start;
	int type = flock->l_type;

	return (struct lock){
		.kind = LOCK_POSIX,
		.type = type == F_RDLCK	  ? FS_LOCK_READ
			: type == F_WRLCK ? FS_LOCK_WRITE
					  : FS_LOCK_NONE,
		.session = client_session(front->options.client),
		.owner = owner,
		.start = start,
		.end = flock->l_len == 0 ? INT64_MAX : start + (uint64_t)flock->l_len - 1,
		.pid = (uint32_t)flock->l_pid,
	};
}

/* A lock of the whole file; the caller sets its session. */
static inline struct lock lock_whole(enum lock_kind kind, enum lock_type type, uint64_t owner)
{
	return (struct lock){.kind = kind, .type = type, .owner = owner, .end = INT64_MAX};
}

#endif
