/* truncate, ftruncate, fallocate in all its modes, copy_file_range, posix_fadvise. */
#include "tests/posix/posix.h"

#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

enum { KIB = 1024, BLOCK = 64 * KIB };

/* A file "f" of count blocks of 64 KiB, each filled with its letter: a, b, c … */
static int open_letters(int count)
{
	char *block = malloc(BLOCK);
	int fd = OK(open("f", O_CREAT | O_TRUNC | O_RDWR, 0644));

	IS(block != NULL);
	for (int i = 0; i < count; i++) {
		memset(block, 'a' + i, BLOCK);
		EQ(write(fd, block, BLOCK), BLOCK);
	}
	free(block);
	return fd;
}

/* Every byte of [offset, offset + size) is this one. */
static void bytes_are(int fd, off_t offset, size_t size, char expected)
{
	char *got = malloc(size);

	IS(got != NULL);
	EQ(pread(fd, got, size, offset), size);
	for (size_t i = 0; i < size; i++)
		EQ(got[i], expected);
	free(got);
}

static blkcnt_t blocks_of(int fd)
{
	struct stat status;

	OK(fsync(fd));
	OK(fstat(fd, &status));
	return status.st_blocks;
}

TEST(truncate_shrinks)
{
	put("f", "some text");
	OK(truncate("f", 4));
	content_is("f", "some");
}

TEST(truncate_grows_with_zeros)
{
	int fd;

	put("f", "some text");
	OK(truncate("f", 4));
	OK(truncate("f", 100000));
	EQ(size_of("f"), 100000);
	fd = OK(open("f", O_RDONLY));
	bytes_are(fd, 4, 99996, 0);
}

TEST(truncate_directory)
{
	OK(mkdir("d", 0755));
	FAILS(truncate("d", 0), EISDIR);
}

TEST(truncate_negative)
{
	put("f", "x");
	FAILS(truncate("f", -1), EINVAL);
}

USER_TEST(truncate_no_permission)
{
	put("f", "x");
	OK(chmod("f", 0444));
	FAILS(truncate("f", 0), EACCES);
}

TEST(truncate_fifo)
{
	OK(mkfifo("p", 0644));
	FAILS(truncate("p", 0), EINVAL);
}

TEST(truncate_size_limit)
{
	struct rlimit limit = {10, 10};

	put("f", "x");
	signal(SIGXFSZ, SIG_IGN);
	OK(setrlimit(RLIMIT_FSIZE, &limit));
	FAILS(truncate("f", 11), EFBIG);
}

TEST(truncate_too_big)
{
	/* Where the filesystem has no smaller limit than off_t, as XFS and tmpfs, there is nothing too big. */
	put("f", "x");
	if (is_fuse()) {
		OK(truncate("f", INT64_MAX));
		EQ(size_of("f"), INT64_MAX);
	} else {
		FAILS(truncate("f", INT64_MAX), EFBIG);
	}
}

TEST(truncate_same_size_updates_times)
{
	struct stat before, after;

	put("f", "some");
	before = status_of("f");
	tick();
	OK(truncate("f", 4));
	after = status_of("f");
	IS(nanoseconds(after.st_mtim) > nanoseconds(before.st_mtim));
	IS(nanoseconds(after.st_ctim) > nanoseconds(before.st_ctim));
}

TEST(truncate_clears_suid)
{
	put("f", "some");
	OK(chmod("f", 06777));
	OK(truncate("f", 2));
	EQ(mode_of("f"), geteuid() ? 0777 : 06777);
}

TEST(ftruncate_read_only)
{
	put("f", "some");
	FAILS(ftruncate(OK(open("f", O_RDONLY)), 0), EINVAL);
}

TEST(ftruncate_directory)
{
	FAILS(ftruncate(OK(open(".", O_RDONLY)), 0), EINVAL);
}

TEST(ftruncate_keeps_position)
{
	int fd = open_letters(1);

	OK(ftruncate(fd, 10));
	EQ(lseek(fd, 0, SEEK_CUR), BLOCK);
	EQ(write(fd, "x", 1), 1);
	EQ(size_of("f"), BLOCK + 1);
	bytes_are(fd, 10, BLOCK - 10, 0);
}

TEST(ftruncate_permission_of_descriptor)
{
	int fd = open_letters(1);

	OK(fchmod(fd, 0));
	OK(ftruncate(fd, 0));
	EQ(size_of("f"), 0);
}

TEST(fallocate_extends)
{
	int fd = open_letters(1);

	OK(fallocate(fd, 0, BLOCK, BLOCK));
	EQ(size_of("f"), 2 * BLOCK);
	bytes_are(fd, 0, BLOCK, 'a');
	bytes_are(fd, BLOCK, BLOCK, 0);
}

TEST(fallocate_keep_size)
{
	int fd = open_letters(1);

	OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 4 * BLOCK));
	EQ(size_of("f"), BLOCK);
	bytes_are(fd, 0, BLOCK, 'a');
}

