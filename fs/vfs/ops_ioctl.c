/*
 * IOCTL: the flags of chattr(1), by FS_IOC_GETFLAGS and FS_IOC_SETFLAGS, and in the form of struct fsxattr. The kernel
 * itself asks for the latter before it sets either.
 */
#include <errno.h>
#include <linux/fs.h>
#include <string.h>

#include "fs/vfs/ops.h"
#include "fs/vfs/reply.h"
#include "proto/container.h"

/* ---- The two forms ---- */

static const struct {
	uint32_t flag;
	uint32_t xflag;
} ioctl_xflags[] = {
	{FS_FLAG_IMMUTABLE, FS_XFLAG_IMMUTABLE},
	{FS_FLAG_APPEND, FS_XFLAG_APPEND},
	{FS_FLAG_NODUMP, FS_XFLAG_NODUMP},
	{FS_FLAG_NOATIME, FS_XFLAG_NOATIME},
};

static uint32_t ioctl_to_xflags(uint32_t flags)
{
	uint32_t result = 0;

	for (size_t i = 0; i < sizeof ioctl_xflags / sizeof ioctl_xflags[0]; i++)
		result |= flags & ioctl_xflags[i].flag ? ioctl_xflags[i].xflag : 0;
	return result;
}

/* -EOPNOTSUPP: it asks for something else than these flags (projects, extent sizes). */
static int ioctl_from_fsxattr(const struct fsxattr *attributes, uint32_t *flags)
{
	uint32_t rest = attributes->fsx_xflags;

	*flags = 0;
	for (size_t i = 0; i < sizeof ioctl_xflags / sizeof ioctl_xflags[0]; i++) {
		*flags |= rest & ioctl_xflags[i].xflag ? ioctl_xflags[i].flag : 0;
		rest &= ~ioctl_xflags[i].xflag;
	}
	return rest != 0 || attributes->fsx_projid != 0 || attributes->fsx_extsize != 0 ? -EOPNOTSUPP : 0;
}

static int ioctl_wanted_flags(unsigned command, const void *in, size_t in_size, uint32_t *flags)
{
	struct fsxattr attributes;

	if (command == FS_IOC_SETFLAGS && in_size >= sizeof *flags) {
		memcpy(flags, in, sizeof *flags);
		return 0;
	}
	if (command != FS_IOC_FSSETXATTR || in_size < sizeof attributes)
		return -ENOTTY;
	memcpy(&attributes, in, sizeof attributes);
	return ioctl_from_fsxattr(&attributes, flags);
}

/*
 * ---- IOCTL ----
 *
 *   op_ioctl
 *   ioctl_found or ioctl_found_x   replies to a question for the flags
 *   ioctl_flushed                  proposes a change of the flags, after the buffered data
 *   ioctl_set_called               replies to it
 */
struct ioctl {
	struct request request;
	uint64_t ino;
	struct finding finding;
	struct op op;
};

static void ioctl_found(struct request *request);
static void ioctl_found_x(struct request *request);
static void ioctl_flushed(struct request *request);
static void ioctl_set_called(struct request *request, int error, const struct op_reply *reply);

static struct ioctl *ioctl_of(struct request *request)
{
	return container_of(request, struct ioctl, request);
}

static void ioctl_set(struct ioctl *ioctl, uint32_t flags)
{
	ioctl->op = (struct op){
		.kind = OP_SETATTR,
		.setattr = {.ino = ioctl->ino, .valid = OP_SET_FLAGS, .flags = flags},
	};
	request_write_back(&ioctl->request, ioctl->ino, ioctl_flushed);
}

static void ioctl_flushed(struct request *request)
{
	request_call(request, &ioctl_of(request)->op, NULL, ioctl_set_called);
}

static void op_ioctl(fuse_req_t fuse, fuse_ino_t ino, unsigned command, void *argument,
	struct fuse_file_info *info, unsigned flags, const void *in, size_t in_size, size_t out_size)
{
	struct ioctl *ioctl = request_new(fuse, sizeof *ioctl);
	const struct question question = question_of_attributes(ino);
	uint32_t new_flags;
	int result;

	(void)argument, (void)info, (void)flags;
	if (!ioctl)
		return;
	ioctl->ino = ino;
	if (command == FS_IOC_GETFLAGS && out_size >= sizeof(int)) {
		request_ask(&ioctl->request, &question, &ioctl->finding, ioctl_found);
	} else if (command == FS_IOC_FSGETXATTR && out_size >= sizeof(struct fsxattr)) {
		request_ask(&ioctl->request, &question, &ioctl->finding, ioctl_found_x);
	} else {
		result = ioctl_wanted_flags(command, in, in_size, &new_flags);
		if (result < 0)
			request_reply_error(&ioctl->request, result);
		else
			ioctl_set(ioctl, new_flags);
	}
}

static void ioctl_found(struct request *request)
{
	int flags = (int)ioctl_of(request)->finding.attributes.flags;

	fuse_reply_ioctl(request->fuse, 0, &flags, sizeof flags);
	request_free(request);
}

static void ioctl_found_x(struct request *request)
{
	uint32_t flags = ioctl_of(request)->finding.attributes.flags;
	struct fsxattr answer = {.fsx_xflags = ioctl_to_xflags(flags)};

	fuse_reply_ioctl(request->fuse, 0, &answer, sizeof answer);
	request_free(request);
}

static void ioctl_set_called(struct request *request, int error, const struct op_reply *reply)
{
	(void)reply;
	if (error) {
		request_reply_error(request, error);
		return;
	}
	front_drop_attributes(request->front, ioctl_of(request)->ino); /* ctime */
	fuse_reply_ioctl(request->fuse, 0, NULL, 0);
	request_free(request);
}

void ops_ioctl(struct fuse_lowlevel_ops *operations)
{
	operations->ioctl = op_ioctl;
}
