/*
 * intent_apply.h: what a committed intent makes of an inode. A reader lays intents over rows by it (intent_view.h), and
 * OP_RESOLVE changes rows by it (fs/eval), so that a reader sees the same before and after.
 */
#ifndef RAFTKV_FS_INTENTS_INTENT_APPLY_H
#define RAFTKV_FS_INTENTS_INTENT_APPLY_H

#include "fs/schema/intent.h"

/*
 * Applies an INTENT_INODE; `time` is its record's.
 *
 *   nlink, entries    are added: with INTENT_DROPS `nlink` is the -1 of the lost name, which the flag does not add again
 *   INTENT_REMOVES    no links and no parent are left, whatever `nlink` is
 *   INTENT_MOVES      `parent_after`
 *   INTENT_TOUCHES, INTENT_TOUCHES_CONTENT
 *                     times that are later than `time` stay (attributes_set_written)
 *   INTENT_ENDS_KEEPING
 *                     it is not INODE_IS_LINKABLE any more
 *
 * INTENT_DROPS and INTENT_HOLDS do nothing more: what becomes of an inode without links, its O and H rows and its T rows
 * are the caller's. INODE_HAS_INTENTS stays.
 *
 * 0; STATUS_CORRUPT: a count would leave its range, or the kind of file does not have it.
 */
int intent_apply_inode(const struct intent *intent, const struct fs_time *time, struct inode *inode);

#endif
