/* What the kernel may go by, by what it was told and when. */
#include "tests/lib/test.h"

#include <stdlib.h>

#include "fs/inodes/told.h"
#include "proto/plant.h"
#include "tests/lib/fs_harness.h"

#define INO   7u
#define VALID 100u
#define NAME  UINT64_C(11)

static struct told *told;

static int setup_places(uint32_t places)
{
	return told_new(VALID, places, &told);
}

static int setup(void **state)
{
	(void)state;
	return setup_places(1024);
}

static int setup_one(void **state)
{
	(void)state;
	return setup_places(1);
}

static int teardown(void **state)
{
	(void)state;
	told_free(told);
	return 0;
}

static struct attributes version_of(uint64_t ino, uint64_t version)
{
	return (struct attributes){
		.ino = ino, .generation = 1, .nlink = 1, .data_version = version, .size = 10 * version};
}

static void note(uint64_t version, uint64_t now)
{
	struct attributes attributes = version_of(INO, version);

	told_note(told, &attributes, NAME, now);
}

static void note_without_name(uint64_t version, uint64_t now)
{
	struct attributes attributes = version_of(INO, version);

	told_note(told, &attributes, 0, now);
}

static void change(uint64_t version, bool is_ours)
{
	struct attributes attributes = version_of(INO, version);

	told_change(told, &attributes, is_ours);
}

static bool is_old(uint64_t version, uint64_t now)
{
	struct attributes attributes = version_of(INO, version);

	return told_is_old(told, &attributes, now);
}

static bool is_name_old(uint64_t version, uint64_t now)
{
	struct attributes attributes = version_of(INO, version);

	return told_is_name_old(told, &attributes, false, now);
}

static void what_was_told_is_known_while_it_is_valid(void **state)
{
	(void)state;
	assert_false(is_old(1, 1000)); /* it will ask */
	note(1, 1000);
	assert_false(is_old(1, 1000));
	assert_true(is_old(2, 1000 + VALID - 1));
}

static void what_has_run_out_is_asked_for(void **state)
{
	(void)state;
	note(1, 1000);
	assert_false(is_old(2, 1000 + VALID));
}

static void every_attribute_counts(void **state)
{
	const struct attributes was = version_of(INO, 1);
	struct attributes is[7];

	(void)state;
	for (size_t i = 0; i < 7; i++)
		is[i] = was;
	is[0].mode = 0644;
	is[1].nlink = 2;
	is[2].uid = 1;
	is[3].gid = 1;
	is[4].size = 1;
	is[5].mtime.nanoseconds = 1;
	is[6].ctime.nanoseconds = 1;
	for (size_t i = 0; i < 7; i++) {
		told_forget(told, INO);
		told_note(told, &was, NAME, 1000);
		assert_true(told_is_old(told, &is[i], 1000));
	}
}

static void an_answer_that_was_overtaken_is_of_no_consequence(void **state)
{
	struct attributes again = version_of(INO, 1);

	(void)state;
	note(2, 1000);
	assert_false(is_old(1, 1000));
	again.generation = 2; /* of the number, which is used again */
	assert_true(told_is_old(told, &again, 1000));
}

static void changes_of_ours_are_known(void **state)
{
	struct attributes renamed = version_of(INO, 2);

	(void)state;
	note(1, 1000);
	change(2, true);
	assert_false(is_old(2, 1000));
	renamed.ctime.seconds = 5; /* no change of the content */
	told_change(told, &renamed, false);
	assert_false(told_is_old(told, &renamed, 1000));
	assert_true(is_old(2, 1000));
}

/* Somebody wrote in between. */
static void a_change_behind_anothers_is_not_known(void **state)
{
	(void)state;
	note(1, 1000);
	change(3, false);
	assert_true(is_old(3, 1000));
}

static void of_two_answers_either_may_have_been_taken(void **state)
{
	(void)state;
	note(1, 1000);
	note(2, 1050);
	assert_true(is_old(2, 1050));
	assert_false(is_old(2, 1000 + VALID));
}

static void what_was_forgotten_is_asked_for(void **state)
{
	(void)state;
	note_without_name(1, 1000);
	assert_true(is_old(2, 1000));
	told_forget(told, INO);
	assert_false(is_old(2, 1000));
}

/* A name is believed as long as attributes are, and only with a name is it told anew. */
static void a_name_is_old_until_it_is_told_again(void **state)
{
	struct attributes changing = version_of(INO, 2);

	(void)state;
	note(1, 1000);
	assert_false(is_name_old(1, 1000));
	assert_true(is_name_old(2, 1000));
	assert_false(told_is_name_old(told, &changing, true, 1000));
	note_without_name(2, 1010);
	told_forget(told, INO);
	assert_true(is_name_old(2, 1010));
	note(2, 1020);
	assert_false(is_name_old(2, 1020));
	assert_true(is_old(3, 1030));
	told_forget(told, INO);
	assert_true(is_name_old(3, 1030));
	assert_false(is_name_old(3, 1020 + VALID));
}

/* It was renamed there: the new name is good, and the old one is still believed. */
static void another_name_does_not_mend_the_first(void **state)
{
	struct attributes renamed = version_of(INO, 2);

	(void)state;
	note(1, 1000);
	told_note(told, &renamed, NAME + 1, 1010);
	assert_true(is_name_old(2, 1010));
	told_note(told, &renamed, NAME + 1, 1020);
	assert_true(is_name_old(2, 1020));
	told_note(told, &renamed, NAME + 1, 1000 + VALID);
	assert_false(is_name_old(2, 1000 + VALID));
	assert_int_not_equal(told_name(1, text("a")), told_name(2, text("a")));
	assert_int_not_equal(told_name(1, text("a")), told_name(1, text("b")));
	assert_int_equal(told_name(1, text("")), 0);
}

static void a_name_stays_when_changes_are_ours(void **state)
{
	(void)state;
	note(1, 1000);
	change(2, true);
	note_without_name(2, 1010);
	assert_false(is_name_old(2, 1010));
	note_without_name(3, 1020); /* somebody else's */
	assert_true(is_name_old(3, 1020));
}

static void who_was_put_out_is_not_known(void **state)
{
	struct attributes other = version_of(8, 1);

	(void)state;
	note(1, 1000);
	told_note(told, &other, NAME, 1010);
	assert_true(is_old(2, 1010));
	assert_true(told_is_old(told, &other, 1010)); /* it may have been here before */
	note(2, 1020);
	assert_true(is_old(2, 1020));
	assert_false(is_old(2, 1010 + VALID));
}

/* ---- Refusals ---- */

int main(void)
{
#define TEST(name)     cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_ONE(name) cmocka_unit_test_setup_teardown(name, setup_one, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_was_told_is_known_while_it_is_valid),
		TEST(what_has_run_out_is_asked_for),
		TEST(every_attribute_counts),
		TEST(an_answer_that_was_overtaken_is_of_no_consequence),
		TEST(changes_of_ours_are_known),
		TEST(a_change_behind_anothers_is_not_known),
		TEST(of_two_answers_either_may_have_been_taken),
		TEST(what_was_forgotten_is_asked_for),
		TEST(a_name_is_old_until_it_is_told_again),
		TEST(another_name_does_not_mend_the_first),
		TEST(a_name_stays_when_changes_are_ours),
		TEST_ONE(who_was_put_out_is_not_known),
	};

#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
