#include "mount-helpers/source.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

bool source_is_cluster(const char *source)
{
	return source[0] != '/' && strchr(source, ':') != NULL;
}

static int prepare_store(const char *source, char *store, struct status *status)
{
	struct stat stat_;

	if (source[0] != '/')
		return status_set(status, -EINVAL,
			"source '%s' is neither an absolute directory nor host:port[,host:port…]", source);
	if (mkdir(source, 0700) < 0 && errno != EEXIST)
		return status_set(
			status, -errno, "cannot create the source directory %s: %s", source, strerror(errno));
	if (!realpath(source, store) || stat(store, &stat_) < 0)
		return status_set(status, -errno, "source %s: %s", source, strerror(errno));
	if (!S_ISDIR(stat_.st_mode))
		return status_set(status, -ENOTDIR, "source %s is not a directory", source);
	if (access(store, R_OK | W_OK | X_OK) < 0)
		return status_set(status, -errno, "source %s: %s", source, strerror(errno));
	return 0;
}

/* Undoes the octal escapes of /proc/self/mountinfo in place. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from;) {
		if (from[0] == '\\' && from[1] && from[2] && from[3]) {
			*to++ = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
}

/* Whether the topmost mount on `directory` is a raftkv. */
static bool is_our_mount(const char *directory)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t capacity = 0;
	bool ours = false;

	while (file && getline(&line, &capacity, file) > 0) {
		char point[PATH_MAX], *rest = strstr(line, " - ");

		if (!rest || sscanf(line, "%*s %*s %*s %*s %4095s", point) != 1)
			continue;
		unescape(point);
		if (strcmp(point, directory) == 0)
			ours = strncmp(rest + 3, "fuse.raftkv ", 12) == 0;
	}
	free(line);
	if (file)
		fclose(file);
	return ours;
}

static int clear_dead_mount(const char *directory, struct status *status)
{
	if (!is_our_mount(directory) || geteuid() != 0 || umount2(directory, MNT_DETACH) < 0)
		return status_set(status, -ENOTCONN,
			"a mount whose daemon is gone is still on %s: take it away with 'umount -l %s'",
			directory, directory);
	return 0;
}

static int prepare_mount_point(const char *directory, char *mount_point, struct status *status)
{
	struct stat stat_;
	int result;

	if (stat(directory, &stat_) < 0 && errno == ENOTCONN) {
		result = clear_dead_mount(directory, status);
		if (result < 0)
			return result;
	}
	if (stat(directory, &stat_) < 0) {
		if (errno == ENOENT)
			return status_set(status, -ENOENT,
				"mount point %s does not exist: create it with 'mkdir -p %s'", directory,
				directory);
		return status_set(status, -errno, "mount point %s: %s", directory, strerror(errno));
	}
	if (!S_ISDIR(stat_.st_mode))
		return status_set(status, -ENOTDIR, "mount point %s is not a directory", directory);
	if (!realpath(directory, mount_point))
		return status_set(status, -errno, "mount point %s: %s", directory, strerror(errno));
	return 0;
}

static bool is_inside(const char *inner, const char *outer)
{
	size_t length = strlen(outer);

	return strncmp(inner, outer, length) == 0 && (inner[length] == '/' || inner[length] == '\0');
}

int source_prepare(
	const char *source, const char *directory, char *store, char *mount_point, struct status *status)
{
	int result = prepare_mount_point(directory, mount_point, status);

	if (result == 0)
		result = prepare_store(source, store, status);
	if (result < 0)
		return result;
	if (is_inside(store, mount_point))
		return status_set(status, -EINVAL,
			"the source %s lies inside the mount point %s: the mount would hide it", store,
			mount_point);
	if (is_inside(mount_point, store))
		return status_set(status, -EINVAL,
			"the mount point %s lies inside the source %s: choose another place", mount_point,
			store);
	return 0;
}
