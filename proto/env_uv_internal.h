/* Shared by the files proto/env_uv*.c; no other file includes it. */
#ifndef RAFTKV_PROTO_ENV_UV_INTERNAL_H
#define RAFTKV_PROTO_ENV_UV_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "proto/env_ops.h"
#include "proto/env_uv.h"
#include "proto/env_uv_ring.h"

/* ---- env_uv_pool.c ---------------------------------------------------------------------------------------------- */

/* Threads that take jobs, in order, from one queue. A job is a mail; one of the threads calls its `run`. */
struct env_uv_pool {
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	struct env_mail_list queue;
	unsigned int idle; /* number of threads that wait */
	bool stopping;
	unsigned int thread_count;
	pthread_t *threads;
};

int env_uv_pool_init(struct env_uv_pool *pool, const char *name, unsigned int threads);
void env_uv_pool_close(struct env_uv_pool *pool); /* no job is queued or running */
void env_uv_pool_submit(struct env_uv_pool *pool, struct env_mail *job, env_mail_cb run); /* any thread */
/* Starts a thread with every signal blocked. */
int env_uv_thread_start(pthread_t *thread, const char *name, void *(*run)(void *argument), void *argument);

/* ---- env_uv.c --------------------------------------------------------------------------------------------------- */

/* Random bytes of the kernel, which is asked for a block at a time: most callers need 16. */
struct env_uv_random {
	pthread_mutex_t mutex;
	uint8_t block[1024];
	size_t left; /* bytes of the block that nobody has had */
};

struct env_uv {
	struct env base;
	struct env_uv_random random;
	const struct logger *logger;
	struct env_uv_pool workers;
	struct env_uv_pool io;
};

static inline struct env_uv *env_uv_of(struct env *env)
{
	return (struct env_uv *)env;
}

/* Translates a code of libuv: on Linux that is -errno, but for a few of its own (end of file, address look-ups). */
int env_uv_status(int code);

/* ---- env_uv_loop.c ---------------------------------------------------------------------------------------------- */

#define ENV_UV_READ_SIZE  (256u << 10) /* bytes that a stream reads at once */
#define ENV_UV_VECTOR_MAX 1024u /* elements of one write; IOV_MAX */

struct env_uv_loop {
	struct env_loop base;
	uv_loop_t uv;
	/* A pipe, not an eventfd: the kernel takes a write to a pipe as a hint that the writer will sleep soon, and runs
	 * the woken loop on the same core instead of waking an idle one. */
	int wake_fd;
	int waking_fd;
	uv_poll_t wake;
	uv_prepare_t prepare;
	uv_check_t check;
	uv_idle_t more; /* active: mail is left, and libuv must not wait */
	uv_timer_t timer;
	struct env_uv_ring *ring; /* NULL: there is none */
	uint64_t armed; /* the deadline that the timer waits for; UINT64_MAX: none */
	/* Mail, newest first. NULL: the loop sleeps or is about to, and whoever posts must wake it. The list ends at NULL
	 * or, when it began while the loop was awake, at &awake. */
	_Atomic(struct env_mail *) mail;
	struct env_mail awake; /* an end mark, never run */
	uint64_t wakes_due; /* number of lists taken that ended at NULL; only the loop uses it */
	atomic_uint_fast64_t wakes_done; /* number of wakes that have returned */
	struct env_mail stop;
	atomic_bool stop_posted;
	bool stopping;
	atomic_ulong thread; /* the thread that runs the loop; 0: none */
	bool started;
	pthread_t own_thread; /* of env_loop_start */
	char name[16];
	/* Scratch memory of the loop's streams. */
	char *read_buffer; /* used during one read callback */
	uv_buf_t *write_vector; /* used during one call of uv_write */
};

static inline struct env_uv_loop *env_uv_loop_of(const struct env_loop *loop)
{
	return (struct env_uv_loop *)loop;
}

