/* Files: the blocking calls, and the requests that the I/O threads or the ring of a loop carry out. */
#include "proto/env_uv_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "proto/check.h"
#include "proto/container.h"

#define READ_AHEAD_SIZE (128u << 10) /* bytes: the kernel's default window */
#define HERE_SIZE_MAX	(64u << 10) /* bytes that a loop copies itself */

struct env_uv_file {
	struct env_file base;
	int fd;
	bool is_direct;
	bool is_memory; /* on tmpfs: a write waits for no disk */
};

static struct env_uv_file *file_of(struct env_file *file)
{
	return (struct env_uv_file *)file;
}

static int system_flags(int flags)
{
	int result = O_CLOEXEC | O_NOCTTY;

	result |= flags & ENV_OPEN_WRITE ? O_RDWR : O_RDONLY;
	result |= flags & ENV_OPEN_CREATE ? O_CREAT | O_NOFOLLOW : 0;
	result |= flags & ENV_OPEN_EXCLUSIVE ? O_EXCL : 0;
	result |= flags & ENV_OPEN_DIRECT ? O_DIRECT : 0;
	result |= flags & ENV_OPEN_DSYNC ? O_DSYNC : 0;
	return result;
}

static bool is_on_tmpfs(int fd)
{
	struct statfs statfs;

	return fstatfs(fd, &statfs) == 0 && statfs.f_type == TMPFS_MAGIC;
}

int env_uv_file_open(struct env *env, const char *path, int flags, struct env_file **out)
{
	struct env_uv_file *file = calloc(1, sizeof *file);
	int status = -ENOMEM;

	if (!file)
		return status;
	file->base.env = env;
	file->is_direct = flags & ENV_OPEN_DIRECT;
	do {
		file->fd = open(path, system_flags(flags), 0600);
	} while (file->fd < 0 && errno == EINTR);
	if (file->fd < 0)
		goto failed;
	/* The lock belongs to the open file: a second open in this process conflicts, too, and closing another descriptor of
	 * the file does not release it. */
	if (flags & ENV_OPEN_LOCK && flock(file->fd, LOCK_EX | LOCK_NB) < 0)
		goto failed;
	file->is_memory = is_on_tmpfs(file->fd);
	*out = &file->base;
	return 0;
failed:
	status = -errno;
	if (file->fd >= 0)
		close(file->fd);
	free(file);
	return status;
}

void env_uv_file_close(struct env_file *base)
{
	struct env_uv_file *file = file_of(base);

	/* Its error is ignored: what must be durable has been synced. */
	close(file->fd);
	free(file);
}

int env_uv_file_size(struct env_file *file, uint64_t *size)
{
	struct stat stat;

	if (fstat(file_of(file)->fd, &stat) < 0)
		return -errno;
	*size = (uint64_t)stat.st_size;
	return 0;
}

int env_uv_file_truncate(struct env_file *file, uint64_t size)
{
	int result;

	do {
		result = ftruncate(file_of(file)->fd, (off_t)size);
	} while (result < 0 && errno == EINTR);
	return result < 0 ? -errno : 0;
}

static int change_space(struct env_file *file, int mode, uint64_t offset, uint64_t size)
{
	int result;

	do {
		result = fallocate(file_of(file)->fd, mode, (off_t)offset, (off_t)size);
	} while (result < 0 && errno == EINTR);
	return result < 0 ? -errno : 0;
}

int env_uv_file_allocate(struct env_file *file, uint64_t offset, uint64_t size)
{
	return change_space(file, 0, offset, size);
}

int env_uv_file_punch(struct env_file *file, uint64_t offset, uint64_t size)
{
	return change_space(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, size);
}

/* Drops `size` bytes from the front of the vector. */
static void advance(struct iovec **vector, int *count, size_t size)
{
	while (*count > 0 && size >= (*vector)->iov_len) {
		size -= (*vector)->iov_len;
		++*vector;
		--*count;
	}
	if (size > 0) {
		(*vector)->iov_base = (char *)(*vector)->iov_base + size;
		(*vector)->iov_len -= size;
	}
}

static int read_vector(struct env_uv_file *file, uint64_t offset, struct iovec *vector, int count)
{
	advance(&vector, &count, 0);
	while (count > 0) {
		ssize_t size = preadv(file->fd, vector, count, (off_t)offset);

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return -errno;
		/* A direct read that stops within a block has reached the end; one that went on would not be aligned. */
		if (size == 0 || (file->is_direct && size % ENV_DIRECT_ALIGNMENT != 0))
			return -ENODATA;
		offset += (uint64_t)size;
		advance(&vector, &count, (size_t)size);
	}
	return 0;
}

