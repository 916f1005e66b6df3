/*
 * lane_buffers.h: the memory into which a lane reads requests. There is one current buffer. An operation that keeps the
 * data of a write takes the buffer, and the lane reads on into another one. A few returned buffers are kept and used
 * again.
 *
 * The lane calls this on its loop. A taken buffer may be returned on any thread, also after the lane has been freed.
 */
#ifndef RAFTKV_FS_FUSE_LANE_BUFFERS_H
#define RAFTKV_FS_FUSE_LANE_BUFFERS_H

#include "fs/fuse/lane.h"

struct lane_buffers;

struct lane_buffers *lane_buffers_new(void); /* NULL: no memory */
void lane_buffers_free(struct lane_buffers *buffers); /* may be NULL */

/* Where to read a request to, of up to lane_buffers_size() bytes. The data of a FUSE_WRITE then begins at a page. */
uint8_t *lane_buffers_start(const struct lane_buffers *buffers);
size_t lane_buffers_size(void);
/* As lane_take_data. */
struct buf *lane_buffers_take(struct lane_buffers *buffers, const void *data, size_t size);

#endif
