/* One attempt of a change, and the functions that the two files of the attempts share (transactions_internal.h). */
#ifndef RAFTKV_FS_TRANSACT_ATTEMPT_H
#define RAFTKV_FS_TRANSACT_ATTEMPT_H

#include "fs/transact/transactions_internal.h"

/* A change's attempts, of which there is one at a time. */
struct attempt_state {
	struct attempt_state *prev, *next;
	struct transactions *transactions;
	struct transactions_change *change;
	struct attempt attempt; /* its name */
	bool is_entered; /* in the table */
	uint64_t wall, random[2]; /* of the operation */
	struct writer facts, wanted; /* lists: what it knows, and what it has asked for */
	/* LACKS_CHECK: the facts from before, and the op_reply that they lead to (NULL: none does). */
	struct buf *checked, *answer;
	bool is_answered; /* the answer is right */
	struct buf
		*intents; /* a list: those that are prepared, and those that are being prepared; NULL: none */
	size_t prepared_size; /* bytes of the list that are prepared */
	bool has_tree; /* INTENT_TREE is being prepared */
	int status; /* the first error of a request */
	struct peer_calls calls;
	struct env_timer rest; /* before the next attempt */
	bool is_in_store; /* `write` is */
	bool is_retry; /* the change is one, or has been joined by one */
	struct raftkv_write write; /* OP_TRANSACT */
};

/* ---- attempts.c ---- */

/* Has the store evaluate OP_TRANSACT, with what the attempt knows and has prepared. */
void attempt_evaluate(struct attempt_state *state);
/* The attempt is over, and the change ends with that status. */
void attempt_fail(struct attempt_state *state, int status);
/* The attempt is over, and another one begins, if there is time; not before its intents are gone, because they would be
 * in the way. */
void attempt_again(struct attempt_state *state);
/* The operation is done. Of an attempt with intents it is not known whether this one did it: the operation may have
 * needed none in the end. */
void attempt_succeed(struct attempt_state *state, struct buf *reply);
void attempt_drop_facts(struct attempt_state *state);
void attempt_drop_answer(struct attempt_state *state);

/* ---- attempt_peers.c ---- */

/* Asks other regions for the wanted rows of the list, and then evaluates. */
void attempt_ask(struct attempt_state *state, struct slice list);
/* Asks for all rows again, to see whether the op_reply is right to which they led (LACKS_CHECK). */
void attempt_check(struct attempt_state *state, struct slice reply);
/* Has other regions prepare the intents of the list, which begins with what is prepared, and then evaluates. If it does
 * not, the attempt is over. */
void attempt_prepare(struct attempt_state *state, struct slice list);

#endif
