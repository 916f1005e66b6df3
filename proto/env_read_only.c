#include "proto/env_read_only.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/env_ops.h"

struct read_only {
	struct env env;
	struct env *inner;
};

struct read_only_file {
	struct env_file base;
	struct env_file *inner;
};

static struct env *inner_of(struct env *env)
{
	return ((struct read_only *)env)->inner;
}

static struct env_file *inner_file(struct env_file *file)
{
	return ((struct read_only_file *)file)->inner;
}

/* ---- Everything but files ---- */

static uint64_t now(struct env *env)
{
	return env_now(inner_of(env));
}

static uint64_t wall(struct env *env)
{
	return env_wall(inner_of(env));
}

static uint64_t cpu(struct env *env)
{
	return env_cpu(inner_of(env));
}

static void random_bytes(struct env *env, void *bytes, size_t size)
{
	env_random(inner_of(env), bytes, size);
}

/* The loop belongs to the inner environment, which runs it. */
static int loop_new(struct env *env, const char *name, struct env_loop **loop)
{
	return env_loop_new(inner_of(env), name, loop);
}

/* ---- Files ---- */

static int file_open(struct env *env, const char *path, int flags, struct env_file **out)
{
	struct read_only_file *file = calloc(1, sizeof *file);
	int kept = flags & (ENV_OPEN_DIRECT | ENV_OPEN_LOCK);
	int status = file ? env_file_open(inner_of(env), path, kept, &file->inner) : -ENOMEM;

	if (status < 0) {
		free(file);
		return status == -ENOENT && flags & ENV_OPEN_CREATE && !(flags & ENV_OPEN_LOCK) ? -ENOSPC
												: status;
	}
	file->base.env = env;
	*out = &file->base;
	return 0;
}

static void file_close(struct env_file *file)
{
	env_file_close(inner_file(file));
	free(file);
}

static int file_size(struct env_file *file, uint64_t *size)
{
	return env_file_size(inner_file(file), size);
}

static int file_truncate(struct env_file *file, uint64_t size)
{
	(void)file;
	(void)size;
	return 0;
}

static int file_allocate(struct env_file *file, uint64_t offset, uint64_t size)
{
	(void)file;
	(void)offset;
	(void)size;
	return -ENOSPC;
}

static int file_punch(struct env_file *file, uint64_t offset, uint64_t size)
{
	(void)file;
	(void)offset;
	(void)size;
	return 0;
}

static int file_read(struct env_file *file, uint64_t offset, void *bytes, size_t size)
{
	return env_file_read(inner_file(file), offset, bytes, size);
}

static int file_read_cached(struct env_file *file, uint64_t offset, void *bytes, size_t size)
{
	return env_file_read_cached(inner_file(file), offset, bytes, size);
}

static int file_write(struct env_file *file, uint64_t offset, const void *bytes, size_t size)
{
	(void)file;
	(void)offset;
	(void)bytes;
	(void)size;
	return 0;
}

static int file_sync(struct env_file *file)
{
	(void)file;
	return 0;
}

static void on_submitted(struct env_mail *mail)
{
	struct env_file_request *request = (struct env_file_request *)mail; /* the first member */

	request->done(request);
}

static int read_vector(const struct env_file_request *request)
{
	uint64_t offset = request->offset;
	int status = 0;

	for (int i = 0; i < request->vector_count && status == 0; i++) {
		const struct iovec *part = &request->vector[i];

		status = file_read(request->file, offset, part->iov_base, part->iov_len);
		offset += part->iov_len;
	}
	return status;
}

static void file_submit(struct env_file_request *request)
{
	check(request->loop != NULL);
	request->status = request->operation == ENV_FILE_READ ? read_vector(request) : -EROFS;
	env_mail_forward(request->loop, &request->mail, on_submitted);
}

/* ---- Names ---- */

static int make_directory(struct env *env, const char *path)
{
	(void)env;
	(void)path;
	return -EEXIST; /* if it does not exist, the caller's next call fails */
}

static int sync_dir(struct env *env, const char *path)
{
	(void)env;
	(void)path;
	return 0;
}

static int rename_file(struct env *env, const char *from, const char *to)
{
	(void)env;
	(void)from;
	(void)to;
	return -ENOSPC;
}

static int remove_name(struct env *env, const char *path)
{
	(void)env;
	(void)path;
	return 0;
}

static int list(
	struct env *env, const char *path, int (*name)(void *argument, const char *name), void *argument)
{
	return env_list(inner_of(env), path, name, argument);
}

static int space(struct env *env, const char *path, struct env_space *result)
{
	return env_space(inner_of(env), path, result);
}

/* Loops, and with them mail, work and streams, use the inner environment's operations. */
static const struct env_ops ops = {
	.now = now,
	.wall = wall,
	.cpu = cpu,
	.random = random_bytes,
	.loop_new = loop_new,
	.file_open = file_open,
	.file_close = file_close,
	.file_size = file_size,
	.file_truncate = file_truncate,
	.file_allocate = file_allocate,
	.file_punch = file_punch,
	.file_read = file_read,
	.file_read_cached = file_read_cached,
	.file_write = file_write,
	.file_sync = file_sync,
	.file_submit = file_submit,
	.mkdir = make_directory,
	.sync_dir = sync_dir,
	.rename = rename_file,
	.unlink = remove_name,
	.rmdir = remove_name,
	.list = list,
	.space = space,
};

struct env *env_read_only_new(struct env *inner)
{
	struct read_only *self = calloc(1, sizeof *self);

	if (!self)
		return NULL;
	self->env.ops = &ops;
	self->inner = inner;
	return &self->env;
}

void env_read_only_free(struct env *env)
{
	free(env);
}
