/* fs/schema/facts_held: which changes of other regions' rows leave an answer right. */
#include "fs/intents/facts_held.h"

#include <stdlib.h>

#include "fs/schema/intent.h"
#include "proto/check.h"
#include "proto/plant.h"
#include "tests/lib/test.h"

#define DIRID	  7u
#define DIRECTORY fs_ino(DIRID, FS_SEQ_DIRECTORY)

static void add(struct writer *facts, struct fs_key key, struct slice row, bool exists)
{
	const struct fact fact = {.key = fs_key_slice(&key), .row = row, .exists = exists};

	fact_encode(&fact, facts);
}

static struct inode directory(uint64_t entries, uint64_t data_version)
{
	return (struct inode){.attributes = {.ino = DIRECTORY,
				      .generation = 1,
				      .mode = S_IFDIR | 0755,
				      .nlink = 2,
				      .data_version = data_version},
		.cut = INODE_CUT_NONE,
		.parent = FS_ROOT_INO,
		.entries = entries,
		.creation_dirid = DIRID,
		.creation_seq = FS_SEQ_FIRST};
}

static void add_directory(struct writer *facts, const struct inode *inode)
{
	struct writer row = writer_growing(FS_INODE_ROW_SIZE_MAX);

	check(inode_encode(inode, &row) == 0);
	add(facts, fs_key_inode(DIRECTORY), writer_written(&row), true);
	writer_close(&row);
}

static void add_entry(struct writer *facts, bool exists)
{
	add(facts, fs_key_entry(DIRECTORY, 5, slice_of("a", 1)), slice_of("row", exists ? 3 : 0), exists);
}

static bool held(const struct writer *before, const struct writer *now)
{
	struct slice one = writer_written(before), other = writer_written(now);

	assert_int_equal(facts_are_same(one, other), slice_compare(one, other) == 0);
	return facts_held(one, other);
}

static bool did_hold(const struct inode *before, const struct inode *now)
{
	struct writer one = writer_growing(FACTS_SIZE_MAX), other = writer_growing(FACTS_SIZE_MAX);
	bool is_held;

	add_directory(&one, before);
	add_directory(&other, now);
	is_held = held(&one, &other);
	writer_close(&one);
	writer_close(&other);
	return is_held;
}

static void a_directory_that_was_never_empty_may_change(void **state)
{
	const struct inode before = directory(10, 100);
	struct inode now = directory(12, 121);

	(void)state;
	assert_true(did_hold(&before, &before));
	assert_true(did_hold(&before, &now));
	now = directory(12, 122); /* ten went, and twelve came */
	assert_false(did_hold(&before, &now));
	now = directory(0, 110);
	assert_false(did_hold(&before, &now));
	assert_false(did_hold(&now, &before));
	now = directory(12, 102);
	now.attributes.flags = FS_FLAG_IMMUTABLE;
	assert_false(did_hold(&before, &now));
	now = directory(12, 102);
	now.attributes.nlink = FS_DIRECTORY_COUNT_MAX - INTENTS_OF_INODE_MAX - 2;
	assert_false(did_hold(&now, &before));
	now.attributes.nlink = 2;
	now.attributes.generation = 2;
	assert_false(did_hold(&before, &now));
	now.attributes.generation = 1;
	now.parent = fs_ino(9, FS_SEQ_DIRECTORY);
	assert_false(did_hold(&before, &now));
}

static void an_entry_is_as_it_was_only_if_the_directory_is(void **state)
{
	const struct inode before = directory(10, 100), now = directory(11, 101);

	(void)state;
	for (int exists = 0; exists < 2; exists++) {
		struct writer one = writer_growing(FACTS_SIZE_MAX), other = writer_growing(FACTS_SIZE_MAX);

		add_directory(&one, &before);
		add_entry(&one, exists);
		add_directory(&other, &now);
		add_entry(&other, exists);
		assert_int_equal(held(&one, &other), !exists);
		writer_close(&other);
		other = writer_growing(FACTS_SIZE_MAX);
		add_directory(&other, &before);
		add_entry(&other, !exists);
		assert_false(held(&one, &other));
		writer_close(&other);
		writer_close(&one);
	}
}

static void what_is_not_known_any_more_did_not_hold(void **state)
{
	struct writer before = writer_growing(FACTS_SIZE_MAX), now = writer_growing(FACTS_SIZE_MAX);

	(void)state;
	add_entry(&before, false);
	assert_false(held(&before, &now));
	assert_true(held(&now, &now));
	writer_close(&before);
	writer_close(&now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_directory_that_was_never_empty_may_change),
		cmocka_unit_test(an_entry_is_as_it_was_only_if_the_directory_is),
		cmocka_unit_test(what_is_not_known_any_more_did_not_hold),
	};

#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
