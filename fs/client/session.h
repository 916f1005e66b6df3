/*
 * session.h: the life of a mount's session (op.h): it is opened, kept alive by heartbeats to whoever leads region 1, and
 * closed; where it was lost it is opened anew.
 *
 * All on the dispatcher's loop.
 */
#ifndef RAFTKV_FS_CLIENT_SESSION_H
#define RAFTKV_FS_CLIENT_SESSION_H

#include "fs/client/dispatcher.h"

struct session_options {
	struct dispatcher *dispatcher; /* as is all below: outlives the session */
	const struct logger *logger;
	const char *host, *mount_point;
	uint32_t pid;
	/* There is a session, the first or another. */
	void (*opened)(void *argument, uint64_t session);
	/* The first one is refused: -EUSERS and the like; nothing more will come. */
	void (*refused)(void *argument, int status);
	/* It has ended, though nobody closed it. */
	void (*lost)(void *argument, uint64_t session);
	/* Which of these inodes (ino_ranges.h, for the call) does this mount have open? To be answered. NULL: none. */
	void (*asked)(void *argument, uint64_t notice, struct slice inodes);
	void *argument;
};

struct session {
	struct session_options options;
	uint64_t id; /* 0: none, just now */
	uint64_t first; /* the id of the first one; 0: not yet */
	struct cluster_request request;
	bool is_requesting;
	struct env_timer timer; /* of the next beat, or of opening again */
	uint64_t period; /* ns between beats */
	uint64_t beat_begun; /* env_now */
	uint64_t asked,
		answered; /* numbers of notices: that `asked` was called with; the last one answered */
	bool is_stopping;
	void (*stopped)(void *argument);
	void *stopped_argument;
};

void session_start(struct session *session, const struct session_options *options);
/* Somebody was told that this session is unknown. */
void session_on_lost(struct session *session, uint64_t id);
/* The inodes of that notice that this mount has open are kept for it. False: some may not be, ask again. */
void session_answer(struct session *session, uint64_t notice, bool are_kept);
/* Closes it, if that goes quickly: else it expires. `stopped` perhaps from inside the call. */
void session_stop(struct session *session, void (*stopped)(void *argument), void *argument);

#endif
