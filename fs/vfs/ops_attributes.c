/* Operations on attributes: SETATTR, READLINK, STATFS. (GETATTR and STATX: ops_look.c.) */
#include <linux/capability.h>
#include <linux/fuse.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "fs/vfs/ops.h"
#include "fs/vfs/privileges.h"
#include "fs/vfs/reply.h"
#include "fs/vfs/stale.h"
#include "proto/container.h"

/*
 * ---- SETATTR ----
 *
 *   op_setattr        writes out buffered data
 *   setattr_flushed   asks for the mode and the group, if the change may strip sgid
 *   setattr_found     has it stripped
 *   setattr_now       proposes the change
 *   setattr_called    replies
 */
struct setattr {
	struct request request;
	struct op op;
	struct finding finding;
	struct retry retry; /* the note of an earlier try, if this is a second one */
};

static void setattr_flushed(struct request *request);
static void setattr_found(struct request *request);
static void setattr_now(struct setattr *setattr);
static void setattr_called(struct request *request, int error, const struct op_reply *reply);

static struct setattr *setattr_of(struct request *request)
{
	return container_of(request, struct setattr, request);
}

static struct fs_time setattr_time(struct timespec time)
{
	return (struct fs_time){.seconds = time.tv_sec, .nanoseconds = (uint32_t)time.tv_nsec};
}

static uint32_t setattr_valid(int to_set, uint32_t raw_valid)
{
	static const struct {
		int fuse;
		uint32_t op;
	} bits[] = {
		{FUSE_SET_ATTR_MODE, OP_SET_MODE},
		{FUSE_SET_ATTR_UID, OP_SET_UID},
		{FUSE_SET_ATTR_GID, OP_SET_GID},
		{FUSE_SET_ATTR_SIZE, OP_SET_SIZE},
		{FUSE_SET_ATTR_ATIME, OP_SET_ATIME},
		{FUSE_SET_ATTR_MTIME, OP_SET_MTIME},
		{FUSE_SET_ATTR_ATIME_NOW, OP_SET_ATIME_NOW},
		{FUSE_SET_ATTR_MTIME_NOW, OP_SET_MTIME_NOW},
		{FUSE_SET_ATTR_CTIME, OP_SET_CTIME},
	};
	uint32_t valid = raw_valid & FATTR_KILL_SUIDGID ? OP_SET_KILL : 0;

	for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++)
		if (to_set & bits[i].fuse)
			valid |= bits[i].op;
	return valid;
}

static void op_setattr(
	fuse_req_t fuse, fuse_ino_t ino, struct stat *stat, int to_set, struct fuse_file_info *info)
{
	struct setattr *setattr = request_new(fuse, sizeof *setattr);
	struct request *request;

	(void)info;
	if (!setattr)
		return;
	request = &setattr->request;
	setattr->retry = stale_take_retry(request);
	setattr->op = (struct op){
		.kind = OP_SETATTR,
		.setattr = {.ino = ino,
			.valid = setattr_valid(to_set, lane_flags(request->lane)),
			.mode = stat->st_mode & 07777,
			.uid = stat->st_uid,
			.gid = stat->st_gid,
			.size = (uint64_t)stat->st_size,
			.atime = setattr_time(stat->st_atim),
			.mtime = setattr_time(stat->st_mtim),
			.ctime = setattr_time(stat->st_ctim)},
	};
	if (setattr->op.setattr.valid & OP_SET_MODE) /* before the flush: later writes strip again */
		front_note_mode(request->front, ino, stat->st_mode);
	request_write_back(request, ino, setattr_flushed);
}

/* Whether the caller may not keep the privileges of a file that it changes. Of a file that is open here it is known
 * whether it has any. */
static bool setattr_may_strip(const struct setattr *setattr)
{
	const struct request *request = &setattr->request;
	const struct op_setattr *op = &setattr->op.setattr;
	struct node_table *nodes = request->front->nodes;

	if (fs_ino_is_directory(op->ino) || !(op->valid & (OP_SET_KILL | OP_SET_UID | OP_SET_GID)))
		return false;
	if (node_has(nodes, op->ino, NODE_OPEN) && !node_has(nodes, op->ino, NODE_PRIVILEGED))
		return false;
	return op->valid & OP_SET_KILL || !request_caller_has(request->fuse, CAP_FSETID);
}

