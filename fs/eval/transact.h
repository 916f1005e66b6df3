/*
 * transact.h: an operation on names that concerns rows of several regions, evaluated in the region of its anchor
 * (namespace.md § Operations across regions): what it knows of other regions, what it changes there, and its commit.
 *
 * A change of an inode of another region is the difference between `seen` and `inode` of its slot; together with changes
 * of entries these are the attempt's intents. An attempt of which all intents are prepared commits.
 */
#ifndef RAFTKV_FS_EVAL_TRANSACT_H
#define RAFTKV_FS_EVAL_TRANSACT_H

#include "fs/eval/evaluation.h"

/* Begins the evaluation of an attempt. `op` outlives it. STATUS_STALE_COMMAND: it is of another term or region. */
int transact_enter(struct evaluation *evaluation, const struct op_transact *op);

/* The row of another region, as it is known: 0 or STATUS_NOT_FOUND. STATUS_KEY_NOT_IN_REGION: it is not known, and `wanted`
 * is noted. The row borrows from the facts. */
int transact_get_fact(struct evaluation *evaluation, const struct fs_key *key, const struct wanted *wanted,
	struct kv_value *row);
/* The operation looks for an entry of that directory: if the directory is in another region and not known, both are
 * asked for at once. */
void transact_expect_entry(struct evaluation *evaluation, uint64_t directory, struct slice name);

/* An entry of another region, which is known, gets `row`; NULL: it is deleted. */
void transact_change_entry(
	struct evaluation *evaluation, uint64_t directory, const struct fs_key *key, const struct slice *row);
/* No other directory may get another parent from now on: 0 when that is so. STATUS_INCOMPLETE: INTENT_TREE must be
 * prepared first. What was known before of other regions may not be used any more. */
int transact_take_tree(struct evaluation *evaluation);

/* After the evaluation has succeeded. 0: it changes nothing elsewhere, or now commits, with its record among the
 * mutations. STATUS_INCOMPLETE: intents must be prepared. */
int transact_commit(struct evaluation *evaluation);
/* What the evaluation lacks becomes its reply if `status` says that it lacks something. The status of the evaluation. */
int transact_answer_lack(struct evaluation *evaluation, int status, struct buf **reply);
/* After an evaluation with that reply: 0; or STATUS_INCOMPLETE, because it changes nothing, so no intent has shown that
 * the facts were right (LACKS_CHECK). */
int transact_check_answer(const struct evaluation *evaluation, struct buf **reply);

#endif
