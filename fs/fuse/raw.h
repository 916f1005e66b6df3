/*
 * raw.h: the replies that libfuse 3.14 cannot make, in the kernel's layout (linux/fuse.h, protocol 7.39). STATX and
 * TMPFILE fill them in.
 */
#ifndef RAFTKV_FS_FUSE_RAW_H
#define RAFTKV_FS_FUSE_RAW_H

#include <linux/fuse.h>

#include "fs/fuse/lane.h"
#include "fs/schema/rows.h"

/* The reply to FUSE_TMPFILE, which is that to FUSE_CREATE. */
struct raw_created {
	struct fuse_entry_out entry;
	struct fuse_open_out open;
};
void raw_fill_created(
	struct raw_created *out, const struct fuse_entry_param *entry, const struct fuse_file_info *info);

/* The structs of FUSE_STATX, which Debian 12's linux/fuse.h lacks. */
struct raw_statx_in {
	uint32_t getattr_flags;
	uint32_t reserved;
	uint64_t fh;
	uint32_t sx_flags;
	uint32_t sx_mask;
};

struct raw_statx_time {
	int64_t seconds;
	uint32_t nanoseconds;
	int32_t reserved;
};

struct raw_statx {
	uint32_t mask;
	uint32_t blksize;
	uint64_t attributes;
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
	uint16_t mode;
	uint16_t spare0;
	uint64_t ino;
	uint64_t size;
	uint64_t blocks;
	uint64_t attributes_mask;
	struct raw_statx_time atime;
	struct raw_statx_time btime;
	struct raw_statx_time ctime;
	struct raw_statx_time mtime;
	uint32_t rdev_major;
	uint32_t rdev_minor;
	uint32_t dev_major;
	uint32_t dev_minor;
	uint64_t spare2[14];
};

struct raw_statx_out {
	uint64_t attr_valid; /* seconds */
	uint32_t attr_valid_nsec;
	uint32_t flags;
	uint64_t spare[2];
	struct raw_statx stat;
};
/* `block_size`: st_blksize. `timeout`: seconds for which the kernel may cache the attributes. */
void raw_fill_statx(
	struct raw_statx_out *out, const struct attributes *attributes, uint32_t block_size, double timeout);

#endif
