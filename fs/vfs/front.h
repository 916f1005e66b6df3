/*
 * front.h: the FUSE front end of a mount: lanes, negotiation, operations, and the end. The programs that mount make one
 * (fs/embedded.c, fs/clustered.c).
 *
 * Every operation has a chain of functions in ops_*.c, starts as a `struct request` (request.h) and gets exactly one
 * reply. The front keeps no file state but what is open (node.h): all truth is behind the client.
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
	bool strict_atime; /* every read moves the access time, whatever relatime says */
	bool synchronous; /* every write is durable when it returns */
};

struct front_options {
	struct env *env;
	const struct logger *logger;
	struct client *client; /* shares; outlives the front */
	/* A descriptor of the kernel's connection for one lane, which closes it: channel_clone, or a test's socket. The first
	 * lane's has the INIT request. 0 or -errno. */
	int (*open_descriptor)(void *argument, int *fd);
	/* Does the kernel still know an inode? channel_is_known, or a test's. May block. */
	bool (*is_known)(void *argument, uint64_t ino);
	/* The kernel is to ask for the attributes anew of an inode that it is using: channel_drop_attributes, or a test's. Does
	 * not block. */
	void (*drop_attributes)(void *argument, uint64_t ino);
	/* The kernel is to drop the pages and attributes of an inode: channel_drop_pages, or a test's. May block. */
	void (*drop_pages)(void *argument, uint64_t ino);
	void *descriptor_argument; /* of all four */
	struct env_loop **loops; /* one per lane; run by the caller */
	uint32_t loop_count;
	uint32_t cache_timeout_s; /* of names and attributes in the kernel; embedded: a day */
	struct front_modes modes; /* at first */
	bool sole_client; /* nobody else changes the filesystem: negative entries and listings may be cached */
	bool debug;
	void (*ended)(void *argument); /* unmounted, and every request answered; once, on some loop */
	void *argument;
};

/* Negotiates with the kernel (blocks until its INIT request is there) and makes the lanes. */
int front_new(const struct front_options *options, struct front **front, struct status *status);
/* The lanes begin to read. Any thread; the loops run already, or will. */
void front_start(struct front *front);
/* For requests that come from now on. Any thread. */
void front_set_modes(struct front *front, struct front_modes modes);
/* The mount's session has ended, and its locks with it: whoever has a file open that was locked is told EIO, once, by
 * the next write or fsync, and by close until then. Any thread. */
void front_on_session_lost(struct front *front);
/* Other mounts have removed these inodes (ino_ranges.h, for the call): those that are open here are kept for this mount's
 * session. One at a time, on the first loop; not of a sole client. `answer` as nameless.h has it. */
void front_ask(struct front *front, struct slice inodes, void (*answer)(void *argument, bool are_kept),
	void *argument);
/* How long requests took, by operation (latencies.h). Any thread. */
void front_each_operation(const struct front *front,
	void (*each)(void *argument, const char *name, const struct histogram_sums *sums), void *argument);
/* Each file with data that was acknowledged and is not durable yet, and how many bytes. Any thread. */
void front_each_unwritten(
	const struct front *front, void (*each)(void *argument, uint64_t ino, uint64_t size), void *argument);
void front_free(struct front *front); /* after `ended`, and after the store has closed; or never started */

#endif
