/* fs/schema/intent_view: what a reader sees of rows with intents, and that it sees rows without intents as they are. */
#include "fs/intents/intent_view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/schema/read.h"
#include "tests/lib/fs_harness.h"
#include "tests/lib/intent_rows.h"
#include "tests/lib/test.h"

#define ROOT	  FS_ROOT_INO
#define ELSEWHERE fs_ino(77777, 5) /* a file that other regions have */
#define NAMES_MAX 16u

struct fixture {
	struct fs_harness files;
	struct attempt_set attempts;
	struct intent_view over;
	struct view *view;
	uint64_t directory, file, other; /* the file and the other file are in the directory */
	struct attempt committed, unknown;
};

static void learn(struct fixture *fixture, const struct attempt *attempt, enum attempt_verdict verdict)
{
	const struct known_attempt *known;

	assert_int_equal(attempt_set_find(&fixture->attempts, attempt, &known), 0);
	attempt_set_learn(&fixture->attempts, attempt, verdict);
}

static void put(struct fixture *fixture, const struct attempt *attempt, struct intent intent)
{
	intent_rows_put(fixture->files.memory, attempt, 0, &intent);
}

/* ---- Intents ---- */

static struct intent change_of(uint64_t ino, uint32_t flags)
{
	return (struct intent){.kind = INTENT_INODE, .ino = ino, .inode = {.generation = 1, .flags = flags}};
}

static struct fs_key entry_key(struct fixture *fixture, const char *name)
{
	struct fs_key key = fs_key_inode(fixture->directory);
	struct kv_value row = {0};
	struct inode inode;

	assert_int_equal(view_get(fixture->files.view, KEY_DATA, fs_key_slice(&key), &row), 0);
	assert_int_equal(inode_decode(row.data, fixture->directory, &inode), 0);
	kv_value_close(&row);
	return fs_key_entry(fixture->directory, fs_name_hash(inode.seed, text(name)), text(name));
}

/* The name means `after` instead of `before`; 0: nothing. */
static void put_name(struct fixture *fixture, const struct attempt *attempt, uint32_t index, const char *name,
	uint64_t before, uint64_t after)
{
	struct fs_key key = entry_key(fixture, name);
	struct intent intent = {.kind = INTENT_ROW, .ino = fixture->directory};
	struct writer old = {0}, new = {0};

	intent.row.key = fs_key_slice(&key);
	intent.row.had = before > 0;
	intent.row.has = after > 0;
	if (before > 0)
		intent.row.before = intent_rows_entry(&old, before);
	if (after > 0)
		intent.row.after = intent_rows_entry(&new, after);
	intent_rows_put(fixture->files.memory, attempt, index, &intent);
	if (before > 0)
		writer_close(&old);
	if (after > 0)
		writer_close(&new);
}

static void put_birth(struct fixture *fixture, const struct attempt *attempt, uint64_t ino)
{
	struct fs_key key = fs_key_inode(ino);
	struct writer writer;
	struct intent intent = {.kind = INTENT_ROW,
		.ino = ino,
		.row = {.key = fs_key_slice(&key), .has = true, .after = intent_rows_file(&writer, ino)}};

	intent_rows_put(fixture->files.memory, attempt, 9, &intent);
	writer_close(&writer);
}

/* ---- Looking ---- */

static struct attributes look(struct fixture *fixture, uint64_t ino)
{
	struct attributes attributes;

	assert_int_equal(read_attributes(fixture->view, ino, &attributes), 0);
	return attributes;
}

/* In what intents change. */
static void expect_unchanged(const struct attributes *after, const struct attributes *before)
{
	assert_int_equal(after->nlink, before->nlink);
	assert_int_equal(after->data_version, before->data_version);
	assert_int_equal(after->ctime.seconds, before->ctime.seconds);
	assert_int_equal(after->mtime.seconds, before->mtime.seconds);
}

