/* open(2), openat(2), creat(2), close(2): flags and what they mean for the file and its descriptor. */
#include "tests/posix/posix.h"

#include <sys/resource.h>

TEST(open_creates)
{
	EQ(OK(open("f", O_CREAT | O_RDWR, 0640)) >= 0, 1);
	EQ(mode_of("f"), 0640);
	EQ(size_of("f"), 0);
	EQ(nlink_of("f"), 1);
	EQ(status_of("f").st_uid, geteuid());
	EQ(status_of("f").st_gid, getegid());
}

TEST(open_create_exclusive_exists)
{
	put("f", "old");
	FAILS(open("f", O_CREAT | O_EXCL | O_RDWR, 0644), EEXIST);
	content_is("f", "old");
}

TEST(open_create_exclusive_symlink)
{
	OK(symlink("missing", "l"));
	FAILS(open("l", O_CREAT | O_EXCL | O_RDWR, 0644), EEXIST);
	IS(!exists("missing"));
}

TEST(open_create_through_dangling_symlink)
{
	OK(symlink("target", "l"));
	OK(open("l", O_CREAT | O_RDWR, 0644));
	IS(S_ISREG(status_of("target").st_mode));
}

TEST(open_create_existing_keeps_content)
{
	put("f", "old");
	OK(chmod("f", 0600));
	OK(open("f", O_CREAT | O_RDWR, 0644));
	content_is("f", "old");
	EQ(mode_of("f"), 0600);
}

TEST(open_create_of_directory)
{
	OK(mkdir("d", 0755));
	FAILS(open("d", O_CREAT | O_RDONLY, 0644), EISDIR);
}

TEST(open_create_trailing_slash)
{
	FAILS(open("f/", O_CREAT | O_WRONLY, 0644), EISDIR);
}

TEST(open_create_read_only_mode_writes)
{
	int fd = OK(open("f", O_CREAT | O_RDWR, 0));

	EQ(write(fd, "x", 1), 1);
	EQ(mode_of("f"), 0);
}

TEST(open_create_directory_flag)
{
	/* Since Linux 6.4; before, a plain file came of it. */
	FAILS(open("f", O_CREAT | O_DIRECTORY | O_RDWR, 0644), EINVAL);
}

TEST(open_truncates)
{
	put("f", "old");
	OK(open("f", O_WRONLY | O_TRUNC));
	EQ(size_of("f"), 0);
}

TEST(open_truncates_and_creates)
{
	put("f", "old content");
	EQ(write(OK(open("f", O_WRONLY | O_TRUNC | O_CREAT, 0644)), "new", 3), 3);
	content_is("f", "new");
}

USER_TEST(open_truncate_without_permission)
{
	put("f", "old");
	OK(chmod("f", 0444));
	FAILS(open("f", O_RDWR | O_TRUNC), EACCES);
	content_is("f", "old");
}

TEST(open_truncate_opened_elsewhere)
{
	char byte;
	int reader;

	put("f", "old");
	reader = OK(open("f", O_RDONLY));
	EQ(read(reader, &byte, 1), 1);
	OK(open("f", O_WRONLY | O_TRUNC));
	EQ(read(reader, &byte, 1), 0);
}

TEST(open_append)
{
	int fd;

	put("f", "one");
	fd = OK(open("f", O_WRONLY | O_APPEND));
	EQ(write(fd, "two", 3), 3);
	EQ(lseek(fd, 0, SEEK_SET), 0);
	EQ(write(fd, "three", 5), 5);
	EQ(lseek(fd, 0, SEEK_CUR), 11);
	content_is("f", "onetwothree");
}

TEST(open_append_two_descriptors)
{
	int a, b;

	put("f", "");
	a = OK(open("f", O_WRONLY | O_APPEND));
	b = OK(open("f", O_WRONLY | O_APPEND));
	EQ(write(a, "1", 1), 1);
	EQ(write(b, "2", 1), 1);
	EQ(write(a, "3", 1), 1);
	content_is("f", "123");
}

TEST(open_append_set_by_fcntl)
{
	int fd;

	put("f", "one");
	fd = OK(open("f", O_WRONLY));
	OK(fcntl(fd, F_SETFL, O_APPEND));
	EQ(write(fd, "two", 3), 3);
	content_is("f", "onetwo");
}

