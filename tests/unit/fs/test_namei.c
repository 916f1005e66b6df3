/* fs/eval/namei: names are made and removed as on ext4. */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/status.h"
#include "tests/lib/fs_harness.h"

static void a_file_is_born_in_its_parent(void **state)
{
	struct fs_harness *fs = *state;
	int64_t ino = fs_make(fs, FS_ROOT_INO, "a", S_IFREG | 0644);
	struct attributes child, root;

	assert_int_equal(ino, fs_ino(0, FS_SEQ_FIRST));
	child = fs_attributes(fs, (uint64_t)ino);
	assert_memory_equal(&child, &fs->reply.attributes, sizeof child);
	assert_int_equal(child.mode, S_IFREG | 0644);
	assert_int_equal(child.nlink, 1);
	assert_int_equal(child.size, 0);
	assert_int_equal(child.blocks, 0);
	assert_int_not_equal(child.generation, 0);
	assert_true(is_now(fs, child.atime) && is_now(fs, child.mtime));
	assert_true(is_now(fs, child.ctime) && is_now(fs, child.btime));
	root = fs_attributes(fs, FS_ROOT_INO);
	assert_true(is_now(fs, root.mtime) && is_now(fs, root.ctime));
	assert_false(is_now(fs, root.atime));
	assert_int_equal(root.nlink, 2);
	assert_int_equal(fs_lookup(fs, FS_ROOT_INO, "a"), ino);
	assert_int_equal(fs_lookup(fs, FS_ROOT_INO, "b"), -ENOENT);
	assert_int_equal(fs_lookup(fs, (uint64_t)ino, "b"), -ENOTDIR);
}

static void a_name_exists_once(void **state)
{
	struct fs_harness *fs = *state;
	int64_t ino = fs_make(fs, FS_ROOT_INO, "a", S_IFREG | 0644);
	struct op op = {
		.kind = OP_MAKE, .make = {.parent = FS_ROOT_INO, .name = text("a"), .mode = S_IFREG | 0600}};

	assert_int_equal(fs_make(fs, FS_ROOT_INO, "a", S_IFREG | 0644), -EEXIST);
	assert_int_equal(fs_make(fs, FS_ROOT_INO, "a", S_IFDIR | 0755), -EEXIST);
	assert_int_equal(fs_harness_run(fs, &op, NULL), 0);
	assert_true(fs->reply.existed);
	assert_int_equal(fs->mutation_count, 0);
	assert_int_equal(fs->reply.attributes.ino, ino);
	assert_int_equal(fs->reply.attributes.mode, S_IFREG | 0644);
}

static void directories_count_their_children(void **state)
{
	struct fs_harness *fs = *state;
	int64_t a = fs_make(fs, FS_ROOT_INO, "a", S_IFDIR | 0755);
	int64_t b = fs_make(fs, (uint64_t)a, "b", S_IFDIR | 0755);

	assert_true(is_ino(a) && is_ino(b));
	assert_true(fs_ino_is_directory((uint64_t)a) && fs_ino_is_directory((uint64_t)b));
	assert_int_equal(fs_attributes(fs, FS_ROOT_INO).nlink, 3);
	assert_int_equal(fs_attributes(fs, (uint64_t)a).nlink, 3);
	assert_int_equal(fs_lookup(fs, (uint64_t)b, ".."), a);
	assert_int_equal(fs_lookup(fs, (uint64_t)b, "."), b);
	assert_int_equal(fs_rmdir(fs, FS_ROOT_INO, "a"), -ENOTEMPTY);
	assert_int_equal(fs_unlink(fs, (uint64_t)a, "b", false), -EISDIR);
	assert_int_equal(fs_rmdir(fs, (uint64_t)a, "b"), 0);
	assert_true(fs->reply.victim.is_gone);
	assert_int_equal(fs_attributes(fs, (uint64_t)a).nlink, 2);
	assert_int_equal(fs_make(fs, (uint64_t)b, "c", S_IFREG | 0644), -ESTALE);
	assert_int_equal(fs_rmdir(fs, FS_ROOT_INO, "a"), 0);
	assert_int_equal(fs_attributes(fs, FS_ROOT_INO).nlink, 2);
}

