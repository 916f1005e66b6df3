/*
 * state_dir.h: the directory of a cluster's mount, which has no store's directory: for its log, its control socket, and
 * the LOCK that its daemon holds while it runs. It is named after the mount point.
 *
 *     root      /var/lib/raftkv/mounts/NAME
 *     others    $XDG_STATE_HOME/raftkv/mounts/NAME, or ~/.local/state/raftkv/mounts/NAME
 */
#ifndef RAFTKV_MOUNT_HELPERS_STATE_DIR_H
#define RAFTKV_MOUNT_HELPERS_STATE_DIR_H

#include "proto/status.h"

/* Writes the directory of a canonical mount point to `path` (PATH_MAX bytes). 0; -ENAMETOOLONG; -ENOENT: there is no
 * home directory. */
int state_dir_find(const char *mount_point, char *path);
/* Makes the directory and its parents, if absent, with mode 0700. 0, or -errno with a sentence. */
int state_dir_make(const char *path, struct status *status);
/* Takes its LOCK until the process ends: umount.fuse.raftkv waits for that. 0 or -errno; -EWOULDBLOCK: another
 * daemon has it. */
int state_dir_lock(const char *path);

#endif
