/*
 * stale.h: ESTALE for inodes that the kernel found by a cached name and that other mounts have removed: the kernel
 * looks the path up again, and the result of the second try is final (retries.h). Called by the operations. For a sole
 * client nothing is noted, and the first result is final.
 */
#ifndef RAFTKV_FS_VFS_STALE_H
#define RAFTKV_FS_VFS_STALE_H

#include "fs/vfs/request.h"

/* The note about the request's thread (retries.h). Requests that only look at an inode on the way leave the note in
 * place; stale_take_retry is for the request that the system call ends with. */
struct retry stale_read_retry(const struct request *request);
struct retry stale_take_retry(const struct request *request);
/* Whether this is the second try of a call of this kind on the inode. */
bool stale_is_last_try(
	const struct request *request, const struct retry *retry, enum retry_kind kind, uint64_t ino);
/* Notes the first try, and returns -ESTALE: the kernel walks the path again. */
int stale_look_again(const struct request *request, enum retry_kind kind, uint64_t ino, uint64_t other);
/* Maps the error of `op`, an operation on names, for the kernel: -ESTALE on the first try, -ENOENT on the second. */
int stale_place_error(
	const struct request *request, const struct op *op, const struct retry *retry, int error);
/* Maps the error of reading or changing the attributes of an inode. An inode without a name is no error here: the
 * kernel checks permissions this way in the middle of other calls, and looks the name up again once it has expired. */
int stale_look_error(const struct request *request, const struct retry *retry, int error, uint64_t ino);

#endif
