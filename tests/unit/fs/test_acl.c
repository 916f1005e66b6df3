/* fs/acl, fs/eval/acl: lists and modes agree, and directories hand their defaults on. */
#include "tests/lib/test.h"

#include <errno.h>

#include "fs/schema/acl.h"
#include "fs/schema/xattrs.h"
#include "tests/lib/fs_harness.h"

#define NONE UINT32_MAX

/* user::rwx user:1000:rw- group::r-x mask::rwx other::r-- */
static const struct acl with_user = {
	5, {{ACL_TAG_USER_OBJ, 7, NONE}, {ACL_TAG_USER, 6, 1000}, {ACL_TAG_GROUP_OBJ, 5, NONE},
		   {ACL_TAG_MASK, 7, NONE}, {ACL_TAG_OTHER, 4, NONE}}};

static const struct acl plain = {
	3, {{ACL_TAG_USER_OBJ, 6, NONE}, {ACL_TAG_GROUP_OBJ, 4, NONE}, {ACL_TAG_OTHER, 0, NONE}}};

static uint64_t make(struct fs_harness *fs, uint64_t parent, const char *name, uint32_t mode, uint32_t umask)
{
	struct op op = {.kind = OP_MAKE,
		.make = {.parent = parent,
			.name = text(name),
			.mode = mode,
			.umask = umask,
			.exclusive = true}};

	assert_int_equal(fs_harness_run(fs, &op, NULL), 0);
	return fs->reply.attributes.ino;
}

static int set(struct fs_harness *fs, uint64_t ino, const char *name, const struct acl *acl)
{
	uint8_t bytes[ACL_SIZE_MAX];
	struct slice value = acl_encode(acl, bytes);

	return fs_setxattr(fs, ino, name, value.data, value.size, 0);
}

static int get(struct fs_harness *fs, uint64_t ino, const char *name, struct acl *acl)
{
	uint8_t bytes[ACL_SIZE_MAX];
	size_t size;
	int status = read_xattr(fs->view, ino, text(name), bytes, sizeof bytes, &size);

	return status == 0 ? acl_decode(slice_of(bytes, size), acl) : status;
}

static void malformed_lists_are_refused(void **state)
{
	uint8_t bytes[ACL_SIZE_MAX];
	struct acl acl = with_user, decoded;

	(void)state;
	assert_int_equal(acl_decode(acl_encode(&acl, bytes), &decoded), 0);
	assert_int_equal(decoded.count, 5);
	assert_int_equal(decoded.entries[1].id, 1000);
	bytes[0] = 3;
	assert_int_equal(acl_decode(slice_of(bytes, 4 + 5 * 8), &decoded), -EOPNOTSUPP);
	bytes[0] = 2;
	assert_int_equal(acl_decode(slice_of(bytes, 3), &decoded), -EINVAL);
	assert_int_equal(acl_decode(slice_of(bytes, 11), &decoded), -EINVAL);
	assert_int_equal(acl_decode(slice_of(bytes, 4), &decoded), 0);
	assert_int_equal(decoded.count, 0);
	assert_int_equal(acl_decode(slice_of(bytes, 4 + 4 * 8), &decoded), -EINVAL); /* no "other" */
	acl.entries[3].tag = ACL_TAG_OTHER; /* twice */
	assert_int_equal(acl_decode(acl_encode(&acl, bytes), &decoded), -EINVAL);
	acl = with_user;
	acl.entries[3] = acl.entries[4]; /* named entries without a mask */
	acl.count = 4;
	assert_int_equal(acl_decode(acl_encode(&acl, bytes), &decoded), -EINVAL);
	acl = with_user;
	acl.entries[0].perm = 8;
	assert_int_equal(acl_decode(acl_encode(&acl, bytes), &decoded), -EINVAL);
	acl = with_user;
	acl.entries[0].tag = ACL_TAG_GROUP_OBJ; /* out of order */
	acl.entries[2].tag = ACL_TAG_USER_OBJ;
	assert_int_equal(acl_decode(acl_encode(&acl, bytes), &decoded), -EINVAL);
}

static void a_list_sets_the_mode(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, FS_ROOT_INO, "a", S_IFREG | 0600, 0);
	struct acl acl;

	assert_int_equal(set(fs, a, XATTR_ACL_ACCESS, &with_user), 0);
	assert_int_equal(fs->reply.attributes.mode, S_IFREG | 0774);
	assert_true(is_now(fs, fs->reply.attributes.ctime));
	assert_int_equal(get(fs, a, XATTR_ACL_ACCESS, &acl), 0);
	assert_int_equal(acl.count, 5);
	assert_int_equal(set(fs, a, XATTR_ACL_ACCESS, &plain), 0); /* says what the mode says: not kept */
	assert_int_equal(fs->reply.attributes.mode, S_IFREG | 0640);
	assert_int_equal(get(fs, a, XATTR_ACL_ACCESS, &acl), -ENODATA);
}

