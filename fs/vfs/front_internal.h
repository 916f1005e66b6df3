/*
 * front_internal.h: the front's own struct, and what every operation needs of it: what the kernel knows of an inode, and
 * the end. The operations and what they share include it; nobody outside of this folder does.
 */
#ifndef RAFTKV_FS_VFS_FRONT_INTERNAL_H
#define RAFTKV_FS_VFS_FRONT_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "fs/fuse/lane.h"
#include "fs/fuse/latencies.h"
#include "fs/fuse/payloads.h"
#include "fs/fuse/watch.h"
#include "fs/inodes/atimes.h"
#include "fs/inodes/drops.h"
#include "fs/vfs/front.h"
#include "fs/inodes/nameless.h"
#include "fs/inodes/node.h"
#include "fs/inodes/pages.h"
#include "fs/inodes/removed.h"
#include "fs/vfs/retries.h"
#include "fs/inodes/told.h"
#include "fs/vfs/waits.h"
#include "fs/inodes/write_back.h"

#define FRONT_BLOCK_SIZE 65536u /* st_blksize: what programs are told to read and write at a time */

struct front {
	struct front_options options;
	struct lane **lanes;
	uint32_t lane_count;
	struct watch *watches; /* one per lane; NULL: nobody is given up */
	struct node_table *nodes;
	struct pages *pages; /* these four NULL: nobody else changes files */
	struct told *told;
	struct retries *retries;
	struct nameless *nameless;
	struct drops *drops;
	struct waits *waits;
	struct removed *removed;
	pthread_mutex_t mutex; /* of the handles */
	struct handle *handles; /* open; at the end, those that the kernel did not release: it was aborted */
	struct write_back *write_back;
	struct payloads *payloads;
	struct atimes *atimes;
	atomic_bool no_atime, no_diratime, strict_atime; /* front_set_modes */
	atomic_bool synchronous;
	struct write_back_waiter last; /* at the end */
	struct env_mail end;
	atomic_uint in_flight; /* requests, plus one for each lane that has not ended */
	double timeout; /* seconds, of names and attributes */
	struct latencies latencies;
};

/* One of front->in_flight is over. */
void front_leave(struct front *front);

/* ---- What the kernel knows of an inode (knowledge.c) ---- */

/* The attributes that the kernel has of an inode which the caller is using are old. */
void front_drop_attributes(const struct front *front, uint64_t ino);
/* Executing a file with this mode gives privileges (NODE_PRIVILEGED). */
void front_note_mode(const struct front *front, uint64_t ino, uint32_t mode);
/* Suid, sgid and capabilities may have been stripped: the kernel did not do it itself, and is told if it may have known
 * of any. */
void front_strip(const struct front *front, uint64_t ino);
/* It is going to be told of these attributes, and of a name (told_name) or none (0). Of files alone is it remembered. */
void front_note_told(const struct front *front, const struct attributes *attributes, uint64_t name);
/* Attributes as the kernel is to see them: with the access time that is known here. */
struct stat front_stat(const struct front *front, const struct attributes *attributes);
/* An entry to be told, with the name in `parent`; empty: there is none. `attributes`: the store's, of which the kernel is
 * taken to be told; `shown`: what it is told, with what this mount has buffered. */
struct fuse_entry_param front_entry(const struct front *front, const struct attributes *attributes,
	const struct attributes *shown, uint64_t parent, struct slice name);
/* An inode with these attributes was read, through a file with these flags of open(2). */
void front_note_read(const struct front *front, const struct attributes *attributes, int flags);
/* Would that be noted? Then the kernel must not answer reads by itself. */
bool front_would_note_read(const struct front *front, const struct attributes *attributes, int flags);
/* Has this mount the inode open, or does it hold it? Then it may use it without a name. */
bool front_has_open(const struct front *front, uint64_t ino);

#endif
