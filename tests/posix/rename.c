/* rename, renameat2 with its flags, and the rules for directories. */
#include "tests/posix/posix.h"

static int rename_with(const char *from, const char *to, unsigned flags)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, flags);
}

TEST(rename_moves)
{
	struct stat before, after;

	put("f", "text");
	before = status_of("f");
	OK(rename("f", "g"));
	after = status_of("g");
	IS(!exists("f"));
	EQ(after.st_ino, before.st_ino);
	content_is("g", "text");
}

TEST(rename_replaces)
{
	put("f", "new");
	put("g", "old");
	OK(link("g", "h"));
	OK(rename("f", "g"));
	IS(!exists("f"));
	content_is("g", "new");
	EQ(nlink_of("h"), 1);
}

TEST(rename_to_itself)
{
	put("f", "text");
	OK(rename("f", "f"));
	content_is("f", "text");
}

TEST(rename_to_hard_link_of_itself)
{
	put("f", "text");
	OK(link("f", "g"));
	OK(rename("f", "g"));
	IS(exists("f") && exists("g"));
	EQ(nlink_of("f"), 2);
}

TEST(rename_file_over_directory)
{
	put("f", "");
	OK(mkdir("d", 0755));
	FAILS(rename("f", "d"), EISDIR);
}

TEST(rename_directory_over_file)
{
	put("f", "");
	OK(mkdir("d", 0755));
	FAILS(rename("d", "f"), ENOTDIR);
}

TEST(rename_directory_over_empty)
{
	OK(mkdir("d", 0755));
	put("d/f", "text");
	OK(mkdir("e", 0755));
	OK(rename("d", "e"));
	content_is("e/f", "text");
	IS(!exists("d"));
}

TEST(rename_directory_over_full)
{
	OK(mkdir("d", 0755));
	OK(mkdir("e", 0755));
	put("e/f", "");
	FAILS(rename("d", "e"), ENOTEMPTY);
}

TEST(rename_directory_into_itself)
{
	OK(mkdir("d", 0755));
	FAILS(rename("d", "d/e"), EINVAL);
}

TEST(rename_directory_into_descendant)
{
	OK(mkdir("d", 0755));
	OK(mkdir("d/e", 0755));
	OK(mkdir("d/e/f", 0755));
	FAILS(rename("d", "d/e/f/g"), EINVAL);
}

TEST(rename_over_ancestor)
{
	OK(mkdir("d", 0755));
	OK(mkdir("d/e", 0755));
	OK(mkdir("d/e/f", 0755));
	FAILS(rename("d/e/f", "d"), ENOTEMPTY);
	FAILS(rename("d/e", "d"), ENOTEMPTY);
}

TEST(rename_dot)
{
	OK(mkdir("d", 0755));
	FAILS(rename("d/.", "e"), EBUSY);
	FAILS(rename("d/..", "e"), EBUSY);
	FAILS(rename("d", "."), EBUSY);
}

TEST(rename_trailing_slash)
{
	put("f", "");
	OK(mkdir("d", 0755));
	FAILS(rename("f/", "g"), ENOTDIR);
	FAILS(rename("f", "g/"), ENOTDIR);
	OK(rename("d/", "e/"));
	IS(exists("e"));
}

TEST(rename_symlink_itself)
{
	put("f", "text");
	OK(symlink("f", "l"));
	OK(rename("l", "m"));
	IS(S_ISLNK(status_of("m").st_mode));
	put("g", "other");
	OK(rename("g", "m"));
	IS(S_ISREG(status_of("m").st_mode));
	content_is("f", "text");
}

TEST(rename_across_directories)
{
	OK(mkdir("d", 0755));
	OK(mkdir("e", 0755));
	put("d/f", "text");
	OK(rename("d/f", "e/g"));
	content_is("e/g", "text");
	OK(rmdir("d"));
}

TEST(rename_directory_across_directories)
{
	OK(mkdir("d", 0755));
	OK(mkdir("e", 0755));
	OK(mkdir("d/sub", 0755));
	put("d/sub/f", "text");
	OK(rename("d/sub", "e/sub"));
	content_is("e/sub/f", "text");
	IS(same_file("e/sub/..", "e"));
	EQ(nlink_of("d"), 2);
	EQ(nlink_of("e"), 3);
}

TEST(rename_directory_replacing_counts)
{
	OK(mkdir("d", 0755));
	OK(mkdir("d/a", 0755));
	OK(mkdir("d/b", 0755));
	OK(rename("d/a", "d/b"));
	EQ(nlink_of("d"), 3);
}

TEST(rename_updates_times)
{
	struct stat from, to, before, after;

	OK(mkdir("d", 0755));
	OK(mkdir("e", 0755));
	put("d/f", "text");
	from = status_of("d");
	to = status_of("e");
	before = status_of("d/f");
	tick();
	OK(rename("d/f", "e/f"));
	after = status_of("e/f");
	IS(nanoseconds(status_of("d").st_mtim) > nanoseconds(from.st_mtim));
	IS(nanoseconds(status_of("e").st_mtim) > nanoseconds(to.st_mtim));
	IS(nanoseconds(after.st_ctim) > nanoseconds(before.st_ctim));
	EQ(nanoseconds(after.st_mtim), nanoseconds(before.st_mtim));
}

TEST(rename_noreplace)
{
	put("f", "new");
	put("g", "old");
	FAILS(rename_with("f", "g", RENAME_NOREPLACE), EEXIST);
	content_is("g", "old");
	OK(rename_with("f", "h", RENAME_NOREPLACE));
	content_is("h", "new");
}

