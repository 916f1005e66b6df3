/* utimensat, and which call updates which time. */
#include "tests/lib/patience.h"
#include "tests/posix/posix.h"

#include <dirent.h>
#include <sys/mman.h>
#include <time.h>

static int set_times(const char *name, struct timespec atime, struct timespec mtime)
{
	struct timespec times[2] = {atime, mtime};
	return utimensat(AT_FDCWD, name, times, AT_SYMLINK_NOFOLLOW);
}

static void times_are(const char *name, struct timespec atime, struct timespec mtime)
{
	struct stat status = status_of(name);

	EQ(status.st_atim.tv_sec, atime.tv_sec);
	EQ(status.st_atim.tv_nsec, atime.tv_nsec);
	EQ(status.st_mtim.tv_sec, mtime.tv_sec);
	EQ(status.st_mtim.tv_nsec, mtime.tv_nsec);
}

#define TIME(seconds, nanos) ((struct timespec){(seconds), (nanos)})

TEST(utimensat_sets_nanoseconds)
{
	put("f", "");
	OK(set_times("f", TIME(1000000000, 1), TIME(1500000000, 999999999)));
	times_are("f", TIME(1000000000, 1), TIME(1500000000, 999999999));
}

TEST(utimensat_before_1970)
{
	put("f", "");
	OK(set_times("f", TIME(-1, 999999999), TIME(-2000000000, 5)));
	times_are("f", TIME(-1, 999999999), TIME(-2000000000, 5));
}

TEST(utimensat_after_2106)
{
	put("f", "");
	OK(set_times("f", TIME(4294967296 + 5, 7), TIME(10000000000, 0)));
	times_are("f", TIME(4294967296 + 5, 7), TIME(10000000000, 0));
}

TEST(utimensat_after_2446)
{
	/* Beyond what 256-byte inodes of ext4 hold, which clamps. */
	if (!is_fuse())
		not_applicable("ext4's times end in 2446");
	put("f", "");
	OK(set_times("f", TIME(16000000000, 1), TIME(-9000000000, 2)));
	times_are("f", TIME(16000000000, 1), TIME(-9000000000, 2));
}

TEST(utimensat_zero)
{
	put("f", "");
	OK(set_times("f", TIME(0, 0), TIME(0, 0)));
	times_are("f", TIME(0, 0), TIME(0, 0));
}

TEST(utimensat_omit)
{
	put("f", "");
	OK(set_times("f", TIME(100, 1), TIME(200, 2)));
	OK(set_times("f", TIME(0, UTIME_OMIT), TIME(300, 3)));
	times_are("f", TIME(100, 1), TIME(300, 3));
	OK(set_times("f", TIME(400, 4), TIME(0, UTIME_OMIT)));
	times_are("f", TIME(400, 4), TIME(300, 3));
}

TEST(utimensat_omit_both)
{
	struct stat before;

	put("f", "");
	before = status_of("f");
	tick();
	OK(set_times("f", TIME(0, UTIME_OMIT), TIME(0, UTIME_OMIT)));
	EQ(nanoseconds(status_of("f").st_ctim), nanoseconds(before.st_ctim));
}

TEST(utimensat_now)
{
	int64_t before = now();
	struct stat status;

	put("f", "");
	OK(set_times("f", TIME(100, 1), TIME(200, 2)));
	OK(set_times("f", TIME(0, UTIME_NOW), TIME(0, UTIME_OMIT)));
	status = status_of("f");
	IS(is_between(before, status.st_atim, now()));
	EQ(status.st_mtim.tv_sec, 200);
	before = now();
	OK(utimensat(AT_FDCWD, "f", NULL, 0));
	status = status_of("f");
	IS(is_between(before, status.st_mtim, now()));
}

TEST(utimensat_updates_ctime)
{
	struct stat before;

	put("f", "");
	before = status_of("f");
	tick();
	OK(set_times("f", TIME(1, 0), TIME(1, 0)));
	IS(nanoseconds(status_of("f").st_ctim) > nanoseconds(before.st_ctim));
}

TEST(utimensat_bad_nanoseconds)
{
	put("f", "");
	FAILS(set_times("f", TIME(1, 1000000000), TIME(1, 0)), EINVAL);
	FAILS(set_times("f", TIME(1, 0), TIME(1, -5)), EINVAL);
}

TEST(utimensat_symlink_itself)
{
	put("f", "");
	OK(set_times("f", TIME(1, 0), TIME(1, 0)));
	OK(symlink("f", "l"));
	OK(set_times("l", TIME(5, 5), TIME(6, 6)));
	times_are("l", TIME(5, 5), TIME(6, 6));
	times_are("f", TIME(1, 0), TIME(1, 0));
}

TEST(futimens_of_descriptor)
{
	struct timespec times[2] = {TIME(7, 7), TIME(8, 8)};

	put("f", "");
	OK(futimens(OK(open("f", O_RDONLY)), times));
	times_are("f", TIME(7, 7), TIME(8, 8));
}

TEST(utimensat_directory)
{
	OK(mkdir("d", 0755));
	OK(set_times("d", TIME(7, 7), TIME(8, 8)));
	times_are("d", TIME(7, 7), TIME(8, 8));
}

