/*
 * opening.h: a file or directory on its way to a handle: what OPEN, OPENDIR, CREATE and TMPFILE share (ops_open.c,
 * ops_create.c).
 *
 * The inode's node is counted before anything is asked about it, so that it stays what it is found to be.
 *
 * On a mount that is not the only client an open sees whatever was closed before, elsewhere. The kernel may have come to
 * the inode by an old name: what somebody else changed since the name was told is refused (ESTALE), and the kernel looks
 * at the path again, once. And it may hold old pages and attributes: they go before the answer.
 */
#ifndef RAFTKV_FS_VFS_OPENING_H
#define RAFTKV_FS_VFS_OPENING_H

#include "fs/vfs/handle.h"
#include "fs/vfs/request.h"

struct opening {
	struct request request;
	struct fuse_file_info info;
	uint64_t ino;
	struct finding finding; /* its attributes: the store's */
	struct op op;
	struct retry retry; /* of a try before this one */
	request_cb opened; /* the next step once the inode is known to stay */
	/* Tells the kernel, with `info`. 0, or -errno: nobody waits any more, and there will be no release. */
	int (*reply)(
		struct opening *opening, const struct attributes *stored, const struct attributes *shown);
	bool has_pages; /* pages_open has counted it; the node: request.has_node */
	bool is_kill; /* the kernel asked to strip suid and sgid */
};

struct opening *opening_of(struct request *request);
/* What a new one begins with. `info` (may be NULL) is copied. */
void opening_init(struct opening *opening, const struct fuse_file_info *info);

/* Counts an open of opening->ino. 0 or -ENOMEM. */
int opening_count(struct opening *opening);
/* Gives it back, and ends the request with the error. */
void opening_refuse(struct opening *opening, int error);
/* Counts an open of opening->ino, asks for its attributes, has the kernel look again at a name that may be old, and keeps
 * what has none any more; then `opened`, with the attributes, or an error in request.error. */
void opening_look(struct opening *opening, request_cb opened);
/* Makes the handle, which takes what was counted. NULL: out of memory, and the request has been refused. */
struct handle *opening_make_handle(struct opening *opening);

/* CREATE has found a file, which is to be opened as by OPEN (ops_open.c); opening->reply tells. */
void opening_open_file(struct opening *opening);

#endif
