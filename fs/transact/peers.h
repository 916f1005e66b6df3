/*
 * peers.h: a store's requests to the leaders of regions, which may be on any store, this one too: a dispatcher
 * (fs/client/dispatcher.h) without a session. The routes begin with this store's own answer.
 *
 * All on one loop.
 */
#ifndef RAFTKV_FS_TRANSACT_PEERS_H
#define RAFTKV_FS_TRANSACT_PEERS_H

#include "fs/client/dispatcher.h"

struct peers;

struct peers_options {
	struct env_loop *loop;
	/* Shared: the objects below outlive the peers. */
	const struct logger *logger;
	const char *address; /* at which others reach this store */
	const struct store_list *seeds;
};

struct peers *peers_new(const struct peers_options *options); /* NULL: no memory */
struct dispatcher *peers_dispatcher(struct peers *peers);
/* When no request is under way. `stopped` may come from inside the call. */
void peers_stop(struct peers *peers, void (*stopped)(void *argument), void *argument);
void peers_free(struct peers *peers); /* stopped, or never used; may be NULL */

#endif
