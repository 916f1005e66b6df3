/* chmod, chown, umask, access: permission bits and who may change them. */
#include "tests/posix/posix.h"

#include <grp.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>

TEST(chmod_sets)
{
	put("f", "");
	OK(chmod("f", 0));
	EQ(mode_of("f"), 0);
	OK(chmod("f", 05751));
	EQ(mode_of("f"), 05751);
	OK(chmod("f", 0200000 | 0644));
	EQ(mode_of("f"), 0644);
}

TEST(chmod_follows_symlink)
{
	put("f", "");
	OK(symlink("f", "l"));
	OK(chmod("l", 0600));
	EQ(mode_of("f"), 0600);
}

TEST(chmod_updates_ctime)
{
	struct stat before, after;

	put("f", "");
	before = status_of("f");
	tick();
	OK(chmod("f", 0600));
	after = status_of("f");
	IS(nanoseconds(after.st_ctim) > nanoseconds(before.st_ctim));
	EQ(nanoseconds(after.st_mtim), nanoseconds(before.st_mtim));
}

TEST(fchmod_of_unlinked)
{
	struct stat status;
	int fd = OK(open("f", O_CREAT | O_RDWR, 0644));

	OK(unlink("f"));
	OK(fchmod(fd, 0600));
	OK(fstat(fd, &status));
	EQ(status.st_mode, S_IFREG | 0600);
}

static void change_foreign(void)
{
	FAILS(chmod("f", 0777), EPERM);
	FAILS(chown("f", USER, GROUP), EPERM);
	FAILS(truncate("f", 0), EACCES);
	FAILS(utimensat(AT_FDCWD, "f", (struct timespec[]){{1, 0}, {1, 0}}, 0), EPERM);
	FAILS(utimensat(AT_FDCWD, "f", NULL, 0), EACCES);
	FAILS(setxattr("f", "user.a", "1", 1, 0), EACCES);
}

ROOT_TEST(chmod_of_another)
{
	put("f", "text");
	run_as(USER, GROUP, change_foreign);
}

static void set_sgid(void)
{
	OK(chmod("f", 02755));
	EQ(mode_of("f"), 0755);
}

ROOT_TEST(chmod_sgid_not_in_group)
{
	put("f", "");
	OK(chown("f", USER, OTHER_GROUP));
	run_as(USER, GROUP, set_sgid);
}

static void set_sgid_of_supplementary_group(void)
{
	gid_t groups[] = {OTHER_GROUP};

	OK(setgroups(1, groups));
	OK(setresgid(GROUP, GROUP, GROUP));
	OK(setresuid(USER, USER, USER));
	OK(chmod("f", 02755));
	EQ(mode_of("f"), 02755);
	_exit(0);
}

ROOT_TEST(chmod_sgid_of_supplementary_group)
{
	put("f", "");
	OK(chown("f", USER, OTHER_GROUP));
	join(start(set_sgid_of_supplementary_group));
}

ROOT_TEST(chmod_sticky_of_file)
{
	put("f", "");
	OK(chmod("f", 01644));
	EQ(mode_of("f"), 01644);
}

USER_TEST(chmod_sticky_of_file_as_user)
{
	put("f", "");
	OK(chmod("f", 01644)); /* Linux keeps it */
	EQ(mode_of("f"), 01644);
}

ROOT_TEST(chown_sets)
{
	put("f", "");
	OK(chown("f", USER, OTHER_GROUP));
	EQ(status_of("f").st_uid, USER);
	EQ(status_of("f").st_gid, OTHER_GROUP);
	OK(chown("f", (uid_t)-1, GROUP));
	EQ(status_of("f").st_uid, USER);
	EQ(status_of("f").st_gid, GROUP);
	OK(chown("f", 4000000000, 4000000001));
	EQ(status_of("f").st_uid, 4000000000);
	EQ(status_of("f").st_gid, 4000000001);
}

ROOT_TEST(chown_clears_suid_and_sgid)
{
	put("f", "");
	OK(chmod("f", 06755));
	OK(chown("f", USER, GROUP));
	EQ(mode_of("f"), 0755);
}

ROOT_TEST(chown_keeps_sgid_without_group_execution)
{
	put("f", "");
	OK(chmod("f", 06645));
	OK(chown("f", USER, GROUP));
	EQ(mode_of("f"), 02645);
}

ROOT_TEST(chown_of_directory_keeps_bits)
{
	OK(mkdir("d", 0755));
	OK(chmod("d", 07755));
	OK(chown("d", USER, GROUP));
	EQ(mode_of("d"), 07755);
}

ROOT_TEST(lchown_of_symlink)
{
	put("f", "");
	OK(symlink("f", "l"));
	OK(lchown("l", USER, GROUP));
	EQ(status_of("l").st_uid, USER);
	EQ(status_of("f").st_uid, 0);
	OK(chown("l", OTHER_USER, (gid_t)-1));
	EQ(status_of("f").st_uid, OTHER_USER);
}

USER_TEST(chown_give_away)
{
	put("f", "");
	FAILS(chown("f", OTHER_USER, (gid_t)-1), EPERM);
	FAILS(chown("f", (uid_t)-1, OTHER_GROUP), EPERM);
	OK(chown("f", USER, GROUP));
}

static void change_to_supplementary_group(void)
{
	gid_t groups[] = {OTHER_GROUP};

	OK(setgroups(1, groups));
	OK(setresgid(GROUP, GROUP, GROUP));
	OK(setresuid(USER, USER, USER));
	OK(chmod("f", 06755));
	OK(chown("f", (uid_t)-1, OTHER_GROUP));
	EQ(status_of("f").st_gid, OTHER_GROUP);
	EQ(mode_of("f"), 0755);
	_exit(0);
}

