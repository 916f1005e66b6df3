/*
 * embedded.h: a filesystem on a local directory: a single-replica store inside this process, with its loops and client.
 *
 * Opening makes the store (and the root directory) if the source is absent or empty, and recovers it otherwise. Locks,
 * files without a name and the space of truncated files that earlier mounts left are released in the background.
 */
#ifndef RAFTKV_FS_EMBEDDED_H
#define RAFTKV_FS_EMBEDDED_H

#include "fs/client/client.h"

struct embedded;

struct embedded_options {
	const char *path; /* the source directory, absolute */
	const struct logger *logger;
	uint32_t loop_count; /* 0: one per core, at most 4 */
	/* Only its sizes, times and switches are used, while opening. NULL: the defaults. */
	const struct raftkv_options *store;
	uint32_t owner_uid; /* of the root directory of a new filesystem */
	uint32_t owner_gid; /* of the root directory of a new filesystem */
	/* The store cannot go on: the process should end. Called once, on any thread. */
	void (*failed)(void *argument, int status, const char *sentence);
	void *failed_argument;
};

/* Blocks until the filesystem serves. A negative status has a sentence. */
int embedded_open(const struct embedded_options *options, struct embedded **embedded, struct status *status);
/* Blocks until everything is flushed and every thread has ended. The client has no request left. */
void embedded_close(struct embedded *embedded);

struct env *embedded_env(struct embedded *embedded);
struct client *embedded_client(struct embedded *embedded);
/* The loops that run the store's shards; lanes may use them too. */
struct env_loop **embedded_loops(struct embedded *embedded, uint32_t *count);

#endif
