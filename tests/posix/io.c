/* read, write, their positioned and vectored forms, lseek, and what they do to sizes and times. */
#include "tests/posix/posix.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static int open_new(void)
{
	return OK(open("f", O_CREAT | O_TRUNC | O_RDWR, 0644));
}

/* An address that the process does not have. */
static void *unmapped(void)
{
	void *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	IS(page != MAP_FAILED);
	return page;
}

TEST(read_at_end)
{
	char text[8];
	int fd;

	put("f", "text");
	fd = OK(open("f", O_RDONLY));
	EQ(read(fd, text, 3), 3);
	EQ(read(fd, text, 8), 1);
	EQ(read(fd, text, 8), 0);
}

TEST(read_write_only)
{
	char byte;

	put("f", "x");
	FAILS(read(OK(open("f", O_WRONLY)), &byte, 1), EBADF);
}

TEST(read_directory)
{
	char byte;
	FAILS(read(OK(open(".", O_RDONLY)), &byte, 1), EISDIR);
}

TEST(read_bad_address)
{
	put("f", "text");
	FAILS(read(OK(open("f", O_RDONLY)), unmapped(), 4), EFAULT);
}

TEST(read_zero_bytes)
{
	char byte;

	put("f", "text");
	EQ(read(OK(open("f", O_RDONLY)), &byte, 0), 0);
}

TEST(read_hole_is_zero)
{
	char text[100];
	int fd = open_new();

	EQ(pwrite(fd, "x", 1, 1000000), 1);
	EQ(pread(fd, text, 100, 500000), 100);
	for (int i = 0; i < 100; i++)
		EQ(text[i], 0);
}

TEST(write_read_only)
{
	put("f", "x");
	FAILS(write(OK(open("f", O_RDONLY)), "x", 1), EBADF);
}

TEST(write_bad_address)
{
	FAILS(write(open_new(), unmapped(), 4), EFAULT);
	EQ(size_of("f"), 0);
}

TEST(write_extends)
{
	int fd = open_new();

	EQ(write(fd, "abc", 3), 3);
	EQ(size_of("f"), 3);
	EQ(write(fd, "de", 2), 2);
	content_is("f", "abcde");
}

TEST(write_zero_bytes)
{
	struct stat before, after;
	int fd = open_new();

	before = status_of("f");
	tick();
	EQ(write(fd, "", 0), 0);
	after = status_of("f");
	EQ(nanoseconds(after.st_mtim), nanoseconds(before.st_mtim));
	EQ(after.st_size, 0);
}

TEST(write_beyond_end_leaves_hole)
{
	int fd = open_new();

	EQ(lseek(fd, 3, SEEK_SET), 3);
	EQ(size_of("f"), 0);
	EQ(write(fd, "x", 1), 1);
	EQ(size_of("f"), 4);
}

TEST(write_file_size_limit)
{
	struct rlimit limit = {10, 10};
	int fd = open_new();

	signal(SIGXFSZ, SIG_IGN);
	OK(setrlimit(RLIMIT_FSIZE, &limit));
	EQ(write(fd, "0123456789ab", 12), 10);
	FAILS(write(fd, "x", 1), EFBIG);
}

TEST(write_large_at_once)
{
	size_t size = 5 << 20;
	char *a = malloc(size), *b = malloc(size);
	int fd = open_new();

	IS(a && b);
	for (size_t i = 0; i < size; i++)
		a[i] = (char)(i * 7 + (i >> 12));
	EQ(write(fd, a, size), size);
	EQ(pread(fd, b, size, 0), size);
	IS(memcmp(a, b, size) == 0);
}

TEST(write_clears_suid_and_sgid)
{
	int fd = open_new();

	OK(fchmod(fd, 06777));
	EQ(write(fd, "x", 1), 1);
	EQ(mode_of("f"), geteuid() ? 0777 : 06777); /* CAP_FSETID keeps them */
}

TEST(write_clears_suid_of_direct_io)
{
	char *block = aligned_alloc(4096, 4096);
	int fd = OK(open("f", O_CREAT | O_RDWR | O_DIRECT, 0644));

	IS(block != NULL);
	memset(block, 0, 4096);
	OK(fchmod(fd, 04755));
	EQ(write(fd, block, 4096), 4096);
	EQ(mode_of("f"), geteuid() ? 0755 : 04755);
}

TEST(pread_keeps_position)
{
	char text[8];
	int fd;

	put("f", "text");
	fd = OK(open("f", O_RDONLY));
	EQ(pread(fd, text, 2, 1), 2);
	EQ(text[0], 'e');
	EQ(lseek(fd, 0, SEEK_CUR), 0);
}

TEST(pread_negative_offset)
{
	char byte;

	put("f", "text");
	FAILS(pread(OK(open("f", O_RDONLY)), &byte, 1, -1), EINVAL);
}

TEST(pwrite_keeps_position)
{
	int fd = open_new();

	EQ(pwrite(fd, "text", 4, 2), 4);
	EQ(lseek(fd, 0, SEEK_CUR), 0);
	EQ(size_of("f"), 6);
}

