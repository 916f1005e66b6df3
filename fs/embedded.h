/*
 * embedded.h: a filesystem on a local directory: a single-replica store inside this process, with its loops and client.
 *
 * Opening makes the store (and the root directory) if the source is absent or empty, and recovers it otherwise. What the
 * mounts before left behind (locks, files without a name, space of truncated files) goes in the background.
 */
#ifndef RAFTKV_FS_EMBEDDED_H
#define RAFTKV_FS_EMBEDDED_H

#include "fs/client/client.h"

struct embedded;

struct embedded_options {
	const char *path; /* the source directory, absolute */
	const struct logger *logger;
	uint32_t loop_count; /* 0: one per core, at most 4 */
	const struct raftkv_options
		*store; /* its sizes, times and switches, while opening; NULL: the defaults */
	uint32_t owner_uid; /* of the root of a fresh filesystem */
	uint32_t owner_gid;
	/* The store can not go on: the process should end. Once, on any thread. */
	void (*failed)(void *argument, int status, const char *sentence);
	void *failed_argument;
};

/* Blocks until the filesystem answers. */
int embedded_open(const struct embedded_options *options, struct embedded **embedded, struct status *status);
/* Blocks until everything is flushed and every thread has ended. The client has no request left. */
void embedded_close(struct embedded *embedded);

struct env *embedded_env(struct embedded *embedded);
struct client *embedded_client(struct embedded *embedded);
/* The loops that run the store's shards; lanes may use them too. */
struct env_loop **embedded_loops(struct embedded *embedded, uint32_t *count);

#endif
