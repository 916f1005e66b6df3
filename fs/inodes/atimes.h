/*
 * atimes.h: access times that this mount knows and the store does not know yet. Operations that read note them; replies
 * with attributes are completed from here.
 *
 * A read never proposes anything. It notes the time when relatime says so (mount(8): the access time is not after the
 * last change, or is a day old). The notes are sent in batches, every half minute and at unmounting. A crash loses
 * them.
 */
#ifndef RAFTKV_FS_INODES_ATIMES_H
#define RAFTKV_FS_INODES_ATIMES_H

#include "fs/client/client.h"

struct atimes;

/* Shares both. `loop`: where the notes are sent from. 0 or -ENOMEM. */
int atimes_new(struct client *client, struct env_loop *loop, struct atimes **atimes);
void atimes_free(struct atimes *atimes); /* stopped, or never used; may be NULL */

/* Notes that the inode was read now; `attributes` are the store's. `is_strict`: whatever relatime says. Any thread. */
void atimes_note(struct atimes *atimes, const struct attributes *attributes, bool is_strict);
/* Whether a read now would be noted. Any thread. */
bool atimes_is_due(struct atimes *atimes, const struct attributes *attributes, bool is_strict);
/* Sets the access time of the store's attributes to the noted one, if that is later. Any thread. */
void atimes_apply(struct atimes *atimes, struct attributes *attributes);
/* Drops the inode's note, because the access time is being set. Any thread. */
void atimes_forget(struct atimes *atimes, uint64_t ino);
/* Sends the remaining notes; then calls `stopped` on the loop, perhaps from inside this call. Call it on the loop's
 * thread, in mail that was posted after the last note: the note's own mail has then run. */
void atimes_stop(struct atimes *atimes, void (*stopped)(void *argument), void *argument);

#endif
