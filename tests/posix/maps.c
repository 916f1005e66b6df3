/* mmap: shared and private mappings against read, write, truncate, msync. */
#include "tests/posix/posix.h"

#include <setjmp.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { PAGE = 4096 };

static int open_pages(int count)
{
	char page[PAGE];
	int fd = OK(open("f", O_CREAT | O_TRUNC | O_RDWR, 0644));

	for (int i = 0; i < count; i++) {
		memset(page, 'a' + i, PAGE);
		EQ(write(fd, page, PAGE), PAGE);
	}
	return fd;
}

static char *map(int fd, size_t size, int flags)
{
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	IS(memory != MAP_FAILED);
	return memory;
}

static char byte_at(int fd, off_t offset)
{
	char byte;

	EQ(pread(fd, &byte, 1, offset), 1);
	return byte;
}

TEST(mmap_reads)
{
	char *memory = map(open_pages(3), 3 * PAGE, MAP_SHARED);

	EQ(memory[0], 'a');
	EQ(memory[PAGE], 'b');
	EQ(memory[3 * PAGE - 1], 'c');
}

TEST(mmap_shared_write_is_read)
{
	int fd = open_pages(2), other = OK(open("f", O_RDONLY));
	char *memory = map(fd, 2 * PAGE, MAP_SHARED);

	memory[100] = 'X';
	EQ(byte_at(other, 100), 'X');
	OK(msync(memory, 2 * PAGE, MS_SYNC));
	EQ(byte_at(other, 100), 'X');
}

TEST(mmap_shared_sees_write)
{
	int fd = open_pages(2);
	char *memory = map(fd, 2 * PAGE, MAP_SHARED);

	EQ(memory[100], 'a');
	EQ(pwrite(fd, "Y", 1, 100), 1);
	EQ(memory[100], 'Y');
}

TEST(mmap_shared_between_processes)
{
	char *memory = map(open_pages(1), PAGE, MAP_SHARED);
	pid_t child = OK(fork());

	if (child == 0) {
		memory[7] = 'Z';
		_exit(0);
	}
	EQ(waitpid(child, NULL, 0), child);
	EQ(memory[7], 'Z');
}

TEST(mmap_private_write_stays_private)
{
	int fd = open_pages(1);
	char *memory = map(fd, PAGE, MAP_PRIVATE);

	memory[100] = 'X';
	OK(msync(memory, PAGE, MS_SYNC));
	EQ(byte_at(fd, 100), 'a');
}

TEST(mmap_write_survives_cache_drop)
{
	int fd = open_pages(2);
	char *memory = map(fd, 2 * PAGE, MAP_SHARED);

	memset(memory, 'M', PAGE + 10);
	OK(msync(memory, 2 * PAGE, MS_SYNC));
	OK(munmap(memory, 2 * PAGE));
	EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	EQ(byte_at(fd, PAGE - 1), 'M');
	EQ(byte_at(fd, PAGE + 9), 'M');
	EQ(byte_at(fd, PAGE + 10), 'b');
}

TEST(mmap_write_without_msync)
{
	int fd = open_pages(2);
	char *memory = map(fd, 2 * PAGE, MAP_SHARED);

	memory[5] = 'N';
	OK(munmap(memory, 2 * PAGE));
	OK(close(fd));
	fd = OK(open("f", O_RDONLY));
	OK(fsync(fd));
	EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	EQ(byte_at(fd, 5), 'N');
}

TEST(mmap_does_not_extend)
{
	int fd = OK(open("f", O_CREAT | O_RDWR, 0644));
	char *memory;

	EQ(write(fd, "0123456789", 10), 10);
	memory = map(fd, PAGE, MAP_SHARED);
	EQ(memory[10], 0);
	memory[5] = 'X';
	memory[20] = 'Y'; /* beyond the end: goes nowhere */
	OK(msync(memory, PAGE, MS_SYNC));
	EQ(size_of("f"), 10);
	OK(munmap(memory, PAGE));
	content_is("f", "01234X6789");
}

TEST(mmap_tail_is_zero_after_extension)
{
	int fd = OK(open("f", O_CREAT | O_RDWR, 0644));
	char *memory;

	EQ(write(fd, "0123456789", 10), 10);
	memory = map(fd, PAGE, MAP_SHARED);
	memory[20] = 'Y';
	OK(msync(memory, PAGE, MS_SYNC));
	OK(ftruncate(fd, 100));
	EQ(byte_at(fd, 20), 0);
}

static void read_beyond(void)
{
	int fd = open_pages(2);
	volatile char *memory = map(fd, 2 * PAGE, MAP_SHARED);

	OK(ftruncate(fd, 10));
	(void)memory[PAGE];
}