int env_uv_loop_new(struct env *env, const char *name, struct env_loop **loop);
int env_uv_loop_start(struct env_loop *loop);
int env_uv_loop_run(struct env_loop *loop);
void env_uv_loop_stop(struct env_loop *loop);
void env_uv_loop_free(struct env_loop *loop);
bool env_uv_loop_is_current(const struct env_loop *loop);
void env_uv_post(struct env_loop *loop, struct env_mail *mail);

/* ---- env_uv_file.c, env_uv_path.c ------------------------------------------------------------------------------- */

int env_uv_file_open(struct env *env, const char *path, int flags, struct env_file **file);
void env_uv_file_close(struct env_file *file);
int env_uv_file_size(struct env_file *file, uint64_t *size);
int env_uv_file_truncate(struct env_file *file, uint64_t size);
int env_uv_file_allocate(struct env_file *file, uint64_t offset, uint64_t size);
int env_uv_file_punch(struct env_file *file, uint64_t offset, uint64_t size);
int env_uv_file_read(struct env_file *file, uint64_t offset, void *bytes, size_t size);
int env_uv_file_read_cached(struct env_file *file, uint64_t offset, void *bytes, size_t size);
int env_uv_file_write(struct env_file *file, uint64_t offset, const void *bytes, size_t size);
int env_uv_file_sync(struct env_file *file);
void env_uv_file_submit(struct env_file_request *request);
size_t env_uv_file_request_size(const struct env_file_request *request); /* bytes */
void env_uv_file_submit_to_pool(struct env_file_request *request); /* never to the ring */

int env_uv_mkdir(struct env *env, const char *path);
int env_uv_sync_dir(struct env *env, const char *path);
int env_uv_rename(struct env *env, const char *from, const char *to);
int env_uv_unlink(struct env *env, const char *path);
int env_uv_rmdir(struct env *env, const char *path);
int env_uv_list(
	struct env *env, const char *path, int (*name)(void *argument, const char *name), void *argument);
int env_uv_space(struct env *env, const char *path, struct env_space *space);

/* ---- env_uv_address.c ------------------------------------------------------------------------------------------- */

struct env_uv_address {
	bool is_unix;
	char path[108]; /* sun_path */
	char host[256];
	char port[6];
};

/* 0, or -EINVAL or -ENAMETOOLONG with a sentence. */
int env_uv_address_parse(const char *text, struct env_uv_address *address, struct status *status);
/* Writes "host:port" of a socket address. */
void env_uv_address_print(const struct sockaddr *address, char *text, size_t size);

/* ---- env_uv_listener.c, env_uv_stream.c ------------------------------------------------------------------------- */

union env_uv_handle {
	uv_handle_t any;
	uv_stream_t stream;
	uv_tcp_t tcp;
	uv_pipe_t pipe;
};

/* Accepts a connection that waits on `listener`, as an open stream that is not started. 0 or libuv's code. */
int env_uv_stream_accept(
	struct env_loop *loop, union env_uv_handle *listener, bool is_unix, struct env_stream **stream);

int env_uv_listen(struct env_loop *loop, const char *address,
	void (*accepted)(void *argument, struct env_stream *stream), void *argument,
	struct env_listener **listener, struct status *status);
const char *env_uv_listener_address(const struct env_listener *listener);
void env_uv_listener_close(struct env_listener *listener);
int env_uv_connect(struct env_loop *loop, const char *address, const struct env_stream_handlers *handlers,
	struct env_stream **stream, struct status *status);
int env_uv_stream_peer(const struct env_stream *stream, uint32_t *uid);
void env_uv_stream_start(struct env_stream *stream, const struct env_stream_handlers *handlers);
void env_uv_stream_pause(struct env_stream *stream);
void env_uv_stream_resume(struct env_stream *stream);
int env_uv_stream_write(struct env_stream *stream, struct env_stream_write *write);
void env_uv_stream_close(struct env_stream *stream);

#endif
