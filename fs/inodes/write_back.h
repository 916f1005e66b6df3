/*
 * write_back.h: file data that has been acknowledged and is not durable yet. WRITE adds it; requests have it written
 * out before they go on (request_flush).
 *
 * A buffered write is copied here and answered at once, as in every filesystem. It is sent within `age_max_ns`, or
 * earlier when it must be durable: for fsync, for close, and for operations that must see it or must not overtake it.
 * Neighbouring writes are joined into operations of up to 1 MiB. Several operations may be in flight, in any order
 * unless they overlap. The data is bounded per file and per mount; beyond that a writer waits.
 *
 * Attributes are shown as they will be after the writes: the buffered data is laid over the store's size and times.
 * Nothing has to be written out for that.
 *
 * When an operation fails its data is dropped, as on any filesystem whose disk failed. The error is given to `failed`
 * and to those who wait for the data.
 *
 * Threads: any; each call names the calling loop, and callbacks come on the loop of the waiter.
 */
#ifndef RAFTKV_FS_INODES_WRITE_BACK_H
#define RAFTKV_FS_INODES_WRITE_BACK_H

#include "fs/client/client.h"

struct write_back;

struct write_back_options {
	struct client *client; /* shares; outlives the write-back */
	struct env_loop *loop; /* of the timer that writes out old data */
	uint64_t file_size_max; /* bytes [16 MiB] */
	uint64_t mount_size_max; /* bytes [64 MiB] */
	uint64_t age_max_ns; /* [1 s] */
	uint32_t recent_max; /* files whose last answer is remembered [1024] */
	void (*failed)(void *argument, uint64_t ino, int error); /* -errno; any thread */
	/* After `failed`, once the dropped data is no longer laid over attributes: attributes shown before are
	 * wrong. May be NULL. */
	void (*dropped)(void *argument, uint64_t ino);
	/* An operation is about to be sent. May be NULL. */
	void (*sending)(void *argument, uint64_t ino);
	/* An operation was answered. `attributes`: those after it; NULL: it failed, or the answer has none. May be
	 * NULL. */
	void (*answered)(void *argument, uint64_t ino, const struct attributes *attributes);
	void *argument;
};

/* 0 or -ENOMEM. */
int write_back_new(const struct write_back_options *options, struct write_back **write_back);
/* No data is left, and its timer or loop has stopped. May be NULL. */
void write_back_free(struct write_back *write_back);

/* Waits for room, or for data to be durable. Embedded; the write-back's until `wake`. */
struct write_back_waiter {
	struct env_mail mail; /* the write-back's */
	struct write_back_waiter *next; /* the write-back's */
	uint64_t sequence; /* the write-back's: it waits for chunks up to this one */
	uint64_t offset; /* the write-back's: start of the bytes that it waits for */
	uint64_t end; /* the write-back's: end of those bytes */
	struct env_loop *loop;
	env_mail_cb wake;
	int error; /* valid in `wake` after a flush: 0, or the -errno of awaited data that could not be written */
};

/* Copies the data, which ends below INT64_MAX. 0: the writer can be answered. -EAGAIN: there is no room; `waiter` is
 * woken when there may be, and the caller tries again. -ENOMEM: a part of the data may have been added. `flags`:
 * OP_WRITE_KILL or 0. `loop`: the calling one. */
int write_back_add(struct write_back *write_back, struct env_loop *loop, uint64_t ino, uint64_t offset,
	const void *data, size_t size, uint32_t flags, struct write_back_waiter *waiter);

/* Writes out all data that was added to the file before the call. True: there was none, and `waiter` is not woken;
 * false: it will be. `waiter` may be NULL: nobody waits. */
bool write_back_flush(
	struct write_back *write_back, struct env_loop *loop, uint64_t ino, struct write_back_waiter *waiter);
/* write_back_flush for `size` bytes at `offset` only. Sets `*file_end` before it returns: where the file's data here
 * ends, or 0 if there is none. Bytes before `*file_end` that the store does not know of yet are zeroes. */
bool write_back_flush_range(struct write_back *write_back, struct env_loop *loop, uint64_t ino,
	uint64_t offset, uint64_t size, struct write_back_waiter *waiter, uint64_t *file_end);
/* Takes a waiter out again. False: it has been woken already. */
bool write_back_stop_waiting(struct write_back *write_back, struct write_back_waiter *waiter);
/* True: no file has data here. Takes no lock. */
bool write_back_is_clean(struct write_back *write_back);
/* Stops the timer and writes out the data of all files; the result is as of write_back_flush. Call it on
 * `options.loop`. */
bool write_back_stop(struct write_back *write_back, struct write_back_waiter *waiter);
/* Calls `each` with each file that has data here, and its bytes. `each` must not call the write-back. */
void write_back_each(struct write_back *write_back, void (*each)(void *argument, uint64_t ino, uint64_t size),
	void *argument);

/* The `moment` for write_back_lay_over. Read it before the store is asked for attributes. */
uint64_t write_back_moment(struct write_back *write_back);
/* Brings the store's attributes, which were asked for at `moment`, up to date with the writes answered since. Sets
 * `*shown` to them with the data that is still here laid over. False: too many files were written since; ask again. */
bool write_back_lay_over(struct write_back *write_back, uint64_t moment, struct attributes *attributes,
	struct attributes *shown);

#endif
