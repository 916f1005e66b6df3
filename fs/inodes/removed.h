/*
 * removed.h: the inodes without a name that this session holds. The operations on names note what they removed, and
 * FORGET and RELEASE what may go.
 *
 * Those whose last name went here are held until the kernel has forgotten them.
 *
 * A process may still use one without having it open as we see it: by an O_PATH descriptor, as its working directory, as
 * a FIFO, socket or device. The kernel tells only, by FORGET, that it knows an inode no longer. So every removal holds
 * (OP_UNLINK with `hold`), and what is forgotten is released, RELEASE_DELAY_NS later and several inodes in a proposal,
 * which costs a removal next to nothing.
 *
 * Lookups are not counted: that would cost memory for each inode that the kernel knows. A FORGET may be about one lookup
 * of several; so the kernel is asked whether it still knows the inode, on a worker, as it may wait for its own writeback.
 *
 * Those whose last name went on another mount while they were open here (nameless.h) are held until their last close: the
 * kernel still knows them by names that are no more, and does not say when it would do without.
 *
 * Any thread, but removed_stop. What is left at the end goes with the session.
 */
#ifndef RAFTKV_FS_INODES_REMOVED_H
#define RAFTKV_FS_INODES_REMOVED_H

#include "fs/client/client.h"

struct removed;

struct removed_options {
	struct client *client;
	struct env_loop *loop; /* where timers and releases run */
	const struct logger *logger;
	/* Does the kernel know the inode? May block. */
	bool (*is_known)(void *argument, uint64_t ino);
	void *argument;
	/* Has somebody it open here? Called under a lock of this module. */
	bool (*is_open)(void *open_argument, uint64_t ino);
	void *open_argument;
};

int removed_new(const struct removed_options *options, struct removed **removed);
void removed_free(struct removed *removed); /* may be NULL; stopped, or never used */
/* The inode has no name left and this session holds it. Before the kernel is answered. */
void removed_add(struct removed *removed, uint64_t ino);
/* Another mount took its last name while it was open here, and OP_HOLD has been done; not `is_sure`: perhaps. */
void removed_keep(struct removed *removed, uint64_t ino, bool is_sure);
/* Does this session hold it, for sure? Of what is open, or about to be: as long as it stays so. */
bool removed_has(struct removed *removed, uint64_t ino);
/* Is it about to be released? Then it must not be kept again. */
bool removed_is_ending(struct removed *removed, uint64_t ino);
/* Its last close, perhaps. */
void removed_close(struct removed *removed, uint64_t ino);
/* The session was lost, and another does not hold what this one had kept open. */
void removed_lose(struct removed *removed);
/* It has a name again (linkat of an O_TMPFILE) and is held no longer. */
void removed_drop(struct removed *removed, uint64_t ino);
/* The kernel has forgotten lookups of any inode, or was never told of it. */
void removed_forget(struct removed *removed, uint64_t ino);
/* No more of the above. On the loop; `stopped` once nothing is under way, perhaps from inside. */
void removed_stop(struct removed *removed, void (*stopped)(void *argument), void *argument);

#endif
