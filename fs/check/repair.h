/*
 * repair.h: does what the problems of a check say is sure to be right, through the store's normal write path: each fix
 * is evaluated, logged and applied like any operation, so that a crash in the middle loses nothing.
 *
 * fix.c knows what a fix does to rows; repair.c opens the store, which nobody else may have open (the inspection is
 * closed before), and hands it one fix after the other.
 */
#ifndef RAFTKV_FS_CHECK_REPAIR_H
#define RAFTKV_FS_CHECK_REPAIR_H

#include "fs/check/report.h"
#include "proto/env.h"
#include "store/evaluate/evaluator.h"

struct repair_options {
	struct env *env;
	const struct logger *logger;
	const char *path;
	/* Asked before each fix; false: leave it. May be NULL: all. */
	bool (*wants)(void *argument, const struct problem *problem);
	void *argument;
};

/* Sets `is_fixed` of what it has fixed, and counts those. An error, with a sentence, when the store does not open or
 * stops; a fix that cannot be made is only left. Blocks. */
int repair_run(
	const struct repair_options *options, struct report *report, uint64_t *fixed, struct status *status);

/* ---- fix.c ---- */

/* The operations that the repairing store knows: fixes, and those of eval.h. */
struct evaluator *fix_evaluator(void);
/* `directory`: ino of /lost+found, for FIX_ADOPT. NULL: out of memory. */
struct buf *fix_encode(const struct fix *fix, uint64_t directory);
/* Makes /lost+found unless there is something of that name. */
struct buf *fix_encode_lost_and_found(void);
/* The reply of either: 0, -errno; `ino` is that of /lost+found. STATUS_MALFORMED. */
int fix_decode_reply(struct slice reply, uint64_t *ino);

#endif
