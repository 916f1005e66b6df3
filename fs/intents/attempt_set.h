/*
 * attempt_set.h: what a read knows of the attempts whose intents it meets (intent_view.h).
 *
 * "Committed" and "over" are final: an attempt that has committed stays so, and of one that is over no intent is left, or
 * it never commits. "Pending" says that it had not committed when it was asked about: enough for a snapshot that was
 * taken before, nothing for a later one.
 */
#ifndef RAFTKV_FS_INTENTS_ATTEMPT_SET_H
#define RAFTKV_FS_INTENTS_ATTEMPT_SET_H

#include "fs/schema/intent.h"

#define ATTEMPT_SET_COUNT_MAX 2048u

struct known_attempt {
	struct attempt attempt;
	bool has_verdict;
	enum attempt_verdict verdict;
};

/* Zero is empty. */
struct attempt_set {
	struct known_attempt *attempts;
	uint32_t count, capacity;
};

void attempt_set_close(struct attempt_set *set);
/* Finds the attempt, or adds it without a verdict. 0, -ENOMEM, STATUS_LIMIT. The pointer is good until the next call. */
int attempt_set_find(
	struct attempt_set *set, const struct attempt *attempt, const struct known_attempt **known);
/* Of an attempt that is in the set. */
void attempt_set_learn(struct attempt_set *set, const struct attempt *attempt, enum attempt_verdict verdict);
/* Before a later snapshot: what is not final is forgotten. */
void attempt_set_keep_final(struct attempt_set *set);

#endif
