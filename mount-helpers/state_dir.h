/*
 * state_dir.h: where a mount of a cluster, which has no directory of its own as a store has, keeps its log, its control
 * socket, and the LOCK that its daemon holds while it lives: a directory named after the mount point.
 *
 *     root      /var/lib/raftkv/mounts/NAME
 *     others    $XDG_STATE_HOME/raftkv/mounts/NAME, or ~/.local/state/raftkv/mounts/NAME
 */
#ifndef RAFTKV_MOUNT_HELPERS_STATE_DIR_H
#define RAFTKV_MOUNT_HELPERS_STATE_DIR_H

#include "proto/status.h"

/* Of a canonical mount point; PATH_MAX bytes. -ENAMETOOLONG; -ENOENT: there is no home. */
int state_dir_find(const char *mount_point, char *path);
/* Makes it, where it is not there yet; mode 0700. */
int state_dir_make(const char *path, struct status *status);
/* Holds its LOCK until the process ends: umount.fuse.raftkv waits for that. -EWOULDBLOCK: another daemon has it. */
int state_dir_lock(const char *path);

#endif
