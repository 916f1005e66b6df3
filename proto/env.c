/* The functions of env.h: they call the implementation, and check what can be checked for every implementation. */
#include "proto/env_ops.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "proto/check.h"

#define VECTOR_MAX 1024 /* IOV_MAX of Linux */

uint64_t env_now(struct env *env)
{
	return env->ops->now(env);
}

uint64_t env_wall(struct env *env)
{
	return env->ops->wall(env);
}

uint64_t env_cpu(struct env *env)
{
	return env->ops->cpu(env);
}

void env_random(struct env *env, void *bytes, size_t size)
{
	env->ops->random(env, bytes, size);
}

int env_loop_new(struct env *env, const char *name, struct env_loop **loop)
{
	return env->ops->loop_new(env, name, loop);
}

int env_loop_start(struct env_loop *loop)
{
	return loop->env->ops->loop_start(loop);
}

int env_loop_run(struct env_loop *loop)
{
	return loop->env->ops->loop_run(loop);
}

void env_loop_stop(struct env_loop *loop)
{
	loop->env->ops->loop_stop(loop);
}

void env_loop_free(struct env_loop *loop)
{
	if (loop)
		loop->env->ops->loop_free(loop);
}

bool env_loop_is_current(const struct env_loop *loop)
{
	return loop->env->ops->loop_is_current(loop);
}

struct env *env_loop_env(const struct env_loop *loop)
{
	return loop->env;
}

static bool try_to_take(struct env_mail *mail)
{
	return !atomic_exchange_explicit(&mail->is_taken, true, memory_order_acq_rel);
}

static void take(struct env_mail *mail)
{
	bool was_free = try_to_take(mail);

	check(was_free);
}

/* An exchange, not a store: the callback must see what threads wrote before they found the mail taken (env_post_once). */
static void give_back(struct env_mail *mail)
{
	bool was_taken = atomic_exchange_explicit(&mail->is_taken, false, memory_order_acq_rel);

	check(was_taken);
}

void env_mail_forward(struct env_loop *loop, struct env_mail *mail, env_mail_cb run)
{
	mail->run = run;
	loop->env->ops->post(loop, mail);
}

void env_mail_run(struct env_mail *mail)
{
	env_mail_cb run = mail->run;

	give_back(mail);
	run(mail);
}

void env_post(struct env_loop *loop, struct env_mail *mail, env_mail_cb run)
{
	take(mail);
	env_mail_forward(loop, mail, run);
}

bool env_post_once(struct env_loop *loop, struct env_mail *mail, env_mail_cb run)
{
	if (!try_to_take(mail))
		return false;
	env_mail_forward(loop, mail, run);
	return true;
}

void env_file_finish(struct env_file_request *request)
{
	give_back(&request->mail);
	request->done(request);
}

void env_stream_write_finish(struct env_stream_write *write, int status)
{
	give_back(&write->mail);
	write->done(write, status);
}

void env_work_submit(struct env_loop *loop, struct env_work *work, env_work_cb run, env_work_cb done)
{
	take(&work->mail);
	work->loop = loop;
	work->run = run;
	work->done = done;
	loop->env->ops->work_submit(work);
}

int env_file_open(struct env *env, const char *path, int flags, struct env_file **file)
{
	check(!(flags & ENV_OPEN_CREATE) || (flags & ENV_OPEN_WRITE));
	return env->ops->file_open(env, path, flags, file);
}

void env_file_close(struct env_file *file)
{
	if (file)
		file->env->ops->file_close(file);
}

int env_file_size(struct env_file *file, uint64_t *size)
{
	return file->env->ops->file_size(file, size);
}

int env_file_truncate(struct env_file *file, uint64_t size)
{
	return file->env->ops->file_truncate(file, size);
}

int env_file_allocate(struct env_file *file, uint64_t offset, uint64_t size)
{
	return file->env->ops->file_allocate(file, offset, size);
}

int env_file_punch(struct env_file *file, uint64_t offset, uint64_t size)
{
	return file->env->ops->file_punch(file, offset, size);
}

int env_file_read(struct env_file *file, uint64_t offset, void *bytes, size_t size)
{
	return file->env->ops->file_read(file, offset, bytes, size);
}

