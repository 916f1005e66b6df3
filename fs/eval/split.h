/*
 * split.h: what the evaluator of files says about splits: where a region may begin, and which half gets a row of
 * KEY_LOCAL. They are of the vtable store/evaluate/evaluator.h, as eval.c and the repair of fsck (fs/check/fix.c) fill
 * it in: both apply splits.
 *
 * A hold (H) and a note of garbage (G) go to the half that has the inode. Both halves have a count of inodes and one of
 * sessions forgotten (fs/schema/records.h). All other rows stay with the lower half: the cluster's records, which are
 * region 1's, and rows that do not decode.
 */
#ifndef RAFTKV_FS_EVAL_SPLIT_H
#define RAFTKV_FS_EVAL_SPLIT_H

#include "store/evaluate/evaluator.h"

bool eval_may_begin(struct evaluator *evaluator, struct slice key);
enum split_fate eval_split_fate(
	struct evaluator *evaluator, struct slice row, struct slice key, struct slice *value);

#endif