static int write_vector(struct env_uv_file *file, uint64_t offset, struct iovec *vector, int count)
{
	advance(&vector, &count, 0);
	while (count > 0) {
		ssize_t size = pwritev(file->fd, vector, count, (off_t)offset);

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return -errno;
		if (size == 0)
			return -EIO;
		offset += (uint64_t)size;
		advance(&vector, &count, (size_t)size);
	}
	return 0;
}

int env_uv_file_read(struct env_file *file, uint64_t offset, void *bytes, size_t size)
{
	/* Otherwise the kernel asks the disk for one window of read-ahead at a time, and waits for each. */
	if (size > READ_AHEAD_SIZE && !file_of(file)->is_direct)
		posix_fadvise(file_of(file)->fd, (off_t)offset, (off_t)size, POSIX_FADV_WILLNEED);
	return read_vector(file_of(file), offset, &(struct iovec){bytes, size}, 1);
}

int env_uv_file_read_cached(struct env_file *file, uint64_t offset, void *bytes, size_t size)
{
	struct iovec vector = {bytes, size};

	return preadv2(file_of(file)->fd, &vector, 1, (off_t)offset, RWF_NOWAIT) == (ssize_t)size
		       ? 0
		       : STATUS_WOULD_BLOCK;
}

int env_uv_file_write(struct env_file *file, uint64_t offset, const void *bytes, size_t size)
{
	return write_vector(file_of(file), offset, &(struct iovec){(void *)bytes, size}, 1);
}

int env_uv_file_sync(struct env_file *file)
{
	/* EINTR is final as well: it is not known what was synced. */
	return fdatasync(file_of(file)->fd) < 0 ? -errno : 0;
}

static struct env_file_request *request_of(struct env_mail *mail)
{
	return container_of(mail, struct env_file_request, mail);
}

static void request_done(struct env_mail *mail)
{
	struct env_file_request *request = request_of(mail);

	request->done(request);
}

static int run_operation(struct env_file_request *request)
{
	struct env_uv_file *file = file_of(request->file);

	switch (request->operation) {
	case ENV_FILE_READ:
		return read_vector(file, request->offset, request->vector, request->vector_count);
	case ENV_FILE_WRITE:
		return write_vector(file, request->offset, request->vector, request->vector_count);
	case ENV_FILE_SYNC:
		return env_uv_file_sync(request->file);
	}
	check(!"a file operation");
}

static void request_run(struct env_mail *mail)
{
	struct env_file_request *request = request_of(mail);

	request->status = run_operation(request);
	if (request->loop)
		env_mail_forward(request->loop, &request->mail, request_done);
	else
		env_file_finish(request);
}

void env_uv_file_submit_to_pool(struct env_file_request *request)
{
	env_uv_pool_submit(&env_uv_of(request->file->env)->io, &request->mail, request_run);
}

size_t env_uv_file_request_size(const struct env_file_request *request)
{
	size_t size = 0;

	for (int i = 0; i < request->vector_count; i++)
		size += request->vector[i].iov_len;
	return size;
}

/* A small write to memory costs less than to have another thread do it. io_uring would wake a thread, too. */
static bool run_here(struct env_file_request *request)
{
	if (request->operation != ENV_FILE_WRITE || !file_of(request->file)->is_memory || !request->loop ||
		!env_uv_loop_is_current(request->loop) || env_uv_file_request_size(request) > HERE_SIZE_MAX)
		return false;
	request->status = run_operation(request);
	env_mail_forward(request->loop, &request->mail, request_done);
	return true;
}

static bool submit_to_ring(struct env_file_request *request)
{
	const struct env_uv_file *file = file_of(request->file);

	return request->operation == ENV_FILE_WRITE && file->is_direct && request->vector_count > 0 &&
	       request->loop && env_uv_loop_is_current(request->loop) &&
	       env_uv_ring_write(env_uv_loop_of(request->loop)->ring, request, file->fd);
}

void env_uv_file_submit(struct env_file_request *request)
{
	if (!run_here(request) && !submit_to_ring(request))
		env_uv_file_submit_to_pool(request);
}
