/*
 * peer_calls.h: several requests to the leaders of regions at once, and their common end (peers.h).
 *
 * Embedded in its owner, which adds requests, and then calls peer_calls_wait. `answered` comes for each request, and
 * `done` after the last one. On the dispatcher's loop.
 */
#ifndef RAFTKV_FS_TRANSACT_PEER_CALLS_H
#define RAFTKV_FS_TRANSACT_PEER_CALLS_H

#include "fs/client/dispatcher.h"
#include "fs/schema/op.h"
#include "fs/schema/question.h"

struct peer_call; /* private */

/* Zero, with the first group set, is empty; it may be used again after `done`. */
struct peer_calls {
	struct dispatcher *peers;
	uint64_t limit; /* ns, for each request */
	/* With status 0, of QUESTION_ROWS: `facts`, a list; of an operation: `reply`. Both are borrowed. It may call
	 * peer_calls_give_up, which then calls it for the others from inside. */
	void (*answered)(
		struct peer_calls *calls, int status, struct slice facts, const struct op_reply *reply);
	void (*done)(struct peer_calls *calls);
	/* Private: */
	struct peer_call *list;
	bool is_waiting;
	uint32_t depth; /* calls on the stack that end with peer_calls_leave */
};

/* 0; or an error: it was not asked, and `answered` does not come. */
int peer_calls_ask(struct peer_calls *calls, const struct wanted *wanted);
/* `is_once`: as cluster_request.h has it. */
int peer_calls_run(struct peer_calls *calls, const struct op *op, bool is_once);
/* True: `done` comes later. False: no request is under way, and it does not come. */
bool peer_calls_wait(struct peer_calls *calls);
/* Ends the requests under way: `answered` comes for each from inside the call. So does `done`, if it is awaited; where
 * `answered` calls this, it comes when that returns. */
void peer_calls_give_up(struct peer_calls *calls, int status);
/* The same without `answered` and `done`. */
void peer_calls_drop(struct peer_calls *calls);

#endif
