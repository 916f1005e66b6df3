/*
 * removed.h: the inodes without a name that this session holds. The operations on names add inodes whose last name they
 * removed; FORGET and RELEASE report inodes that may be released.
 *
 * An inode whose last name was removed on this mount is held until the kernel has forgotten it. A process may still use
 * it without an open that this mount sees: by an O_PATH descriptor, as its working directory, as a FIFO, socket or
 * device. The kernel says only, by FORGET, that it no longer knows an inode. So every removal holds the inode
 * (OP_UNLINK with `hold`), and forgotten inodes are released (OP_RELEASE) RELEASE_DELAY_NS later, several in one
 * proposal: this costs a removal next to nothing.
 *
 * Lookups are not counted: that would cost memory for each inode that the kernel knows. A FORGET may be about one
 * lookup of several. So a worker asks the kernel whether it still knows the inode; the kernel may wait for its own
 * writeback before it answers.
 *
 * An inode whose last name was removed on another mount while it was open here (nameless.h) is held until its last
 * close: the kernel still knows it by a name that no longer exists, and does not say when it no longer needs the inode.
 *
 * Any thread, except for removed_stop. The end of the session releases the inodes that are left.
 */
#ifndef RAFTKV_FS_INODES_REMOVED_H
#define RAFTKV_FS_INODES_REMOVED_H

#include "fs/client/client.h"

struct removed;

struct removed_options {
	struct client *client;
	struct env_loop *loop; /* where timers and releases run */
	const struct logger *logger;
	/* Whether the kernel knows the inode. Called on a worker; may block. */
	bool (*is_known)(void *argument, uint64_t ino);
	void *argument;
	/* Whether the inode is open here. Called under this module's mutex. */
	bool (*is_open)(void *open_argument, uint64_t ino);
	void *open_argument;
};

/* 0 or -ENOMEM. */
int removed_new(const struct removed_options *options, struct removed **removed);
void removed_free(struct removed *removed); /* may be NULL; stopped, or never used */
/* Adds an inode that has no name left and that this session holds. Call it before the reply to the kernel. */
void removed_add(struct removed *removed, uint64_t ino);
/* Adds an inode whose last name another mount removed while it was open here. `is_sure`: OP_HOLD succeeded; else it is
 * unknown whether it was applied. */
void removed_keep(struct removed *removed, uint64_t ino, bool is_sure);
/* Whether this session holds the inode for sure. For an inode that is open, or about to be, true stays true until its
 * last close. */
bool removed_has(struct removed *removed, uint64_t ino);
/* Whether the inode is being released. If so, it must not be kept again. */
bool removed_is_ending(struct removed *removed, uint64_t ino);
/* A handle of the inode was closed, perhaps the last one. */
void removed_close(struct removed *removed, uint64_t ino);
/* The session was lost: drops the inodes of removed_keep, which the next session does not hold. */
void removed_lose(struct removed *removed);
/* Drops an inode that has a name again (linkat of an O_TMPFILE) and is no longer held. */
void removed_drop(struct removed *removed, uint64_t ino);
/* The kernel has forgotten lookups of the inode, or was never told of it. The inode need not be held. */
void removed_forget(struct removed *removed, uint64_t ino);
/* On the loop, after all other calls. Calls `stopped` once nothing is under way, perhaps from inside the call. */
void removed_stop(struct removed *removed, void (*stopped)(void *argument), void *argument);

#endif