TEST(pwrite_negative_offset)
{
	FAILS(pwrite(open_new(), "x", 1, -1), EINVAL);
}

TEST(pwrite_overwrites)
{
	put("f", "abcdef");
	EQ(pwrite(OK(open("f", O_WRONLY)), "XY", 2, 2), 2);
	content_is("f", "abXYef");
}

TEST(pwrite_past_limit)
{
	int fd = open_new();

	if (is_fuse()) /* no smaller limit than off_t */
		EQ(pwrite(fd, "xy", 2, INT64_MAX - 2), 2);
	else
		FAILS(pwrite(fd, "xy", 2, INT64_MAX - 2), EFBIG);
	FAILS(pwrite(fd, "xy", 2, INT64_MAX), EINVAL);
}

TEST(pwrite_past_16_tib)
{
	/* ext4 with 4 KiB blocks ends at 16 TiB; a FUSE filesystem of this project does not. */
	const off_t offset = ((off_t)16 << 40) + 12345;
	char text[8];
	int fd = open_new();

	if (!is_fuse()) {
		FAILS(pwrite(fd, "far", 3, offset), EFBIG);
		return;
	}
	EQ(pwrite(fd, "far", 3, offset), 3);
	EQ(size_of("f"), offset + 3);
	EQ(pread(fd, text, 8, offset), 3);
	IS(memcmp(text, "far", 3) == 0);
}

TEST(readv_writev)
{
	char a[2], b[8];
	struct iovec out[] = {{"ab", 2}, {"", 0}, {"cdef", 4}}, in[] = {{a, 2}, {b, 8}};
	int fd = open_new();

	EQ(writev(fd, out, 3), 6);
	EQ(lseek(fd, 0, SEEK_SET), 0);
	EQ(readv(fd, in, 2), 6);
	IS(memcmp(a, "ab", 2) == 0 && memcmp(b, "cdef", 4) == 0);
}

TEST(preadv_pwritev)
{
	char a[2], b[8];
	struct iovec out[] = {{"ab", 2}, {"cd", 2}}, in[] = {{a, 2}, {b, 8}};
	int fd = open_new();

	EQ(pwritev(fd, out, 2, 3), 4);
	EQ(preadv(fd, in, 2, 4), 3);
	IS(memcmp(a, "bc", 2) == 0 && b[0] == 'd');
	EQ(lseek(fd, 0, SEEK_CUR), 0);
}

TEST(readv_too_many)
{
	static const struct iovec none[1025];
	FAILS(readv(open_new(), none, 1025), EINVAL);
}

TEST(pwritev2_append)
{
	struct iovec out = {"x", 1};

	put("f", "abc");
	EQ(pwritev2(OK(open("f", O_WRONLY)), &out, 1, 0, RWF_APPEND), 1);
	content_is("f", "abcx");
}

TEST(pwritev2_sync)
{
	struct iovec out = {"x", 1};
	int fd = open_new();

	EQ(pwritev2(fd, &out, 1, 0, RWF_SYNC), 1);
	EQ(pwritev2(fd, &out, 1, 1, RWF_DSYNC), 1);
	content_is("f", "xx");
}

TEST(pwritev2_position)
{
	struct iovec out = {"x", 1};
	int fd = open_new();

	EQ(pwritev2(fd, &out, 1, -1, 0), 1);
	EQ(pwritev2(fd, &out, 1, -1, 0), 1);
	EQ(lseek(fd, 0, SEEK_CUR), 2);
}

TEST(preadv2_unknown_flag)
{
	char byte;
	struct iovec in = {&byte, 1};

	put("f", "x");
	FAILS(preadv2(OK(open("f", O_RDONLY)), &in, 1, 0, 1 << 30), EOPNOTSUPP);
}

TEST(sendfile_copies)
{
	int in, out = open_new();

	put("g", "some text");
	in = OK(open("g", O_RDONLY));
	EQ(sendfile(out, in, NULL, 100), 9);
	content_is("f", "some text");
}

TEST(splice_from_file)
{
	char text[16];
	int ends[2];

	put("f", "some text");
	OK(pipe(ends));
	EQ(splice(OK(open("f", O_RDONLY)), NULL, ends[1], NULL, 100, 0), 9);
	EQ(read(ends[0], text, sizeof(text)), 9);
	IS(memcmp(text, "some text", 9) == 0);
}

TEST(splice_to_file)
{
	int ends[2], fd = open_new();

	OK(pipe(ends));
	EQ(write(ends[1], "some text", 9), 9);
	EQ(splice(ends[0], NULL, fd, NULL, 9, 0), 9);
	content_is("f", "some text");
}

TEST(lseek_whences)
{
	int fd;

	put("f", "0123456789");
	fd = OK(open("f", O_RDONLY));
	EQ(lseek(fd, 4, SEEK_SET), 4);
	EQ(lseek(fd, 3, SEEK_CUR), 7);
	EQ(lseek(fd, -1, SEEK_END), 9);
	EQ(lseek(fd, 100, SEEK_END), 110);
}

