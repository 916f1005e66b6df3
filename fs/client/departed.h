/*
 * departed.h: the end of the sessions of earlier mounts. An embedded store is mounted by one process at a time, so that
 * whatever another session holds is over: locks, and inodes without a name, a few at a time, while the mount serves.
 *
 * All on one loop.
 */
#ifndef RAFTKV_FS_CLIENT_DEPARTED_H
#define RAFTKV_FS_CLIENT_DEPARTED_H

#include "fs/client/client.h"

struct departed {
	/* The caller's, in: */
	struct client *client;
	struct env_loop *loop;
	const struct logger *logger;
	void (*done)(
		void *argument); /* nothing is held by others any more; not after departed_stop. May be NULL */
	void *argument;
	/* Its own: */
	struct client_read read;
	struct finding finding;
	struct client_call call;
	struct op op;
	struct env_timer timer; /* after a failure */
	uint64_t released; /* calls, of the session that is being ended */
	bool is_busy;
	bool is_stopping;
	void (*stopped)(void *argument);
	void *stopped_argument;
};

void departed_start(struct departed *departed);
/* `stopped` may come from inside the call. What is left is for the next mount. */
void departed_stop(struct departed *departed, void (*stopped)(void *argument), void *argument);

#endif
