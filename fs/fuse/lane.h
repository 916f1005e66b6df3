/*
 * lane.h: one thread's share of a mount: a descriptor, a loop, and a libfuse session that decodes its requests.
 *
 * libfuse 3.14 answers on its session's own descriptor, and the kernel takes an answer only on the descriptor that the
 * request was read from. So every lane has a session of its own: the kernel's INIT request is played to each of them,
 * and only the first lane's answer is let through. A lane sees each request before libfuse does: it answers the
 * operations that libfuse 3.14 does not know and notes what libfuse hides (flags in a write).
 *
 * One lane waits for requests; the others help. The kernel would wake every waiting lane for every request, and only
 * one gets it. So a lane that finds a second request behind the first asks its helper to read too, and the helper its
 * own: what comes one by one is served by one thread, a crowd by all.
 *
 * While the payloads are full no lane reads (payloads.h). The one that waits for requests then waits for room, and for
 * the end of the connection.
 *
 * All calls on the lane's loop, except lane_new, lane_read_init, lane_init, lane_set_helper, lane_free (before and after
 * it runs).
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

/* A request that libfuse does not know: `argument` are `size` bytes after the header, until its callback ends. Answer
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
	int fd; /* taken: closed by lane_free */
	uint32_t index; /* among the lanes */
	const struct fuse_lowlevel_ops *operations;
	void *userdata; /* fuse_req_userdata of every request */
	struct payloads *payloads; /* shares; outlives the lane */
	void (*statx)(const struct lane_raw *raw, void *userdata);
	void (*tmpfile)(const struct lane_raw *raw, void *userdata);
	/* A request of this or another lane was interrupted. libfuse would look in one lane's session only. */
	void (*interrupt)(struct lane *lane, uint64_t unique, void *userdata);
	void (*ended)(
		struct lane *lane, void *userdata); /* unmounted: no request will come; once, on the loop */
	bool debug;
};

int lane_new(const struct lane_options *options, struct lane **lane);
/* Plays the INIT request to the session; `answer` on the lane that read it. */
int lane_init(struct lane *lane, const void *request, size_t size, bool answer);
/* Waits for the kernel's INIT request (blocks) and copies it out. Its size, or -errno. */
int lane_read_init(struct lane *lane, void *request, size_t size_max);
/* `helper` will wait for no request, but help `lane` with its. */
void lane_set_helper(struct lane *lane, struct lane *helper);
/* Begins to read requests, on the loop. */
int lane_start(struct lane *lane);
/* Stops reading; the descriptor stays open for answers. */
void lane_stop(struct lane *lane, void (*stopped)(void *argument), void *argument);
void lane_free(struct lane *lane);
struct env_loop *lane_loop(const struct lane *lane);
uint32_t lane_index(const struct lane *lane);

/* The lane whose request is being handled by the calling thread's callback. */
struct lane *lane_of(fuse_req_t request);
void *lane_userdata(const struct lane *lane);

/* During an operation's callback: */
/* Flags of the FUSE_WRITE request (FUSE_WRITE_KILL_SUIDGID …), or `open_flags` of an open or create. */
uint32_t lane_flags(const struct lane *lane);
/* The id that the kernel gave the request, and what it asks. */
uint64_t lane_unique(const struct lane *lane);
uint32_t lane_opcode(const struct lane *lane);
/* Makes a buf of the data of the write being handled, without a copy: the lane reads on into another buffer. The
 * caller's reference, which may outlive the lane; NULL when out of memory. */
struct buf *lane_take_data(struct lane *lane, const void *data, size_t size);

/* Answers the raw request `unique`: `error` 0 or a negative errno. 0, or -errno: nobody got the answer (the request was
 * aborted). */
int lane_reply(struct lane *lane, uint64_t unique, int error, const void *answer, size_t size);

#endif
