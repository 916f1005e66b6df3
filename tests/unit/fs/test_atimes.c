/* fs/inodes/atimes: when a read is worth a note, what getattr is told meanwhile, and that notes are sent. */
#include "tests/lib/test.h"

#include <sys/stat.h>

#include "fs/inodes/atimes.h"
#include "tests/lib/sim_client.h"

#define DAY_S	 86400
#define PERIOD_S 31u

struct bench {
	struct sim_client sim;
	struct atimes *atimes;
	uint64_t ino;
	bool is_stopped;
};

static void on_stopped(void *argument)
{
	struct bench *bench = argument;

	bench->is_stopped = true;
}

static int setup(void **state)
{
	static struct bench bench;

	bench = (struct bench){0};
	sim_client_init(&bench.sim, &(struct fake_raftkv_options){.seed = 1, .delay_max_ns = SIM_MS});
	assert_int_equal(atimes_new(bench.sim.client, bench.sim.loop, &bench.atimes), 0);
	bench.ino = (uint64_t)fs_make(bench.sim.files, FS_ROOT_INO, "a", S_IFREG | 0644);
	*state = &bench;
	return 0;
}

static void stop(struct bench *bench)
{
	sim_client_run(&bench->sim, SIM_MS); /* the mail that sets the timer */
	atimes_stop(bench->atimes, on_stopped, bench);
	sim_client_until(&bench->sim, &bench->is_stopped);
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	if (!bench->is_stopped)
		stop(bench);
	sim_client_run(&bench->sim, SIM_MS); /* the mail of a note that came after the end */
	atimes_free(bench->atimes);
	sim_client_close(&bench->sim);
	return 0;
}

static struct fs_time now(const struct bench *bench)
{
	uint64_t wall = env_wall(bench->sim.env);

	return (struct fs_time){(int64_t)(wall / SIM_S), (uint32_t)(wall % SIM_S)};
}

static struct attributes stored(struct bench *bench)
{
	return fs_attributes(fake_raftkv_files(bench->sim.raftkv), bench->ino);
}

/* As a file that was written two hours ago and read, then or never since. */
static struct attributes attributes_of(const struct bench *bench, bool is_read_since)
{
	struct attributes attributes = {.ino = bench->ino};

	attributes.mtime = attributes.ctime = attributes.atime = now(bench);
	attributes.mtime.seconds -= 7200;
	attributes.ctime.seconds -= 7200;
	attributes.atime.seconds -= is_read_since ? 3600 : 7200;
	return attributes;
}

static bool is_noted(struct bench *bench, struct attributes attributes)
{
	int64_t before = attributes.atime.seconds;

	atimes_apply(bench->atimes, &attributes);
	return attributes.atime.seconds > before;
}

static void test_the_first_read_since_a_change_is_noted(void **state)
{
	struct bench *bench = *state;
	struct attributes attributes = attributes_of(bench, false);

	atimes_note(bench->atimes, &attributes, false);
	assert_true(is_noted(bench, attributes));
}

static void test_a_further_read_is_not(void **state)
{
	struct bench *bench = *state;
	struct attributes attributes = attributes_of(bench, true);

	atimes_note(bench->atimes, &attributes, false);
	assert_false(is_noted(bench, attributes));
	sim_client_run(&bench->sim, PERIOD_S * (uint64_t)SIM_S);
	assert_int_equal(fake_raftkv_counts(bench->sim.raftkv)->writes, 0);
}

static void test_strictly_every_read_is(void **state)
{
	struct bench *bench = *state;
	struct attributes attributes = attributes_of(bench, true);

	assert_false(atimes_is_due(bench->atimes, &attributes, false));
	assert_true(atimes_is_due(bench->atimes, &attributes, true));
	atimes_note(bench->atimes, &attributes, true);
	assert_true(is_noted(bench, attributes));
}

