/* Which pages the kernel may keep, by the versions that it is told of; the test is the kernel. */
#include "tests/lib/test.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>

#include "fs/inodes/pages.h"
#include "proto/check.h"
#include "proto/env_uv.h"
#include "proto/plant.h"
#include "tests/lib/patience.h"

#define INO	  7u
#define SENTINEL  999u /* an inode that no test uses otherwise */
#define LIMIT_S	  15
#define SECOND_NS UINT64_C(1000000000)

struct fixture {
	struct drops *queue;
	struct pages *pages;
	struct env *env;
	struct env_loop *loop;
	/* Of the thread that drops: each drop begins, is let go and ends. */
	sem_t begun, may_drop, dropped;
	uint64_t last; /* inode */
	sem_t woken;
};

static struct fixture fixture;

static void on_drop(void *argument, uint64_t ino)
{
	(void)argument;
	sem_post(&fixture.begun);
	sem_wait(&fixture.may_drop);
	fixture.last = ino;
	sem_post(&fixture.dropped);
}

static int setup_kept(uint32_t kept_max)
{
	const struct env_uv_options env = {.worker_threads = 1, .io_threads = 1};
	struct pages_options options = {.kept_max = kept_max};
	struct status status;

	fixture = (struct fixture){0};
	sem_init(&fixture.begun, 0, 0);
	sem_init(&fixture.dropped, 0, 0);
	sem_init(&fixture.may_drop, 0, 0);
	sem_init(&fixture.woken, 0, 0);
	assert_int_equal(env_uv_new(&env, &fixture.env, &status), 0);
	assert_int_equal(env_loop_new(fixture.env, "loop", &fixture.loop), 0);
	assert_int_equal(env_loop_start(fixture.loop), 0);
	assert_int_equal(drops_new(on_drop, NULL, &fixture.queue), 0);
	options.drops = fixture.queue;
	return pages_new(&options, &fixture.pages);
}

static int setup(void **state)
{
	(void)state;
	return setup_kept(0);
}

static int setup_few(void **state)
{
	(void)state;
	return setup_kept(2);
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < 64; i++)
		sem_post(&fixture.may_drop);
	drops_free(fixture.queue);
	pages_free(fixture.pages);
	env_loop_stop(fixture.loop);
	env_loop_free(fixture.loop);
	env_uv_free(fixture.env);
	return 0;
}

static struct attributes version_of(uint64_t ino, uint64_t version)
{
	return (struct attributes){.ino = ino, .generation = 1, .data_version = version};
}

static uint64_t see(uint64_t version)
{
	struct attributes attributes = version_of(INO, version);

	return pages_see(fixture.pages, &attributes);
}

/* Whether all changes up to it are ours. */
static bool end_change(uint64_t version)
{
	struct attributes attributes = version_of(INO, version);

	return pages_end(fixture.pages, INO, &attributes);
}

static void change(uint64_t version)
{
	pages_begin(fixture.pages, INO);
	end_change(version);
}

/* Opens to read; whether the kernel may keep what it has, without waiting. */
static bool open_file(uint64_t ino, uint64_t version)
{
	struct attributes attributes = version_of(ino, version);

	assert_int_equal(pages_open(fixture.pages, ino, true), 0);
	return pages_opened(fixture.pages, &attributes) == 0 && pages_may_keep(fixture.pages, &attributes);
}

static void close_file(uint64_t ino)
{
	pages_close(fixture.pages, ino, true);
}

/* Without it nothing that follows makes sense. */
static void await_one(sem_t *event)
{
	struct timespec limit;

	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += patience(LIMIT_S);
	while (sem_timedwait(event, &limit) < 0)
		check(errno == EINTR);
}

/* The inode whose pages went. */
static uint64_t let_one_drop(void)
{
	sem_post(&fixture.may_drop);
	await_one(&fixture.dropped);
	return fixture.last;
}

/* So many are wanted, and no more: one of another file comes behind them. Afterwards they are done. */
static void assert_drops(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		assert_int_not_equal(let_one_drop(), SENTINEL);
	assert_int_not_equal(drops_add(fixture.queue, SENTINEL), 0);
	assert_int_equal(let_one_drop(), SENTINEL);
}

/* ---- Whose versions ---- */

static void changes_of_ours_leave_pages_alone(void **state)
{
	(void)state;
	assert_true(open_file(INO, 3));
	change(4);
	change(5);
	assert_int_equal(see(5), 0);
	assert_int_equal(see(4), 0); /* an answer that was late */
	close_file(INO);
	assert_true(open_file(INO, 5));
	close_file(INO);
	assert_drops(0);
}