static void nodes_and_symlinks_keep_what_they_are(void **state)
{
	struct fs_harness *fs = *state;
	struct op op = {.kind = OP_MAKE,
		.make = {.parent = FS_ROOT_INO,
			.name = text("null"),
			.mode = S_IFCHR | 0666,
			.rdev = 0x103,
			.exclusive = true}};
	char target[FS_SYMLINK_SIZE_MAX];
	struct attributes attributes;
	int64_t link;
	size_t size;

	assert_int_equal(fs_harness_run(fs, &op, NULL), 0);
	assert_int_equal(fs->reply.attributes.rdev, 0x103);
	assert_true(is_ino(fs_make(fs, FS_ROOT_INO, "pipe", S_IFIFO | 0600)));
	assert_true(is_ino(fs_make(fs, FS_ROOT_INO, "socket", S_IFSOCK | 0600)));
	link = fs_symlink(fs, FS_ROOT_INO, "link", "a/b/c");
	assert_true(is_ino(link));
	assert_int_equal(fs->reply.attributes.size, 5);
	assert_int_equal(fs->reply.attributes.mode, S_IFLNK | 0777);
	assert_int_equal(read_link(fs->view, (uint64_t)link, target, sizeof target, &size, &attributes), 0);
	assert_int_equal(size, 5);
	assert_memory_equal(target, "a/b/c", 5);
	assert_int_equal(attributes.ino, (uint64_t)link);
	assert_int_equal(fs_make(fs, FS_ROOT_INO, "odd", 0170000 | 0600), -EINVAL);
}

static void names_are_checked(void **state)
{
	struct fs_harness *fs = *state;
	char name[300];

	memset(name, 'n', sizeof name);
	name[256] = '\0';
	assert_int_equal(fs_make(fs, FS_ROOT_INO, name, S_IFREG), -ENAMETOOLONG);
	name[255] = '\0';
	assert_true(is_ino(fs_make(fs, FS_ROOT_INO, name, S_IFREG)));
	assert_true(is_ino(fs_lookup(fs, FS_ROOT_INO, name)));
	assert_int_equal(fs_make(fs, FS_ROOT_INO, "", S_IFREG), -EINVAL);
	assert_int_equal(fs_make(fs, FS_ROOT_INO, ".", S_IFREG), -EINVAL);
	assert_int_equal(fs_make(fs, FS_ROOT_INO, "..", S_IFREG), -EINVAL);
	assert_int_equal(fs_make(fs, FS_ROOT_INO, "a/b", S_IFREG), -EINVAL);
	assert_true(is_ino(fs_make(fs, FS_ROOT_INO, "...", S_IFREG)));
}

static void links_share_an_inode(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = (uint64_t)fs_make(fs, FS_ROOT_INO, "a", S_IFREG | 0644);
	uint64_t d = (uint64_t)fs_make(fs, FS_ROOT_INO, "d", S_IFDIR | 0755);

	assert_int_equal(fs_link(fs, a, d, "b"), 0);
	assert_int_equal(fs->reply.attributes.nlink, 2);
	assert_true(is_now(fs, fs->reply.attributes.ctime));
	assert_int_equal(fs_link(fs, a, d, "b"), -EEXIST);
	assert_int_equal(fs_link(fs, d, d, "e"), -EPERM);
	assert_int_equal(fs_link(fs, a + 100, d, "e"), -ESTALE);
	assert_int_equal(fs_lookup(fs, d, "b"), a);
	assert_int_equal(fs_unlink(fs, FS_ROOT_INO, "a", false), 0);
	assert_int_equal(fs->reply.victim.nlink, 1);
	assert_false(fs->reply.victim.is_gone);
	assert_true(is_now(fs, fs_attributes(fs, a).ctime));
	assert_int_equal(fs_unlink(fs, d, "b", false), 0);
	assert_true(fs->reply.victim.is_gone);
	assert_int_equal(fs_unlink(fs, d, "b", false), -ENOENT);
	assert_int_equal(fs_link(fs, a, d, "b"), -ESTALE);
}

static void link_counts_have_a_limit(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = (uint64_t)fs_make(fs, FS_ROOT_INO, "a", S_IFREG | 0644);
	char name[16];

	for (uint32_t i = 1; i < FS_LINK_COUNT_MAX; i++) {
		snprintf(name, sizeof name, "l%u", i);
		assert_int_equal(fs_link(fs, a, FS_ROOT_INO, name), 0);
	}
	assert_int_equal(fs_link(fs, a, FS_ROOT_INO, "more"), -EMLINK);
	assert_int_equal(fs_attributes(fs, a).nlink, FS_LINK_COUNT_MAX);
}

