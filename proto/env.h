/*
 * env.h: the seam between raftkv and the world.
 *
 * Logic reaches time, randomness, files, the network and other threads only through a `struct env`. env_uv_new
 * (env_uv.h) makes the real one on libuv; the simulator makes one that runs a whole cluster in one thread on virtual
 * time from one seed. The same code runs on both.
 *
 * Model. A *loop* is a thread of control: everything registered with it calls back on it, one callback at a time.
 * Loops share nothing but what they pass in *mail*. *Workers* run what may block. *Files* are read and written by I/O
 * threads; the completion is mailed to a loop or, for the log writer, runs right on the I/O thread.
 *
 * Requests (mail, work, timers, file requests, stream writes) are embedded in their owners, who zero-initialize them
 * once. A call that returns 0 means exactly one callback, later, never from inside the call; an error means none. The
 * request belongs to the environment until its callback begins: to hand it in once more before is a mistake that is
 * checked. Nothing here can be cancelled except timers; owners wait for their callbacks.
 *
 * Times are nanoseconds. `env_now` is CLOCK_BOOTTIME read at the call (it does not stop in suspend, and never jumps);
 * `env_wall` is for file times and log lines alone: safety never rests on it.
 */
#ifndef RAFTKV_PROTO_ENV_H
#define RAFTKV_PROTO_ENV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "proto/heap.h"
#include "proto/logger.h"
#include "proto/status.h"

struct env {
	const struct env_ops *ops;
};

struct env_loop; /* made by env_loop_new */
struct env_file; /* made by env_file_open */

/* ---- Clock and random ------------------------------------------------------------------------------------------- */

uint64_t env_now(struct env *env); /* any thread */
uint64_t env_wall(struct env *env); /* any thread; ns since the epoch */
void env_random(struct env *env, void *bytes, size_t size); /* any thread; unpredictable in the real one */

/* ---- Loops and mail --------------------------------------------------------------------------------------------- */

/* `name` (≤ 15 bytes) is the thread's. */
int env_loop_new(struct env *env, const char *name, struct env_loop **loop);
/* Runs the loop in a thread of its own; or, env_loop_run, in the caller's until env_loop_stop (any thread) is called:
 * the loop then ends once no mail and no due timer is left. A loop runs once; before, its creator may use it as if on
 * its thread. */
int env_loop_start(struct env_loop *loop);
int env_loop_run(struct env_loop *loop);
void env_loop_stop(struct env_loop *loop);
/* Waits for a started loop's thread to end and frees it; may be NULL. No mail, work or request of it may be on its
 * way, no timer running, every stream and listener closed: on the real one these are checked. Not on the loop. */
void env_loop_free(struct env_loop *loop);
bool env_loop_is_current(const struct env_loop *loop); /* called on the loop's own thread? */
struct env *env_loop_env(const struct env_loop *loop);

struct env_mail;
typedef void (*env_mail_cb)(struct env_mail *mail);

/* All of it is the environment's. */
struct env_mail {
	struct env_mail *next;
	env_mail_cb run;
	atomic_bool is_taken; /* from the call until the callback begins */
};

/* Runs `run(mail)` on `loop`, soon. Any thread; mail of one thread to one loop arrives in order. Cannot fail. */
void env_post(struct env_loop *loop, struct env_mail *mail, env_mail_cb run);
/* For a mail that says "look": nothing (false) if it is on its way already, as its callback will see all that was
 * written before this call. Several threads may call at once, always with the same loop. */
bool env_post_once(struct env_loop *loop, struct env_mail *mail, env_mail_cb run);

/* ---- Timers ----------------------------------------------------------------------------------------------------- */

struct env_timer;
typedef void (*env_timer_cb)(struct env_timer *timer);

/* Zero-initialize. One shot. All calls on the loop's thread. Timers due together expire in the order of their
 * deadlines, equal deadlines in the order started. Never early; on the
 * real one late by a few ms, and by the length of a suspend. */
struct env_timer {
	struct heap_node node;
	struct env_loop *loop;
	env_timer_cb expired;
};

