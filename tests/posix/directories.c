/* mkdir, rmdir, and reading directories: every entry once, whatever happens meanwhile. */
#include "tests/posix/posix.h"

#include <dirent.h>
#include <stddef.h>
#include <sys/syscall.h>

TEST(mkdir_makes)
{
	struct stat status;

	OK(mkdir("d", 0751));
	status = status_of("d");
	EQ(status.st_mode, S_IFDIR | 0751);
	EQ(status.st_nlink, 2);
	EQ(status.st_uid, geteuid());
	EQ(status.st_gid, getegid());
	IS(same_file("d/..", "."));
	IS(same_file("d/.", "d"));
}

TEST(mkdir_umask)
{
	umask(027);
	OK(mkdir("d", 0777));
	EQ(mode_of("d"), 0750);
}

TEST(mkdir_counts_in_parent)
{
	OK(mkdir("d", 0755));
	OK(mkdir("d/a", 0755));
	OK(mkdir("d/b", 0755));
	EQ(nlink_of("d"), 4);
	put("d/f", "");
	EQ(nlink_of("d"), 4);
	OK(rmdir("d/a"));
	EQ(nlink_of("d"), 3);
}

TEST(mkdir_sticky_bit)
{
	OK(mkdir("d", 01777));
	EQ(mode_of("d"), 01755);
}

TEST(mkdir_trailing_slash)
{
	OK(mkdir("d/", 0755));
	IS(exists("d"));
}

TEST(mkdir_dot)
{
	FAILS(mkdir(".", 0755), EEXIST);
	FAILS(mkdir("..", 0755), EEXIST);
}

TEST(mkdir_updates_times)
{
	struct stat parent, status;

	OK(mkdir("d", 0755));
	parent = status_of("d");
	tick();
	OK(mkdir("d/e", 0755));
	status = status_of("d");
	IS(nanoseconds(status.st_mtim) > nanoseconds(parent.st_mtim));
	IS(nanoseconds(status.st_ctim) > nanoseconds(parent.st_ctim));
	status = status_of("d/e");
	EQ(nanoseconds(status.st_mtim), nanoseconds(status.st_ctim));
}

ROOT_TEST(mkdir_in_setgid_directory)
{
	OK(mkdir("d", 0755));
	OK(chown("d", 0, OTHER_GROUP));
	OK(chmod("d", 02755));
	OK(mkdir("d/e", 0755));
	EQ(status_of("d/e").st_gid, OTHER_GROUP);
	EQ(mode_of("d/e"), 02755);
	put("d/f", "");
	EQ(status_of("d/f").st_gid, OTHER_GROUP);
	EQ(mode_of("d/f"), 0644);
	OK(symlink("x", "d/l"));
	EQ(status_of("d/l").st_gid, OTHER_GROUP);
	OK(mkfifo("d/p", 0644));
	EQ(status_of("d/p").st_gid, OTHER_GROUP);
}

static void create_with_sgid(void)
{
	OK(close(OK(open("d/f", O_CREAT | O_WRONLY, 02775))));
	EQ(mode_of("d/f"), 0755); /* not in the group: no S_ISGID on what may be executed by it */
	OK(close(OK(open("d/g", O_CREAT | O_WRONLY, 02644))));
	EQ(mode_of("d/g"), 02644); /* without group execution it is mandatory locking's old mark, kept */
}

ROOT_TEST(create_with_sgid_in_foreign_group)
{
	OK(mkdir("d", 0755));
	OK(chown("d", 0, OTHER_GROUP));
	OK(chmod("d", 02777));
	run_as(USER, GROUP, create_with_sgid);
}

TEST(rmdir_removes)
{
	OK(mkdir("d", 0755));
	OK(rmdir("d"));
	IS(!exists("d"));
}

TEST(rmdir_not_empty)
{
	OK(mkdir("d", 0755));
	put("d/f", "");
	FAILS(rmdir("d"), ENOTEMPTY);
	OK(unlink("d/f"));
	OK(rmdir("d"));
}

TEST(rmdir_file)
{
	put("f", "");
	FAILS(rmdir("f"), ENOTDIR);
}

TEST(rmdir_symlink)
{
	OK(mkdir("d", 0755));
	OK(symlink("d", "l"));
	FAILS(rmdir("l"), ENOTDIR);
	FAILS(rmdir("l/"), ENOTDIR);
}

TEST(rmdir_dot)
{
	OK(mkdir("d", 0755));
	FAILS(rmdir("d/."), EINVAL);
	FAILS(rmdir("d/.."), ENOTEMPTY);
}

