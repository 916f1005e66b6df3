/*
 * write_back.h: file data that has been acknowledged and is not durable yet. WRITE adds it; requests have it written out
 * before they go on (request_flush).
 *
 * A write through a buffered descriptor is copied here and answered at once, as every filesystem does; it becomes
 * durable within a second, or when somebody asks: fsync, close, and whatever must see it or must not overtake it.
 * Neighbouring writes are joined into operations of up to 1 MiB; several are on their way at a time, in any order unless
 * they overlap. What is here is bounded per file and per mount; beyond that a writer waits.
 *
 * Attributes are the store's, with what is here laid over them: size and times as they will be. Nothing needs to be
 * written out for that.
 *
 * An error is not lost: it is given to `failed` and to whoever waits for the data, which is dropped, as on any filesystem
 * whose disk failed.
 *
 * Threads: any, each naming its own loop; callbacks come on the loop of the waiter.
 */
#ifndef RAFTKV_FS_INODES_WRITE_BACK_H
#define RAFTKV_FS_INODES_WRITE_BACK_H

#include "fs/client/client.h"

struct write_back;

struct write_back_options {
	struct client *client; /* shares; outlives the write-back */
	struct env_loop *loop; /* of the timer that writes out what has become old */
	uint64_t file_size_max; /* bytes [16 MiB] */
	uint64_t mount_size_max; /* bytes [64 MiB] */
	uint64_t age_max_ns; /* [1 s] */
	uint32_t recent_max; /* files whose last answer is remembered [1024] */
	void (*failed)(void *argument, uint64_t ino, int error); /* -errno; any thread */
	/* Behind `failed`, once the data is not shown any more: whoever took it for what will be is to look again. May be
	 * NULL. */
	void (*dropped)(void *argument, uint64_t ino);
	/* An operation is about to go; it was answered, with the attributes after it, or (NULL) failed. May be NULL. */
	void (*sending)(void *argument, uint64_t ino);
	void (*answered)(void *argument, uint64_t ino, const struct attributes *attributes);
	void *argument;
};

int write_back_new(const struct write_back_options *options, struct write_back **write_back);
void write_back_free(
	struct write_back *write_back); /* clean; its loop has stopped or its timer was never set */

/* Somebody waits for room, or for data to be durable. Embedded; the write-back's until `wake`. */
struct write_back_waiter {
	struct env_mail mail; /* the write-back's */
	struct write_back_waiter *next; /* the write-back's */
	uint64_t sequence; /* the write-back's: what it waits for, */
	uint64_t offset; /* of these bytes */
	uint64_t end;
	struct env_loop *loop;
	env_mail_cb wake;
	int error; /* set by `wake`: -errno, when some of the data that it waited for could not be written */
};

/* Takes a copy of the data, which ends below INT64_MAX. 0: answer the writer. -EAGAIN: no room; `waiter` is woken when
 * there may be: call again. -ENOMEM. `flags` are OP_WRITE_KILL or 0. `loop` is the calling one. */
int write_back_add(struct write_back *write_back, struct env_loop *loop, uint64_t ino, uint64_t offset,
	const void *data, size_t size, uint32_t flags, struct write_back_waiter *waiter);

/* Writes out all that was added to the file before the call. True: there was nothing, and `waiter` (may be NULL: nobody
 * waits) is not woken; false: it will be. */
bool write_back_flush(
	struct write_back *write_back, struct env_loop *loop, uint64_t ino, struct write_back_waiter *waiter);
/* The same of `size` bytes at `offset` alone. `*file_end` (set at once): where the data ends that was added to the file
 * before the call, 0 if there is none; in front of it the store may know of no bytes yet, which are zeroes then. */
bool write_back_flush_range(struct write_back *write_back, struct env_loop *loop, uint64_t ino,
	uint64_t offset, uint64_t size, struct write_back_waiter *waiter, uint64_t *file_end);
/* Somebody waits no longer. False: the waiter has been woken already. */
bool write_back_stop_waiting(struct write_back *write_back, struct write_back_waiter *waiter);
/* Whether any file has data here: a cheap first question. */
bool write_back_is_clean(struct write_back *write_back);
/* The same for all files; as write_back_flush. The loop's timer is stopped: call on `options.loop`. */
bool write_back_stop(struct write_back *write_back, struct write_back_waiter *waiter);
/* Each file that has data here, with how many bytes. The callback must not call back in. */
void write_back_each(struct write_back *write_back, void (*each)(void *argument, uint64_t ino, uint64_t size),
	void *argument);

/* Before attributes are asked for: what write_back_lay_over is to be told. */
uint64_t write_back_moment(struct write_back *write_back);
/* Brings the store's attributes, as they were asked for at `moment`, up to date with what has been written since.
 * `*shown` are these with what is still here laid over them. False: too many files were written since; ask again. */
bool write_back_lay_over(struct write_back *write_back, uint64_t moment, struct attributes *attributes,
	struct attributes *shown);

#endif
