/*
 * The ProposalQueue of a peer: the proposals that the leader has appended to its log and not yet answered, in log
 * order.
 *
 * A proposal is embedded in the request it belongs to. Positions (term, index) only grow. When an entry has been
 * applied, every proposal up to it is answered: the entry's own with the outcome, the others with STATUS_STALE_COMMAND.
 * Another leader's entry may have replaced those: the outcome is unknown, and the client repeats the request with the
 * same slot. Each `finish` is called exactly once. On the peer's loop.
 */
#ifndef RAFTKV_STORE_QUEUES_PROPOSALS_H
#define RAFTKV_STORE_QUEUES_PROPOSALS_H

#include <stddef.h>
#include <stdint.h>

struct proposal;
typedef void (*proposal_cb)(struct proposal *proposal, int status);

struct proposal {
	struct proposal *next; /* the queue's */
	uint64_t term;
	uint64_t index;
	uint64_t proposed; /* env_now: a lease counts from here */
	proposal_cb finish; /* may free the proposal */
};

/* Zero is the empty queue. */
struct proposal_queue {
	struct proposal *first;
	struct proposal *last;
	size_t count;
};

void proposal_queue_push(struct proposal_queue *queue, struct proposal *proposal);
/* When (term, index) was proposed (env_now); 0: not in the queue. */
uint64_t proposal_queue_time(const struct proposal_queue *queue, uint64_t term, uint64_t index);
/* The entry at (term, index) was applied with `status`. */
void proposal_queue_finish(struct proposal_queue *queue, uint64_t term, uint64_t index, int status);
/* Answers all with `status`. */
void proposal_queue_fail(struct proposal_queue *queue, int status);

#endif
