/* Compares the trees of two sides. */
#include "tests/differential/side.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { NAMES_MAX = 4096, EXPLICIT_UNTIL = 1600000000 };

struct walk {
	char *text;
	size_t size;
	char path[1024]; /* relative to the sides' directories */
};

static bool differs(struct walk *walk, const char *what, intmax_t a, intmax_t b)
{
	snprintf(walk->text, walk->size, "%s: %s: %jd (0%jo) and %jd (0%jo)", walk->path, what, a,
		(uintmax_t)a, b, (uintmax_t)b);
	return false;
}

static bool status_is_equal(struct walk *walk, const struct stat *a, const struct stat *b)
{
	if (a->st_mode != b->st_mode)
		return differs(walk, "mode", a->st_mode, b->st_mode);
	if (a->st_nlink != b->st_nlink)
		return differs(walk, "nlink", (intmax_t)a->st_nlink, (intmax_t)b->st_nlink);
	if (a->st_uid != b->st_uid || a->st_gid != b->st_gid)
		return differs(walk, "owner", a->st_uid, b->st_uid) &&
		       differs(walk, "group", a->st_gid, b->st_gid);
	if (!S_ISDIR(a->st_mode) && a->st_size != b->st_size)
		return differs(walk, "size", a->st_size, b->st_size);
	if (a->st_rdev != b->st_rdev)
		return differs(walk, "device", (intmax_t)a->st_rdev, (intmax_t)b->st_rdev);
	/* What passes through a FIFO never reaches a FUSE filesystem; ext4's kernel code notes the time. */
	if (S_ISFIFO(a->st_mode))
		return true;
	if ((a->st_mtim.tv_sec < EXPLICIT_UNTIL || b->st_mtim.tv_sec < EXPLICIT_UNTIL) &&
		(a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec))
		return differs(walk, "mtime", a->st_mtim.tv_sec, b->st_mtim.tv_sec);
	return true;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names below fd without "." and "..", sorted; to be freed. */
static size_t read_names(int fd, char **names)
{
	DIR *directory = fdopendir(fd);
	size_t count = 0;

	for (struct dirent *entry; directory && (entry = readdir(directory)) && count < NAMES_MAX;)
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			names[count++] = strdup(entry->d_name);
	closedir(directory);
	qsort(names, count, sizeof(names[0]), compare_names);
	return count;
}

static uint64_t digest_content(int root, const char *path)
{
	char data[65536];
	uint64_t digest = 0;
	int fd = openat(root, path, O_RDONLY | O_NOATIME);

	for (ssize_t size; (size = read(fd, data, sizeof(data))) > 0;)
		digest = digest_add(digest, data, (size_t)size);
	close(fd);
	return digest;
}

static uint64_t digest_target(int root, const char *path)
{
	char target[256];
	ssize_t size = readlinkat(root, path, target, sizeof(target));

	return size < 0 ? 0 : digest_add(0, target, (size_t)size);
}

/* In any order: the sum over all attributes. */
static uint64_t digest_attributes(int root, const char *path)
{
	char full[1200], names[4096], value[4096];
	uint64_t digest = 0;
	ssize_t size;

	snprintf(full, sizeof(full), "/proc/self/fd/%d/%s", root, path);
	size = llistxattr(full, names, sizeof(names));
	for (ssize_t at = 0; at < size; at += (ssize_t)strlen(names + at) + 1) {
		ssize_t length = lgetxattr(full, names + at, value, sizeof(value));
		uint64_t name = digest_add(0, names + at, strlen(names + at));

		digest += length < 0 ? 1 : digest_add(name, value, (size_t)length);
	}
	return digest;
}

static bool entry_is_equal(struct walk *walk, int a, int b);

static bool directory_is_equal(struct walk *walk, int a, int b)
{
	char *names[NAMES_MAX], *others[NAMES_MAX];
	int first = openat(a, walk->path, O_RDONLY | O_DIRECTORY),
	    second = openat(b, walk->path, O_RDONLY | O_DIRECTORY);
	size_t count = read_names(first, names), other_count = read_names(second, others);
	size_t length = strlen(walk->path);
	bool equal = true;

	if (count != other_count)
		equal = differs(walk, "number of entries", (intmax_t)count, (intmax_t)other_count);
	for (size_t i = 0; equal && i < count; i++) {
		if (strcmp(names[i], others[i])) {
			snprintf(walk->text, walk->size, "%s: entries %s and %s", walk->path, names[i],
				others[i]);
			equal = false;
			break;
		}
		snprintf(walk->path + length, sizeof(walk->path) - length, "/%s", names[i]);
		equal = entry_is_equal(walk, a, b);
		walk->path[length] = 0;
	}
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	for (size_t i = 0; i < other_count; i++)
		free(others[i]);
	return equal;
}

static bool entry_is_equal(struct walk *walk, int a, int b)
{
	struct stat first, second;

	if (fstatat(a, walk->path, &first, AT_SYMLINK_NOFOLLOW) ||
		fstatat(b, walk->path, &second, AT_SYMLINK_NOFOLLOW))
		return differs(walk, "lstat fails", errno, errno);
	if (!status_is_equal(walk, &first, &second))
		return false;
	if (digest_attributes(a, walk->path) != digest_attributes(b, walk->path))
		return differs(walk, "extended attributes", 0, 0);
	if (S_ISREG(first.st_mode) && digest_content(a, walk->path) != digest_content(b, walk->path))
		return differs(walk, "content", 0, 0);
	if (S_ISLNK(first.st_mode) && digest_target(a, walk->path) != digest_target(b, walk->path))
		return differs(walk, "target", 0, 0);
	return !S_ISDIR(first.st_mode) || directory_is_equal(walk, a, b);
}

bool trees_are_equal(const struct side *a, const struct side *b, char *text, size_t size)
{
	struct walk walk = {text, size, "."};
	return directory_is_equal(&walk, a->root, b->root);
}
