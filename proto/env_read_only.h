/*
 * env_read_only.h: an environment that never changes a file, for fsck and inspection.
 *
 * Everything but files is the inner environment's. Files are opened for reading, whatever the flags say; ENV_OPEN_LOCK
 * still excludes other processes. The disk looks full: making a file or reserving space gives -ENOSPC. Overwriting,
 * truncating and removing succeed and change nothing, so that a program which repairs its files at start (the Raft log
 * truncates a torn end) goes on with what it has in memory. Requests (env_file_submit) that write end with -EROFS.
 */
#ifndef RAFTKV_PROTO_ENV_READ_ONLY_H
#define RAFTKV_PROTO_ENV_READ_ONLY_H

#include "proto/env.h"

/* `inner` is borrowed, and outlives the environment. NULL: out of memory. */
struct env *env_read_only_new(struct env *inner);
/* Every file must be closed. May be NULL. */
void env_read_only_free(struct env *env);

#endif