/* The function dies of SIGBUS. */
static void dies_of_bus_error(void (*run)(void))
{
	pid_t child = start(run);
	int status;

	EQ(waitpid(child, &status, 0), child);
	IS(WIFSIGNALED(status));
	EQ(WTERMSIG(status), SIGBUS);
}

TEST(mmap_truncated_read)
{
	dies_of_bus_error(read_beyond);
}

static void write_beyond(void)
{
	int fd = open_pages(2);
	volatile char *memory = map(fd, 2 * PAGE, MAP_SHARED);

	memory[PAGE] = 'x';
	OK(ftruncate(fd, PAGE));
	memory[PAGE] = 'y';
}

TEST(mmap_truncated_write)
{
	dies_of_bus_error(write_beyond);
}

TEST(mmap_truncated_and_extended)
{
	int fd = open_pages(2);
	volatile char *memory = map(fd, 2 * PAGE, MAP_SHARED);

	memory[PAGE + 5] = 'x';
	OK(ftruncate(fd, 10));
	OK(ftruncate(fd, 2 * PAGE));
	EQ(memory[PAGE + 5], 0);
	EQ(memory[9], 'a');
	EQ(memory[10], 0);
}

TEST(mmap_extended_by_write)
{
	int fd = open_pages(1);
	char *memory = map(fd, 2 * PAGE, MAP_SHARED);

	EQ(pwrite(fd, "tail", 4, PAGE), 4);
	IS(memcmp(memory + PAGE, "tail", 4) == 0);
}

TEST(mmap_hole)
{
	int fd = OK(open("f", O_CREAT | O_RDWR, 0644));
	char *memory;

	OK(ftruncate(fd, 1 << 20));
	memory = map(fd, 1 << 20, MAP_SHARED);
	EQ(memory[500000], 0);
	memory[500000] = 'x';
	OK(msync(memory, 1 << 20, MS_SYNC));
	EQ(byte_at(fd, 500000), 'x');
	EQ(byte_at(fd, 499999), 0);
}

TEST(mmap_punched)
{
	int fd = open_pages(3);
	char *memory = map(fd, 3 * PAGE, MAP_SHARED);

	EQ(memory[PAGE], 'b');
	OK(fallocate(fd, 1 | 2, PAGE, PAGE));
	EQ(memory[PAGE], 0);
	EQ(memory[2 * PAGE], 'c');
}

TEST(mmap_permissions)
{
	int fd;

	open_pages(1);
	fd = OK(open("f", O_RDONLY));
	IS(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EACCES);
	IS(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) != MAP_FAILED);
	fd = OK(open("f", O_WRONLY));
	IS(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EACCES);
}

TEST(mmap_directory)
{
	IS(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, OK(open(".", O_RDONLY)), 0) == MAP_FAILED &&
		errno == ENODEV);
}

TEST(mmap_unlinked)
{
	int fd = open_pages(1);
	char *memory = map(fd, PAGE, MAP_SHARED);

	OK(unlink("f"));
	OK(close(fd));
	memory[1] = 'x';
	OK(msync(memory, PAGE, MS_SYNC));
	EQ(memory[1], 'x');
	EQ(memory[2], 'a');
}

TEST(mmap_write_updates_mtime)
{
	struct stat before, after;
	int fd = open_pages(1);
	char *memory = map(fd, PAGE, MAP_SHARED);

	OK(fsync(fd));
	before = status_of("f");
	tick();
	memory[0] = 'x';
	OK(msync(memory, PAGE, MS_SYNC));
	after = status_of("f");
	IS(nanoseconds(after.st_mtim) > nanoseconds(before.st_mtim));
}

TEST(mmap_executes)
{
	char buffer[65536];
	int from = OK(open("/bin/true", O_RDONLY)), to = OK(open("true", O_CREAT | O_WRONLY, 0755)), status;
	pid_t child;

	for (ssize_t size; (size = OK(read(from, buffer, sizeof(buffer)))) > 0;)
		EQ(write(to, buffer, (size_t)size), size);
	OK(close(to));
	child = OK(fork());
	if (child == 0) {
		execl("./true", "true", NULL);
		_exit(1);
	}
	EQ(waitpid(child, &status, 0), child);
	EQ(status, 0);
}

TEST(mmap_write_through_direct_read)
{
	int fd = open_pages(2), direct = OK(open("f", O_RDONLY | O_DIRECT));
	char *memory = map(fd, 2 * PAGE, MAP_SHARED), *block = aligned_alloc(PAGE, PAGE);

	IS(block != NULL);
	memory[3] = 'D';
	EQ(pread(direct, block, PAGE, 0), PAGE);
	EQ(block[3], 'D');
}
