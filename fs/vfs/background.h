/*
 * background.h: proposals that belong to no request: dropping locks. The locks' operations begin them (ops_locks.c), at a
 * close and for waiters that give up; a failure is logged, and nobody waits.
 */
#ifndef RAFTKV_FS_VFS_BACKGROUND_H
#define RAFTKV_FS_VFS_BACKGROUND_H

#include "fs/vfs/front_internal.h"

/* Proposes `op` (borrowed). Of a dropped lock, waiters of the inode are woken. `loop` is the calling one. */
void background_run(struct front *front, struct env_loop *loop, const struct op *op);
/* The same for a lock of a handle that is being closed (node_begin_release). */
void background_release_lock(struct front *front, struct env_loop *loop, const struct op *op);

#endif
