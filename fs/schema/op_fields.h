/* op_fields.h: fields that operations, replies, questions and answers share, as coder.h codes them (op.c). */
#ifndef RAFTKV_FS_SCHEMA_OP_FIELDS_H
#define RAFTKV_FS_SCHEMA_OP_FIELDS_H

#include "fs/schema/coder.h"

void code_attributes(struct coder *coder, struct attributes *attributes);
void code_lock(struct coder *coder, struct lock *lock); /* all but its session */
void code_blocker(struct coder *coder, struct lock *blocker); /* type FS_LOCK_NONE: none */

#endif
