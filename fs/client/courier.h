/*
 * courier.h: one loop's share of a remote client: it knows the way (routes.h), has the connections (store_links.h) and
 * some slots of the session (slot_pool.h), and runs errands (errand.h) until they are answered.
 *
 * Where an errand goes, a chooser says (chooser.h). Who is told where the leader is goes there at once; who finds nobody,
 * or is told to wait, rests for a while that doubles, up to a limit, and is drawn at random. A change that was sent is sent
 * again with its slot and sequence alone, so that it is done once.
 *
 * All on one loop.
 */
#ifndef RAFTKV_FS_CLIENT_COURIER_H
#define RAFTKV_FS_CLIENT_COURIER_H

#include "fs/client/errand.h"
#include "fs/client/remote.h"
#include "fs/schema/store_list.h"

#define COURIER_ERRANDS_MAX 16384u /* under way; then courier_run says STATUS_LIMIT */

struct courier_options {
	struct env_loop *loop;
	const struct logger *logger; /* as is all below: outlives the courier */
	const struct store_list *seeds; /* addresses of stores, to begin with */
	uint32_t first_slot; /* of its slots in the session */
	enum remote_reads reads;
	/* Its session was refused. */
	void (*lost)(void *argument, uint64_t session);
	/* A link failed: for whoever waits and wonders why. */
	void (*failed)(void *argument, const char *address, const struct status *why);
	void *argument;
};

struct courier *courier_new(const struct courier_options *options); /* NULL: no memory */
void courier_free(struct courier *courier); /* stopped, or never used; may be NULL */
struct env_loop *courier_loop(const struct courier *courier);

/* The cluster that it speaks to: 0 until a store has welcomed it. From set_cluster on stores of another are left alone. */
uint64_t courier_cluster(const struct courier *courier);
void courier_set_cluster(struct courier *courier, uint64_t cluster);
/* Another session, or (0) none: changes that were asked for under the one before end with STATUS_SESSION_UNKNOWN; those
 * that are asked for while there is none wait for the next. */
void courier_set_session(struct courier *courier, uint64_t session);

/* 0: `done` will come, later; STATUS_LIMIT. */
int courier_run(struct courier *courier, struct errand *errand);
/* Ends the errand with that status, which `done` gets inside the call. */
void courier_give_up(struct errand *errand, int status);

/* Any thread. */
void courier_read_stats(const struct courier *courier, struct remote_stats *stats);

/* No errand is left. `stopped` perhaps from inside the call. */
void courier_stop(struct courier *courier, void (*stopped)(void *argument), void *argument);

#endif
