/*
 * handle.h: what an open file or directory is to us: fuse_file_info.fh. An opening makes it (opening.h), RELEASE closes
 * it; the operations in between find it in the requests.
 *
 * Several lanes may use a handle at once. The front has a list of them all: those that the kernel did not release are
 * freed at the end.
 */
#ifndef RAFTKV_FS_VFS_HANDLE_H
#define RAFTKV_FS_VFS_HANDLE_H

#include "fs/vfs/front_internal.h"

/* Whose locks were taken through a handle; of OFD locks it is the open file itself (LOCK_POSIX). */
struct handle_owner {
	enum lock_kind kind;
	uint64_t owner;
};

struct handle {
	struct handle *prev; /* the front's list */
	struct handle *next;
	uint64_t ino;
	bool has_pages; /* pages_open has counted it */
	bool can_read; /* through the kernel's pages */
	bool is_direct; /* past them */
	struct node_cursor errors; /* what was told through it; the node table's to change */
	pthread_mutex_t mutex; /* of the owners */
	struct handle_owner *owners;
	size_t owner_count;
};

static inline struct handle *handle_of(const struct fuse_file_info *info)
{
	return (struct handle *)(uintptr_t)info->fh;
}

/* Of an inode whose node (and pages, if so) have been counted for it. NULL: out of memory. */
struct handle *handle_new(struct front *front, uint64_t ino, bool has_pages, bool can_read, bool is_direct);
/* Gives back the node and the pages, and frees it. */
void handle_close(struct front *front, struct handle *handle);
/* At the end of the front, when no request is left. */
void handles_free(struct front *front);
/* Gives back a node that was counted: it may have been the last close of what another mount has removed. */
void handle_close_node(struct front *front, uint64_t ino);

/* What the kernel is told of a file's handle. `may_keep`: the pages that it has. */
void handle_set_info(const struct handle *handle, bool may_keep, struct fuse_file_info *info);
/* -ENOLCK: too many; -ENOMEM. */
int handle_add_owner(struct handle *handle, enum lock_kind kind, uint64_t owner);
void handle_remove_owner(struct handle *handle, enum lock_kind kind, uint64_t owner);

#endif