static void a_change_of_another_drops_them(void **state)
{
	(void)state;
	assert_true(open_file(INO, 3));
	assert_int_not_equal(see(4), 0);
	assert_drops(1);
	assert_int_equal(see(4), 0);
	close_file(INO);
}

static void answers_come_in_any_order(void **state)
{
	(void)state;
	assert_true(open_file(INO, 0));
	for (int i = 0; i < 3; i++)
		pages_begin(fixture.pages, INO);
	assert_false(end_change(3));
	assert_int_equal(see(3), 0); /* 1 and 2 may be ours */
	assert_true(end_change(1));
	assert_true(pages_are_changing(fixture.pages, INO));
	assert_true(end_change(2));
	assert_false(pages_are_changing(fixture.pages, INO));
	assert_int_equal(see(3), 0);
	close_file(INO);
	assert_drops(0);
}

static void a_gap_is_of_another_once_none_of_ours_is_under_way(void **state)
{
	(void)state;
	assert_true(open_file(INO, 0));
	pages_begin(fixture.pages, INO);
	pages_begin(fixture.pages, INO);
	assert_false(end_change(3));
	assert_int_equal(see(3), 0);
	end_change(1); /* 2 was not ours */
	assert_drops(1);
	close_file(INO);
}

static void a_change_whose_fate_is_unknown_is_of_another(void **state)
{
	(void)state;
	assert_true(open_file(INO, 0));
	pages_begin(fixture.pages, INO);
	pages_end(fixture.pages, INO, NULL);
	assert_int_not_equal(see(1), 0);
	assert_drops(1);
	close_file(INO);
}

static void many_changes_behind_a_gap(void **state)
{
	(void)state;
	assert_true(open_file(INO, 0));
	for (int i = 0; i < 40; i++)
		pages_begin(fixture.pages, INO);
	for (uint64_t version = 40; version > 0; version--)
		end_change(version);
	assert_drops(1); /* more than were remembered: better once too often */
	assert_int_equal(see(40), 0);
	change(41);
	close_file(INO);
	assert_drops(0);
}

static void a_number_that_is_used_again(void **state)
{
	struct attributes attributes = {.ino = INO, .generation = 2, .data_version = 1};

	(void)state;
	assert_true(open_file(INO, 9));
	assert_int_not_equal(pages_see(fixture.pages, &attributes), 0);
	assert_drops(1);
	close_file(INO);
}

/* ---- Opening ---- */

static void what_changed_while_it_was_closed_goes_at_the_open(void **state)
{
	(void)state;
	assert_true(open_file(INO, 3));
	close_file(INO);
	assert_false(open_file(INO, 4));
	assert_drops(1);
	close_file(INO);
	assert_true(open_file(INO, 4));
	close_file(INO);
}

/* Nobody can look at the pages: they go when somebody could. */
static void a_closed_file_is_not_dropped(void **state)
{
	(void)state;
	assert_true(open_file(INO, 3));
	close_file(INO);
	assert_int_equal(see(4), 0);
	assert_int_equal(pages_drop(fixture.pages, INO), 0);
	assert_drops(0);
	assert_false(open_file(INO, 4));
	assert_drops(1);
	close_file(INO);
}

static void who_opens_it_waits_until_they_have_gone(void **state)
{
	struct attributes attributes = version_of(INO, 4);

	(void)state;
	assert_true(open_file(INO, 3));
	close_file(INO);
	assert_int_equal(pages_open(fixture.pages, INO, true), 0);
	assert_int_not_equal(pages_opened(fixture.pages, &attributes), 0);
	assert_drops(1);
	assert_true(pages_may_keep(fixture.pages, &attributes));
	close_file(INO);
	assert_int_equal(pages_open(fixture.pages, INO, true), 0);
	assert_int_equal(pages_opened(fixture.pages, &attributes), 0);
	close_file(INO);
}

static void a_second_open_does_not_keep_what_is_about_to_go(void **state)
{
	(void)state;
	assert_true(open_file(INO, 3));
	assert_false(open_file(INO, 4));
	assert_false(open_file(INO, 4));
	assert_int_not_equal(see(3), 0); /* even an old answer waits */
	assert_drops(1);
	for (int i = 0; i < 3; i++)
		close_file(INO);
	assert_true(open_file(INO, 4));
	close_file(INO);
}

static void a_new_file_has_no_pages(void **state)
{
	struct attributes attributes = version_of(INO, 0);

	(void)state;
	assert_int_equal(pages_open(fixture.pages, INO, true), 0);
	pages_are_fresh(fixture.pages, &attributes);
	change(1);
	close_file(INO);
	assert_true(open_file(INO, 1));
	close_file(INO);
	assert_drops(0);
}

