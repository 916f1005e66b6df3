/*
 * privileges.h: suid and sgid of files that somebody changes. Evaluation strips suid, and sgid where the group may
 * execute the file. As in Linux (setattr_should_drop_sgid), sgid goes from any other file, too, if the one who
 * changes it is outside of its group. The kernel does not tell a FUSE filesystem of that, so the operations ask here.
 *
 * Buffered writes do not: they are for files without suid and sgid, as far as this mount knows (NODE_PRIVILEGED).
 */
#ifndef RAFTKV_FS_VFS_PRIVILEGES_H
#define RAFTKV_FS_VFS_PRIVILEGES_H

#include "fs/vfs/request.h"

/* Whether the caller may keep the sgid of files of this group: it is in the group, or has CAP_FSETID. */
bool privileges_has_group(fuse_req_t fuse, uint32_t group);
/* Whether the caller's change has to strip sgid (OP_SET_KILL_SGID) of a file with these attributes, from before the
 * change or after a change of its content. Evaluation strips the rest. */
bool privileges_strips_group(fuse_req_t fuse, const struct attributes *attributes);
/* After a change of content that strips suid and sgid, with its reply: strips sgid by a proposal of its own, if need be.
 * `op` is for that proposal. `called` gets its answer, or 0 and `reply`. */
void privileges_strip(
	struct request *request, struct op *op, const struct op_reply *reply, request_called_cb called);

#endif
