/* fs/eval/orphan: what is open outlives its names, and nothing outlives its session. */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdio.h>

#include "tests/lib/fs_harness.h"

#define OTHER_SESSION 8u

static uint64_t make(struct fs_harness *fs, const char *name, uint32_t mode)
{
	int64_t ino = fs_make(fs, FS_ROOT_INO, name, mode);

	assert_true(is_ino(ino));
	return (uint64_t)ino;
}

static int hold(struct fs_harness *fs, uint64_t ino)
{
	struct op op = {.kind = OP_HOLD, .hold = {.ino = ino}};

	return fs_harness_run(fs, &op, NULL);
}

static uint32_t end_session(struct fs_harness *fs, uint64_t session)
{
	struct op op = {.kind = OP_SESSION_END, .session_end = {.session = session}};
	uint32_t calls = 0;

	do {
		assert_int_equal(fs_harness_run(fs, &op, NULL), 0);
		calls++;
	} while (fs->reply.more);
	return calls;
}

static void an_open_file_outlives_its_name(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t rows = memory_view_count_rows(fs->memory), a = make(fs, "a", S_IFREG | 0644);

	assert_int_equal(fs_harness_write(fs, a, 0, 0, "data", 4), 0);
	assert_int_equal(fs_unlink(fs, FS_ROOT_INO, "a", true), 0);
	assert_false(fs->reply.victim.is_gone);
	assert_int_equal(fs->reply.victim.nlink, 0);
	assert_int_equal(fs_harness_write(fs, a, 4, 0, "more", 4), 0);
	assert_int_equal(fs->reply.attributes.size, 8);
	assert_int_equal(fs->reply.attributes.nlink, 0);
	assert_int_equal(fs_link(fs, a, FS_ROOT_INO, "b"), -ESTALE);
	assert_int_equal(fs_release(fs, a), 0);
	assert_true(fs->reply.victim.is_gone);
	assert_int_equal(fs_release(fs, a), 0);
	assert_int_equal(fs->mutation_count, 0);
	assert_int_equal(memory_view_count_rows(fs->memory), rows);
}

static void the_last_of_several_sessions_decides(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, "a", S_IFREG | 0644);

	fs->session = OTHER_SESSION;
	assert_int_equal(hold(fs, a), 0);
	fs->session = HARNESS_SESSION;
	assert_int_equal(fs_unlink(fs, FS_ROOT_INO, "a", true), 0);
	assert_int_equal(fs_release(fs, a), 0);
	assert_false(fs->reply.victim.is_gone);
	assert_int_equal(fs_attributes(fs, a).nlink, 0);
	fs->session = OTHER_SESSION;
	assert_int_equal(fs_release(fs, a), 0);
	assert_true(fs->reply.victim.is_gone);
}

static void a_held_file_with_names_stays(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, "a", S_IFREG | 0644);

	assert_int_equal(hold(fs, a), 0);
	assert_int_equal(fs_release(fs, a), 0);
	assert_false(fs->reply.victim.is_gone);
	assert_int_equal(fs_attributes(fs, a).nlink, 1);
	assert_int_equal(hold(fs, a), 0);
	assert_int_equal(fs_unlink(fs, FS_ROOT_INO, "a", false), 0); /* held before: kept, too */
	assert_false(fs->reply.victim.is_gone);
	assert_int_equal(fs_release(fs, a), 0);
}

static void a_removed_directory_may_be_someones_place(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t d = make(fs, "d", S_IFDIR | 0755);
	struct op op = {.kind = OP_RMDIR, .remove = {.parent = FS_ROOT_INO, .name = text("d"), .hold = true}};
	struct attributes attributes;

	assert_int_equal(fs_harness_run(fs, &op, NULL), 0);
	assert_int_equal(fs_attributes(fs, d).nlink, 0);
	assert_int_equal(fs_make(fs, d, "a", S_IFREG), -ESTALE);
	assert_int_equal(read_lookup(fs->view, d, text(".."), &attributes), -ENOENT);
	assert_int_equal(read_directory(fs->view, d, 0, false, NULL, NULL), 0);
	assert_int_equal(fs_release(fs, d), 0);
	assert_true(fs->reply.victim.is_gone);
}

