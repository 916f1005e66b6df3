#include "fs/vfs/privileges.h"

#include <linux/capability.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fs/fuse/caller.h"

#define GROUPS_MAX 65536

bool privileges_has_group(fuse_req_t fuse, uint32_t group)
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

bool privileges_strips_group(fuse_req_t fuse, const struct attributes *attributes)
{
	if (S_ISDIR(attributes->mode) || (attributes->mode & (S_ISGID | S_IXGRP)) != S_ISGID)
		return false;
	return !privileges_has_group(fuse, attributes->gid);
}

void privileges_strip(
	struct request *request, struct op *op, const struct op_reply *reply, request_called_cb called)
{
	const struct attributes *attributes = &reply->attributes;

	if (!privileges_strips_group(request->fuse, attributes)) {
		called(request, 0, reply);
		return;
	}
	front_note_mode(request->front, attributes->ino, attributes->mode);
	*op = (struct op){.kind = OP_SETATTR, .setattr = {.ino = attributes->ino, .valid = OP_SET_KILL_SGID}};
	request_call(request, op, NULL, called);
}
