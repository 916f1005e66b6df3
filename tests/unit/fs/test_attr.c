/* fs/eval/attr: chmod, chown, times, chattr and what they strip. */
#include "tests/lib/test.h"

#include <errno.h>

#include "tests/lib/fs_harness.h"

static uint64_t make(struct fs_harness *fs, const char *name, uint32_t mode)
{
	int64_t ino = fs_make(fs, FS_ROOT_INO, name, mode);

	assert_true(is_ino(ino));
	return (uint64_t)ino;
}

static int set_mode(struct fs_harness *fs, uint64_t ino, uint32_t mode)
{
	return fs_setattr(fs, &(struct op_setattr){.ino = ino, .valid = OP_SET_MODE, .mode = mode});
}

static int set_owner(struct fs_harness *fs, uint64_t ino, uint32_t uid, uint32_t gid)
{
	return fs_setattr(fs,
		&(struct op_setattr){.ino = ino, .valid = OP_SET_UID | OP_SET_GID, .uid = uid, .gid = gid});
}

static void modes_change_the_ctime_alone(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, "a", S_IFREG | 0644);

	assert_int_equal(set_mode(fs, a, 07751), 0);
	assert_int_equal(fs->reply.attributes.mode, S_IFREG | 07751);
	assert_true(is_now(fs, fs->reply.attributes.ctime));
	assert_false(is_now(fs, fs->reply.attributes.mtime));
	assert_false(is_now(fs, fs->reply.attributes.atime));
	assert_int_equal(set_mode(fs, a + 1, 0600), -ESTALE);
}

static void a_new_owner_gets_no_privileges(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, "a", S_IFREG | 0644), d = make(fs, "d", S_IFDIR | 0755);
	size_t size;

	assert_int_equal(set_mode(fs, a, 06755), 0);
	assert_int_equal(fs_setxattr(fs, a, "security.capability", "cap", 3, 0), 0);
	assert_int_equal(set_owner(fs, a, 10, 20), 0);
	assert_int_equal(fs->reply.attributes.uid, 10);
	assert_int_equal(fs->reply.attributes.gid, 20);
	assert_int_equal(fs->reply.attributes.mode, S_IFREG | 0755);
	assert_int_equal(read_xattr(fs->view, a, text("security.capability"), NULL, 0, &size), -ENODATA);
	assert_int_equal(set_mode(fs, a, 06745), 0);
	assert_int_equal(set_owner(fs, a, 10, 20), 0);
	assert_int_equal(
		fs->reply.attributes.mode, S_IFREG | 02745); /* mandatory locking, not a group's right */
	assert_int_equal(set_mode(fs, d, 06755), 0);
	assert_int_equal(set_owner(fs, d, 10, 20), 0);
	assert_int_equal(fs->reply.attributes.mode, S_IFDIR | 06755);
}

static void content_that_changes_strips_when_told(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, "a", S_IFREG | 0644);

	assert_int_equal(set_mode(fs, a, 06755), 0);
	assert_int_equal(fs_harness_write(fs, a, 0, 0, "x", 1), 0);
	assert_int_equal(fs->reply.attributes.mode, S_IFREG | 06755);
	assert_int_equal(fs_harness_write(fs, a, 0, OP_WRITE_KILL | OP_WRITE_CLIP, "x", 1), 0);
	assert_int_equal(fs->reply.attributes.mode, S_IFREG | 06755);
	assert_int_equal(fs_harness_write(fs, a, 0, OP_WRITE_KILL, "x", 1), 0);
	assert_int_equal(fs->reply.attributes.mode, S_IFREG | 0755);
	assert_int_equal(set_mode(fs, a, 06755), 0);
	assert_int_equal(
		fs_setattr(fs, &(struct op_setattr){.ino = a, .valid = OP_SET_SIZE | OP_SET_KILL, .size = 0}),
		0);
	assert_int_equal(fs->reply.attributes.mode, S_IFREG | 0755);
}

