/* Damaged rows: operations and reads that meet them answer, most with an error; none of them fails in any other way. */
#include "tests/lib/test.h"

#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>

#include "tests/lib/fs_harness.h"

#define TRIAL_COUNT 3000
#define INO_COUNT   8u

struct trial {
	struct fs_harness fs;
	uint64_t inos[INO_COUNT];
	uint64_t random;
	uint32_t failures;
};

static uint32_t draw(struct trial *trial, uint32_t below)
{
	trial->random = trial->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(trial->random >> 33) % below;
}

static uint64_t pick(struct trial *trial)
{
	return trial->inos[draw(trial, INO_COUNT)];
}

static const char *pick_name(struct trial *trial)
{
	static const char *const names[] = {"d", "e", "tiny", "large", "link", "again", "new"};

	return names[draw(trial, 7)];
}

static void make_tree(struct trial *trial)
{
	static uint8_t bytes[100000];
	struct fs_harness *fs = &trial->fs;
	struct op lock = {
		.kind = OP_LOCK, .lock = {.lock = {.kind = LOCK_POSIX, .type = FS_LOCK_READ, .end = 5}}};
	uint64_t *inos = trial->inos;

	inos[0] = FS_ROOT_INO;
	inos[1] = (uint64_t)fs_make(fs, FS_ROOT_INO, "d", S_IFDIR | 0755);
	inos[2] = (uint64_t)fs_make(fs, inos[1], "e", S_IFDIR | 0755);
	inos[3] = (uint64_t)fs_make(fs, inos[1], "tiny", S_IFREG | 04755);
	inos[4] = (uint64_t)fs_make(fs, inos[1], "large", S_IFREG | 0644);
	inos[5] = (uint64_t)fs_symlink(fs, FS_ROOT_INO, "link", "target");
	inos[6] = (uint64_t)fs_make(fs, inos[2], "held", S_IFREG | 0600);
	inos[7] = (uint64_t)fs_make(fs, inos[2], "pipe", S_IFIFO | 0600);
	fs_harness_write(fs, inos[3], 0, 0, bytes, 1000);
	fs_harness_write(fs, inos[4], 0, 0, bytes, sizeof bytes);
	fs_link(fs, inos[4], FS_ROOT_INO, "again");
	fs_setxattr(fs, inos[3], "user.a", bytes, 100, 0);
	fs_setxattr(fs, inos[4], "user.b", bytes, 3000, 0);
	lock.lock.ino = inos[4];
	fs_harness_run(fs, &lock, NULL);
	fs_unlink(fs, inos[2], "held", true);
}

static int take_entry(void *argument, const struct read_entry *entry)
{
	(void)argument;
	return entry->name.size > 0 ? 0 : 1;
}

static void read_something(struct trial *trial)
{
	struct view *view = trial->fs.view;
	struct lock wanted = {.kind = LOCK_POSIX, .type = FS_LOCK_WRITE, .end = 9}, blocker;
	struct attributes attributes;
	uint8_t bytes[5000];
	uint64_t at;
	size_t size;

	read_lookup(view, pick(trial), text(pick_name(trial)), &attributes);
	read_lookup(view, pick(trial), text(".."), &attributes);
	read_attributes(view, pick(trial), &attributes);
	read_link(view, pick(trial), (char *)bytes, sizeof bytes, &size, &attributes);
	read_directory(view, pick(trial), 0, true, take_entry, NULL);
	read_data(view, pick(trial), draw(trial, 100000), bytes, sizeof bytes, &size, NULL);
	read_seek(view, pick(trial), draw(trial, 100000), draw(trial, 2), &at);
	read_xattr(view, pick(trial), text("user.b"), bytes, sizeof bytes, &size);
	read_xattrs(view, pick(trial), true, (char *)bytes, sizeof bytes, &size);
	read_lock(view, pick(trial), &wanted, &blocker);
	read_holder(view, 0, &at);
}

static int change_something(struct trial *trial)
{
	struct fs_harness *fs = &trial->fs;
	struct op op = {.kind = OP_LOCK,
		.lock = {.ino = pick(trial),
			.lock = {.kind = LOCK_POSIX, .type = draw(trial, 3), .start = 2, .end = 8}}};

	switch (draw(trial, 14)) {
	case 0:
		return (int)fs_make(fs, pick(trial), "new", draw(trial, 2) ? S_IFDIR : S_IFREG) < 0;
	case 1:
		return fs_unlink(fs, pick(trial), pick_name(trial), draw(trial, 2));
	case 2:
		return fs_rmdir(fs, pick(trial), pick_name(trial));
	case 3:
		return fs_rename(
			fs, pick(trial), pick_name(trial), pick(trial), pick_name(trial), draw(trial, 5));
	case 4:
		return fs_link(fs, pick(trial), pick(trial), "new");
	case 5:
		return fs_truncate(fs, pick(trial), draw(trial, 100000));
	case 6:
		return fs_harness_write(
			fs, pick(trial), draw(trial, 100000), draw(trial, 8), "some bytes", 10);
	case 7:
		return fs_fallocate(fs, pick(trial), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			draw(trial, 100000), 20000);
	case 8:
		return fs_setxattr(fs, pick(trial), "user.b", "value", draw(trial, 5), 0);
	case 9:
		return fs_removexattr(fs, pick(trial), "user.a");
	case 10:
		return fs_release(fs, pick(trial));
	case 11:
		op = (struct op){.kind = OP_SESSION_END, .session_end.session = HARNESS_SESSION};
		return draw(trial, 5) == 0 ? fs_harness_run(fs, &op, NULL) : 0;
	case 12:
		op = (struct op){.kind = OP_RECLAIM};
		return fs_harness_run(fs, &op, NULL);
	default:
		return fs_harness_run(fs, &op, NULL);
	}
}

static void damage_is_an_error_at_most(void **state)
{
	struct trial trial = {.random = 1};

	(void)state;
	for (uint64_t i = 0; i < TRIAL_COUNT; i++) {
		fs_harness_init(&trial.fs, i);
		make_tree(&trial);
		for (int damage = 0; damage < 3; damage++)
			memory_view_damage(trial.fs.memory,
				(uint64_t)draw(&trial, UINT32_MAX) << 32 | draw(&trial, UINT32_MAX));
		for (int j = 0; j < 20; j++) {
			trial.failures += change_something(&trial) < -10000;
			read_something(&trial);
		}
		fs_harness_close(&trial.fs);
	}
	assert_true(trial.failures > TRIAL_COUNT); /* damage was met indeed */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damage_is_an_error_at_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