TEST(fallocate_within_keeps_data)
{
	int fd = open_letters(3);

	OK(fallocate(fd, 0, BLOCK, BLOCK));
	bytes_are(fd, BLOCK, BLOCK, 'b');
	EQ(size_of("f"), 3 * BLOCK);
}

TEST(fallocate_punch_hole)
{
	int fd = open_letters(3);
	blkcnt_t before = blocks_of(fd);

	OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, BLOCK, BLOCK));
	EQ(size_of("f"), 3 * BLOCK);
	bytes_are(fd, 0, BLOCK, 'a');
	bytes_are(fd, BLOCK, BLOCK, 0);
	bytes_are(fd, 2 * BLOCK, BLOCK, 'c');
	IS(blocks_of(fd) < before);
	EQ(lseek(fd, BLOCK, SEEK_HOLE), BLOCK);
	EQ(lseek(fd, BLOCK, SEEK_DATA), 2 * BLOCK);
}

TEST(fallocate_punch_unaligned)
{
	int fd = open_letters(2);

	OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, BLOCK));
	bytes_are(fd, 0, 100, 'a');
	bytes_are(fd, 100, BLOCK, 0);
	bytes_are(fd, BLOCK + 100, BLOCK - 100, 'b');
}

TEST(fallocate_punch_beyond_end)
{
	int fd = open_letters(1);

	OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 10 * BLOCK));
	EQ(size_of("f"), BLOCK);
	bytes_are(fd, 100, BLOCK - 100, 0);
}

TEST(fallocate_punch_without_keep_size)
{
	FAILS(fallocate(open_letters(1), FALLOC_FL_PUNCH_HOLE, 0, 100), EOPNOTSUPP);
}

TEST(fallocate_zero_range)
{
	int fd = open_letters(3);

	OK(fallocate(fd, FALLOC_FL_ZERO_RANGE, BLOCK + 10, BLOCK));
	EQ(size_of("f"), 3 * BLOCK);
	bytes_are(fd, 0, BLOCK, 'a');
	bytes_are(fd, BLOCK, 10, 'b');
	bytes_are(fd, BLOCK + 10, BLOCK, 0);
	bytes_are(fd, 2 * BLOCK + 10, BLOCK - 10, 'c');
}

TEST(fallocate_zero_range_extends)
{
	int fd = open_letters(1);

	OK(fallocate(fd, FALLOC_FL_ZERO_RANGE, 100, 2 * BLOCK));
	EQ(size_of("f"), 2 * BLOCK + 100);
	bytes_are(fd, 100, 2 * BLOCK, 0);
}

TEST(fallocate_zero_range_keep_size)
{
	int fd = open_letters(1);

	OK(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 100, 2 * BLOCK));
	EQ(size_of("f"), BLOCK);
	bytes_are(fd, 100, BLOCK - 100, 0);
}

TEST(fallocate_read_only)
{
	put("f", "x");
	FAILS(fallocate(OK(open("f", O_RDONLY)), 0, 0, 10), EBADF);
}

TEST(fallocate_bad_range)
{
	int fd = open_letters(1);

	FAILS(fallocate(fd, 0, -1, 10), EINVAL);
	FAILS(fallocate(fd, 0, 0, 0), EINVAL);
	FAILS(fallocate(fd, 0, 0, -5), EINVAL);
}

TEST(fallocate_fifo)
{
	OK(mkfifo("p", 0644));
	FAILS(fallocate(OK(open("p", O_RDWR)), 0, 0, 10), ESPIPE);
}

TEST(fallocate_directory)
{
	/* A directory opens for reading only. */
	FAILS(fallocate(OK(open(".", O_RDONLY)), 0, 0, 10), EBADF);
}

TEST(fallocate_too_big)
{
	FAILS(fallocate(open_letters(1), 0, INT64_MAX - 10, 100), EFBIG);
}

TEST(fallocate_unknown_mode)
{
	FAILS(fallocate(open_letters(1), 1 << 12, 0, 10), EOPNOTSUPP);
}

TEST(fallocate_updates_times)
{
	struct stat before, after;
	int fd = open_letters(1);

	OK(fsync(fd));
	before = status_of("f");
	tick();
	OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
	after = status_of("f");
	IS(nanoseconds(after.st_mtim) > nanoseconds(before.st_mtim));
	IS(nanoseconds(after.st_ctim) > nanoseconds(before.st_ctim));
}

TEST(fallocate_clears_suid)
{
	int fd = open_letters(1);

	OK(fchmod(fd, 04777));
	OK(fallocate(fd, 0, 0, 2 * BLOCK));
	EQ(mode_of("f"), geteuid() ? 0777 : 04777);
}

TEST(fallocate_collapse_range)
{
	int fd = open_letters(3);

	/* Not possible through FUSE. */
	if (is_fuse()) {
		FAILS(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, BLOCK), EOPNOTSUPP);
		return;
	}
	OK(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, BLOCK));
	bytes_are(fd, 0, BLOCK, 'b');
}