static void setgid_directories_give_their_group(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t d = (uint64_t)fs_make(fs, FS_ROOT_INO, "d", S_IFDIR | 0755);
	struct op op = {.kind = OP_MAKE,
		.make = {.caller = {.uid = 5, .gid = 6},
			.parent = d,
			.name = text("a"),
			.mode = S_IFREG | 0666,
			.umask = 027}};

	assert_int_equal(fs_harness_run(fs, &op, NULL), 0);
	assert_int_equal(fs->reply.attributes.uid, 5);
	assert_int_equal(fs->reply.attributes.gid, 6);
	assert_int_equal(fs->reply.attributes.mode, S_IFREG | 0640);
	assert_int_equal(
		fs_setattr(fs,
			&(struct op_setattr){
				.ino = d, .valid = OP_SET_MODE | OP_SET_GID, .mode = 02775, .gid = 99}),
		0);
	op.make.name = text("b");
	assert_int_equal(fs_harness_run(fs, &op, NULL), 0);
	assert_int_equal(fs->reply.attributes.gid, 99);
	assert_int_equal(fs->reply.attributes.mode, S_IFREG | 0640);
	op.make.name = text("c");
	op.make.mode = S_IFDIR | 0777;
	assert_int_equal(fs_harness_run(fs, &op, NULL), 0);
	assert_int_equal(fs->reply.attributes.gid, 99);
	assert_int_equal(fs->reply.attributes.mode, S_IFDIR | S_ISGID | 0750);
}

static void immutable_directories_do_not_change(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t d = (uint64_t)fs_make(fs, FS_ROOT_INO, "d", S_IFDIR | 0755);
	uint64_t a = (uint64_t)fs_make(fs, d, "a", S_IFREG | 0644);
	struct op_setattr flags = {.ino = d, .valid = OP_SET_FLAGS, .flags = FS_FLAG_IMMUTABLE};

	assert_int_equal(fs_setattr(fs, &flags), 0);
	assert_int_equal(fs_make(fs, d, "b", S_IFREG), -EPERM);
	assert_int_equal(fs_unlink(fs, d, "a", false), -EPERM);
	assert_int_equal(fs_rename(fs, d, "a", FS_ROOT_INO, "a", 0), -EPERM);
	flags.flags = FS_FLAG_APPEND;
	assert_int_equal(fs_setattr(fs, &flags), 0);
	assert_true(is_ino(fs_make(fs, d, "b", S_IFREG)));
	assert_int_equal(fs_unlink(fs, d, "a", false), -EPERM);
	flags = (struct op_setattr){.ino = a, .valid = OP_SET_FLAGS, .flags = FS_FLAG_IMMUTABLE};
	assert_int_equal(fs_setattr(fs, &flags), 0);
	assert_int_equal(fs_link(fs, a, FS_ROOT_INO, "a"), -EPERM);
}

/* As if all seqs of the directory's creations had been used but one. */
static void use_seqs(struct fs_harness *fs, uint64_t directory)
{
	struct fs_key key = fs_key_inode(directory);
	struct writer writer = writer_growing(10000);
	struct kv_value row;
	struct inode inode;

	assert_int_equal(view_get(fs->view, KEY_DATA, fs_key_slice(&key), &row), 0);
	assert_int_equal(inode_decode(row.data, directory, &inode), 0);
	inode.creation_seq = FS_SEQ_END - 1;
	assert_int_equal(inode_encode(&inode, &writer), 0);
	memory_view_put(fs->memory, KEY_DATA, fs_key_slice(&key), writer_written(&writer));
	writer_close(&writer);
}

/* With all seqs used, files are created under another dirid, which no new directory gets and which goes with the
 * directory. */
