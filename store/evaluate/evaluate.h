/*
 * evaluate.h: evaluates requests on the leader. The outcome is a proposal, or an answer that logs nothing.
 *
 *   queued -> evaluated on the loop, with the cache tier -> mutations: proposed; the ProposalQueue answers
 *                                                        -> no mutations: confirmed as a read, then answered
 *             a row is not in memory: parked             -> a worker fetches the data -> queued again, in front
 *             data missing after three fetches           -> a worker evaluates it, the region's other requests wait
 *
 * Urgent requests are evaluated first. Neither parked requests, nor a slow flush, nor the bytes that are proposed hold
 * them up: other regions wait for them, and perhaps what this region waits for.
 *
 * The order of requests is the order in which their evaluations succeed. A copy of a parked request joins it and shares
 * its answer. What the evaluator calls incomplete logs nothing, and is confirmed like any answer that logs nothing. A
 * parked request stays a reader of the block store, so that fetched units keep their content. A step-down answers all
 * requests.
 */
#ifndef RAFTKV_STORE_EVALUATE_EVALUATE_H
#define RAFTKV_STORE_EVALUATE_EVALUATE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/histogram.h"
#include "store/engines.h"
#include "store/evaluate/overlay.h"
#include "store/flush/kv_flush.h"
#include "store/requests.h"
#include "store/rows/rows.h"

struct evaluator;

#define EVALUATION_MISSES_MAX	 3
#define EVALUATIONS_QUEUED_MAX	 65536 /* writes of one region waiting to be evaluated, of either queue */
#define EVALUATIONS_PARKED_MAX	 256
#define EVALUATIONS_PENDING_SIZE (64u << 20) /* bytes proposed and not applied, from which evaluation waits */

/* Of all replicas of one loop, for raftkv_stats. */
struct evaluation_figures {
	_Atomic uint64_t writes; /* logged writes */
	_Atomic uint64_t parked; /* evaluations parked for a row that was not in memory */
	_Atomic uint64_t throttled; /* evaluations held back because flushing lags behind its limits */
	struct histogram proposing, committing, applying; /* durations of the stages of a change */
};

struct evaluation_host;

/* Requests in order. Zero is empty. */
struct evaluation_queue {
	struct raftkv_write *first;
	struct raftkv_write *last;
	uint32_t count;
};

/* The calls that a replica provides to its evaluations; on its loop. */
struct evaluation_host_ops {
	/* The leader's term once it has applied an entry of that term; 0: it may not evaluate. */
	uint64_t (*serving_term)(const struct evaluation_host *host);
	/* Whether the lease is valid: no other replica can lead now. */
	bool (*has_lease)(const struct evaluation_host *host);
	/* The leader's store; 0: unknown. */
	uint64_t (*leader_store)(const struct evaluation_host *host);
	/* Proposes the entry and fills in its term and index. STATUS_PROPOSAL_DROPPED: the replica no longer leads. */
	int (*propose)(struct evaluation_host *host, struct raft_entry *entry);
	/* Joins the next ReadIndex round. `request->done` is called later, or at once with an error. */
	void (*confirm)(struct evaluation_host *host, struct read_index_request *request);
	/* Requests are still queued: evaluate_queued must be called again in another turn of the loop. */
	void (*mark)(struct evaluation_host *host);
	/* Work has come back from a worker: the replica must be processed, or may now be destroyed. */
	void (*came_back)(struct evaluation_host *host);
};

/* The replica that evaluates. The parts belong to it and outlive the evaluations. */
struct evaluation_host {
	const struct evaluation_host_ops *ops;
	struct engines *engines;
	struct kv_flush *flush;
	struct evaluator *evaluator;
	struct env_loop *loop;
	struct evaluation_figures *figures;
	const struct region *region;
	const struct apply_state *applied; /* the state that is visible */
	struct proposal_queue *proposals; /* proposed and not answered */
	struct payload_list *payloads; /* payloads of proposed, unapplied entries */
};

/* Zero, with a host, is empty. */
struct evaluations {
	struct evaluation_host host;
	struct overlay overlay; /* effects of proposed, unapplied entries */
	struct evaluation_queue urgent; /* requests to evaluate (raftkv_write.is_urgent) */
	struct evaluation_queue ordinary; /* the others, when there are no urgent ones */
	uint32_t parked_count;
	struct evaluation_task *parked;
	struct evaluation_task *exclusive; /* runs on a worker and uses the overlay */
	bool drop_overlay; /* the leadership ended while `exclusive` ran */
	/* No evaluation until this index is applied, because the overlay lacks an entry. */
	uint64_t hold_index;
	uint64_t pending_size; /* bytes proposed and not yet applied */
	uint64_t committed; /* env_now: when the entries that are being answered were found to be committed */
};

/* Are requests queued? */
static inline bool evaluate_has_queued(const struct evaluations *evaluations)
{
	return evaluations->urgent.first || evaluations->ordinary.first;
}

/* Queues a request for evaluate_queued. */
void evaluate_queue(struct evaluations *evaluations, struct raftkv_write *write);
/* Evaluates queued requests as far as is possible now. */
void evaluate_queued(struct evaluations *evaluations);
/* Entries up to `index` are visible; they were found to be committed at `committed` (env_now). */
void evaluate_on_applied(struct evaluations *evaluations, uint64_t index, uint64_t committed);
/* The replica no longer leads, or the store stops: answers the requests that were not proposed with `status`. */
void evaluate_fail(struct evaluations *evaluations, int status);
bool evaluate_is_quiet(const struct evaluations *evaluations); /* no evaluation is on a worker */
/* Frees everything but the host, without answering. */
void evaluate_close(struct evaluations *evaluations);

/* Answers a request and the copies that joined it. `reply` is borrowed. */
void evaluate_finish(struct raftkv_write *write, int status, struct buf *reply);

#endif
