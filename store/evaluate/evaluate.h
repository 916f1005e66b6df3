/*
 * evaluate.h: how a leader turns requests into proposals, or into answers that log nothing.
 *
 *   queued -> evaluated on the loop, with the cache tier -> mutations: proposed; the ProposalQueue answers
 *                                                        -> no mutations: confirmed as a read, then answered
 *             a row is not in memory: parked             -> a worker fetches what it needs -> queued again, in front
 *             missed three times                         -> a worker evaluates it while the region's evaluation waits
 *
 * Order is decided when an evaluation succeeds. A copy of a parked request joins it. What is parked keeps its place
 * among the block store's readers, so that fetched units stay what they are. Step-down answers everything.
 */
#ifndef RAFTKV_STORE_EVALUATE_EVALUATE_H
#define RAFTKV_STORE_EVALUATE_EVALUATE_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct peer;
struct evaluation;
struct raftkv_write;

#define EVALUATION_MISSES_MAX	 3
#define EVALUATIONS_QUEUED_MAX	 65536 /* writes of one region waiting to be evaluated */
#define EVALUATIONS_PARKED_MAX	 256
#define EVALUATIONS_PENDING_SIZE (64u << 20) /* bytes proposed and not applied, from which evaluation waits */

/* Zero is empty. */
struct evaluations {
	struct raftkv_write *first; /* to be evaluated */
	struct raftkv_write *last;
	uint32_t queued_count;
	uint32_t parked_count;
	struct evaluation *parked;
	struct evaluation *exclusive; /* on a worker, with the overlay in its hands */
	bool drop_overlay; /* the leadership ended meanwhile */
	uint64_t hold_index; /* the overlay misses an entry: wait until this is applied */
	uint64_t pending_size; /* bytes proposed and not yet applied */
};

/* Takes a request; it is evaluated when the peer is processed. */
void evaluate_queue(struct peer *peer, struct raftkv_write *write);
/* Evaluates what may be evaluated now. */
void evaluate_queued(struct peer *peer);
/* Entries up to `index` are visible. */
void evaluate_on_applied(struct peer *peer, uint64_t index);
/* The peer leads no more, or the store stops: answers what was not proposed with `status`. */
void evaluate_fail(struct peer *peer, int status);
bool evaluate_is_quiet(const struct peer *peer); /* nothing on a worker */
/* Frees without answering. */
void evaluate_close(struct peer *peer);

/* Answers a request, and those that joined it. `reply` is borrowed. */
void evaluate_finish(struct raftkv_write *write, int status, struct buf *reply);

#endif