/* The group may not execute: evaluation strips sgid only if the front says that the caller is outside of the group. */
static void sgid_goes_when_told(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, "a", S_IFREG | 0644), d = make(fs, "d", S_IFDIR | 0755);
	struct op_setattr kill = {.ino = a, .valid = OP_SET_KILL_SGID};

	assert_int_equal(set_mode(fs, a, 06644), 0);
	assert_int_equal(fs_harness_write(fs, a, 0, OP_WRITE_KILL, "x", 1), 0);
	assert_int_equal(fs->reply.attributes.mode, S_IFREG | 02644);
	assert_int_equal(fs_setattr(fs, &kill), 0);
	assert_int_equal(fs->reply.attributes.mode, S_IFREG | 0644);
	assert_int_equal(fs->reply.attributes.size, 1);
	assert_int_equal(set_mode(fs, a, 02644), 0);
	kill.valid |= OP_SET_GID;
	kill.gid = 20;
	assert_int_equal(fs_setattr(fs, &kill), 0);
	assert_int_equal(fs->reply.attributes.gid, 20);
	assert_int_equal(fs->reply.attributes.mode, S_IFREG | 0644);
	assert_int_equal(set_mode(fs, d, 02755), 0);
	kill.ino = d;
	assert_int_equal(fs_setattr(fs, &kill), 0);
	assert_int_equal(fs->reply.attributes.mode, S_IFDIR | 02755);
}

/* The lead went to a store whose clock is behind. */
static void times_of_changes_never_go_back(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t d = make(fs, "d", S_IFDIR | 0755), a = make(fs, "a", S_IFREG | 0644);
	struct attributes before, after;
	uint64_t wall;

	assert_true(is_ino(fs_make(fs, d, "first", S_IFREG | 0644)));
	assert_int_equal(fs_harness_write(fs, a, 0, 0, "x", 1), 0);
	before = fs_attributes(fs, a);
	wall = fs->wall -= UINT64_C(3600) * 1000000000u;
	assert_int_equal(fs_harness_write(fs, a, 0, 0, "y", 1), 0);
	after = fs_attributes(fs, a);
	assert_true(fs_time_is_before(&before.mtime, &after.mtime));
	assert_true(fs_time_is_before(&before.ctime, &after.ctime));
	assert_int_equal(fs_setattr(fs, &(struct op_setattr){.ino = a, .valid = OP_SET_MTIME_NOW}), 0);
	assert_true(fs_time_is_before(&after.mtime, &fs->reply.attributes.mtime));
	assert_true(fs_time_is_before(&after.ctime, &fs->reply.attributes.ctime));
	before = fs_attributes(fs, d);
	assert_true(is_ino(fs_make(fs, d, "second", S_IFREG | 0644)));
	after = fs_attributes(fs, d);
	assert_true(fs_time_is_before(&before.mtime, &after.mtime));
	assert_true(fs->wall < wall + UINT64_C(3600) * 1000000000u); /* no clock has caught up */
}

/* What a user has set past the last change is the user's: the next write sets the time of the write, as anywhere. */
static void a_future_mtime_does_not_outlast_a_write(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, "a", S_IFREG | 0644);
	struct op_setattr times = {.ino = a, .valid = OP_SET_MTIME, .mtime = {20000000000, 0}};
	struct attributes after;

	assert_int_equal(fs_setattr(fs, &times), 0);
	assert_int_equal(fs_harness_write(fs, a, 0, 0, "x", 1), 0);
	assert_true(is_now(fs, fs_attributes(fs, a).mtime));
	assert_int_equal(fs_setattr(fs, &times), 0);
	assert_int_equal(fs_harness_write(fs, a, 0, OP_WRITE_TIME, "y", 1), 0);
	after = fs_attributes(fs, a);
	assert_true(fs_time_is_before(&after.mtime, &times.mtime));
}

static void times_are_set_to_the_nanosecond(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, "a", S_IFREG | 0644);
	struct op_setattr times = {.ino = a,
		.valid = OP_SET_ATIME | OP_SET_MTIME,
		.atime = {-86400, 1},
		.mtime = {20000000000, 999999999}};

	assert_int_equal(fs_setattr(fs, &times), 0);
	assert_int_equal(fs_attributes(fs, a).atime.seconds, -86400);
	assert_int_equal(fs_attributes(fs, a).atime.nanoseconds, 1);
	assert_int_equal(fs_attributes(fs, a).mtime.seconds, 20000000000);
	assert_int_equal(fs_attributes(fs, a).mtime.nanoseconds, 999999999);
	assert_true(is_now(fs, fs_attributes(fs, a).ctime));
	times.valid = OP_SET_ATIME_NOW | OP_SET_MTIME_NOW;
	assert_int_equal(fs_setattr(fs, &times), 0);
	assert_true(is_now(fs, fs_attributes(fs, a).atime) && is_now(fs, fs_attributes(fs, a).mtime));
	times.valid = OP_SET_MTIME;
	times.mtime.nanoseconds = 1000000000;
	assert_int_equal(fs_setattr(fs, &times), -EINVAL);
}

