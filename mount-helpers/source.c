#include "mount-helpers/source.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fs/schema/store_list.h"
#include "mount-helpers/mountinfo.h"

bool source_is_cluster(const char *source)
{
	return source[0] != '/' && strchr(source, ':') != NULL;
}

/* The last ":/" and the text after it; NULL: there is none. */
static const char *find_subdirectory(const char *source)
{
	const char *found = NULL;

	for (const char *at = strstr(source, ":/"); at; at = strstr(at + 1, ":/"))
		found = at;
	return found;
}

int source_parse_cluster(const char *source, char *stores, struct status *status)
{
	const char *subdirectory = find_subdirectory(source);
	struct store_list list;

	if (store_list_parse(&list, source, status) == 0) {
		store_list_close(&list);
		if (snprintf(stores, PATH_MAX, "%s", source) < PATH_MAX)
			return 0;
		return status_set(status, -EINVAL, "the source is too long");
	}
	if (subdirectory && strcmp(subdirectory, ":/") != 0)
		return status_set(status, -EINVAL,
			"%.60s: a subdirectory (%.60s) cannot be mounted yet: mount the whole filesystem, "
			"and "
			"bind the directory with 'mount --bind'",
			source, subdirectory + 1);
	if (!subdirectory)
		return -EINVAL;
	if (snprintf(stores, PATH_MAX, "%.*s", (int)(subdirectory - source), source) >= PATH_MAX)
		return status_set(status, -EINVAL, "the source is too long");
	if (store_list_parse(&list, stores, status) < 0)
		return -EINVAL;
	store_list_close(&list);
	return 0;
}

bool source_has_shell_characters(const char *source)
{
	return strpbrk(source, SOURCE_SHELL_CHARACTERS " \t\n") != NULL;
}

static int prepare_store(const char *source, char *store, struct status *status)
{
	struct stat stat_;

	if (source[0] != '/')
		return status_set(status, -EINVAL,
			"source '%s' is neither an absolute directory nor host:port[,host:port…] nor "
			"unix:/path",
			source);
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

/* The canonical name of a directory that does not answer, from its parent's, which does. */
static bool resolve_dead(const char *directory, char *canonical)
{
	char copy[PATH_MAX], parent[PATH_MAX];
	char *end, *name;

	if (strlen(directory) >= sizeof copy)
		return false;
	strcpy(copy, directory);
	for (end = copy + strlen(copy); end > copy + 1 && end[-1] == '/'; end--)
		end[-1] = '\0';
	name = strrchr(copy, '/');
	if (name)
		*name++ = '\0';
	if (!realpath(name ? *copy ? copy : "/" : ".", parent))
		return false;
	return (size_t)snprintf(canonical, PATH_MAX, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent,
		       name ? name : copy) < PATH_MAX;
}

static int clear_dead_mount(const char *directory, struct status *status)
{
	char canonical[PATH_MAX];
	struct mountinfo info;
	bool is_ours = resolve_dead(directory, canonical) && mountinfo_find(canonical, &info) &&
		       strcmp(info.type, "fuse.raftkv") == 0;

	if (!is_ours || geteuid() != 0 || umount2(canonical, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		return status_set(status, -ENOTCONN,
			"a mount whose daemon is gone is still on %s: take it away with 'umount -l %s'",
			directory, directory);
	return 0;
}

int source_prepare_mount_point(const char *directory, char *mount_point, struct status *status)
{
	struct statfs filesystem;
	struct stat stat_;
	int code;

	/* Attributes may still be in the kernel's cache; statfs(2) always asks the daemon. */
	if (statfs(directory, &filesystem) < 0 && errno == ENOTCONN) {
		code = clear_dead_mount(directory, status);
		if (code < 0)
			return code;
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
	int code = source_prepare_mount_point(directory, mount_point, status);

	if (code == 0)
		code = prepare_store(source, store, status);
	if (code < 0)
		return code;
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
