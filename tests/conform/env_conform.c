#include "tests/conform/env_conform.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/conform/env_conform_parts.h"
#include "tests/lib/test.h"

static void (*suite_setup)(struct env_conform *conform);
static void (*suite_teardown)(struct env_conform *conform);

static int setup(void **state)
{
	struct env_conform *conform = calloc(1, sizeof *conform);

	assert_non_null(conform);
	suite_setup(conform);
	assert_int_equal(env_loop_new(conform->env, "conform", &conform->loop), 0);
	*state = conform;
	return 0;
}

static int teardown(void **state)
{
	struct env_conform *conform = *state;

	env_loop_free(conform->loop);
	suite_teardown(conform);
	free(conform);
	return 0;
}

/* ---- Clock and random ------------------------------------------------------------------------------------------- */

static void test_clock_and_random(void **state)
{
	struct env_conform *conform = *state;
	uint64_t before = env_now(conform->env), cpu = env_cpu(conform->env);
	unsigned char a[32], b[32];

	assert_true(env_now(conform->env) >= before);
	assert_true(env_wall(conform->env) > 0);
	assert_true(env_cpu(conform->env) >= cpu); /* it may stand still */
	env_random(conform->env, a, sizeof a);
	env_random(conform->env, b, sizeof b);
	assert_memory_not_equal(a, b, sizeof a);
	assert_ptr_equal(env_loop_env(conform->loop), conform->env);
}

/* ---- Mail ------------------------------------------------------------------------------------------------------- */

#define LETTERS 2000

struct letter {
	struct env_mail mail;
	struct post_office *office;
	int sender;
	int number;
};

/* Two loops post to one; the last letter of both stops it. */
struct post_office {
	struct env_conform *conform;
	struct env_loop *senders[2];
	struct env_mail start[2];
	struct letter letters[2][LETTERS];
	int received[2];
	bool posting;
};

static void on_letter(struct env_mail *mail)
{
	struct letter *letter = container_of(mail, struct letter, mail);
	struct post_office *office = letter->office;

	assert_true(env_loop_is_current(office->conform->loop));
	assert_int_equal(office->received[letter->sender]++, letter->number);
	if (office->received[0] == LETTERS && office->received[1] == LETTERS)
		env_loop_stop(office->conform->loop);
}

static void post_all(struct post_office *office, int sender)
{
	for (int i = 0; i < LETTERS; i++) {
		struct letter *letter = &office->letters[sender][i];

		*letter = (struct letter){.office = office, .sender = sender, .number = i};
		env_post(office->conform->loop, &letter->mail, on_letter);
	}
	env_loop_stop(office->senders[sender]);
}

static void on_start_0(struct env_mail *mail)
{
	post_all(container_of(mail, struct post_office, start[0]), 0);
}

static void on_start_1(struct env_mail *mail)
{
	post_all(container_of(mail, struct post_office, start[1]), 1);
}

static void test_mail_order(void **state)
{
	static const env_mail_cb starts[2] = {on_start_0, on_start_1};
	struct env_conform *conform = *state;
	struct post_office *office = calloc(1, sizeof *office);

	office->conform = conform;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(env_loop_new(conform->env, "sender", &office->senders[i]), 0);
		env_post(office->senders[i], &office->start[i], starts[i]);
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(env_loop_start(office->senders[i]), 0);
	assert_int_equal(env_loop_run(conform->loop), 0);
	for (int i = 0; i < 2; i++) {
		env_loop_free(office->senders[i]);
		assert_int_equal(office->received[i], LETTERS);
	}
	free(office);
}

struct chain {
	struct env_mail mail;
	struct env_mail last;
	struct env_conform *conform;
	int left;
	bool inside;
};

static void on_chain(struct env_mail *mail)
{
	struct chain *chain = container_of(mail, struct chain, mail);

	assert_false(chain->inside);
	chain->inside = true;
	if (--chain->left > 0)
		env_post(chain->conform->loop, mail, on_chain);
	chain->inside = false;
	if (chain->left == 5)
		env_loop_stop(chain->conform->loop);
}

/* Mail is never run inside env_post, and a loop that is told to stop runs the mail that is left. */
static void test_stop_runs_what_is_due(void **state)
{
	struct chain chain = {.conform = *state, .left = 10};

	env_post(chain.conform->loop, &chain.mail, on_chain);
	assert_int_equal(env_loop_run(chain.conform->loop), 0);
	assert_int_equal(chain.left, 0);
	assert_false(env_loop_is_current(chain.conform->loop));
}

/* ---- Timers ----------------------------------------------------------------------------------------------------- */

#define TIMERS 40

struct alarm {
	struct env_timer timer;
	struct clockwork *clockwork;
	uint64_t deadline;
	int number;
};

struct clockwork {
	struct env_conform *conform;
	struct alarm alarms[TIMERS];
	const struct alarm *previous;
	int expired;
	int awaited;
};

static void on_alarm(struct env_timer *timer)
{
	struct alarm *alarm = container_of(timer, struct alarm, timer);
	struct clockwork *clockwork = alarm->clockwork;
	const struct alarm *previous = clockwork->previous;

	assert_true(env_loop_is_current(clockwork->conform->loop));
	assert_false(env_timer_is_running(timer));
	assert_true(env_now(clockwork->conform->env) >= alarm->deadline);
	if (previous)
		assert_true(previous->deadline < alarm->deadline ||
			    (previous->deadline == alarm->deadline && previous->number < alarm->number));
	clockwork->previous = alarm;
	if (++clockwork->expired == clockwork->awaited)
		env_loop_stop(clockwork->conform->loop);
}