int env_file_read_cached(struct env_file *file, uint64_t offset, void *bytes, size_t size)
{
	return file->env->ops->file_read_cached(file, offset, bytes, size);
}

int env_file_write(struct env_file *file, uint64_t offset, const void *bytes, size_t size)
{
	return file->env->ops->file_write(file, offset, bytes, size);
}

int env_file_sync(struct env_file *file)
{
	return file->env->ops->file_sync(file);
}

void env_file_submit(struct env_file_request *request)
{
	check(request->vector_count >= 0 && request->vector_count <= VECTOR_MAX);
	take(&request->mail);
	request->file->env->ops->file_submit(request);
}

int env_mkdir(struct env *env, const char *path)
{
	return env->ops->mkdir(env, path);
}

int env_sync_dir(struct env *env, const char *path)
{
	return env->ops->sync_dir(env, path);
}

int env_sync_parent(struct env *env, const char *path)
{
	char parent[PATH_MAX];
	char *slash;

	if (snprintf(parent, sizeof parent, "%s", path) >= (int)sizeof parent)
		return -ENAMETOOLONG;
	for (size_t size = strlen(parent); size > 1 && parent[size - 1] == '/'; size--)
		parent[size - 1] = 0;
	slash = strrchr(parent, '/');
	if (slash)
		*(slash == parent ? slash + 1 : slash) = 0;
	return env_sync_dir(env, slash ? parent : ".");
}

int env_rename(struct env *env, const char *from, const char *to)
{
	return env->ops->rename(env, from, to);
}

int env_unlink(struct env *env, const char *path)
{
	return env->ops->unlink(env, path);
}

int env_rmdir(struct env *env, const char *path)
{
	return env->ops->rmdir(env, path);
}

int env_list(struct env *env, const char *path, int (*name)(void *argument, const char *name), void *argument)
{
	return env->ops->list(env, path, name, argument);
}

int env_space(struct env *env, const char *path, struct env_space *space)
{
	return env->ops->space(env, path, space);
}

int env_listen(struct env_loop *loop, const char *address,
	void (*accepted)(void *argument, struct env_stream *stream), void *argument,
	struct env_listener **listener, struct status *status)
{
	return loop->env->ops->listen(loop, address, accepted, argument, listener, status);
}

const char *env_listener_address(const struct env_listener *listener)
{
	return listener->loop->env->ops->listener_address(listener);
}

void env_listener_close(struct env_listener *listener)
{
	listener->loop->env->ops->listener_close(listener);
}

int env_connect(struct env_loop *loop, const char *address, const struct env_stream_handlers *handlers,
	struct env_stream **stream, struct status *status)
{
	return loop->env->ops->connect(loop, address, handlers, stream, status);
}

int env_stream_peer(const struct env_stream *stream, uint32_t *uid)
{
	return stream->loop->env->ops->stream_peer(stream, uid);
}

void env_stream_start(struct env_stream *stream, const struct env_stream_handlers *handlers)
{
	stream->loop->env->ops->stream_start(stream, handlers);
}

void env_stream_pause(struct env_stream *stream)
{
	stream->loop->env->ops->stream_pause(stream);
}

void env_stream_resume(struct env_stream *stream)
{
	stream->loop->env->ops->stream_resume(stream);
}

int env_stream_write(struct env_stream *stream, struct env_stream_write *write)
{
	int status;

	check(write->vector_count >= 0 && write->vector_count <= VECTOR_MAX);
	take(&write->mail);
	status = stream->loop->env->ops->stream_write(stream, write);
	if (status < 0)
		give_back(&write->mail);
	return status;
}

void env_stream_close(struct env_stream *stream)
{
	stream->loop->env->ops->stream_close(stream);
}

void env_mail_list_add(struct env_mail_list *list, struct env_mail *mail)
{
	mail->next = NULL;
	if (list->first)
		list->last->next = mail;
	else
		list->first = mail;
	list->last = mail;
}

struct env_mail *env_mail_list_take(struct env_mail_list *list)
{
	struct env_mail *mail = list->first;

	if (mail)
		list->first = mail->next;
	return mail;
}
