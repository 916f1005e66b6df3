/* POSIX access control lists as the extended attributes system.posix_acl_access and _default (acl(5)). */
#include "tests/posix/posix.h"

#include <endian.h>
#include <grp.h>
#include <sys/xattr.h>

#define ACCESS	"system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

enum { OWNER = 1, NAMED_USER = 2, OWNING_GROUP = 4, NAMED_GROUP = 8, MASK = 16, OTHERS = 32 };

struct entry {
	uint16_t tag, permissions;
	uint32_t id;
};

struct list {
	uint32_t version;
	struct entry entries[16];
};

#define NO_ID UINT32_MAX

static int set_list(const char *path, const char *which, const struct entry *entries, size_t count)
{
	struct list list = {.version = htole32(2)};

	for (size_t i = 0; i < count; i++)
		list.entries[i] = (struct entry){
			htole16(entries[i].tag), htole16(entries[i].permissions), htole32(entries[i].id)};
	return setxattr(path, which, &list, 4 + count * sizeof(struct entry), 0);
}

#define SET(path, which, ...)                                                                                \
	set_list(path, which, (struct entry[]){__VA_ARGS__},                                                 \
		sizeof((struct entry[]){__VA_ARGS__}) / sizeof(struct entry))

/* The permissions of the entry with this tag and identity; -1 without such an entry or list. */
static int permissions_of(const char *path, const char *which, int tag, uint32_t id)
{
	struct list list;
	ssize_t size = getxattr(path, which, &list, sizeof(list));

	for (ssize_t i = 0; 4 + i * (ssize_t)sizeof(struct entry) < size; i++)
		if (le16toh(list.entries[i].tag) == tag && le32toh(list.entries[i].id) == id)
			return le16toh(list.entries[i].permissions);
	return -1;
}

static bool has_list(const char *path, const char *which)
{
	return getxattr(path, which, NULL, 0) >= 0;
}

TEST(acl_sets_mode)
{
	put("f", "");
	OK(SET("f", ACCESS, {OWNER, 7, NO_ID}, {NAMED_USER, 4, OTHER_USER}, {OWNING_GROUP, 1, NO_ID},
		{MASK, 6, NO_ID}, {OTHERS, 2, NO_ID}));
	EQ(mode_of("f"), 0762); /* the group's bits show the mask */
}

TEST(acl_minimal_is_the_mode)
{
	put("f", "");
	OK(SET("f", ACCESS, {OWNER, 6, NO_ID}, {OWNING_GROUP, 4, NO_ID}, {OTHERS, 0, NO_ID}));
	EQ(mode_of("f"), 0640);
	IS(!has_list("f", ACCESS) && errno == ENODATA);
}

TEST(acl_chmod_changes_mask)
{
	put("f", "");
	OK(SET("f", ACCESS, {OWNER, 6, NO_ID}, {NAMED_USER, 6, OTHER_USER}, {OWNING_GROUP, 4, NO_ID},
		{MASK, 6, NO_ID}, {OTHERS, 0, NO_ID}));
	OK(chmod("f", 0745));
	EQ(permissions_of("f", ACCESS, OWNER, NO_ID), 7);
	EQ(permissions_of("f", ACCESS, MASK, NO_ID), 4);
	EQ(permissions_of("f", ACCESS, OWNING_GROUP, NO_ID), 4);
	EQ(permissions_of("f", ACCESS, OTHERS, NO_ID), 5);
	EQ(permissions_of("f", ACCESS, NAMED_USER, OTHER_USER), 6);
}

TEST(acl_removes)
{
	put("f", "");
	OK(SET("f", ACCESS, {OWNER, 6, NO_ID}, {NAMED_USER, 6, OTHER_USER}, {OWNING_GROUP, 4, NO_ID},
		{MASK, 6, NO_ID}, {OTHERS, 0, NO_ID}));
	OK(removexattr("f", ACCESS));
	IS(!has_list("f", ACCESS));
	EQ(mode_of("f"), 0660);
}

TEST(acl_invalid)
{
	put("f", "");
	FAILS(SET("f", ACCESS, {OWNER, 6, NO_ID}, {OTHERS, 0, NO_ID}), EINVAL);
	FAILS(SET("f", ACCESS, {OWNER, 6, NO_ID}, {NAMED_USER, 6, USER}, {OWNING_GROUP, 4, NO_ID},
		      {OTHERS, 0, NO_ID}),
		EINVAL);
	FAILS(SET("f", ACCESS, {OWNER, 9, NO_ID}, {OWNING_GROUP, 4, NO_ID}, {OTHERS, 0, NO_ID}), EINVAL);
	FAILS(setxattr("f", ACCESS, "xy", 2, 0), EINVAL);
	IS(setxattr("f", ACCESS, "\1\0\0\0", 4, 0) == -1 && errno == EOPNOTSUPP);
}