static void set_alarm(struct clockwork *clockwork, int number, uint64_t deadline)
{
	struct alarm *alarm = &clockwork->alarms[number];

	alarm->clockwork = clockwork;
	alarm->deadline = deadline;
	alarm->number = number;
	env_timer_start(&alarm->timer, clockwork->conform->loop, deadline, on_alarm);
	assert_true(env_timer_is_running(&alarm->timer));
}

static void test_timers_in_order_never_early(void **state)
{
	struct clockwork clockwork = {.conform = *state, .awaited = TIMERS};
	uint64_t now = env_now(clockwork.conform->env);

	/* Spread over 30 ms, some equal, one in the past, none in order. */
	for (int i = 0; i < TIMERS; i++)
		set_alarm(&clockwork, i, i == 7 ? 1 : now + (uint64_t)(i * 17 % 20) * 1500000u);
	env_loop_run(clockwork.conform->loop);
	assert_int_equal(clockwork.expired, TIMERS);
}

static void test_timers_move_and_stop(void **state)
{
	struct clockwork clockwork = {.conform = *state, .awaited = 2};
	uint64_t now = env_now(clockwork.conform->env);

	set_alarm(&clockwork, 0, now + 1000000);
	set_alarm(&clockwork, 1, now + 2000000);
	set_alarm(&clockwork, 2, now + 3600000000000u);
	set_alarm(&clockwork, 0, now + 12000000); /* later */
	set_alarm(&clockwork, 2, now + 3000000); /* earlier */
	env_timer_stop(&clockwork.alarms[1].timer);
	env_timer_stop(&clockwork.alarms[1].timer);
	assert_false(env_timer_is_running(&clockwork.alarms[1].timer));
	env_loop_run(clockwork.conform->loop);
	assert_int_equal(clockwork.expired, 2);
	assert_ptr_equal(clockwork.previous, &clockwork.alarms[0]);
}

struct ticker {
	struct env_timer timer;
	struct env_mail mail;
	struct env_conform *conform;
	int ticks;
	bool mailed;
};

static void on_ticker_mail(struct env_mail *mail)
{
	container_of(mail, struct ticker, mail)->mailed = true;
}

/* Always due again: other callbacks must still have their turn. */
static void on_tick(struct env_timer *timer)
{
	struct ticker *ticker = container_of(timer, struct ticker, timer);

	if (ticker->ticks++ == 0)
		env_post(ticker->conform->loop, &ticker->mail, on_ticker_mail);
	if (ticker->mailed)
		env_loop_stop(ticker->conform->loop);
	else
		env_timer_start(timer, ticker->conform->loop, 0, on_tick);
}

static void test_timer_due_again_starves_nobody(void **state)
{
	struct ticker ticker = {.conform = *state};

	env_timer_start(&ticker.timer, ticker.conform->loop, 0, on_tick);
	env_loop_run(ticker.conform->loop);
	assert_true(ticker.ticks >= 2);
}

/* ---- Workers ---------------------------------------------------------------------------------------------------- */

#define JOBS 100

struct job {
	struct env_work work;
	struct factory *factory;
	int runs;
};

struct factory {
	struct env_conform *conform;
	struct job jobs[JOBS];
	int done;
};

static void on_job_run(struct env_work *work)
{
	struct job *job = container_of(work, struct job, work);

	assert_false(env_loop_is_current(job->factory->conform->loop));
	job->runs++;
}

static void on_job_done(struct env_work *work)
{
	struct job *job = container_of(work, struct job, work);

	assert_true(env_loop_is_current(job->factory->conform->loop));
	assert_int_equal(job->runs, 1);
	if (++job->factory->done == JOBS)
		env_loop_stop(job->factory->conform->loop);
}

static void test_workers(void **state)
{
	struct factory factory = {.conform = *state};

	for (int i = 0; i < JOBS; i++) {
		factory.jobs[i].factory = &factory;
		env_work_submit(factory.conform->loop, &factory.jobs[i].work, on_job_run, on_job_done);
	}
	assert_int_equal(factory.done, 0);
	env_loop_run(factory.conform->loop);
	assert_int_equal(factory.done, JOBS);
}

int env_conform_run(const char *name, void (*setup_one)(struct env_conform *conform),
	void (*teardown_one)(struct env_conform *conform))
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_clock_and_random, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mail_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop_runs_what_is_due, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timers_in_order_never_early, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timers_move_and_stop, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timer_due_again_starves_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(test_workers, setup, teardown),
		cmocka_unit_test_setup_teardown(env_conform_post_once, setup, teardown),
		cmocka_unit_test_setup_teardown(env_conform_handed_in_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(env_conform_file_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(env_conform_file_flags, setup, teardown),
		cmocka_unit_test_setup_teardown(env_conform_file_cached, setup, teardown),
		cmocka_unit_test_setup_teardown(env_conform_file_space, setup, teardown),
		cmocka_unit_test_setup_teardown(env_conform_file_direct, setup, teardown),
		cmocka_unit_test_setup_teardown(env_conform_file_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(env_conform_file_request_without_loop, setup, teardown),
		cmocka_unit_test_setup_teardown(env_conform_directories, setup, teardown),
		cmocka_unit_test_setup_teardown(env_conform_net_echo, setup, teardown),
		cmocka_unit_test_setup_teardown(env_conform_net_writes_before_connected, setup, teardown),
		cmocka_unit_test_setup_teardown(env_conform_net_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(env_conform_net_pause, setup, teardown),
		cmocka_unit_test_setup_teardown(env_conform_net_peer_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(env_conform_net_close_cancels, setup, teardown),
		cmocka_unit_test_setup_teardown(env_conform_net_addresses, setup, teardown),
	};

	suite_setup = setup_one;
	suite_teardown = teardown_one;
	return _cmocka_run_group_tests(name, tests, sizeof tests / sizeof *tests, NULL, NULL);
}
