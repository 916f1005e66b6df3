/*
 * stale.h: what other mounts have removed, and this one's kernel finds by names that it remembers: it is told ESTALE,
 * and looks again. What it comes back with is then taken as it is. Called by the operations; of a sole client nothing
 * is noted, and all is as it was found.
 */
#ifndef RAFTKV_FS_VFS_STALE_H
#define RAFTKV_FS_VFS_STALE_H

#include "fs/vfs/request.h"

/* What is noted about the request's thread, which may have been told to look again. Those that only look leave the note
 * to the call that comes to it; _take ends it, as this is the call. */
struct retry stale_read_retry(const struct request *request);
struct retry stale_take_retry(const struct request *request);
/* Is this the second try of a call, about this inode? */
bool stale_is_last_try(
	const struct request *request, const struct retry *retry, enum retry_kind kind, uint64_t ino);
/* -ESTALE: the kernel is to walk the path again. */
int stale_look_again(const struct request *request, enum retry_kind kind, uint64_t ino, uint64_t other);
/* The error of `op`, an operation on names, as the kernel is to see it: -ESTALE only where it may look again. */
int stale_place_error(
	const struct request *request, const struct op *op, const struct retry *retry, int error);
/* The error of a look at the attributes of an inode, or of a change of them. What is there is shown without a name,
 * too: the kernel looks at permissions so, in the middle of other calls, and asks for the name again when that has run
 * out. */
int stale_look_error(const struct request *request, const struct retry *retry, int error, uint64_t ino);

#endif