static struct inode look_whole(struct fixture *fixture, uint64_t ino)
{
	struct fs_key key = fs_key_inode(ino);
	struct kv_value row = {0};
	struct inode inode;

	assert_int_equal(view_get(fixture->view, KEY_DATA, fs_key_slice(&key), &row), 0);
	assert_int_equal(inode_decode(row.data, ino, &inode), 0);
	assert_int_equal(inode.state & INODE_HAS_INTENTS, 0);
	kv_value_close(&row);
	inode.target = inode.xattrs = (struct slice){0};
	return inode;
}

static int look_up(struct fixture *fixture, const char *name, uint64_t *ino)
{
	struct attributes attributes;
	int status = read_lookup(fixture->view, fixture->directory, text(name), &attributes);

	*ino = attributes.ino;
	return status;
}

struct names {
	char names[NAMES_MAX][8];
	uint64_t inos[NAMES_MAX];
	uint32_t count;
};

static int on_name(void *argument, const struct read_entry *entry)
{
	struct names *names = argument;

	if (((const char *)entry->name.data)[0] == '.')
		return 0;
	assert_true(names->count < NAMES_MAX && entry->name.size < sizeof names->names[0]);
	memcpy(names->names[names->count], entry->name.data, entry->name.size);
	names->inos[names->count++] = entry->ino;
	return 0;
}

static struct names list(struct fixture *fixture)
{
	struct names names = {0};

	assert_int_equal(read_directory(fixture->view, fixture->directory, 0, false, on_name, &names), 0);
	return names;
}

/* 0: the listing does not have it. Once at most. */
static uint64_t listed(const struct names *names, const char *name)
{
	uint64_t ino = 0;

	for (uint32_t i = 0; i < names->count; i++) {
		if (strcmp(names->names[i], name) != 0)
			continue;
		assert_int_equal(ino, 0);
		ino = names->inos[i];
	}
	return ino;
}

/* ---- Rows without intents ---- */

static int compare_row(void *argument, struct slice key, struct slice value)
{
	struct fixture *fixture = argument;
	struct kv_value row = {0}, below = {0};

	assert_int_equal(view_get(fixture->view, KEY_DATA, key, &row), 0);
	assert_int_equal(view_get(fixture->files.view, KEY_DATA, key, &below), 0);
	assert_int_equal(slice_compare(row.data, value), 0);
	assert_true(row.release == below.release); /* not a copy */
	kv_value_close(&row);
	kv_value_close(&below);
	return 0;
}

static int count_row(void *argument, struct slice key, struct slice value)
{
	(void)key, (void)value;
	++*(uint32_t *)argument;
	return 0;
}

static void without_intents_all_is_as_it_was(void **state)
{
	struct fixture *fixture = *state;
	const struct slice all = {0};
	uint32_t below = 0, above = 0;

	assert_int_equal(view_scan(fixture->files.view, KEY_DATA, all, all, compare_row, fixture), 0);
	assert_int_equal(view_scan(fixture->files.view, KEY_DATA, all, all, count_row, &below), 0);
	assert_int_equal(view_scan(fixture->view, KEY_DATA, all, all, count_row, &above), 0);
	assert_int_equal(above, below);
	assert_true(above > 5);
	assert_int_equal(fixture->attempts.count, 1); /* that the test knows */
}

static void data_is_below(void **state)
{
	static char expected[3 * FS_UNIT_SIZE + FS_TINY_SIZE_MAX], bytes[sizeof expected];
	struct fixture *fixture = *state;
	size_t count;

	memset(expected, 'x', sizeof expected);
	assert_int_equal(
		fs_harness_write(&fixture->files, fixture->file, 0, 0, expected, sizeof expected), 0);
	put(fixture, &fixture->committed, change_of(fixture->file, INTENT_TOUCHES));
	assert_int_equal(read_data(fixture->view, fixture->file, 0, bytes, sizeof bytes, &count, NULL), 0);
	assert_int_equal(count, sizeof expected);
	assert_memory_equal(bytes, expected, sizeof expected);
}

