#include "tests/fsx/model.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DIRECT_ALIGN = 4096 };

static uint64_t random_next(struct worker *worker)
{
	uint64_t x = worker->random += 0x9e3779b97f4a7c15;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

static off_t below(struct worker *worker, off_t limit)
{
	return limit > 0 ? (off_t)(random_next(worker) % (uint64_t)limit) : 0;
}

static bool failed(struct worker *worker, const char *what)
{
	unsigned first = worker->done > LOG_MAX ? worker->done - LOG_MAX : 0;

	for (unsigned i = first; i < worker->done; i++) {
		const struct log_entry *entry = &worker->log[i % LOG_MAX];
		printf("%6u %-12s offset %7jd size %7jd other %7jd\n", entry->number, entry->what,
			(intmax_t)entry->offset, (intmax_t)entry->size, (intmax_t)entry->other);
	}
	printf("FAILED %s [%jd, %jd) operation %u: %s\n", worker->path, (intmax_t)worker->begin,
		(intmax_t)worker->end, worker->done, what);
	return false;
}

static bool failed_call(struct worker *worker, const char *call, ssize_t result, ssize_t expected)
{
	char text[200];

	snprintf(text, sizeof(text), "%s: got %zd (%s), expected %zd", call, result,
		result == -1 ? strerrorname_np(errno) : "no error", expected);
	return failed(worker, text);
}

static void note(struct worker *worker, const char *what, off_t offset, off_t size, off_t other)
{
	worker->log[worker->done % LOG_MAX] = (struct log_entry){worker->done, what, offset, size, other};
	worker->done++;
}

static bool has_all(const struct worker *worker)
{
	return worker->begin == 0 && worker->end == FILE_MAX;
}

/* The bytes read at offset are the shadow's. */
static bool is_right(
	struct worker *worker, const char *call, const unsigned char *got, off_t offset, off_t size)
{
	const unsigned char *expected = worker->shadow->bytes + offset;
	char text[200];

	if (memcmp(got, expected, (size_t)size) == 0)
		return true;
	for (off_t i = 0; i < size; i++) {
		if (got[i] == expected[i])
			continue;
		snprintf(text, sizeof(text), "%s: byte %jd is 0x%02x, expected 0x%02x", call,
			(intmax_t)(offset + i), got[i], expected[i]);
		return failed(worker, text);
	}
	return true;
}

/* What a read of size bytes at offset must return. */
static off_t readable(const struct worker *worker, off_t offset, off_t size)
{
	off_t left = worker->shadow->size - offset;
	return left < 0 ? 0 : left < size ? left : size;
}

static void shadow_grow(struct shadow *shadow, off_t size)
{
	if (size > shadow->size)
		shadow->size = size;
}

static void fill(struct worker *worker, unsigned char *bytes, off_t size)
{
	unsigned char value = (unsigned char)(1 + below(worker, 255));

	for (off_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)(value + i / 512);
}

static bool do_read(struct worker *worker, int fd, const char *what, off_t offset, off_t size)
{
	ssize_t got, expected = readable(worker, offset, size);

	note(worker, what, offset, size, 0);
	got = pread(fd, worker->buffer, (size_t)size, offset);
	if (got != expected)
		return failed_call(worker, what, got, expected);
	return is_right(worker, what, worker->buffer, offset, got);
}

static bool do_write(struct worker *worker, int fd, const char *what, off_t offset, off_t size)
{
	ssize_t got;

	note(worker, what, offset, size, 0);
	fill(worker, worker->buffer, size);
	got = pwrite(fd, worker->buffer, (size_t)size, offset);
	if (got != size)
		return failed_call(worker, what, got, size);
	memcpy(worker->shadow->bytes + offset, worker->buffer, (size_t)size);
	shadow_grow(worker->shadow, offset + size);
	return true;
}

/* Loads or stores through a mapping of the part that exists. */
static bool do_map(struct worker *worker, bool store, off_t offset, off_t size)
{
	off_t start = offset & ~(off_t)4095;
	size_t length;
	unsigned char *memory;
	bool right = true;

	size = readable(worker, offset, size);
	if (size == 0)
		return true;
	note(worker, store ? "map store" : "map load", offset, size, 0);
	length = (size_t)(offset - start + size);
	memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, worker->fd, start);
	if (memory == MAP_FAILED)
		return failed_call(worker, "mmap", -1, 0);
	if (store) {
		fill(worker, memory + (offset - start), size);
		memcpy(worker->shadow->bytes + offset, memory + (offset - start), (size_t)size);
		if (below(worker, 2) && msync(memory, length, MS_SYNC))
			right = failed_call(worker, "msync", -1, 0);
	} else {
		right = is_right(worker, "map load", memory + (offset - start), offset, size);
	}
	munmap(memory, length);
	return right;
}

