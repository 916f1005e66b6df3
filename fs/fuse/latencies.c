#include "fs/fuse/latencies.h"

#include "fs/fuse/raw.h"
#include "fs/fuse/protocol.h"

static const char *const names[LATENCIES_OPCODE_COUNT] = {
	[FUSE_LOOKUP] = "lookup",
	[FUSE_GETATTR] = "getattr",
	[FUSE_SETATTR] = "setattr",
	[FUSE_READLINK] = "readlink",
	[FUSE_SYMLINK] = "symlink",
	[FUSE_MKNOD] = "mknod",
	[FUSE_MKDIR] = "mkdir",
	[FUSE_UNLINK] = "unlink",
	[FUSE_RMDIR] = "rmdir",
	[FUSE_RENAME] = "rename",
	[FUSE_LINK] = "link",
	[FUSE_OPEN] = "open",
	[FUSE_READ] = "read",
	[FUSE_WRITE] = "write",
	[FUSE_STATFS] = "statfs",
	[FUSE_RELEASE] = "release",
	[FUSE_FSYNC] = "fsync",
	[FUSE_SETXATTR] = "setxattr",
	[FUSE_GETXATTR] = "getxattr",
	[FUSE_LISTXATTR] = "listxattr",
	[FUSE_REMOVEXATTR] = "removexattr",
	[FUSE_FLUSH] = "flush",
	[FUSE_OPENDIR] = "opendir",
	[FUSE_READDIR] = "readdir",
	[FUSE_RELEASEDIR] = "releasedir",
	[FUSE_FSYNCDIR] = "fsyncdir",
	[FUSE_GETLK] = "getlk",
	[FUSE_SETLK] = "setlk",
	[FUSE_SETLKW] = "setlkw",
	[FUSE_CREATE] = "create",
	[FUSE_IOCTL] = "ioctl",
	[FUSE_FALLOCATE] = "fallocate",
	[FUSE_READDIRPLUS] = "readdirplus",
	[FUSE_RENAME2] = "rename2",
	[FUSE_LSEEK] = "lseek",
	[FUSE_COPY_FILE_RANGE] = "copy_file_range",
	[FUSE_TMPFILE] = "tmpfile",
	[PROTOCOL_STATX] = "statx",
};

void latencies_add(struct latencies *latencies, uint32_t opcode, uint64_t duration_ns)
{
	if (opcode < LATENCIES_OPCODE_COUNT)
		histogram_add(&latencies->operations[opcode], duration_ns);
}

void latencies_each(const struct latencies *latencies,
	void (*each)(void *argument, const char *name, const struct histogram_sums *sums), void *argument)
{
	for (unsigned i = 0; i < LATENCIES_OPCODE_COUNT; i++) {
		struct histogram_sums sums;

		histogram_read(&latencies->operations[i], &sums);
		if (names[i] && sums.count > 0)
			each(argument, names[i], &sums);
	}
}