/* ---- Inodes ---- */

static void a_committed_change_counts(void **state)
{
	struct fixture *fixture = *state;
	struct inode before = look_whole(fixture, fixture->directory), after;
	struct intent intent = change_of(fixture->directory, INTENT_TOUCHES_CONTENT);

	intent.inode.nlink = 1;
	intent.inode.entries = 2;
	put(fixture, &fixture->committed, intent);
	after = look_whole(fixture, fixture->directory);
	assert_int_equal(after.attributes.nlink, before.attributes.nlink + 1);
	assert_int_equal(after.entries, before.entries + 2);
	assert_int_equal(after.attributes.data_version, before.attributes.data_version + 1);
	assert_int_equal(after.attributes.mtime.seconds, INTENT_ROWS_SECOND);
	assert_int_equal(after.attributes.ctime.seconds, INTENT_ROWS_SECOND);
	assert_int_equal(after.attributes.atime.seconds, before.attributes.atime.seconds);
	assert_int_equal(fixture->attempts.count, 1);
}

static void any_other_change_is_noted_alone(void **state)
{
	struct fixture *fixture = *state;
	struct attempt pending = intent_rows_attempt(8), over = intent_rows_attempt(9);
	struct attributes before = look(fixture, fixture->file), after;

	learn(fixture, &pending, ATTEMPT_IS_PENDING);
	learn(fixture, &over, ATTEMPT_IS_OVER);
	put(fixture, &fixture->unknown, change_of(fixture->file, INTENT_TOUCHES));
	put(fixture, &pending, change_of(fixture->file, INTENT_TOUCHES_CONTENT));
	put(fixture, &over, change_of(fixture->file, INTENT_DROPS));
	after = look(fixture, fixture->file);
	expect_unchanged(&after, &before);
	assert_int_equal(fixture->attempts.count, 4);
	assert_false(fixture->attempts.attempts[3].has_verdict);
	assert_true(attempt_is_same(&fixture->attempts.attempts[3].attempt, &fixture->unknown));
	attempt_set_keep_final(&fixture->attempts);
	assert_int_equal(fixture->attempts.count, 2);
}

static void changes_add_up(void **state)
{
	struct fixture *fixture = *state;
	struct attributes before = look(fixture, fixture->directory);
	struct intent intent = change_of(fixture->directory, INTENT_TOUCHES_CONTENT);

	for (uint32_t i = 0; i < 5; i++) {
		struct attempt attempt = intent_rows_attempt(10 + i);

		intent.inode.nlink = i == 4 ? -1 : 1;
		put(fixture, &attempt, intent);
		if (i != 2)
			learn(fixture, &attempt, ATTEMPT_IS_COMMITTED);
	}
	assert_int_equal(look(fixture, fixture->directory).nlink, before.nlink + 2);
	assert_int_equal(look(fixture, fixture->directory).data_version, before.data_version + 4);
	assert_int_equal(fixture->attempts.count, 6);
}

static void a_later_time_stays(void **state)
{
	const struct op_setattr later = {
		.ino = 0, .valid = OP_SET_CTIME, .ctime = {.seconds = INTENT_ROWS_SECOND + 5}};
	struct fixture *fixture = *state;
	struct op_setattr setattr = later;

	setattr.ino = fixture->file;
	assert_int_equal(fs_setattr(&fixture->files, &setattr), 0);
	put(fixture, &fixture->committed, change_of(fixture->file, INTENT_TOUCHES));
	assert_int_equal(look(fixture, fixture->file).ctime.seconds, INTENT_ROWS_SECOND + 5);
}