static void touch_writable(void)
{
	OK(utimensat(AT_FDCWD, "f", NULL, 0));
	OK(set_times("f", TIME(0, UTIME_NOW), TIME(0, UTIME_NOW)));
	FAILS(set_times("f", TIME(0, UTIME_NOW), TIME(0, UTIME_OMIT)), EPERM);
	FAILS(set_times("f", TIME(1, 0), TIME(1, 0)), EPERM);
}

ROOT_TEST(utimensat_writable_of_another)
{
	make_file("f", 0666);
	run_as(USER, GROUP, touch_writable);
}

TEST(write_updates_times)
{
	struct stat before, after;
	int fd = OK(open("f", O_CREAT | O_RDWR, 0644));

	before = status_of("f");
	tick();
	EQ(write(fd, "x", 1), 1);
	after = status_of("f");
	IS(nanoseconds(after.st_mtim) > nanoseconds(before.st_mtim));
	IS(nanoseconds(after.st_ctim) > nanoseconds(before.st_ctim));
	EQ(nanoseconds(after.st_mtim), nanoseconds(after.st_ctim));
}

TEST(write_after_utimensat)
{
	int fd = OK(open("f", O_CREAT | O_RDWR, 0644));

	EQ(write(fd, "x", 1), 1);
	OK(set_times("f", TIME(100, 1), TIME(200, 2)));
	times_are("f", TIME(100, 1), TIME(200, 2));
	OK(fsync(fd));
	times_are("f", TIME(100, 1), TIME(200, 2)); /* the write came before, late as it may be stored */
	OK(close(fd));
	times_are("f", TIME(100, 1), TIME(200, 2));
	EQ(write(OK(open("f", O_RDWR)), "y", 1), 1);
	IS(status_of("f").st_mtim.tv_sec > 1000);
}

TEST(write_times_stay_after_close)
{
	struct stat before, after;
	int fd = OK(open("f", O_CREAT | O_RDWR, 0644));

	EQ(write(fd, "x", 1), 1);
	before = status_of("f");
	tick();
	OK(fsync(fd));
	OK(close(fd));
	after = status_of("f");
	EQ(nanoseconds(after.st_mtim), nanoseconds(before.st_mtim));
	EQ(nanoseconds(after.st_ctim), nanoseconds(before.st_ctim));
}

TEST(create_times)
{
	struct stat status, parent;

	OK(mkdir("d", 0755));
	tick();
	put("d/f", "");
	status = status_of("d/f");
	parent = status_of("d");
	EQ(nanoseconds(status.st_mtim), nanoseconds(status.st_ctim));
	EQ(nanoseconds(status.st_atim), nanoseconds(status.st_ctim));
	EQ(nanoseconds(parent.st_mtim), nanoseconds(status.st_ctim));
}

TEST(create_existing_keeps_times)
{
	struct stat before, after;

	put("f", "text");
	before = status_of("f");
	tick();
	OK(close(OK(open("f", O_CREAT | O_RDWR, 0644))));
	after = status_of("f");
	EQ(nanoseconds(after.st_mtim), nanoseconds(before.st_mtim));
	EQ(nanoseconds(after.st_ctim), nanoseconds(before.st_ctim));
}

TEST(read_updates_atime)
{
	/* relatime: an access time not after the modification's is brought up to date; it may be stored lazily. */
	struct stat before, after;
	char text[8];

	put("f", "text");
	OK(set_times("f", TIME(100, 0), TIME(200, 0)));
	before = status_of("f");
	EQ(read(OK(open("f", O_RDONLY)), text, sizeof(text)), 4);
	for (int i = 0; i < patience(30) * 100; i++) {
		after = status_of("f");
		if (after.st_atim.tv_sec != 100)
			break;
		usleep(10000);
	}
	IS(after.st_atim.tv_sec > 200);
	EQ(nanoseconds(after.st_ctim), nanoseconds(before.st_ctim));
	EQ(after.st_mtim.tv_sec, 200);
}

TEST(read_keeps_mtime_and_ctime)
{
	struct stat before, after;
	char text[8];

	put("f", "text");
	before = status_of("f");
	tick();
	EQ(read(OK(open("f", O_RDONLY)), text, sizeof(text)), 4);
	after = status_of("f");
	EQ(nanoseconds(after.st_mtim), nanoseconds(before.st_mtim));
	EQ(nanoseconds(after.st_ctim), nanoseconds(before.st_ctim));
}

TEST(read_noatime_keeps_atime)
{
	char text[8];

	put("f", "text");
	OK(set_times("f", TIME(100, 0), TIME(200, 0)));
	EQ(read(OK(open("f", O_RDONLY | O_NOATIME)), text, sizeof(text)), 4);
	tick();
	EQ(status_of("f").st_atim.tv_sec, 100);
}

TEST(times_of_open_unlinked)
{
	struct stat status;
	struct timespec times[2] = {TIME(7, 7), TIME(8, 8)};
	int fd = OK(open("f", O_CREAT | O_RDWR, 0644));

	OK(unlink("f"));
	OK(futimens(fd, times));
	OK(fstat(fd, &status));
	EQ(status.st_mtim.tv_sec, 8);
}
