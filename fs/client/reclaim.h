/*
 * reclaim.h: gives back the space of truncated and removed files in the background (reclaim_pace.h), in a mount whose
 * store is in its own process.
 */
#ifndef RAFTKV_FS_CLIENT_RECLAIM_H
#define RAFTKV_FS_CLIENT_RECLAIM_H

#include "fs/client/client.h"
#include "fs/reclaim_pace.h"

struct reclaim {
	struct client *client;
	struct env_loop *loop;
	struct env_timer timer;
	struct client_call call;
	struct reclaim_pace pace;
	bool is_calling;
	bool is_stopping;
	void (*stopped)(void *argument);
	void *stopped_argument;
};

/* On the loop's thread, or before it runs. Begins with one round at once. */
void reclaim_start(struct reclaim *reclaim, struct client *client, struct env_loop *loop);
/* On the loop's thread; `stopped` may come from inside the call. */
void reclaim_stop(struct reclaim *reclaim, void (*stopped)(void *argument), void *argument);

#endif
