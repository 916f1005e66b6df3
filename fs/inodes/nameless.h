/*
 * nameless.h: what loses its last name on another mount while it is open here. The front asks (front_ask); CREATE says
 * when it makes a file.
 *
 * The cluster asks each mount about inodes that have no name any more (fs/cluster/coordinator.h), and lets them go when
 * it has an answer. Before this mount answers, those that are open here are held for its session (OP_HOLD; removed.h
 * has them then). A file that is just being made has no number yet that could be compared: the answer waits for those
 * makings that were under way.
 *
 * What is opened later has a name then, or is held before it is opened.
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
	/* Calls `visit` for each inode that is open here, or is being opened. */
	void (*each_open)(void *argument, void (*visit)(void *visitor, uint64_t ino), void *visitor);
	bool (*is_open)(void *argument, uint64_t ino);
	void *argument;
};

int nameless_new(const struct nameless_options *options, struct nameless **nameless);
void nameless_free(struct nameless *nameless); /* stopped, or never used; may be NULL */

/* On the loop, one at a time: about these inodes (ino_ranges.h, for the call). `answer`, perhaps inside the call: all
 * that are open here are held; or some may not be, and it must come again. */
void nameless_ask(struct nameless *nameless, struct slice inodes,
	void (*answer)(void *argument, bool are_kept), void *argument);

/* Any thread. A file is about to be made that will be open once it is there; _end: it is open, or will not be. */
unsigned nameless_begin_making(struct nameless *nameless);
void nameless_end_making(struct nameless *nameless, unsigned making);

/* On the loop: no more holds. `stopped` once nothing is under way, perhaps inside the call. */
void nameless_stop(struct nameless *nameless, void (*stopped)(void *argument), void *argument);

#endif
