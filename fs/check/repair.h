/*
 * repair.h: makes the fixes of the problems that a check has found, through the store's normal write path: each fix is
 * evaluated, logged and applied like any operation, so that a crash in the middle loses nothing.
 *
 * fix.c knows what a fix does to rows. repair.c opens the store, which must not be open elsewhere (the caller closes
 * the inspection first), and proposes one fix after the other.
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
	/* Called before each fix; false: the fix is not made. NULL: all fixes are made. */
	bool (*wants)(void *argument, const struct problem *problem);
	void *argument;
};

/* Sets `is_fixed` of each fixed problem, and counts them in `*fixed`. A fix that fails is
 * skipped. A negative status, with a sentence: the store does not open, or takes no more fixes. Blocks. */
int repair_run(
	const struct repair_options *options, struct report *report, uint64_t *fixed, struct status *status);

/* ---- fix.c ---- */

/* The evaluator of the store under repair: it knows the two bodies below. */
struct evaluator *fix_evaluator(void);
/* The caller gets the reference; NULL: out of memory. `directory`: ino of /lost+found, for FIX_ADOPT. */
struct buf *fix_encode(const struct fix *fix, uint64_t directory);
/* As fix_encode. Makes /lost+found unless the name exists. */
struct buf *fix_encode_lost_and_found(void);
/* Decodes the reply to either: the error in it (0 or -errno), or STATUS_MALFORMED. `*ino` is that of /lost+found. */
int fix_decode_reply(struct slice reply, uint64_t *ino);

#endif