TEST(lseek_negative)
{
	int fd = open_new();

	FAILS(lseek(fd, -1, SEEK_SET), EINVAL);
	FAILS(lseek(fd, -1, SEEK_CUR), EINVAL);
	EQ(lseek(fd, 0, SEEK_CUR), 0);
}

TEST(lseek_bad_whence)
{
	FAILS(lseek(open_new(), 0, 77), EINVAL);
}

TEST(lseek_fifo)
{
	OK(mkfifo("p", 0644));
	FAILS(lseek(OK(open("p", O_RDWR)), 0, SEEK_SET), ESPIPE);
}

TEST(lseek_shared_by_dup)
{
	int fd = open_new(), other = OK(dup(fd));

	EQ(lseek(fd, 5, SEEK_SET), 5);
	EQ(lseek(other, 0, SEEK_CUR), 5);
}

TEST(lseek_data_and_hole)
{
	char *block = calloc(1, 65536);
	int fd = open_new();

	IS(block != NULL);
	memset(block, 'x', 65536);
	OK(ftruncate(fd, 1 << 20));
	EQ(pwrite(fd, block, 65536, 512 << 10), 65536);
	OK(fsync(fd));
	EQ(lseek(fd, 0, SEEK_DATA), 512 << 10);
	EQ(lseek(fd, 0, SEEK_HOLE), 0);
	EQ(lseek(fd, 512 << 10, SEEK_HOLE), (512 << 10) + 65536);
	EQ(lseek(fd, (512 << 10) + 7, SEEK_DATA), (512 << 10) + 7);
	FAILS(lseek(fd, 600 << 10, SEEK_DATA), ENXIO);
}

TEST(lseek_data_unwritten_back)
{
	/* Data that is only in memory is data too. */
	int fd = open_new();

	OK(ftruncate(fd, 1 << 20));
	EQ(pwrite(fd, "x", 1, 512 << 10), 1);
	IS(lseek(fd, 0, SEEK_DATA) <= 512 << 10);
	IS(lseek(fd, 512 << 10, SEEK_HOLE) > 512 << 10);
}

TEST(lseek_hole_at_end)
{
	put("f", "text");
	EQ(lseek(OK(open("f", O_RDONLY)), 0, SEEK_HOLE), 4);
}

TEST(lseek_data_past_end)
{
	int fd;

	put("f", "text");
	fd = OK(open("f", O_RDONLY));
	FAILS(lseek(fd, 4, SEEK_DATA), ENXIO);
	FAILS(lseek(fd, 4, SEEK_HOLE), ENXIO);
	FAILS(lseek(fd, -1, SEEK_DATA), ENXIO);
}

TEST(lseek_data_of_empty)
{
	int fd = open_new();

	FAILS(lseek(fd, 0, SEEK_DATA), ENXIO);
	FAILS(lseek(fd, 0, SEEK_HOLE), ENXIO);
}

/* Each write is at the end; a hole lies before it. */
TEST(look_after_each_write)
{
	int fd = open_new();
	struct stat before = status_of("f"), after;
	char hole[512];

	for (off_t end = 1 << 20; end < (1 << 20) + 40 * 512; end += 512) {
		EQ(pwrite(fd, "x", 1, end - 1), 1);
		OK(fstat(fd, &after));
		EQ(after.st_size, end);
		EQ(lseek(fd, 0, SEEK_END), end);
		EQ(size_of("f"), end);
		IS(nanoseconds(after.st_mtim) >= nanoseconds(before.st_mtim));
		EQ(nanoseconds(after.st_ctim), nanoseconds(after.st_mtim));
		EQ(pread(fd, hole, sizeof hole, end / 2), sizeof hole);
		EQ(hole[0] | hole[511], 0);
		EQ(pread(fd, hole, sizeof hole, end), 0);
		before = after;
	}
	OK(fsync(fd));
	OK(fstat(fd, &after));
	EQ(after.st_size, before.st_size);
	EQ(nanoseconds(after.st_mtim), nanoseconds(before.st_mtim));
	EQ(nanoseconds(after.st_ctim), nanoseconds(before.st_ctim));
}

TEST(read_sees_own_writes_of_other_descriptor)
{
	char text[8];
	int writer = open_new(), reader = OK(open("f", O_RDONLY)),
	    direct = OK(open("f", O_RDONLY | O_DIRECT));
	char *block = aligned_alloc(4096, 4096);

	IS(block != NULL);
	EQ(write(writer, "abc", 3), 3);
	EQ(pread(reader, text, 8, 0), 3);
	EQ(pread(direct, block, 4096, 0), 3);
	IS(memcmp(block, "abc", 3) == 0);
	EQ(pwrite(writer, "X", 1, 1), 1);
	EQ(pread(reader, text, 8, 0), 3);
	IS(memcmp(text, "aXc", 3) == 0);
}