TEST(rmdir_working_directory)
{
	OK(mkdir("d", 0755));
	OK(chdir("d"));
	OK(rmdir("../d"));
	FAILS(open("f", O_CREAT | O_WRONLY, 0644), ENOENT);
	FAILS(mkdir("e", 0755), ENOENT);
}

TEST(rmdir_then_readdir)
{
	DIR *directory;

	OK(mkdir("d", 0755));
	directory = opendir("d");
	IS(directory != NULL);
	OK(rmdir("d"));
	errno = 0;
	IS(readdir(directory) == NULL);
}

TEST(rmdir_of_working_directory)
{
	DIR *directory;

	OK(mkdir("d", 0755));
	OK(chdir("d"));
	OK(rmdir("../d"));
	FAILS(mkdir("e", 0755), ENOENT);
	EQ(nlink_of("."), 0);
	OK(chmod(".", 0700));
	EQ(mode_of("."), 0700);
	directory = opendir(".");
	IS(directory != NULL);
	errno = 0;
	IS(readdir(directory) == NULL);
}

TEST(rmdir_updates_parent)
{
	struct stat parent;

	OK(mkdir("d", 0755));
	OK(mkdir("d/e", 0755));
	parent = status_of("d");
	tick();
	OK(rmdir("d/e"));
	IS(nanoseconds(status_of("d").st_mtim) > nanoseconds(parent.st_mtim));
}

/* How often the name is in the directory. */
static int times_listed(const char *path, const char *name)
{
	DIR *directory = opendir(path);
	int count = 0;

	IS(directory != NULL);
	for (struct dirent *entry; (entry = readdir(directory));)
		count += !strcmp(entry->d_name, name);
	closedir(directory);
	return count;
}

static int entries_in(const char *path)
{
	DIR *directory = opendir(path);
	int count = 0;

	IS(directory != NULL);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

static void make_many(const char *path, int count)
{
	char name[64];

	OK(mkdir(path, 0755));
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%s/entry%d", path, i);
		OK(mknod(name, S_IFREG | 0644, 0));
	}
}

TEST(readdir_empty)
{
	OK(mkdir("d", 0755));
	EQ(times_listed("d", "."), 1);
	EQ(times_listed("d", ".."), 1);
	EQ(entries_in("d"), 2);
}

TEST(readdir_lists_all_once)
{
	static char seen[3000];
	DIR *directory;

	make_many("d", 3000);
	directory = opendir("d");
	IS(directory != NULL);
	for (struct dirent *entry; (entry = readdir(directory));) {
		int i;

		if (sscanf(entry->d_name, "entry%d", &i) == 1)
			seen[i]++;
	}
	for (int i = 0; i < 3000; i++)
		EQ(seen[i], 1);
}

TEST(readdir_types_and_inodes)
{
	DIR *directory;

	put("f", "");
	OK(mkdir("d", 0755));
	OK(symlink("f", "l"));
	OK(mkfifo("p", 0644));
	directory = opendir(".");
	IS(directory != NULL);
	for (struct dirent *entry; (entry = readdir(directory));) {
		if (!strcmp(entry->d_name, ".."))
			continue;
		EQ(entry->d_ino, status_of(entry->d_name).st_ino);
		EQ(DTTOIF(entry->d_type), status_of(entry->d_name).st_mode & S_IFMT);
	}
}

TEST(readdir_inode_of_parent)
{
	DIR *directory;

	OK(mkdir("d", 0755));
	directory = opendir("d");
	IS(directory != NULL);
	for (struct dirent *entry; (entry = readdir(directory));)
		EQ(entry->d_ino, status_of(strcmp(entry->d_name, "..") ? "d" : ".").st_ino);
}

TEST(readdir_rewinds)
{
	DIR *directory;
	int count = 0;

	make_many("d", 10);
	directory = opendir("d");
	IS(directory != NULL);
	for (int i = 0; i < 5; i++)
		IS(readdir(directory) != NULL);
	put("d/late", "");
	rewinddir(directory);
	for (struct dirent *entry; (entry = readdir(directory));)
		count += entry->d_name[0] != '.';
	EQ(count, 11);
}

TEST(readdir_seeks)
{
	char name[256];
	DIR *directory;
	long place = 0;

	make_many("d", 500);
	directory = opendir("d");
	IS(directory != NULL);
	for (int i = 0; i < 250; i++)
		IS(readdir(directory) != NULL);
	place = telldir(directory);
	strcpy(name, readdir(directory)->d_name);
	while (readdir(directory))
		;
	seekdir(directory, place);
	EQ(strcmp(readdir(directory)->d_name, name), 0);
}

