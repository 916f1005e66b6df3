/*
 * front_internal.h: the front's struct, and the functions of it that all operations need. Only files of this folder
 * include it.
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
	struct watch *watches; /* one per lane; NULL for a sole client: no request is given up */
	struct node_table *nodes;
	struct pages *pages; /* NULL for a sole client */
	struct told *told; /* NULL for a sole client */
	struct retries *retries; /* NULL for a sole client */
	struct nameless *nameless; /* NULL for a sole client */
	struct drops *drops;
	struct waits *waits;
	struct removed *removed;
	pthread_mutex_t mutex; /* of the handles */
	struct handle *handles; /* open ones; after an abort also those that were never released */
	struct write_back *write_back;
	struct payloads *payloads;
	struct atimes *atimes;
	atomic_bool no_atime, no_diratime, strict_atime; /* front_set_modes */
	atomic_bool synchronous;
	struct write_back_waiter last; /* for write_back_stop */
	struct env_mail end; /* posted when in_flight reaches 0 */
	atomic_uint in_flight; /* requests, background proposals, and lanes that have not stopped */
	bool needs_no_opendir; /* for a sole client the kernel lists without OPENDIR, once told ENOSYS */
	double timeout; /* seconds for which the kernel caches names and attributes */
	struct latencies latencies;
};

/* Takes one off front->in_flight. */
void front_leave(struct front *front);

/* ---- What the kernel knows of an inode (knowledge.c) ---- */

/* Has the kernel forget its attributes of an inode that the caller is using. */
void front_drop_attributes(const struct front *front, uint64_t ino);
/* Marks the inode NODE_PRIVILEGED if this mode has suid or sgid. */
void front_note_mode(const struct front *front, uint64_t ino, uint32_t mode);
/* The store may have stripped suid, sgid and capabilities, which the kernel does not do itself. The kernel is told
 * so if it may know of any (NODE_PRIVILEGED). */
void front_strip(const struct front *front, uint64_t ino);
/* Notes that the kernel is going to be told these attributes with a name (told_name; 0: none). Regular files only. */
void front_note_told(const struct front *front, const struct attributes *attributes, uint64_t name);
/* Attributes in the form of stat(2), with the access time that is noted here. */
struct stat front_stat(const struct front *front, const struct attributes *attributes);
/* An entry for the kernel, by `name` in `parent` (empty: without a name). `attributes`: the store's, for
 * front_note_told; `shown`: those with this mount's buffered data, which the kernel gets. */
struct fuse_entry_param front_entry(const struct front *front, const struct attributes *attributes,
	const struct attributes *shown, uint64_t parent, struct slice name);
/* Notes a read of an inode with these attributes, through a file with these flags of open(2). */
void front_note_read(const struct front *front, const struct attributes *attributes, int flags);
/* Whether front_note_read would note a read. If so, the kernel must not answer reads from its pages. */
bool front_would_note_read(const struct front *front, const struct attributes *attributes, int flags);
/* Whether this mount has the inode open or holds it: it may then be used without a name. */
bool front_has_open(const struct front *front, uint64_t ino);

#endif