static void what_was_forgotten_is_not_trusted(void **state)
{
	struct attributes attributes = version_of(100, 0);

	(void)state;
	for (uint64_t ino = 10; ino < 14; ino++) {
		assert_true(open_file(ino, 1) || ino > 12);
		close_file(ino);
	}
	assert_drops(1); /* 13: one had been forgotten by then */
	assert_false(open_file(10, 1));
	assert_drops(1);
	close_file(10);
	assert_int_equal(pages_open(fixture.pages, 100, true), 0);
	pages_are_fresh(fixture.pages, &attributes);
	close_file(100);
	assert_true(open_file(100, 0));
	close_file(100);
	assert_drops(0);
}

/* ---- Extended attributes ---- */

static bool is_bare_at(uint64_t now)
{
	return pages_is_bare(fixture.pages, INO, now);
}

static void note_bare(bool is_bare, uint64_t asked)
{
	struct attributes attributes = version_of(INO, 1);

	attributes.is_bare = is_bare;
	pages_note_bare(fixture.pages, &attributes, asked);
}

static void a_file_is_bare_for_a_moment(void **state)
{
	(void)state;
	note_bare(true, SECOND_NS);
	assert_false(is_bare_at(SECOND_NS)); /* nobody opened it */
	assert_true(open_file(INO, 1));
	assert_false(is_bare_at(SECOND_NS));
	note_bare(true, SECOND_NS);
	assert_true(is_bare_at(2 * SECOND_NS - 1));
	assert_false(is_bare_at(2 * SECOND_NS));
	note_bare(false, SECOND_NS);
	assert_false(is_bare_at(SECOND_NS));
	close_file(INO);
}

/* An answer from before the change may come after it. */
static void what_gets_an_attribute_is_bare_no_more(void **state)
{
	(void)state;
	assert_true(open_file(INO, 1));
	note_bare(true, SECOND_NS);
	pages_set_xattr(fixture.pages, INO);
	assert_false(is_bare_at(SECOND_NS));
	note_bare(true, SECOND_NS);
	assert_false(is_bare_at(SECOND_NS));
	close_file(INO);
}

/* ---- Waiting ---- */

static void on_wake(struct env_mail *mail)
{
	(void)mail;
	sem_post(&fixture.woken);
}

static void who_waits_is_woken_after_the_drop(void **state)
{
	struct drops_waiter waiter = {.loop = fixture.loop, .wake = on_wake};
	uint64_t ticket;

	(void)state;
	assert_true(open_file(INO, 1));
	ticket = see(2);
	assert_int_not_equal(ticket, 0);
	assert_false(drops_wait(fixture.queue, ticket, &waiter));
	assert_int_equal(sem_trywait(&fixture.woken), -1);
	assert_drops(1);
	await_one(&fixture.woken);
	assert_true(drops_wait(fixture.queue, ticket, &waiter));
	close_file(INO);
}

/* What is wanted while pages are being dropped is dropped again: some may have come back meanwhile. */
static void a_drop_that_runs_is_not_enough(void **state)
{
	(void)state;
	assert_true(open_file(INO, 1));
	see(2);
	await_one(&fixture.begun);
	assert_int_not_equal(pages_drop(fixture.pages, INO), 0);
	assert_drops(2);
	close_file(INO);
}

int main(void)
{
#define TEST(name)     cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_FEW(name) cmocka_unit_test_setup_teardown(name, setup_few, teardown)
	const struct CMUnitTest tests[] = {
		TEST(changes_of_ours_leave_pages_alone),
		TEST(a_change_of_another_drops_them),
		TEST(answers_come_in_any_order),
		TEST(a_gap_is_of_another_once_none_of_ours_is_under_way),
		TEST(a_change_whose_fate_is_unknown_is_of_another),
		TEST(many_changes_behind_a_gap),
		TEST(a_number_that_is_used_again),
		TEST(what_changed_while_it_was_closed_goes_at_the_open),
		TEST(a_closed_file_is_not_dropped),
		TEST(who_opens_it_waits_until_they_have_gone),
		TEST(a_second_open_does_not_keep_what_is_about_to_go),
		TEST(a_new_file_has_no_pages),
		TEST_FEW(what_was_forgotten_is_not_trusted),
		TEST(a_file_is_bare_for_a_moment),
		TEST(what_gets_an_attribute_is_bare_no_more),
		TEST(who_waits_is_woken_after_the_drop),
		TEST(a_drop_that_runs_is_not_enough),
	};

#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
