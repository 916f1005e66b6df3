/*
 * What the kernel knows of an inode and what it is told: attributes, with a timeout, and access times that the store
 * does not know yet. Called by the operations and their replies, on any lane.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "fs/vfs/front_internal.h"
#include "proto/plant.h"

void front_drop_attributes(const struct front *front, uint64_t ino)
{
	front->options.drop_attributes(front->options.descriptor_argument, ino);
	if (front->told)
		told_forget(front->told, ino);
}

void front_note_mode(const struct front *front, uint64_t ino, uint32_t mode)
{
	if (mode & (S_ISUID | S_ISGID))
		node_set(front->nodes, ino, NODE_PRIVILEGED);
}

void front_strip(const struct front *front, uint64_t ino)
{
	if (planted("fs:stripped_in_silence"))
		return;
	if (node_has(front->nodes, ino, NODE_PRIVILEGED))
		front_drop_attributes(front, ino);
}

void front_note_told(const struct front *front, const struct attributes *attributes, uint64_t name)
{
	if (!S_ISREG(attributes->mode))
		return;
	front_note_mode(front, attributes->ino, attributes->mode);
	if (front->told)
		told_note(front->told, attributes, name, env_now(front->options.env));
}

static struct timespec to_timespec(struct fs_time time)
{
	return (struct timespec){.tv_sec = time.seconds, .tv_nsec = time.nanoseconds};
}

struct stat front_stat(const struct front *front, const struct attributes *attributes)
{
	struct attributes complete = *attributes;

	atimes_apply(front->atimes, &complete);
	return (struct stat){
		.st_ino = complete.ino,
		.st_mode = complete.mode,
		.st_nlink = complete.nlink,
		.st_uid = complete.uid,
		.st_gid = complete.gid,
		.st_rdev = complete.rdev,
		.st_size = (off_t)complete.size,
		.st_blocks = (blkcnt_t)complete.blocks,
		.st_blksize = FRONT_BLOCK_SIZE,
		.st_atim = to_timespec(complete.atime),
		.st_mtim = to_timespec(complete.mtime),
		.st_ctim = to_timespec(complete.ctime),
	};
}

struct fuse_entry_param front_entry(const struct front *front, const struct attributes *attributes,
	const struct attributes *shown, uint64_t parent, struct slice name)
{
	front_note_told(front, attributes, told_name(parent, name));
	return (struct fuse_entry_param){
		.ino = attributes->ino,
		.generation = attributes->generation,
		.attr = front_stat(front, shown),
		.attr_timeout = front->timeout,
		.entry_timeout = front->timeout,
	};
}

/* ---- Access times ---- */

static bool has_atime(const struct front *front, const struct attributes *attributes, int flags)
{
	return !front->no_atime && !(flags & O_NOATIME) && !(front->no_diratime && S_ISDIR(attributes->mode));
}

void front_note_read(const struct front *front, const struct attributes *attributes, int flags)
{
	if (has_atime(front, attributes, flags))
		atimes_note(front->atimes, attributes, front->strict_atime);
}

bool front_would_note_read(const struct front *front, const struct attributes *attributes, int flags)
{
	return has_atime(front, attributes, flags) &&
	       atimes_is_due(front->atimes, attributes, front->strict_atime);
}

bool front_has_open(const struct front *front, uint64_t ino)
{
	return node_has(front->nodes, ino, NODE_OPEN) || removed_has(front->removed, ino);
}
