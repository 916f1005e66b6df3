/*
 * facts_held.h: whether facts were true all the time between two moments (intent.h: LACKS_CHECK).
 */
#ifndef RAFTKV_FS_INTENTS_FACTS_HELD_H
#define RAFTKV_FS_INTENTS_FACTS_HELD_H

#include <stdbool.h>

#include "proto/buf.h"

/* Two lists of facts, of an earlier moment and of a later one: are all of the first in the second? */
bool facts_are_same(struct slice before, struct slice now);
/*
 * Was all that an answer without a change depends on the same
 * in between? A row that has not changed was, because an inode's row counts its changes, and a directory's those of its
 * entries.
 *
 * A directory that others change all the time would never be the same. It may have changed, if what it was asked for stayed
 * so: it was there, was not empty at any moment, and had room for more directories. Its entries may not be among the
 * facts then, but for a name that was not there: that was so at the earlier moment, and what else such an answer depends
 * on does not end (an inode that exists, and its kind).
 */
bool facts_held(struct slice before, struct slice now);

#endif
