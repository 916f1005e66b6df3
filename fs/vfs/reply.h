/*
 * reply.h: the replies to the kernel. Each function replies and frees its request.
 *
 * `error`: 0 or -errno. `attributes`: the store's, for front_note_told; `shown`: those with this mount's buffered data,
 * which the kernel gets.
 */
#ifndef RAFTKV_FS_VFS_REPLY_H
#define RAFTKV_FS_VFS_REPLY_H

#include "fs/vfs/request.h"

void request_reply_error(struct request *request, int error);
void request_reply_entry(struct request *request, const struct attributes *attributes,
	const struct attributes *shown, uint64_t parent, struct slice name);
/* A name that does not exist. For a sole client the kernel caches that. */
void request_reply_no_entry(struct request *request);
void request_reply_attributes(
	struct request *request, const struct attributes *attributes, const struct attributes *shown);
void request_reply_written(struct request *request, size_t count);
void request_reply_bytes(struct request *request, const void *bytes, size_t size);
void request_reply_size(struct request *request, size_t size); /* of an extended attribute or list */
void request_reply_raw(struct request *request, const void *answer, size_t size);

#endif