TEST(posix_fallocate_extends)
{
	int fd = open_letters(1);

	EQ(posix_fallocate(fd, 0, 3 * BLOCK), 0);
	EQ(size_of("f"), 3 * BLOCK);
	EQ(posix_fallocate(fd, 0, BLOCK), 0);
	EQ(size_of("f"), 3 * BLOCK);
}

TEST(ficlone_refused)
{
	/* FICLONE: neither ext4 nor FUSE can. */
	int fd = open_letters(1), other = OK(open("g", O_CREAT | O_RDWR, 0644));

	IS(ioctl(other, FICLONE, fd) == -1 && (errno == EOPNOTSUPP || errno == ENOTTY));
}

TEST(copy_file_range_copies)
{
	off_t from = 10, to = 5;
	int fd = open_letters(2), other = OK(open("g", O_CREAT | O_RDWR, 0644));

	EQ(copy_file_range(fd, &from, other, &to, BLOCK, 0), BLOCK);
	EQ(from, BLOCK + 10);
	EQ(to, BLOCK + 5);
	EQ(size_of("g"), BLOCK + 5);
	bytes_are(other, 0, 5, 0);
	bytes_are(other, 5, BLOCK - 10, 'a');
	bytes_are(other, BLOCK - 5, 10, 'b');
}

TEST(copy_file_range_moves_positions)
{
	int fd = open_letters(1), other = OK(open("g", O_CREAT | O_RDWR, 0644));

	EQ(lseek(fd, 0, SEEK_SET), 0);
	EQ(copy_file_range(fd, NULL, other, NULL, 1000, 0), 1000);
	EQ(lseek(fd, 0, SEEK_CUR), 1000);
	EQ(lseek(other, 0, SEEK_CUR), 1000);
}

TEST(copy_file_range_at_end)
{
	off_t from = BLOCK;
	int fd = open_letters(1), other = OK(open("g", O_CREAT | O_RDWR, 0644));

	EQ(copy_file_range(fd, &from, other, NULL, 1000, 0), 0);
	from = BLOCK - 10;
	EQ(copy_file_range(fd, &from, other, NULL, 1000, 0), 10);
}

TEST(copy_file_range_same_file)
{
	off_t from = 0, to = BLOCK;
	int fd = open_letters(2);

	EQ(copy_file_range(fd, &from, fd, &to, BLOCK, 0), BLOCK);
	bytes_are(fd, BLOCK, BLOCK, 'a');
}

TEST(copy_file_range_overlapping)
{
	off_t from = 0, to = 10;
	int fd = open_letters(1);

	FAILS(copy_file_range(fd, &from, fd, &to, 100, 0), EINVAL);
}

TEST(copy_file_range_bad_flags)
{
	int fd = open_letters(1), other = OK(open("g", O_CREAT | O_RDWR, 0644));

	FAILS(copy_file_range(fd, NULL, other, NULL, 100, 1), EINVAL);
}

TEST(copy_file_range_read_only)
{
	off_t from = 0;
	int fd = open_letters(1);

	put("g", "");
	FAILS(copy_file_range(fd, &from, OK(open("g", O_RDONLY)), NULL, 100, 0), EBADF);
	FAILS(copy_file_range(OK(open("g", O_WRONLY)), NULL, fd, &from, 100, 0), EBADF);
}

TEST(copy_file_range_append)
{
	off_t from = 0;
	int fd = open_letters(1);

	put("g", "");
	FAILS(copy_file_range(fd, &from, OK(open("g", O_WRONLY | O_APPEND)), NULL, 100, 0), EBADF);
}

TEST(copy_file_range_directory)
{
	FAILS(copy_file_range(OK(open(".", O_RDONLY)), NULL, open_letters(1), NULL, 100, 0), EISDIR);
}

TEST(copy_file_range_fifo)
{
	OK(mkfifo("p", 0644));
	FAILS(copy_file_range(OK(open("p", O_RDWR)), NULL, open_letters(1), NULL, 100, 0), EINVAL);
}

TEST(copy_file_range_overwrites_within)
{
	off_t from = 0, to = 100;
	int fd = open_letters(1), other;

	put("g", "0123456789");
	other = OK(open("g", O_RDWR));
	EQ(copy_file_range(fd, &from, other, &to, 10, 0), 10);
	to = 2, from = 0;
	EQ(copy_file_range(fd, &from, other, &to, 3, 0), 3);
	EQ(size_of("g"), 110);
	bytes_are(other, 2, 3, 'a');
	bytes_are(other, 10, 90, 0);
}

TEST(posix_fadvise_drops_and_reads)
{
	int fd = open_letters(1);

	OK(fsync(fd));
	EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	bytes_are(fd, 0, BLOCK, 'a');
	EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED), 0);
	EQ(posix_fadvise(fd, 0, 0, 77), EINVAL);
}