/* Calls back once env_now() >= `deadline`; moves the deadline of a running timer (of the same loop). */
void env_timer_start(struct env_timer *timer, struct env_loop *loop, uint64_t deadline, env_timer_cb expired);
void env_timer_stop(struct env_timer *timer); /* no callback after this; a stopped timer is fine */
bool env_timer_is_running(const struct env_timer *timer);

/* ---- Workers ---------------------------------------------------------------------------------------------------- */

struct env_work;
typedef void (*env_work_cb)(struct env_work *work);

struct env_work {
	struct env_mail mail;
	struct env_loop *loop; /* the environment's */
	env_work_cb run; /* on a worker thread; may block */
	env_work_cb done; /* on the loop */
};

/* Cannot fail; work of one loop may run in parallel and finish in any order. A work that waits for another work may
 * wait for ever: the threads are few. */
void env_work_submit(struct env_loop *loop, struct env_work *work, env_work_cb run, env_work_cb done);

/* ---- Files ------------------------------------------------------------------------------------------------------ */

/*
 * Blocking calls are for start-up, shutdown and workers. Offsets and sizes are bytes. Paths are absolute, or relative
 * to the process. All return 0 (or what they say) or -errno.
 */
enum env_open_flags {
	ENV_OPEN_READ = 0,
	ENV_OPEN_WRITE = 1 << 0, /* read and write */
	ENV_OPEN_CREATE = 1 << 1, /* mode 0600; never through a symbolic link; needs WRITE */
	ENV_OPEN_EXCLUSIVE = 1 << 2,
	ENV_OPEN_DIRECT = 1 << 3, /* -EINVAL where the filesystem refuses: open again without */
	ENV_OPEN_DSYNC = 1 << 4, /* every write is durable when it completes; covers only its own bytes */
	ENV_OPEN_LOCK = 1 << 5, /* exclusive for this process until closed; -EWOULDBLOCK: another holds it */
};

#define ENV_DIRECT_ALIGNMENT 4096 /* of memory, offset and size on a file opened with ENV_OPEN_DIRECT */

int env_file_open(struct env *env, const char *path, int flags, struct env_file **file);
void env_file_close(struct env_file *file); /* may be NULL; no request may be in flight */
int env_file_size(struct env_file *file, uint64_t *size);
int env_file_truncate(struct env_file *file, uint64_t size);
/* Reserves [offset, offset + size) on the disk (and extends the size): later writes there cannot meet a full disk. */
int env_file_allocate(struct env_file *file, uint64_t offset, uint64_t size);
/* Gives the disk space of a range back; it reads as zeroes. */
int env_file_punch(struct env_file *file, uint64_t offset, uint64_t size);
/* All or an error; a read past the end gives -ENODATA. */
int env_file_read(struct env_file *file, uint64_t offset, void *bytes, size_t size);
/* All of it without waiting for a disk, or STATUS_WOULD_BLOCK: not all is in memory, or past the end. */
int env_file_read_cached(struct env_file *file, uint64_t offset, void *bytes, size_t size);
int env_file_write(struct env_file *file, uint64_t offset, const void *bytes, size_t size);
/* fdatasync. An error is final: never call again, never trust the file. */
int env_file_sync(struct env_file *file);

int env_mkdir(struct env *env, const char *path); /* mode 0700; durable after env_sync_dir of the parent */
int env_sync_dir(struct env *env, const char *path);
int env_rename(struct env *env, const char *from, const char *to);
int env_unlink(struct env *env, const char *path);
int env_rmdir(struct env *env, const char *path);
/* Calls back with each name in the directory, sorted, without "." and "..". A nonzero return ends it and is returned. */
int env_list(
	struct env *env, const char *path, int (*name)(void *argument, const char *name), void *argument);
struct env_space {
	uint64_t total; /* bytes */
	uint64_t available;
};
int env_space(struct env *env, const char *path, struct env_space *space);

enum env_file_operation { ENV_FILE_READ, ENV_FILE_WRITE, ENV_FILE_SYNC };

struct env_file_request;
typedef void (*env_file_cb)(struct env_file_request *request);

