/* Executes operations on a side. Everything is relative to the side's directory; the user has no groups but its own. */
#include "tests/differential/side.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { USER = 12345 };

void side_init(struct side *side, const char *directory, const char *name)
{
	int parent = open(directory, O_RDONLY | O_DIRECTORY);

	for (int i = 0; i < SLOTS; i++)
		side->slots[i] = -1;
	if (parent < 0 || mkdirat(parent, name, 0777) || (side->root = openat(parent, name, O_RDONLY)) < 0 ||
		fchmod(side->root, 0777)) {
		fprintf(stderr, "%s/%s: %s\n", directory, name, strerror(errno));
		exit(2);
	}
	close(parent);
}

void side_close(struct side *side)
{
	for (int i = 0; i < SLOTS; i++)
		if (side->slots[i] >= 0)
			close(side->slots[i]);
	close(side->root);
}

uint64_t digest_add(uint64_t digest, const void *data, size_t size)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < size; i++)
		digest = (digest ^ bytes[i]) * 0x100000001b3;
	return digest ^ size;
}

/* Attributes that do not depend on the filesystem's kind; a directory's size does. */
static uint64_t digest_status(const struct stat *status)
{
	uint64_t fields[] = {status->st_mode, status->st_nlink, status->st_uid, status->st_gid,
		status->st_rdev, S_ISDIR(status->st_mode) ? 0 : (uint64_t)status->st_size};
	return digest_add(0, fields, sizeof(fields));
}

static int run_open(struct side *side, const struct operation *o)
{
	int fd = openat(side->root, o->path, o->flags, o->mode);

	struct stat status;

	if (fd < 0)
		return -1;
	if (side->slots[o->slot] >= 0)
		close(side->slots[o->slot]);
	side->slots[o->slot] = fd;
	/* The kernel opens FIFOs and devices alone; a FUSE filesystem cannot know that a removed one is still open. */
	if (fstat(fd, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) {
		close(fd);
		side->slots[o->slot] = -1;
	}
	return 0;
}

static int run_tmpfile(struct side *side, const struct operation *o)
{
	struct operation unnamed = *o;

	unnamed.flags = O_TMPFILE | O_RDWR | O_CLOEXEC;
	return run_open(side, &unnamed);
}

static int run_close(struct side *side, const struct operation *o)
{
	int fd = side->slots[o->slot];

	side->slots[o->slot] = -1;
	return close(fd);
}

static int run_link_slot(struct side *side, const struct operation *o)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", side->slots[o->slot]);
	return linkat(AT_FDCWD, path, side->root, o->path, AT_SYMLINK_FOLLOW);
}

static void add_times(const struct stat *status, bool has_atime, uint64_t *digest)
{
	*digest = digest_add(0, &status->st_mtim, sizeof(status->st_mtim));
	if (has_atime)
		*digest = digest_add(*digest, &status->st_atim, sizeof(status->st_atim));
}

/* The times are looked at through a descriptor: a path may lead through the very symlink whose times were set, and
 * following it sets its atime. */
static int run_utimens(struct side *side, const struct operation *o, uint64_t *digest)
{
	struct timespec times[2] = {
		{o->seconds, (long)o->choice * 1000003}, {o->seconds + 5, (long)o->choice * 7}};
	int result, fd = openat(side->root, o->path, O_PATH | O_NOFOLLOW);
	struct stat status;

	if (o->choice % 7 == 0)
		times[0].tv_nsec = UTIME_OMIT;
	result = utimensat(side->root, o->path, times, AT_SYMLINK_NOFOLLOW);
	if (result == 0 && fd >= 0)
		result = fstatat(fd, "", &status, AT_EMPTY_PATH);
	if (result == 0 && fd >= 0)
		add_times(&status, o->choice % 7 != 0, digest);
	if (fd >= 0)
		close(fd);
	return result;
}