TEST(open_append_pwrite_appends)
{
	int fd;

	put("f", "one"); /* pwrite(2), BUGS: on Linux the offset is ignored */
	fd = OK(open("f", O_WRONLY | O_APPEND));
	EQ(pwrite(fd, "two", 3, 0), 3);
	content_is("f", "onetwo");
}

TEST(open_directory_flag)
{
	OK(mkdir("d", 0755));
	OK(open("d", O_RDONLY | O_DIRECTORY));
}

TEST(open_directory_flag_file)
{
	put("f", "");
	FAILS(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR);
}

TEST(open_directory_for_writing)
{
	OK(mkdir("d", 0755));
	FAILS(open("d", O_WRONLY), EISDIR);
	FAILS(open("d", O_RDWR), EISDIR);
}

TEST(open_nofollow_symlink)
{
	put("f", "");
	OK(symlink("f", "l"));
	FAILS(open("l", O_RDONLY | O_NOFOLLOW), ELOOP);
}

TEST(open_nofollow_file)
{
	put("f", "");
	OK(open("f", O_RDONLY | O_NOFOLLOW));
}

TEST(open_nofollow_directory_symlink)
{
	OK(mkdir("d", 0755));
	OK(symlink("d", "l"));
	FAILS(open("l", O_RDONLY | O_NOFOLLOW | O_DIRECTORY), ENOTDIR);
}

TEST(open_nofollow_inner_symlink)
{
	OK(mkdir("d", 0755));
	put("d/f", "");
	OK(symlink("d", "l"));
	OK(open("l/f", O_RDONLY | O_NOFOLLOW));
}

TEST(open_path)
{
	char byte;
	struct stat status;
	int fd;

	put("f", "x");
	fd = OK(open("f", O_PATH));
	FAILS(read(fd, &byte, 1), EBADF);
	FAILS(write(fd, "x", 1), EBADF);
	FAILS(fchmod(fd, 0600), EBADF);
	FAILS(ftruncate(fd, 0), EBADF);
	OK(fstat(fd, &status));
	EQ(status.st_size, 1);
}

USER_TEST(open_path_unreadable)
{
	make_file("f", 0);
	OK(open("f", O_PATH));
	FAILS(open("f", O_RDONLY), EACCES);
}

TEST(open_path_symlink)
{
	struct stat status;
	char target[8];
	int fd;

	OK(symlink("target", "l"));
	fd = OK(open("l", O_PATH | O_NOFOLLOW));
	OK(fstat(fd, &status));
	IS(S_ISLNK(status.st_mode));
	EQ(readlinkat(fd, "", target, sizeof(target)), 6);
}

TEST(open_path_reopened)
{
	char path[64], text[4];

	put("f", "x");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", OK(open("f", O_PATH)));
	EQ(read(OK(open(path, O_RDONLY)), text, sizeof(text)), 1);
}

TEST(open_tmpfile)
{
	struct stat status;
	char text[8];
	int fd = OK(open(".", O_TMPFILE | O_RDWR, 0640));

	OK(fstat(fd, &status));
	EQ(status.st_nlink, 0);
	EQ(status.st_mode, S_IFREG | 0640);
	EQ(write(fd, "text", 4), 4);
	EQ(pread(fd, text, sizeof(text), 0), 4);
}

TEST(open_tmpfile_linked)
{
	char path[64];
	int fd = OK(open(".", O_TMPFILE | O_RDWR, 0644));

	EQ(write(fd, "text", 4), 4);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	OK(linkat(AT_FDCWD, path, AT_FDCWD, "f", AT_SYMLINK_FOLLOW));
	EQ(nlink_of("f"), 1);
	content_is("f", "text");
}

TEST(open_tmpfile_exclusive)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", OK(open(".", O_TMPFILE | O_EXCL | O_RDWR, 0644)));
	FAILS(linkat(AT_FDCWD, path, AT_FDCWD, "f", AT_SYMLINK_FOLLOW), ENOENT);
}