static void reading_moves_the_atime_forward_alone(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, "a", S_IFREG | 0644);
	struct attributes before = fs_attributes(fs, a);
	struct op_setattr was_read = {.ino = a, .valid = OP_SET_READ, .atime = {before.atime.seconds + 5, 0}};

	assert_int_equal(fs_setattr(fs, &was_read), 0);
	assert_int_equal(fs_attributes(fs, a).atime.seconds, before.atime.seconds + 5);
	assert_memory_equal(&fs->reply.attributes.ctime, &before.ctime, sizeof before.ctime);
	was_read.atime.seconds -= 3;
	assert_int_equal(fs_setattr(fs, &was_read), 0);
	assert_int_equal(fs->mutation_count, 0);
	assert_int_equal(fs_attributes(fs, a).atime.seconds, before.atime.seconds + 5);
}

static void truncation_sets_times_always(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, "a", S_IFREG | 0644), d = make(fs, "d", S_IFDIR | 0755);
	uint64_t version = fs_attributes(fs, a).data_version;

	assert_int_equal(fs_truncate(fs, a, 0), 0);
	assert_true(is_now(fs, fs->reply.attributes.mtime) && is_now(fs, fs->reply.attributes.ctime));
	assert_true(fs->reply.attributes.data_version > version);
	assert_int_equal(fs_truncate(fs, d, 0), -EISDIR);
	assert_int_equal(fs_truncate(fs, make(fs, "p", S_IFIFO | 0644), 0), -EINVAL);
	assert_int_equal(fs_truncate(fs, a, (uint64_t)FS_SIZE_MAX + 1), -EFBIG);
	assert_int_equal(fs_truncate(fs, a, FS_SIZE_MAX), 0);
	assert_int_equal(fs->reply.attributes.size, FS_SIZE_MAX);
	assert_int_equal(fs->reply.attributes.blocks, 0);
}

static void flags_bar_changes(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, "a", S_IFREG | 0644);
	struct op_setattr flags = {.ino = a, .valid = OP_SET_FLAGS, .flags = FS_FLAG_IMMUTABLE};
	const struct op_setattr touch = {
		.ino = a, .valid = OP_SET_ATIME | OP_SET_ATIME_NOW | OP_SET_MTIME | OP_SET_MTIME_NOW};

	assert_int_equal(fs_setattr(fs, &flags), 0);
	assert_int_equal(fs->reply.attributes.flags, FS_FLAG_IMMUTABLE);
	assert_int_equal(fs_setattr(fs, &touch), -EPERM);
	assert_int_equal(set_mode(fs, a, 0600), -EPERM);
	assert_int_equal(set_owner(fs, a, 1, 1), -EPERM);
	assert_int_equal(fs_truncate(fs, a, 0), -EPERM);
	assert_int_equal(fs_harness_write(fs, a, 0, 0, "x", 1), 0); /* of a descriptor from before */
	assert_int_equal(fs_setxattr(fs, a, "user.a", "x", 1, 0), -EPERM);
	assert_int_equal(fs_setattr(fs, &(struct op_setattr){.ino = a, .valid = OP_SET_MTIME_NOW}), -EPERM);
	flags.flags = FS_FLAG_APPEND;
	assert_int_equal(fs_setattr(fs, &flags), 0);
	assert_int_equal(fs_truncate(fs, a, 0), -EPERM);
	assert_int_equal(fs_setattr(fs, &touch), 0);
	assert_int_equal(fs_setattr(fs, &(struct op_setattr){.ino = a, .valid = OP_SET_MTIME_NOW}), -EPERM);
	assert_int_equal(fs_setattr(fs, &(struct op_setattr){.ino = a, .valid = OP_SET_MTIME}), -EPERM);
	assert_int_equal(fs_harness_write(fs, a, 0, OP_WRITE_APPEND, "x", 1), 0);
	flags.flags = 1;
	assert_int_equal(fs_setattr(fs, &flags), -EOPNOTSUPP);
	flags.flags = 0;
	assert_int_equal(fs_setattr(fs, &flags), 0);
	assert_int_equal(set_mode(fs, a, 0600), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fs_harness_setup, fs_harness_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(modes_change_the_ctime_alone),
		TEST(a_new_owner_gets_no_privileges),
		TEST(content_that_changes_strips_when_told),
		TEST(sgid_goes_when_told),
		TEST(times_of_changes_never_go_back),
		TEST(a_future_mtime_does_not_outlast_a_write),
		TEST(times_are_set_to_the_nanosecond),
		TEST(reading_moves_the_atime_forward_alone),
		TEST(truncation_sets_times_always),
		TEST(flags_bar_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
