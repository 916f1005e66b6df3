/*
 * inquiry.h: asks the leaders of the anchors' regions what has become of attempts (fs/schema/intent.h), by
 * QUESTION_ATTEMPTS.
 *
 * "Over" is true of an attempt that never commits, and of one that has committed and whose intents were all resolved
 * meanwhile. So whoever read an intent before it asked looks whether the intent is still there: if it is, the attempt
 * had not committed when the answer was given. "Pending" says that it had not committed, either.
 *
 * Embedded in its owner. On the loop of the dispatcher.
 */
#ifndef RAFTKV_FS_TRANSACT_INQUIRY_H
#define RAFTKV_FS_TRANSACT_INQUIRY_H

#include "fs/client/dispatcher.h"
#include "fs/schema/intent.h"

#define INQUIRY_ATTEMPTS_MAX 256u

struct inquiry_part;

struct inquiry {
	/* The owner's, in: */
	struct dispatcher *peers;
	uint64_t limit; /* ns; then the rest is unknown: -ETIMEDOUT */
	void (*done)(struct inquiry *inquiry, int status);
	/* In and out, in the order in which they were added: */
	uint32_t count;
	struct attempt attempts[INQUIRY_ATTEMPTS_MAX];
	uint8_t verdicts[INQUIRY_ATTEMPTS_MAX]; /* enum attempt_verdict, when `done` gets 0 */
	/* Private: */
	struct inquiry_part *parts;
	uint32_t waiting;
	int status;
};

/* The index of the attempt, which is added if it is not there; INQUIRY_ATTEMPTS_MAX: no room. */
uint32_t inquiry_add(struct inquiry *inquiry, const struct attempt *attempt);
/* `count` > 0. 0: `done` comes later, never from inside the call; -ENOMEM, STATUS_LIMIT. */
int inquiry_start(struct inquiry *inquiry);
/* Ends it: `done` comes from inside the call, with that status. */
void inquiry_give_up(struct inquiry *inquiry, int status);

#endif