static void a_lost_name_is_one_link_less(void **state)
{
	struct fixture *fixture = *state;
	struct intent intent = change_of(fixture->file, INTENT_DROPS | INTENT_TOUCHES);

	intent.inode.nlink = -1;
	put(fixture, &fixture->committed, intent);
	assert_int_equal(look(fixture, fixture->file).nlink, 2);
	intent.ino = fixture->other;
	put(fixture, &fixture->committed, intent);
	assert_int_equal(look(fixture, fixture->other).nlink, 0);
}

static void a_removed_directory_has_no_links(void **state)
{
	struct fixture *fixture = *state;
	uint64_t empty = (uint64_t)fs_make(&fixture->files, ROOT, "empty", S_IFDIR | 0755);
	struct inode inode;

	put(fixture, &fixture->committed, change_of(empty, INTENT_REMOVES | INTENT_TOUCHES));
	inode = look_whole(fixture, empty);
	assert_int_equal(inode.attributes.nlink, 0);
	assert_int_equal(inode.parent, 0);
}

static void a_moved_directory_has_another_parent(void **state)
{
	struct fixture *fixture = *state;
	struct intent intent = change_of(fixture->directory, INTENT_MOVES);

	intent.inode.parent_before = ROOT;
	intent.inode.parent_after = fs_ino(5, FS_SEQ_DIRECTORY);
	put(fixture, &fixture->committed, intent);
	assert_int_equal(look_whole(fixture, fixture->directory).parent, fs_ino(5, FS_SEQ_DIRECTORY));
}

static void a_nameless_file_gets_its_name(void **state)
{
	struct op op = {.kind = OP_TMPFILE, .tmpfile = {.mode = 0600}};
	struct fixture *fixture = *state;
	struct intent intent;
	uint64_t ino;

	op.tmpfile.parent = fixture->directory;
	assert_int_equal(fs_harness_run(&fixture->files, &op, NULL), 0);
	ino = fixture->files.reply.attributes.ino;
	intent = change_of(ino, INTENT_ENDS_KEEPING | INTENT_TOUCHES);
	intent.inode.nlink = 1;
	put(fixture, &fixture->committed, intent);
	assert_int_equal(look_whole(fixture, ino).state & INODE_IS_LINKABLE, 0);
	assert_int_equal(look(fixture, ino).nlink, 1);
}

static void counts_below_zero_are_damage(void **state)
{
	struct fixture *fixture = *state;
	struct intent intent = change_of(fixture->directory, INTENT_TOUCHES_CONTENT);
	struct attributes attributes;

	intent.inode.entries = -100;
	put(fixture, &fixture->committed, intent);
	assert_int_equal(read_attributes(fixture->view, fixture->directory, &attributes), STATUS_CORRUPT);
}

static void the_tree_is_no_row(void **state)
{
	const struct intent tree = {.kind = INTENT_TREE, .ino = ROOT};
	struct fixture *fixture = *state;
	struct attributes before = look(fixture, ROOT), after;

	put(fixture, &fixture->unknown, tree);
	after = look(fixture, ROOT);
	expect_unchanged(&after, &before);
	assert_int_equal(fixture->attempts.count, 1);
}

/* ---- Rows ---- */

static void names_come_go_and_change(void **state)
{
	struct fixture *fixture = *state;
	struct names names;
	uint64_t ino;

	put_name(fixture, &fixture->committed, 0, "file", fixture->file, 0);
	put_name(fixture, &fixture->committed, 1, "new", 0, fixture->other);
	put_name(fixture, &fixture->committed, 2, "other", fixture->other, fixture->file);
	put_name(fixture, &fixture->unknown, 0, "not yet", 0, fixture->file);
	names = list(fixture);
	assert_int_equal(names.count, 4);
	assert_int_equal(listed(&names, "new"), fixture->other);
	assert_int_equal(listed(&names, "other"), fixture->file);
	assert_int_equal(listed(&names, "a"), fixture->file);
	assert_int_equal(listed(&names, "z"), fixture->file);
	assert_int_equal(look_up(fixture, "file", &ino), -ENOENT);
	assert_int_equal(look_up(fixture, "not yet", &ino), -ENOENT);
	assert_int_equal(look_up(fixture, "new", &ino), 0);
	assert_int_equal(ino, fixture->other);
	assert_int_equal(look_up(fixture, "other", &ino), 0);
	assert_int_equal(ino, fixture->file);
	assert_int_equal(fixture->attempts.count, 2);
}

