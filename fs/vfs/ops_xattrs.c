/* Extended attributes and, under their names, POSIX ACLs: GETXATTR, LISTXATTR, SETXATTR, REMOVEXATTR. */
#include <errno.h>
#include <linux/capability.h>
#include <stddef.h>
#include <string.h>
#include <sys/xattr.h>

#include "fs/schema/virtual_xattrs.h"
#include "fs/vfs/ops.h"
#include "fs/vfs/privileges.h"
#include "fs/vfs/reply.h"
#include "fs/vfs/stale.h"
#include "proto/container.h"

#define ACCESS_ACL "system.posix_acl_access"
#define CAPABILITY "security.capability"

/*
 * ---- GETXATTR, LISTXATTR ----
 *
 *   op_getxattr, op_listxattr   ask
 *   xattr_found                 replies
 */
struct xattr_read {
	struct request request;
	struct finding finding;
	uint64_t ino;
	size_t size; /* room for the value; 0: only its size is asked for */
	bool is_capability;
	char room[]; /* `size` bytes for the value, then the name */
};

static void xattr_found(struct request *request);

static struct xattr_read *xattr_read_new(fuse_req_t fuse, uint64_t ino, const char *name, size_t size)
{
	struct xattr_read *read;

	if (strlen(name) > FS_NAME_SIZE_MAX) {
		fuse_reply_err(fuse, ENAMETOOLONG);
		return NULL;
	}
	if (size > FS_XATTR_SIZE_MAX) /* XATTR_LIST_MAX is the same */
		size = FS_XATTR_SIZE_MAX;
	read = request_new_with_room(fuse, sizeof *read, size + strlen(name) + 1);
	if (!read)
		return NULL;
	read->ino = ino;
	read->size = size;
	read->is_capability = strcmp(name, CAPABILITY) == 0;
	read->finding.bytes = read->room;
	strcpy(read->room + size, name);
	return read;
}

/* Only for the attributes that the kernel asks for by itself, before it writes to a file and when it changes its
 * mode. */
static bool is_known_to_be_absent(const struct front *front, uint64_t ino, const char *name)
{
	if (!front->pages || (strcmp(name, CAPABILITY) != 0 && strcmp(name, ACCESS_ACL) != 0))
		return false;
	return pages_is_bare(front->pages, ino, env_now(front->options.env));
}

static void op_getxattr(fuse_req_t fuse, fuse_ino_t ino, const char *name, size_t size)
{
	struct question question = {
		.kind = virtual_xattr_is(name) ? QUESTION_VIRTUAL_XATTR : QUESTION_XATTR, .ino = ino};
	struct xattr_read *read;

	if (strcmp(name, VIRTUAL_XATTR_SYNC) == 0) {
		ops_sync_all(fuse);
		return;
	}
	read = xattr_read_new(fuse, ino, name, size);
	if (!read)
		return;
	if (is_known_to_be_absent(read->request.front, ino, name)) {
		request_reply_error(&read->request, -ENODATA);
		return;
	}
	question.size = read->size;
	question.name = request_name(read->room + read->size);
	request_ask(&read->request, &question, &read->finding, xattr_found);
}

static void op_listxattr(fuse_req_t fuse, fuse_ino_t ino, size_t size)
{
	struct xattr_read *read = xattr_read_new(fuse, ino, "", size);
	struct question question = {
		.kind = QUESTION_XATTRS, .ino = ino, .has_trusted = request_caller_has(fuse, CAP_SYS_ADMIN)};

	if (!read)
		return;
	question.size = read->size;
	request_ask(&read->request, &question, &read->finding, xattr_found);
}

static void xattr_found(struct request *request)
{
	const struct xattr_read *read = container_of(request, struct xattr_read, request);

	if (read->is_capability)
		node_set(request->front->nodes, read->ino, NODE_PRIVILEGED);
	if (read->size == 0)
		request_reply_size(request, read->finding.count);
	else
		request_reply_bytes(request, read->room, read->finding.count);
}

/*
 * ---- SETXATTR ----
 *
 *   op_setxattr          proposes the value; for an access ACL first asks for the file's group
 *   setxattr_acl_found   proposes the ACL
 *   setxattr_called      replies
 */
