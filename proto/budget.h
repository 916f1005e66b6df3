/*
 * budget.h: how much memory the links of one kind may take together.
 *
 * What is received: a link claims the whole of a frame before it takes in more than a little of it, and stops reading
 * until it has its turn. Who has a claim needs no other one to come to the end of its frame, so that nobody waits for
 * somebody who waits. The smallest claims are granted first: those are many, and soon done. What is sent is only counted: its owner decides who has too much.
 *
 * All on one loop.
 */
#ifndef RAFTKV_PROTO_BUDGET_H
#define RAFTKV_PROTO_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUDGET_WAITING_MAX 256u /* claims */

struct budget_claim {
	/* The owner's, in: */
	void (*granted)(
		struct budget_claim *claim); /* of one that waited; may come from inside of budget_release */
	/* The budget's; zero: nothing is claimed. */
	size_t size; /* bytes */
	bool is_waiting;
	struct budget_claim *next, **self;
};

struct budget {
	size_t size_max; /* bytes that may be claimed at once: at least what the largest claim is */
	size_t size; /* that are */
	struct budget_claim *first; /* those who wait, in order */
	uint32_t waiting_count;
	size_t sending; /* bytes that wait to be sent */
};

void budget_init(struct budget *budget, size_t size_max);
/* 0: it is granted, or waits and will be; STATUS_LIMIT: too many wait. */
int budget_claim(struct budget *budget, struct budget_claim *claim, size_t size);
/* Gives back what a claim that was granted needs no more. */
void budget_shrink(struct budget *budget, struct budget_claim *claim, size_t size);
void budget_release(struct budget *budget, struct budget_claim *claim); /* in whatever state it is */

#endif