static void several_are_released_together(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t rows = memory_view_count_rows(fs->memory);
	struct op op = {.kind = OP_RELEASE, .release = {.count = OP_RELEASE_COUNT_MAX}};

	for (uint32_t i = 0; i < OP_RELEASE_COUNT_MAX; i++) {
		op.release.inos[i] = make(fs, "a", S_IFREG | 0644);
		assert_int_equal(fs_harness_write(fs, op.release.inos[i], 0, 0, "data", 4), 0);
		assert_int_equal(fs_unlink(fs, FS_ROOT_INO, "a", true), 0);
	}
	assert_int_equal(fs_harness_run(fs, &op, NULL), 0);
	assert_true(fs->reply.victim.is_gone);
	assert_int_equal(memory_view_count_rows(fs->memory), rows);
	op.release.inos[1] = op.release.inos[0];
	assert_int_equal(fs_harness_run(fs, &op, NULL), -EINVAL); /* cannot be said */
}

static void a_tmpfile_may_get_a_name(void **state)
{
	struct fs_harness *fs = *state;
	struct op op = {.kind = OP_TMPFILE,
		.tmpfile = {.caller = {3, 4}, .parent = FS_ROOT_INO, .mode = 0666, .umask = 022}};
	uint64_t rows = memory_view_count_rows(fs->memory), a;

	assert_int_equal(fs_harness_run(fs, &op, NULL), 0);
	a = fs->reply.attributes.ino;
	assert_int_equal(fs->reply.attributes.nlink, 0);
	assert_int_equal(fs->reply.attributes.mode, S_IFREG | 0644);
	assert_int_equal(fs->reply.attributes.uid, 3);
	assert_int_equal(fs_link(fs, a, FS_ROOT_INO, "a"), 0);
	assert_int_equal(fs->reply.attributes.nlink, 1);
	assert_int_equal(fs_release(fs, a), 0);
	assert_int_equal(fs_lookup(fs, FS_ROOT_INO, "a"), a);
	assert_int_equal(fs_harness_run(fs, &op, NULL), 0);
	assert_int_equal(fs_release(fs, fs->reply.attributes.ino), 0);
	assert_int_equal(memory_view_count_rows(fs->memory), rows + 2);
}

/* A mount dies with open files and locks; another one's stay. */
static void a_dead_session_is_reaped(void **state)
{
	struct fs_harness *fs = *state;
	struct op lock = {
		.kind = OP_LOCK, .lock = {.lock = {.kind = LOCK_POSIX, .type = FS_LOCK_WRITE, .end = 9}}};
	uint64_t rows, session, kept = make(fs, "kept", S_IFREG | 0644), a;

	lock.lock.ino = kept;
	fs->session = OTHER_SESSION;
	assert_int_equal(fs_harness_run(fs, &lock, NULL), 0);
	assert_int_equal(hold(fs, kept), 0);
	fs->session = HARNESS_SESSION;
	rows = memory_view_count_rows(fs->memory);
	for (int i = 0; i < 100; i++) {
		char name[16];

		snprintf(name, sizeof name, "f%d", i);
		a = make(fs, name, S_IFREG | 0644);
		assert_int_equal(fs_harness_write(fs, a, 0, 0, "data", 4), 0);
		lock.lock.ino = a;
		assert_int_equal(fs_harness_run(fs, &lock, NULL), 0);
		assert_int_equal(fs_unlink(fs, FS_ROOT_INO, name, true), 0);
	}
	assert_int_equal(read_holder(fs->view, 0, &session), 0);
	assert_int_equal(session, HARNESS_SESSION);
	assert_true(end_session(fs, HARNESS_SESSION) > 10);
	assert_int_equal(memory_view_count_rows(fs->memory), rows);
	assert_int_equal(read_holder(fs->view, 0, &session), 0);
	assert_int_equal(session, OTHER_SESSION);
	fs_harness_verify(fs);
	assert_int_equal(end_session(fs, OTHER_SESSION), 1);
	assert_int_equal(fs_attributes(fs, kept).nlink, 1);
	assert_int_equal(read_holder(fs->view, 0, &session), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fs_harness_setup, fs_harness_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_open_file_outlives_its_name),
		TEST(the_last_of_several_sessions_decides),
		TEST(a_held_file_with_names_stays),
		TEST(a_removed_directory_may_be_someones_place),
		TEST(several_are_released_together),
		TEST(a_tmpfile_may_get_a_name),
		TEST(a_dead_session_is_reaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
