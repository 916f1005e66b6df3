/*
 * env_uv_ring.h: file requests of a loop's own thread through io_uring: the kernel is asked without another thread, and
 * answers on the loop. Of two wakes, to an I/O thread and back, none is left.
 *
 * Only direct writes go this way. A read, or a write to the page cache, may be done by the kernel within the call that
 * submits it, which would stop the loop for as long as copying takes.
 *
 * All on the loop's thread, but for opening and closing. Where the kernel has no io_uring, or forbids it, nothing is
 * taken, and the I/O threads do it all.
 */
#ifndef RAFTKV_PROTO_ENV_UV_RING_H
#define RAFTKV_PROTO_ENV_UV_RING_H

#include <stdbool.h>
#include <uv.h>

struct env_file_request;
struct env_uv_loop;
struct env_uv_ring;

/* `*ring` NULL with 0: there is no io_uring here. */
int env_uv_ring_open(struct env_uv_loop *loop, struct env_uv_ring **ring);
/* Nothing is on its way; the libuv loop runs once more before it is closed. May be NULL. */
void env_uv_ring_close(struct env_uv_ring *ring);
/* After the libuv loop has closed its handles. */
void env_uv_ring_free(struct env_uv_ring *ring);

/* Takes a write to `fd`; false: the ring is full, or there is none (NULL). What it could not do to the end is done again
 * by the I/O threads. */
bool env_uv_ring_write(struct env_uv_ring *ring, struct env_file_request *request, int fd);

#endif
