/*
 * lane_buffers.h: the memory that a lane reads requests into. There is one buffer at a time; whoever wants to keep the data
 * of a write takes it, and the lane reads on into another one. Buffers that come back are used again, a few of them.
 *
 * The lane calls this on its loop; a buffer that was taken comes back on any thread, perhaps after the lane has gone.
 */
#ifndef RAFTKV_FS_FUSE_LANE_BUFFERS_H
#define RAFTKV_FS_FUSE_LANE_BUFFERS_H

#include "fs/fuse/lane.h"

struct lane_buffers;

struct lane_buffers *lane_buffers_new(void); /* NULL: no memory */
void lane_buffers_free(struct lane_buffers *buffers); /* may be NULL */

/* Where a request of up to lane_buffers_size() bytes is to be read to: so that the data of a FUSE_WRITE lies on a page. */
uint8_t *lane_buffers_start(const struct lane_buffers *buffers);
size_t lane_buffers_size(void);
/* As lane_take_data. */
struct buf *lane_buffers_take(struct lane_buffers *buffers, const void *data, size_t size);

#endif