struct setxattr {
	struct request request;
	struct op op;
	struct retry retry; /* the note of an earlier try, if this is a second one */
	struct finding finding;
	char room[]; /* the value, then the name */
};

static void setxattr_acl_found(struct request *request);
static void setxattr_called(struct request *request, int error, const struct op_reply *reply);

static struct setxattr *setxattr_of(struct request *request)
{
	return container_of(request, struct setxattr, request);
}

static struct setxattr *setxattr_new(fuse_req_t fuse, const char *name, const char *value, size_t size)
{
	struct setxattr *setxattr;

	if (strlen(name) > FS_NAME_SIZE_MAX) {
		fuse_reply_err(fuse, ENAMETOOLONG);
		return NULL;
	}
	setxattr = request_new_with_room(fuse, sizeof *setxattr, size + strlen(name) + 1);
	if (!setxattr)
		return NULL;
	setxattr->retry = stale_take_retry(&setxattr->request);
	memcpy(setxattr->room, value, size);
	strcpy(setxattr->room + size, name);
	return setxattr;
}

static void op_setxattr(
	fuse_req_t fuse, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
	struct setxattr *setxattr = setxattr_new(fuse, name, value, size);
	const struct question question = question_of_attributes(ino);
	struct request *request;

	if (!setxattr)
		return;
	request = &setxattr->request;
	if (request->front->pages)
		pages_set_xattr(request->front->pages, ino);
	if (strcmp(name, CAPABILITY) == 0)
		node_set(request->front->nodes, ino, NODE_PRIVILEGED);
	setxattr->op = (struct op){
		.kind = OP_SETXATTR,
		.setxattr = {.ino = ino,
			.name = request_name(setxattr->room + size),
			.value = slice_of(setxattr->room, size),
			.flags = (flags & XATTR_CREATE ? OP_XATTR_CREATE : 0) |
				 (flags & XATTR_REPLACE ? OP_XATTR_REPLACE : 0)},
	};
	if (!stale_is_last_try(request, &setxattr->retry, RETRY_LOOK, ino) &&
		!front_has_open(request->front, ino))
		setxattr->op.setxattr.flags |= OP_XATTR_NAMED;
	if (strcmp(name, ACCESS_ACL) == 0)
		request_ask(request, &question, &setxattr->finding, setxattr_acl_found);
	else
		request_call(request, &setxattr->op, NULL, setxattr_called);
}

/* As in Linux, S_ISGID is cleared when a caller outside of the file's group sets its access ACL. */
static void setxattr_acl_found(struct request *request)
{
	struct setxattr *setxattr = setxattr_of(request);

	if (!privileges_has_group(request->fuse, setxattr->finding.attributes.gid))
		setxattr->op.setxattr.flags |= OP_XATTR_KILL_SGID;
	request_call(request, &setxattr->op, NULL, setxattr_called);
}

static void setxattr_called(struct request *request, int error, const struct op_reply *reply)
{
	const struct setxattr *setxattr = setxattr_of(request);

	(void)reply;
	request_reply_error(
		request, stale_look_error(request, &setxattr->retry, error, setxattr->op.setxattr.ino));
}

/*
 * ---- REMOVEXATTR ----
 *
 *   op_removexattr       proposes the removal
 *   removexattr_called   replies
 */
struct removexattr {
	struct request request;
	struct op op;
	char name[];
};

static void removexattr_called(struct request *request, int error, const struct op_reply *reply);

static void op_removexattr(fuse_req_t fuse, fuse_ino_t ino, const char *name)
{
	struct removexattr *remove = request_new_named(fuse, offsetof(struct removexattr, name), name);

	if (!remove)
		return;
	remove->op = (struct op){
		.kind = OP_REMOVEXATTR,
		.removexattr = {.ino = ino, .name = request_name(remove->name)},
	};
	request_call(&remove->request, &remove->op, NULL, removexattr_called);
}

static void removexattr_called(struct request *request, int error, const struct op_reply *reply)
{
	(void)reply;
	request_reply_error(request, error);
}

void ops_xattrs(struct fuse_lowlevel_ops *operations)
{
	operations->getxattr = op_getxattr;
	operations->listxattr = op_listxattr;
	operations->setxattr = op_setxattr;
	operations->removexattr = op_removexattr;
}
