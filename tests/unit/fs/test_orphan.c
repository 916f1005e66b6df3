/* fs/eval/orphan: what is open outlives its names, and nothing outlives its session. */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdio.h>

#include "proto/codec.h"
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

/* ---- Other sessions ---- */

/* Of a mount that is there. */
static uint64_t open_session(struct fs_harness *fs)
{
	const struct op op = {.kind = OP_SESSION_OPEN,
		.session_open = {.pid = 12, .host = text("host"), .mount_point = text("/mnt")}};

	assert_int_equal(fs_harness_run(fs, &op, NULL), 0);
	return fs->reply.id;
}

static void end_grace(struct fs_harness *fs, const uint64_t *inos, uint32_t count)
{
	uint8_t bytes[OP_GRACE_END_COUNT_MAX * sizeof *inos];
	struct writer writer = writer_fixed(bytes, sizeof bytes);
	struct op op = {.kind = OP_GRACE_END};
	uint64_t session = fs->session;

	for (uint32_t i = 0; i < count; i++)
		writer_u64be(&writer, inos[i]);
	op.grace_end.inos = writer_written(&writer);
	fs->session = 0;
	assert_int_equal(fs_harness_run(fs, &op, NULL), 0);
	fs->session = session;
}

static bool is_there(struct fs_harness *fs, uint64_t ino)
{
	struct attributes attributes;

	return read_attributes(fs->view, ino, &attributes) == 0;
}

static void what_others_may_have_open_has_grace(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, "a", S_IFREG | 0644), b = make(fs, "b", S_IFREG | 0644), other;

	fs->session = open_session(fs);
	assert_int_equal(fs_unlink(fs, FS_ROOT_INO, "a", false), 0); /* there is no other */
	assert_true(fs->reply.victim.is_gone);
	other = open_session(fs);
	assert_int_equal(fs_unlink(fs, FS_ROOT_INO, "b", true), 0);
	assert_false(fs->reply.victim.is_gone);
	assert_int_equal(fs_release(fs, b), 0);
	assert_int_equal(fs_attributes(fs, b).nlink, 0);
	fs_harness_verify(fs);
	end_grace(fs, &b, 1);
	assert_false(is_there(fs, b));
	end_grace(fs, (uint64_t[]){a, b}, 2); /* again, and of what never had any */
	assert_int_equal(fs->mutation_count, 0);
	b = make(fs, "b", S_IFREG | 0644);
	assert_int_equal(fs_harness_run(fs,
				 &(struct op){.kind = OP_SESSION_CLOSE, .session_end.session = other}, NULL),
		0);
	assert_int_equal(fs_unlink(fs, FS_ROOT_INO, "b", false), 0); /* it is dying */
	assert_true(fs->reply.victim.is_gone);
}

static void who_has_it_open_keeps_it_past_its_grace(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t rows, a = make(fs, "a", S_IFREG | 0644), mine = open_session(fs), other = open_session(fs);

	fs->session = mine;
	rows = memory_view_count_rows(fs->memory);
	assert_int_equal(fs_harness_write(fs, a, 0, 0, "data", 4), 0);
	assert_int_equal(fs_unlink(fs, FS_ROOT_INO, "a", false), 0);
	assert_false(fs->reply.victim.is_gone);
	fs->session = other;
	assert_int_equal(hold(fs, a), 0);
	end_grace(fs, &a, 1);
	assert_int_equal(fs_harness_write(fs, a, 4, 0, "more", 4), 0);
	assert_int_equal(fs->reply.attributes.size, 8);
	assert_int_equal(fs_release(fs, a), 0);
	assert_true(fs->reply.victim.is_gone);
	assert_int_equal(memory_view_count_rows(fs->memory), rows - 2); /* the inode, its name */
}

static void the_grace_of_many_ends_together(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t rows, inos[OP_GRACE_END_COUNT_MAX];

	fs->session = open_session(fs);
	open_session(fs);
	rows = memory_view_count_rows(fs->memory);
	for (uint32_t i = 0; i < OP_GRACE_END_COUNT_MAX; i++) {
		inos[i] = make(fs, "a", i % 3 ? S_IFREG | 0644 : S_IFDIR | 0755);
		if (i % 3)
			assert_int_equal(fs_harness_write(fs, inos[i], 0, 0, "data", 4), 0);
		assert_int_equal(
			i % 3 ? fs_unlink(fs, FS_ROOT_INO, "a", true) : fs_rmdir(fs, FS_ROOT_INO, "a"), 0);
		assert_int_equal(fs_release(fs, inos[i]), 0);
	}
	fs_harness_verify(fs);
	end_grace(fs, inos, OP_GRACE_END_COUNT_MAX);
	assert_int_equal(memory_view_count_rows(fs->memory), rows);
}

static void what_was_found_by_a_name_is_not_changed_without(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs, "a", S_IFREG | 0644);
	struct op_setattr change = {.ino = a, .valid = OP_SET_MODE | OP_SET_NAMED, .mode = 0600};

	assert_int_equal(fs_setattr(fs, &change), 0);
	assert_int_equal(fs_setxattr(fs, a, "user.a", "1", 1, OP_XATTR_NAMED), 0);
	assert_int_equal(fs_unlink(fs, FS_ROOT_INO, "a", true), 0);
	assert_int_equal(fs_setattr(fs, &change), -ESTALE);
	assert_int_equal(fs_setxattr(fs, a, "user.a", "2", 1, OP_XATTR_NAMED), -ESTALE);
	change.valid = OP_SET_MODE;
	assert_int_equal(fs_setattr(fs, &change), 0);
	assert_int_equal(fs_setxattr(fs, a, "user.a", "2", 1, 0), 0);
	assert_int_equal(fs_release(fs, a), 0);
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
		TEST(what_others_may_have_open_has_grace),
		TEST(who_has_it_open_keeps_it_past_its_grace),
		TEST(the_grace_of_many_ends_together),
		TEST(what_was_found_by_a_name_is_not_changed_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
