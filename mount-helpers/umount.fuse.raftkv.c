/*
 * umount.fuse.raftkv: the helper that umount(8) calls for a raftkv mount. umount(2) of a FUSE filesystem returns before
 * its daemon has written out its data and closed the store. The helper waits for the daemon, so that the store can then
 * be copied, moved or mounted again.
 *
 *     umount.fuse.raftkv DIRECTORY [-flnrv] [-N NAMESPACE] [-t TYPE]
 *
 * umount(8) passes on only these switches, none of which has a long form.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <unistd.h>

#include "mount-helpers/mountinfo.h"
#include "mount-helpers/options.h"
#include "mount-helpers/source.h"
#include "mount-helpers/state_dir.h"

#define WAIT_S 60

struct umount_options {
	const char *directory;
	int flags; /* MNT_… */
};

static bool parse(struct umount_options *options, int count, char **arguments)
{
	int letter;

	while ((letter = getopt(count, arguments, "flnrvN:t:")) != -1) {
		if (letter == 'f')
			options->flags |= MNT_FORCE;
		else if (letter == 'l')
			options->flags |= MNT_DETACH;
		else if (letter == '?')
			return false;
	}
	if (count - optind != 1)
		return false;
	options->directory = arguments[optind];
	return true;
}

/* Waits until no process holds the store's LOCK. False: one still does after WAIT_S. */
static bool wait_for_store(const char *store)
{
	char path[PATH_MAX + 8];
	bool is_free = false;
	int fd;

	snprintf(path, sizeof path, "%s/LOCK", store);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT || errno == EACCES;
	for (int tenths = 0; tenths < WAIT_S * 10 && !is_free; tenths++) {
		is_free = flock(fd, LOCK_EX | LOCK_NB) == 0;
		if (!is_free)
			usleep(100000);
	}
	close(fd);
	return is_free;
}

/* The directory in which the mount's daemon holds a LOCK. False: unknown. */
static bool find_store(const struct mountinfo *info, char store[PATH_MAX])
{
	if (source_is_cluster(info->source))
		return state_dir_find(info->point, store) == 0;
	return snprintf(store, PATH_MAX, "%s", info->source) < PATH_MAX;
}

int main(int count, char **arguments)
{
	struct umount_options options = {.flags = UMOUNT_NOFOLLOW};
	char directory[PATH_MAX], store[PATH_MAX];
	struct mountinfo info, other;
	bool is_known;

	if (!parse(&options, count, arguments)) {
		fprintf(stderr, "usage: umount.fuse.raftkv DIRECTORY [-flnrv]\n");
		return MOUNT_USAGE;
	}
	/* The name cannot be resolved if the daemon is gone: it is then used as it is. */
	if (!realpath(options.directory, directory))
		snprintf(directory, sizeof directory, "%s", options.directory);
	is_known = mountinfo_find(directory, &info) && find_store(&info, store);
	if (umount2(directory, options.flags) < 0) {
		fprintf(stderr, "umount.fuse.raftkv: %s: %s\n", directory, strerror(errno));
		return MOUNT_FAILURE;
	}
	/* No wait after -f or -l, nor while the filesystem is still mounted elsewhere (a bind mount). */
	if (!is_known || options.flags & (MNT_DETACH | MNT_FORCE) ||
		mountinfo_find_device(info.device, &other))
		return MOUNT_OK;
	if (wait_for_store(store))
		return MOUNT_OK;
	fprintf(stderr,
		"umount.fuse.raftkv: %s is unmounted, but for %d s its daemon has not let go of %s: it is "
		"still "
		"writing out, or a program has a file open there; %s/log says more\n",
		directory, WAIT_S, info.source, store);
	return MOUNT_SYSTEM;
}