TEST(readdir_seeks_from_every_entry)
{
	static long places[300];
	static char names[300][256];
	struct dirent *entry;
	int count = 0;
	DIR *directory;

	make_many("d", 200);
	directory = opendir("d");
	IS(directory != NULL);
	for (; places[count] = telldir(directory), (entry = readdir(directory)); count++)
		strcpy(names[count], entry->d_name);
	EQ(count, 202);
	for (int i = count - 1; i >= 0; i--) {
		seekdir(directory, places[i]);
		entry = readdir(directory);
		IS(entry != NULL);
		EQ(strcmp(entry->d_name, names[i]), 0);
	}
}

TEST(readdir_while_removing)
{
	char path[300];
	DIR *directory;
	int count = 0;

	make_many("d", 2000);
	directory = opendir("d");
	IS(directory != NULL);
	for (struct dirent *entry; (entry = readdir(directory));) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "d/%s", entry->d_name);
		OK(unlink(path));
		count++;
	}
	EQ(count, 2000);
	OK(rmdir("d"));
}

TEST(readdir_while_changing)
{
	/* What exists throughout is listed exactly once, whatever is added, removed and renamed meanwhile. */
	static char seen[1000];
	char path[64], other[64];
	DIR *directory;
	int round = 0, i;

	make_many("d", 1000);
	directory = opendir("d");
	IS(directory != NULL);
	for (struct dirent *entry; (entry = readdir(directory)); round++) {
		if (sscanf(entry->d_name, "entry%d", &i) == 1)
			seen[i]++;
		snprintf(path, sizeof(path), "d/added%d", round);
		snprintf(other, sizeof(other), "d/moved%d", round);
		if (round < 3000)
			OK(mknod(path, S_IFREG | 0644, 0));
		if (round < 3000 && round % 3 == 0)
			OK(rename(path, other));
		if (round < 3000 && round % 3 == 1)
			OK(unlink(path));
	}
	for (i = 0; i < 1000; i++)
		EQ(seen[i], 1);
}

TEST(readdir_of_file)
{
	put("f", "");
	IS(opendir("f") == NULL && errno == ENOTDIR);
}

USER_TEST(readdir_no_permission)
{
	OK(mkdir("d", 0300));
	IS(opendir("d") == NULL && errno == EACCES);
	put("d/f", ""); /* but what is known by name is there */
	OK(unlink("d/f"));
}

TEST(getdents_small_buffer)
{
	char buffer[4];
	FAILS(syscall(SYS_getdents64, OK(open(".", O_RDONLY)), buffer, sizeof(buffer)), EINVAL);
}

TEST(getdents_of_file)
{
	char buffer[512];

	put("f", "");
	FAILS(syscall(SYS_getdents64, OK(open("f", O_RDONLY)), buffer, sizeof(buffer)), ENOTDIR);
}

TEST(getdents_one_at_a_time)
{
	/* A buffer for one or two entries at a time. */
	char buffer[64], *at;
	uint16_t size_of_entry;
	int fd, count = 0;

	make_many("d", 100);
	fd = OK(open("d", O_RDONLY));
	for (long size; (size = OK(syscall(SYS_getdents64, fd, buffer, sizeof(buffer)))) > 0;)
		for (at = buffer; at < buffer + size; at += size_of_entry, count++)
			memcpy(&size_of_entry, at + offsetof(struct dirent64, d_reclen),
				sizeof(size_of_entry));
	EQ(count, 102);
}

TEST(readdir_long_names)
{
	char name[256];

	OK(mkdir("d", 0755));
	OK(chdir("d"));
	memset(name, 'x', 255);
	name[255] = 0;
	for (int i = 0; i < 60; i++) {
		name[0] = (char)('A' + i);
		if (name[0] == '\\' || name[0] == '`')
			name[0] = '0';
		put(name, "");
	}
	EQ(times_listed(".", name), 1);
	IS(entries_in(".") > 58);
}

TEST(chdir_file)
{
	put("f", "");
	FAILS(chdir("f"), ENOTDIR);
	FAILS(fchdir(OK(open("f", O_RDONLY))), ENOTDIR);
}

USER_TEST(chdir_no_search)
{
	OK(mkdir("d", 0600));
	FAILS(chdir("d"), EACCES);
}

TEST(getcwd_follows_rename)
{
	char path[4096];

	OK(mkdir("d", 0755));
	OK(chdir("d"));
	OK(rename("../d", "../e"));
	IS(getcwd(path, sizeof(path)) != NULL);
	EQ(strcmp(strrchr(path, '/'), "/e"), 0);
	OK(rmdir("../e"));
	IS(getcwd(path, sizeof(path)) == NULL && errno == ENOENT);
}

TEST(mkdir_deep)
{
	for (int i = 0; i < 200; i++) {
		OK(mkdir("deeper", 0755));
		OK(chdir("deeper"));
	}
	put("f", "bottom");
	content_is("f", "bottom");
}
