/*
 * dispatcher.h: one loop's share of a remote client: it knows the way (routes.h), has the connections (store_links.h) and
 * some slots of the session (slot_pool.h), and runs requests (cluster_request.h) until they are answered.
 *
 * Where a request goes, a chooser says (chooser.h). Who is told where the leader is goes there at once; who finds nobody,
 * or is told to wait, rests for a while that doubles, up to a limit, and is drawn at random. A change that was sent is sent
 * again with its slot and sequence alone, so that it is done once.
 *
 * All on one loop.
 */
#ifndef RAFTKV_FS_CLIENT_DISPATCHER_H
#define RAFTKV_FS_CLIENT_DISPATCHER_H

#include "fs/client/cluster_request.h"
#include "fs/client/remote.h"
#include "fs/schema/store_list.h"

#define DISPATCHER_REQUESTS_MAX 16384u /* under way; then dispatcher_run says STATUS_LIMIT */

struct dispatcher_options {
	struct env_loop *loop;
	const struct logger *logger; /* as is all below: outlives the dispatcher */
	const struct store_list *seeds; /* addresses of stores, to begin with */
	uint32_t first_slot; /* of its slots in the session */
	enum remote_reads reads;
	/* Its session was refused. */
	void (*lost)(void *argument, uint64_t session);
	/* A link failed: for whoever waits and wonders why. */
	void (*failed)(void *argument, const char *address, const struct status *why);
	/* A store, whose program is of that version, did not know what it was asked: STATUS_UNSUPPORTED. */
	void (*refused)(void *argument, uint64_t store, const char *version);
	void *argument;
};

struct dispatcher *dispatcher_new(const struct dispatcher_options *options); /* NULL: no memory */
void dispatcher_free(struct dispatcher *dispatcher); /* stopped, or never used; may be NULL */
struct env_loop *dispatcher_loop(const struct dispatcher *dispatcher);

/* The cluster that it speaks to: 0 until a store has welcomed it. From set_cluster on stores of another are left alone. */
uint64_t dispatcher_cluster(const struct dispatcher *dispatcher);
void dispatcher_set_cluster(struct dispatcher *dispatcher, uint64_t cluster);
/* Another session, or (0) none: changes that were asked for under the one before end with STATUS_SESSION_UNKNOWN; those
 * that are asked for while there is none wait for the next. */
void dispatcher_set_session(struct dispatcher *dispatcher, uint64_t session);

/* 0: `done` will come, later; STATUS_LIMIT. */
int dispatcher_run(struct dispatcher *dispatcher, struct cluster_request *request);
/* Ends the request with that status, which `done` gets inside the call. */
void dispatcher_give_up(struct cluster_request *request, int status);

/* Any thread. */
void dispatcher_read_stats(const struct dispatcher *dispatcher, struct remote_stats *stats);

/* No request is left. `stopped` perhaps from inside the call. */
void dispatcher_stop(struct dispatcher *dispatcher, void (*stopped)(void *argument), void *argument);

#endif
