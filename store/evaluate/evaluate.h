/*
 * evaluate.h: how a leader turns requests into proposals, or into answers that log nothing.
 *
 *   queued -> evaluated on the loop, with the cache tier -> mutations: proposed; the ProposalQueue answers
 *                                                        -> no mutations: confirmed as a read, then answered
 *             a row is not in memory: parked             -> a worker fetches what it needs -> queued again, in front
 *             missed again after EVALUATION_MISSES_MAX   -> a worker evaluates it while the region's evaluation waits
 *             fetches
 *
 * Order is decided when an evaluation succeeds. A copy of a parked request joins it. What is parked keeps its place
 * among the block store's readers, so that fetched units stay what they are. Step-down answers everything.
 */
#ifndef RAFTKV_STORE_EVALUATE_EVALUATE_H
#define RAFTKV_STORE_EVALUATE_EVALUATE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/histogram.h"
#include "store/engines.h"
#include "store/evaluate/overlay.h"
#include "store/flush/flush.h"
#include "store/requests.h"
#include "store/rows/rows.h"

struct evaluator;

#define EVALUATION_MISSES_MAX	 3
#define EVALUATIONS_QUEUED_MAX	 65536 /* writes of one region waiting to be evaluated */
#define EVALUATIONS_PARKED_MAX	 256
#define EVALUATIONS_PENDING_SIZE (64u << 20) /* bytes proposed and not applied, from which evaluation waits */

/* Of all replicas of one loop, for raftkv_stats. */
struct evaluation_figures {
	_Atomic uint64_t writes; /* that were logged */
	_Atomic uint64_t parked; /* for a row that was not in memory */
	_Atomic uint64_t throttled; /* held back because flushing lags the log's limit */
	struct histogram proposing, committing, applying; /* the stages of a change */
};

struct evaluation_host;

/* What a replica does for its evaluations; on its loop. */
struct evaluation_host_ops {
	/* The term that it leads in, once everything before that has been applied; 0: it may not evaluate. */
	uint64_t (*serving_term)(const struct evaluation_host *host);
	/* No other replica can lead now. */
	bool (*has_lease)(const struct evaluation_host *host);
	/* The store where the leader is, as far as is known; 0: it is not. */
	uint64_t (*leader_store)(const struct evaluation_host *host);
	/* Appends the entry to the log, as leader, and fills in its term and index. STATUS_PROPOSAL_DROPPED: it does not
	 * lead any more. */
	int (*propose)(struct evaluation_host *host, struct raft_entry *entry);
	/* Joins the next ReadIndex round; `request->done` comes, with an error perhaps at once. */
	void (*confirm)(struct evaluation_host *host, struct read_index_request *request);
	/* There is more to evaluate: evaluate_queued is to be called again, in another turn of the loop. */
	void (*mark)(struct evaluation_host *host);
	/* Something came back from a worker: the replica is to be processed, or may go now. */
	void (*came_back)(struct evaluation_host *host);
};

/* The replica that evaluates, as it shows itself; the parts are its own and outlive the evaluations. */
struct evaluation_host {
	const struct evaluation_host_ops *ops;
	struct engines *engines;
	struct flush *flush;
	struct evaluator *evaluator;
	struct env_loop *loop;
	struct evaluation_figures *figures;
	const struct region *region;
	const struct apply_state *applied; /* what is visible */
	struct proposal_queue *proposals; /* what is proposed and not answered */
	struct payload_list *payloads; /* of what is proposed and not applied */
};

/* Zero, but for the host, is empty. */
struct evaluations {
	struct evaluation_host host;
	struct overlay overlay; /* over what is visible */
	struct raftkv_write *first; /* to be evaluated */
	struct raftkv_write *last;
	uint32_t queued_count;
	uint32_t parked_count;
	struct evaluation_task *parked;
	struct evaluation_task *exclusive; /* on a worker, with the overlay in its hands */
	bool drop_overlay; /* the leadership ended meanwhile */
	uint64_t hold_index; /* the overlay misses an entry: wait until this is applied */
	uint64_t pending_size; /* bytes proposed and not yet applied */
	uint64_t committed; /* env_now: of the entries whose proposals are being answered */
};

/* Takes a request; it is evaluated by evaluate_queued. */
void evaluate_queue(struct evaluations *evaluations, struct raftkv_write *write);
/* Evaluates what may be evaluated now. */
void evaluate_queued(struct evaluations *evaluations);
/* Entries up to `index` are visible, and were known to be committed at `committed` (env_now). */
void evaluate_on_applied(struct evaluations *evaluations, uint64_t index, uint64_t committed);
/* The replica leads no more, or the store stops: answers what was not proposed with `status`. */
void evaluate_fail(struct evaluations *evaluations, int status);
bool evaluate_is_quiet(const struct evaluations *evaluations); /* nothing on a worker */
/* Frees without answering; the host stays. */
void evaluate_close(struct evaluations *evaluations);

/* Answers a request, and those that joined it. `reply` is borrowed. */
void evaluate_finish(struct raftkv_write *write, int status, struct buf *reply);

#endif
