/*
 * registrations.h: how the regions that this store leads come to know sessions (op.h: OP_SESSION_ADMIT,
 * OP_SESSION_REGISTER). A mount opens its session in region 1. Any other region refuses the session's first change with
 * STATUS_SESSION_UNKNOWN, and whoever got that answer asks here:
 *
 *   OP_SESSION_ADMIT (this region) -> OP_SESSION_REGISTER (region 1) -> OP_SESSION_ADMIT -> the change is evaluated again
 *
 * A session that is forgotten in between is not admitted: op.h says why the rows alone see to that.
 *
 * Changes of one session in one region wait for the same steps. All on one loop.
 */
#ifndef RAFTKV_FS_REGIONS_REGISTRATIONS_H
#define RAFTKV_FS_REGIONS_REGISTRATIONS_H

#include "fs/client/dispatcher.h"
#include "store/raftkv.h"

#define REGISTRATIONS_WAITING_MAX 4096u /* changes that wait; then STATUS_LIMIT */
#define REGISTRATIONS_PATIENCE_MS 5000u /* for region 1's answer; then STATUS_LIMIT */

struct registrations;

struct registrations_options {
	struct env_loop *loop;
	/* Shared: the objects below outlive the registrations. */
	struct raftkv *raftkv;
	struct dispatcher *peers; /* reaches region 1; on the same loop */
};

/* A change that waits. Its maker embeds it, and gets it back with `done`. */
struct registration_wait {
	uint64_t region; /* that refused the change; not CLUSTER_REGION */
	uint64_t session;
	/* Called once, perhaps from inside registrations_ask. 0: the change is to be evaluated again, and may be refused again. STATUS_SESSION_UNKNOWN:
	 * the session is ending or has ended. Another status is one that the mount follows by another try. */
	void (*done)(struct registration_wait *wait, int status);
	struct registration_wait *next; /* the registrations' */
};

struct registrations *registrations_new(const struct registrations_options *options); /* NULL: no memory */
/* Those that wait get STATUS_STOPPING from inside the call, and so does who comes later. Before the dispatcher stops; the
 * store stops afterwards. */
void registrations_stop(struct registrations *registrations);
void registrations_free(struct registrations *registrations); /* the store has stopped; may be NULL */

/* 0: `done` comes. STATUS_LIMIT, STATUS_STOPPING, -ENOMEM: it does not. */
int registrations_ask(struct registrations *registrations, struct registration_wait *wait);

#endif