static int run_list(struct side *side, const struct operation *o, uint64_t *digest)
{
	int fd = openat(side->root, o->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory;

	if (fd < 0)
		return -1;
	directory = fdopendir(fd);
	for (struct dirent *entry; directory && (entry = readdir(directory));)
		*digest += digest_add(entry->d_type, entry->d_name, strlen(entry->d_name)); /* in any order */
	closedir(directory);
	return 0;
}

static int run_stat(int directory, const char *path, int flags, uint64_t *digest)
{
	struct stat status;

	if (fstatat(directory, path, &status, flags))
		return -1;
	*digest = digest_status(&status);
	return 0;
}

static ssize_t run_readlink(struct side *side, const struct operation *o, uint64_t *digest)
{
	char target[256];
	ssize_t size = readlinkat(side->root, o->path, target, sizeof(target));

	*digest = size < 0 ? 0 : digest_add(0, target, (size_t)size);
	return size;
}

/* Extended attributes have no calls relative to a directory. */
static const char *absolute(struct side *side, const struct operation *o, char *path, size_t size)
{
	snprintf(path, size, "/proc/self/fd/%d/%s", side->root, o->path);
	return path;
}

static ssize_t run_xattr(struct side *side, const struct operation *o, uint64_t *digest)
{
	static const char *const names[] = {
		"user.a", "user.b", "trusted.c", "security.d", "user.", "strange.e"};
	const char *name = names[o->choice % 6];
	char path[128], value[512];
	ssize_t size;

	absolute(side, o, path, sizeof(path));
	memset(value, 'A' + (int)(o->choice % 26), sizeof(value));
	if (o->kind == DO_setxattr)
		return lsetxattr(path, name, value, o->size % 150, o->flags);
	if (o->kind == DO_removexattr)
		return lremovexattr(path, name);
	size = lgetxattr(path, name, value, sizeof(value));
	*digest = size < 0 ? 0 : digest_add(0, value, (size_t)size);
	return size;
}

static int run_acl(struct side *side, const struct operation *o)
{
	struct {
		uint32_t version;
		struct {
			uint16_t tag, permissions;
			uint32_t id;
		} entries[5];
	} list = {htole32(2),
		{{htole16(1), 0, UINT32_MAX}, {htole16(2), 0, htole32(USER)}, {htole16(4), 0, UINT32_MAX},
			{htole16(16), 0, UINT32_MAX}, {htole16(32), 0, UINT32_MAX}}};
	const char *name = o->choice & 1 ? "system.posix_acl_access" : "system.posix_acl_default";
	unsigned bits = (unsigned)o->size;
	char path[128];

	absolute(side, o, path, sizeof(path));
	if (o->kind == DO_removeacl)
		return removexattr(path, name);
	for (int i = 0; i < 5; i++)
		list.entries[i].permissions = htole16((uint16_t)(bits >> (3 * i) & 7));
	return setxattr(path, name, &list, sizeof(list), 0);
}

static ssize_t run_data(struct side *side, const struct operation *o, uint64_t *digest)
{
	static char data[DATA_SIZE_MAX];
	int fd = side->slots[o->slot];
	ssize_t size;

	if (o->kind == DO_pread) {
		size = pread(fd, data, o->size, o->offset);
		*digest = size < 0 ? 0 : digest_add(0, data, (size_t)size);
		return size;
	}
	for (size_t i = 0; i < o->size; i++)
		data[i] = (char)(o->choice + i * 31 + (i >> 8));
	if (o->kind == DO_pwrite)
		return pwrite(fd, data, o->size, o->offset);
	if (fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK))
		return -1;
	size = write(fd, data, o->size);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return size;
}

static ssize_t run_copy(struct side *side, const struct operation *o)
{
	off_t from = o->offset, to = o->other_offset;
	return copy_file_range(side->slots[o->slot], &from, side->slots[o->other_slot], &to, o->size, 0);
}

/* Before ext4 finds that a whiteout cannot be left, for example because the target is not empty, it has changed the
 * times of the directory. So both sides get new ones. */
