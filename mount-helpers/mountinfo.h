/*
 * mountinfo.h: what the kernel says of a mount (proc_pid_mountinfo(5)).
 */
#ifndef RAFTKV_MOUNT_HELPERS_MOUNTINFO_H
#define RAFTKV_MOUNT_HELPERS_MOUNTINFO_H

#include <limits.h>
#include <stdbool.h>

struct mountinfo {
	char type[64]; /* "fuse.raftkv" */
	char source[PATH_MAX]; /* as it was mounted */
	char point[PATH_MAX]; /* the directory on which it is mounted */
};

/* The topmost mount on `directory`, a canonical name. False: none, or /proc cannot be read. */
bool mountinfo_find(const char *directory, struct mountinfo *info);
/* The topmost mount of raftkv whose source or directory is `path`, a canonical name. False: as above. */
bool mountinfo_find_raftkv(const char *path, struct mountinfo *info);

#endif
