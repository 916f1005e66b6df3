/*
 * dispatcher.h: one loop's share of a remote client. It owns routes (routes.h), connections (store_links.h) and some
 * slots of the session (slot_pool.h), and runs requests (cluster_request.h) until they are answered.
 *
 * A chooser (chooser.h) chooses the store that a request goes to. A request whose answer names the leader goes there at
 * once. A request that finds no store, or that is told to wait, pauses: the pause is drawn at random, and its range
 * doubles up to a limit. A change is sent again with the same slot and sequence number, so that it is applied once.
 *
 * All on one loop.
 */
#ifndef RAFTKV_FS_CLIENT_DISPATCHER_H
#define RAFTKV_FS_CLIENT_DISPATCHER_H

#include "fs/client/cluster_request.h"
#include "fs/client/remote.h"
#include "fs/client/store_book.h"
#include "fs/schema/store_list.h"

#define DISPATCHER_REQUESTS_MAX 16384u /* under way; then dispatcher_run returns STATUS_LIMIT */

struct dispatcher_options {
	struct env_loop *loop;
	/* Shared: the objects below outlive the dispatcher. */
	const struct logger *logger;
	const struct store_list *seeds; /* addresses of the stores that are asked for the first routes */
	struct store_book *book; /* what all dispatchers of the mount have learnt; NULL: this one is alone */
	uint32_t first_slot; /* number of its first slot in the session */
	enum remote_reads reads;
	/* A store answered that the session is unknown. */
	void (*lost)(void *argument, uint64_t session);
	/* A link failed. */
	void (*failed)(void *argument, const char *address, const struct status *why);
	/* A store answered STATUS_UNSUPPORTED; `version` is that of its program. */
	void (*refused)(void *argument, uint64_t store, const char *version);
	void *argument;
};

struct dispatcher *dispatcher_new(const struct dispatcher_options *options); /* NULL: no memory */
void dispatcher_free(struct dispatcher *dispatcher); /* stopped, or never used; may be NULL */
struct env_loop *dispatcher_loop(const struct dispatcher *dispatcher);

/* The cluster that it is connected to; 0 until a store has welcomed it. After dispatcher_set_cluster, links to stores
 * of other clusters are closed. */
uint64_t dispatcher_cluster(const struct dispatcher *dispatcher);
void dispatcher_set_cluster(struct dispatcher *dispatcher, uint64_t cluster);
/* Sets another session, or none (0). Changes that were begun under the previous session end with
 * STATUS_SESSION_UNKNOWN. Changes that are begun while there is none wait for the next session. */
void dispatcher_set_session(struct dispatcher *dispatcher, uint64_t session);

/* 0: `done` comes later, never from inside the call; STATUS_LIMIT. */
int dispatcher_run(struct dispatcher *dispatcher, struct cluster_request *request);
/* Ends the request: `done` comes from inside the call, with that status. */
void dispatcher_give_up(struct cluster_request *request, int status);

/* Whether the same region has both keys, as far as the routes are known; unknown regions are taken for one. */
bool dispatcher_is_same_region(
	struct dispatcher *dispatcher, const struct fs_key *one, const struct fs_key *other);
/* Whether the region that has the key has all keys; an unknown region is taken for one that has. */
bool dispatcher_is_only_region(struct dispatcher *dispatcher, const struct fs_key *key);

/* Any thread. */
void dispatcher_read_stats(const struct dispatcher *dispatcher, struct remote_stats *stats);

/* When no request is left. `stopped` may come from inside the call. */
void dispatcher_stop(struct dispatcher *dispatcher, void (*stopped)(void *argument), void *argument);

#endif