TEST(acl_default_of_file)
{
	put("f", "");
	FAILS(SET("f", DEFAULT, {OWNER, 6, NO_ID}, {OWNING_GROUP, 4, NO_ID}, {OTHERS, 0, NO_ID}), EACCES);
}

static void change_foreign_list(void)
{
	FAILS(SET("f", ACCESS, {OWNER, 6, NO_ID}, {OWNING_GROUP, 4, NO_ID}, {OTHERS, 0, NO_ID}), EPERM);
}

ROOT_TEST(acl_of_another)
{
	make_file("f", 0666);
	run_as(USER, GROUP, change_foreign_list);
}

static void read_only(void)
{
	OK(open("f", O_RDONLY));
	FAILS(open("f", O_WRONLY), EACCES);
}

static void read_and_write(void)
{
	OK(open("f", O_RDWR));
}

static void nothing(void)
{
	FAILS(open("f", O_RDONLY), EACCES);
	FAILS(open("f", O_WRONLY), EACCES);
}

ROOT_TEST(acl_named_user)
{
	put("f", "");
	OK(SET("f", ACCESS, {OWNER, 6, NO_ID}, {NAMED_USER, 4, USER}, {OWNING_GROUP, 0, NO_ID},
		{MASK, 7, NO_ID}, {OTHERS, 0, NO_ID}));
	run_as(USER, GROUP, read_only);
	run_as(OTHER_USER, OTHER_GROUP, nothing);
}

ROOT_TEST(acl_named_user_masked)
{
	put("f", "");
	OK(SET("f", ACCESS, {OWNER, 6, NO_ID}, {NAMED_USER, 6, USER}, {OWNING_GROUP, 0, NO_ID},
		{MASK, 4, NO_ID}, {OTHERS, 6, NO_ID}));
	run_as(USER, GROUP, read_only);
	run_as(OTHER_USER, OTHER_GROUP, read_and_write);
}

ROOT_TEST(acl_named_user_denied_before_others)
{
	put("f", "");
	OK(SET("f", ACCESS, {OWNER, 6, NO_ID}, {NAMED_USER, 0, USER}, {OWNING_GROUP, 0, NO_ID},
		{MASK, 7, NO_ID}, {OTHERS, 6, NO_ID}));
	run_as(USER, GROUP, nothing);
}

ROOT_TEST(acl_named_group)
{
	put("f", "");
	OK(SET("f", ACCESS, {OWNER, 6, NO_ID}, {OWNING_GROUP, 0, NO_ID}, {NAMED_GROUP, 4, GROUP},
		{MASK, 7, NO_ID}, {OTHERS, 7, NO_ID}));
	run_as(USER, GROUP, read_only);
	run_as(USER, OTHER_GROUP, read_and_write);
}

ROOT_TEST(acl_owning_group_masked)
{
	put("f", "");
	OK(chown("f", 0, GROUP));
	OK(SET("f", ACCESS, {OWNER, 6, NO_ID}, {NAMED_USER, 0, OTHER_USER}, {OWNING_GROUP, 6, NO_ID},
		{MASK, 4, NO_ID}, {OTHERS, 0, NO_ID}));
	run_as(USER, GROUP, read_only);
}

TEST(acl_default_inherited_by_file)
{
	OK(mkdir("d", 0755));
	OK(SET("d", DEFAULT, {OWNER, 7, NO_ID}, {NAMED_USER, 6, OTHER_USER}, {OWNING_GROUP, 5, NO_ID},
		{MASK, 7, NO_ID}, {OTHERS, 0, NO_ID}));
	umask(077); /* has no say where there is a default list */
	OK(close(OK(open("d/f", O_CREAT | O_WRONLY, 0666))));
	EQ(mode_of("d/f"), 0660);
	EQ(permissions_of("d/f", ACCESS, NAMED_USER, OTHER_USER), 6);
	EQ(permissions_of("d/f", ACCESS, OWNING_GROUP, NO_ID), 5);
	EQ(permissions_of("d/f", ACCESS, MASK, NO_ID), 6);
	IS(!has_list("d/f", DEFAULT));
	OK(mknod("d/n", S_IFREG | 0640, 0));
	EQ(mode_of("d/n"), 0640);
	EQ(permissions_of("d/n", ACCESS, MASK, NO_ID), 4);
	OK(mkfifo("d/p", 0666));
	EQ(mode_of("d/p"), 0660);
}

TEST(acl_default_inherited_by_directory)
{
	OK(mkdir("d", 0755));
	OK(SET("d", DEFAULT, {OWNER, 7, NO_ID}, {NAMED_USER, 6, OTHER_USER}, {OWNING_GROUP, 5, NO_ID},
		{MASK, 7, NO_ID}, {OTHERS, 0, NO_ID}));
	OK(mkdir("d/e", 0777));
	EQ(mode_of("d/e"), 0770);
	EQ(permissions_of("d/e", ACCESS, NAMED_USER, OTHER_USER), 6);
	EQ(permissions_of("d/e", DEFAULT, NAMED_USER, OTHER_USER), 6);
	EQ(permissions_of("d/e", DEFAULT, MASK, NO_ID), 7);
	OK(mkdir("d/e/f", 0777));
	IS(has_list("d/e/f", DEFAULT));
}