struct order {
	struct fs_key last;
	uint32_t count;
};

static int check_order(void *argument, struct slice key, struct slice value)
{
	struct order *order = argument;

	(void)value;
	assert_true(slice_compare(fs_key_slice(&order->last), key) < 0);
	order->last.size = (uint16_t)key.size;
	memcpy(order->last.bytes, key.data, key.size);
	order->count++;
	return 0;
}

static void added_rows_are_in_order(void **state)
{
	struct fixture *fixture = *state;
	const struct slice all = {0};
	struct order before = {0}, after = {0};

	assert_int_equal(view_scan(fixture->view, KEY_DATA, all, all, check_order, &before), 0);
	for (uint32_t i = 0; i < 10; i++) {
		const char name[] = {'n', (char)('0' + i), '\0'};

		put_name(fixture, &fixture->committed, i, name, 0, fixture->file);
	}
	put_birth(fixture, &fixture->committed, ELSEWHERE); /* behind all rows that there are */
	assert_int_equal(view_scan(fixture->view, KEY_DATA, all, all, check_order, &after), 0);
	assert_int_equal(after.count, before.count + 11);
}

static void a_listing_resumes_among_added_names(void **state)
{
	struct fixture *fixture = *state;
	struct fs_key key = entry_key(fixture, "new"), after = fs_key_after(&key);
	struct fs_key low = fs_key_entries(fixture->directory, 0);
	struct order before = {0}, whole = {0};
	struct fs_key end = fs_key_entries(fixture->directory, UINT64_C(1) << FS_HASH_BITS);

	put_name(fixture, &fixture->committed, 0, "new", 0, fixture->file);
	assert_int_equal(view_scan(fixture->view, KEY_DATA, fs_key_slice(&low), fs_key_slice(&key),
				 check_order, &before),
		0);
	assert_int_equal(view_scan(fixture->view, KEY_DATA, fs_key_slice(&key), fs_key_slice(&end),
				 check_order, &before),
		0);
	assert_int_equal(view_scan(fixture->view, KEY_DATA, fs_key_slice(&low), fs_key_slice(&end),
				 check_order, &whole),
		0);
	assert_int_equal(before.count, whole.count);
	before = (struct order){0};
	assert_int_equal(view_scan(fixture->view, KEY_DATA, fs_key_slice(&key), fs_key_slice(&after),
				 check_order, &before),
		0);
	assert_int_equal(before.count, 1);
}

static void an_inode_is_born(void **state)
{
	struct fixture *fixture = *state;
	struct attributes attributes;

	put_birth(fixture, &fixture->unknown, ELSEWHERE);
	assert_int_equal(read_attributes(fixture->view, ELSEWHERE, &attributes), -ESTALE);
	assert_int_equal(fixture->attempts.count, 2);
	learn(fixture, &fixture->unknown, ATTEMPT_IS_COMMITTED);
	attributes = look(fixture, ELSEWHERE);
	assert_int_equal(attributes.mode, S_IFREG | 0600);
	assert_int_equal(attributes.nlink, 1);
}

/* Not only what is laid over: the reader without the view is told that there is something. */
static void intents_are_told_without_the_view(void **state)
{
	struct fixture *fixture = *state;
	struct view *below = fixture->files.view;
	struct attributes attributes;

	put_birth(fixture, &fixture->unknown, ELSEWHERE);
	put(fixture, &fixture->unknown, change_of(fixture->file, INTENT_TOUCHES));
	assert_int_equal(read_attributes(below, ELSEWHERE, &attributes), STATUS_INTENTS);
	assert_int_equal(read_attributes(below, fixture->file, &attributes), STATUS_INTENTS);
	assert_int_equal(read_lookup(below, fixture->directory, text("file"), &attributes), STATUS_INTENTS);
}

