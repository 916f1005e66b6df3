/*
 * intent_view.h: a view of a snapshot in which the intents of committed attempts count as resolved.
 *
 * Rows of KEY_DATA are shown as OP_RESOLVE will leave them (a file without links stays until its region destroys it),
 * and INODE_HAS_INTENTS is never set. In KEY_LOCAL there are no T rows; all else is as in the view below. Intents of
 * other attempts, and of attempts without a verdict, are as if they were not there. The set gets every attempt that was
 * met and was not in it.
 *
 * A row without intents is passed on as it is. Memory is taken only where there are intents.
 */
#ifndef RAFTKV_FS_INTENTS_INTENT_VIEW_H
#define RAFTKV_FS_INTENTS_INTENT_VIEW_H

#include "fs/intents/attempt_set.h"
#include "store/kv/view.h"

struct intent_view {
	struct view view;
	struct view *below;
	struct attempt_set *attempts;
};

/* Shares both, which outlive the view. Besides what the view below returns, a call may return STATUS_LIMIT: too many
 * attempts (attempt_set.h). */
struct view *intent_view_init(struct intent_view *view, struct view *below, struct attempt_set *attempts);

#endif
