/* link, linkat, unlink, symlink, readlink: names of files and their count. */
#include "tests/posix/posix.h"

#include <linux/limits.h>

TEST(link_is_the_same_file)
{
	put("f", "text");
	OK(link("f", "g"));
	IS(same_file("f", "g"));
	EQ(nlink_of("f"), 2);
	OK(unlink("f"));
	EQ(nlink_of("g"), 1);
	content_is("g", "text");
}

TEST(link_directory)
{
	OK(mkdir("d", 0755));
	FAILS(link("d", "e"), EPERM);
}

TEST(link_does_not_follow)
{
	put("f", "");
	OK(symlink("f", "l"));
	OK(link("l", "m"));
	IS(S_ISLNK(status_of("m").st_mode));
	EQ(nlink_of("l"), 2);
}

TEST(linkat_follows_when_asked)
{
	put("f", "");
	OK(symlink("f", "l"));
	OK(linkat(AT_FDCWD, "l", AT_FDCWD, "m", AT_SYMLINK_FOLLOW));
	IS(same_file("f", "m"));
}

ROOT_TEST(linkat_empty_path)
{
	put("f", "text");
	OK(linkat(OK(open("f", O_RDONLY)), "", AT_FDCWD, "g", AT_EMPTY_PATH));
	IS(same_file("f", "g"));
}

TEST(linkat_of_unlinked)
{
	char path[64];
	int fd = OK(open("f", O_CREAT | O_RDWR, 0644));

	OK(unlink("f"));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	FAILS(linkat(AT_FDCWD, path, AT_FDCWD, "g", AT_SYMLINK_FOLLOW), ENOENT);
}

TEST(linkat_bad_flags)
{
	put("f", "");
	FAILS(linkat(AT_FDCWD, "f", AT_FDCWD, "g", AT_REMOVEDIR), EINVAL);
}

TEST(linkat_other_directories)
{
	int a, b;

	OK(mkdir("a", 0755));
	OK(mkdir("b", 0755));
	put("a/f", "text");
	a = OK(open("a", O_RDONLY));
	b = OK(open("b", O_RDONLY));
	OK(linkat(a, "f", b, "g", 0));
	IS(same_file("a/f", "b/g"));
}

TEST(link_other_filesystem)
{
	put("f", "");
	FAILS(link("/proc/version", "g"), EXDEV);
	FAILS(rename("/proc/version", "g"), EXDEV);
}

TEST(link_fifo)
{
	OK(mkfifo("p", 0644));
	OK(link("p", "q"));
	IS(same_file("p", "q"));
}

TEST(link_updates_times)
{
	struct stat before, after, parent;

	OK(mkdir("d", 0755));
	put("f", "");
	before = status_of("f");
	parent = status_of("d");
	tick();
	OK(link("f", "d/g"));
	after = status_of("f");
	IS(nanoseconds(after.st_ctim) > nanoseconds(before.st_ctim));
	EQ(nanoseconds(after.st_mtim), nanoseconds(before.st_mtim));
	IS(nanoseconds(status_of("d").st_mtim) > nanoseconds(parent.st_mtim));
	IS(nanoseconds(status_of("d").st_ctim) > nanoseconds(parent.st_ctim));
}

TEST(link_many)
{
	char name[32];

	put("f", "text");
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "g%d", i);
		OK(link("f", name));
	}
	EQ(nlink_of("f"), 1001);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "g%d", i);
		OK(unlink(name));
	}
	EQ(nlink_of("f"), 1);
}

enum { LINKS_MAX = 65000, LINKERS = 16 };

static void make_links(void)
{
	char name[64];

	alarm(0);
	for (int i = 0; i < (LINKS_MAX - 1) / LINKERS; i++) {
		snprintf(name, sizeof(name), "g%d.%d", getpid(), i);
		OK(link("f", name));
	}
}

USER_TEST(link_too_many)
{
	/* ext4's limit, which is this filesystem's too. */
	pid_t children[LINKERS];

	alarm(0);
	put("f", "");
	for (int i = 0; i < LINKERS; i++)
		children[i] = start(make_links);
	for (int i = 0; i < LINKERS; i++)
		join(children[i]);
	for (int i = 0; nlink_of("f") < LINKS_MAX; i++) {
		char name[32];

		snprintf(name, sizeof(name), "h%d", i);
		OK(link("f", name));
	}
	FAILS(link("f", "more"), EMLINK);
	EQ(nlink_of("f"), LINKS_MAX);
}

TEST(unlink_removes)
{
	put("f", "");
	OK(unlink("f"));
	IS(!exists("f"));
	FAILS(unlink("f"), ENOENT);
}

TEST(unlink_directory)
{
	OK(mkdir("d", 0755));
	FAILS(unlink("d"), EISDIR); /* Linux, where POSIX says EPERM */
}

TEST(unlink_symlink_itself)
{
	put("f", "");
	OK(symlink("f", "l"));
	OK(unlink("l"));
	IS(exists("f") && !exists("l"));
}

TEST(unlink_trailing_slash)
{
	put("f", "");
	FAILS(unlink("f/"), ENOTDIR);
}