static bool do_truncate(struct worker *worker, off_t size)
{
	struct shadow *shadow = worker->shadow;

	note(worker, "truncate", 0, size, shadow->size);
	if (ftruncate(worker->fd, size))
		return failed_call(worker, "ftruncate", -1, 0);
	if (size < shadow->size)
		memset(shadow->bytes + size, 0, (size_t)(shadow->size - size));
	shadow->size = size;
	return true;
}

static bool do_allocate(struct worker *worker, int mode, const char *what, off_t offset, off_t size)
{
	struct shadow *shadow = worker->shadow;
	off_t zeros = mode == 0 || mode == FALLOC_FL_KEEP_SIZE ? 0 : readable(worker, offset, size);

	note(worker, what, offset, size, mode);
	if (fallocate(worker->fd, mode, offset, size))
		return failed_call(worker, what, -1, 0);
	memset(shadow->bytes + offset, 0, (size_t)zeros);
	if (!(mode & FALLOC_FL_KEEP_SIZE))
		shadow_grow(shadow, offset + size);
	return true;
}

static bool do_copy(struct worker *worker, off_t from, off_t to, off_t size)
{
	off_t in = from, out = to, left;

	size = readable(worker, from, size);
	if (size == 0 || (from < to + size && to < from + size))
		return true;
	note(worker, "copy", from, size, to);
	for (left = size; left > 0;) {
		ssize_t got = copy_file_range(worker->fd, &in, worker->fd, &out, (size_t)left, 0);

		if (got <= 0)
			return failed_call(worker, "copy_file_range", got, left);
		left -= got;
	}
	memcpy(worker->shadow->bytes + to, worker->shadow->bytes + from, (size_t)size);
	shadow_grow(worker->shadow, to + size);
	return true;
}

static bool do_sync(struct worker *worker)
{
	note(worker, "fsync", 0, 0, 0);
	if (below(worker, 2) ? fsync(worker->fd) : fdatasync(worker->fd))
		return failed_call(worker, "fsync", -1, 0);
	return true;
}

static bool do_drop_cache(struct worker *worker)
{
	note(worker, "drop cache", 0, 0, 0);
	fsync(worker->fd);
	if (posix_fadvise(worker->fd, 0, 0, POSIX_FADV_DONTNEED))
		return failed_call(worker, "posix_fadvise", -1, 0);
	return true;
}

static bool do_reopen(struct worker *worker)
{
	note(worker, "reopen", 0, 0, 0);
	worker_close(worker);
	return worker_open(worker);
}

static bool do_stat(struct worker *worker)
{
	struct stat status;

	note(worker, "fstat", 0, 0, 0);
	if (fstat(worker->fd, &status) || (has_all(worker) && status.st_size != worker->shadow->size))
		return failed_call(worker, "fstat", status.st_size, worker->shadow->size);
	return true;
}

/* Data may be reported where there are zeros, never a hole where there is data. */
static bool do_seek(struct worker *worker, off_t offset)
{
	off_t data = lseek(worker->fd, offset, SEEK_DATA);
	off_t end = data == -1 ? worker->shadow->size : data;

	note(worker, "seek data", offset, data, 0);
	for (off_t i = offset; has_all(worker) && i < end; i++)
		if (worker->shadow->bytes[i])
			return failed_call(worker, "lseek(SEEK_DATA)", data, i);
	return true;
}

