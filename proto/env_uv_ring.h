/*
 * env_uv_ring.h: file requests that a loop's thread submits through io_uring. The kernel completes them on the loop, which
 * saves waking an I/O thread and waking the loop again.
 *
 * Only direct writes are submitted here. The kernel may do a read, or a write to the page cache, within the call that
 * submits it, and the loop would stand still while it copies.
 *
 * All calls but opening and closing are on the loop's thread. If the kernel has no io_uring, or forbids it, the ring takes
 * nothing, and the I/O threads do all requests.
 */
#ifndef RAFTKV_PROTO_ENV_UV_RING_H
#define RAFTKV_PROTO_ENV_UV_RING_H

#include <stdbool.h>
#include <uv.h>

struct env_file_request;
struct env_uv_loop;
struct env_uv_ring;

/* 0 with `*ring` NULL: there is no io_uring. Else 0, -ENOMEM or libuv's code. */
int env_uv_ring_open(struct env_uv_loop *loop, struct env_uv_ring **ring);
/* No request may be under way; the libuv loop must run once more before it is closed. May be NULL. */
void env_uv_ring_close(struct env_uv_ring *ring);
/* To be called after the libuv loop has closed its handles. May be NULL. */
void env_uv_ring_free(struct env_uv_ring *ring);

/* Takes a write to `fd`; false: the ring is full, or NULL. The I/O threads repeat a write that stopped before its end. */
bool env_uv_ring_write(struct env_uv_ring *ring, struct env_file_request *request, int fd);

#endif
