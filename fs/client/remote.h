/*
 * remote.h: a client (client.h) of a cluster: a session, and a dispatcher for each loop.
 *
 * A call goes through the dispatcher of its own loop, without another thread. The first loop opens the session and
 * keeps it alive. A session is lost when the cluster did not hear from this mount for too long; then the first loop
 * opens another. Changes under way then end with -EIO, and the session's locks and its open files without a name are
 * gone.
 *
 * Asynchronous, over any env and loops: clustered.h makes the real ones.
 */
#ifndef RAFTKV_FS_CLIENT_REMOTE_H
#define RAFTKV_FS_CLIENT_REMOTE_H

#include "fs/client/client.h"
#include "fs/schema/store_list.h"

#define REMOTE_LOOPS_MAX 4u

struct remote;

/* The replica that reads go to. All reads are linearizable: a follower asks the leader for its commit index (ReadIndex)
 * first. */
enum remote_reads {
	REMOTE_READS_LEADER,
	REMOTE_READS_FOLLOWER, /* any but the leader, in turn */
	REMOTE_READS_NEAREST, /* the one that answers fastest */
};

struct remote_options {
	struct env *env;
	struct env_loop **loops; /* made, and run, by the caller; calls may be made on each of them */
	uint32_t loop_count; /* ≤ REMOTE_LOOPS_MAX */
	/* Shared: the objects below outlive the remote. */
	const struct logger *logger;
	const struct store_list *seeds; /* addresses of some stores */
	enum remote_reads reads;
	uint32_t timeo_ms; /* calls and reads that take longer end with -ETIMEDOUT; 0: they wait */
	/* Shown to people who list the sessions: */
	const char *host, *mount_point;
	uint32_t pid;
	/* A session was lost, with all that it held. On the first loop; may be NULL. */
	void (*lost)(void *argument, uint64_t session);
	/* These inodes (ino_ranges.h, borrowed for the call) have lost their last name. The mount holds those that it
	 * has open (OP_HOLD), then calls remote_answer; the cluster removes the others. On the first loop. NULL: the
	 * mount never has files open. */
	void (*asked)(void *argument, uint64_t notice, struct slice inodes);
	void *argument;
};

struct remote_stats {
	uint64_t cluster, session; /* 0: none at present */
	uint64_t calls, reads; /* that were answered */
	uint64_t retries; /* attempts beyond the first */
	uint64_t timeouts; /* attempts without an answer */
	uint64_t failures; /* of links */
	uint64_t links; /* open */
	uint64_t under_way; /* calls and reads */
	uint64_t waits_ms; /* how long the cluster has answered no request; 0: it answers */
};

/* Before the loops run, or on the first one. -ENOMEM, with a sentence. */
int remote_new(const struct remote_options *options, struct remote **remote, struct status *status);
/* Opens the session, without a time limit. On the first loop. `started` comes on that loop; 0, or the cluster's answer
 * (-EUSERS: too many sessions). */
void remote_start(struct remote *remote, void (*started)(void *argument, int status), void *argument);
/* On the first loop, after remote_start, when no call and no read is left. If `started` has not come yet, it comes with
 * -ECANCELED. Closes the session, unless that takes too long; then `stopped` comes on the first loop. */
void remote_stop(struct remote *remote, void (*stopped)(void *argument), void *argument);
/* Stopped, or never started; the loops may have ended. May be NULL. */
void remote_free(struct remote *remote);

struct client *remote_client(struct remote *remote); /* freed with the remote */

/* Answers a notice (remote_options.asked). On the first loop. `are_kept`: every open inode is held; else the same
 * notice comes again. */
void remote_answer(struct remote *remote, uint64_t notice, bool are_kept);

/* Any thread. */
void remote_read_stats(struct remote *remote, struct remote_stats *stats);
/* The addresses of stores: those that the mount has learnt from the cluster, then those of its seeds that are not among
 * them, in the form of store_list.h, as far as they fit. Any thread. */
void remote_read_stores(struct remote *remote, char *text, size_t size);
/* Why a link failed last, as a sentence with its address; empty: none has failed. Any thread. */
void remote_read_trouble(struct remote *remote, struct status *trouble);

#endif
