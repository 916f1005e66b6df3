#include "tests/differential/operation.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

uint64_t random_next(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

static unsigned below(uint64_t *random, unsigned limit)
{
	return (unsigned)(random_next(random) % limit);
}

/* A path of one to three names out of few, so that operations meet. Most directories are d or e, most else a, b or c,
 * so that many operations succeed; now and then it is the other way round. */
static void make_path(char *path, bool is_directory, uint64_t *random)
{
	static const char *const directories[] = {"d", "e"}, *const files[] = {"a", "b", "c"};
	static const unsigned depths[] = {1, 2, 2, 2, 3};
	unsigned depth = depths[below(random, 5)];

	path[0] = 0;
	for (unsigned i = 1; i <= depth; i++) {
		bool usual = below(random, 12) > 0;

		if ((i < depth || is_directory) == usual)
			strcat(path, directories[below(random, 2)]);
		else
			strcat(path, files[below(random, 3)]);
		if (i < depth || below(random, 60) == 0)
			strcat(path, "/");
	}
}

static bool wants_directory(enum operation_kind kind, uint64_t *random)
{
	switch (kind) {
	case DO_mkdir:
	case DO_rmdir:
	case DO_list:
	case DO_tmpfile:
		return true;
	case DO_rename:
	case DO_chmod:
	case DO_chown:
	case DO_setacl:
	case DO_symlink:
	case DO_setxattr:
		return below(random, 3) == 0;
	default:
		return false;
	}
}

static mode_t make_mode(uint64_t *random)
{
	static const mode_t modes[] = {0755, 0777, 0644, 0666, 0700, 0600, 0750, 0711, 0, 04755, 02755, 06711,
		01777, 02775, 0444, 0555, 0070, 0007};
	return modes[below(random, sizeof(modes) / sizeof(modes[0]))];
}

static off_t make_offset(uint64_t *random)
{
	off_t offset = below(random, FILE_SIZE_MAX);
	return below(random, 3) == 0 ? offset & ~(off_t)4095 : offset;
}

static int open_flags(uint64_t *random)
{
	static const int access[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDWR, O_RDWR, O_RDWR};
	int flags = access[below(random, 6)];

	flags |= below(random, 4) ? O_CREAT : 0;
	flags |= below(random, 6) == 0 ? O_EXCL : 0;
	flags |= below(random, 6) == 0 ? O_TRUNC : 0;
	flags |= below(random, 8) == 0 ? O_NOFOLLOW : 0;
	flags |= below(random, 20) == 0 && !(flags & O_CREAT) ? O_DIRECTORY : 0;
	return flags | O_NONBLOCK | O_CLOEXEC;
}

static int kind_flags(enum operation_kind kind, uint64_t *random)
{
	static const unsigned renames[] = {0, 0, 0, 0, 1, 2, 2, 4};
	static const int spaces[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
		FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};
	static const int types[] = {S_IFREG, S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR};

	switch (kind) {
	case DO_open:
		return open_flags(random);
	case DO_rename:
		return (int)renames[below(random, 8)];
	case DO_fallocate:
		return spaces[below(random, 6)];
	case DO_mknod:
		return types[below(random, 5)];
	case DO_setxattr:
		return below(random, 3) == 0 ? 1 + (int)below(random, 2) : 0;
	case DO_access:
		return (int)below(random, 8);
	default:
		return 0;
	}
}

/* Names are made more often than they are taken away, and descriptors opened more often than closed. */
static enum operation_kind make_kind(uint64_t *random)
{
	static const enum operation_kind often[] = {DO_open, DO_open, DO_open, DO_mkdir, DO_mkdir, DO_pwrite,
		DO_pwrite, DO_rename, DO_rename, DO_link, DO_pread, DO_append, DO_list, DO_symlink,
		DO_setxattr, DO_copy};
	return below(random, 2) ? (enum operation_kind)below(random, OPERATION_KINDS)
				: often[below(random, sizeof(often) / sizeof(often[0]))];
}

void operation_make(struct operation *operation, uint64_t *random)
{
	static const uid_t owners[] = {0, 12345, 12346, (uid_t)-1};
	static const int64_t seconds[] = {0, 1, -1, 1000000000, -1000000000, 1500000000};

	bool is_directory;

	*operation = (struct operation){.kind = make_kind(random)};
	is_directory = wants_directory(operation->kind, random);
	operation->as_user = below(random, 3) == 0;
	make_path(operation->path, is_directory, random);
	make_path(operation->other, is_directory, random);
	operation->slot = below(random, SLOTS);
	operation->other_slot = below(random, SLOTS);
	operation->flags = kind_flags(operation->kind, random);
	operation->mode = make_mode(random);
	operation->uid = owners[below(random, 4)];
	/* A chown that changes neither clears suid on ext4; of it the kernel tells a FUSE filesystem nothing. */
	operation->gid = owners[below(random, operation->uid == (uid_t)-1 ? 3 : 4)];
	operation->offset = make_offset(random);
	operation->other_offset = make_offset(random);
	operation->size = below(random, 2) ? below(random, DATA_SIZE_MAX) : below(random, 5000);
	operation->seconds = seconds[below(random, 6)];
	operation->choice = below(random, 1000);
}

void operation_describe(const struct operation *operation, char *text, size_t size)
{
	static const char *const names[] = {
#define NAME(name) #name,
		OPERATIONS(NAME)
#undef NAME
	};

	snprintf(text, size,
		"%s%s path=%s other=%s slot=%u,%u flags=0%o mode=0%o owner=%d:%d offset=%jd,%jd size=%zu "
		"seconds=%jd "
		"choice=%u",
		names[operation->kind], operation->as_user ? " (user)" : "", operation->path,
		operation->other, operation->slot, operation->other_slot, (unsigned)operation->flags,
		operation->mode, (int)operation->uid, (int)operation->gid, (intmax_t)operation->offset,
		(intmax_t)operation->other_offset, operation->size, (intmax_t)operation->seconds,
		operation->choice);
}
