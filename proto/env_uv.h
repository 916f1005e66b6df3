/*
 * env_uv.h: the real environment, on libuv and threads of its own.
 *
 * Loops are libuv loops. Mail is an intrusive lock-free list per loop; a post costs a system call only when the loop
 * sleeps. Workers and file I/O have a pool of threads each: neither waits behind the other, nor behind libuv's own
 * pool, which serves name look-ups alone. Direct writes that a loop submits for itself need no thread (env_uv_ring.h).
 */
#ifndef RAFTKV_PROTO_ENV_UV_H
#define RAFTKV_PROTO_ENV_UV_H

#include "proto/env.h"

struct uv_loop_s;

struct env_uv_options {
	unsigned int worker_threads; /* ≥ 1 */
	unsigned int io_threads; /* ≥ 1; at most so many file requests run at once */
	const struct logger *logger; /* shared; may be NULL */
};

/* Starts the threads, with every signal blocked, and makes the process ignore SIGPIPE. */
int env_uv_new(const struct env_uv_options *options, struct env **env, struct status *status);
/* Ends the threads. Every loop is freed, every file closed, no request on its way. May be NULL. */
void env_uv_free(struct env *env);

/* For the front end that registers descriptors of its own (FUSE) on a loop of env_uv_new; used on its thread, or
 * before it runs. Handles put there must be closed before env_loop_free. */
struct uv_loop_s *env_uv_loop(struct env_loop *loop);

#endif
