/*
 * background.h: proposals that belong to no request, which drop locks. The operations on locks begin them (ops_locks.c,
 * ops_setlk.c), at a close and for waiters that give up. A failure is logged; nobody waits for the answer.
 */
#ifndef RAFTKV_FS_VFS_BACKGROUND_H
#define RAFTKV_FS_VFS_BACKGROUND_H

#include "fs/vfs/front_internal.h"

/* Proposes `op` (borrowed). If it drops a lock, the inode's lock waiters are woken after the answer. `loop`: the
 * calling one. */
void background_run(struct front *front, struct env_loop *loop, const struct op *op);
/* The same for a lock of a handle that is being closed (node_begin_release). */
void background_release_lock(struct front *front, struct env_loop *loop, const struct op *op);

#endif