TEST(open_tmpfile_read_only)
{
	FAILS(open(".", O_TMPFILE | O_RDONLY, 0644), EINVAL);
}

TEST(open_tmpfile_in_file)
{
	put("f", "");
	FAILS(open("f", O_TMPFILE | O_RDWR, 0644), ENOTDIR);
}

USER_TEST(open_tmpfile_not_writable)
{
	OK(mkdir("closed", 0555));
	FAILS(open("closed", O_TMPFILE | O_RDWR, 0644), EACCES);
}

TEST(open_tmpfile_not_listed)
{
	OK(mkdir("d", 0755));
	OK(open("d", O_TMPFILE | O_RDWR, 0644));
	OK(rmdir("d"));
}

USER_TEST(open_read_denied)
{
	make_file("f", 0200);
	FAILS(open("f", O_RDONLY), EACCES);
	FAILS(open("f", O_RDWR), EACCES);
	OK(open("f", O_WRONLY));
}

USER_TEST(open_write_denied)
{
	make_file("f", 0400);
	FAILS(open("f", O_WRONLY), EACCES);
	OK(open("f", O_RDONLY));
}

ROOT_TEST(open_root_overrides)
{
	make_file("f", 0);
	OK(open("f", O_RDWR));
}

USER_TEST(open_owner_class_decides)
{
	make_file("f", 0077); /* the owner's bits, even though group and others might */
	FAILS(open("f", O_RDONLY), EACCES);
}

USER_TEST(open_noatime_of_owner)
{
	put("f", "");
	OK(open("f", O_RDONLY | O_NOATIME));
}

static void open_noatime(void)
{
	FAILS(open("f", O_RDONLY | O_NOATIME), EPERM);
}

ROOT_TEST(open_noatime_of_another)
{
	put("f", "");
	run_as(USER, GROUP, open_noatime);
}

TEST(open_lowest_descriptor)
{
	int a = OK(open(".", O_RDONLY)), b = OK(open(".", O_RDONLY));

	IS(a < b);
	OK(close(a));
	EQ(open(".", O_RDONLY), a);
}

TEST(open_too_many)
{
	struct rlimit limit = {3, 3};

	put("f", "");
	OK(setrlimit(RLIMIT_NOFILE, &limit));
	FAILS(open("f", O_RDONLY), EMFILE);
}

TEST(open_bad_flags)
{
	put("f", "x");
	FAILS(open("f", O_TMPFILE & ~O_DIRECTORY), EINVAL);
}

TEST(openat_relative)
{
	int directory;

	OK(mkdir("d", 0755));
	directory = OK(open("d", O_RDONLY));
	OK(openat(directory, "f", O_CREAT | O_WRONLY, 0644));
	IS(exists("d/f"));
}

TEST(openat_not_a_directory)
{
	put("f", "");
	FAILS(openat(OK(open("f", O_RDONLY)), "x", O_RDONLY), ENOTDIR);
}

TEST(openat_bad_descriptor)
{
	FAILS(openat(777, "x", O_RDONLY), EBADF);
}

TEST(openat_removed_directory)
{
	int directory;

	OK(mkdir("d", 0755));
	directory = OK(open("d", O_RDONLY));
	OK(rmdir("d"));
	FAILS(openat(directory, "f", O_CREAT | O_WRONLY, 0644), ENOENT);
}

TEST(close_bad_descriptor)
{
	FAILS(close(777), EBADF);
}

TEST(close_twice)
{
	int fd = OK(open(".", O_RDONLY));

	OK(close(fd));
	FAILS(close(fd), EBADF);
}

TEST(open_unlinked_lives)
{
	struct stat status;
	char text[8];
	int fd = OK(open("f", O_CREAT | O_RDWR, 0644));

	EQ(write(fd, "text", 4), 4);
	OK(unlink("f"));
	IS(!exists("f"));
	OK(fstat(fd, &status));
	EQ(status.st_nlink, 0);
	EQ(status.st_size, 4);
	EQ(pwrite(fd, "TE", 2, 0), 2);
	EQ(pread(fd, text, sizeof(text), 0), 4);
	IS(memcmp(text, "TExt", 4) == 0);
	OK(ftruncate(fd, 100000));
	OK(fchmod(fd, 0600));
	OK(fstat(fd, &status));
	EQ(status.st_size, 100000);
}

