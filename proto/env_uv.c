/* The real environment: clock, random, the two pools, and the table of operations. */
#include "proto/env_uv_internal.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "proto/check.h"
#include "proto/container.h"
#include "proto/units.h"

static uint64_t read_clock(clockid_t clock)
{
	struct timespec time;

	check(clock_gettime(clock, &time) == 0);
	return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

static uint64_t now(struct env *env)
{
	(void)env;
	return read_clock(CLOCK_BOOTTIME);
}

static uint64_t wall(struct env *env)
{
	(void)env;
	return read_clock(CLOCK_REALTIME);
}

static uint64_t cpu(struct env *env)
{
	(void)env;
	return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

static void ask_kernel_for_random(void *bytes, size_t size)
{
	char *at = bytes;

	while (size > 0) {
		ssize_t count = getrandom(at, size, 0);

		check(count > 0 || errno == EINTR);
		if (count > 0) {
			at += count;
			size -= (size_t)count;
		}
	}
}

/* Bytes are taken from the end of the block, and wiped there. */
static void random_bytes(struct env *env, void *bytes, size_t size)
{
	struct env_uv_random *random = &env_uv_of(env)->random;

	if (size > sizeof random->block) {
		ask_kernel_for_random(bytes, size);
		return;
	}
	pthread_mutex_lock(&random->mutex);
	if (random->left < size) {
		ask_kernel_for_random(random->block, sizeof random->block);
		random->left = sizeof random->block;
	}
	random->left -= size;
	memcpy(bytes, random->block + random->left, size);
	explicit_bzero(random->block + random->left, size);
	pthread_mutex_unlock(&random->mutex);
}

static struct env_work *work_of(struct env_mail *mail)
{
	return container_of(mail, struct env_work, mail);
}

static void work_done(struct env_mail *mail)
{
	struct env_work *work = work_of(mail);

	work->done(work);
}

static void work_run(struct env_mail *mail)
{
	struct env_work *work = work_of(mail);

	work->run(work);
	env_mail_forward(work->loop, &work->mail, work_done);
}

static void work_submit(struct env_work *work)
{
	env_uv_pool_submit(&env_uv_of(work->loop->env)->workers, &work->mail, work_run);
}

static const struct env_ops ops = {
	.now = now,
	.wall = wall,
	.cpu = cpu,
	.random = random_bytes,
	.loop_new = env_uv_loop_new,
	.loop_start = env_uv_loop_start,
	.loop_run = env_uv_loop_run,
	.loop_stop = env_uv_loop_stop,
	.loop_free = env_uv_loop_free,
	.loop_is_current = env_uv_loop_is_current,
	.post = env_uv_post,
	.work_submit = work_submit,
	.file_open = env_uv_file_open,
	.file_close = env_uv_file_close,
	.file_size = env_uv_file_size,
	.file_truncate = env_uv_file_truncate,
	.file_allocate = env_uv_file_allocate,
	.file_punch = env_uv_file_punch,
	.file_read = env_uv_file_read,
	.file_read_cached = env_uv_file_read_cached,
	.file_write = env_uv_file_write,
	.file_sync = env_uv_file_sync,
	.file_submit = env_uv_file_submit,
	.mkdir = env_uv_mkdir,
	.sync_dir = env_uv_sync_dir,
	.rename = env_uv_rename,
	.unlink = env_uv_unlink,
	.rmdir = env_uv_rmdir,
	.list = env_uv_list,
	.space = env_uv_space,
	.listen = env_uv_listen,
	.listener_address = env_uv_listener_address,
	.listener_close = env_uv_listener_close,
	.connect = env_uv_connect,
	.stream_peer = env_uv_stream_peer,
	.stream_start = env_uv_stream_start,
	.stream_pause = env_uv_stream_pause,
	.stream_resume = env_uv_stream_resume,
	.stream_write = env_uv_stream_write,
	.stream_close = env_uv_stream_close,
};

int env_uv_new(const struct env_uv_options *options, struct env **env, struct status *status)
{
	struct env_uv *self = calloc(1, sizeof *self);
	int result = -ENOMEM;

	if (!self)
		goto done;
	self->base.ops = &ops;
	self->logger = options->logger;
	self->random.mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	result = env_uv_pool_init(&self->workers, "worker", options->worker_threads);
	if (result < 0)
		goto done;
	result = env_uv_pool_init(&self->io, "file-io", options->io_threads);
	if (result < 0) {
		env_uv_pool_close(&self->workers);
		goto done;
	}
	/* A write to a peer that has closed its end must return an error, not raise a signal. */
	signal(SIGPIPE, SIG_IGN);
	*env = &self->base;
	return 0;
done:
	free(self);
	return status_set(status, result, "cannot start threads: %s", status_name(result));
}

void env_uv_free(struct env *env)
{
	struct env_uv *self = env_uv_of(env);

	if (!self)
		return;
	env_uv_pool_close(&self->io);
	env_uv_pool_close(&self->workers);
	pthread_mutex_destroy(&self->random.mutex);
	explicit_bzero(self->random.block, sizeof self->random.block);
	free(self);
}

int env_uv_status(int code)
{
	switch (code) {
	case UV_EAI_MEMORY:
		return -ENOMEM;
	case UV_EAI_CANCELED:
		return -ECANCELED;
	default:
		/* libuv numbers the other look-up errors itself, below any -errno. */
		return code < -3000 ? -EHOSTUNREACH : code;
	}
}
