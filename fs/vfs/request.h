/*
 * request.h: one FUSE request on its way to its reply, and what all operations need.
 *
 * A request lives from an operation's callback to its reply, on its lane's loop. Every path ends in exactly one of the
 * request_reply_* functions, which answer the kernel and free the request.
 */
#ifndef RAFTKV_FS_VFS_REQUEST_H
#define RAFTKV_FS_VFS_REQUEST_H

#include <pthread.h>
#include <stdatomic.h>

#include "fs/vfs/atimes.h"
#include "fs/vfs/write_back.h"
#include "fs/vfs/drops.h"
#include "fs/vfs/front.h"
#include "fs/fuse/lane.h"
#include "fs/fuse/latencies.h"
#include "fs/vfs/nameless.h"
#include "fs/vfs/node.h"
#include "fs/vfs/pages.h"
#include "fs/vfs/removed.h"
#include "fs/vfs/retries.h"
#include "fs/vfs/told.h"
#include "fs/vfs/waits.h"
#include "fs/fuse/payloads.h"
#include "fs/fuse/watch.h"

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

struct handle;

/* The entries of a directory, in a reply. */
struct listing {
	size_t used; /* bytes of the reply */
	size_t group_start; /* of the entries that share the last cookie: they go into one reply together */
};

/* What the next step of a request is to come from. */
enum request_wait {
	REQUEST_WAITS_ELSEWHERE,
	REQUEST_WAITS_FOR_CALL,
	REQUEST_WAITS_FOR_READ,
	REQUEST_WAITS_FOR_DATA, /* that is to be written out */
};

struct request {
	struct watched watched;
	enum request_wait wait;
	struct front *front;
	struct lane *lane;
	fuse_req_t fuse; /* NULL: a raw request */
	struct lane_raw raw;
	uint32_t opcode;
	struct client_call call;
	struct client_read read;
	struct finding finding;
	struct node_waiter waiter;
	struct env_timer timer; /* while it waits for a lock: */
	uint32_t before; /* so many wait before it, */
	uint32_t waits; /* and so often it has rested since then */
	struct write_back_waiter room;
	uint64_t moment; /* of asking: write_back_lay_over */
	uint64_t buffered_end; /* before reading: write_back_flush_range */
	struct drops_waiter drop;
	uint64_t ticket; /* of pages that are old; 0: none are */
	struct buf *payload;
	size_t counted; /* bytes among the front's payloads */
	struct op op; /* its slices point into `name`, `new_name` and `value` */
	struct fuse_file_info info;
	struct attributes attributes; /* the store's */
	struct attributes shown; /* with what is buffered: request_lay_over */
	uint64_t ino;
	uint64_t offset;
	size_t size; /* asked for */
	size_t count; /* done */
	uint64_t found; /* by lseek */
	uint64_t free_size; /* bytes of the filesystem, for fallocate */
	uint64_t drops; /* of the inode's locks, before asking */
	uint64_t unique; /* of a blocking lock */
	struct lock blocker;
	struct listing listing;
	int error;
	bool is_plus;
	bool is_seeking_data;
	bool is_clip;
	bool is_blocking;
	bool is_queued; /* has been refused a lock, and waits for it */
	bool is_cycle; /* the lock wait would have closed one, when last asked */
	bool is_kill; /* the kernel asked to strip suid and sgid */
	bool needs_data; /* request_flush_or_fail */
	bool has_node; /* node_open has counted it */
	bool has_pages; /* pages_open has, too */
	struct retry retry; /* of a try before this one */
	unsigned making; /* nameless_begin_making */
	uint32_t makings; /* so often */
	uint64_t made_in; /* CREATE: the directory */
	bool is_creation; /* the reply to CREATE of a file that was there */
	void (*opened)(struct request *request); /* the next step once the inode is known to stay */
	void (*then)(struct request *request); /* the operation's next step after a read */
	void (*flushed)(struct request *request); /* the next step after a flush */
	void (*settled)(struct request *request); /* the next step after old pages have gone */
	client_call_cb called;
	uint8_t *bytes; /* malloc'ed: a reply's data, or a value to set */
	char name[FS_NAME_SIZE_MAX + 1];
	char new_name[FS_NAME_SIZE_MAX + 1];
};

/* Whose locks were taken through a handle; of OFD locks it is the open file itself (LOCK_POSIX). */
struct handle_owner {
	enum lock_kind kind;
	uint64_t owner;
};

