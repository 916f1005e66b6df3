/*
 * budget.h: a limit on the memory that a group of links takes together.
 *
 * Received bytes are claimed: a link claims the whole of a frame before it takes in more than a little of it, and stops
 * reading until the claim is granted. A granted claim is enough to receive the frame to its end, so no link that holds
 * a claim waits for another one. The smallest claims are granted first: they are many, and soon released. Bytes that
 * wait to be sent are only counted; the budget's owner decides which link has too many.
 *
 * All calls and callbacks are on one loop.
 */
#ifndef RAFTKV_PROTO_BUDGET_H
#define RAFTKV_PROTO_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUDGET_WAITING_MAX 256u /* claims */

struct budget_claim {
	/* Set by the owner: called when a claim that waited is granted, perhaps from inside of budget_release or
	 * budget_shrink. */
	void (*granted)(struct budget_claim *claim);
	/* The budget's; zero: nothing is claimed. */
	size_t size; /* bytes */
	bool is_waiting;
	struct budget_claim *next, **self;
};

struct budget {
	size_t size_max; /* bytes that may be claimed at once; no claim is larger */
	size_t size; /* bytes of the granted claims */
	struct budget_claim *first; /* the waiting claims, the smallest first */
	uint32_t waiting_count;
	size_t sending; /* bytes that wait to be sent */
};

void budget_init(struct budget *budget, size_t size_max);
/* Claims `size` > 0 bytes. 0: granted, or waiting if `claim->is_waiting`. STATUS_LIMIT: too many claims wait. */
int budget_claim(struct budget *budget, struct budget_claim *claim, size_t size);
/* Reduces a claim, granted or waiting, to `size` bytes. */
void budget_shrink(struct budget *budget, struct budget_claim *claim, size_t size);
/* Gives up a claim in any state; nothing happens if there is none. */
void budget_release(struct budget *budget, struct budget_claim *claim);

#endif
