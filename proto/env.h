/*
 * env.h: the interface between raftkv and the system it runs on.
 *
 * Logic reaches time, randomness, files, the network and other threads only through a `struct env`. env_uv_new
 * (env_uv.h) makes the real one on libuv; the simulator makes one that runs a whole cluster in one thread on virtual
 * time from one seed. The same code runs on both.
 *
 * Model. A *loop* is a thread of control: everything registered with it calls back on it, one callback at a time.
 * Loops share nothing but what they pass in *mail*. *Workers* run calls that may block. I/O threads read and write
 * *files*; the completion is mailed to a loop or, for the log writer, called on the I/O thread.
 *
 * Requests (mail, work, timers, file requests, stream writes) are embedded in their owners, which zero-initialize them
 * once. If a call returns 0 there is exactly one callback, later, never from inside the call; if it returns an error
 * there is none. The request belongs to the environment until its callback begins; handing it in again before that is
 * a mistake, and checked. Only timers can be cancelled; owners wait for the other callbacks.
 *
 * Times are nanoseconds. `env_now` is CLOCK_BOOTTIME read at the call (it does not stop in suspend, and never jumps);
 * `env_wall` is for file times and log lines alone: safety does not depend on it.
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
/* ns of CPU that the process has taken, all threads together; 0: not known, as in the simulator unless a test says so. Any
 * thread. It is for estimates alone. */
uint64_t env_cpu(struct env *env);
void env_random(struct env *env, void *bytes, size_t size); /* any thread; unpredictable in the real one */

/* ---- Loops and mail --------------------------------------------------------------------------------------------- */

/* `name` (≤ 15 bytes) is the thread's. 0 or -errno. */
int env_loop_new(struct env *env, const char *name, struct env_loop **loop);
/* Runs the loop in a thread of its own. 0 or -errno. A loop runs once; before that, its creator may use it as if on its
 * thread. */
int env_loop_start(struct env_loop *loop);
/* Runs the loop in the caller's thread and returns when the loop has ended. */
int env_loop_run(struct env_loop *loop);
/* Ends the loop once no mail and no due timer is left. Any thread. */
void env_loop_stop(struct env_loop *loop);
/* Waits for the thread of a started loop to end, and frees the loop; may be NULL. Not on the loop. None of its mail,
 * work or requests may be under way, no timer running, and every stream and listener must be closed; the real
 * environment checks this. */
void env_loop_free(struct env_loop *loop);
bool env_loop_is_current(const struct env_loop *loop); /* whether the caller is on the loop's thread */
struct env *env_loop_env(const struct env_loop *loop);

struct env_mail;
typedef void (*env_mail_cb)(struct env_mail *mail);

/* The fields are the environment's. */
struct env_mail {
	struct env_mail *next;
	env_mail_cb run;
	atomic_bool is_taken; /* from the call until the callback begins */
};

/* Runs `run(mail)` on `loop`, soon. Any thread; mail of one thread to one loop arrives in order. Cannot fail. */
void env_post(struct env_loop *loop, struct env_mail *mail, env_mail_cb run);
/* As env_post, for a mail that only asks its receiver to look. If the mail is already under way nothing happens (false):
 * its callback will see everything that was written before this call. Several threads may call at once, always with the
 * same loop. */
bool env_post_once(struct env_loop *loop, struct env_mail *mail, env_mail_cb run);

/* ---- Timers ----------------------------------------------------------------------------------------------------- */

struct env_timer;
typedef void (*env_timer_cb)(struct env_timer *timer);

/* Zero-initialize. It expires once for each start. All calls are on the loop's thread. Timers that are due together
 * expire in the order of their deadlines, those with equal deadlines in the order in which they were started. A timer is
 * never early; in the real environment it may be a few ms late, or the length of a suspend. */
struct env_timer {
	struct heap_node node;
	struct env_loop *loop;
	env_timer_cb expired;
};

/* Calls back once env_now() >= `deadline`; moves the deadline of a running timer (of the same loop). */
void env_timer_start(struct env_timer *timer, struct env_loop *loop, uint64_t deadline, env_timer_cb expired);
void env_timer_stop(struct env_timer *timer); /* no callback after this; may be repeated */
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

/* Cannot fail. The works of a loop may run in parallel and finish in any order. A work must not wait for another one:
 * there are few threads, and the other one may never get one. */
void env_work_submit(struct env_loop *loop, struct env_work *work, env_work_cb run, env_work_cb done);

/* ---- Files ------------------------------------------------------------------------------------------------------ */