static void chmod_sets_the_mask(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, FS_ROOT_INO, "a", S_IFREG | 0600, 0);
	struct acl acl;

	assert_int_equal(set(fs, a, XATTR_ACL_ACCESS, &with_user), 0);
	assert_int_equal(
		fs_setattr(fs, &(struct op_setattr){.ino = a, .valid = OP_SET_MODE, .mode = 0641}), 0);
	assert_int_equal(fs->reply.attributes.mode, S_IFREG | 0641);
	assert_int_equal(get(fs, a, XATTR_ACL_ACCESS, &acl), 0);
	assert_int_equal(acl.entries[0].perm, 6);
	assert_int_equal(acl.entries[1].perm, 6);
	assert_int_equal(acl.entries[2].perm, 5);
	assert_int_equal(acl.entries[3].perm, 4);
	assert_int_equal(acl.entries[4].perm, 1);
}

static void lists_are_removed(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, FS_ROOT_INO, "a", S_IFREG | 0600, 0);
	struct acl acl, none = {0};

	assert_int_equal(set(fs, a, XATTR_ACL_ACCESS, &with_user), 0);
	assert_int_equal(fs_removexattr(fs, a, XATTR_ACL_ACCESS), 0);
	assert_int_equal(fs->reply.attributes.mode, S_IFREG | 0774);
	assert_int_equal(fs_removexattr(fs, a, XATTR_ACL_ACCESS), 0);
	assert_int_equal(set(fs, a, XATTR_ACL_ACCESS, &with_user), 0);
	assert_int_equal(set(fs, a, XATTR_ACL_ACCESS, &none), 0);
	assert_int_equal(get(fs, a, XATTR_ACL_ACCESS, &acl), -ENODATA);
	assert_int_equal(set(fs, a, XATTR_ACL_DEFAULT, &with_user), -EACCES);
	assert_int_equal(set(fs, a, XATTR_ACL_DEFAULT, &none), 0);
}

static void setting_a_list_may_clear_setgid(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, FS_ROOT_INO, "a", S_IFREG | 02770, 0);
	uint8_t bytes[ACL_SIZE_MAX];
	struct slice value = acl_encode(&with_user, bytes);

	assert_int_equal(set(fs, a, XATTR_ACL_ACCESS, &with_user), 0);
	assert_int_equal(fs->reply.attributes.mode, S_IFREG | 02774);
	assert_int_equal(fs_setxattr(fs, a, XATTR_ACL_ACCESS, value.data, value.size, OP_XATTR_KILL_SGID), 0);
	assert_int_equal(fs->reply.attributes.mode, S_IFREG | 0774);
}

/* The umask counts only where there is no default. */
static void children_inherit_the_default(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t d = make(fs, FS_ROOT_INO, "d", S_IFDIR | 0777, 022), a, e;
	struct acl acl;

	assert_int_equal(fs_attributes(fs, d).mode, S_IFDIR | 0755);
	assert_int_equal(set(fs, d, XATTR_ACL_DEFAULT, &with_user), 0);
	assert_int_equal(fs->reply.attributes.mode, S_IFDIR | 0755);
	a = make(fs, d, "a", S_IFREG | 0666, 077);
	assert_int_equal(fs_attributes(fs, a).mode, S_IFREG | 0664);
	assert_int_equal(get(fs, a, XATTR_ACL_ACCESS, &acl), 0);
	assert_int_equal(acl.entries[1].perm, 6);
	assert_int_equal(acl.entries[3].perm, 6);
	assert_int_equal(get(fs, a, XATTR_ACL_DEFAULT, &acl), -ENODATA);
	e = make(fs, d, "e", S_IFDIR | 0777, 077);
	assert_int_equal(fs_attributes(fs, e).mode, S_IFDIR | 0774);
	assert_int_equal(get(fs, e, XATTR_ACL_DEFAULT, &acl), 0);
	assert_int_equal(acl.count, 5);
	assert_true(is_ino(fs_symlink(fs, d, "link", "x")));
	assert_int_equal(fs->reply.attributes.mode, S_IFLNK | 0777);
	assert_int_equal(set(fs, d, XATTR_ACL_DEFAULT, &plain), 0);
	a = make(fs, d, "b", S_IFREG | 0666, 0);
	assert_int_equal(fs_attributes(fs, a).mode, S_IFREG | 0640);
	assert_int_equal(get(fs, a, XATTR_ACL_ACCESS, &acl), -ENODATA);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fs_harness_setup, fs_harness_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed_lists_are_refused),
		TEST(a_list_sets_the_mode),
		TEST(chmod_sets_the_mask),
		TEST(lists_are_removed),
		TEST(setting_a_list_may_clear_setgid),
		TEST(children_inherit_the_default),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
