/*
 * One operation of a differential run: what to call, on which names or descriptors, with which numbers, as whom. A seed
 * decides all of them; the same operation is executed on both sides.
 */
#ifndef TESTS_DIFFERENTIAL_OPERATION_H
#define TESTS_DIFFERENTIAL_OPERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { SLOTS = 4, PATH_SIZE_MAX = 64, DATA_SIZE_MAX = 70000, FILE_SIZE_MAX = 400000 };

/* clang-format off */
#define OPERATIONS(X)                                                                                        \
	X(open)                                                                                              \
	X(close)                                                                                             \
	X(mkdir)                                                                                             \
	X(mknod)                                                                                             \
	X(symlink)                                                                                           \
	X(link)                                                                                              \
	X(unlink)                                                                                            \
	X(rmdir)                                                                                             \
	X(rename) X(chmod) X(chown) X(truncate) X(utimens) X(setxattr) X(getxattr) X(removexattr) X(setacl)  \
		X(removeacl) X(readlink) X(stat) X(access) X(list) X(tmpfile) X(link_slot) X(pread)          \
			X(pwrite) X(append) X(ftruncate) X(fallocate) X(copy) X(fsync) X(fchmod) X(fstat)
/* clang-format on */

enum operation_kind {
#define KIND(name) DO_##name,
	OPERATIONS(KIND)
#undef KIND
		OPERATION_KINDS
};

struct operation {
	enum operation_kind kind;
	bool as_user;
	char path[PATH_SIZE_MAX], other[PATH_SIZE_MAX];
	unsigned slot, other_slot;
	int flags;
	mode_t mode;
	uid_t uid, gid;
	off_t offset, other_offset;
	size_t size;
	int64_t seconds;
	unsigned choice; /* picks the attribute, the list, the byte of data … */
};

/* A generator of numbers: splitmix64. */
uint64_t random_next(uint64_t *state);

void operation_make(struct operation *operation, uint64_t *random);
/* One line that says what it does. */
void operation_describe(const struct operation *operation, char *text, size_t size);

#endif
