/*
 * tree_usage.h: counts what a tree takes (usage.h) that lies in several regions, for a QUESTION_VIRTUAL_XATTR. It asks one
 * region after the other for a run of the walk (QUESTION_USAGE), and takes what the answer has left to the region that has
 * it. A region that was split answers as far as it still goes.
 *
 * Every run sees a moment of its own. So the sum is exact for what does not change meanwhile; what is moved from one
 * directory to another may be counted twice or not at all, as by du(1).
 */
#ifndef RAFTKV_FS_CLIENT_TREE_USAGE_H
#define RAFTKV_FS_CLIENT_TREE_USAGE_H

#include "fs/client/dispatcher.h"
#include "fs/schema/question.h"

/* Of a run: so much that the request hardly counts, and so little that it neither keeps a worker for long nor often
 * meets intents. */
#define TREE_USAGE_ENTRIES_MAX 16384u
#define TREE_USAGE_NEWS_MAX    4096u

struct tree_usage;

struct tree_usage_options {
	struct dispatcher *dispatcher;
	/* Shared: they stay until `done`. virtual_xattr_is_usage holds for the question. */
	const struct question *question;
	struct finding *finding;
	uint64_t limit; /* ns that a run may take; 0: no limit */
	void (*done)(void *argument, int status); /* the tree_usage is gone; -ETIMEDOUT: over the limit */
	void *argument;
};

/* 0: `done` comes later. -ENOMEM. */
int tree_usage_start(const struct tree_usage_options *options, struct tree_usage **tree);
/* `done` comes from inside the call, with that status. */
void tree_usage_give_up(struct tree_usage *tree, int status);

#endif
