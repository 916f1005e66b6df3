/*
 * front.h: the FUSE front end of a mount: lanes, negotiation with the kernel, operations, and unmounting. The programs
 * that mount make one (fs/embedded.c, fs/clustered.c).
 *
 * Every operation is a chain of functions in ops_*.c on a `struct request` (request.h), and gets exactly one reply. The
 * durable state of files is the store's, behind the client; the front keeps caches, buffered data and open files.
 */
#ifndef RAFTKV_FS_VFS_FRONT_H
#define RAFTKV_FS_VFS_FRONT_H

#include "fs/client/client.h"
#include "proto/histogram.h"
#include "proto/status.h"

struct front;

/* What may change while the front runs. */
struct front_modes {
	bool no_atime;
	bool no_diratime;
	bool strict_atime; /* every read sets the access time, whatever relatime says */
	bool synchronous; /* every write is durable when it returns; so is every change */
	bool durable_names; /* every change of a name or an attribute is durable when it returns */
};

struct front_options {
	struct env *env;
	const struct logger *logger;
	struct client *client; /* shares; outlives the front */
	/* Opens a descriptor of the kernel's connection for one lane, which takes it: channel_clone, or a test's
	 * socket. The INIT request is read from the first one. 0 or -errno. */
	int (*open_descriptor)(void *argument, int *fd);
	/* Whether the kernel still knows an inode: channel_is_known, or a test's. May block. */
	bool (*is_known)(void *argument, uint64_t ino);
	/* Has the kernel ask anew for the attributes of an inode that it is using: channel_drop_attributes, or a
	 * test's. Does not block. */
	void (*drop_attributes)(void *argument, uint64_t ino);
	/* Has the kernel drop the pages and attributes of an inode: channel_drop_pages, or a test's. May block. */
	void (*drop_pages)(void *argument, uint64_t ino);
	void *descriptor_argument; /* of these four callbacks */
	struct env_loop **loops; /* one per lane; run by the caller */
	uint32_t loop_count;
	uint32_t cache_timeout_s; /* how long the kernel caches names and attributes; embedded: a day */
	struct front_modes modes; /* at the start */
	bool sole_client; /* no other client changes the filesystem: negative entries and listings may be cached */
	bool debug;
	/* Unmounted, every request answered, and all data sent. Once, on the first loop. */
	void (*ended)(void *argument);
	void *argument;
};

/* Makes the lanes and negotiates with the kernel; blocks until the kernel's INIT request has come. 0 or -errno, with a
 * sentence in `status`. */
int front_new(const struct front_options *options, struct front **front, struct status *status);
/* The lanes begin to read. Any thread; the loops may be started before or after. */
void front_start(struct front *front);
/* Applies to requests that come from now on. Any thread. */
void front_set_modes(struct front *front, struct front_modes modes);
/* The mount's session has ended, and its locks with it. Each open file of an inode that was locked gets EIO once, from
 * write or fsync, and from close until then. Any thread. */
void front_on_session_lost(struct front *front);
/* Asks which of these inodes, whose last names other mounts have removed, are open here: nameless_ask. On the first
 * loop, one question at a time; not for a sole client. */
void front_ask(struct front *front, struct slice inodes, void (*answer)(void *argument, bool are_kept),
	void *argument);
/* Calls `each` with the latencies of requests, by operation (latencies.h). Any thread. */
void front_each_operation(const struct front *front,
	void (*each)(void *argument, const char *name, const struct histogram_sums *sums), void *argument);
/* Calls `each` with each file that has data which was acknowledged and is not durable yet, and the bytes. Any
 * thread. */
void front_each_unwritten(
	const struct front *front, void (*each)(void *argument, uint64_t ino, uint64_t size), void *argument);
/* After `ended` and after the store has closed; or never started. May be NULL. */
void front_free(struct front *front);

#endif