/* A write after a read that was noted: the next read is noted, too. `after_ns` the first note: it waits, or is on its way. */
static void read_write_read(struct bench *bench, uint64_t after_ns)
{
	struct attributes attributes = attributes_of(bench, false);
	struct fs_time second;

	atimes_note(bench->atimes, &attributes, false);
	assert_false(atimes_is_due(bench->atimes, &attributes, false));
	sim_client_run(&bench->sim, after_ns);
	attributes.mtime = attributes.ctime = now(bench); /* the store has the first atime, or not yet */
	assert_true(atimes_is_due(bench->atimes, &attributes, false));
	sim_client_run(&bench->sim, 1000);
	second = now(bench);
	atimes_note(bench->atimes, &attributes, false);
	atimes_apply(bench->atimes, &attributes);
	assert_false(fs_time_is_before(&attributes.atime, &second) ||
		     fs_time_is_before(&second, &attributes.atime));
	stop(bench);
	assert_int_equal(stored(bench).atime.seconds, second.seconds);
	assert_int_equal(stored(bench).atime.nanoseconds, second.nanoseconds);
}

static void test_a_read_after_a_write_advances_a_note_that_waits(void **state)
{
	read_write_read(*state, SIM_S);
}

static void test_a_read_after_a_write_advances_a_note_on_its_way(void **state)
{
	struct bench *bench = *state;

	read_write_read(bench, 30 * (uint64_t)SIM_S + 1000);
}

static void test_a_day_later_it_is(void **state)
{
	struct bench *bench = *state;
	struct attributes attributes = attributes_of(bench, true);

	attributes.mtime.seconds -= 2 * DAY_S;
	attributes.ctime.seconds -= 2 * DAY_S;
	attributes.atime.seconds -= DAY_S;
	atimes_note(bench->atimes, &attributes, false);
	assert_true(is_noted(bench, attributes));
}

static void test_the_flag_of_chattr(void **state)
{
	struct bench *bench = *state;
	struct attributes attributes = attributes_of(bench, false);

	attributes.flags = FS_FLAG_NOATIME;
	atimes_note(bench->atimes, &attributes, false);
	assert_false(is_noted(bench, attributes));
}

static void test_notes_are_sent_after_a_while(void **state)
{
	struct bench *bench = *state;
	struct attributes attributes = attributes_of(bench, false);

	for (int i = 0; i < 10; i++)
		atimes_note(bench->atimes, &attributes, false);
	sim_client_run(&bench->sim, SIM_S);
	assert_int_equal(fake_raftkv_counts(bench->sim.raftkv)->writes, 0);
	sim_client_run(&bench->sim, PERIOD_S * (uint64_t)SIM_S);
	assert_int_equal(fake_raftkv_counts(bench->sim.raftkv)->writes, 1);
	assert_false(is_noted(bench, attributes)); /* the store has it */
}

static void test_the_end_sends_the_rest(void **state)
{
	struct bench *bench = *state;
	struct attributes attributes = stored(bench);

	attributes.ctime = attributes.mtime = attributes.atime;
	atimes_note(bench->atimes, &attributes, false);
	stop(bench);
	assert_int_equal(fake_raftkv_counts(bench->sim.raftkv)->writes, 1);
}

static void test_who_sets_the_time_has_the_last_word(void **state)
{
	struct bench *bench = *state;
	struct attributes attributes = attributes_of(bench, false);

	atimes_note(bench->atimes, &attributes, false);
	atimes_forget(bench->atimes, bench->ino);
	assert_false(is_noted(bench, attributes));
	stop(bench);
	assert_int_equal(fake_raftkv_counts(bench->sim.raftkv)->writes, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_read_since_a_change_is_noted),
		TEST(a_further_read_is_not),
		TEST(strictly_every_read_is),
		TEST(a_read_after_a_write_advances_a_note_that_waits),
		TEST(a_read_after_a_write_advances_a_note_on_its_way),
		TEST(a_day_later_it_is),
		TEST(the_flag_of_chattr),
		TEST(notes_are_sent_after_a_while),
		TEST(the_end_sends_the_rest),
		TEST(who_sets_the_time_has_the_last_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
