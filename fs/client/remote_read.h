/*
 * remote_read.h: a read of a remote client (client.h): the requests that it takes, one after the other, until `done`.
 *
 * Most questions take one request. What a name means may lie in another region than its directory, so an answer may
 * send the read on: a LOOKUP asks that region for the attributes, a DIRECTORY with attributes asks all regions that have
 * its children (listing.h), and a VIRTUAL_XATTR about a tree asks all that have a part of it (tree_usage.h).
 */
#ifndef RAFTKV_FS_CLIENT_REMOTE_READ_H
#define RAFTKV_FS_CLIENT_REMOTE_READ_H

#include "fs/client/client.h"
#include "fs/client/dispatcher.h"

/* How often a name is looked up whose inode is gone when the other region is asked: the name was changed meanwhile.
 * Then the read ends with -ESTALE. */
#define REMOTE_LOOKUPS_MAX 4u

/* `limit`: ns until the read ends with -ETIMEDOUT, for a tree until one of its requests does; 0: no limit. `done` comes later; from inside the call after an error
 * of this program. On the dispatcher's loop. */
void remote_read_start(struct dispatcher *dispatcher, struct client_read *read, uint64_t limit);
/* As client_give_up_read. */
bool remote_read_give_up(struct client_read *read);

#endif
