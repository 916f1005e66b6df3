/*
 * paths.c: finds the paths of the inodes that have problems.
 *
 * An inode's row does not say where its names are. So one walk over the entries finds the names of these inodes, and
 * another one those of the directories above. A walk is left out when no name is missing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/check/check.h"
#include "proto/hash.h"

#define PATH_SIZE_MAX 4096u /* bytes; longer ones lose their beginning */

struct wanted {
	UT_hash_handle hh;
	uint64_t ino;
	uint64_t parent;
	char *name; /* quoted; NULL: not found yet */
};

struct paths {
	struct wanted *wanted; /* hash by ino */
	size_t missing; /* count of those without a name */
};

static struct wanted *find(const struct paths *paths, uint64_t ino)
{
	struct wanted *wanted;

	HASH_FIND(hh, paths->wanted, &ino, sizeof ino, wanted);
	return wanted;
}

static int want(struct paths *paths, uint64_t ino)
{
	struct wanted *wanted;

	if (ino == 0 || ino == FS_ROOT_INO || find(paths, ino))
		return 0;
	wanted = calloc(1, sizeof *wanted);
	if (!wanted)
		return -ENOMEM;
	wanted->ino = ino;
	HASH_ADD(hh, paths->wanted, ino, sizeof ino, wanted);
	paths->missing++;
	return 0;
}

/* Wants `ino` and the directories above it, up to one without a name. */
static int want_above(struct check *check, struct paths *paths, uint64_t ino)
{
	int status = 0;

	while (status == 0 && ino != FS_ROOT_INO && !find(paths, ino)) {
		const struct inodes_directory *directory = inodes_find_directory(&check->inodes, ino);

		status = want(paths, ino);
		if (!directory || directory->named_in == 0)
			break;
		ino = directory->named_in;
	}
	return status;
}

static int visit(struct check *check, void *argument, struct slice key, struct slice value)
{
	char quoted[4 * FS_NAME_SIZE_MAX + 8];
	struct paths *paths = argument;
	struct check_key parsed;
	struct wanted *wanted;
	struct entry entry;
	struct slice name;
	uint64_t hash;

	(void)check;
	if (!check_parse_key(key, &parsed) || parsed.letter != 'E' ||
		fs_key_parse_entry(key, &hash, &name) < 0 || entry_decode(value, &entry) < 0)
		return 0;
	wanted = find(paths, entry.ino);
	if (!wanted || wanted->name)
		return 0;
	report_quote(name, quoted, sizeof quoted);
	wanted->name = strdup(quoted);
	wanted->parent = parsed.ino;
	paths->missing--;
	return wanted->name ? 0 : -ENOMEM;
}

/* Builds the path from its end. NULL: a name on the way up to the root is missing, or out of memory. */
static char *path_of(const struct paths *paths, uint64_t ino)
{
	char path[PATH_SIZE_MAX];
	size_t at = sizeof path - 1;

	path[at] = '\0';
	if (ino == FS_ROOT_INO)
		path[--at] = '/';
	while (ino != FS_ROOT_INO) {
		const struct wanted *wanted = find(paths, ino);
		size_t length = wanted && wanted->name ? strlen(wanted->name) : 0;

		if (length == 0)
			return NULL;
		if (length + 5 > at) {
			memcpy(path + at - 3, "...", 3);
			at -= 3;
			break;
		}
		at -= length;
		memcpy(path + at, wanted->name, length);
		path[--at] = '/';
		ino = wanted->parent;
	}
	return strdup(path + at);
}

static int search(struct check *check, struct paths *paths)
{
	return paths->missing > 0 ? check_walk_data(check, "paths", visit, paths) : 0;
}

int check_paths(struct check *check)
{
	struct paths paths = {0};
	struct wanted *wanted, *next;
	int status = 0;

	for (size_t i = 0; i < check->report.count && status == 0; i++)
		status = want(&paths, check->report.problems[i].ino);
	if (status == 0)
		status = search(check, &paths);
	paths.missing = 0; /* those still without a name have none */
	HASH_ITER (hh, paths.wanted, wanted, next) {
		if (status == 0 && wanted->name)
			status = want_above(check, &paths, wanted->parent);
	}
	if (status == 0)
		status = search(check, &paths);
	for (size_t i = 0; i < check->report.count && status == 0; i++)
		if (check->report.problems[i].ino != 0)
			check->report.problems[i].path = path_of(&paths, check->report.problems[i].ino);
	HASH_ITER (hh, paths.wanted, wanted, next) {
		HASH_DELETE(hh, paths.wanted, wanted);
		free(wanted->name);
		free(wanted);
	}
	return status;
}
