/* Directories and names; every call blocks. */
#include "proto/env_uv_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

int env_uv_mkdir(struct env *env, const char *path)
{
	(void)env;
	return mkdir(path, 0700) < 0 ? -errno : 0;
}

int env_uv_sync_dir(struct env *env, const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int status;

	(void)env;
	if (fd < 0)
		return -errno;
	status = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return status;
}

int env_uv_rename(struct env *env, const char *from, const char *to)
{
	(void)env;
	return rename(from, to) < 0 ? -errno : 0;
}

int env_uv_unlink(struct env *env, const char *path)
{
	(void)env;
	return unlink(path) < 0 ? -errno : 0;
}

int env_uv_rmdir(struct env *env, const char *path)
{
	(void)env;
	return rmdir(path) < 0 ? -errno : 0;
}

static int is_listed(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* By bytes, so that the order is the same in every locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int env_uv_list(
	struct env *env, const char *path, int (*name)(void *argument, const char *name), void *argument)
{
	struct dirent **entries;
	int count = scandir(path, &entries, is_listed, by_name);
	int status = 0;

	(void)env;
	if (count < 0)
		return -errno;
	for (int i = 0; i < count; i++) {
		if (status == 0)
			status = name(argument, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return status;
}

int env_uv_space(struct env *env, const char *path, struct env_space *space)
{
	struct statvfs stat;

	(void)env;
	if (statvfs(path, &stat) < 0)
		return -errno;
	space->total = (uint64_t)stat.f_blocks * stat.f_frsize;
	space->available = (uint64_t)stat.f_bavail * stat.f_frsize;
	return 0;
}
