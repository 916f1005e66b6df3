/*
 * attr.c: chmod, chown, truncate, utimens, chattr.
 */
#include <errno.h>

#include "proto/plant.h"
#include "proto/status.h"
#include "fs/eval/families.h"
#include "fs/schema/xattrs.h"

#define SET_TIMES     (OP_SET_ATIME | OP_SET_MTIME)
#define SET_TIMES_NOW (OP_SET_ATIME_NOW | OP_SET_MTIME_NOW)
#define SET_OWNER     (OP_SET_UID | OP_SET_GID)

/* As Linux does (attr.c, may_setattr): an append-only file lets both times be set to now, as touch(1) sets them. */
static int check_flags(const struct attributes *attributes, const struct op_setattr *op)
{
	bool is_touch = (op->valid & SET_TIMES_NOW) == SET_TIMES_NOW;
	uint32_t barred = SET_OWNER | OP_SET_MODE | OP_SET_SIZE;

	if ((op->valid & OP_SET_FLAGS) != 0 && (op->flags & ~FS_FLAGS_VISIBLE) != 0)
		return -EOPNOTSUPP;
	if ((attributes->flags & (FS_FLAG_IMMUTABLE | FS_FLAG_APPEND)) == 0)
		return 0;
	if (!is_touch || (attributes->flags & FS_FLAG_IMMUTABLE) != 0)
		barred |= SET_TIMES | SET_TIMES_NOW;
	return (op->valid & barred) != 0 ? -EPERM : 0;
}

/* A read changes only atime, and never ctime. */
static void set_read_time(struct evaluation_inode *slot, const struct op_setattr *op)
{
	struct attributes *attributes = &slot->inode.attributes;

	if (!fs_time_is_before(&attributes->atime, &op->atime))
		return;
	attributes->atime = op->atime;
	evaluation_change(slot);
}

/* "Now" is the ctime of this change. */
static void set_times(struct attributes *attributes, const struct op_setattr *op)
{
	if ((op->valid & OP_SET_ATIME_NOW) != 0)
		attributes->atime = attributes->ctime;
	else if ((op->valid & OP_SET_ATIME) != 0)
		attributes->atime = op->atime;
	if ((op->valid & OP_SET_MTIME_NOW) != 0)
		attributes->mtime = attributes->ctime;
	else if ((op->valid & OP_SET_MTIME) != 0)
		attributes->mtime = op->mtime;
	if ((op->valid & OP_SET_CTIME) != 0)
		attributes->ctime = op->ctime;
}

int eval_strip_privileges(struct evaluation *evaluation, struct evaluation_inode *file)
{
	struct attributes *attributes = &file->inode.attributes;
	uint32_t stripped = fs_mode_stripped(attributes->mode);
	int status;

	if (S_ISDIR(attributes->mode))
		return 0;
	if (planted("fs:suid_kept"))
		stripped = attributes->mode;
	if (attributes->mode != stripped) {
		attributes->mode = stripped;
		evaluation_touch(evaluation, file);
	}
	status = eval_xattr_delete(evaluation, file, xattr_name(XATTR_CAPABILITY));
	return status == -ENODATA ? 0 : status;
}

/* Also where the group may not execute: eval_strip_privileges leaves that. */
static void kill_sgid(struct evaluation_inode *slot)
{
	struct attributes *attributes = &slot->inode.attributes;

	if (!S_ISDIR(attributes->mode))
		attributes->mode &= ~(uint32_t)S_ISGID;
}

static int set_owner(
	struct evaluation *evaluation, struct evaluation_inode *slot, const struct op_setattr *op)
{
	if ((op->valid & OP_SET_UID) != 0)
		slot->inode.attributes.uid = op->uid;
	if ((op->valid & OP_SET_GID) != 0)
		slot->inode.attributes.gid = op->gid;
	return eval_strip_privileges(evaluation, slot);
}

static int set_mode(struct evaluation *evaluation, struct evaluation_inode *slot, uint32_t mode)
{
	struct attributes *attributes = &slot->inode.attributes;

	if (S_ISLNK(attributes->mode))
		return -EOPNOTSUPP;
	attributes->mode = (attributes->mode & S_IFMT) | (mode & 07777);
	return eval_acl_chmod(evaluation, slot);
}

static int set_size(struct evaluation *evaluation, struct evaluation_inode *slot, const struct op_setattr *op)
{
	int status = 0;

	if (inode_is_directory(&slot->inode))
		return -EISDIR;
	if (!S_ISREG(slot->inode.attributes.mode))
		return -EINVAL;
	if (op->size > FS_SIZE_MAX)
		return -EFBIG;
	if ((op->valid & OP_SET_KILL) != 0)
		status = eval_strip_privileges(evaluation, slot);
	if (status == 0)
		status = eval_resize(evaluation, slot, op->size);
	evaluation_touch_content(evaluation, slot);
	return status;
}

int eval_setattr(struct evaluation *evaluation, const struct op_setattr *op)
{
	struct evaluation_inode *slot;
	int status = evaluation_inode(evaluation, op->ino, &slot);

	if (status == 0 && (op->valid & OP_SET_NAMED) != 0 && slot->inode.attributes.nlink == 0)
		status = -ESTALE;
	if (status == 0 && (op->valid & OP_SET_READ) != 0) {
		set_read_time(slot, op);
		evaluation_reply_attributes(evaluation, slot);
		return 0;
	}
	if (status == 0)
		status = check_flags(&slot->inode.attributes, op);
	if (status == 0 && (op->valid & OP_SET_SIZE) != 0)
		status = set_size(evaluation, slot, op);
	if (status == 0 && (op->valid & SET_OWNER) != 0)
		status = set_owner(evaluation, slot, op);
	if (status == 0 && (op->valid & OP_SET_MODE) != 0)
		status = set_mode(evaluation, slot, op->mode);
	if (status != 0)
		return status;
	if ((op->valid & OP_SET_KILL_SGID) != 0)
		kill_sgid(slot);
	if ((op->valid & OP_SET_FLAGS) != 0)
		slot->inode.attributes.flags = op->flags;
	evaluation_touch(evaluation, slot);
	set_times(&slot->inode.attributes, op);
	evaluation_reply_attributes(evaluation, slot);
	return 0;
}
