/*
 * write_order.h: a READ through pages is answered after the WRITEs that the kernel sent before it.
 *
 * The kernel unlocks a page as soon as it has sent the page's WRITE. The page may then be dropped before the WRITE is
 * handled here (a direct write beside it, an invalidation) and read anew. Lanes handle requests at the same time, so
 * that READ may overtake the WRITE. Its answer would be the old data, which the kernel would keep in its page.
 *
 * The kernel hands requests out in the order in which it sent them. So when a lane has a READ, every earlier WRITE has
 * been read by some lane. The READ waits until no other lane is in the middle of requests that it read before; then
 * until the writes of these bytes that are under way have ended (node.h).
 *
 * On the request's loop.
 */
#ifndef RAFTKV_FS_VFS_WRITE_ORDER_H
#define RAFTKV_FS_VFS_WRITE_ORDER_H

#include "fs/vfs/request.h"

/* Calls `then` when that is so. Only needed for a file that somebody has open to write through pages
 * (NODE_PAGE_WRITER). */
void write_order_wait(struct request *request, uint64_t ino, uint64_t offset, uint64_t size, request_cb then);

#endif
