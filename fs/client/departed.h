/*
 * departed.h: ends the sessions of earlier mounts. An embedded store is mounted by one process at a time, so every
 * session but this mount's is over. Its locks and its inodes without a name are released a few at a time, while the
 * mount serves.
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
	/* No other session holds anything any more. Not called after departed_stop; may be NULL. */
	void (*done)(void *argument);
	void *argument;
	/* Its own: */
	struct client_read read;
	struct finding finding;
	struct client_call call;
	struct op op;
	struct env_timer timer; /* until the next attempt after a failure */
	uint64_t released; /* calls made to end the present session */
	bool is_busy;
	bool is_stopping;
	void (*stopped)(void *argument);
	void *stopped_argument;
};

void departed_start(struct departed *departed);
/* `stopped` may come from inside the call. The next mount ends the sessions that are left. */
void departed_stop(struct departed *departed, void (*stopped)(void *argument), void *argument);

#endif
