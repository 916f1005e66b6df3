/*
 * request.h: one FUSE request, from its callback to its reply; the part that all operations share.
 *
 * A request stays on its lane's loop. Each operation has its own struct, which begins with a struct request, holds the
 * operation's own state, and is allocated with room for its names and data. An operation is a chain of steps: each step
 * starts something asynchronous and names the function that continues. A request waits for one thing at a time, so the
 * state of all waits shares one union (`step`), which the next step overwrites.
 *
 * Every path ends in exactly one of the functions of reply.h, which answer the kernel and free the request.
 */
#ifndef RAFTKV_FS_VFS_REQUEST_H
#define RAFTKV_FS_VFS_REQUEST_H

#include "fs/vfs/front_internal.h"

struct request;
typedef void (*request_cb)(struct request *request);
/* `reply` is borrowed for the call. */
typedef void (*request_called_cb)(struct request *request, int error, const struct op_reply *reply);

/* What a request waits for, as request_give_up needs it. */
enum request_wait {
	REQUEST_WAITS_ELSEWHERE, /* for anything else, or for nothing */
	REQUEST_WAITS_FOR_CALL, /* a proposal */
	REQUEST_WAITS_FOR_READ, /* a question */
	REQUEST_WAITS_FOR_DATA, /* until the write-back has written out data, or has room */
};

struct request {
	struct watched watched;
	struct front *front;
	struct lane *lane;
	fuse_req_t fuse; /* NULL: a raw request */
	uint64_t unique; /* the kernel's id of the request */
	uint64_t ticket; /* of drops.h: request_settle waits for it; 0: none */
	uint64_t moment; /* write_back_moment before the last question */
	struct buf *payload; /* of a write */
	struct node_writing *writing; /* that ends with the request; NULL: none */
	request_cb given_up; /* for request_give_up during a wait for data; NULL: it replies -EINTR */
	union {
		request_cb then; /* the next step after a question, a flush, a sync, or a drop of pages */
		request_called_cb called; /* the next step after a proposal */
	};
	uint32_t opcode;
	uint32_t counted; /* bytes that payloads.h counts for it */
	int error; /* of the last question */
	enum request_wait wait : 8;
	bool may_fail; /* the question is by request_ask_any */
	bool needs_data; /* the flush is not by request_write_back: its error ends the request */
	bool has_node; /* opening.h has counted an open that no handle has taken yet */
	union {
		struct client_read read;
		struct {
			struct client_call call;
			const struct op *op;
		};
		struct write_back_waiter data;
		struct drops_waiter drop;
		struct raftkv_sync sync;
		struct {
			struct node_reader reader;
			uint32_t lane; /* the next one to look at */
		} order; /* write_order.h */
	} step;
};

/* ---- Making and freeing ---- */

/* Allocates a struct of `size` bytes that begins with a struct request; the rest of it is zeroes. NULL: out of memory,
 * and the kernel has been answered. */
void *request_new(fuse_req_t fuse, size_t size);
/* request_new with `room` bytes after the struct, which are not set. */
void *request_new_with_room(fuse_req_t fuse, size_t size, size_t room);
/* request_new with a copy of the name at `name_offset`, the struct's last member. NULL also for a name that is too
 * long, after the reply ENAMETOOLONG. */
void *request_new_named(fuse_req_t fuse, size_t name_offset, const char *name);
void *request_new_raw(const struct lane_raw *raw, struct front *front, size_t size);
/* For a request that was replied to without reply.h. */
void request_free(struct request *request);

/* Counts `size` bytes of file data for the request. Not for a request that may wait for the kernel (payloads.h). */
void request_count_payload(struct request *request, size_t size);
/* Takes back that count, and frees request->payload. */
void request_drop_payload(struct request *request);

/* ---- Steps ---- */

/* Proposes `op`, which must stay until the answer; `called` gets the answer. An error may come from inside the call.
 * `payload` (may be NULL) is shared. */
void request_call(
	struct request *request, const struct op *op, struct buf *payload, request_called_cb called);
/* Asks the store; the answer goes to `finding`, which must stay until then. Then calls `then`. An error ends the
 * request with that errno; with request_ask_any `then` gets it, in request->error. */
void request_ask(
	struct request *request, const struct question *question, struct finding *finding, request_cb then);
void request_ask_any(
	struct request *request, const struct question *question, struct finding *finding, request_cb then);

/* Writes out the file's buffered data, then calls `then`, also after an error, which node.h reports. Calls it at
 * once if no data is buffered. */
void request_write_back(struct request *request, uint64_t ino, request_cb then);
/* request_write_back for an operation that must not use old data: if data could not be written, that error ends the
 * request. */
void request_write_back_or_fail(struct request *request, uint64_t ino, request_cb then);
/* request_write_back_or_fail for `size` bytes at `offset` only. `*file_end` is set before it returns:
 * write_back_flush_range. */
void request_write_back_range(struct request *request, uint64_t ino, uint64_t offset, size_t size,
	uint64_t *file_end, request_cb then);

/* Calls `then` once all changes that were answered are durable; at once if they are. */
void request_sync(struct request *request, request_cb then);

/* Calls `then` once old pages have been dropped (request_see); at once if there are none. Not for a request during
 * which the kernel locks pages of the file or holds its writes back: READ, WRITE through pages, SETATTR. During OPEN
 * and lock requests it does neither (OPEN with O_TRUNC would with the kernel's writeback cache, which is off). */
void request_settle(struct request *request, request_cb then);

/* Ends the wait of a request whose caller is dying: the reply is EINTR, unless the answer is about to come. A FLUSH
 * goes on without waiting. For the watch. */
void request_give_up(struct watched *watched);

/* ---- Attributes in replies ---- */

/* write_back_lay_over for the attributes that the last question found. False: ask again. */
bool request_lay_over(const struct request *request, struct attributes *attributes, struct attributes *shown);
/* Before the kernel is told these attributes: older pages are dropped, and request_settle waits for that. */
void request_see(struct request *request, const struct attributes *attributes);
/* Before a reply without attributes after which the kernel relies on these: also drops its older attributes. */
void request_renew(struct request *request, const struct attributes *attributes);

/* ---- The caller ---- */

struct op_caller request_caller(const struct request *request); /* not for a raw request */
/* Whether the caller is root or has the capability (caller_has). Kernels since 6.12 tell a user only with requests that
 * create an inode. */
bool request_caller_has(fuse_req_t fuse, unsigned capability);

static inline struct slice request_name(const char *name)
{
	return slice_of(name, __builtin_strlen(name));
}

static inline struct question question_of_attributes(uint64_t ino)
{
	return (struct question){.kind = QUESTION_ATTRIBUTES, .ino = ino};
}

static inline struct question question_of_name(struct slice name, uint64_t parent)
{
	return (struct question){.kind = QUESTION_LOOKUP, .ino = parent, .name = name};
}

#endif