TEST(unlink_updates_times)
{
	struct stat before, after, parent;

	OK(mkdir("d", 0755));
	put("f", "");
	OK(link("f", "d/g"));
	before = status_of("f");
	parent = status_of("d");
	tick();
	OK(unlink("d/g"));
	after = status_of("f");
	IS(nanoseconds(after.st_ctim) > nanoseconds(before.st_ctim));
	EQ(nanoseconds(after.st_mtim), nanoseconds(before.st_mtim));
	IS(nanoseconds(status_of("d").st_mtim) > nanoseconds(parent.st_mtim));
}

TEST(unlink_read_only_file)
{
	make_file("f", 0);
	OK(unlink("f"));
}

TEST(unlinkat_flags)
{
	put("f", "");
	OK(mkdir("d", 0755));
	FAILS(unlinkat(AT_FDCWD, "f", AT_REMOVEDIR), ENOTDIR);
	FAILS(unlinkat(AT_FDCWD, "d", 0), EISDIR);
	FAILS(unlinkat(AT_FDCWD, "f", 0x10), EINVAL);
	OK(unlinkat(AT_FDCWD, "d", AT_REMOVEDIR));
}

TEST(symlink_holds_its_target)
{
	char target[64];

	OK(symlink("any/target that is not there", "l"));
	EQ(readlink("l", target, sizeof(target)), 28);
	IS(memcmp(target, "any/target that is not there", 28) == 0);
	EQ(size_of("l"), 28);
	IS(S_ISLNK(status_of("l").st_mode));
	EQ(status_of("l").st_mode & 0777, 0777);
}

TEST(symlink_empty_target)
{
	FAILS(symlink("", "l"), ENOENT);
}

TEST(symlink_target_of_4095)
{
	static char got[PATH_MAX];

	OK(symlink(long_name(4095), "l"));
	EQ(readlink("l", got, sizeof(got)), 4095);
	IS(memcmp(got, long_name(4095), 4095) == 0);
}

TEST(symlink_target_of_4096)
{
	FAILS(symlink(long_name(4096), "l"), ENAMETOOLONG);
}

TEST(symlink_owner)
{
	OK(symlink("t", "l"));
	EQ(status_of("l").st_uid, geteuid());
	EQ(status_of("l").st_gid, getegid());
}

TEST(symlink_updates_parent)
{
	struct stat parent;

	OK(mkdir("d", 0755));
	parent = status_of("d");
	tick();
	OK(symlink("t", "d/l"));
	IS(nanoseconds(status_of("d").st_mtim) > nanoseconds(parent.st_mtim));
}

TEST(readlink_truncates)
{
	char target[4] = "____";

	OK(symlink("target", "l"));
	EQ(readlink("l", target, 3), 3);
	IS(memcmp(target, "tar_", 4) == 0);
}

TEST(readlink_file)
{
	char target[4];

	put("f", "");
	FAILS(readlink("f", target, sizeof(target)), EINVAL);
	FAILS(readlink(".", target, sizeof(target)), EINVAL);
}

TEST(symlink_chain_of_40)
{
	char from[16], to[16];

	put("l0", "text");
	for (int i = 1; i <= 41; i++) {
		snprintf(from, sizeof(from), "l%d", i);
		snprintf(to, sizeof(to), "l%d", i - 1);
		OK(symlink(to, from));
	}
	content_is("l40", "text");
	FAILS(open("l41", O_RDONLY), ELOOP);
}

TEST(symlink_relative_to_its_directory)
{
	OK(mkdir("d", 0755));
	put("d/f", "text");
	OK(symlink("f", "d/l"));
	content_is("d/l", "text");
}

TEST(symlink_cannot_be_hardened)
{
	OK(symlink("t", "l"));
	FAILS(fchmodat(AT_FDCWD, "l", 0600, AT_SYMLINK_NOFOLLOW), EOPNOTSUPP);
}

static void remove_foreign(void)
{
	FAILS(unlink("sticky/f"), EPERM);
	FAILS(rename("sticky/f", "sticky/g"), EPERM);
	FAILS(rmdir("sticky/d"), EPERM);
	put("sticky/mine", "");
	FAILS(rename("sticky/mine", "sticky/f"), EPERM);
	OK(unlink("sticky/mine"));
}

ROOT_TEST(sticky_directory_of_another)
{
	OK(mkdir("sticky", 0755));
	OK(chmod("sticky", 01777));
	make_file("sticky/f", 0666);
	OK(mkdir("sticky/d", 0777));
	run_as(USER, GROUP, remove_foreign);
}

static void remove_own(void)
{
	OK(unlink("sticky/f"));
}

ROOT_TEST(sticky_file_of_own)
{
	OK(mkdir("sticky", 0755));
	OK(chmod("sticky", 01777));
	put("sticky/f", "");
	OK(chown("sticky/f", USER, GROUP));
	run_as(USER, GROUP, remove_own);
}

ROOT_TEST(sticky_directory_of_own)
{
	OK(mkdir("sticky", 0755));
	OK(chmod("sticky", 01777));
	OK(chown("sticky", USER, GROUP));
	put("sticky/f", "");
	run_as(USER, GROUP, remove_own);
}
