/* Extended attributes: namespaces, flags, limits. */
#include "tests/posix/posix.h"

#include <sys/xattr.h>

static void value_is(const char *path, const char *name, const char *expected)
{
	char value[256];

	EQ(lgetxattr(path, name, value, sizeof(value)), strlen(expected));
	IS(memcmp(value, expected, strlen(expected)) == 0);
}

static int set(const char *path, const char *name, const char *value, int flags)
{
	return lsetxattr(path, name, value, strlen(value), flags);
}

/* The names of a list that getxattr's callers see; security.* that the system may add is left out. */
static int count_names(const char *path)
{
	char names[8192];
	int count = 0;

	ssize_t size = OK(llistxattr(path, names, sizeof(names)));
	for (ssize_t at = 0; at < size; at += (ssize_t)strlen(names + at) + 1)
		count += strncmp(names + at, "security.", 9) != 0;
	return count;
}

TEST(xattr_sets_and_gets)
{
	put("f", "");
	OK(set("f", "user.colour", "blue", 0));
	value_is("f", "user.colour", "blue");
	OK(set("f", "user.colour", "red", 0));
	value_is("f", "user.colour", "red");
}

TEST(xattr_of_directory)
{
	OK(mkdir("d", 0755));
	OK(set("d", "user.a", "1", 0));
	value_is("d", "user.a", "1");
}

TEST(xattr_by_descriptor)
{
	char value[8];
	int fd = OK(open("f", O_CREAT | O_RDWR, 0644));

	OK(fsetxattr(fd, "user.a", "1", 1, 0));
	EQ(fgetxattr(fd, "user.a", value, sizeof(value)), 1);
	OK(unlink("f"));
	OK(fsetxattr(fd, "user.b", "2", 1, 0));
	EQ(fgetxattr(fd, "user.b", value, sizeof(value)), 1);
	OK(fremovexattr(fd, "user.a"));
	FAILS(fgetxattr(fd, "user.a", value, sizeof(value)), ENODATA);
}

TEST(xattr_binary_value)
{
	char value[8];

	put("f", "");
	OK(setxattr("f", "user.a", "\0\1\0\xff", 4, 0));
	EQ(getxattr("f", "user.a", value, sizeof(value)), 4);
	IS(memcmp(value, "\0\1\0\xff", 4) == 0);
}

TEST(xattr_empty_value)
{
	char value[8];

	put("f", "");
	OK(setxattr("f", "user.a", "", 0, 0));
	EQ(getxattr("f", "user.a", value, sizeof(value)), 0);
	EQ(getxattr("f", "user.a", NULL, 0), 0);
	EQ(count_names("f"), 1);
}

TEST(xattr_create)
{
	put("f", "");
	OK(set("f", "user.a", "1", XATTR_CREATE));
	FAILS(set("f", "user.a", "2", XATTR_CREATE), EEXIST);
	value_is("f", "user.a", "1");
}

TEST(xattr_replace)
{
	put("f", "");
	FAILS(set("f", "user.a", "1", XATTR_REPLACE), ENODATA);
	OK(set("f", "user.a", "1", 0));
	OK(set("f", "user.a", "2", XATTR_REPLACE));
	value_is("f", "user.a", "2");
}

TEST(xattr_bad_flags)
{
	put("f", "");
	FAILS(set("f", "user.a", "1", 4), EINVAL);
}

TEST(xattr_missing)
{
	char value[8];

	put("f", "");
	FAILS(getxattr("f", "user.a", value, sizeof(value)), ENODATA);
	FAILS(removexattr("f", "user.a"), ENODATA);
}

TEST(xattr_removes)
{
	put("f", "");
	OK(set("f", "user.a", "1", 0));
	OK(set("f", "user.b", "2", 0));
	OK(removexattr("f", "user.a"));
	value_is("f", "user.b", "2");
	EQ(count_names("f"), 1);
}

TEST(xattr_buffer_too_small)
{
	char value[4];

	put("f", "");
	OK(set("f", "user.a", "12345", 0));
	FAILS(getxattr("f", "user.a", value, sizeof(value)), ERANGE);
	EQ(getxattr("f", "user.a", NULL, 0), 5);
	FAILS(listxattr("f", value, sizeof(value)), ERANGE);
	IS(listxattr("f", NULL, 0) >= 7);
}

TEST(xattr_name_too_long)
{
	char name[300] = "user.";

	put("f", "");
	memset(name + 5, 'n', 250);
	OK(set("f", name, "1", 0));
	value_is("f", name, "1");
	name[255] = 'n';
	FAILS(set("f", name, "1", 0), ERANGE);
}

TEST(xattr_name_empty)
{
	put("f", "");
	FAILS(set("f", "", "1", 0), ERANGE);
	FAILS(set("f", "user.", "1", 0), EINVAL);
}

TEST(xattr_value_too_big)
{
	static char value[65537];

	put("f", "");
	FAILS(setxattr("f", "user.a", value, sizeof(value), 0), E2BIG);
}

TEST(xattr_value_of_64_kib)
{
	/* XATTR_SIZE_MAX; ext4 has one block of 4 KiB for all of them (or less, ENOSPC). */
	static char value[65536], got[65536];

	if (!is_fuse())
		not_applicable("ext4 keeps a block of extended attributes");
	put("f", "");
	memset(value, 'v', sizeof(value));
	OK(setxattr("f", "user.a", value, sizeof(value), 0));
	EQ(getxattr("f", "user.a", got, sizeof(got)), sizeof(got));
	IS(memcmp(value, got, sizeof(got)) == 0);
}

