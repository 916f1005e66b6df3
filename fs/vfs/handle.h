/*
 * handle.h: an open file or directory of this mount; fuse_file_info.fh points to it. opening.h makes it, and RELEASE
 * closes it.
 *
 * Several lanes may use a handle at once. The front lists all of them; handles_free frees those that the kernel has not
 * released.
 */
#ifndef RAFTKV_FS_VFS_HANDLE_H
#define RAFTKV_FS_VFS_HANDLE_H

#include "fs/vfs/front_internal.h"

/* An owner for whom locks were taken through a handle. The owner of OFD locks is the open file (kind LOCK_POSIX). */
struct handle_owner {
	enum lock_kind kind;
	uint64_t owner;
};

struct handle {
	struct handle *prev; /* in the front's list */
	struct handle *next; /* in the front's list */
	uint64_t ino;
	bool has_pages; /* pages_open has counted it */
	bool can_read; /* reads go through the kernel's pages */
	bool is_direct; /* the kernel reads and writes without pages (FOPEN_DIRECT_IO) */
	bool is_synced; /* O_SYNC or O_DSYNC: what is done through it is durable when it returns */
	struct node_cursor errors; /* returned through it; changed by the node table only */
	pthread_mutex_t mutex; /* of the owners */
	struct handle_owner *owners;
	size_t owner_count;
};

static inline struct handle *handle_of(const struct fuse_file_info *info)
{
	return (struct handle *)(uintptr_t)info->fh;
}

/* Makes a handle, which takes the caller's node_open and, with `has_pages`, its pages_open. NULL: out of memory. */
struct handle *handle_new(struct front *front, uint64_t ino, bool has_pages, bool can_read, bool is_direct);
/* Closes the node and the pages, and frees the handle. */
void handle_close(struct front *front, struct handle *handle);
/* Frees the front's handles, when no request is left. */
void handles_free(struct front *front);
/* Closes a node that node_open has counted. It may be the last close of an inode that another mount has removed. */
void handle_close_node(struct front *front, uint64_t ino);

/* Fills in the kernel's reply to an open. `may_keep`: the kernel may keep its pages of the file. A close asks for nothing
 * (FLUSH) where nothing can have been written through the handle, and the kernel has the locks. */
void handle_set_info(
	const struct front *front, const struct handle *handle, bool may_keep, struct fuse_file_info *info);
/* 0, also if the owner is there already; -ENOLCK: too many owners; -ENOMEM. */
int handle_add_owner(struct handle *handle, enum lock_kind kind, uint64_t owner);
void handle_remove_owner(struct handle *handle, enum lock_kind kind, uint64_t owner);

#endif
