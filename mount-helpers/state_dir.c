#include "mount-helpers/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/schema/siphash.h"

#define ROOT_STATE  "/var/lib"
#define NAME_LENGTH 40 /* of the mount point's end, for people; a hash of the whole mount point follows */

/* The directory for the state of the user's programs. */
static int find_base(char *path)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int length;

	if (geteuid() == 0)
		length = snprintf(path, PATH_MAX, "%s", ROOT_STATE);
	else if (state && *state == '/')
		length = snprintf(path, PATH_MAX, "%s", state);
	else if (home && *home == '/')
		length = snprintf(path, PATH_MAX, "%s/.local/state", home);
	else
		return -ENOENT;
	return length;
}

int state_dir_find(const char *mount_point, char *path)
{
	static const uint64_t key[2] = {0, 0};
	size_t size = strlen(mount_point);
	const char *end = mount_point + (size > NAME_LENGTH ? size - NAME_LENGTH : 1);
	unsigned hash = (unsigned)(siphash(key, slice_of(mount_point, size)) & 0xffffffff);
	char name[NAME_LENGTH + 1];
	int length = find_base(path);

	if (length < 0)
		return length;
	snprintf(name, sizeof name, "%s", end);
	for (char *c = name; *c != '\0'; c++)
		if (*c == '/')
			*c = '-';
	length += snprintf(path + length, PATH_MAX - (size_t)length, "/raftkv/mounts/%s-%08x", name, hash);
	return length < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int state_dir_make(const char *path, struct status *status)
{
	char part[PATH_MAX];

	snprintf(part, sizeof part, "%s", path);
	for (char *slash = strchr(part + 1, '/');; slash = strchr(slash + 1, '/')) {
		if (slash)
			*slash = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return status_set(
				status, -errno, "cannot make the directory %s: %s", part, strerror(errno));
		if (!slash)
			return 0;
		*slash = '/';
	}
}

int state_dir_lock(const char *path)
{
	char lock[PATH_MAX + 8];
	int fd;

	snprintf(lock, sizeof lock, "%s/LOCK", path);
	fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int status = -errno;

		close(fd);
		return status;
	}
	return 0;
}
