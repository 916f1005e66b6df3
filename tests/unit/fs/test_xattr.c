/* fs/eval/xattr: small ones in the inode's row, large ones beside it, and their limits. */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/fs_harness.h"

static uint64_t make(struct fs_harness *fs)
{
	int64_t ino = fs_make(fs, FS_ROOT_INO, "a", S_IFREG | 0644);

	assert_true(is_ino(ino));
	return (uint64_t)ino;
}

static void expect(struct fs_harness *fs, uint64_t ino, const char *name, const void *value, size_t size)
{
	uint8_t *bytes = malloc(FS_XATTR_SIZE_MAX);
	size_t found;

	assert_int_equal(read_xattr(fs->view, ino, text(name), bytes, FS_XATTR_SIZE_MAX, &found), 0);
	assert_int_equal(found, size);
	assert_memory_equal(bytes, value, size);
	free(bytes);
}

static void values_are_created_and_replaced(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs);
	char byte;
	size_t size;

	assert_int_equal(fs_setxattr(fs, a, "user.a", "1", 1, OP_XATTR_REPLACE), -ENODATA);
	assert_int_equal(fs_setxattr(fs, a, "user.a", "1", 1, OP_XATTR_CREATE), 0);
	assert_true(is_now(fs, fs->reply.attributes.ctime));
	assert_false(is_now(fs, fs->reply.attributes.mtime));
	assert_int_equal(fs_setxattr(fs, a, "user.a", "2", 1, OP_XATTR_CREATE), -EEXIST);
	expect(fs, a, "user.a", "1", 1);
	assert_int_equal(fs_setxattr(fs, a, "user.a", "22", 2, OP_XATTR_REPLACE), 0);
	expect(fs, a, "user.a", "22", 2);
	assert_int_equal(read_xattr(fs->view, a, text("user.a"), &byte, 1, &size), -ERANGE);
	assert_int_equal(read_xattr(fs->view, a, text("user.a"), NULL, 0, &size), 0);
	assert_int_equal(size, 2);
	assert_int_equal(fs_setxattr(fs, a, "user.empty", "", 0, 0), 0);
	expect(fs, a, "user.empty", "", 0);
	assert_int_equal(fs_removexattr(fs, a, "user.a"), 0);
	assert_int_equal(fs_removexattr(fs, a, "user.a"), -ENODATA);
	assert_int_equal(read_xattr(fs->view, a, text("user.a"), NULL, 0, &size), -ENODATA);
}

static void names_have_families(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs);
	size_t size;

	assert_int_equal(fs_setxattr(fs, a, "trusted.a", "1", 1, 0), 0);
	assert_int_equal(fs_setxattr(fs, a, "security.a", "1", 1, 0), 0);
	assert_int_equal(fs_setxattr(fs, a, "system.a", "1", 1, 0), -EOPNOTSUPP);
	assert_int_equal(fs_setxattr(fs, a, "user.", "1", 1, 0), -EINVAL);
	assert_int_equal(fs_setxattr(fs, a, "other", "1", 1, 0), -EOPNOTSUPP);
	assert_int_equal(fs_removexattr(fs, a, "other"), -EOPNOTSUPP);
	assert_int_equal(read_xattr(fs->view, a, text("other"), NULL, 0, &size), -EOPNOTSUPP);
}

static void large_values_have_rows(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs), rows = memory_view_count_rows(fs->memory);
	uint8_t *value = malloc(FS_XATTR_SIZE_MAX + 1);

	memset(value, 7, FS_XATTR_SIZE_MAX + 1);
	assert_int_equal(fs_setxattr(fs, a, "user.a", value, FS_XATTR_SIZE_MAX + 1, 0), -E2BIG);
	assert_int_equal(fs_setxattr(fs, a, "user.a", value, FS_XATTR_SIZE_MAX, 0), 0);
	assert_int_equal(memory_view_count_rows(fs->memory), rows + 1);
	expect(fs, a, "user.a", value, FS_XATTR_SIZE_MAX);
	assert_int_equal(fs_setxattr(fs, a, "user.a", value, FS_XATTR_SIZE_MAX, OP_XATTR_CREATE), -EEXIST);
	assert_int_equal(fs_setxattr(fs, a, "user.a", value, 10, 0), 0); /* moves into the inode's row */
	assert_int_equal(memory_view_count_rows(fs->memory), rows);
	expect(fs, a, "user.a", value, 10);
	assert_int_equal(fs_setxattr(fs, a, "user.a", value, 300, 0), 0); /* and out again */
	expect(fs, a, "user.a", value, 300);
	assert_int_equal(fs_removexattr(fs, a, "user.a"), 0);
	assert_int_equal(memory_view_count_rows(fs->memory), rows);
	free(value);
}

static void all_names_can_be_listed(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs);
	char *names = malloc(FS_XATTR_LIST_SIZE_MAX), name[256], value[200] = {1};
	size_t size, count = 0;
	int status = 0;

	memset(name, 'n', sizeof name);
	for (int i = 0; status == 0; i++) {
		memcpy(name + snprintf(name, sizeof name, "user.%05d", i), "nnn", 3);
		name[255] = '\0';
		status = fs_setxattr(fs, a, name, value, sizeof value, 0);
		count += status == 0;
	}
	assert_int_equal(status, -ENOSPC);
	assert_int_equal(count, FS_XATTR_LIST_SIZE_MAX / 256);
	assert_int_equal(read_xattrs(fs->view, a, true, names, FS_XATTR_LIST_SIZE_MAX, &size), 0);
	assert_int_equal(size, count * 256);
	assert_int_equal(read_xattrs(fs->view, a, true, names, 100, &size), -ERANGE);
	assert_int_equal(fs_unlink(fs, FS_ROOT_INO, "a", false), 0);
	assert_int_equal(memory_view_count_rows(fs->memory), 2); /* the root, and how many inodes there are */
	free(names);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fs_harness_setup, fs_harness_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(values_are_created_and_replaced),
		TEST(names_have_families),
		TEST(large_values_have_rows),
		TEST(all_names_can_be_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
