/*
 * env_read_only.h: an environment for who only wants to look: files are never changed through it.
 *
 * Everything but files is the inner environment's. Files are opened for reading, whatever was asked for; ENV_OPEN_LOCK
 * still excludes other processes. The disk looks full: making a file or reserving space is -ENOSPC. Overwriting,
 * cutting and removing succeed and change nothing, so that whoever tidies up at start (the raft log cuts its torn end)
 * goes on with what it has in memory. Requests (env_file_submit) that write get -EROFS. For fsck and inspection.
 */
#ifndef RAFTKV_PROTO_ENV_READ_ONLY_H
#define RAFTKV_PROTO_ENV_READ_ONLY_H

#include "proto/env.h"

/* `inner` is shared and outlives it. NULL: out of memory. */
struct env *env_read_only_new(struct env *inner);
/* Every file is closed. May be NULL. */
void env_read_only_free(struct env *env);

#endif
