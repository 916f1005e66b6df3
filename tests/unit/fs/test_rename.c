/* fs/eval/rename: what a rename replaces, refuses and counts. */
#include "tests/lib/test.h"

#include <errno.h>
#include <linux/fs.h>

#include "tests/lib/fs_harness.h"

static uint64_t make(struct fs_harness *fs, uint64_t parent, const char *name, uint32_t mode)
{
	int64_t ino = fs_make(fs, parent, name, mode);

	assert_true(is_ino(ino));
	return (uint64_t)ino;
}

static void a_file_changes_its_name(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, FS_ROOT_INO, "a", S_IFREG | 0644);
	uint64_t before = fs_attributes(fs, FS_ROOT_INO).data_version;

	assert_int_equal(fs_rename(fs, FS_ROOT_INO, "a", FS_ROOT_INO, "b", 0), 0);
	assert_int_equal(fs->reply.attributes.ino, a);
	assert_true(is_now(fs, fs->reply.attributes.ctime));
	assert_false(is_now(fs, fs->reply.attributes.mtime));
	assert_int_equal(fs->reply.victim.ino, 0);
	assert_int_equal(fs_lookup(fs, FS_ROOT_INO, "a"), -ENOENT);
	assert_int_equal(fs_lookup(fs, FS_ROOT_INO, "b"), a);
	assert_true(fs_attributes(fs, FS_ROOT_INO).data_version > before);
	assert_int_equal(fs_rename(fs, FS_ROOT_INO, "a", FS_ROOT_INO, "c", 0), -ENOENT);
}

static void a_file_replaces_another(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t d = make(fs, FS_ROOT_INO, "d", S_IFDIR | 0755);
	uint64_t a = make(fs, FS_ROOT_INO, "a", S_IFREG | 0644);
	uint64_t b = make(fs, d, "b", S_IFREG | 0644);

	assert_int_equal(fs_rename(fs, FS_ROOT_INO, "a", d, "b", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(fs_rename(fs, FS_ROOT_INO, "a", d, "b", 0), 0);
	assert_int_equal(fs->reply.victim.ino, b);
	assert_true(fs->reply.victim.is_gone);
	assert_int_equal(fs_lookup(fs, d, "b"), a);
	assert_true(is_now(fs, fs_attributes(fs, d).mtime));
	assert_true(is_now(fs, fs_attributes(fs, FS_ROOT_INO).mtime));
}

static void two_names_of_one_file_stay(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, FS_ROOT_INO, "a", S_IFREG | 0644);

	assert_int_equal(fs_link(fs, a, FS_ROOT_INO, "b"), 0);
	assert_int_equal(fs_rename(fs, FS_ROOT_INO, "a", FS_ROOT_INO, "b", 0), 0);
	assert_int_equal(fs->mutation_count, 0);
	assert_int_equal(fs_lookup(fs, FS_ROOT_INO, "a"), a);
	assert_int_equal(fs_attributes(fs, a).nlink, 2);
	assert_int_equal(fs_rename(fs, FS_ROOT_INO, "a", FS_ROOT_INO, "b", RENAME_NOREPLACE), -EEXIST);
}

static void types_must_agree(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t d = make(fs, FS_ROOT_INO, "d", S_IFDIR | 0755);

	make(fs, FS_ROOT_INO, "a", S_IFREG | 0644);
	make(fs, FS_ROOT_INO, "e", S_IFDIR | 0755);
	make(fs, d, "x", S_IFREG | 0644);
	assert_int_equal(fs_rename(fs, FS_ROOT_INO, "a", FS_ROOT_INO, "d", 0), -EISDIR);
	assert_int_equal(fs_rename(fs, FS_ROOT_INO, "d", FS_ROOT_INO, "a", 0), -ENOTDIR);
	assert_int_equal(fs_rename(fs, FS_ROOT_INO, "e", FS_ROOT_INO, "d", 0), -ENOTEMPTY);
	assert_int_equal(fs_rename(fs, FS_ROOT_INO, "d", FS_ROOT_INO, "e", 0), 0);
	assert_int_equal(fs_attributes(fs, FS_ROOT_INO).nlink, 3);
}

static void a_moved_directory_has_a_new_parent(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, FS_ROOT_INO, "a", S_IFDIR | 0755);
	uint64_t b = make(fs, FS_ROOT_INO, "b", S_IFDIR | 0755);
	uint64_t c = make(fs, a, "c", S_IFDIR | 0755);

	assert_int_equal(fs_rename(fs, a, "c", b, "c", 0), 0);
	assert_int_equal(fs_lookup(fs, c, ".."), b);
	assert_int_equal(fs_attributes(fs, a).nlink, 2);
	assert_int_equal(fs_attributes(fs, b).nlink, 3);
}

