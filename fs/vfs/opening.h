/*
 * opening.h: the opening of a file or directory, which ends in a handle. OPEN, OPENDIR, CREATE and TMPFILE share it
 * (ops_open.c, ops_create.c).
 *
 * The open is counted in the node table before the store is asked about the inode. From then on the inode is held
 * if its last name is removed (removed.h, nameless.h).
 *
 * On a mount that is not the only client, an open sees all data that was closed on other mounts before it
 * (close-to-open consistency). The kernel may have found the inode by an old name: if another mount has changed the
 * inode since the kernel was told the name, the open is refused once with ESTALE, and the kernel walks the path again.
 * The kernel may also have old pages and attributes; they are dropped before the reply.
 */
#ifndef RAFTKV_FS_VFS_OPENING_H
#define RAFTKV_FS_VFS_OPENING_H

#include "fs/vfs/handle.h"
#include "fs/vfs/request.h"

struct opening {
	struct request request;
	struct fuse_file_info info;
	uint64_t ino;
	struct finding finding; /* the store's attributes of the inode */
	struct op op;
	struct retry retry; /* the note of an earlier try, if this is a second one */
	request_cb opened; /* the next step after opening_look */
	/* Replies to the kernel with `info`. 0, or -errno: the kernel did not take the reply and will send no
	 * RELEASE. */
	int (*reply)(
		struct opening *opening, const struct attributes *stored, const struct attributes *shown);
	bool has_pages; /* pages_open has counted it (request.has_node: so has node_open) */
	bool is_kill; /* the kernel asks to strip suid and sgid */
};

struct opening *opening_of(struct request *request);
/* Initializes the opening of a new request. `info` (may be NULL) is copied. */
void opening_init(struct opening *opening, const struct fuse_file_info *info);

/* Counts an open of opening->ino. 0 or -ENOMEM. */
int opening_count(struct opening *opening);
/* Takes back that count, and ends the request with the error. */
void opening_refuse(struct opening *opening, int error);
/* Counts an open of opening->ino and asks for its attributes. Has the kernel look again if the name may be old;
 * holds an inode that has no name any more. Then calls `opened`, with the attributes, or with an error in
 * request.error. */
void opening_look(struct opening *opening, request_cb opened);
/* Makes the handle, which takes the counted open. NULL: out of memory, and the request has been refused. */
struct handle *opening_make_handle(struct opening *opening);

/* Opens opening->ino as OPEN does, for OPEN and for a CREATE that has found a file (ops_open.c). Ends with
 * opening->reply. */
void opening_open_file(struct opening *opening);

#endif