/* ---- Views that block, sets that are full ---- */

static void a_row_that_is_not_in_memory_is_asked_for_again(void **state)
{
	struct fixture *fixture = *state;
	struct attributes attributes;
	uint32_t blocked = 0;
	struct intent intent = change_of(fixture->directory, INTENT_TOUCHES_CONTENT);

	intent.inode.nlink = 1;
	put(fixture, &fixture->committed, intent);
	put_name(fixture, &fixture->committed, 1, "new", 0, fixture->other);
	memory_view_set_blocking(fixture->files.memory, 3, 1);
	for (uint32_t i = 0; i < 100; i++) {
		int status = read_lookup(fixture->view, fixture->directory, text("new"), &attributes);

		assert_true(status == 0 || status == STATUS_WOULD_BLOCK);
		blocked += status != 0;
	}
	memory_view_set_blocking(fixture->files.memory, 0, 0);
	assert_in_range(blocked, 1, 99);
}

static void a_set_has_a_limit(void **state)
{
	struct fixture *fixture = *state;
	const struct known_attempt *known;
	struct attempt attempt;

	for (uint32_t i = fixture->attempts.count; i < ATTEMPT_SET_COUNT_MAX; i++) {
		attempt = intent_rows_attempt(100 + i);
		assert_int_equal(attempt_set_find(&fixture->attempts, &attempt, &known), 0);
		assert_false(known->has_verdict);
	}
	attempt = intent_rows_attempt(50);
	assert_int_equal(attempt_set_find(&fixture->attempts, &attempt, &known), STATUS_LIMIT);
	assert_int_equal(attempt_set_find(&fixture->attempts, &fixture->committed, &known), 0);
}

/* ---- Life ---- */

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	static const char *const names[] = {"a", "z"};

	assert_non_null(fixture);
	fs_harness_init(&fixture->files, 1);
	fixture->view = intent_view_init(&fixture->over, fixture->files.view, &fixture->attempts);
	fixture->directory = (uint64_t)fs_make(&fixture->files, ROOT, "directory", S_IFDIR | 0755);
	fixture->file = (uint64_t)fs_make(&fixture->files, fixture->directory, "file", S_IFREG | 0644);
	fixture->other = (uint64_t)fs_make(&fixture->files, fixture->directory, "other", S_IFREG | 0644);
	fixture->committed = intent_rows_attempt(1);
	fixture->unknown = intent_rows_attempt(2);
	learn(fixture, &fixture->committed, ATTEMPT_IS_COMMITTED);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(fs_link(&fixture->files, fixture->file, fixture->directory, names[i]), 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	attempt_set_close(&fixture->attempts);
	fs_harness_close(&fixture->files);
	free(fixture);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_intents_all_is_as_it_was),
		TEST(data_is_below),
		TEST(a_committed_change_counts),
		TEST(any_other_change_is_noted_alone),
		TEST(changes_add_up),
		TEST(a_later_time_stays),
		TEST(a_lost_name_is_one_link_less),
		TEST(a_removed_directory_has_no_links),
		TEST(a_moved_directory_has_another_parent),
		TEST(a_nameless_file_gets_its_name),
		TEST(counts_below_zero_are_damage),
		TEST(the_tree_is_no_row),
		TEST(names_come_go_and_change),
		TEST(added_rows_are_in_order),
		TEST(a_listing_resumes_among_added_names),
		TEST(an_inode_is_born),
		TEST(intents_are_told_without_the_view),
		TEST(a_row_that_is_not_in_memory_is_asked_for_again),
		TEST(a_set_has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