TEST(xattr_value_of_3000)
{
	static char value[3000], got[3000];

	put("f", "");
	memset(value, 'v', sizeof(value));
	OK(setxattr("f", "user.a", value, sizeof(value), 0));
	EQ(getxattr("f", "user.a", got, sizeof(got)), sizeof(got));
	IS(memcmp(value, got, sizeof(got)) == 0);
}

TEST(xattr_many)
{
	char name[32];

	put("f", "");
	for (int i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "user.name%d", i);
		OK(set("f", name, name, 0));
	}
	EQ(count_names("f"), 60);
	for (int i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "user.name%d", i);
		value_is("f", name, name);
		OK(removexattr("f", name));
	}
	EQ(count_names("f"), 0);
}

TEST(xattr_unknown_namespace)
{
	put("f", "");
	FAILS(set("f", "colour", "1", 0), EOPNOTSUPP);
	FAILS(set("f", "strange.colour", "1", 0), EOPNOTSUPP);
	FAILS(set("f", "system.colour", "1", 0), EOPNOTSUPP);
}

TEST(xattr_user_of_symlink)
{
	char value[8];

	OK(symlink("target", "l"));
	FAILS(set("l", "user.a", "1", 0), EPERM);
	IS(lgetxattr("l", "user.a", value, sizeof(value)) == -1 && errno == ENODATA);
}

TEST(xattr_user_of_fifo)
{
	OK(mkfifo("p", 0644));
	FAILS(set("p", "user.a", "1", 0), EPERM);
}

ROOT_TEST(xattr_trusted)
{
	put("f", "");
	OK(set("f", "trusted.a", "1", 0));
	value_is("f", "trusted.a", "1");
	OK(symlink("f", "l"));
	OK(set("l", "trusted.a", "2", 0));
	value_is("l", "trusted.a", "2");
	value_is("f", "trusted.a", "1");
}

USER_TEST(xattr_trusted_of_user)
{
	char value[8];

	put("f", "");
	FAILS(set("f", "trusted.a", "1", 0), EPERM);
	FAILS(getxattr("f", "trusted.a", value, sizeof(value)), ENODATA);
}

static void trusted_is_not_listed(void)
{
	EQ(count_names("f"), 1);
}

ROOT_TEST(xattr_trusted_hidden_from_user)
{
	put("f", "");
	OK(set("f", "trusted.a", "1", 0));
	OK(set("f", "user.a", "1", 0));
	EQ(count_names("f"), 2);
	run_as(USER, GROUP, trusted_is_not_listed);
}

ROOT_TEST(xattr_security)
{
	put("f", "");
	OK(set("f", "security.test", "label", 0));
	value_is("f", "security.test", "label");
}

USER_TEST(xattr_security_of_user)
{
	put("f", "");
	FAILS(set("f", "security.test", "label", 0), EPERM);
}

static void set_capability(void)
{
	/* cap_net_raw, permitted and effective: vfs_cap_data, revision 2 */
	static const unsigned char capability[20] = {1, 0, 0, 2, 0, 0x20};

	OK(setxattr("f", "security.capability", capability, sizeof(capability), 0));
}

ROOT_TEST(xattr_capability_dropped_by_write)
{
	char value[32];

	put("f", "");
	set_capability();
	EQ(getxattr("f", "security.capability", value, sizeof(value)), 20);
	EQ(write(OK(open("f", O_WRONLY)), "x", 1), 1);
	FAILS(getxattr("f", "security.capability", value, sizeof(value)), ENODATA);
}

ROOT_TEST(xattr_capability_dropped_by_truncate)
{
	char value[32];

	put("f", "text");
	set_capability();
	OK(truncate("f", 1));
	FAILS(getxattr("f", "security.capability", value, sizeof(value)), ENODATA);
}

ROOT_TEST(xattr_capability_dropped_by_chown)
{
	char value[32];

	put("f", "text");
	set_capability();
	OK(chown("f", USER, GROUP));
	FAILS(getxattr("f", "security.capability", value, sizeof(value)), ENODATA);
}

USER_TEST(xattr_without_permission)
{
	char value[8];

	put("f", "");
	OK(set("f", "user.a", "1", 0));
	OK(chmod("f", 0444));
	FAILS(set("f", "user.a", "2", 0), EACCES);
	FAILS(removexattr("f", "user.a"), EACCES);
	OK(chmod("f", 0200));
	FAILS(getxattr("f", "user.a", value, sizeof(value)), EACCES);
	OK(set("f", "user.a", "2", 0));
}

TEST(xattr_updates_ctime)
{
	struct stat before, after;

	put("f", "");
	before = status_of("f");
	tick();
	OK(set("f", "user.a", "1", 0));
	after = status_of("f");
	IS(nanoseconds(after.st_ctim) > nanoseconds(before.st_ctim));
	EQ(nanoseconds(after.st_mtim), nanoseconds(before.st_mtim));
	tick();
	OK(removexattr("f", "user.a"));
	IS(nanoseconds(status_of("f").st_ctim) > nanoseconds(after.st_ctim));
}

TEST(xattr_follows_rename_and_link)
{
	put("f", "");
	OK(set("f", "user.a", "1", 0));
	OK(rename("f", "g"));
	OK(link("g", "h"));
	value_is("h", "user.a", "1");
}

USER_TEST(xattr_user_of_sticky_directory)
{
	/* Only the owner may set user attributes there; the owner may. */
	OK(mkdir("d", 0755));
	OK(chmod("d", 01777));
	OK(set("d", "user.a", "1", 0));
}

static void set_on_sticky(void)
{
	FAILS(set("d", "user.a", "1", 0), EPERM);
}

ROOT_TEST(xattr_user_of_sticky_directory_of_another)
{
	OK(mkdir("d", 0755));
	OK(chmod("d", 01777));
	run_as(USER, GROUP, set_on_sticky);
}
