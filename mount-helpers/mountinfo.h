/*
 * mountinfo.h: finds mounts in the kernel's list (proc_pid_mountinfo(5)).
 */
#ifndef RAFTKV_MOUNT_HELPERS_MOUNTINFO_H
#define RAFTKV_MOUNT_HELPERS_MOUNTINFO_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct mountinfo {
	char type[64]; /* "fuse.raftkv" */
	char source[PATH_MAX]; /* as it was mounted */
	char point[PATH_MAX]; /* the directory on which it is mounted */
	dev_t device;
	/* MS_RDONLY, MS_NOATIME, MS_NODIRATIME, MS_RELATIME, MS_SYNCHRONOUS, as they are set now. */
	unsigned long flags;
};

/* Finds the topmost mount on `directory`, a canonical name. False: there is none, or /proc cannot be read. */
bool mountinfo_find(const char *directory, struct mountinfo *info);
/* Finds the topmost mount of raftkv whose source or directory is `path`, a canonical name. False: as above. */
bool mountinfo_find_raftkv(const char *path, struct mountinfo *info);
/* Finds the last mount of the filesystem with this device number. False: as above. */
bool mountinfo_find_device(dev_t device, struct mountinfo *info);
/* Returns a descriptor for which poll(2) reports POLLPRI when mounts have changed, or -errno. */
int mountinfo_open(void);

#endif
