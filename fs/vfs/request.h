/*
 * request.h: one FUSE request on its way to its reply: what all operations need.
 *
 * A request lives from an operation's callback to its reply, on its lane's loop. Each operation has a struct of its own
 * that begins with a struct request and holds what this operation alone needs; it is allocated with the length of its
 * names and data. An operation is a chain of steps: each begins something that takes time and names the function that
 * goes on afterwards. A request waits for one thing at a time, so that what belongs to a wait shares its room (`step`):
 * nothing of it outlives the next step.
 *
 * Every path ends in exactly one of the functions of reply.h, which answer the kernel and free the request.
 */
#ifndef RAFTKV_FS_VFS_REQUEST_H
#define RAFTKV_FS_VFS_REQUEST_H

#include "fs/vfs/front_internal.h"

struct request;
typedef void (*request_cb)(struct request *request);
/* `reply` is for the call alone. */
typedef void (*request_called_cb)(struct request *request, int error, const struct op_reply *reply);

/* What the next step of a request is to come from. */
enum request_wait {
	REQUEST_WAITS_ELSEWHERE,
	REQUEST_WAITS_FOR_CALL,
	REQUEST_WAITS_FOR_READ,
	REQUEST_WAITS_FOR_DATA, /* that is to be written out, or for room for more */
};

struct request {
	struct watched watched;
	struct front *front;
	struct lane *lane;
	fuse_req_t fuse; /* NULL: a raw request */
	uint64_t unique; /* the kernel's id of it */
	uint64_t ticket; /* of pages that are old; 0: none are */
	uint64_t moment; /* of the last question: write_back_lay_over */
	struct buf *payload; /* of a write */
	request_cb given_up; /* instead of the reply -EINTR, of one that waits for data; NULL: the reply */
	union {
		request_cb then; /* the next step after a question, data, or old pages */
		request_called_cb called; /* and after a proposal */
	};
	uint32_t opcode;
	uint32_t counted; /* bytes among the front's payloads */
	int error; /* of the last question */
	enum request_wait wait : 8;
	bool may_fail; /* request_ask_any */
	bool needs_data; /* request_flush_or_fail */
	bool has_node; /* an open that is not a handle's yet: opening.h */
	union {
		struct client_read read;
		struct {
			struct client_call call;
			const struct op *op;
		};
		struct write_back_waiter data;
		struct drops_waiter drop;
	} step;
};

/* ---- Birth and death ---- */

/* A struct of `size` bytes that begins with a struct request: zeroes. NULL: out of memory, and the kernel has been
 * answered. */
void *request_new(fuse_req_t fuse, size_t size);
/* The same with `room` bytes behind it, which are not set. */
void *request_new_with_room(fuse_req_t fuse, size_t size, size_t room);
/* The same with a copy of the name at `name_offset`, the struct's last member. -ENAMETOOLONG is answered, too. */
void *request_new_named(fuse_req_t fuse, size_t name_offset, const char *name);
void *request_new_raw(const struct lane_raw *raw, struct front *front, size_t size);
/* After a reply by another function than reply.h's. */
void request_free(struct request *request);

/* So many bytes of data are on their way with the request. Not of one that may wait for the kernel (payloads.h). */
void request_count_payload(struct request *request, size_t size);
/* They are no longer; request->payload has gone. */
void request_drop_payload(struct request *request);

/* ---- Steps ---- */

/* Proposes `op`, which stays until the answer has come; `called` gets it, an error that comes at once too. `payload`
 * (may be NULL) is shared. */
void request_call(
	struct request *request, const struct op *op, struct buf *payload, request_called_cb called);
/* Asks; what is found goes to `finding`, which stays. Then `then`; an error ends the request with that errno, but with
 * request_ask_any `then` gets it, in request->error. */
void request_ask(
	struct request *request, const struct question *question, struct finding *finding, request_cb then);
void request_ask_any(
	struct request *request, const struct question *question, struct finding *finding, request_cb then);

/* Makes what was written to `ino` durable first, whatever became of it; then `then`. At once when there is nothing. What
 * could not be written is told by node.h. */
void request_flush(struct request *request, uint64_t ino, request_cb then);
/* The same for an operation that would take old data for new: what could not be written ends the request with that errno. */
void request_flush_or_fail(struct request *request, uint64_t ino, request_cb then);
/* The same of `size` bytes at `offset` alone. `*file_end`, at once: write_back_flush_range. */
void request_flush_range(struct request *request, uint64_t ino, uint64_t offset, size_t size,
	uint64_t *file_end, request_cb then);

/* Once old pages have gone (request_see); at once when there are none. Not of a request during which the kernel holds
 * pages or writes of the file back: READ, WRITE through pages, SETATTR. OPEN (but O_TRUNC with the kernel's write-back
 * cache, which is off) and locks hold none. */
void request_settle(struct request *request, request_cb then);

/* Nobody needs the answer: -EINTR, unless it is about to come. A FLUSH goes on without waiting. For the watch. */
void request_give_up(struct watched *watched);

/* ---- What the answer says ---- */

/* Of attributes as the last question found them: brings them up to date, and sets `*shown` to them with what is buffered.
 * False: ask again. */
bool request_lay_over(const struct request *request, struct attributes *attributes, struct attributes *shown);
/* The kernel is going to be told of these attributes: pages that are older go. */
void request_see(struct request *request, const struct attributes *attributes);
/* The kernel is not told, but goes on as if it knew them: attributes that are older go, too. */
void request_renew(struct request *request, const struct attributes *attributes);

/* ---- Who asks ---- */

struct op_caller request_caller(const struct request *request); /* not of a raw one */
/* Is the caller root with that capability? Where nothing is made, kernels since 6.12 do not tell whose request it is. */
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
