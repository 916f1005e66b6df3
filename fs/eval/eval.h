/*
 * eval.h: the evaluator of file operations, which the store calls on a region's leader (store/evaluate/evaluator.h).
 *
 * It keeps no state between calls, so one evaluator serves any number of regions and threads.
 */
#ifndef RAFTKV_FS_EVAL_EVAL_H
#define RAFTKV_FS_EVAL_EVAL_H

#include "store/evaluate/evaluator.h"

/* Bodies are struct op, replies struct op_reply (fs/schema/op.h). The evaluator is never freed. */
struct evaluator *eval_evaluator(void);

#endif
