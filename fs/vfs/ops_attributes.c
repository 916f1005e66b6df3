/* Operations on attributes: getattr, statx, setattr, readlink, statfs, ioctl (the flags of chattr(1)). */
#include <errno.h>
#include <linux/fs.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "fs/fuse/raw.h"
#include "fs/vfs/request.h"

/* False: the kernel has been told an error, or to look again. */
static bool is_seen(struct request *request)
{
	int error = request_look_error(request, request->error, request->ino);

	if (error)
		request_reply_error(request, error);
	return !error;
}

static void getattr_settled(struct request *request)
{
	request_reply_attributes(request, &request->attributes, &request->shown);
}

static void getattr_done(struct request *request)
{
	if (!is_seen(request))
		return;
	if (!request_lay_over(request)) {
		request_ask_any(request, attributes_of(request->ino), getattr_done);
		return;
	}
	request_see(request, &request->attributes);
	request_settle(request, getattr_settled);
}

static void op_getattr(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct request *request = request_new(fuse);

	(void)info;
	if (!request)
		return;
	request->ino = ino;
	request_ask_any(request, attributes_of(ino), getattr_done);
}

static void statx_settled(struct request *request)
{
	struct raw_statx_out answer;

	request_note_told(request->front, &request->attributes, 0);
	atimes_apply(request->front->atimes, &request->shown);
	raw_fill_statx(&answer, &request->shown, FRONT_BLOCK_SIZE, request->front->timeout);
	request_reply_raw(request, &answer, sizeof answer);
}

static void statx_done(struct request *request)
{
	if (!is_seen(request))
		return;
	if (!request_lay_over(request)) {
		request_ask_any(request, attributes_of(request->ino), statx_done);
		return;
	}
	request_see(request, &request->attributes);
	request_settle(request, statx_settled);
}

void ops_statx(const struct lane_raw *raw, void *userdata)
{
	struct request *request = request_new_raw(raw, userdata);

	if (!request)
		return;
	request->ino = raw->node;
	request_ask_any(request, attributes_of(request->ino), statx_done);
}

/* ---- SETATTR ---- */

static struct fs_time from_timespec(struct timespec time)
{
	return (struct fs_time){.seconds = time.tv_sec, .nanoseconds = (uint32_t)time.tv_nsec};
}

static uint32_t valid_of(int to_set, uint32_t raw_valid)
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

static void attributes_called(struct client_call *call, int error, const struct op_reply *reply)
{
	struct request *request = request_of_call(call);

	if (error) {
		request_reply_error(request, error);
		return;
	}
	request_see(request, &reply->attributes);
	request_reply_attributes(request, &reply->attributes, &reply->attributes);
}

static void setattr_called(struct client_call *call, int error, const struct op_reply *reply)
{
	struct request *request = request_of_call(call);

	if (error == -ESTALE)
		error = request_look_error(request, error, request->op.setattr.ino);
	attributes_called(call, error, reply);
}

static void setattr_flushed(struct request *request)
{
	struct op_setattr *op = &request->op.setattr;

	if (!request_is_last_try(request, RETRY_LOOK, op->ino) && !request_has_open(request->front, op->ino))
		op->valid |= OP_SET_NAMED;
	if (op->valid & (OP_SET_ATIME | OP_SET_ATIME_NOW))
		atimes_forget(request->front->atimes, op->ino);
	request_call(request, NULL, setattr_called);
}

static void op_setattr(
	fuse_req_t fuse, fuse_ino_t ino, struct stat *stat, int to_set, struct fuse_file_info *info)
{
	struct request *request = request_new(fuse);

	(void)info;
	if (!request)
		return;
	request->op = (struct op){
		.kind = OP_SETATTR,
		.setattr = {.ino = ino,
			.valid = valid_of(to_set, lane_flags(request->lane)),
			.mode = stat->st_mode & 07777,
			.uid = stat->st_uid,
			.gid = stat->st_gid,
			.size = (uint64_t)stat->st_size,
			.atime = from_timespec(stat->st_atim),
			.mtime = from_timespec(stat->st_mtim),
			.ctime = from_timespec(stat->st_ctim)},
	};
	if (request->op.setattr.valid & OP_SET_MODE) /* before the flush: later writes strip again */
		request_note_mode(request->front, ino, stat->st_mode);
	request_flush(request, ino, setattr_flushed);
}

/* ---- READLINK ---- */

static void readlink_done(struct request *request)
{
	request->bytes[request->count] = '\0';
	request_note_read(request);
	fuse_reply_readlink(request->fuse, (const char *)request->bytes);
	request_free(request);
}

static void op_readlink(fuse_req_t fuse, fuse_ino_t ino)
{
	struct request *request = request_new(fuse);

	if (!request)
		return;
	request->ino = ino;
	request->bytes = malloc(FS_SYMLINK_SIZE_MAX + 1);
	if (!request->bytes)
		request_reply_error(request, -ENOMEM);
	else
		request_ask(request,
			(struct question){.kind = QUESTION_LINK, .ino = ino, .size = FS_SYMLINK_SIZE_MAX},
			readlink_done);
}

