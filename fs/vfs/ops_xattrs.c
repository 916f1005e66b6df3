/* Extended attributes and, under their names, POSIX ACLs. */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "fs/fuse/caller.h"
#include "fs/vfs/request.h"
#include "fs/schema/virtual_xattrs.h"

#define ACCESS_ACL "system.posix_acl_access"
#define CAPABILITY "security.capability"
#define GROUPS_MAX 65536

/* A size of 0 asks how long the value is. */
static void xattr_done(struct request *request)
{
	if (strcmp(request->name, CAPABILITY) == 0)
		node_set(request->front->nodes, request->ino, NODE_PRIVILEGED);
	if (request->size == 0)
		request_reply_size(request, request->count);
	else
		request_reply_bytes(request, request->bytes, request->count);
}

static void get(struct request *request, struct question question, size_t size)
{
	request->size = size < FS_XATTR_SIZE_MAX ? size : FS_XATTR_SIZE_MAX; /* XATTR_LIST_MAX is the same */
	request->bytes = size > 0 ? malloc(request->size) : NULL;
	question.size = request->size;
	if (size > 0 && !request->bytes)
		request_reply_error(request, -ENOMEM);
	else
		request_ask(request, question, xattr_done);
}

/* What the kernel asks by itself, before it writes to a file and when it changes its mode. */
static bool is_known_to_be_absent(const struct front *front, uint64_t ino, const char *name)
{
	if (!front->pages || (strcmp(name, CAPABILITY) != 0 && strcmp(name, ACCESS_ACL) != 0))
		return false;
	return pages_is_bare(front->pages, ino, env_now(front->options.env));
}

static void op_getxattr(fuse_req_t fuse, fuse_ino_t ino, const char *name, size_t size)
{
	struct request *request = request_new_named(fuse, name);
	struct question question = {
		.kind = virtual_xattr_is(name) ? QUESTION_VIRTUAL_XATTR : QUESTION_XATTR, .ino = ino};

	if (!request)
		return;
	request->ino = ino;
	if (is_known_to_be_absent(request->front, ino, name)) {
		request_reply_error(request, -ENODATA);
		return;
	}
	question.name = request_name(request->name);
	get(request, question, size);
}

static void op_listxattr(fuse_req_t fuse, fuse_ino_t ino, size_t size)
{
	struct request *request = request_new(fuse);
	struct question question = {
		.kind = QUESTION_XATTRS, .ino = ino, .has_trusted = request_caller_has(fuse, CAP_SYS_ADMIN)};

	if (request)
		get(request, question, size);
}

/* ---- Setting ---- */

static void done_called(struct client_call *call, int error, const struct op_reply *reply)
{
	(void)reply;
	request_reply_error(request_of_call(call), error);
}

static bool is_in_group(fuse_req_t fuse, gid_t group)
{
	gid_t *groups;
	const struct fuse_ctx *context = fuse_req_ctx(fuse);
	bool found = request_caller_has(fuse, CAP_FSETID) || context->gid == group ||
		     caller_has_group((uint32_t)context->pid, group);
	int count;

	if (found)
		return true;
	groups = malloc(GROUPS_MAX * sizeof *groups);
	if (!groups)
		return false;
	count = fuse_req_getgroups(fuse, GROUPS_MAX, groups);
	for (int i = 0; i < count && i < GROUPS_MAX && !found; i++)
		found = groups[i] == group;
	free(groups);
	return found;
}

static void set_called(struct client_call *call, int error, const struct op_reply *reply)
{
	struct request *request = request_of_call(call);

	(void)reply;
	if (error == -ESTALE)
		error = request_look_error(request, error, request->op.setxattr.ino);
	request_reply_error(request, error);
}

/* Linux clears S_ISGID when somebody who is not in the file's group sets its access ACL. */
static void acl_checked(struct request *request)
{
	if (!is_in_group(request->fuse, request->attributes.gid))
		request->op.setxattr.flags |= OP_XATTR_KILL_SGID;
	request_call(request, NULL, set_called);
}

static void op_setxattr(
	fuse_req_t fuse, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
	struct request *request = request_new_named(fuse, name);

	if (!request)
		return;
	if (request->front->pages)
		pages_set_xattr(request->front->pages, ino);
	if (strcmp(name, CAPABILITY) == 0)
		node_set(request->front->nodes, ino, NODE_PRIVILEGED);
	request->bytes = malloc(size > 0 ? size : 1);
	if (!request->bytes) {
		request_reply_error(request, -ENOMEM);
		return;
	}
	memcpy(request->bytes, value, size);
	request->op = (struct op){
		.kind = OP_SETXATTR,
		.setxattr = {.ino = ino,
			.name = request_name(request->name),
			.value = slice_of(request->bytes, size),
			.flags = (flags & XATTR_CREATE ? OP_XATTR_CREATE : 0) |
				 (flags & XATTR_REPLACE ? OP_XATTR_REPLACE : 0)},
	};
	if (!request_is_last_try(request, RETRY_LOOK, ino) && !request_has_open(request->front, ino))
		request->op.setxattr.flags |= OP_XATTR_NAMED;
	if (strcmp(name, ACCESS_ACL) == 0)
		request_ask(request, attributes_of(ino), acl_checked);
	else
		request_call(request, NULL, set_called);
}

static void op_removexattr(fuse_req_t fuse, fuse_ino_t ino, const char *name)
{
	struct request *request = request_new_named(fuse, name);

	if (!request)
		return;
	request->op = (struct op){
		.kind = OP_REMOVEXATTR,
		.removexattr = {.ino = ino, .name = request_name(request->name)},
	};
	request_call(request, NULL, done_called);
}

void ops_xattrs(struct fuse_lowlevel_ops *operations)
{
	operations->getxattr = op_getxattr;
	operations->listxattr = op_listxattr;
	operations->setxattr = op_setxattr;
	operations->removexattr = op_removexattr;
}
