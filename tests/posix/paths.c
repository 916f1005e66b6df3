/*
 * Every call that takes a path, in every situation in which a path is wrong: the same errno whatever the call. Each call
 * is made as a function of the path alone, with its other arguments right.
 */
#include "tests/posix/posix.h"

#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <utime.h>

static int call_open(const char *path)
{
	return open(path, O_RDONLY);
}
static int call_creat(const char *path)
{
	return open(path, O_CREAT | O_WRONLY, 0644);
}
static int call_stat(const char *path)
{
	struct stat status;
	return stat(path, &status);
}
static int call_lstat(const char *path)
{
	struct stat status;
	return lstat(path, &status);
}
static int call_statx(const char *path)
{
	struct statx status;
	return statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &status);
}
static int call_statfs(const char *path)
{
	struct statfs filesystem;
	return statfs(path, &filesystem);
}
static int call_access(const char *path)
{
	return access(path, F_OK);
}
static int call_chmod(const char *path)
{
	return chmod(path, 0644);
}
static int call_chown(const char *path)
{
	return chown(path, (uid_t)-1, (gid_t)-1);
}
static int call_lchown(const char *path)
{
	return lchown(path, (uid_t)-1, (gid_t)-1);
}
static int call_utimensat(const char *path)
{
	return utimensat(AT_FDCWD, path, NULL, 0);
}
static int call_truncate(const char *path)
{
	return truncate(path, 0);
}
static int call_mkdir(const char *path)
{
	return mkdir(path, 0755);
}
static int call_rmdir(const char *path)
{
	return rmdir(path);
}
static int call_unlink(const char *path)
{
	return unlink(path);
}
static int call_mkfifo(const char *path)
{
	return mkfifo(path, 0644);
}
static int call_symlink(const char *path)
{
	return symlink("target", path);
}
static int call_readlink(const char *path)
{
	char target[16];
	return (int)readlink(path, target, sizeof(target));
}
static int call_link_from(const char *path)
{
	return link(path, "new");
}
static int call_link_to(const char *path)
{
	return link("file", path);
}
static int call_rename_from(const char *path)
{
	return rename(path, "new");
}
static int call_rename_to(const char *path)
{
	return rename("file", path);
}
static int call_chdir(const char *path)
{
	return chdir(path);
}
static int call_getxattr(const char *path)
{
	char value[16];
	return (int)getxattr(path, "user.a", value, sizeof(value));
}
static int call_setxattr(const char *path)
{
	return setxattr(path, "user.a", "1", 1, 0);
}
static int call_listxattr(const char *path)
{
	char names[64];
	return (int)listxattr(path, names, sizeof(names));
}
static int call_removexattr(const char *path)
{
	return removexattr(path, "user.a");
}

/* Calls that need the name to be there; of these the ones that follow a symbolic link in the last place; calls that
 * make the name. */
#define EXISTING(X) X(lstat) X(lchown) X(rmdir) X(unlink) X(readlink) X(link_from) X(rename_from)
#define FOLLOWING(X)                                                                                         \
	X(open)                                                                                              \
	X(stat)                                                                                              \
	X(statx)                                                                                             \
	X(statfs)                                                                                            \
	X(access)                                                                                            \
	X(chmod)                                                                                             \
	X(chown) X(utimensat) X(truncate) X(chdir) X(getxattr) X(setxattr) X(listxattr) X(removexattr)
#define MAKING(X) X(creat) X(mkdir) X(mkfifo) X(symlink) X(link_to) X(rename_to)
#define ALL(X)	  EXISTING(X) FOLLOWING(X) MAKING(X)

/* "NNN…/x", longer than a path may be: PATH_MAX with its terminating zero. */
static const char *long_path(void)
{
	char *path = malloc(4097);

	IS(path != NULL);
	for (size_t at = 0; at < 4096; at += 2)
		memcpy(path + at, "./", 2);
	path[4096] = 0;
	return path;
}