static void setattr_flushed(struct request *request)
{
	struct setattr *setattr = setattr_of(request);
	const struct question question = question_of_attributes(setattr->op.setattr.ino);

	if (setattr_may_strip(setattr))
		request_ask_any(request, &question, &setattr->finding, setattr_found);
	else
		setattr_now(setattr);
}

/* An error is left to the proposal. */
static void setattr_found(struct request *request)
{
	struct setattr *setattr = setattr_of(request);

	if (!request->error && privileges_strips_group(request->fuse, &setattr->finding.attributes))
		setattr->op.setattr.valid |= OP_SET_KILL_SGID;
	setattr_now(setattr);
}

static void setattr_now(struct setattr *setattr)
{
	struct request *request = &setattr->request;
	struct op_setattr *op = &setattr->op.setattr;

	if (!stale_is_last_try(request, &setattr->retry, RETRY_LOOK, op->ino) &&
		!front_has_open(request->front, op->ino))
		op->valid |= OP_SET_NAMED;
	if (op->valid & (OP_SET_ATIME | OP_SET_ATIME_NOW))
		atimes_forget(request->front->atimes, op->ino);
	request_call(request, &setattr->op, NULL, setattr_called);
}

static void setattr_called(struct request *request, int error, const struct op_reply *reply)
{
	const struct setattr *setattr = setattr_of(request);

	if (error) {
		error = stale_look_error(request, &setattr->retry, error, setattr->op.setattr.ino);
		request_reply_error(request, error);
		return;
	}
	request_see(request, &reply->attributes);
	request_reply_attributes(request, &reply->attributes, &reply->attributes);
}

/*
 * ---- READLINK ----
 *
 *   op_readlink      asks for the target
 *   readlink_found   replies
 */
struct readlink {
	struct request request;
	struct finding finding;
	char target[];
};

static void readlink_found(struct request *request);

static void op_readlink(fuse_req_t fuse, fuse_ino_t ino)
{
	const struct question question = {.kind = QUESTION_LINK, .ino = ino, .size = FS_SYMLINK_SIZE_MAX};
	struct readlink *readlink = request_new_with_room(fuse, sizeof *readlink, FS_SYMLINK_SIZE_MAX + 1);

	if (!readlink)
		return;
	readlink->finding.bytes = readlink->target;
	request_ask(&readlink->request, &question, &readlink->finding, readlink_found);
}

static void readlink_found(struct request *request)
{
	struct readlink *readlink = container_of(request, struct readlink, request);

	readlink->target[readlink->finding.count] = '\0';
	front_note_read(request->front, &readlink->finding.attributes, 0);
	fuse_reply_readlink(request->fuse, readlink->target);
	request_free(request);
}

/*
 * ---- STATFS ----
 *
 *   op_statfs      asks for the space
 *   statfs_found   replies
 */
struct statfs_request {
	struct request request;
	struct finding finding;
};

static void statfs_found(struct request *request);

static void op_statfs(fuse_req_t fuse, fuse_ino_t ino)
{
	const struct question question = {.kind = QUESTION_SPACE, .ino = FS_ROOT_INO};
	struct statfs_request *statfs = request_new(fuse, sizeof *statfs);

	(void)ino;
	if (statfs)
		request_ask(&statfs->request, &question, &statfs->finding, statfs_found);
}

/* Inodes are limited by space only: each free unit counts as one free inode. The number of blocks is never zero,
 * because df(1) would then hide the mount. */
static void statfs_found(struct request *request)
{
	const struct finding *finding = &container_of(request, struct statfs_request, request)->finding;
	uint64_t total = finding->total_units, free_units = finding->free_units;
	struct statvfs answer = {
		.f_bsize = FS_UNIT_SIZE, .f_frsize = FS_UNIT_SIZE, .f_namemax = FS_NAME_SIZE_MAX};

	answer.f_blocks = total > 0 ? total : 1;
	answer.f_bfree = answer.f_bavail = free_units;
	answer.f_files = finding->inodes > 0 ? finding->inodes + free_units : answer.f_blocks;
	answer.f_ffree = answer.f_favail = free_units;
	fuse_reply_statfs(request->fuse, &answer);
	request_free(request);
}

void ops_attributes(struct fuse_lowlevel_ops *operations)
{
	operations->setattr = op_setattr;
	operations->readlink = op_readlink;
	operations->statfs = op_statfs;
}
