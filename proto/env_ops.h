/*
 * env_ops.h: what an implementation of env.h provides. Only implementations and proto/env*.c include it.
 *
 * Each operation implements the function of env.h of the same name. The implementation's own structs begin with the ones
 * below.
 * Timers need no operation: env_timer.c keeps them in the loop's heap, and the implementation looks at
 * env_loop_deadline before the loop waits and calls env_loop_expire_timers when it is due.
 */
#ifndef RAFTKV_PROTO_ENV_OPS_H
#define RAFTKV_PROTO_ENV_OPS_H

#include "proto/env.h"

struct env_loop {
	struct env *env;
	struct heap timers; /* env_timer.node; env_timer.c's */
};

struct env_file {
	struct env *env;
};

struct env_stream {
	struct env_loop *loop;
};

struct env_listener {
	struct env_loop *loop;
};

struct env_ops {
	uint64_t (*now)(struct env *env);
	uint64_t (*wall)(struct env *env);
	uint64_t (*cpu)(struct env *env);
	void (*random)(struct env *env, void *bytes, size_t size);

	int (*loop_new)(struct env *env, const char *name, struct env_loop **loop);
	int (*loop_start)(struct env_loop *loop);
	int (*loop_run)(struct env_loop *loop);
	void (*loop_stop)(struct env_loop *loop);
	void (*loop_free)(struct env_loop *loop);
	bool (*loop_is_current)(const struct env_loop *loop);
	void (*post)(struct env_loop *loop, struct env_mail *mail); /* mail->run is set */
	void (*work_submit)(struct env_work *work); /* loop, run, done are set */

	int (*file_open)(struct env *env, const char *path, int flags, struct env_file **file);
	void (*file_close)(struct env_file *file);
	int (*file_size)(struct env_file *file, uint64_t *size);
	int (*file_truncate)(struct env_file *file, uint64_t size);
	int (*file_allocate)(struct env_file *file, uint64_t offset, uint64_t size);
	int (*file_punch)(struct env_file *file, uint64_t offset, uint64_t size);
	int (*file_read)(struct env_file *file, uint64_t offset, void *bytes, size_t size);
	int (*file_read_cached)(struct env_file *file, uint64_t offset, void *bytes, size_t size);
	int (*file_write)(struct env_file *file, uint64_t offset, const void *bytes, size_t size);
	int (*file_sync)(struct env_file *file);
	void (*file_submit)(struct env_file_request *request);

	int (*mkdir)(struct env *env, const char *path);
	int (*sync_dir)(struct env *env, const char *path);
	int (*rename)(struct env *env, const char *from, const char *to);
	int (*unlink)(struct env *env, const char *path);
	int (*rmdir)(struct env *env, const char *path);
	int (*list)(struct env *env, const char *path, int (*name)(void *argument, const char *name),
		void *argument);
	int (*space)(struct env *env, const char *path, struct env_space *space);

	int (*listen)(struct env_loop *loop, const char *address,
		void (*accepted)(void *argument, struct env_stream *stream), void *argument,
		struct env_listener **listener, struct status *status);
	const char *(*listener_address)(const struct env_listener *listener);
	void (*listener_close)(struct env_listener *listener);
	int (*connect)(struct env_loop *loop, const char *address, const struct env_stream_handlers *handlers,
		struct env_stream **stream, struct status *status);
	int (*stream_peer)(const struct env_stream *stream, uint32_t *uid);
	void (*stream_start)(struct env_stream *stream, const struct env_stream_handlers *handlers);
	void (*stream_pause)(struct env_stream *stream);
	void (*stream_resume)(struct env_stream *stream);
	int (*stream_write)(struct env_stream *stream, struct env_stream_write *write);
	void (*stream_close)(struct env_stream *stream);
};

/*
 * A request that begins with a mail is taken when it is handed in, and given back just before its callback.
 * env_mail_run, env_file_finish and env_stream_write_finish give it back and call back. In between an implementation may
 * pass it from one of its queues to another.
 */
void env_mail_run(struct env_mail *mail);
/* Posts a mail that is already taken. */
void env_mail_forward(struct env_loop *loop, struct env_mail *mail, env_mail_cb run);
void env_file_finish(struct env_file_request *request);
void env_stream_write_finish(struct env_stream_write *write, int status);

/* Calls back the timers that are due at `now`, at most as many as are running when the call begins. */
void env_loop_expire_timers(struct env_loop *loop, uint64_t now);
/* The first deadline; UINT64_MAX: no timer is running. */
uint64_t env_loop_deadline(const struct env_loop *loop);

/* Requests in order. Zero is an empty list. */
struct env_mail_list {
	struct env_mail *first;
	struct env_mail *last; /* undefined while the list is empty */
};

void env_mail_list_add(struct env_mail_list *list, struct env_mail *mail); /* at the end */
struct env_mail *env_mail_list_take(struct env_mail_list *list); /* the first; NULL: empty */

#endif
