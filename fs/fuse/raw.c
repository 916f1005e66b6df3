#include "fs/fuse/raw.h"

#include <linux/stat.h>
#include <sys/sysmacros.h>

_Static_assert(sizeof(struct raw_statx) == 256, "the kernel's struct fuse_statx");
_Static_assert(sizeof(struct raw_statx_out) == 288, "the kernel's struct fuse_statx_out");

static uint32_t nanoseconds_of(double timeout)
{
	return (uint32_t)((timeout - (double)(uint64_t)timeout) * 1e9);
}

static void fill_attr(struct fuse_attr *out, const struct stat *stat)
{
	*out = (struct fuse_attr){
		.ino = stat->st_ino,
		.size = (uint64_t)stat->st_size,
		.blocks = (uint64_t)stat->st_blocks,
		.atime = (uint64_t)stat->st_atim.tv_sec,
		.mtime = (uint64_t)stat->st_mtim.tv_sec,
		.ctime = (uint64_t)stat->st_ctim.tv_sec,
		.atimensec = (uint32_t)stat->st_atim.tv_nsec,
		.mtimensec = (uint32_t)stat->st_mtim.tv_nsec,
		.ctimensec = (uint32_t)stat->st_ctim.tv_nsec,
		.mode = stat->st_mode,
		.nlink = (uint32_t)stat->st_nlink,
		.uid = stat->st_uid,
		.gid = stat->st_gid,
		.rdev = (uint32_t)stat->st_rdev,
		.blksize = (uint32_t)stat->st_blksize,
	};
}

void raw_fill_created(
	struct raw_created *out, const struct fuse_entry_param *entry, const struct fuse_file_info *info)
{
	*out = (struct raw_created){
		.entry = {.nodeid = entry->ino,
			.generation = entry->generation,
			.entry_valid = (uint64_t)entry->entry_timeout,
			.attr_valid = (uint64_t)entry->attr_timeout,
			.entry_valid_nsec = nanoseconds_of(entry->entry_timeout),
			.attr_valid_nsec = nanoseconds_of(entry->attr_timeout)},
		.open = {.fh = info->fh,
			.open_flags = (info->keep_cache ? FOPEN_KEEP_CACHE : 0) |
				      (info->direct_io ? FOPEN_DIRECT_IO : 0)},
	};
	fill_attr(&out->entry.attr, &entry->attr);
}

static struct raw_statx_time to_time(struct fs_time time)
{
	return (struct raw_statx_time){.seconds = time.seconds, .nanoseconds = time.nanoseconds};
}

static uint64_t statx_attributes(uint32_t flags)
{
	return (flags & FS_FLAG_IMMUTABLE ? (uint64_t)STATX_ATTR_IMMUTABLE : 0) |
	       (flags & FS_FLAG_APPEND ? (uint64_t)STATX_ATTR_APPEND : 0) |
	       (flags & FS_FLAG_NODUMP ? (uint64_t)STATX_ATTR_NODUMP : 0);
}

void raw_fill_statx(
	struct raw_statx_out *out, const struct attributes *attributes, uint32_t block_size, double timeout)
{
	*out = (struct raw_statx_out){
		.attr_valid = (uint64_t)timeout,
		.attr_valid_nsec = nanoseconds_of(timeout),
		.stat = {.mask = STATX_BASIC_STATS | STATX_BTIME,
			.blksize = block_size,
			.attributes = statx_attributes(attributes->flags),
			.attributes_mask = statx_attributes(FS_FLAGS_VISIBLE),
			.nlink = attributes->nlink,
			.uid = attributes->uid,
			.gid = attributes->gid,
			.mode = (uint16_t)attributes->mode,
			.ino = attributes->ino,
			.size = attributes->size,
			.blocks = attributes->blocks,
			.atime = to_time(attributes->atime),
			.btime = to_time(attributes->btime),
			.ctime = to_time(attributes->ctime),
			.mtime = to_time(attributes->mtime),
			.rdev_major = major(attributes->rdev),
			.rdev_minor = minor(attributes->rdev)},
	};
}