static void no_directory_lies_below_itself(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, FS_ROOT_INO, "a", S_IFDIR | 0755);
	uint64_t b = make(fs, a, "b", S_IFDIR | 0755);
	uint64_t c = make(fs, b, "c", S_IFDIR | 0755);

	assert_int_equal(fs_rename(fs, FS_ROOT_INO, "a", a, "x", 0), -EINVAL);
	assert_int_equal(fs_rename(fs, FS_ROOT_INO, "a", c, "x", 0), -EINVAL);
	assert_int_equal(fs_rename(fs, b, "c", FS_ROOT_INO, "a", 0), -ENOTEMPTY);
	assert_int_equal(fs_rename(fs, FS_ROOT_INO, "a", b, "c", RENAME_EXCHANGE), -EINVAL);
	assert_int_equal(fs_rename(fs, b, "c", FS_ROOT_INO, "a", RENAME_EXCHANGE), -EINVAL);
	assert_int_equal(fs_rename(fs, b, "c", FS_ROOT_INO, "c", 0), 0);
	assert_int_equal(fs_rename(fs, FS_ROOT_INO, "a", c, "a", 0), 0);
	assert_int_equal(fs_lookup(fs, a, ".."), c);
}

static void an_exchange_swaps(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t d = make(fs, FS_ROOT_INO, "d", S_IFDIR | 0755);
	uint64_t e = make(fs, d, "e", S_IFDIR | 0755);
	uint64_t a = make(fs, FS_ROOT_INO, "a", S_IFREG | 0644);

	assert_int_equal(fs_rename(fs, FS_ROOT_INO, "a", d, "none", RENAME_EXCHANGE), -ENOENT);
	assert_int_equal(fs_rename(fs, FS_ROOT_INO, "a", d, "e", RENAME_EXCHANGE), 0);
	assert_int_equal(fs->reply.attributes.ino, a);
	assert_true(fs->reply.has_other);
	assert_int_equal(fs->reply.other.ino, e);
	assert_true(is_now(fs, fs->reply.other.ctime));
	assert_int_equal(fs_lookup(fs, FS_ROOT_INO, "a"), e);
	assert_int_equal(fs_lookup(fs, d, "e"), a);
	assert_int_equal(fs_lookup(fs, e, ".."), FS_ROOT_INO);
	assert_int_equal(fs_attributes(fs, d).nlink, 2);
	assert_int_equal(fs_attributes(fs, FS_ROOT_INO).nlink, 4);
}

static void a_whiteout_takes_the_old_place(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, FS_ROOT_INO, "a", S_IFREG | 0644);
	struct attributes whiteout;

	assert_int_equal(fs_rename(fs, FS_ROOT_INO, "a", FS_ROOT_INO, "b", RENAME_WHITEOUT), 0);
	assert_int_equal(fs_lookup(fs, FS_ROOT_INO, "b"), a);
	assert_int_equal(read_lookup(fs->view, FS_ROOT_INO, text("a"), &whiteout), 0);
	assert_int_equal(whiteout.mode, S_IFCHR);
	assert_int_equal(whiteout.rdev, 0);
}

static void flags_are_checked(void **state)
{
	struct fs_harness *fs = *state;

	make(fs, FS_ROOT_INO, "a", S_IFREG | 0644);
	assert_int_equal(
		fs_rename(fs, FS_ROOT_INO, "a", FS_ROOT_INO, "b", RENAME_EXCHANGE | RENAME_NOREPLACE),
		-EINVAL);
	assert_int_equal(fs_rename(fs, FS_ROOT_INO, "a", FS_ROOT_INO, "b", RENAME_EXCHANGE | RENAME_WHITEOUT),
		-EINVAL);
	assert_int_equal(fs_rename(fs, FS_ROOT_INO, "a", FS_ROOT_INO, "b", 8), -EINVAL);
}

static void a_replaced_file_that_is_open_stays(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t b;
	struct op op = {.kind = OP_RENAME,
		.rename = {.parent = FS_ROOT_INO,
			.name = text("a"),
			.new_parent = FS_ROOT_INO,
			.new_name = text("b")}};

	make(fs, FS_ROOT_INO, "a", S_IFREG | 0644);
	b = make(fs, FS_ROOT_INO, "b", S_IFREG | 0644);
	op.rename.hold = true;
	assert_int_equal(fs_harness_run(fs, &op, NULL), 0);
	assert_false(fs->reply.victim.is_gone);
	assert_int_equal(fs_attributes(fs, b).nlink, 0);
	assert_int_equal(fs_release(fs, b), 0);
	assert_true(fs->reply.victim.is_gone);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fs_harness_setup, fs_harness_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_changes_its_name),
		TEST(a_file_replaces_another),
		TEST(two_names_of_one_file_stay),
		TEST(types_must_agree),
		TEST(a_moved_directory_has_a_new_parent),
		TEST(no_directory_lies_below_itself),
		TEST(an_exchange_swaps),
		TEST(a_whiteout_takes_the_old_place),
		TEST(flags_are_checked),
		TEST(a_replaced_file_that_is_open_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