TEST(acl_default_minimal)
{
	OK(mkdir("d", 0755));
	OK(SET("d", DEFAULT, {OWNER, 6, NO_ID}, {OWNING_GROUP, 4, NO_ID}, {OTHERS, 4, NO_ID}));
	umask(0);
	OK(close(OK(open("d/f", O_CREAT | O_WRONLY, 0777))));
	EQ(mode_of("d/f"), 0644);
	IS(!has_list("d/f", ACCESS));
}

TEST(acl_default_not_for_symlinks)
{
	OK(mkdir("d", 0755));
	OK(SET("d", DEFAULT, {OWNER, 6, NO_ID}, {OWNING_GROUP, 4, NO_ID}, {OTHERS, 4, NO_ID}));
	OK(symlink("x", "d/l"));
	EQ(status_of("d/l").st_mode & 0777, 0777);
}

TEST(acl_default_does_not_decide_access)
{
	OK(mkdir("d", 0755));
	OK(SET("d", DEFAULT, {OWNER, 0, NO_ID}, {OWNING_GROUP, 0, NO_ID}, {OTHERS, 0, NO_ID}));
	EQ(mode_of("d"), 0755);
	OK(mkdir("d/e", 0777));
	EQ(mode_of("d/e"), 0);
}

TEST(acl_default_removed)
{
	OK(mkdir("d", 0755));
	OK(SET("d", DEFAULT, {OWNER, 7, NO_ID}, {OWNING_GROUP, 5, NO_ID}, {OTHERS, 0, NO_ID}));
	OK(removexattr("d", DEFAULT));
	IS(!has_list("d", DEFAULT));
	umask(022);
	OK(close(OK(open("d/f", O_CREAT | O_WRONLY, 0666))));
	EQ(mode_of("d/f"), 0644);
}

TEST(acl_default_inherited_by_tmpfile)
{
	struct stat status;
	int fd;

	OK(mkdir("d", 0755));
	OK(SET("d", DEFAULT, {OWNER, 7, NO_ID}, {OWNING_GROUP, 5, NO_ID}, {OTHERS, 0, NO_ID}));
	umask(077);
	fd = OK(open("d", O_TMPFILE | O_RDWR, 0666));
	OK(fstat(fd, &status));
	EQ(status.st_mode & 07777, 0640);
}

ROOT_TEST(acl_setgid_kept_by_root)
{
	put("f", "");
	OK(chmod("f", 02755));
	OK(SET("f", ACCESS, {OWNER, 7, NO_ID}, {OWNING_GROUP, 7, NO_ID}, {OTHERS, 0, NO_ID}));
	EQ(mode_of("f"), 02770);
}

static void set_own_list(void)
{
	OK(SET("f", ACCESS, {OWNER, 7, NO_ID}, {OWNING_GROUP, 7, NO_ID}, {OTHERS, 0, NO_ID}));
	EQ(mode_of("f"), 0770);
}

ROOT_TEST(acl_setgid_cleared_outside_group)
{
	put("f", "");
	OK(chown("f", USER, OTHER_GROUP));
	OK(chmod("f", 02755));
	run_as(USER, GROUP, set_own_list);
}

TEST(acl_updates_ctime)
{
	struct stat before;

	put("f", "");
	before = status_of("f");
	tick();
	OK(SET("f", ACCESS, {OWNER, 6, NO_ID}, {OWNING_GROUP, 4, NO_ID}, {OTHERS, 0, NO_ID}));
	IS(nanoseconds(status_of("f").st_ctim) > nanoseconds(before.st_ctim));
}

TEST(acl_listed)
{
	char names[256];
	ssize_t size;

	put("f", "");
	OK(SET("f", ACCESS, {OWNER, 6, NO_ID}, {NAMED_USER, 6, OTHER_USER}, {OWNING_GROUP, 4, NO_ID},
		{MASK, 6, NO_ID}, {OTHERS, 0, NO_ID}));
	size = OK(listxattr("f", names, sizeof(names)));
	IS(memmem(names, (size_t)size, ACCESS, sizeof(ACCESS)) != NULL);
}

TEST(acl_many_entries)
{
	struct entry entries[16] = {{OWNER, 6, NO_ID}};

	put("f", "");
	for (uint32_t i = 1; i <= 12; i++)
		entries[i] = (struct entry){NAMED_USER, 4, 20000 + i};
	entries[13] = (struct entry){OWNING_GROUP, 4, NO_ID};
	entries[14] = (struct entry){MASK, 4, NO_ID};
	entries[15] = (struct entry){OTHERS, 0, NO_ID};
	OK(set_list("f", ACCESS, entries, 16));
	EQ(permissions_of("f", ACCESS, NAMED_USER, 20012), 4);
}