/* A range of the stripe: short or long, aligned or not. */
static void pick_range(struct worker *worker, off_t *offset, off_t *size)
{
	off_t room = worker->end - worker->begin;

	*offset = below(worker, room);
	*size = 1 + below(worker, below(worker, 3) ? 20000 : 200000);
	if (below(worker, 3) == 0) {
		*offset &= ~(off_t)4095;
		*size = (*size + 4095) & ~(off_t)4095;
	}
	if (*size > room - *offset)
		*size = room - *offset;
	*offset += worker->begin;
}

static bool change_size(struct worker *worker, off_t offset)
{
	return !has_all(worker) || do_truncate(worker, below(worker, 3) ? offset : below(worker, FILE_MAX));
}

static bool step(struct worker *worker)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	off_t offset, size, other, aligned;

	pick_range(worker, &offset, &size);
	other = worker->begin + below(worker, worker->end - worker->begin - size + 1);
	aligned = size & ~(off_t)(DIRECT_ALIGN - 1);
	switch (below(worker, 26)) {
	case 0 ... 4:
		return do_write(worker, worker->fd, "write", offset, size);
	case 5 ... 8:
		return do_read(worker, worker->fd, "read", offset, size);
	case 9 ... 10:
		return do_map(worker, true, offset, size);
	case 11 ... 12:
		return do_map(worker, false, offset, size);
	case 13:
		return change_size(worker, offset);
	case 14:
		return do_allocate(worker, punch, "punch", offset, size);
	case 15:
		return do_allocate(worker, FALLOC_FL_ZERO_RANGE, "zero", offset, size);
	case 16:
		return do_allocate(
			worker, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, "zero keep", offset, size);
	case 17:
		return do_allocate(worker, 0, "allocate", offset, size);
	case 18:
		return do_copy(worker, offset, other, size);
	case 19:
		return do_sync(worker);
	case 20:
		return do_drop_cache(worker);
	case 21:
		return do_reopen(worker);
	case 22:
		return do_stat(worker);
	case 23:
		return do_seek(worker, offset);
	case 24:
		return worker->direct_fd < 0 || !aligned ||
		       do_write(worker, worker->direct_fd, "direct write", offset & ~(off_t)4095, aligned);
	default:
		return worker->direct_fd < 0 || !aligned ||
		       do_read(worker, worker->direct_fd, "direct read", offset & ~(off_t)4095, aligned);
	}
}

/* POSIX locks belong to the process and go with any close of the file, so the lock is on a file beside it. */
static int lock_file(const struct worker *worker)
{
	struct flock lock = {.l_type = F_WRLCK};
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s.lock", worker->path);
	fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0644);
	if (fd >= 0 && fcntl(fd, F_SETLKW, &lock)) {
		close(fd);
		return -1;
	}
	return fd;
}

bool worker_step(struct worker *worker)
{
	int lock = worker->is_locked ? lock_file(worker) : -1;
	bool right;

	if (worker->is_locked && lock < 0)
		return failed_call(worker, "lock", -1, 0);
	right = step(worker);
	if (lock >= 0)
		close(lock);
	return right;
}

bool worker_verify(struct worker *worker)
{
	struct stat status;

	if (fstat(worker->fd, &status) || status.st_size != worker->shadow->size)
		return failed_call(worker, "final fstat", status.st_size, worker->shadow->size);
	return do_read(worker, worker->fd, "final read", 0, FILE_MAX);
}

bool worker_open(struct worker *worker)
{
	worker->fd = open(worker->path, O_CREAT | O_RDWR | O_CLOEXEC, 0644);
	worker->direct_fd = open(worker->path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (worker->fd < 0)
		fprintf(stderr, "%s: %s\n", worker->path, strerror(errno));
	return worker->fd >= 0;
}

void worker_close(struct worker *worker)
{
	close(worker->fd);
	if (worker->direct_fd >= 0)
		close(worker->direct_fd);
}
