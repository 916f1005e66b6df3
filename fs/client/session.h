/*
 * session.h: opens a mount's session (op.h), keeps it alive by heartbeats to the leader of region 1, and closes it.
 * After a session was lost, it opens another.
 *
 * All on the dispatcher's loop.
 */
#ifndef RAFTKV_FS_CLIENT_SESSION_H
#define RAFTKV_FS_CLIENT_SESSION_H

#include "fs/client/dispatcher.h"

struct session_options {
	/* Shared: the objects below outlive the session. */
	struct dispatcher *dispatcher;
	const struct logger *logger;
	const char *host, *mount_point;
	uint32_t pid;
	/* A session was opened, the first or a later one. */
	void (*opened)(void *argument, uint64_t session);
	/* The first session was refused (-EUSERS and others). No other callback will come. */
	void (*refused)(void *argument, int status);
	/* The cluster has ended the session. */
	void (*lost)(void *argument, uint64_t session);
	/* Which of these inodes (ino_ranges.h, borrowed for the call) does this mount have open? The answer is
	 * session_answer. NULL: the mount never has files open. */
	void (*asked)(void *argument, uint64_t notice, struct slice inodes);
	void *argument;
};

struct session {
	struct session_options options;
	uint64_t id; /* 0: none at present */
	uint64_t first; /* id of the first session; 0: none was opened yet */
	struct cluster_request request;
	bool is_requesting;
	struct env_timer timer; /* until the next heartbeat, or the next attempt to open a session */
	uint64_t period; /* ns between heartbeats */
	uint64_t beat_begun; /* env_now of the last heartbeat */
	/* Numbers of notices: the one that waits for session_answer (0: none), and the last one that was answered. */
	uint64_t asked, answered;
	bool is_stopping;
	void (*stopped)(void *argument);
	void *stopped_argument;
};

void session_start(struct session *session, const struct session_options *options);
/* A store has answered that the session `id` is unknown. */
void session_on_lost(struct session *session, uint64_t id);
/* Answers a notice. `are_kept`: the mount holds (OP_HOLD) every inode of it that it has open; else the same notice
 * comes again. */
void session_answer(struct session *session, uint64_t notice, bool are_kept);
/* Closes the session; if that takes too long, it is left to expire. `stopped` may come from inside the call. */
void session_stop(struct session *session, void (*stopped)(void *argument), void *argument);

#endif
