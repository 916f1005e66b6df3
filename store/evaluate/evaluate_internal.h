/*
 * evaluate_internal.h: shared by the files of evaluate/: evaluate.c has the queue of a region, evaluation.c one
 * evaluation, propose.c the use of its outcome, park.c requests that need data that is not in memory. On the replica's
 * loop, except evaluation_run.
 */
#ifndef RAFTKV_STORE_EVALUATE_EVALUATE_INTERNAL_H
#define RAFTKV_STORE_EVALUATE_EVALUATE_INTERNAL_H

#include "proto/env.h"
#include "store/evaluate/evaluate.h"
#include "store/evaluate/evaluator.h"
#include "store/rows/unit_cache.h"

/* ---- What the replica does (evaluation_host_ops) ---- */

static inline uint64_t host_serving_term(const struct evaluation_host *host)
{
	return host->ops->serving_term(host);
}

static inline bool host_has_lease(const struct evaluation_host *host)
{
	return host->ops->has_lease(host);
}

static inline uint64_t host_leader_store(const struct evaluation_host *host)
{
	return host->ops->leader_store(host);
}

static inline int host_propose(struct evaluation_host *host, struct raft_entry *entry)
{
	return host->ops->propose(host, entry);
}

static inline void host_confirm(struct evaluation_host *host, struct read_index_request *request)
{
	host->ops->confirm(host, request);
}

static inline void host_mark(struct evaluation_host *host)
{
	host->ops->mark(host);
}

static inline void host_came_back(struct evaluation_host *host)
{
	host->ops->came_back(host);
}

/* ---- One evaluation ---- */

/* The input of an evaluation. It holds references, so that a worker can continue after the request was answered. */
struct row_question {
	struct evaluator *evaluator;
	struct eval_input input;
	struct buf *body;
	uint32_t slot;
	uint64_t sequence;
	bool is_retry;
};

/* The result of an evaluation. */
struct outcome {
	int status; /* the evaluation's own status */
	int answer; /* the caller's status, once the mutations are applied or the outcome is confirmed */
	struct mutations mutations;
	struct buf *reply;
	uint64_t seen;
};

/* A parked request: it needs data that is not in memory. */
struct evaluation_task {
	struct evaluation_task *next; /* parked */
	struct env_work work;
	struct evaluations *evaluations;
	struct raftkv_write *write; /* NULL: answered meanwhile */
	struct row_question question;
	struct region
		range; /* of the region, when it was parked: id and bounds. The region may be split meanwhile */
	uint64_t term;
	uint32_t misses;
	bool is_working;
	struct unit_cache units;
	struct blocks_reader reader;
	struct outcome outcome; /* filled in by a worker that evaluated it */
};

/* ---- evaluation.c ---- */

void question_init(
	struct row_question *question, struct evaluations *evaluations, const struct raftkv_write *write);
void question_close(struct row_question *question);
void outcome_close(struct outcome *outcome);
/* Pure except for the view. Runs on the loop or on a worker. */
void evaluation_run(struct view *view, const struct row_question *question, struct outcome *outcome);
/* The engine_view below the overlay. `units` may be NULL. */
struct engine_view evaluation_engine(
	struct evaluations *evaluations, bool may_block, struct unit_cache *units);

/* ---- evaluate.c ---- */

/* Answers with the reply that was kept in the request while it was proposed or being confirmed. */
void evaluate_finish_kept(struct raftkv_write *write, int status);
/* Puts the request back at the front of the queue. */
void evaluate_queue_first(struct evaluations *evaluations, struct raftkv_write *write);

/* ---- propose.c ---- */

/* Proposes the mutations, or confirms an outcome without any; the answer follows. Takes parts of `outcome`. */
void evaluate_conclude(struct evaluations *evaluations, struct raftkv_write *write, struct outcome *outcome);

/* ---- park.c ---- */

/* Parks the request while a worker fetches the missing data. */
void evaluate_park(struct evaluations *evaluations, struct raftkv_write *write);
/* Joins a copy to its parked request, whose answer it shares. If the copy is a retry, the parked request becomes one.
 * False: there is no such request. */
bool evaluate_join(struct evaluations *evaluations, struct raftkv_write *write);
void evaluation_free(struct evaluation_task *evaluation);

#endif