static void touch_directory(int root, const char *path)
{
	const struct timespec now[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
	const char *slash = strrchr(path, '/');
	char directory[128];

	snprintf(directory, sizeof directory, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
	utimensat(root, directory, now, 0);
}

static int run_rename(int root, const struct operation *o)
{
	int result = renameat2(root, o->path, root, o->other, (unsigned)o->flags), error = errno;

	if (result < 0 && ((unsigned)o->flags & RENAME_WHITEOUT) != 0)
		touch_directory(root, o->path);
	errno = error;
	return result;
}

static intmax_t run_on_slot(struct side *side, const struct operation *o, uint64_t *digest)
{
	int fd = side->slots[o->slot];

	switch (o->kind) {
	case DO_close:
		return run_close(side, o);
	case DO_link_slot:
		return run_link_slot(side, o);
	case DO_ftruncate:
		return ftruncate(fd, o->offset);
	case DO_fallocate:
		return fallocate(fd, o->flags, o->offset, (off_t)o->size);
	case DO_copy:
		return run_copy(side, o);
	case DO_fsync:
		return fsync(fd);
	case DO_fchmod:
		return fchmod(fd, o->mode);
	case DO_fstat:
		return run_stat(fd, "", AT_EMPTY_PATH, digest);
	default:
		return run_data(side, o, digest);
	}
}

static intmax_t run(struct side *side, const struct operation *o, uint64_t *digest)
{
	int root = side->root;

	switch (o->kind) {
	case DO_open:
		return run_open(side, o);
	case DO_mkdir:
		return mkdirat(root, o->path, o->mode);
	case DO_mknod:
		return mknodat(root, o->path, (mode_t)o->flags | o->mode, o->flags == S_IFCHR ? 0x103 : 0);
	case DO_symlink:
		return symlinkat(o->other, root, o->path);
	case DO_link:
		return linkat(root, o->other, root, o->path, o->choice & 1 ? AT_SYMLINK_FOLLOW : 0);
	case DO_unlink:
		return unlinkat(root, o->path, 0);
	case DO_rmdir:
		return unlinkat(root, o->path, AT_REMOVEDIR);
	case DO_rename:
		return run_rename(root, o);
	case DO_chmod:
		return fchmodat(root, o->path, o->mode, 0);
	case DO_chown:
		return fchownat(root, o->path, o->uid, o->gid, o->choice & 1 ? AT_SYMLINK_NOFOLLOW : 0);
	case DO_truncate: {
		char path[128];
		return truncate(absolute(side, o, path, sizeof(path)), o->offset);
	}
	case DO_utimens:
		return run_utimens(side, o, digest);
	case DO_setxattr:
	case DO_getxattr:
	case DO_removexattr:
		return run_xattr(side, o, digest);
	case DO_setacl:
	case DO_removeacl:
		return run_acl(side, o);
	case DO_readlink:
		return run_readlink(side, o, digest);
	case DO_stat:
		return run_stat(root, o->path, o->choice & 1 ? AT_SYMLINK_NOFOLLOW : 0, digest);
	case DO_access:
		return faccessat(root, o->path, o->flags, AT_EACCESS);
	case DO_list:
		return run_list(side, o, digest);
	case DO_tmpfile:
		return run_tmpfile(side, o);
	default:
		return run_on_slot(side, o, digest);
	}
}

static void become(uid_t uid)
{
	if ((uid && setegid(uid)) || seteuid(uid) || (!uid && setegid(0))) {
		perror("seteuid");
		exit(2);
	}
}

struct outcome side_execute(struct side *side, const struct operation *operation)
{
	struct outcome outcome = {0};

	if (operation->as_user)
		become(USER);
	outcome.result = run(side, operation, &outcome.digest);
	outcome.error = outcome.result == -1 ? errno : 0;
	if (operation->as_user)
		become(0);
	return outcome;
}
