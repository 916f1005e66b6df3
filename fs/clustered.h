/*
 * clustered.h: a filesystem on a cluster: a remote client (fs/client/remote.h) with the loops that it runs on.
 *
 * What embedded.h is to a local directory.
 */
#ifndef RAFTKV_FS_CLUSTERED_H
#define RAFTKV_FS_CLUSTERED_H

#include "fs/client/remote.h"

struct clustered;

struct clustered_options {
	const char *stores; /* addresses: a store_list.h */
	const struct logger *logger;
	uint32_t loop_count; /* 0: one per core, at most 4 */
	enum remote_reads reads;
	uint32_t timeo_ms; /* remote_options.timeo_ms */
	uint32_t wait_ms; /* for the cluster to answer, while opening */
	const char *mount_point; /* for people who look at the sessions */
};

/* Blocks until the cluster's root directory answers. -ETIMEDOUT: it did not in time; the sentence says what stood in the
 * way last. */
int clustered_open(
	const struct clustered_options *options, struct clustered **clustered, struct status *status);
/* Blocks until the session is closed, or that has taken too long, and every thread has ended. The client has no request
 * left. */
void clustered_close(struct clustered *clustered);

/* Has `lost` called, on some thread, when the mount's session was lost (remote.h), until it is closed. */
void clustered_set_lost(struct clustered *clustered, void (*lost)(void *argument), void *argument);
/* Has `asked` called, on the first loop, as remote.h says; it ends with clustered_answer. Before it is set nothing is open. */
void clustered_set_asked(struct clustered *clustered,
	void (*asked)(void *argument, uint64_t notice, struct slice inodes), void *argument);
void clustered_answer(struct clustered *clustered, uint64_t notice, bool are_kept); /* on the first loop */

struct env *clustered_env(struct clustered *clustered);
struct remote *clustered_remote(struct clustered *clustered);
struct client *clustered_client(struct clustered *clustered);
struct env_loop **clustered_loops(struct clustered *clustered, uint32_t *count);

#endif