static void a_full_directory_spills(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t before = memory_view_count_rows(fs->memory), rows;
	uint64_t d = (uint64_t)fs_make(fs, FS_ROOT_INO, "d", S_IFDIR | 0755);
	int64_t last, spilled, again;

	rows = memory_view_count_rows(fs->memory);
	use_seqs(fs, d);
	last = fs_make(fs, d, "last", S_IFREG | 0644);
	assert_int_equal(last, fs_ino(fs_ino_dirid(d), FS_SEQ_END - 1));
	spilled = fs_make(fs, d, "spilled", S_IFREG | 0644);
	assert_true(is_ino(spilled));
	assert_int_not_equal(fs_ino_dirid((uint64_t)spilled), fs_ino_dirid(d));
	assert_int_equal(fs_ino_seq((uint64_t)spilled), FS_SEQ_FIRST);
	assert_int_equal(fs_make(fs, d, "next", S_IFREG | 0644), spilled + 1);
	use_seqs(fs, d);
	assert_true(is_ino(fs_make(fs, d, "last again", S_IFREG | 0644)));
	again = fs_make(fs, d, "again", S_IFREG | 0644);
	assert_int_not_equal(fs_ino_dirid((uint64_t)again), fs_ino_dirid((uint64_t)spilled));
	assert_int_equal(fs_unlink(fs, d, "last", false), 0);
	assert_int_equal(fs_unlink(fs, d, "spilled", false), 0);
	assert_int_equal(fs_unlink(fs, d, "next", false), 0);
	assert_int_equal(fs_unlink(fs, d, "last again", false), 0);
	assert_int_equal(fs_unlink(fs, d, "again", false), 0);
	assert_int_equal(memory_view_count_rows(fs->memory), rows + 2);
	assert_int_equal(fs_rmdir(fs, FS_ROOT_INO, "d"), 0);
	assert_int_equal(memory_view_count_rows(fs->memory), before);
}

/* What is needed of them is asked for: test_transact.c. */
static void other_regions_are_not_touched(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t d = (uint64_t)fs_make(fs, FS_ROOT_INO, "d", S_IFDIR | 0755);
	struct fs_key end = fs_key_dirid(fs_ino_dirid(d));
	int64_t other;

	fs->region_end = fs_key_slice(&end);
	assert_int_equal(fs_make(fs, d, "a", S_IFREG), STATUS_KEY_NOT_IN_REGION);
	assert_int_equal(fs_rmdir(fs, FS_ROOT_INO, "d"), STATUS_INCOMPLETE);
	for (int i = 0; i < 50; i++) {
		char name[16];

		snprintf(name, sizeof name, "o%d", i);
		other = fs_make(fs, FS_ROOT_INO, name, S_IFDIR | 0755);
		assert_true(other == STATUS_INCOMPLETE ||
			    (is_ino(other) && fs_ino_dirid((uint64_t)other) < fs_ino_dirid(d)));
	}
	fs->region_end = (struct slice){0};
}

/* A region that begins in the middle: its directories get dirids of its own, in every split's half. */
static void dirids_come_from_the_region(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t d = (uint64_t)fs_make(fs, FS_ROOT_INO, "d", S_IFDIR | 0755);
	struct fs_key start = fs_key_inode(d), end = fs_key_dirid(fs_ino_dirid(d) + 1);
	char name[16];

	start.size = 5;
	fs->region_start = fs_key_slice(&start);
	assert_int_equal(fs_make(fs, FS_ROOT_INO, "a", S_IFREG), STATUS_KEY_NOT_IN_REGION);
	for (int i = 0; i < 50; i++) {
		int64_t child;

		snprintf(name, sizeof name, "c%d", i);
		child = fs_make(fs, d, name, S_IFDIR | 0755);
		assert_true(is_ino(child) && fs_ino_dirid((uint64_t)child) > fs_ino_dirid(d));
	}
	fs->region_end = fs_key_slice(&end); /* one dirid, and it is in use: others have more */
	assert_int_equal(fs_make(fs, d, "none", S_IFDIR | 0755), STATUS_INCOMPLETE);
	assert_true(is_ino(fs_make(fs, d, "file", S_IFREG | 0644)));
	fs->region_start = fs->region_end = (struct slice){0};
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fs_harness_setup, fs_harness_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_is_born_in_its_parent),
		TEST(a_name_exists_once),
		TEST(directories_count_their_children),
		TEST(nodes_and_symlinks_keep_what_they_are),
		TEST(names_are_checked),
		TEST(links_share_an_inode),
		TEST(link_counts_have_a_limit),
		TEST(setgid_directories_give_their_group),
		TEST(immutable_directories_do_not_change),
		TEST(a_full_directory_spills),
		TEST(other_regions_are_not_touched),
		TEST(dirids_come_from_the_region),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
