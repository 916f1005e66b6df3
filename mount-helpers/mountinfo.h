/*
 * mountinfo.h: what the kernel says of a mount (proc_pid_mountinfo(5)).
 */
#ifndef RAFTKV_MOUNT_HELPERS_MOUNTINFO_H
#define RAFTKV_MOUNT_HELPERS_MOUNTINFO_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>
#include <sys/types.h>

struct mountinfo {
	char type[64]; /* "fuse.raftkv" */
	char source[PATH_MAX]; /* as it was mounted */
	char point[PATH_MAX]; /* the directory on which it is mounted */
	dev_t device;
	unsigned long
		flags; /* MS_RDONLY, MS_NOATIME, MS_NODIRATIME, MS_RELATIME, MS_SYNCHRONOUS, as they are set now */
};

/* The topmost mount on `directory`, a canonical name. False: none, or /proc cannot be read. */
bool mountinfo_find(const char *directory, struct mountinfo *info);
/* The topmost mount of raftkv whose source or directory is `path`, a canonical name. False: as above. */
bool mountinfo_find_raftkv(const char *path, struct mountinfo *info);
/* A mount of the filesystem with this device number, wherever it is. False: as above. */
bool mountinfo_find_device(dev_t device, struct mountinfo *info);
/* A descriptor of which poll(2) says POLLPRI when mounts have changed. Or -errno. */
int mountinfo_open(void);

#endif