TEST(rename_noreplace_itself)
{
	put("f", "");
	FAILS(rename_with("f", "f", RENAME_NOREPLACE), EEXIST);
}

TEST(rename_exchange)
{
	put("f", "one");
	put("g", "two");
	OK(rename_with("f", "g", RENAME_EXCHANGE));
	content_is("f", "two");
	content_is("g", "one");
}

TEST(rename_exchange_missing)
{
	put("f", "");
	FAILS(rename_with("f", "g", RENAME_EXCHANGE), ENOENT);
}

TEST(rename_exchange_file_and_directory)
{
	OK(mkdir("a", 0755));
	OK(mkdir("b", 0755));
	OK(mkdir("a/d", 0755));
	put("a/d/inner", "x");
	put("b/f", "text");
	OK(rename_with("a/d", "b/f", RENAME_EXCHANGE));
	content_is("a/d", "text");
	content_is("b/f/inner", "x");
	EQ(nlink_of("a"), 2);
	EQ(nlink_of("b"), 3);
	IS(same_file("b/f/..", "b"));
}

TEST(rename_exchange_full_directories)
{
	OK(mkdir("d", 0755));
	OK(mkdir("e", 0755));
	put("d/one", "");
	put("e/two", "");
	OK(rename_with("d", "e", RENAME_EXCHANGE));
	IS(exists("e/one") && exists("d/two"));
}

TEST(rename_exchange_ancestor)
{
	OK(mkdir("d", 0755));
	OK(mkdir("d/e", 0755));
	FAILS(rename_with("d", "d/e", RENAME_EXCHANGE), EINVAL);
	FAILS(rename_with("d/e", "d", RENAME_EXCHANGE), EINVAL);
}

TEST(rename_flags_exclude)
{
	put("f", "");
	put("g", "");
	FAILS(rename_with("f", "g", RENAME_NOREPLACE | RENAME_EXCHANGE), EINVAL);
	FAILS(rename_with("f", "g", RENAME_WHITEOUT | RENAME_EXCHANGE), EINVAL);
	FAILS(rename_with("f", "g", 1 << 10), EINVAL);
}

TEST(rename_whiteout)
{
	/* A device 0:0 takes the old name; since Linux 5.8 this one needs no privilege. */
	struct stat status;

	put("f", "text");
	OK(rename_with("f", "g", RENAME_WHITEOUT));
	content_is("g", "text");
	status = status_of("f");
	IS(S_ISCHR(status.st_mode));
	EQ(status.st_rdev, 0);
}

TEST(rename_old_name_gone_once)
{
	put("f", "");
	OK(rename("f", "g"));
	FAILS(rename("f", "g"), ENOENT);
}

TEST(rename_keeps_attributes)
{
	struct stat before, after;

	put("f", "text");
	OK(chmod("f", 04711));
	before = status_of("f");
	OK(rename("f", "g"));
	after = status_of("g");
	EQ(after.st_mode, before.st_mode);
	EQ(after.st_uid, before.st_uid);
	EQ(after.st_size, before.st_size);
	EQ(nanoseconds(after.st_mtim), nanoseconds(before.st_mtim));
}

static void move_foreign_directory(void)
{
	/* Its ".." would change, and that takes permission to write to it. */
	FAILS(rename("open/d", "elsewhere/d"), EACCES);
	OK(rename("open/d", "open/e"));
}

ROOT_TEST(rename_directory_not_writable)
{
	OK(mkdir("open", 0755));
	OK(chmod("open", 0777));
	OK(mkdir("elsewhere", 0755));
	OK(chmod("elsewhere", 0777));
	OK(mkdir("open/d", 0755));
	run_as(USER, GROUP, move_foreign_directory);
}

TEST(rename_to_255_and_back)
{
	put("f", "text");
	OK(rename("f", long_name(255)));
	OK(rename(long_name(255), "f"));
	content_is("f", "text");
	FAILS(rename("f", long_name(256)), ENAMETOOLONG);
}

TEST(rename_working_directory)
{
	OK(mkdir("d", 0755));
	OK(chdir("d"));
	OK(rename("../d", "../e"));
	put("f", "");
	IS(exists("../e/f"));
}

TEST(rename_with_descriptors)
{
	int d, e;

	OK(mkdir("d", 0755));
	OK(mkdir("e", 0755));
	put("d/f", "text");
	d = OK(open("d", O_RDONLY));
	e = OK(open("e", O_RDONLY));
	OK(renameat(d, "f", e, "g"));
	content_is("e/g", "text");
}

static void rename_back_and_forth(void)
{
	for (int i = 0; i < 300; i++) {
		put("new", "text");
		OK(rename("new", "f"));
	}
}

TEST(rename_name_never_vanishes)
{
	char text[8];
	pid_t child;

	put("f", "text");
	child = start(rename_back_and_forth);
	for (int i = 0; i < 2000; i++) {
		int fd = OK(open("f", O_RDONLY));

		EQ(read(fd, text, sizeof(text)), 4);
		OK(close(fd));
	}
	join(child);
}

static void pull_one_way(void)
{
	for (int i = 0; i < 200; i++) {
		rename("a", "b/x");
		rename("b/x", "a");
	}
}

TEST(rename_never_loops)
{
	pid_t child;

	OK(mkdir("a", 0755));
	OK(mkdir("b", 0755));
	child = start(pull_one_way);
	for (int i = 0; i < 200; i++) {
		rename("b", "a/x");
		rename("a/x", "b");
	}
	join(child);
	IS(exists("a") || exists("b"));
	IS(!exists("a/x/x") && !exists("b/x/x"));
	EQ(exists("a") + exists("b") + exists("a/x") + exists("b/x"), 2);
}
