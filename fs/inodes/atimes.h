/*
 * atimes.h: access times that are known here and not in the store yet. Operations that read note them; replies with
 * attributes are completed from here.
 *
 * A read never proposes anything. It notes the time here when relatime says so (mount(8): the access time is not after
 * the last change, or a day old); what getattr answers is completed from here; the notes are sent a batch at a time,
 * every half minute and at the end. A crash forgets them.
 */
#ifndef RAFTKV_FS_INODES_ATIMES_H
#define RAFTKV_FS_INODES_ATIMES_H

#include "fs/client/client.h"

struct atimes;

/* `loop` sends; shares. */
int atimes_new(struct client *client, struct env_loop *loop, struct atimes **atimes);
void atimes_free(struct atimes *atimes); /* stopped, or never used; may be NULL */

/* The inode was read now; `attributes` are the store's. `is_strict`: whatever relatime says. Any thread. */
void atimes_note(struct atimes *atimes, const struct attributes *attributes, bool is_strict);
/* Would a read be noted? Any thread. */
bool atimes_is_due(struct atimes *atimes, const struct attributes *attributes, bool is_strict);
/* Completes what the store knows. Any thread. */
void atimes_apply(struct atimes *atimes, struct attributes *attributes);
/* Somebody sets the access time: what was noted before is over. Any thread. */
void atimes_forget(struct atimes *atimes, uint64_t ino);
/* Sends the rest; `stopped` comes on the loop, perhaps from inside the call. On the loop's thread, in mail that was
 * posted after the last note: the note's own mail has then run. */
void atimes_stop(struct atimes *atimes, void (*stopped)(void *argument), void *argument);

#endif
