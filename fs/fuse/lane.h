/*
 * lane.h: one thread's share of a mount: a descriptor, a loop, and a libfuse session that decodes its requests.
 *
 * libfuse 3.14 replies on its session's descriptor, and the kernel takes a reply only on the descriptor from which the
 * request was read. So every lane has its own session. Each session gets the kernel's INIT request, and only the first
 * lane's answer is sent. A lane sees each request before libfuse does: it handles the operations that libfuse 3.14 does
 * not know, and keeps the flags that libfuse does not show (lane_flags).
 *
 * One lane polls for requests; the others are helpers. If all lanes polled, the kernel would wake all of them for every
 * request, and only one would get it. So a lane that finds several requests, one after the other, asks its helper to read
 * too, and the helper does the same with its own helper. One thread serves a program that waits for each of its calls; all
 * threads serve many at once.
 *
 * While the payloads are full no lane reads (payloads.h). The polling lane then waits for room, and for the end of the
 * connection.
 *
 * All calls are on the lane's loop, except lane_new, lane_read_init, lane_init, lane_set_helper and lane_free, which
 * come before or after it runs.
 */
#ifndef RAFTKV_FS_FUSE_LANE_H
#define RAFTKV_FS_FUSE_LANE_H

#define FUSE_USE_VERSION 314

#include <fuse3/fuse_lowlevel.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "fs/fuse/payloads.h"
#include "proto/env.h"

#define LANE_OPEN_KILL (1u << 0) /* in lane_flags of an open or create: strip suid and sgid */
#define LANE_WRITE_MAX (1u << 20) /* bytes of data in one request */

struct lane;

/* A request that libfuse does not know. `argument`: the `size` bytes after its header, borrowed for the callback. Reply
 * with lane_reply. */
struct lane_raw {
	struct lane *lane;
	uint64_t unique;
	uint64_t node;
	uint32_t uid;
	uint32_t gid;
	uint32_t pid;
	const void *argument;
	size_t size;
};

struct lane_options {
	struct env_loop *loop;
	const struct logger *logger;
	int fd; /* taken if lane_new succeeds: closed by lane_free */
	uint32_t index; /* among the lanes */
	const struct fuse_lowlevel_ops *operations;
	void *userdata; /* fuse_req_userdata of every request */
	struct payloads *payloads; /* shares; outlives the lane */
	void (*statx)(const struct lane_raw *raw, void *userdata);
	void (*tmpfile)(const struct lane_raw *raw, void *userdata);
	/* The request `unique` of this or another lane was interrupted. libfuse would look for it in one session
	 * only. */
	void (*interrupt)(struct lane *lane, uint64_t unique, void *userdata);
	/* The connection has ended, and no more requests will come. Once, on the loop. */
	void (*ended)(struct lane *lane, void *userdata);
	bool debug;
};

/* 0 or -ENOMEM. */
int lane_new(const struct lane_options *options, struct lane **lane);
/* Gives the INIT request to the session. `answer`: send the session's answer to the kernel. 0 or -EPROTO. */
int lane_init(struct lane *lane, const void *request, size_t size, bool answer);
/* Waits for the kernel's INIT request (blocks) and copies it out. Its size, or -errno. */
int lane_read_init(struct lane *lane, void *request, size_t size_max);
/* Makes `helper` read only when `lane` asks it to. */
void lane_set_helper(struct lane *lane, struct lane *helper);
/* Begins to read requests, on the loop. 0, or a negative error of libuv. */
int lane_start(struct lane *lane);
/* Stops reading; the descriptor stays open for replies. */
void lane_stop(struct lane *lane, void (*stopped)(void *argument), void *argument);
void lane_free(struct lane *lane); /* may be NULL */
struct env_loop *lane_loop(const struct lane *lane);
uint32_t lane_index(const struct lane *lane);

/* Whether it may have requests that it has read and not handled. What it posts to its loop afterwards runs when it has
 * handled them. Any thread. */
bool lane_is_serving(const struct lane *lane);

/* The lane that has read the request. */
struct lane *lane_of(fuse_req_t request);
void *lane_userdata(const struct lane *lane);

/* ---- During an operation's callback ---- */

/* `write_flags` of a WRITE (FUSE_WRITE_KILL_SUIDGID …), `open_flags` of an OPEN or CREATE, `valid` of a SETATTR; else
 * 0. */
uint32_t lane_flags(const struct lane *lane);
/* The id and the opcode of the request. */
uint64_t lane_unique(const struct lane *lane);
uint32_t lane_opcode(const struct lane *lane);
/* Makes a buf of the data of the current write without a copy: the lane reads on into another buffer. The reference is
 * the caller's, and the buf may outlive the lane. NULL: out of memory. */
struct buf *lane_take_data(struct lane *lane, const void *data, size_t size);

/* ---- After it, too ---- */

/* Replies to the raw request `unique`. `error`: 0 or -errno. 0, or -errno: the kernel did not take the reply (the
 * request was aborted). */
int lane_reply(struct lane *lane, uint64_t unique, int error, const void *answer, size_t size);

#endif