/* What an open file or directory is to us: fuse_file_info.fh. Several lanes may use it at once. */
struct handle {
	struct handle *prev; /* the front's list */
	struct handle *next;
	uint64_t ino;
	bool has_pages; /* pages_open has counted it */
	bool can_read; /* through the kernel's pages */
	bool is_direct; /* past them */
	struct node_cursor errors; /* what was told through it; the node table's to change */
	pthread_mutex_t mutex; /* of the owners */
	struct handle_owner *owners;
	size_t owner_count;
};

/* NULL: out of memory, and the kernel has been answered. */
struct request *request_new(fuse_req_t fuse);
struct request *request_new_raw(const struct lane_raw *raw, struct front *front);
/* Copies a name; -ENAMETOOLONG is answered and NULL returned. */
struct request *request_new_named(fuse_req_t fuse, const char *name);

/* So many bytes of data are on their way with the request. Not of one that may wait for the kernel (payloads.h). */
void request_count_payload(struct request *request, size_t size);
/* They are no longer; request->payload has gone. */
void request_drop_payload(struct request *request);

/* Proposes `request->op`; `done` is called with the answer. An error that comes at once ends the request. */
void request_call(struct request *request, struct buf *payload, client_call_cb done);
/* Asks; what was found goes to `attributes`, `count`, `found` and `blocker`, bytes to `bytes`. Then `then`; an error ends
 * the request with that errno, but with request_ask_any `then` gets it, in request->error. */
void request_ask(struct request *request, struct question question, void (*then)(struct request *request));
void request_ask_any(
	struct request *request, struct question question, void (*then)(struct request *request));
static inline struct question attributes_of(uint64_t ino)
{
	return (struct question){.kind = QUESTION_ATTRIBUTES, .ino = ino};
}
static inline struct question inode_called(struct slice name, uint64_t parent)
{
	return (struct question){.kind = QUESTION_LOOKUP, .ino = parent, .name = name};
}
struct request *request_of_call(struct client_call *call);
struct request *request_of_read(struct client_read *read);
struct request *request_of_wake(struct env_mail *mail); /* of a node_waiter */
struct request *request_of_timer(struct env_timer *timer);
struct request *request_of_room(struct env_mail *mail); /* of a write_back_waiter */
struct request *request_of_drop(struct env_mail *mail); /* of a drops_waiter */

/* Makes what was written to `ino` durable first, whatever became of it; then `then`. At once when there is nothing. What
 * could not be written is told by node.h. */
void request_flush(struct request *request, uint64_t ino, void (*then)(struct request *request));
/* The same for who would take old data for new: what could not be written ends the request with that errno. */
void request_flush_or_fail(struct request *request, uint64_t ino, void (*then)(struct request *request));
/* The same of request->size bytes at request->offset alone; sets `buffered_end`. */
void request_flush_range(struct request *request, uint64_t ino, void (*then)(struct request *request));
/* Of request->attributes, as they were found: sets `shown`. False: ask again. */
bool request_lay_over(struct request *request);

/* The kernel is going to be told of these attributes: pages that are older go. */
void request_see(struct request *request, const struct attributes *attributes);
/* The kernel is not told, but goes on as if it knew them: attributes that are older go, too. */
void request_renew(struct request *request, const struct attributes *attributes);
/* The attributes that the kernel has of an inode which the caller is using are old. */
void request_drop_attributes(const struct front *front, uint64_t ino);
/* Executing a file with this mode gives privileges (NODE_PRIVILEGED). */
void request_note_mode(const struct front *front, uint64_t ino, uint32_t mode);
/* Suid, sgid and capabilities may have been stripped: the kernel did not do it itself, and is told if it may have known of
 * any. */
void request_strip(const struct front *front, uint64_t ino);
/* Once old pages have gone; at once when there are none. Not of a request during which the kernel holds pages or writes of
 * the file back: READ, WRITE through pages, SETATTR. OPEN (but O_TRUNC with the kernel's write-back cache, which is off)
 * and locks hold none. */
void request_settle(struct request *request, void (*then)(struct request *request));

/* Nobody needs the answer: -EINTR, unless it is about to come. A FLUSH goes on without waiting. For the watch. */
void request_give_up(struct watched *watched);

/* `error` 0 or -errno. `attributes`: the store's, of which the kernel is taken to be told; `shown`: what it is told, with
 * what this mount has buffered. */
void request_reply_error(struct request *request, int error);
void request_reply_entry(struct request *request, const struct attributes *attributes,
	const struct attributes *shown, uint64_t parent, struct slice name);
/* A name that does not exist: cached by the kernel when we are its only client. */
void request_reply_no_entry(struct request *request);
void request_reply_attributes(
	struct request *request, const struct attributes *attributes, const struct attributes *shown);