#define PATH_TESTS(call)                                                                                     \
	TEST(call##_component_is_file)                                                                       \
	{                                                                                                    \
		put("file", "");                                                                             \
		FAILS(call_##call("file/x"), ENOTDIR);                                                       \
	}                                                                                                    \
	TEST(call##_component_missing)                                                                       \
	{                                                                                                    \
		put("file", "");                                                                             \
		FAILS(call_##call("missing/x"), ENOENT);                                                     \
	}                                                                                                    \
	TEST(call##_component_loops)                                                                         \
	{                                                                                                    \
		put("file", "");                                                                             \
		OK(symlink("loop", "loop"));                                                                 \
		FAILS(call_##call("loop/x"), ELOOP);                                                         \
	}                                                                                                    \
	TEST(call##_name_too_long)                                                                           \
	{                                                                                                    \
		put("file", "");                                                                             \
		FAILS(call_##call(long_name(256)), ENAMETOOLONG);                                            \
	}                                                                                                    \
	TEST(call##_path_too_long)                                                                           \
	{                                                                                                    \
		put("file", "");                                                                             \
		FAILS(call_##call(long_path()), ENAMETOOLONG);                                               \
	}                                                                                                    \
	TEST(call##_path_empty)                                                                              \
	{                                                                                                    \
		put("file", "");                                                                             \
		FAILS(call_##call(""), ENOENT);                                                              \
	}                                                                                                    \
	USER_TEST(call##_no_search)                                                                          \
	{                                                                                                    \
		put("file", "");                                                                             \
		OK(mkdir("closed", 0700));                                                                   \
		put("closed/x", "");                                                                         \
		OK(chmod("closed", 0600));                                                                   \
		FAILS(call_##call("closed/x"), EACCES);                                                      \
		OK(chmod("closed", 0700));                                                                   \
	}
ALL(PATH_TESTS)

#define MISSING_TEST(call)                                                                                   \
	TEST(call##_name_missing)                                                                            \
	{                                                                                                    \
		FAILS(call_##call("missing"), ENOENT);                                                       \
	}
EXISTING(MISSING_TEST)
FOLLOWING(MISSING_TEST)

#define FOLLOWING_TESTS(call)                                                                                \
	TEST(call##_link_dangles)                                                                            \
	{                                                                                                    \
		OK(symlink("missing", "dangling"));                                                          \
		FAILS(call_##call("dangling"), ENOENT);                                                      \
	}                                                                                                    \
	TEST(call##_link_loops)                                                                              \
	{                                                                                                    \
		OK(symlink("loop", "loop"));                                                                 \
		FAILS(call_##call("loop"), ELOOP);                                                           \
	}
FOLLOWING(FOLLOWING_TESTS)

#define MAKING_TESTS(call)                                                                                   \
	TEST(call##_name_of_255)                                                                             \
	{                                                                                                    \
		put("file", "");                                                                             \
		OK(call_##call(long_name(255)));                                                             \
		IS(exists(long_name(255)));                                                                  \
	}                                                                                                    \
	TEST(call##_name_of_any_bytes)                                                                       \
	{                                                                                                    \
		put("file", "");                                                                             \
		OK(call_##call("\x01\n \\\xff\xfe\xc3*"));                                                   \
		IS(exists("\x01\n \\\xff\xfe\xc3*"));                                                        \
	}                                                                                                    \
	USER_TEST(call##_directory_not_writable)                                                             \
	{                                                                                                    \
		put("file", "");                                                                             \
		OK(mkdir("closed", 0555));                                                                   \
		FAILS(call_##call("closed/x"), EACCES);                                                      \
	}
MAKING(MAKING_TESTS)

#define EXISTS_TEST(call)                                                                                    \
	TEST(call##_name_exists)                                                                             \
	{                                                                                                    \
		put("file", "");                                                                             \
		put("there", "");                                                                            \
		FAILS(call_##call("there"), EEXIST);                                                         \
	}                                                                                                    \
	TEST(call##_name_is_dangling_link)                                                                   \
	{                                                                                                    \
		put("file", "");                                                                             \
		OK(symlink("missing", "dangling"));                                                          \
		FAILS(call_##call("dangling"), EEXIST);                                                      \
	}
EXISTS_TEST(mkdir)
EXISTS_TEST(mkfifo)
EXISTS_TEST(symlink)
EXISTS_TEST(link_to)

#define TAKING_TEST(call)                                                                                    \
	USER_TEST(call##_directory_not_writable)                                                             \
	{                                                                                                    \
		OK(mkdir("closed", 0755));                                                                   \
		put("closed/x", "");                                                                         \
		OK(chmod("closed", 0555));                                                                   \
		FAILS(call_##call("closed/x"), EACCES);                                                      \
		OK(chmod("closed", 0755));                                                                   \
	}
TAKING_TEST(unlink)
TAKING_TEST(rename_from)

USER_TEST(rmdir_directory_not_writable)
{
	OK(mkdir("closed", 0755));
	OK(mkdir("closed/x", 0755));
	OK(chmod("closed", 0555));
	FAILS(rmdir("closed/x"), EACCES);
	OK(chmod("closed", 0755));
}