/* ---- STATFS ---- */

/* Inodes are no resource of their own: there can be as many more as there is room for files of one unit. Never zero
 * blocks (df would hide us). */
static void statfs_done(struct request *request)
{
	const struct finding *finding = &request->finding;
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

static void op_statfs(fuse_req_t fuse, fuse_ino_t ino)
{
	struct request *request = request_new(fuse);

	(void)ino;
	if (request)
		request_ask(
			request, (struct question){.kind = QUESTION_SPACE, .ino = FS_ROOT_INO}, statfs_done);
}

/* ---- IOCTL ---- */

/*
 * FS_IOC_GETFLAGS and SETFLAGS (chattr(1)), and their other form with struct fsxattr, which the kernel asks for by itself
 * before it sets either.
 */

static const struct {
	uint32_t flag;
	uint32_t xflag;
} xflags[] = {
	{FS_FLAG_IMMUTABLE, FS_XFLAG_IMMUTABLE},
	{FS_FLAG_APPEND, FS_XFLAG_APPEND},
	{FS_FLAG_NODUMP, FS_XFLAG_NODUMP},
	{FS_FLAG_NOATIME, FS_XFLAG_NOATIME},
};

static uint32_t to_xflags(uint32_t flags)
{
	uint32_t result = 0;

	for (size_t i = 0; i < sizeof xflags / sizeof xflags[0]; i++)
		result |= flags & xflags[i].flag ? xflags[i].xflag : 0;
	return result;
}

/* -EOPNOTSUPP: something that there is not here (projects, extent sizes). */
static int from_fsxattr(const struct fsxattr *attributes, uint32_t *flags)
{
	uint32_t rest = attributes->fsx_xflags;

	*flags = 0;
	for (size_t i = 0; i < sizeof xflags / sizeof xflags[0]; i++) {
		*flags |= rest & xflags[i].xflag ? xflags[i].flag : 0;
		rest &= ~xflags[i].xflag;
	}
	return rest != 0 || attributes->fsx_projid != 0 || attributes->fsx_extsize != 0 ? -EOPNOTSUPP : 0;
}

static void ioctl_get_done(struct request *request)
{
	int flags = (int)request->attributes.flags;

	fuse_reply_ioctl(request->fuse, 0, &flags, sizeof flags);
	request_free(request);
}

static void ioctl_get_x_done(struct request *request)
{
	struct fsxattr answer = {.fsx_xflags = to_xflags(request->attributes.flags)};

	fuse_reply_ioctl(request->fuse, 0, &answer, sizeof answer);
	request_free(request);
}

static void ioctl_set_done(struct client_call *call, int error, const struct op_reply *reply)
{
	struct request *request = request_of_call(call);

	(void)reply;
	if (error) {
		request_reply_error(request, error);
		return;
	}
	request_drop_attributes(request->front, request->ino); /* ctime */
	fuse_reply_ioctl(request->fuse, 0, NULL, 0);
	request_free(request);
}

static int wanted_flags(unsigned command, const void *in, size_t in_size, uint32_t *flags)
{
	struct fsxattr attributes;

	if (command == FS_IOC_SETFLAGS && in_size >= sizeof *flags) {
		memcpy(flags, in, sizeof *flags);
		return 0;
	}
	if (command != FS_IOC_FSSETXATTR || in_size < sizeof attributes)
		return -ENOTTY;
	memcpy(&attributes, in, sizeof attributes);
	return from_fsxattr(&attributes, flags);
}

static void set_flags(struct request *request, uint32_t flags)
{
	request->op = (struct op){
		.kind = OP_SETATTR,
		.setattr = {.ino = request->ino, .valid = OP_SET_FLAGS, .flags = flags},
	};
	request_call(request, NULL, ioctl_set_done);
}

static void op_ioctl(fuse_req_t fuse, fuse_ino_t ino, unsigned command, void *argument,
	struct fuse_file_info *info, unsigned flags, const void *in, size_t in_size, size_t out_size)
{
	struct request *request = request_new(fuse);
	uint32_t new_flags;
	int result;

	(void)argument, (void)info, (void)flags;
	if (!request)
		return;
	request->ino = ino;
	if (command == FS_IOC_GETFLAGS && out_size >= sizeof(int)) {
		request_ask(request, attributes_of(ino), ioctl_get_done);
	} else if (command == FS_IOC_FSGETXATTR && out_size >= sizeof(struct fsxattr)) {
		request_ask(request, attributes_of(ino), ioctl_get_x_done);
	} else {
		result = wanted_flags(command, in, in_size, &new_flags);
		if (result < 0)
			request_reply_error(request, result);
		else
			set_flags(request, new_flags);
	}
}

void ops_attributes(struct fuse_lowlevel_ops *operations)
{
	operations->getattr = op_getattr;
	operations->setattr = op_setattr;
	operations->readlink = op_readlink;
	operations->statfs = op_statfs;
	operations->ioctl = op_ioctl;
}