/*
 * Blocking calls are for start-up, shutdown and workers. Offsets and sizes are in bytes. Paths are absolute, or relative
 * to the working directory. All calls return 0 or -errno unless their comment says otherwise.
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
/* Frees the disk space of a range, which then reads as zeroes. */
int env_file_punch(struct env_file *file, uint64_t offset, uint64_t size);
/* Reads all `size` bytes, or returns an error. -ENODATA: the file ends before. */
int env_file_read(struct env_file *file, uint64_t offset, void *bytes, size_t size);
/* As env_file_read, without waiting for a disk. STATUS_WOULD_BLOCK: some bytes are not in memory, or past the end. */
int env_file_read_cached(struct env_file *file, uint64_t offset, void *bytes, size_t size);
int env_file_write(struct env_file *file, uint64_t offset, const void *bytes, size_t size);
/* fdatasync. An error is final: do not call it again, and do not trust the file. */
int env_file_sync(struct env_file *file);

int env_mkdir(struct env *env, const char *path); /* mode 0700; durable after env_sync_parent */
int env_sync_dir(struct env *env, const char *path);
/* env_sync_dir of the directory that has the last name of `path`. */
int env_sync_parent(struct env *env, const char *path);
int env_rename(struct env *env, const char *from, const char *to);
int env_unlink(struct env *env, const char *path);
int env_rmdir(struct env *env, const char *path);
/* Calls back with each name in the directory, sorted, without "." and "..". If the callback returns a nonzero value,
 * there are no more calls, and that value is returned. */
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
	/* Set by the caller: */
	struct env_file *file;
	enum env_file_operation operation;
	uint64_t offset;
	struct iovec *vector; /* borrowed until the callback; the environment may change it */
	int vector_count; /* ≤ 1024 */
	/* The loop on which `done` runs; cheapest if the caller is on it. NULL: on the I/O thread, which `done` must not
	 * block. */
	struct env_loop *loop;
	env_file_cb done;
	/* Set by the environment: */
	int status; /* 0: all of it was done. -ENODATA: the file ends before. Else -errno. */
};

/* Any thread. Requests on one file may run in parallel and finish in any order. Cannot fail. */
void env_file_submit(struct env_file_request *request);

/* ---- Network ---------------------------------------------------------------------------------------------------- */

/*
 * Byte streams. An address is "host:port" (numeric or a name; "[::1]:7420" for IPv6) or "unix:/path". All calls and
 * callbacks are on the loop's thread. The environment frees a stream after its `closed` callback.
 *
 * The callbacks of a stream are `connected` once (after env_connect; negative: close it), then `received` any number of
 * times and `failed` at most once. After env_stream_close only unfinished writes are called back, and then `closed`.
 */
struct env_stream;
struct env_listener;

struct env_stream_handlers {
	void *argument; /* borrowed until `closed` */
	void (*connected)(void *argument, struct env_stream *stream, int status); /* of env_connect; once */
	/* `bytes` is borrowed for the call. `size` 0: the peer ended its side, and this is the last `received`. */
	void (*received)(void *argument, struct env_stream *stream, const void *bytes, size_t size);
	/* At most once, with -errno. The owner closes the stream. */
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

/* Listens on `address`. `accepted` gives a new stream, on which the owner calls env_stream_start, now or later, before
 * it may close it. Resolving a name blocks. The file of a Unix address is made with mode 0600, and its directory, if
 * absent, with 0700. A file on which nobody listens is replaced: the caller must hold a lock of its own against a second
 * listener. 0, or a negative status with a sentence. */
int env_listen(struct env_loop *loop, const char *address,
	void (*accepted)(void *argument, struct env_stream *stream), void *argument,
	struct env_listener **listener, struct status *status);
/* The address that was bound, numeric, with the chosen port if the caller asked for port 0; borrowed. */
const char *env_listener_address(const struct env_listener *listener);
void env_listener_close(struct env_listener *listener); /* no callback after this */

/* Tries each address of a name in turn, for as long as the kernel tries; a caller that wants a limit sets a timer. 0, or
 * a negative status with a sentence: the address cannot be parsed, or memory is out. */
int env_connect(struct env_loop *loop, const char *address, const struct env_stream_handlers *handlers,
	struct env_stream **stream, struct status *status);
/* The user at the other end of an accepted Unix socket that is not closed, as this process's user namespace knows it. 0;
 * -EOPNOTSUPP: another kind of address; -errno. */
int env_stream_peer(const struct env_stream *stream, uint32_t *uid);
/* Sets the handlers of an accepted stream and begins to read. */
void env_stream_start(struct env_stream *stream, const struct env_stream_handlers *handlers);
/* Back-pressure: no `received` until env_stream_resume. */
void env_stream_pause(struct env_stream *stream);
void env_stream_resume(struct env_stream *stream);
/* Writes of one stream are sent in order; those made before `connected` are sent after it. `done` says no more than that
 * the kernel has taken the bytes. 0, or -ENOTCONN after a failure. The caller limits how much is queued. */
int env_stream_write(struct env_stream *stream, struct env_stream_write *write);
/* To be called once. Unfinished writes end with -ECANCELED before `closed`. */
void env_stream_close(struct env_stream *stream);

/* ---- What an implementation provides ---------------------------------------------------------------------------- */

struct env_ops; /* env_ops.h, which only implementations include */

#endif
