/*
 * remote.h: a client (client.h) whose stores are elsewhere: a session of a cluster, and a dispatcher for each loop.
 *
 * A call goes through the dispatcher of its own loop, without another thread. The first loop opens the session, keeps it
 * alive, and when it was lost nevertheless (the cluster did not hear from this mount for too long) opens another: changes
 * under way then end with -EIO, and its locks and open files without a name are gone.
 *
 * Asynchronous, over any env and loops: clustered.h makes the real ones.
 */
#ifndef RAFTKV_FS_CLIENT_REMOTE_H
#define RAFTKV_FS_CLIENT_REMOTE_H

#include "fs/client/client.h"
#include "fs/schema/store_list.h"

#define REMOTE_LOOPS_MAX 4u

struct remote;

/* Whom reads ask. All are linearizable: who does not lead asks the leader how far it must be. */
enum remote_reads {
	REMOTE_READS_LEADER,
	REMOTE_READS_FOLLOWER, /* spares the leader */
	REMOTE_READS_NEAREST, /* the replica that answers fastest */
};

struct remote_options {
	struct env *env;
	struct env_loop **loops; /* made, and run, by the caller; calls may be made on each of them */
	uint32_t loop_count; /* ≤ REMOTE_LOOPS_MAX */
	const struct logger *logger; /* as is all below: outlives the remote */
	const struct store_list *seeds; /* addresses of some stores */
	enum remote_reads reads;
	uint32_t timeo_ms; /* calls and reads that waited for longer end with -ETIMEDOUT; 0: they wait */
	/* For people who look at the sessions: */
	const char *host, *mount_point;
	uint32_t pid;
	/* A session was lost: what it held is gone. On the first loop; may be NULL. */
	void (*lost)(void *argument, uint64_t session);
	/* These inodes (for the call) have lost their last name: those that are open here must be kept for this session by
	 * OP_HOLD, then remote_answer is called; else they go. On the first loop; NULL: nothing is ever open here. */
	void (*asked)(void *argument, uint64_t notice, struct slice inodes);
	void *argument;
};

struct remote_stats {
	uint64_t cluster, session; /* 0: not yet, or not now */
	uint64_t calls, reads; /* that were answered */
	uint64_t retries; /* attempts beyond the first */
	uint64_t timeouts; /* attempts without an answer */
	uint64_t failures; /* of links */
	uint64_t links; /* open */
	uint64_t under_way; /* calls and reads */
	uint64_t
		waits_ms; /* nothing has been answered for so long, though something was asked; 0: all is well */
};

/* Before the loops run, or on the first one. */
int remote_new(const struct remote_options *options, struct remote **remote, struct status *status);
/* On the first loop: opens the session, for as long as it takes. `started`, later, on that loop: 0, or what the cluster
 * answered (-EUSERS: too many sessions). */
void remote_start(struct remote *remote, void (*started)(void *argument, int status), void *argument);
/* On the first loop, of a remote that was started, whether or not that has been answered: then it is, with -ECANCELED.
 * No call and no read is left. Closes the session, if that goes quickly; then `stopped`, there. */
void remote_stop(struct remote *remote, void (*stopped)(void *argument), void *argument);
/* Stopped, or never started; the loops may have ended. May be NULL. */
void remote_free(struct remote *remote);

struct client *remote_client(struct remote *remote); /* freed with it */

/* On the first loop. `are_kept`: all that are open; else the same notice comes again. */
void remote_answer(struct remote *remote, uint64_t notice, bool are_kept);

/* Any thread. */
void remote_read_stats(struct remote *remote, struct remote_stats *stats);
/* Why the last link failed, as a sentence with its address; empty: none has. */
void remote_read_trouble(struct remote *remote, struct status *trouble);

#endif