struct env_file_request {
	struct env_mail mail;
	/* The caller's, in: */
	struct env_file *file;
	enum env_file_operation operation;
	uint64_t offset;
	struct iovec *vector; /* borrowed until the callback; the environment may change it */
	int vector_count; /* ≤ 1024 */
	/* Where `done` runs: cheapest if it is the calling one. NULL: right on the I/O thread, which it must not block. */
	struct env_loop *loop;
	env_file_cb done;
	/* out: */
	int status; /* 0: all of it was done. -ENODATA: read past the end. -errno */
};

/* Any thread. Requests on one file may run in parallel and finish in any order. Cannot fail. */
void env_file_submit(struct env_file_request *request);

/* ---- Network ---------------------------------------------------------------------------------------------------- */

/*
 * Byte streams. An address is "host:port" (numeric or a name; "[::1]:7420" for IPv6) or "unix:/path". All calls and
 * callbacks on the loop's thread. A stream is freed by the environment after its `closed` callback.
 *
 * A stream's callbacks: `connected` once (of env_connect; negative: close it), then `received` any number of times, at
 * most one `failed`. Once env_stream_close is called only unfinished writes are called back, then `closed`.
 */
struct env_stream;
struct env_listener;

struct env_stream_handlers {
	void *argument; /* shares */
	void (*connected)(void *argument, struct env_stream *stream, int status); /* of env_connect; once */
	/* `bytes` borrowed for the call. size 0: the peer ended its side; the last `received`. */
	void (*received)(void *argument, struct env_stream *stream, const void *bytes, size_t size);
	/* -errno; close it; at most once. */
	void (*failed)(void *argument, struct env_stream *stream, int status);
	/* After env_stream_close; the last callback. */
	void (*closed)(void *argument, struct env_stream *stream);
};

struct env_stream_write;
typedef void (*env_stream_write_cb)(struct env_stream_write *write, int status);

struct env_stream_write {
	struct env_mail mail;
	struct iovec *vector; /* borrowed until the callback, as are the bytes */
	int vector_count; /* ≤ 1024 */
	env_stream_write_cb done;
};

/* Accepts on `address`; `accepted` gives a new stream, on which env_stream_start must be called, now or later (also to
 * close it). A name is resolved at once: blocks. The file of a Unix address is made with mode 0600, and its
 * directory, when it is absent, with 0700; a file on which nobody listens any more is replaced: whoever owns the path must hold a lock of its own against a second owner. */
int env_listen(struct env_loop *loop, const char *address,
	void (*accepted)(void *argument, struct env_stream *stream), void *argument,
	struct env_listener **listener, struct status *status);
/* What was bound, as an address: numeric, with the port chosen when the one asked for was 0. */
const char *env_listener_address(const struct env_listener *listener);
void env_listener_close(struct env_listener *listener); /* no callback after this */

/* Tries each address of a name in turn, for as long as the kernel tries: a limit is the caller's timer. An error means
 * that the address cannot be parsed or memory is out. */
int env_connect(struct env_loop *loop, const char *address, const struct env_stream_handlers *handlers,
	struct env_stream **stream, struct status *status);
/* Of an accepted one, before it is closed: the user at the other end of a Unix socket, as this process's user namespace
 * knows it. 0; -EOPNOTSUPP: another kind of address. */
int env_stream_peer(const struct env_stream *stream, uint32_t *uid);
/* Of an accepted one. */
void env_stream_start(struct env_stream *stream, const struct env_stream_handlers *handlers);
/* Back-pressure: no `received` until env_stream_resume. */
void env_stream_pause(struct env_stream *stream);
void env_stream_resume(struct env_stream *stream);
/* Writes of one stream go out in order, those before `connected` after it. `done` says that the bytes are in the
 * system's hands, no more. 0, or -ENOTCONN after a failure. What may queue up is the caller's to limit. */
int env_stream_write(struct env_stream *stream, struct env_stream_write *write);
/* Once. Unfinished writes end with -ECANCELED before `closed`. */
void env_stream_close(struct env_stream *stream);

/* ---- What an implementation provides ---------------------------------------------------------------------------- */

struct env_ops; /* env_ops.h: only implementations include it */

#endif