void request_reply_written(struct request *request, size_t count);
void request_reply_bytes(struct request *request, const void *bytes, size_t size);
void request_reply_size(struct request *request, size_t size); /* of an xattr */
void request_reply_raw(struct request *request, const void *answer, size_t size);
void request_reply_none(struct request *request);
/* After a reply by another function of fuse_reply_*. */
void request_free(struct request *request);

/* It is going to be told of these attributes, and of a name (told_name) or none (0). Of files alone is it remembered. */
void request_note_told(const struct front *front, const struct attributes *attributes, uint64_t name);
/* Attributes as the kernel is to see them: with the access time that is known here. */
struct stat request_stat(const struct front *front, const struct attributes *attributes);
/* The inode of request->attributes was read. */
void request_note_read(struct request *request);
/* Would that be noted? Then the kernel must not answer reads by itself. */
bool request_would_note_read(const struct request *request);
/* To be told, with the name in `parent`; empty: there is none. */
struct fuse_entry_param request_entry(const struct front *front, const struct attributes *attributes,
	const struct attributes *shown, uint64_t parent, struct slice name);
struct op_caller request_caller(const struct request *request);
/* Is the caller root with that capability? Where nothing is made, kernels since 6.12 do not tell whose request it is. */
bool request_caller_has(fuse_req_t fuse, unsigned capability);
static inline struct slice request_name(const char *name)
{
	return slice_of(name, __builtin_strlen(name));
}

/* Fire and forget: dropping a lock, which lets waiters ask again. */
void request_background(struct front *front, struct env_loop *loop, const struct op *op);
/* The same for a lock of a handle that is being closed (node_begin_release). */
void request_release_lock(struct front *front, struct env_loop *loop, const struct op *op);

/* The operations, by family: each fills in its part of the table. */
void ops_names(struct fuse_lowlevel_ops *operations);
void ops_attributes(struct fuse_lowlevel_ops *operations);
void ops_data(struct fuse_lowlevel_ops *operations);
void ops_directories(struct fuse_lowlevel_ops *operations);
void ops_xattrs(struct fuse_lowlevel_ops *operations);
void ops_locks(struct fuse_lowlevel_ops *operations);

void ops_statx(const struct lane_raw *raw, void *userdata);
void ops_tmpfile(const struct lane_raw *raw, void *userdata);
void ops_interrupt(struct lane *lane, uint64_t unique, void *userdata);

/* ---- What other mounts have removed (stale.c); of a sole client nothing is noted, and all is as it was found ---- */

/* Has this mount the inode open, or does it hold it? Then it may use it without a name. */
bool request_has_open(const struct front *front, uint64_t ino);
/* Is this the second try of a call, about this inode? */
bool request_is_last_try(const struct request *request, enum retry_kind kind, uint64_t ino);
/* -ESTALE: the kernel is to walk the path again. */
int request_look_again(struct request *request, enum retry_kind kind, uint64_t ino, uint64_t other);
/* The error of request->op, an operation on names, as the kernel is to see it: -ESTALE only where it may look again. */
int request_place_error(struct request *request, int error);
/* The error of a look at the attributes of an inode, or of a change of them. What is there is shown without a name, too: the
 * kernel looks at permissions so, in the middle of other calls, and asks for the name again when that has run out. */
int request_look_error(struct request *request, int error, uint64_t ino);

/* ---- Handles (handle.c) ---- */

/* Counts an open of `ino`: request->has_node. False: out of memory, and the request has been answered. */
bool request_open_node(struct request *request, uint64_t ino);
/* Gives the open of request->ino back, if request->has_node. */
void request_close_node(struct request *request);
/* Makes the handle of an opened or created file; takes the request's node. NULL: out of memory. */
struct handle *handle_new(struct request *request, uint64_t ino);
/* What the kernel is told of it. `may_keep`: the pages that it has. */
void handle_set_info(const struct handle *handle, bool may_keep, struct fuse_file_info *info);
/* -ENOLCK: too many; -ENOMEM. */
int handle_add_owner(struct handle *handle, enum lock_kind kind, uint64_t owner);
void handle_remove_owner(struct handle *handle, enum lock_kind kind, uint64_t owner);
void handle_close(struct front *front, struct handle *handle);
/* At the end of the front, when no request is left. */
void handles_free(struct front *front);
/* Opens request->ino, which has a name or had one a moment ago. */
void request_open(struct request *request);
void ops_open(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *info);
void ops_opendir(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *info);
void ops_release(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *info); /* and releasedir */

/* Drops the locks taken through a handle that is being closed, in the background. */
void locks_release(struct request *request, const struct handle *handle);

/* The session is over: nobody waits for a lock any more. */
void locks_end_waits(struct front *front);

/* ---- The front (front.c) ---- */

/* One of front->in_flight is over. */
void front_leave(struct front *front);

#endif
