/*
 * transactions.h: the changes of mounts, those that need several regions too: two-phase commit, coordinated by the
 * leader of the anchor's region (fs/schema/intent.h; namespace.md § Operations across regions).
 *
 *   a change is evaluated in its region (raftkv_async_write) -> done: nearly always
 *     STATUS_INCOMPLETE, LACKS_ENDS: intents are in its way -> waits for their end, and is evaluated again
 *     STATUS_INCOMPLETE, else: begins an attempt:
 *         OP_TRANSACT -> LACKS_ROWS: asks the other regions for them (QUESTION_ROWS), and again
 *                     -> LACKS_INTENTS: OP_PREPARE in the other regions, in parallel, and again
 *                     -> done: answers the mount; OP_RESOLVE in the other regions; OP_TRANSACT_END
 *         anything else: takes its intents away again, and begins another attempt, of the same age
 *
 * An attempt is in memory alone until it commits. A leader of a later term does not know it; so it is over, and the
 * mount's retry begins another. A copy of a request joins the attempt that is under way.
 *
 * A sweeper looks every SWEEP_MS for intents and committed records in the regions that this store leads, asks what has
 * become of their attempts, and resolves what has no attempt here.
 *
 * All on one loop.
 */
#ifndef RAFTKV_FS_TRANSACT_TRANSACTIONS_H
#define RAFTKV_FS_TRANSACT_TRANSACTIONS_H

#include "fs/client/dispatcher.h"
#include "fs/schema/intent.h"
#include "store/raftkv.h"

#define TRANSACTIONS_WAITING_MAX 256u /* changes that wait for the end of an attempt; then STATUS_LIMIT */
#define SWEEP_MS		 2000u

struct transactions;

struct transactions_options {
	struct env_loop *loop;
	/* Shared: the objects below outlive the transactions. */
	struct raftkv *raftkv;
	struct dispatcher *peers; /* reaches the leader of any region; on the same loop */
	const struct logger *logger;
};

/* A change. Its maker embeds it, and gets it back with `done`. */
struct transactions_change {
	/* In: all fields that the maker of a raftkv_write sets; `done` and `loop` are the transactions'. */
	struct raftkv_write write;
	uint64_t asked; /* ns since the epoch: when the mount asked first (struct intent_age) */
	/* As raftkv_write's, once, perhaps from inside transactions_write; hints of an error are in `write`.
	 * STATUS_INCOMPLETE never comes. */
	void (*done)(struct transactions_change *change, int status, struct buf *reply);
	/* The transactions': */
	struct transactions *transactions;
	struct transactions_change *prev, *next;
	struct transactions_change *joined;
	struct attempt_state *state;
	struct intent_age age;
	bool is_prepare, is_resolve; /* OP_PREPARE, OP_RESOLVE, */
	struct attempt step; /* of this attempt */
	struct buf *lack; /* while it waits: what for */
	uint64_t begun; /* env_now */
	uint32_t tries; /* attempts that were followed by a pause */
};

/* NULL: no memory. */
struct transactions *transactions_new(const struct transactions_options *options);
void transactions_start(struct transactions *transactions);
/* Changes end with STATUS_STOPPING. `stopped` may come from inside the call. Before the dispatcher and the store stop. */
void transactions_stop(struct transactions *transactions, void (*stopped)(void *argument), void *argument);
void transactions_free(struct transactions *transactions); /* stopped, or never started; may be NULL */

void transactions_write(struct transactions *transactions, struct transactions_change *change);

/* What becomes of an attempt, for QUESTION_ATTEMPTS: called after `snapshot` of the region that has the anchor was
 * taken by the leader (not by a follower); `term` is the leader's, before the snapshot. */
int transactions_verdict(struct transactions *transactions, struct view *snapshot, uint64_t region,
	uint64_t term, const struct attempt *attempt, enum attempt_verdict *verdict);

/* The oldest intent that a region led here still has, for raftkv health: its age in ns; 0: none is older than a round
 * of the sweeper. */
struct transactions_oldest {
	uint64_t age;
	uint64_t region; /* that has the intent */
	struct attempt attempt;
};
void transactions_oldest(const struct transactions *transactions, struct transactions_oldest *oldest);

/* An OP_PREPARE that waits here: an attempt of an operation of that age waits for the end of another attempt. */
struct transactions_wait {
	struct intent_age age;
	struct attempt waiting, awaited;
};
void transactions_each_wait(const struct transactions *transactions,
	void (*each)(void *argument, const struct transactions_wait *wait), void *argument);

#endif
