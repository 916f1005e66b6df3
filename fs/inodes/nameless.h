/*
 * nameless.h: inodes that lose their last name on another mount while they are open here. front_ask passes the
 * cluster's questions on; CREATE says when it makes a file.
 *
 * The cluster asks each mount about inodes that have no name any more (fs/cluster/coordinator.h), and frees them once
 * the mounts have answered. Before this mount answers, it holds for its session those that are open here (OP_HOLD), and
 * notes them in removed.h. A file that is being created has no known number yet, so the answer waits until the
 * creations that were under way have ended.
 *
 * An inode that is opened later has a name then, or is held before it is opened.
 */
#ifndef RAFTKV_FS_INODES_NAMELESS_H
#define RAFTKV_FS_INODES_NAMELESS_H

#include "fs/inodes/removed.h"

struct nameless;

struct nameless_options {
	struct client *client;
	struct env_loop *loop;
	const struct logger *logger;
	struct removed *removed;
	/* Calls `visit` with each inode that is open here, or is being opened. */
	void (*each_open)(void *argument, void (*visit)(void *visitor, uint64_t ino), void *visitor);
	bool (*is_open)(void *argument, uint64_t ino);
	void *argument;
};

/* 0 or -ENOMEM. */
int nameless_new(const struct nameless_options *options, struct nameless **nameless);
void nameless_free(struct nameless *nameless); /* stopped, or never used; may be NULL */

/* On the loop, one question at a time. `inodes`: in the form of ino_ranges.h, borrowed for the call. `answer` may come
 * from inside the call. `are_kept`: all of them that are open here are held; else some may not be, and the cluster must
 * ask again. */
void nameless_ask(struct nameless *nameless, struct slice inodes,
	void (*answer)(void *argument, bool are_kept), void *argument);

/* Any thread. Around the creation of a file that is opened with it, until the file is open or the creation has failed.
 * The result is for the _end. */
unsigned nameless_begin_making(struct nameless *nameless);
void nameless_end_making(struct nameless *nameless, unsigned making);

/* On the loop: holds no more inodes. Calls `stopped` once nothing is under way, perhaps from inside the call. */
void nameless_stop(struct nameless *nameless, void (*stopped)(void *argument), void *argument);

#endif
