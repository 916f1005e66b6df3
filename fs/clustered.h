/*
 * clustered.h: a filesystem on a cluster: a remote client (fs/client/remote.h) with the loops that it runs on. Its
 * counterpart for a local directory is embedded.h.
 */
#ifndef RAFTKV_FS_CLUSTERED_H
#define RAFTKV_FS_CLUSTERED_H

#include "fs/client/remote.h"

struct clustered;

struct clustered_options {
	const char *stores; /* addresses, in the format of store_list.h */
	const struct logger *logger;
	uint32_t loop_count; /* 0: one per core, at most 4 */
	enum remote_reads reads;
	uint32_t timeo_ms; /* remote_options.timeo_ms */
	uint32_t wait_ms; /* for so long clustered_open waits for the cluster's answer */
	const char *mount_point; /* shown to people who list the sessions */
};

/* Blocks until the cluster's root directory could be read. -ETIMEDOUT: it could not be read in time; the sentence has
 * the last obstacle. */
int clustered_open(
	const struct clustered_options *options, struct clustered **clustered, struct status *status);
/* Closes the session, unless that takes too long, and blocks until every thread has ended. The client has no request
 * left. */
void clustered_close(struct clustered *clustered);

/* Sets remote_options.lost: from now until clustered_close, `lost` is called on the first loop. */
void clustered_set_lost(struct clustered *clustered, void (*lost)(void *argument), void *argument);
/* Sets remote_options.asked: `asked` is called on the first loop, and clustered_answer follows. The mount has no open
 * files before. */
void clustered_set_asked(struct clustered *clustered,
	void (*asked)(void *argument, uint64_t notice, struct slice inodes), void *argument);
void clustered_answer(struct clustered *clustered, uint64_t notice, bool are_kept); /* on the first loop */

struct env *clustered_env(struct clustered *clustered);
struct remote *clustered_remote(struct clustered *clustered);
struct client *clustered_client(struct clustered *clustered);
struct env_loop **clustered_loops(struct clustered *clustered, uint32_t *count);

#endif