TEST(open_unlinked_new_file_is_another)
{
	struct stat old, new;
	int fd = OK(open("f", O_CREAT | O_RDWR, 0644));

	OK(unlink("f"));
	put("f", "new");
	OK(fstat(fd, &old));
	new = status_of("f");
	IS(old.st_ino != new.st_ino);
	EQ(old.st_size, 0);
}

TEST(open_unlinked_reopened)
{
	char path[64], text[8];
	int fd = OK(open("f", O_CREAT | O_RDWR, 0644));

	EQ(write(fd, "text", 4), 4);
	OK(unlink("f"));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	EQ(read(OK(open(path, O_RDONLY)), text, sizeof(text)), 4);
}

TEST(open_unlinked_directory_stays_usable)
{
	struct stat status;
	int fd;

	OK(mkdir("d", 0755));
	fd = OK(open("d", O_RDONLY));
	OK(rmdir("d"));
	OK(fstat(fd, &status));
	EQ(status.st_nlink, 0);
	OK(fchmod(fd, 0700));
}

static void content_by_path_is(int fd, const char *text)
{
	char path[64], bytes[64];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = OK(open(path, O_RDONLY));
	EQ(read(again, bytes, sizeof(bytes)), strlen(text));
	IS(memcmp(bytes, text, strlen(text)) == 0);
	OK(close(again));
}

static void has_no_name(int fd)
{
	struct stat status;

	OK(fstat(fd, &status));
	EQ(status.st_nlink, 0);
}

TEST(open_path_unlinked)
{
	int fd;

	put("f", "text");
	fd = OK(open("f", O_PATH));
	OK(unlink("f"));
	has_no_name(fd);
	content_by_path_is(fd, "text");
	content_by_path_is(fd, "text"); /* after the last close, too */
	put("f", "another");
	content_by_path_is(fd, "text");
}

TEST(open_path_unlinked_symlink)
{
	char target[16];
	int fd;

	OK(symlink("target", "l"));
	fd = OK(open("l", O_PATH | O_NOFOLLOW));
	OK(unlink("l"));
	has_no_name(fd);
	EQ(readlinkat(fd, "", target, sizeof(target)), 6);
	IS(memcmp(target, "target", 6) == 0);
}

TEST(open_path_replaced_by_rename)
{
	int fd;

	put("f", "old");
	put("g", "newer");
	fd = OK(open("f", O_PATH));
	OK(rename("g", "f"));
	has_no_name(fd);
	content_by_path_is(fd, "old");
}

TEST(open_path_unlinked_linked)
{
	char path[64];
	int fd;

	put("f", "text");
	fd = OK(open("f", O_PATH));
	OK(unlink("f"));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	FAILS(linkat(AT_FDCWD, path, AT_FDCWD, "g", AT_SYMLINK_FOLLOW), ENOENT);
	has_no_name(fd);
}

TEST(open_replaced_by_rename)
{
	char text[8];
	int fd;

	put("f", "old");
	put("g", "newer");
	fd = OK(open("f", O_RDONLY));
	OK(rename("g", "f"));
	EQ(read(fd, text, sizeof(text)), 3);
	content_is("f", "newer");
}

TEST(open_direct)
{
	char *block = aligned_alloc(4096, 8192);
	int fd = OK(open("f", O_CREAT | O_RDWR | O_DIRECT, 0644));

	IS(block != NULL);
	memset(block, 'a', 8192);
	EQ(write(fd, block, 8192), 8192);
	memset(block, 0, 8192);
	EQ(pread(fd, block, 4096, 4096), 4096);
	EQ(block[0], 'a');
	EQ(pread(fd, block, 4096, 8192), 0);
}

TEST(open_sync)
{
	int fd = OK(open("f", O_CREAT | O_RDWR | O_SYNC, 0644));

	EQ(write(fd, "text", 4), 4);
	EQ(fcntl(fd, F_GETFL) & O_SYNC, O_SYNC);
	EQ(write(OK(open("f", O_RDWR | O_DSYNC)), "more", 4), 4);
	content_is("f", "more");
}