ROOT_TEST(chown_to_supplementary_group)
{
	put("f", "");
	OK(chown("f", USER, GROUP));
	join(start(change_to_supplementary_group));
}

TEST(chown_updates_ctime)
{
	struct stat before;

	put("f", "");
	before = status_of("f");
	tick();
	OK(chown("f", geteuid(), getegid()));
	IS(nanoseconds(status_of("f").st_ctim) > nanoseconds(before.st_ctim));
}

TEST(fchownat_empty_path)
{
	put("f", "");
	OK(fchownat(OK(open("f", O_PATH)), "", geteuid(), getegid(), AT_EMPTY_PATH));
	FAILS(fchownat(AT_FDCWD, "f", geteuid(), getegid(), 0x4000), EINVAL);
}

TEST(umask_applies)
{
	umask(0137);
	OK(close(OK(open("f", O_CREAT | O_WRONLY, 0777))));
	EQ(mode_of("f"), 0640);
	umask(0);
	OK(close(OK(open("g", O_CREAT | O_WRONLY, 0777))));
	EQ(mode_of("g"), 0777);
}

USER_TEST(access_as_user)
{
	make_file("f", 0500);
	OK(access("f", R_OK | X_OK));
	FAILS(access("f", W_OK), EACCES);
	FAILS(access("f", R_OK | W_OK), EACCES);
}

ROOT_TEST(access_as_root)
{
	make_file("f", 0);
	OK(access("f", R_OK | W_OK));
	FAILS(access("f", X_OK), EACCES);
	OK(chmod("f", 0001));
	OK(access("f", X_OK));
}

TEST(access_bad_mode)
{
	FAILS(access(".", 010), EINVAL);
}

TEST(faccessat2_flags)
{
	OK(symlink("missing", "l"));
	FAILS(faccessat(AT_FDCWD, "l", F_OK, 0), ENOENT);
	OK(faccessat(AT_FDCWD, "l", F_OK, AT_SYMLINK_NOFOLLOW));
	FAILS(syscall(SYS_faccessat2, AT_FDCWD, ".", F_OK, 1), EINVAL);
}

static void read_as_group(void)
{
	content_is("f", "text");
	FAILS(open("f", O_WRONLY), EACCES);
}

ROOT_TEST(permission_of_group)
{
	put("f", "text");
	OK(chmod("f", 0040));
	OK(chown("f", 0, GROUP));
	run_as(USER, GROUP, read_as_group);
}

static void denied_as_group(void)
{
	FAILS(open("f", O_RDONLY), EACCES);
}

ROOT_TEST(permission_group_class_decides)
{
	put("f", "text");
	OK(chmod("f", 0707));
	OK(chown("f", 0, GROUP));
	run_as(USER, GROUP, denied_as_group);
}

static void read_as_other(void)
{
	content_is("f", "text");
}

ROOT_TEST(permission_of_others)
{
	put("f", "text");
	OK(chmod("f", 0004));
	run_as(USER, GROUP, read_as_other);
}

static void read_as_supplementary_group(void)
{
	gid_t groups[40];

	for (int i = 0; i < 40; i++)
		groups[i] = (gid_t)(50000 + i);
	groups[37] = OTHER_GROUP;
	OK(setgroups(40, groups));
	OK(setresgid(GROUP, GROUP, GROUP));
	OK(setresuid(USER, USER, USER));
	content_is("f", "text");
	_exit(0);
}

ROOT_TEST(permission_of_supplementary_group)
{
	put("f", "text");
	OK(chmod("f", 0040));
	OK(chown("f", 0, OTHER_GROUP));
	join(start(read_as_supplementary_group));
}

TEST(execute_script)
{
	pid_t child;
	int status;

	put("script", "#!/bin/sh\nexit 42\n");
	OK(chmod("script", 0755));
	child = OK(fork());
	if (child == 0) {
		execl("./script", "script", NULL);
		_exit(1);
	}
	EQ(waitpid(child, &status, 0), child);
	EQ(WEXITSTATUS(status), 42);
}

TEST(execute_without_permission)
{
	put("script", "#!/bin/sh\nexit 42\n");
	FAILS(execl("./script", "script", NULL), EACCES);
}

TEST(execute_busy_text)
{
	char buffer[65536];
	int from = OK(open("/bin/true", O_RDONLY)), to = OK(open("true", O_CREAT | O_WRONLY, 0755));

	for (ssize_t size; (size = OK(read(from, buffer, sizeof(buffer)))) > 0;)
		EQ(write(to, buffer, (size_t)size), size);
	FAILS(execl("./true", "true", NULL), ETXTBSY);
}

static void print_uid(void)
{
	execl("./id", "id", "-u", NULL);
	_exit(1);
}

ROOT_TEST(execute_suid)
{
	/* mount(8)'s default for root is suid,dev. */
	char buffer[65536];
	int from = OK(open("/usr/bin/id", O_RDONLY)), to = OK(open("id", O_CREAT | O_WRONLY, 0755)), ends[2];

	for (ssize_t size; (size = OK(read(from, buffer, sizeof(buffer)))) > 0;)
		EQ(write(to, buffer, (size_t)size), size);
	OK(close(to));
	OK(chown("id", OTHER_USER, OTHER_GROUP));
	OK(chmod("id", 04755));
	OK(pipe(ends));
	OK(dup2(ends[1], 1));
	run_as(USER, GROUP, print_uid);
	EQ(read(ends[0], buffer, sizeof(buffer)), 6);
	EQ(atoi(buffer), OTHER_USER);
}
