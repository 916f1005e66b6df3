/*
 * strays.h: intents in regions that this store leads, whose attempts nobody here goes on with: asks the anchors' leaders
 * what has become of the attempts (inquiry.h), and resolves the intents of those that are over or have committed.
 *
 * "Over" is said of an attempt that never commits, or of one whose intents were all resolved meanwhile: to take away what
 * is still there is right both times. Owned by the sweeper, on its loop.
 */
#ifndef RAFTKV_FS_TRANSACT_STRAYS_H
#define RAFTKV_FS_TRANSACT_STRAYS_H

#include "fs/transact/transactions.h"

#define STRAYS_ASKED_MAX 64u /* questions under way; what finds no room is found again in the next round */

struct strays_question; /* private */

/* Zero, with `transactions`, is empty. */
struct strays {
	struct transactions *transactions;
	struct strays_question *questions;
	uint32_t count;
};

/* The attempt's intents at `places` (shared) in the region. Asked with strays_ask. */
void strays_add(struct strays *strays, uint64_t region, const struct attempt *attempt, struct buf *places);
void strays_ask(struct strays *strays);
void strays_stop(struct strays *strays);

#endif
