/*
 * transactions_internal.h: the structs and the functions that the files of the transactions share (transactions.h).
 *
 *   transactions.c   changes: to the store, into a wait, into an attempt, and to their end
 *   attempts.c       one change's attempts, one after another, up to the commit; attempt_peers.c asks other regions
 *   resolutions.c    what follows: each intent of an attempt is resolved
 *   sweeper.c        intents and committed records that have been left; strays.c asks about the intents
 */
#ifndef RAFTKV_FS_TRANSACT_TRANSACTIONS_INTERNAL_H
#define RAFTKV_FS_TRANSACT_TRANSACTIONS_INTERNAL_H

#include "fs/transact/attempt_table.h"
#include "fs/transact/peer_calls.h"
#include "fs/transact/sweeper.h"
#include "fs/transact/transactions.h"
#include "proto/units.h"

#define TRANSACTIONS_LIMIT_NS	  (10 * NS_PER_S) /* of a change; then its mount asks again */
#define TRANSACTIONS_ATTEMPTS_MAX 1024u /* changes with attempts; then STATUS_LIMIT */
#define PEER_LIMIT_NS		  (4 * NS_PER_S) /* of a question, and of OP_PREPARE */
#define RESOLVE_LIMIT_NS	  (10 * NS_PER_S) /* of OP_RESOLVE; then the sweeper goes on */

struct attempt_state;
struct resolution;

struct transactions {
	struct transactions_options options;
	struct env *env;
	struct attempt_table table;
	uint64_t number; /* of the last attempt */
	struct transactions_change *waiting; /* the oldest first */
	uint32_t waiting_count;
	struct attempt_state *attempts;
	uint32_t attempt_count;
	struct resolution *resolutions;
	uint32_t resolution_count;
	struct sweeper *sweeper;
	uint32_t working_count; /* works on workers */
	bool is_stopping;
	bool is_sweeping; /* the sweeper has not stopped */
	void (*stopped)(void *argument);
	void *stopped_argument;
};

/* ---- transactions.c ---- */

/* Ends the change and those that joined it. It has no attempt, and does not wait. */
void transactions_finish(struct transactions_change *change, int status, struct buf *reply);
/* The change is evaluated again when an attempt has ended in its region. `lack`: LACKS_ENDS, as its evaluation said. */
void transactions_await(struct transactions_change *change, struct buf *lack);
/* An attempt has ended in the region: what waits there is evaluated again, the oldest first. */
void transactions_wake(struct transactions *transactions, uint64_t region);
/* Once in a round of the sweeper: what waits is evaluated again, and attempts of earlier terms are forgotten. */
void transactions_on_round(struct transactions *transactions);
/* A work has come back, which was counted in `working_count`. */
void transactions_on_worked(struct transactions *transactions);
struct intent_age transactions_age(const struct transactions_change *change);
/* Over TRANSACTIONS_LIMIT_NS; an OP_PREPARE: over PEER_LIMIT_NS, after which nobody waits for its answer. */
bool transactions_is_late(const struct transactions_change *change);
/* The region that has the inode, as far as this store knows; 0: none. */
uint64_t transactions_find_region(
	const struct transactions *transactions, uint64_t ino, struct region_epoch *epoch);

/* ---- attempts.c ---- */

/* Begins the attempts of a change, which end with transactions_finish or transactions_wait. `lack`: of rows or intents,
 * as its evaluation said. */
void attempts_begin(struct transactions_change *change, const struct lack *lack);
/* The change that is a request of the same slot and sequence number, and has attempts; NULL: none. */
struct transactions_change *attempts_find(
	const struct transactions *transactions, const struct raftkv_write *write);
/* A copy of the request has joined the change. */
void attempts_on_joined(struct transactions_change *change, const struct raftkv_write *copy);
/* Each change with attempts ends with STATUS_STOPPING, now or when the store lets it go. */
void attempts_stop(struct transactions *transactions);

/* ---- resolutions.c ---- */

enum resolution_kind {
	RESOLUTION_ROLLS_BACK, /* the attempt is over */
	RESOLUTION_LOOKS, /* has it committed? Its outcome is definite */
	RESOLUTION_COMMITS, /* it has committed */
};

/* Resolves the intents of an attempt that the table has, and then takes it out of the table. `places` is shared. `done`
 * (NULL: nobody waits for it) comes once, perhaps from inside the call, and not when the transactions stop. */
void resolutions_begin(struct transactions *transactions, const struct attempt *attempt,
	enum resolution_kind kind, struct buf *places, void (*done)(void *argument), void *argument);
void resolutions_stop(struct transactions *transactions);

/* Calls `run` with an OP_RESOLVE for each dirid of the list; stops at the first error, and returns it. */
int resolutions_each(const struct attempt *attempt, bool is_committed, struct slice places,
	int (*run)(void *argument, const struct op *op), void *argument);

#endif
