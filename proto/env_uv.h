/*
 * env_uv.h: the real environment, on libuv and threads of its own.
 *
 * Loops are libuv loops. Mail is an intrusive lock-free list per loop; a post costs a system call only when the loop
 * sleeps. Workers and file I/O have a pool of threads each, so that neither waits for the other, nor for libuv's own
 * pool, which does name look-ups alone. Direct writes that a loop submits for itself need no thread (env_uv_ring.h).
 */
#ifndef RAFTKV_PROTO_ENV_UV_H
#define RAFTKV_PROTO_ENV_UV_H

#include "proto/env.h"

struct uv_loop_s;

struct env_uv_options {
	unsigned int worker_threads; /* ≥ 1 */
	unsigned int io_threads; /* ≥ 1; the number of file requests that can run at once */
	const struct logger *logger; /* borrowed, outlives the environment; may be NULL */
};

/* Starts the threads, with every signal blocked, and makes the process ignore SIGPIPE. 0, or a negative status with a
 * sentence. */
int env_uv_new(const struct env_uv_options *options, struct env **env, struct status *status);
/* Ends the threads. Every loop must be freed, every file closed, and no request under way. May be NULL. */
void env_uv_free(struct env *env);

/* The libuv loop of a loop of env_uv_new, for a front end that registers descriptors of its own (FUSE). Use it on the
 * loop's thread, or before the loop runs, and close the handles before env_loop_free. */
struct uv_loop_s *env_uv_loop(struct env_loop *loop);

#endif
