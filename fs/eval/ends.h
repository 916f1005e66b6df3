/*
 * ends.h: what an evaluation waits for: the end of attempts that have intents (fs/schema/intent.h) about what it wants
 * to change. Their outcome is not known here.
 */
#ifndef RAFTKV_FS_EVAL_ENDS_H
#define RAFTKV_FS_EVAL_ENDS_H

#include "fs/eval/evaluation.h"

enum ends_of {
	ENDS_OF_ALL, /* intents about the inode, whatever they are */
	ENDS_OF_PLACE, /* those that move or remove the directory */
	ENDS_OF_NAME, /* those about one row */
	ENDS_OF_LINKS, /* those that change the count of links */
};

/* 0: there are none of other attempts. STATUS_INCOMPLETE: those attempts are in `ends`. `key` is that of the row, and
 * else empty. INTENT_TREE hinders only moves of directories, which have their own. */
int ends_await(struct evaluation *evaluation, uint64_t ino, enum ends_of what, struct slice key);
/* The evaluation is to be tried again when the attempt has ended. Returns STATUS_INCOMPLETE. */
int ends_add(struct evaluation *evaluation, const struct attempt *attempt);

/* Calls for each intent about the inode, in the order of their attempts. 0; what the callback returned, if that is not 0;
 * or a failure. */
typedef int (*ends_intent_cb)(void *argument, struct slice key, const struct intent_record *record);
int ends_each_intent(struct evaluation *evaluation, uint64_t ino, ends_intent_cb intent, void *argument);

#endif
